//! `org.ai workflows cancel`

use super::{WhichRun, ask};
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// End a run; what it did is taken back where its steps say how
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai workflows cancel order-7")]
pub(crate) struct Command {
    #[command(flatten)]
    which: WhichRun,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    ask(&command.which, "cancel", &json!({}), context).await
}
