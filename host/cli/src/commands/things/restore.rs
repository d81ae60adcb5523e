//! `org.ai things restore`

use super::{headline, if_version, not_there};
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
    /// Only if this is the newest version
    #[arg(long, alias = "if-match", value_name = "VERSION", value_parser = if_version)]
    if_version: Option<u64>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let mut request = thing.request(&client, Method::POST, &["restore"])?;
    if let Some(version) = command.if_version {
        request = request.header("if-match", format!("\"v{version}\""));
    }
    let body = client.send(context, request).await.map_err(not_there(&thing))?.body;
    context.result(&body, |thing| format!("Restored {}", headline(thing)))
}
