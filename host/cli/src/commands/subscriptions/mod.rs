//! `org.ai subscriptions …`: which handlers are told of which events.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod remove;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Add(add::Command),
    Remove(remove::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Add(command) => add::run(command, context).await,
        Command::Remove(command) => remove::run(command, context).await,
    }
}

/// The member of a subscription that says who is told.
fn told(subscription: &serde_json::Value) -> &'static str {
    let said = ["webhook", "workflow"].into_iter().find(|who| subscription[who].is_string());
    said.unwrap_or("handler")
}
