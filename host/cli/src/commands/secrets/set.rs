//! `org.ai secrets set`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;

/// Store a secret; its value is read from standard input, never from the command line
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai secrets set STRIPE_KEY < stripe-key.txt")]
pub(crate) struct Command {
    /// The name by which a manifest grants it and a function writes {{secret:NAME}}
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let value = context.read_secret(&format!("Value of {}", command.name))?;
    let client = Client::open(context)?;
    let body = json!({"value": value.expose()});
    let request = client.request(reqwest::Method::PUT, client.url(&["secrets", &command.name]))?.json(&body);
    client.send(context, request).await?;
    context.result(&json!({"name": command.name, "set": true}), |_| format!("Set {}", command.name))
}
