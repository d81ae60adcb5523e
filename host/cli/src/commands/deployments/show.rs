//! `org.ai deployments show`

use super::{no_version, version};
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Show one version whole, with what its apps say of themselves
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai deployments show 17")]
pub(crate) struct Command {
    /// Which one, as `deployments list` shows it
    #[arg(value_parser = version)]
    version: u64,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let url = client.url(&["deployments", &command.version.to_string()]);
    let shown = client.get(context, url).await.map_err(no_version)?;
    context.result(&shown, |shown| format!("{:#}", shown["deployment"]))
}
