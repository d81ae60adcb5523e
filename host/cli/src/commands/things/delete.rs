//! `org.ai things delete`

use super::{Expected, not_there};
use crate::address::{Address, Which};
use crate::checkouts;
use crate::context::{Context, cell};
use crate::failure::Result;
use reqwest::Method;
use serde_json::json;

/// Delete a thing; its versions stay, and `things restore` brings it back
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai things delete Startup/acme --if-version 7")]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    expected: Expected,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let request = thing.request(&client, Method::DELETE, &[])?.header("prefer", "return=representation");
    let mut body = client.send(context, command.expected.of(request)).await.map_err(not_there(&thing))?.body;
    if !body.is_object() {
        body = json!({"type": thing.kind, "id": thing.id, "deleted": true});
    }
    let shown = Address { at: None, ..thing };
    context.result(&body, |marker| {
        let version =
            if marker["version"].is_null() { String::new() } else { format!(" (v{})", cell(marker, "version")) };
        format!("Deleted {shown}{version}; `org.ai things restore {shown}` brings it back")
    })
}
