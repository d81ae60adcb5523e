//! `org.ai deployments delete`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Exit, Result};
use serde_json::Value;

/// End an application: nothing that it declared is in effect any more; its components stay uploaded
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai deployments delete shop --yes")]
pub(crate) struct Command {
    /// Its name, as `deployments list` shows it
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let name = &command.name;
    context.confirm(&format!("Delete the application {name}? What it declared is not in effect any more."))?;
    let client = Client::open(context)?;
    let gone = client.delete(context, client.url(&["deployments", name])).await.map_err(|failure| {
        if failure.exit == Exit::NotFound {
            return failure.with_hint("`org.ai deployments list` shows the applications there are");
        }
        failure
    })?;
    context.result(&gone, |gone| {
        let warnings = gone["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let told: String = warnings.map(|warning| format!("\n{warning}")).collect();
        format!("Deleted {}{told}", cell(gone, "name"))
    })
}
