//! `org.ai humans update`

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use reqwest::Method;
use serde_json::Value;

/// Change what is known of somebody; what is not given stays
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai humans update ann --role finance --role cfo\n  org.ai humans update bob --inactive"
)]
pub(crate) struct Command {
    /// What they are asked as, without Human/
    id: String,
    #[command(flatten)]
    about: super::About,
    /// They are back
    #[arg(long, conflicts_with = "inactive")]
    active: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut patch = command.about.read(context)?;
    if command.active {
        patch.insert("inactive".to_owned(), false.into());
    }
    if patch.is_empty() {
        return Err(Failure::usage("nothing to change: give --channel, --role, --data, --inactive or --active"));
    }
    let request = client.request(Method::PATCH, client.url(&[super::NOUN, &command.id]))?;
    let changed = client.send(context, request.json(&Value::Object(patch))).await?.body;
    context.result(&changed, |_| format!("Human/{} is changed", command.id))
}
