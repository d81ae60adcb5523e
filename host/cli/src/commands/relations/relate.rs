//! `org.ai relate`

use super::Ends;
use crate::checkouts;
use crate::context::Context;
use crate::failure::Result;
use crate::fields;
use reqwest::Method;
use serde_json::json;

/// Make an edge from one thing to another; one that is there gets the new data
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai relate Startup/acme owns Site/home\n  org.ai relate Startup/acme owns https://other.example/Site/shop --data '{\"share\":0.5}'"
)]
pub(crate) struct Command {
    #[command(flatten)]
    ends: Ends,
    /// What is known of the edge: a JSON object, or @file, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    data: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let data = match &command.data {
        Some(text) => fields::document(text, "--data", context)?,
        None => json!({}),
    };
    let client = checkouts::client(context)?;
    let request = command.ends.request(&client, Method::PUT)?.json(&data);
    let edge = client.send(context, request).await?.body;
    context.result(&edge, |_| format!("Related: {}", command.ends.shown()))
}
