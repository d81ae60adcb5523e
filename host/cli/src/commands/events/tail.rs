//! `org.ai events tail`

use super::{Wanted, line};
use crate::client::Client;
use crate::context::Context;
use crate::events::Tail;
use crate::failure::{Exit, Failure, Result};
use reqwest::Url;

/// Show events as they happen, until Ctrl-C; a connection that breaks is made again where it broke
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai events tail\n  org.ai events tail --after 0 --source Startup/acme --json\n  org.ai events tail --verb created --limit 1\n\nWith --json each event is one JSON document on its own line."
)]
pub(crate) struct Command {
    #[command(flatten)]
    wanted: Wanted,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["events", "stream"]);
    let after = match command.wanted.after {
        Some(after) => Some(after),
        None => newest(&client, context).await?,
    };
    if let Some(after) = after {
        url.query_pairs_mut().append_pair("after", &after.to_string());
    }
    command.wanted.filter(&mut url);
    tokio::select! {
        ended = show(&client, context, url, command.limit) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::local("Ctrl-C cannot be listened for", error))
        }
    }
}

async fn show(client: &Client, context: &mut Context, url: Url, limit: Option<u64>) -> Result<()> {
    let mut tail = Tail::new(url);
    let mut count = 0;
    while limit.is_none_or(|limit| count < limit) {
        let event = tail.next(client, context).await?;
        // A notice of the stream itself is no event: those have a sequence number.
        if event.data["sequence"].is_null() {
            continue;
        }
        let text = if context.is_json() { event.data.to_string() } else { line(&event.data) };
        context.print(&text)?;
        count += 1;
    }
    Ok(())
}

/// The number of the last event so far. With it a connection that breaks before the first event loses none; a key that may
/// not see it still follows the stream, which begins now by itself.
async fn newest(client: &Client, context: &mut Context) -> Result<Option<u64>> {
    match client.get(context, client.url(&["$self"])).await {
        Ok(object) => Ok(object["sequence"].as_u64()),
        Err(failure) if matches!(failure.exit, Exit::PermissionDenied | Exit::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}
