//! `org.ai functions logs`

use super::{function_name, not_deployed};
use crate::client::{Client, rows};
use crate::context::{Context, cell, one_line};
use crate::events::Tail;
use crate::failure::Result;
use serde_json::Value;
use types::FunctionName;

/// Show what a function wrote: stdout, stderr and its log calls
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai functions logs hello --limit 50\n  org.ai functions logs hello --follow\n\nWith --follow --json each entry is one JSON document on its own line."
)]
pub(crate) struct Command {
    /// The function
    #[arg(value_parser = function_name)]
    name: FunctionName,
    /// Go on showing new entries until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many of the latest entries
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["functions", command.name.as_str(), "logs"]);
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    if command.follow {
        return follow(&client, url, context).await;
    }
    let entries = rows(client.get(context, url).await.map_err(not_deployed)?, "logs");
    context.result(&entries, |entries| {
        let lines: Vec<String> = entries.as_array().into_iter().flatten().map(line).collect();
        if lines.is_empty() { "nothing was written yet".to_owned() } else { lines.join("\n") }
    })
}

async fn follow(client: &Client, url: reqwest::Url, context: &mut Context) -> Result<()> {
    let mut tail = Tail::new(url);
    loop {
        let event = tail.next(client, context).await.map_err(not_deployed)?;
        match event.name.as_str() {
            "lagged" => context.complain("(some entries came faster than they could be sent)"),
            _ if context.is_json() => context.print(&event.data.to_string())?,
            _ => context.print(&line(&event.data))?,
        }
    }
}

/// One entry for a person: when, which stream, what.
pub(crate) fn line(entry: &Value) -> String {
    let text = entry["text"].as_str().or_else(|| entry["message"].as_str()).unwrap_or_default();
    format!("{} {:<6} {}", cell(entry, "at"), cell(entry, "stream"), one_line(text.trim_end_matches('\n')))
}
