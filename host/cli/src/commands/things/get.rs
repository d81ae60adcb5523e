//! `org.ai things get`

use super::{not_there, whole};
use crate::address::Which;
use crate::checkouts;
use crate::context::Context;
use crate::failure::Result;
use reqwest::Method;

/// Show one thing, as it is or as it was at any ref
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things get Startup/acme\n  org.ai things get Startup/acme@~1\n  org.ai things get startup acme --at 2024-01-08 --json\n\nIn THING the first @ begins a ref; an @ or a % of the id is written %40 or %25, or give the id apart."
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let request = thing.request(&client, Method::GET, &[])?;
    let body = client.send(context, request).await.map_err(not_there(&thing))?.body;
    let paint = context.paint();
    context.result(&body, |body| whole(body, paint))
}
