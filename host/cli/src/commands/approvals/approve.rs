//! `org.ai approvals approve`

use crate::context::Context;
use crate::failure::Result;

/// Approve a request; the first answer counts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai approvals approve 0198a6f2-7c1e-7000-8000-000000000001 --reason 'within budget'"
)]
pub(crate) struct Command {
    /// Its id, as `approvals list` shows it, or what who asked calls it
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    super::say(context, &command.id, "approve", &super::with_reason(command.reason)).await
}
