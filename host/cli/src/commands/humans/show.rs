//! `org.ai humans show`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;

/// Show what is known of somebody
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai humans show ann")]
pub(crate) struct Command {
    /// What they are asked as, without Human/
    id: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let person = client.get(context, client.url(&[super::NOUN, &command.id])).await?;
    context.result(&person, |person| {
        let data = serde_json::to_string_pretty(&person["data"]).unwrap_or_default();
        format!("Human/{}\n{data}", command.id)
    })
}
