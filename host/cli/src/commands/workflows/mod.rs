//! `org.ai workflows …`: workflows and their runs.

use crate::client::{Client, rows};
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use clap::Subcommand;
use reqwest::Url;
use serde_json::Value;

pub(crate) mod cancel;
mod draw;
pub(crate) mod history;
pub(crate) mod list;
pub(crate) mod pause;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod status;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Run(run::Command),
    Status(status::Command),
    Pause(pause::Command),
    Resume(resume::Command),
    Cancel(cancel::Command),
    History(history::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Run(command) => run::run(command, context).await,
        Command::Status(command) => status::run(command, context).await,
        Command::Pause(command) => pause::run(command, context).await,
        Command::Resume(command) => resume::run(command, context).await,
        Command::Cancel(command) => cancel::run(command, context).await,
        Command::History(command) => history::run(command, context).await,
    }
}

/// What is asked of one run.
#[derive(Debug, clap::Args)]
pub(crate) struct WhichRun {
    /// The run's id, or WORKFLOW/RUN: a run with a name of its own is found faster so
    #[arg(value_name = "RUN")]
    run: String,
}

/// The URL of a run. Of an id alone the workflow is looked for.
async fn find(client: &Client, context: &mut Context, which: &WhichRun) -> Result<(Url, Value)> {
    if let Some((workflow, run)) = which.run.split_once('/') {
        let url = client.url(&["workflows", workflow, "runs", run]);
        let found = client.get(context, url.clone()).await?;
        return Ok((url, found));
    }
    let workflows = rows(client.get(context, client.url(&["workflows"])).await?, "workflows");
    for workflow in workflows.as_array().into_iter().flatten() {
        let url = client.url(&["workflows", &cell(workflow, "name"), "runs", &which.run]);
        match client.get(context, url.clone()).await {
            Ok(found) => return Ok((url, found)),
            Err(failure) if failure.code == "RUN_NOT_FOUND" => {}
            Err(failure) => return Err(failure),
        }
    }
    let message = format!("no workflow that is there has a run {}", which.run);
    Err(Failure::new("RUN_NOT_FOUND", message))
}

/// Posts to one of a run's own routes and shows the run.
async fn ask(which: &WhichRun, what: &str, body: &Value, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let (mut url, _) = find(&client, context, which).await?;
    url.path_segments_mut().map_err(|()| Failure::usage("the server's URL has no path"))?.push(what);
    let run = client.post(context, url, body).await?;
    let paint = context.paint();
    context.result(&run, |run| draw::run(run, paint))
}
