//! `org.ai approvals …`: what people are asked for, and what they say.

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use clap::Subcommand;
use serde_json::Value;

pub(crate) mod answer;
pub(crate) mod approve;
pub(crate) mod comment;
pub(crate) mod delegate;
pub(crate) mod list;
pub(crate) mod reject;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Approve(approve::Command),
    Reject(reject::Command),
    Answer(answer::Command),
    Comment(comment::Command),
    Delegate(delegate::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Approve(command) => approve::run(command, context).await,
        Command::Reject(command) => reject::run(command, context).await,
        Command::Answer(command) => answer::run(command, context).await,
        Command::Comment(command) => comment::run(command, context).await,
        Command::Delegate(command) => delegate::run(command, context).await,
    }
}

/// Says something to a request, and prints where it stands then.
async fn say(context: &mut Context, id: &str, verb: &str, body: &Value) -> Result<()> {
    let client = Client::open(context)?;
    let request = client.post(context, client.url(&["approvals", id, verb]), body).await?;
    context.result(&request, |request| format!("{} is {}", cell(request, "id"), cell(request, "status")))
}

fn with_reason(reason: Option<String>) -> Value {
    reason.map_or_else(|| serde_json::json!({}), |reason| serde_json::json!({ "reason": reason }))
}
