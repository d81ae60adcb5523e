//! `org.ai nouns …`: the types of things, and what each must look like.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;
use types::{Noun, ThingNameError};

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Set(set::Command),
    Delete(delete::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Set(command) => set::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
    }
}

fn noun(text: &str) -> std::result::Result<Noun, ThingNameError> {
    Noun::parse(text)
}
