//! `org.ai nouns delete`

use super::noun;
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::json;
use types::Noun;

/// Take a type away of which no thing is left
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai nouns delete Startup --yes")]
pub(crate) struct Command {
    /// The noun
    #[arg(value_parser = noun)]
    noun: Noun,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let noun = &command.noun;
    context.confirm(&format!("Delete the type {noun} with its schema?"))?;
    let client = Client::open(context)?;
    client.delete(context, client.url(&["nouns", noun.as_str()])).await?;
    context.result(&json!({"noun": noun, "deleted": true}), |_| format!("Deleted {noun}"))
}
