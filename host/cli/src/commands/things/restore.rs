//! `org.ai things restore`

use super::{Expected, headline, not_there};
use crate::address::Which;
use crate::checkouts;
use crate::context::Context;
use crate::failure::Result;
use reqwest::Method;

/// Bring a deleted thing back: a new version with what it was
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai things restore Startup/acme")]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    expected: Expected,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let request = thing.request(&client, Method::POST, &["restore"])?;
    let body = client.send(context, command.expected.of(request)).await.map_err(not_there(&thing))?.body;
    context.result(&body, |thing| format!("Restored {}", headline(thing)))
}
