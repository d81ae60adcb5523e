//! `org.ai humans create`

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use serde_json::Value;

/// Add somebody who can be asked
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai humans create ann --channel email:ann@acme.example --role finance\n  org.ai keys create ann --as Human/ann --scope Approval.read"
)]
pub(crate) struct Command {
    /// What they are asked as: ann is Human/ann
    id: String,
    #[command(flatten)]
    about: super::About,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut body = command.about.read(context)?;
    body.insert("id".to_owned(), command.id.clone().into());
    let made = client.post(context, client.url(&[super::NOUN]), &Value::Object(body)).await?;
    context.result(&made, |_| format!("Human/{} can be asked", command.id))
}
