//! `org.ai objects …`: durable objects.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod create;
pub(crate) mod list;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Command),
    List(list::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Create(command) => create::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
    }
}
