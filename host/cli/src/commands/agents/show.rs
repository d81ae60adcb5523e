//! `org.ai agents show`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Show an agent: its instructions, its tools, what it may approve
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai agents show support")]
pub(crate) struct Command {
    /// Its name
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let agent = client.get(context, client.url(&["agents", &command.name])).await?;
    context.result(&agent, |agent| format!("{agent:#}"))
}
