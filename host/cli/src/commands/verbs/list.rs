//! `org.ai verbs list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the verbs in all their forms
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai verbs list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let verbs = rows(client.get(context, client.url(&["verbs"])).await?, "verbs");
    context.result(&verbs, |verbs| {
        let keys = ["action", "activity", "event", "predicate", "reverseBy", "inverse"];
        let row = |verb: &Value| keys.map(|key| cell(verb, key)).to_vec();
        table(
            &["action", "activity", "event", "predicate", "reverse", "inverse"],
            verbs.as_array().into_iter().flatten().map(row),
            "no verbs",
        )
    })
}
