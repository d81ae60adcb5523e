//! `org.ai workflows history`

use super::{WhichRun, find};
use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::{Failure, Result};
use serde_json::Value;

/// Show what happened to a run, in order
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai workflows history order-7")]
pub(crate) struct Command {
    #[command(flatten)]
    which: WhichRun,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let (mut url, _) = find(&client, context, &command.which).await?;
    url.path_segments_mut().map_err(|()| Failure::usage("the server's URL has no path"))?.push("history");
    let history = rows(client.get(context, url).await?, "history");
    context.result(&history, |history| {
        let row = |entry: &Value| {
            let data = &entry["data"];
            let error = data["error"]["code"].as_str().unwrap_or_default().to_owned();
            vec![cell(entry, "at"), cell(entry, "event"), cell(data, "step"), error]
        };
        table(&["at", "event", "step", "error"], history.as_array().into_iter().flatten().map(row), "nothing yet")
    })
}
