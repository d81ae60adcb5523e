//! `org.ai keys list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the API keys, without the keys themselves
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai keys list --json")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let keys = rows(client.get(context, client.url(&["keys"])).await?, "keys");
    context.result(&keys, |keys| {
        let row = |key: &Value| {
            let scopes = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
            vec![
                cell(key, "id"),
                cell(key, "name"),
                cell(key, "start"),
                scopes.join(" "),
                cell(key, "expiresAt"),
                cell(key, "createdBy"),
            ]
        };
        table(
            &["id", "name", "start", "scopes", "expires", "made by"],
            keys.as_array().into_iter().flatten().map(row),
            "no keys: make one with `org.ai keys create`",
        )
    })
}
