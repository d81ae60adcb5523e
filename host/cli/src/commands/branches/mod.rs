//! `org.ai branches …`: named lines of versions, over the whole object.

use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;
use reqwest::Url;
use types::{BranchName, ThingNameError};

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Create(create::Command),
    Show(show::Command),
    Delete(delete::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Create(command) => create::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
    }
}

/// The name of a branch to be made or ended; main is neither.
fn branch_name(text: &str) -> std::result::Result<BranchName, ThingNameError> {
    BranchName::parse(text.strip_prefix('@').unwrap_or(text))
}

/// The name of a branch there is, main among them.
pub(crate) fn any_branch(text: &str) -> std::result::Result<String, ThingNameError> {
    match text.strip_prefix('@').unwrap_or(text) {
        "main" => Ok("main".to_owned()),
        name => BranchName::parse(name).map(String::from),
    }
}

fn url(client: &Client, name: &str) -> Url {
    client.url(&["branches", name])
}
