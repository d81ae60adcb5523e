//! `org.ai workflows run`

use super::draw;
use crate::client::Client;
use crate::commands::functions::invoke::read_input;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use reqwest::{Method, Url};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Begin a run of a workflow
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai workflows run order --input '{\"orderId\":7}'\n  org.ai workflows run order --run-id order-7 --wait\n\nWith --wait each step is told on standard error when it moves; --timeout is how long is waited. The run goes on either way."
)]
pub(crate) struct Command {
    /// The workflow
    name: String,
    /// JSON, or @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// What the run is to be called [default: an id of its own]
    #[arg(long, value_name = "NAME")]
    run_id: Option<String>,
    /// Wait until it is over, and show its steps
    #[arg(long)]
    wait: bool,
}

/// Between two looks at a run.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let input = read_input(command.input.as_deref(), context)?;
    let client = Client::open(context)?;
    let url = client.url(&["workflows", &command.name, "run"]);
    let run_id = command.run_id.as_ref().map(|id| format!(r#","runId":{}"#, Value::from(id.as_str())));
    // The input goes out as it came in, number for number.
    let body = format!(r#"{{"input":{}{}}}"#, input.as_str(), run_id.unwrap_or_default());
    let request = client.request(Method::POST, url)?.header("content-type", "application/json").body(body);
    let started = client.send(context, request).await?.body;
    if !command.wait {
        return context.result(&started, |run| format!("{}  {}", cell(run, "runId"), cell(run, "status")));
    }
    let url = client.url(&["workflows", &command.name, "runs", &cell(&started, "runId")]);
    let run = until_over(&client, url, context).await?;
    if run["status"] == "completed" {
        let paint = context.paint();
        return context.result(&run, |run| draw::run(run, paint));
    }
    context.note(&draw::run(&run, context.paint()));
    Err(failed(&run))
}

fn failed(run: &Value) -> Failure {
    let (id, workflow) = (cell(run, "runId"), cell(run, "workflow"));
    let why = run["error"]["message"].as_str().unwrap_or("it has no reason").to_owned();
    let message = format!("the run {id} is {}: {why}", cell(run, "status"));
    let mut failure = Failure::new("RUN_FAILED", message).with_hint(format!(
        "`org.ai workflows history {workflow}/{id}` shows what happened, `org.ai workflows resume {workflow}/{id}` \
         tries the failed step again"
    ));
    failure.details = Some(Box::new(run.clone()));
    failure
}

/// Looks at the run until it is over, and tells what moved.
async fn until_over(client: &Client, url: Url, context: &mut Context) -> Result<Value> {
    let begun = Instant::now();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let run = client.get(context, url.clone()).await?;
        let steps: Vec<Value> = run["steps"].as_array().cloned().unwrap_or_default();
        let span = draw::Span::of(&run, &steps.iter().collect::<Vec<_>>());
        let width = steps.iter().map(|step| cell(step, "name").chars().count()).max().unwrap_or(0);
        for step in &steps {
            let (name, status) = (cell(step, "name"), cell(step, "status"));
            if !matches!(status.as_str(), "pending" | "skipped") && told.get(&name) != Some(&status) {
                context.note(&draw::line(step, width, &span, context.paint()));
                told.insert(name, status);
            }
        }
        if matches!(run["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return Ok(run);
        }
        if context.globals.timeout.is_some_and(|limit| begun.elapsed() >= limit) {
            let message = format!("the run {} is {} still; it goes on", cell(&run, "runId"), cell(&run, "status"));
            return Err(Failure::new("TIMED_OUT", message));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
