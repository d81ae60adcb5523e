//! `org.ai actions …`: the log of what was done.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod undo;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Undo(undo::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Undo(command) => undo::run(command, context).await,
    }
}
