//! `org.ai workflows status`

use super::{WhichRun, draw, find};
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Show a run with its steps, each with a bar where it lies in time
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai workflows status order-7\n  org.ai workflows status order/order-7")]
pub(crate) struct Command {
    #[command(flatten)]
    which: WhichRun,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let (_, run) = find(&client, context, &command.which).await?;
    let paint = context.paint();
    context.result(&run, |run| draw::run(run, paint))
}
