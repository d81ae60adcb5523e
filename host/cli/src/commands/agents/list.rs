//! `org.ai agents list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the agents: how far each goes by itself, its model, who supervises it
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai agents list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let agents = rows(client.get(context, client.url(&["agents"])).await?, "agents");
    context.result(&agents, |agents| {
        let row = |agent: &Value| {
            let status = if agent["inactive"] == true { "inactive" } else { "active" };
            let keys = ["id", "mode", "model", "supervisor"].map(|key| cell(agent, key));
            keys.into_iter().chain([status.to_owned()]).collect()
        };
        table(
            &["name", "mode", "model", "supervisor", "status"],
            agents.as_array().into_iter().flatten().map(row),
            "no agents: add one with `org.ai agents create NAME --tools FUNCTION`",
        )
    })
}
