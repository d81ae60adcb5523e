//! `org.ai deployments rollback`

use super::{no_version, version};
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;

/// Put an earlier version of an application into effect again: its code and what it declares, not data
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai deployments rollback 17")]
pub(crate) struct Command {
    /// Which one, as `deployments list` shows it
    #[arg(value_parser = version)]
    version: u64,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let url = client.url(&["deployments", "rollback"]);
    let now = client.post(context, url, &json!({"version": command.version})).await.map_err(no_version)?;
    context.result(&now, |now| {
        format!(
            "{} is as in version {} again, now version {}",
            cell(now, "name"),
            command.version,
            cell(now, "version")
        )
    })
}
