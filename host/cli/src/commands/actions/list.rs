//! `org.ai actions list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List what was done, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai actions list --verb invoke --status failed --limit 50")]
pub(crate) struct Command {
    /// Only this verb, like invoke, create or delete
    #[arg(long)]
    verb: Option<String>,
    /// Only what was done to this, like Function/hello
    #[arg(long)]
    target: Option<String>,
    /// Only in this state
    #[arg(long, value_parser = ["pending", "running", "retrying", "completed", "failed", "undone", "cancelled"])]
    status: Option<String>,
    /// Only by this caller
    #[arg(long, value_name = "URL")]
    actor: Option<String>,
    /// Only since this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["actions-log"]);
    let filters = [
        ("verb", &command.verb),
        ("target", &command.target),
        ("status", &command.status),
        ("actor", &command.actor),
        ("since", &command.since),
        ("until", &command.until),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
    }
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    let actions = rows(client.get(context, url).await?, "actions");
    context.result(&actions, |actions| {
        let row = |action: &Value| {
            ["id", "verb", "target", "status", "durability", "actor", "createdAt"].map(|key| cell(action, key)).to_vec()
        };
        table(
            &["id", "verb", "target", "status", "durability", "actor", "created"],
            actions.as_array().into_iter().flatten().map(row),
            "no actions match",
        )
    })
}
