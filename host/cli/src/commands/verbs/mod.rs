//! `org.ai verbs …`: the words for what is done, in all their forms.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;

pub(crate) mod list;
pub(crate) mod set;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Set(set::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Set(command) => set::run(command, context).await,
    }
}

/// A verb in any form, like ship or shipped (spec ID-8).
pub(crate) fn verb(text: &str) -> std::result::Result<String, String> {
    let is_verb = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_verb {
        Ok(text.to_owned())
    } else {
        Err("a verb is one word of letters and digits, like ship or ownedBy".to_owned())
    }
}
