//! `org.ai verbs set`

use super::verb;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use reqwest::Method;
use serde_json::json;

/// Register a verb with the forms that are not regular
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai verbs set ship --event shipped --inverse unship")]
pub(crate) struct Command {
    /// What is done: the imperative, like ship
    #[arg(value_parser = verb)]
    action: String,
    /// While it is done, like shipping
    #[arg(long, value_parser = verb)]
    activity: Option<String>,
    /// When it was done, like shipped
    #[arg(long, value_parser = verb)]
    event: Option<String>,
    /// Between two things, like ships
    #[arg(long, value_parser = verb)]
    predicate: Option<String>,
    /// The same from the other side, like shippedBy
    #[arg(long, value_parser = verb)]
    reverse_by: Option<String>,
    /// When it was done, seen from the other side, like shippedAt
    #[arg(long, value_parser = verb)]
    reverse_at: Option<String>,
    /// Where it was done, seen from the other side, like shippedIn
    #[arg(long, value_parser = verb)]
    reverse_in: Option<String>,
    /// What takes it back, like unship
    #[arg(long, value_parser = verb)]
    inverse: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut body = json!({});
    for (key, value) in [
        ("activity", command.activity),
        ("event", command.event),
        ("predicate", command.predicate),
        ("reverseBy", command.reverse_by),
        ("reverseAt", command.reverse_at),
        ("reverseIn", command.reverse_in),
        ("inverse", command.inverse),
    ] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    let request = client.request(Method::PUT, client.url(&["verbs", &command.action]))?.json(&body);
    let verb = client.send(context, request).await?.body;
    context.result(&verb, |verb| {
        format!(
            "Set {}: {}, {}, {}",
            cell(verb, "action"),
            cell(verb, "activity"),
            cell(verb, "event"),
            cell(verb, "predicate")
        )
    })
}
