//! `org.ai functions logs`

use super::{function_name, not_deployed};
use crate::client::{Client, rows};
use crate::context::{Context, cell, one_line};
use crate::events::Tail;
use crate::failure::Result;
use reqwest::Url;
use serde_json::Value;
use std::collections::VecDeque;
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
    let url = client.url(&["functions", command.name.as_str(), "logs"]);
    let (entries, last) = latest(&client, context, &url, command.limit).await.map_err(not_deployed)?;
    if command.follow {
        for entry in &entries {
            show(entry, context)?;
        }
        return follow(&client, url, last, context).await;
    }
    context.result(&Value::Array(entries), |entries| {
        let lines: Vec<String> = entries.as_array().into_iter().flatten().map(line).collect();
        if lines.is_empty() { "nothing was written yet".to_owned() } else { lines.join("\n") }
    })
}

/// Entries a page; the server gives them oldest first.
const PAGE: &str = "1000";

/// The last `limit` entries, and the id of the very last.
async fn latest(client: &Client, context: &mut Context, url: &Url, limit: u16) -> Result<(Vec<Value>, Option<String>)> {
    let (mut kept, mut after) = (VecDeque::new(), None::<String>);
    loop {
        let mut page = url.clone();
        page.query_pairs_mut().append_pair("limit", PAGE);
        if let Some(after) = &after {
            page.query_pairs_mut().append_pair("after", after);
        }
        let mut answer = client.get(context, page).await?;
        let next = answer["next"].as_str().map(str::to_owned);
        let entries = rows(answer["data"].take(), "data");
        for entry in entries.as_array().into_iter().flatten() {
            after = Some(cell(entry, "id"));
            kept.push_back(entry.clone());
            if kept.len() > usize::from(limit) {
                kept.pop_front();
            }
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok((kept.into(), after)),
        }
    }
}

/// The URL for following what is written from now on.
pub(crate) async fn from_now(client: &Client, context: &mut Context, url: Url) -> Result<Url> {
    let (_, last) = latest(client, context, &url, 1).await?;
    Ok(after(url, last))
}

fn after(mut url: Url, last: Option<String>) -> Url {
    if let Some(last) = last {
        url.query_pairs_mut().append_pair("after", &last);
    }
    url
}

async fn follow(client: &Client, url: Url, last: Option<String>, context: &mut Context) -> Result<()> {
    let mut tail = Tail::new(after(url, last));
    loop {
        let event = tail.next(client, context).await.map_err(not_deployed)?;
        if event.name == "lagged" {
            context.complain("(some entries came faster than they could be sent)");
        } else {
            show(&event.data, context)?;
        }
    }
}

/// Prints one entry: as a document or as a line.
pub(crate) fn show(entry: &Value, context: &mut Context) -> Result<()> {
    let text = if context.is_json() { entry.to_string() } else { line(entry) };
    context.print(&text)
}

/// One entry for a person: when, which stream, what.
pub(crate) fn line(entry: &Value) -> String {
    let text = entry["text"].as_str().or_else(|| entry["message"].as_str()).unwrap_or_default();
    format!("{} {:<6} {}", cell(entry, "at"), cell(entry, "stream"), one_line(text.trim_end_matches('\n')))
}
