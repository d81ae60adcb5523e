//! `org.ai schedules …`: what an object does again and again.

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use clap::Subcommand;
use serde_json::{Value, json};

pub(crate) mod add;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod remove;
pub(crate) mod resume;
pub(crate) mod run;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Add(add::Command),
    Pause(pause::Command),
    Resume(resume::Command),
    Run(run::Command),
    Remove(remove::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Add(command) => add::run(command, context).await,
        Command::Pause(command) => pause::run(command, context).await,
        Command::Resume(command) => resume::run(command, context).await,
        Command::Run(command) => run::run(command, context).await,
        Command::Remove(command) => remove::run(command, context).await,
    }
}

/// `POST /api/schedules/NAME/VERB`.
async fn tell(context: &mut Context, name: &str, verb: &str) -> Result<Value> {
    let client = Client::open(context)?;
    client.post(context, client.url(&["schedules", name, verb]), &json!({})).await
}

/// What somebody wants to know first of a schedule that was added or goes on.
fn next_run(schedule: &Value) -> String {
    format!("{}: next at {}", cell(schedule, "name"), cell(schedule, "nextRunAt"))
}
