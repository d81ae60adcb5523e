//! `org.ai functions delete`

use super::{function_name, not_deployed};
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;
use types::FunctionName;

/// Take a function out of service; calls that run go on to their end
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai functions delete hello --yes")]
pub(crate) struct Command {
    /// The function
    #[arg(value_parser = function_name)]
    name: FunctionName,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    context.confirm(&format!("Delete the function {}? Calls of it will fail.", command.name))?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["functions", command.name.as_str()])).await.map_err(not_deployed)?;
    context.result(&json!({"name": command.name, "deleted": true}), |_| format!("Deleted {}", command.name))
}
