//! `org.ai agents run`

use crate::client::Client;
use crate::context::{Context, cell, one_line};
use crate::failure::{Exit, Failure, Result};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Give an agent a goal, and print what came of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai agents run support \"Find out why order 7 is late\"\n  org.ai agents run support \"Refund order 7\" --max-iterations 5 --follow\n\nWith --follow each step is told on standard error as it is made. --timeout is how long is waited; the run goes on."
)]
pub(crate) struct Command {
    /// The agent
    name: String,
    /// What is to be reached
    goal: String,
    /// How often the model is asked at most [default: 10]
    #[arg(long, value_name = "N")]
    max_iterations: Option<u32>,
    /// Tell each step as it is made
    #[arg(long)]
    follow: bool,
    /// Do not wait for the end; print the id of the action
    #[arg(long = "async", conflicts_with = "follow")]
    is_async: bool,
}

/// Between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut goal = json!({ "description": command.goal });
    if let Some(most) = command.max_iterations {
        goal["maxIterations"] = most.into();
    }
    let url = client.url(&["agents", &command.name, "run"]);
    let request = client.request(Method::POST, url)?.header("content-type", "application/json");
    // Accepted at once and looked at until it is over: a loop may take longer than a connection lives.
    let request = request.header("prefer", "respond-async").body(goal.to_string());
    let accepted = client.send(context, request).await?.body;
    if command.is_async {
        return context.result(&accepted, |body| cell(body, "actionId"));
    }
    let url = client.url(&["invocations", &cell(&accepted, "actionId")]);
    let ended = until_over(&client, url, command.follow, context).await?;
    let result = &ended["output"];
    if ended["status"] != "completed" {
        let why = ended["error"]["message"].as_str().unwrap_or("it has no reason");
        let code = ended["error"]["code"].as_str().unwrap_or("RUN_FAILED").to_owned();
        return Err(
            Failure::new(&code, format!("the run is {}: {why}", cell(&ended, "status"))).with_exit(Exit::Remote)
        );
    }
    context.result(result, |result| match &result["result"] {
        Value::Null => format!("{result:#}"),
        Value::String(text) => text.clone(),
        other => format!("{other:#}"),
    })?;
    if result["stopReason"] == "complete" {
        return Ok(());
    }
    let why = result["error"]["message"].as_str().unwrap_or("it did not reach its goal");
    Err(Failure::new("GOAL_NOT_REACHED", format!("{}: {why}", cell(result, "stopReason"))).with_exit(Exit::Remote))
}

async fn until_over(client: &Client, url: Url, follow: bool, context: &mut Context) -> Result<Value> {
    let begun = Instant::now();
    let mut told = BTreeSet::new();
    loop {
        let run = client.get(context, url.clone()).await?;
        if follow {
            for step in run["steps"].as_array().into_iter().flatten() {
                tell(step, &mut told, context);
            }
        }
        if matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return Ok(run);
        }
        if context.globals.timeout.is_some_and(|limit| begun.elapsed() >= limit) {
            let message = format!("the run {} is {} still; it goes on", cell(&run, "id"), cell(&run, "status"));
            return Err(Failure::new("TIMED_OUT", message));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Once for each step that has come to its end: what was thought, called, or asked of a supervisor.
fn tell(step: &Value, told: &mut BTreeSet<u64>, context: &mut Context) {
    let id = step["stepId"].as_str().unwrap_or_default();
    let is_shown = id.starts_with("think:") || id.starts_with("tool:") && !id.ends_with(":event");
    let is_new = step["endedAt"].is_string() && told.insert(step["ordinal"].as_u64().unwrap_or(u64::MAX));
    if !is_shown || !is_new {
        return;
    }
    let (took, reply) = (step["duration"].as_u64().unwrap_or(0), step["reply"].as_str().unwrap_or_default());
    let line = match id.ends_with(":join") {
        true => format!("{id}  {took} ms  {reply}"),
        false => format!("{id}  {took} ms  {}", cell(step, "call")),
    };
    context.note(&one_line(&line));
}
