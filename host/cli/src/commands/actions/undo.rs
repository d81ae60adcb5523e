//! `org.ai actions undo`

use crate::client::Client;
use crate::commands::things::headline;
use crate::context::Context;
use crate::failure::{Failure, Result};
use serde_json::json;

/// Take back what an action did to a thing: a new version like the one before; undoing that is a redo
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai actions undo 0198a6f2-7c1e-7000-8000-000000000001")]
pub(crate) struct Command {
    /// Its id, as `actions list` shows it
    id: String,
    /// Also when the thing was changed since
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    if command.id.is_empty() || command.id.starts_with('.') {
        return Err(Failure::usage(format!("{:?} is no id of an action", command.id)));
    }
    let client = Client::open(context)?;
    let body = if command.force { json!({"force": true}) } else { json!({}) };
    let url = client.url(&["actions-log", &command.id, "undo"]);
    let thing = client.post(context, url, &body).await.map_err(|failure| match failure.code.as_str() {
        "CHANGED_SINCE" | "CONFLICT" if !command.force => failure.with_hint("--force takes it back all the same"),
        _ => failure,
    })?;
    context.result(&thing, |thing| format!("Undone: {}", headline(thing)))
}
