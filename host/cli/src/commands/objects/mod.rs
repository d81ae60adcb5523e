//! `org.ai objects …`: durable objects.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod create;
pub(crate) mod destroy;
pub(crate) mod list;
pub(crate) mod relate;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(create::Command),
    List(list::Command),
    Show(show::Command),
    Relate(relate::Command),
    Destroy(destroy::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::Create(command) => create::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Relate(command) => relate::run(command, context).await,
        Command::Destroy(command) => destroy::run(command, context).await,
    }
}
