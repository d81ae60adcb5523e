//! `org.ai subscriptions remove`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Remove a subscription; what its handler was handed already goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai subscriptions remove orders --yes")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let question = format!("Remove the subscription {}? Its handler is not told of later events.", command.name);
    context.confirm(&question)?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["subscriptions", &command.name])).await?;
    context.result(&json!({"name": command.name, "removed": true}), |_| format!("Removed {}", command.name))
}
