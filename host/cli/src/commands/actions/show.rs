//! `org.ai actions show`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Show one action whole: its input, its result or why it failed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai actions show 0198a6f2-7c1e-7000-8000-000000000001")]
pub(crate) struct Command {
    /// Its id, as `actions list` or `functions invoke --async` shows it
    id: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let action = client.get(context, client.url(&["actions-log", &command.id])).await?;
    context.result(&action, |action| format!("{action:#}"))
}
