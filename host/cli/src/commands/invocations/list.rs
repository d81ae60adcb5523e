//! `org.ai invocations list`

use super::draw;
use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List durable invocations, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai invocations list --status waiting --function checkout")]
pub(crate) struct Command {
    /// Only in this state
    #[arg(long, value_parser = ["pending", "running", "waiting", "retrying", "paused", "completed", "failed", "cancelled"])]
    status: Option<String>,
    /// Only of this function
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Only those that this asked for
    #[arg(long, value_parser = ["call", "step", "event", "schedule", "timer", "workflow"])]
    trigger: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

/// Requests for one list: the server answers with what it found in a bounded look, which may be nothing.
const REQUESTS_MAX: usize = 100;

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let filters = [("status", &command.status), ("function", &command.function), ("trigger", &command.trigger)];
    let wanted = usize::from(command.limit);
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..REQUESTS_MAX {
        let mut url = client.url(&["invocations"]);
        for (name, value) in filters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url.query_pairs_mut().append_pair("limit", &(wanted - found.len()).to_string());
        if let Some(cursor) = &cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let mut page = client.get(context, url).await?;
        cursor = page["next"].as_str().map(str::to_owned);
        found.extend(rows(page["data"].take(), "data").as_array().into_iter().flatten().cloned());
        if cursor.is_none() || found.len() >= wanted {
            break;
        }
    }
    context.result(&Value::Array(found), |found| {
        let row = |i: &Value| {
            let took = i["duration"].as_u64().map_or_else(|| "-".to_owned(), draw::duration);
            let version = format!("v{}", cell(i, "version"));
            let mut row: Vec<String> = vec![cell(i, "id"), cell(i, "name"), version, cell(i, "status")];
            row.extend([draw::trigger(&i["trigger"]), cell(i, "attempt"), took, cell(i, "acceptedAt")]);
            row
        };
        let columns = ["id", "name", "version", "status", "trigger", "attempt", "took", "accepted"];
        table(&columns, found.as_array().into_iter().flatten().map(row), "no invocations match")
    })
}
