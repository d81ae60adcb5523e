//! `org.ai approvals answer`

use crate::context::Context;
use crate::failure::Result;
use crate::fields::value_of;
use serde_json::json;

/// Answer a question, choose an option, complete a task
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai approvals answer 0198a6f2-7c1e-7000-8000-000000000001 '{\"days\": 3}'")]
pub(crate) struct Command {
    /// Its id, as `approvals list` shows it, or what who asked calls it
    id: String,
    /// A text, an option's id, or JSON where a form is to be filled in
    value: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    super::say(context, &command.id, "answer", &json!({ "value": value_of(&command.value) })).await
}
