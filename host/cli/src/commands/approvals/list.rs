//! `org.ai approvals list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List what people are asked for, the newest first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai approvals list --assignee me\n  org.ai approvals list --status all --type expense --json"
)]
pub(crate) struct Command {
    /// pending, approved, rejected, answered, declined, expired, cancelled, or all
    #[arg(long, default_value = "pending")]
    status: String,
    /// Only what is asked of them: me, or Human/NAME
    #[arg(long, value_name = "WHO")]
    assignee: Option<String>,
    /// Only of this type, like expense
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["approvals"]);
    let status = Some(command.status).filter(|status| status != "all");
    let wanted = [("status", status), ("assignee", command.assignee), ("type", command.kind)];
    for (name, value) in wanted {
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, &value);
        }
    }
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    let requests = rows(client.get(context, url).await?, "data");
    context.result(&requests, |requests| {
        let row = |request: &Value| {
            let columns = ["id", "method", "type", "status", "worker", "expiresAt", "title"];
            columns.map(|name| cell(request, name)).to_vec()
        };
        table(
            &["id", "method", "type", "status", "asked", "until", "what"],
            requests.as_array().into_iter().flatten().map(row),
            "nothing is asked",
        )
    })
}
