//! `org.ai objects list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the durable objects that this one knows
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai objects list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let objects = rows(client.get(context, client.url(&["objects"])).await?, "objects");
    context.result(&objects, |objects| {
        let row = |object: &Value| {
            vec![cell(object, "ns"), cell(object, "class"), cell(object, "relation"), cell(object, "createdAt")]
        };
        table(
            &["namespace", "class", "relation", "created"],
            objects.as_array().into_iter().flatten().map(row),
            "no objects: make one with `org.ai objects create https://…`",
        )
    })
}
