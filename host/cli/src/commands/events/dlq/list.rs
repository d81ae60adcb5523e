//! `org.ai events dlq list`

use crate::client::{Client, next, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List deliveries that failed for good, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai events dlq list --subscription orders")]
pub(crate) struct Command {
    /// Only those of this subscription
    #[arg(long, value_name = "NAME")]
    subscription: Option<String>,
    /// Those that were purged and kept
    #[arg(long)]
    archived: bool,
    /// Go on where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["events", "dlq"]);
    for (key, value) in [("subscription", &command.subscription), ("cursor", &command.cursor)] {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(key, value);
        }
    }
    if command.archived {
        url.query_pairs_mut().append_pair("archived", "true");
    }
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    let body = client.get(context, url).await?;
    let cursor = next(&body);
    context.result(&rows(body, "dead letters"), |found| {
        let row = |letter: &Value| {
            let mut row = ["id", "subscription", "verb", "source", "retryCount"].map(|key| cell(letter, key)).to_vec();
            row.push(cell(&letter["error"], "message"));
            row
        };
        table(
            &["id", "subscription", "event", "source", "retries", "error"],
            found.as_array().into_iter().flatten().map(row),
            "no dead letters: every event was delivered",
        )
    })?;
    if let Some(cursor) = cursor {
        context.note(&format!("there are more: --cursor {cursor}"));
    }
    Ok(())
}
