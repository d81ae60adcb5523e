//! `org.ai move`

use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;

/// Move this durable object's data to another location of the installation; its URL and all numbers stay
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai move weur\n  org.ai move ORD --ns https://acme.example")]
pub(crate) struct Command {
    /// A location that the server was started with, like weur or ORD
    location: String,
    /// Squash its history into an archive once it is there
    #[arg(long)]
    compact: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut body = json!({"location": command.location});
    if command.compact {
        body["compact"] = true.into();
    }
    super::run("move", &body, context, |result| match result["location"].as_str() {
        Some(_) => format!("Moved to {}", cell(result, "location")),
        None => format!("Moved to {}", command.location),
    })
    .await
}
