//! `org.ai workflows pause`

use super::{WhichRun, ask};
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Have a run stop at its next step
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai workflows pause order-7")]
pub(crate) struct Command {
    #[command(flatten)]
    which: WhichRun,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    ask(&command.which, "pause", &json!({}), context).await
}
