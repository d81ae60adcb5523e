//! `org.ai things …`: versioned things, read and written at any ref.

use crate::address::Address;
use crate::context::{Context, cell};
use crate::failure::{Exit, Failure, Result};
use crate::paint::{self, Paint, Tint};
use clap::Subcommand;
use reqwest::RequestBuilder;
use serde_json::Value;

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod restore;
pub(crate) mod update;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(get::Command),
    List(list::Command),
    Create(create::Command),
    Update(update::Command),
    Delete(delete::Command),
    History(history::Command),
    Diff(diff::Command),
    Restore(restore::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Get(command) => get::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
        Command::Create(command) => create::run(command, context).await,
        Command::Update(command) => update::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
        Command::History(command) => history::run(command, context).await,
        Command::Diff(command) => diff::run(command, context).await,
        Command::Restore(command) => restore::run(command, context).await,
    }
}

/// `Startup/acme  v3 on main`: what one line says of a thing.
pub(super) fn headline(thing: &Value) -> String {
    let mut line = format!("{}/{}  v{}", cell(thing, "type"), cell(thing, "id"), cell(thing, "version"));
    if let Some(branch) = thing["branch"].as_str() {
        line.push_str(&format!(" on {branch}"));
    }
    if thing["deleted"] == true {
        line.push_str(", deleted");
    }
    line
}

/// A thing for a person: what it is, then its fields.
pub(super) fn whole(thing: &Value, paint: Paint) -> String {
    let mut text = paint.tint(Tint::Head, &headline(thing)) + "\n";
    let line =
        |label: &str, value: String| format!("{label:<9} {}\n", paint::cut(&crate::context::one_line(&value), 300));
    if !thing["name"].is_null() {
        text.push_str(&line("name:", cell(thing, "name")));
    }
    text.push_str(&line("updated:", format!("{} by {}", cell(thing, "updatedAt"), cell(thing, "updatedBy"))));
    if thing["isDO"] == true {
        text.push_str(&line("object:", format!("{} is a durable object of its own", cell(thing, "$id"))));
    }
    text + &paint::lines(&format!("{:#}", thing["data"]))
}

/// The condition of a write.
#[derive(Debug, clap::Args)]
pub(super) struct Expected {
    /// Only if this is the newest version
    #[arg(long, alias = "if-match", value_name = "VERSION", value_parser = if_version)]
    if_version: Option<u64>,
}

impl Expected {
    fn of(&self, request: RequestBuilder) -> RequestBuilder {
        match self.if_version {
            Some(version) => request.header("if-match", format!("\"v{version}\"")),
            None => request,
        }
    }
}

/// The number of a version, as `7` or `v7`.
pub(super) fn if_version(text: &str) -> std::result::Result<u64, String> {
    let digits = text.trim_matches('"');
    let digits = digits.strip_prefix('v').unwrap_or(digits);
    digits.parse().map_err(|_| format!("{text:?} is no version: write its number, like 7 or v7"))
}

/// Adds to "not found" and "gone" what to do about it.
pub(super) fn not_there(thing: &Address) -> impl Fn(Failure) -> Failure {
    let (kind, shown) = (thing.kind.clone(), Address { at: None, ..thing.clone() }.to_string());
    move |failure| {
        if failure.exit != Exit::NotFound || failure.hint.is_some() {
            return failure;
        }
        failure.with_hint(format!(
            "`org.ai things list {kind}` shows what is there, `org.ai things history {shown}` what was"
        ))
    }
}
