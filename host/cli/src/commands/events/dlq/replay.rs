//! `org.ai events dlq replay`

use super::Wanted;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;

/// Deliver once more what had failed, to the handlers as they are now
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai events dlq replay 01901d2e-…\n  org.ai events dlq replay --subscription orders"
)]
pub(crate) struct Command {
    /// Of one dead letter; without it all that the filters name
    #[arg(conflicts_with_all = ["subscription", "verb"])]
    id: Option<String>,
    #[command(flatten)]
    wanted: Wanted,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let Some(id) = command.id else {
        let begun = client.post(context, client.url(&["events", "dlq", "replay"]), &command.wanted.body()).await?;
        return context.result(&begun, |begun| format!("{} replays began", begun["replayed"]));
    };
    let replayed = client.post(context, client.url(&["events", "dlq", &id, "replay"]), &json!({})).await?;
    context.result(&replayed, |replayed| match replayed["status"].as_str() {
        Some("succeeded") => format!("{id} was delivered"),
        Some("running") => format!("it runs still: org.ai actions show {}", cell(replayed, "actionId")),
        _ => format!("it failed again: {}", cell(&replayed["deadLetter"]["error"], "message")),
    })
}
