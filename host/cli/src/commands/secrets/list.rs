//! `org.ai secrets list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the names of the secrets; nobody can read their values
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai secrets list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let secrets = rows(client.get(context, client.url(&["secrets"])).await?, "secrets");
    context.result(&secrets, |secrets| {
        let row = |secret: &Value| vec![secret.as_str().map_or_else(|| cell(secret, "name"), str::to_owned)];
        table(
            &["name"],
            secrets.as_array().into_iter().flatten().map(row),
            "no secrets: store one with `org.ai secrets set NAME < file`",
        )
    })
}
