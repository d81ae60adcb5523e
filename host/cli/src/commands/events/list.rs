//! `org.ai events list`

use super::{Wanted, line};
use crate::client::{Client, next, rows};
use crate::context::Context;
use crate::failure::Result;

/// List what happened, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai events list --after 120 --verb created --limit 50")]
pub(crate) struct Command {
    #[command(flatten)]
    wanted: Wanted,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["events"]);
    if let Some(after) = command.wanted.after {
        url.query_pairs_mut().append_pair("after", &after.to_string());
    }
    command.wanted.filter(&mut url);
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    let body = client.get(context, url).await?;
    let after = next(&body);
    context.result(&rows(body, "events"), |events| {
        let lines: Vec<String> = events.as_array().into_iter().flatten().map(line).collect();
        if lines.is_empty() { "nothing happened there".to_owned() } else { lines.join("\n") }
    })?;
    if let Some(after) = after {
        context.note(&format!("there are more: --after {after}"));
    }
    Ok(())
}
