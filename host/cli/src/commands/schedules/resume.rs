//! `org.ai schedules resume`

use super::{next_run, tell};
use crate::context::Context;
use crate::failure::Result;

/// Let a paused schedule go on; what it missed is not caught up with
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai schedules resume report")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let schedule = tell(context, &command.name, "resume").await?;
    context.result(&schedule, |schedule| format!("Resumed {}", next_run(schedule)))
}
