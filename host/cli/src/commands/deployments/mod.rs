//! `org.ai deployments …`: what `org.ai deploy` did, and how it is taken back.

use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use clap::Subcommand;

pub(crate) mod delete;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod rollback;
pub(crate) mod show;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Show(show::Command),
    Rollback(rollback::Command),
    Delete(delete::Command),
    Import(import::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Rollback(command) => rollback::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
        Command::Import(command) => import::run(&command, context),
    }
}

/// A version, as it is listed: 17, or v17 (spec ID-8).
fn version(text: &str) -> std::result::Result<u64, String> {
    let number = text.strip_prefix('v').unwrap_or(text);
    number.parse().map_err(|_| "a deployment is named by its version, like 17 or v17".to_owned())
}

fn no_version(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        return failure.with_hint("`org.ai deployments list` shows the versions there are");
    }
    failure
}
