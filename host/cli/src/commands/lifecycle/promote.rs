//! `org.ai promote`

use crate::address::Address;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use serde_json::json;

/// Make a thing a durable object of its own; where it was a pointer stays
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai promote Startup/acme --history")]
pub(crate) struct Command {
    /// The thing
    #[arg(value_name = "TYPE/ID")]
    thing: String,
    /// Take all its versions along, not only the newest
    #[arg(long)]
    history: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = Address::parse(&command.thing)?;
    if let Some(at) = &thing.at {
        return Err(Failure::usage(format!("a thing is promoted as it is now, not as it was @{at}")));
    }
    let mut body = json!({"type": thing.kind, "id": thing.id});
    if command.history {
        body["history"] = true.into();
    }
    super::run("promote", &body, context, |result| format!("Promoted {thing} to {}", cell(result, "ns"))).await
}
