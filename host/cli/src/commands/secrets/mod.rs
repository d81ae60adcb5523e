//! `org.ai secrets …`: what functions may send and not see.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod set;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Set(set::Command),
    List(list::Command),
    Delete(delete::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Set(command) => set::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
    }
}
