//! `org.ai secrets delete`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Delete a secret
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai secrets delete STRIPE_KEY --yes")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    context.confirm(&format!("Delete the secret {}? Functions that send it will fail.", command.name))?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["secrets", &command.name])).await?;
    context.result(&json!({"name": command.name, "deleted": true}), |_| format!("Deleted {}", command.name))
}
