//! `org.ai functions …`: from an empty folder to a running function.

use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use clap::Subcommand;
use types::FunctionName;

pub(crate) mod build;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod invoke;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod new;
pub(crate) mod rollback;
pub(crate) mod show;
pub(crate) mod upgrade;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::Command),
    Build(build::Command),
    Deploy(deploy::Command),
    List(list::Command),
    Show(show::Command),
    Invoke(invoke::Command),
    Logs(logs::Command),
    Rollback(rollback::Command),
    Upgrade(upgrade::Command),
    Delete(delete::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::New(command) => new::run(command, context).await,
        Command::Build(command) => build::run(command, context).await,
        Command::Deploy(command) => deploy::run(command, context).await,
        Command::List(command) => list::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Invoke(command) => invoke::run(command, context).await,
        Command::Logs(command) => logs::run(command, context).await,
        Command::Rollback(command) => rollback::run(command, context).await,
        Command::Upgrade(command) => upgrade::run(command, context).await,
        Command::Delete(command) => delete::run(command, context).await,
    }
}

/// A function's name, as clap takes it.
fn function_name(text: &str) -> std::result::Result<FunctionName, types::NameError> {
    FunctionName::parse(text)
}

/// A function's name with an optional version, checked and kept as text.
fn function_ref(text: &str) -> std::result::Result<String, String> {
    let action: types::ActionRef = text.parse().map_err(|e: types::NameError| e.to_string())?;
    match action.export {
        None => Ok(text.to_owned()),
        Some(_) => Err(format!("an export is called, not shown: write {}", action.function)),
    }
}

/// Adds to "not found" what to do about it.
fn not_deployed(failure: Failure) -> Failure {
    if failure.exit == Exit::NotFound {
        return failure.with_hint("`org.ai functions list` shows what is deployed");
    }
    failure
}
