//! `org.ai keys revoke`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Make an API key worthless, at once and for good
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai keys revoke 0198a6f2-7c1e-7000-8000-000000000001 --yes")]
pub(crate) struct Command {
    /// Its id, as `keys list` shows it
    id: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    context.confirm(&format!("Revoke the key {}? Whoever uses it is locked out.", command.id))?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["keys", &command.id])).await?;
    context.result(&json!({"id": command.id, "revoked": true}), |_| format!("Revoked {}", command.id))
}
