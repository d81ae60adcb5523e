//! `org.ai functions rollback`

use super::function_name;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Exit, Failure, Result};
use serde_json::json;
use types::{At, FunctionName};

/// Make an earlier version the newest again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai functions rollback hello\n  org.ai functions rollback hello --to v3")]
pub(crate) struct Command {
    /// The function
    #[arg(value_parser = function_name)]
    name: FunctionName,
    /// Which version: v3, or ~2 for the one two before the newest
    #[arg(long, default_value = "~1", value_parser = at)]
    to: String,
}

fn at(text: &str) -> std::result::Result<String, String> {
    let text = text.strip_prefix('@').unwrap_or(text);
    match At::parse(text) {
        Ok(At::Version(_) | At::Back(_)) => Ok(text.to_owned()),
        Ok(At::Head) => Err("the newest version is where it is already".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let url = client.url(&["functions", command.name.as_str(), "rollback"]);
    let now = client.post(context, url, &json!({"to": command.to})).await.map_err(no_version)?;
    context.result(&now, |now| format!("{} is at version {} now", cell(now, "name"), cell(now, "version")))
}

fn no_version(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        return failure.with_hint("`org.ai functions show NAME` lists the versions");
    }
    failure
}
