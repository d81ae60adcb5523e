//! `org.ai approvals delegate`

use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Hand a request on to somebody else, who may answer it then
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai approvals delegate 0198a6f2-7c1e-7000-8000-000000000001 Human/bob")]
pub(crate) struct Command {
    /// Its id, as `approvals list` shows it, or what who asked calls it
    id: String,
    /// To whom: Human/NAME
    to: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let body = json!({ "to": command.to, "reason": command.reason });
    super::say(context, &command.id, "delegate", &body).await
}
