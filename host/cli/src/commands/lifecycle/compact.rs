//! `org.ai compact`

use super::count;
use crate::address::Address;
use crate::context::Context;
use crate::failure::{Failure, Result};
use serde_json::{Value, json};
use types::Timestamp;

/// Archive old versions, actions and events; the newest of everything stays, under its number
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai compact\n  org.ai compact --keep 10\n  org.ai compact --before 2024-01-01 --preserve v120 --preserve Startup/acme\n  org.ai compact --restore 0198a6f2-7c1e-7000-8000-000000000001"
)]
pub(crate) struct Command {
    /// So many of the newest versions of each thing stay
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "before")]
    keep: Option<u32>,
    /// Only what is older than this day or time
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// This version, or all of this thing, stays; several may be named
    #[arg(long, value_name = "VERSION|TYPE/ID")]
    preserve: Vec<String>,
    /// Throw the old away instead of archiving it
    #[arg(long)]
    no_archive: bool,
    /// Bring back what went into an archive, under its old numbers
    #[arg(long, value_name = "ARCHIVE", conflicts_with_all = ["keep", "before", "preserve", "no_archive"])]
    restore: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    if let Some(archive) = &command.restore {
        return super::run("restore", &json!({"archive": archive}), context, restored).await;
    }
    let body = body(&command)?;
    if command.no_archive {
        context.confirm("Throw old versions away without an archive? Nothing brings them back.")?;
    }
    super::run("compact", &body, context, human).await
}

fn body(command: &Command) -> Result<Value> {
    let mut body = json!({});
    if let Some(keep) = command.keep {
        body["keep"] = keep.into();
    }
    if let Some(before) = &command.before {
        let time = Timestamp::parse_date(before).or_else(|| Timestamp::parse(before)).ok_or_else(|| {
            Failure::usage(format!("--before {before:?} is no time: write 2024-01-08 or 2024-01-08T12:00:00Z"))
        })?;
        body["before"] = time.to_string().into();
    }
    if !command.preserve.is_empty() {
        body["preserve"] = command.preserve.iter().map(|text| preserved(text)).collect::<Result<Vec<_>>>()?.into();
    }
    if command.no_archive {
        body["archive"] = false.into();
    }
    Ok(body)
}

/// `v12` or `Startup/acme`.
fn preserved(text: &str) -> Result<String> {
    if let Ok(version) = super::super::things::if_version(text) {
        return Ok(format!("v{version}"));
    }
    match Address::parse(text)? {
        Address { at: Some(at), .. } => {
            Err(Failure::usage(format!("--preserve {text}: write the version alone, like v12, not the thing @{at}")))
        }
        thing => Ok(thing.to_string()),
    }
}

fn human(result: &Value) -> String {
    let parts = [
        ("thingsCompacted", "thing"),
        ("versionsArchived", "version"),
        ("actionsArchived", "action"),
        ("eventsArchived", "event"),
    ];
    let parts = parts.map(|(key, word)| count(result, key, word)).join(", ");
    let freed = result["bytesFreed"].as_u64().map_or_else(String::new, |bytes| format!("; {bytes} bytes freed"));
    let archive = result["archive"].as_str().map_or_else(String::new, |archive| format!("; archive {archive}"));
    format!("Compacted: {parts}{freed}{archive}")
}

fn restored(result: &Value) -> String {
    let parts = [("versions", "version"), ("actions", "action"), ("events", "event")];
    format!("Restored: {}", parts.map(|(key, word)| count(result, key, word)).join(", "))
}
