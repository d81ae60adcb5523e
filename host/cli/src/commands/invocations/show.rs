//! `org.ai invocations show`

use super::draw;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use serde_json::Value;
use std::time::Duration;

/// Show what an invocation did in time: its steps, those it began, and what it wrote
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai invocations show 0198a6f2-7c1e-7000-8000-000000000001\n  org.ai invocations show 0198a6f2-7c1e-7000-8000-000000000001 --follow"
)]
pub(crate) struct Command {
    /// Its id, as `invocations list` or `functions invoke --async` shows it
    id: String,
    /// Draw it again until it is over
    #[arg(long, short)]
    follow: bool,
}

/// How often it is looked at with `--follow`.
const LOOKED_EVERY: Duration = Duration::from_millis(500);
/// Requests for the steps of one invocation: what it can have recorded, page by page.
const PAGES_MAX: usize = 40;
/// To the upper left corner, and nothing below.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    loop {
        let shown = whole(&client, context, &command.id).await.map_err(not_found)?;
        let is_over = matches!(shown["status"].as_str(), Some("completed" | "failed" | "cancelled"));
        if !command.follow || is_over {
            let width = width(context);
            let redrawn = command.follow && context.streams.stdout_is_terminal && !context.is_json();
            return context.result(&shown, |shown| {
                let drawing = draw::timeline(shown, width);
                if redrawn { format!("{CLEAR}{drawing}") } else { drawing }
            });
        }
        // A file or another program gets only how it ended.
        if context.streams.stdout_is_terminal && !context.is_json() {
            let drawing = draw::timeline(&shown, width(context));
            context.print(&format!("{CLEAR}{drawing}"))?;
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}

/// With all of its steps.
async fn whole(client: &Client, context: &mut Context, id: &str) -> Result<Value> {
    let mut shown = client.get(context, client.url(&["invocations", id])).await?;
    for _ in 0..PAGES_MAX {
        let Some(from) = shown["stepsNext"].as_u64() else { break };
        let mut url = client.url(&["invocations", id]);
        url.query_pairs_mut().append_pair("from", &from.to_string());
        let mut more = client.get(context, url).await?;
        for key in ["steps", "children"] {
            let found = more[key].take();
            if let (Some(all), Value::Array(found)) = (shown[key].as_array_mut(), found) {
                all.extend(found);
            }
        }
        shown["stepsNext"] = more["stepsNext"].take();
    }
    Ok(shown)
}

/// Of the terminal, in characters; of a file what every terminal shows.
fn width(context: &Context) -> usize {
    let known = if context.streams.stdout_is_terminal { comfy_table::Table::new().width() } else { None };
    usize::from(known.unwrap_or(80)).clamp(60, 200)
}

fn not_found(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        return failure.with_hint("`org.ai invocations list` shows the durable ones, `org.ai actions show` any action");
    }
    failure
}
