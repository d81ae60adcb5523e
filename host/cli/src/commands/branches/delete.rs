//! `org.ai branches delete`

use super::{branch_name, url};
use crate::checkouts;
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;
use types::BranchName;

/// End a branch; what was written on it stays readable by its version numbers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai branches delete experiment\n  org.ai branches delete experiment --force --yes"
)]
pub(crate) struct Command {
    /// Its name
    #[arg(value_parser = branch_name)]
    name: BranchName,
    /// Also when it holds changes that were not merged
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let name = &command.name;
    if command.force {
        context.confirm(&format!("Delete the branch {name} with what was not merged?"))?;
    }
    let client = Client::open(context)?;
    let mut url = url(&client, name.as_str());
    if command.force {
        url.query_pairs_mut().append_pair("force", "true");
    }
    client.delete(context, url).await.map_err(|failure| match failure.code.as_str() {
        "BRANCH_UNMERGED" => failure.with_hint(format!("merge it with `org.ai merge {name}`, or add --force")),
        _ => failure,
    })?;
    checkouts::leave(&client, name.as_str(), context)?;
    context.result(&json!({"name": name, "deleted": true}), |_| format!("Deleted {name}"))
}
