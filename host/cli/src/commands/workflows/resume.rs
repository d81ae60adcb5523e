//! `org.ai workflows resume`

use super::{WhichRun, ask};
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Let a paused run go on, or begin a failed one again at the step that failed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai workflows resume order-7\n  org.ai workflows resume order-7 --from-step charge"
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: WhichRun,
    /// Of a failed run: the step to begin with [default: the one that failed]
    #[arg(long, value_name = "STEP")]
    from_step: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let body = match &command.from_step {
        Some(step) => json!({ "fromStep": step }),
        None => json!({}),
    };
    ask(&command.which, "resume", &body, context).await
}
