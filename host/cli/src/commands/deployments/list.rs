//! `org.ai deployments list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List each application's versions, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai deployments list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let deployments = rows(client.get(context, client.url(&["deployments"])).await?, "deployments");
    context.result(&deployments, |deployments| {
        let row = |found: &Value| {
            let is_current = if found["current"] == true { "in effect" } else { "" };
            let [version, name, at, actor] = ["version", "name", "createdAt", "actor"].map(|key| cell(found, key));
            vec![version, name, at, actor, is_current.to_owned()]
        };
        let found = deployments.as_array().into_iter().flatten().map(row);
        table(&["version", "name", "deployed", "by", ""], found, "nothing was deployed with `org.ai deploy`\n")
    })
}
