//! `org.ai functions list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the deployed functions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai functions list --json")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let functions = rows(client.get(context, client.url(&["functions"])).await?, "functions");
    context.result(&functions, |functions| {
        let row = |function: &Value| {
            let description = cell(&function["manifest"], "description");
            let rest = ["name", "type", "version", "size", "createdAt"].map(|key| cell(function, key));
            rest.into_iter().chain([description]).collect()
        };
        table(
            &["name", "type", "version", "size", "deployed", "description"],
            functions.as_array().into_iter().flatten().map(row),
            "no functions: make one with `org.ai functions new hello --lang rust`",
        )
    })
}
