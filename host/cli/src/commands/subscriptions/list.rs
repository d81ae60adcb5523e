//! `org.ai subscriptions list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the subscriptions, those of deployments and those added here
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai subscriptions list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let found = rows(client.get(context, client.url(&["subscriptions"])).await?, "subscriptions");
    context.result(&found, |found| {
        let row = |s: &Value| ["name", "event", super::told(s), "priority", "filter"].map(|key| cell(s, key)).to_vec();
        table(
            &["name", "event", "told", "priority", "filter"],
            found.as_array().into_iter().flatten().map(row),
            "no subscriptions: add one with `org.ai subscriptions add Customer.created HANDLER`",
        )
    })
}
