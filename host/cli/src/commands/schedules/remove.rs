//! `org.ai schedules remove`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Remove a schedule; runs that were begun go on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai schedules remove report --yes")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    context.confirm(&format!("Remove the schedule {}? It ticks no more, and its counts are gone.", command.name))?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["schedules", &command.name])).await?;
    context.result(&json!({"name": command.name, "removed": true}), |_| format!("Removed {}", command.name))
}
