//! `org.ai unrelate`

use super::Ends;
use crate::checkouts;
use crate::context::Context;
use crate::failure::Result;
use reqwest::Method;
use serde_json::json;

/// Remove an edge; at refs before now it stays
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai unrelate Startup/acme owns Site/home")]
pub(crate) struct Command {
    #[command(flatten)]
    ends: Ends,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = checkouts::client(context)?;
    let request = command.ends.request(&client, Method::DELETE)?;
    client.send(context, request).await?;
    let Ends { from, verb, to, .. } = &command.ends;
    context.result(&json!({"from": from, "verb": verb, "to": to, "removed": true}), |_| {
        format!("No longer related: {}", command.ends.shown())
    })
}
