//! `org.ai events …`: what happened, in its order.

use crate::context::{Context, cell, one_line};
use crate::failure::Result;
use crate::paint;
use clap::Subcommand;
use reqwest::Url;
use serde_json::Value;

pub(crate) mod dlq;
pub(crate) mod list;
pub(crate) mod tail;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Tail(tail::Command),
    /// Deliveries that failed and are not tried any more
    #[command(subcommand)]
    Dlq(dlq::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Tail(command) => tail::run(command, context).await,
        Command::Dlq(command) => dlq::run(command, context).await,
    }
}

// Which events.
#[derive(Debug, clap::Args)]
struct Wanted {
    /// Only those behind this sequence number
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// Only this verb, like created or Startup.created
    #[arg(long)]
    verb: Option<String>,
    /// Only of this thing, like Startup/acme
    #[arg(long, value_name = "TYPE/ID")]
    source: Option<String>,
}

impl Wanted {
    /// The filters, without `after`.
    fn filter(&self, url: &mut Url) {
        for (key, value) in [("verb", &self.verb), ("source", &self.source)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
    }
}

/// Of what an event holds, in its line.
const DATA_CHARS_MAX: usize = 80;

/// One event for a person: its number, when, what, of what, and what changed.
fn line(event: &Value) -> String {
    let data = &event["data"];
    let changes: Vec<&str> = data["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let about = match data {
        Value::Null => String::new(),
        Value::Object(_) if !data["version"].is_null() => format!("v{} {}", data["version"], changes.join(", ")),
        other => other.to_string(),
    };
    let text = format!(
        "{:>6} {} {:<16} {}  {}",
        cell(event, "sequence"),
        cell(event, "createdAt"),
        cell(event, "verb"),
        cell(event, "source"),
        paint::cut(&about, DATA_CHARS_MAX)
    );
    one_line(text.trim_end())
}
