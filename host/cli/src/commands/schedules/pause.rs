//! `org.ai schedules pause`

use super::tell;
use crate::context::{Context, cell};
use crate::failure::Result;

/// Stop a schedule from ticking until it is resumed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai schedules pause report")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let schedule = tell(context, &command.name, "pause").await?;
    context.result(&schedule, |schedule| {
        let name = cell(schedule, "name");
        format!("Paused {name}; `org.ai schedules resume` lets it go on")
    })
}
