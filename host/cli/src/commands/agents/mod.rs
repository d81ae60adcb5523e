//! `org.ai agents …`: who does work with a model and tools.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod run;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Create(create::Command),
    Run(run::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Create(command) => create::run(command, context).await,
        Command::Run(command) => run::run(command, context).await,
    }
}
