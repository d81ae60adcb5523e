//! `org.ai keys …`: API keys of a durable object.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod revoke;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Command),
    List(list::Command),
    Revoke(revoke::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Create(command) => create::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
        Command::Revoke(command) => revoke::run(command, context).await,
    }
}
