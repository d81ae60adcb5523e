//! `org.ai approvals comment`

use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Say something to a request without deciding it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai approvals comment 0198a6f2-7c1e-7000-8000-000000000001 'Which project is it for?'"
)]
pub(crate) struct Command {
    /// Its id, as `approvals list` shows it, or what who asked calls it
    id: String,
    /// The comment
    text: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    super::say(context, &command.id, "comment", &json!({ "text": command.text })).await
}
