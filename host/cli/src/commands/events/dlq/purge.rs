//! `org.ai events dlq purge`

use super::Wanted;
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Give dead letters up: the events are not delivered there
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai events dlq purge --subscription orders --archive --yes")]
pub(crate) struct Command {
    #[command(flatten)]
    wanted: Wanted,
    /// Keep them, to be looked at with `dlq list --archived`
    #[arg(long)]
    archive: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    context.confirm("Purge dead letters? Their events will not be delivered.")?;
    let client = Client::open(context)?;
    let mut body = command.wanted.body();
    body["archive"] = command.archive.into();
    let purged = client.post(context, client.url(&["events", "dlq", "purge"]), &body).await?;
    context.result(&purged, |purged| format!("{} purged", purged["purged"]))
}
