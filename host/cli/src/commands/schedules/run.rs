//! `org.ai schedules run`

use super::tell;
use crate::context::{Context, cell};
use crate::failure::Result;

/// Fire a schedule now; when it is next due stays
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai schedules run report")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let begun = tell(context, &command.name, "run").await?;
    context.result(&begun, |begun| {
        let id = cell(begun, "actionId");
        format!("Fired {}; `org.ai actions show {id}` shows how it goes", command.name)
    })
}
