//! `org.ai invocations …`: what runs durably, and what it did in time.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

mod draw;
pub(crate) mod list;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
    }
}
