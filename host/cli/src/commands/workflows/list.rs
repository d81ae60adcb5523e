//! `org.ai workflows list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::{Value, json};

/// List the workflows: what begins a run of each, and its last one
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai workflows list")]
pub(crate) struct Command {
    /// How many of them, by name
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut workflows = rows(client.get(context, client.url(&["workflows"])).await?, "workflows");
    let list = workflows.as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut shown = Vec::new();
    for mut workflow in list.into_iter().take(usize::from(command.limit)) {
        let mut url = client.url(&["workflows", &cell(&workflow, "name"), "runs"]);
        url.query_pairs_mut().append_pair("limit", "1");
        let last = rows(client.get(context, url).await?, "runs");
        let last = last
            .get(0)
            .map(|run| json!({ "runId": run["runId"], "status": run["status"], "startedAt": run["startedAt"] }));
        workflow["lastRun"] = last.unwrap_or(Value::Null);
        shown.push(workflow);
    }
    context.result(&Value::Array(shown), |workflows| {
        let row = |workflow: &Value| {
            let last = &workflow["lastRun"];
            let last = match last.is_null() {
                true => "-".to_owned(),
                false => format!("{} {}", cell(last, "runId"), cell(last, "status")),
            };
            ["name", "trigger", "version"].map(|key| cell(workflow, key)).into_iter().chain([last]).collect()
        };
        table(
            &["name", "trigger", "version", "last run"],
            workflows.as_array().into_iter().flatten().map(row),
            "no workflows",
        )
    })
}
