//! `org.ai schedules list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the schedules: when each is next due, and how its last run went
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai schedules list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let schedules = rows(client.get(context, client.url(&["schedules"])).await?, "schedules");
    context.result(&schedules, |schedules| {
        let keys = ["name", "status", "canonical", "handler", "nextRunAt", "lastRunAt", "lastStatus", "runCount"];
        let shown = |schedule: &Value, key| match (key, schedule["workflow"].as_str()) {
            ("handler", Some(workflow)) => format!("workflow {workflow}"),
            _ => cell(schedule, key),
        };
        let row = |schedule: &Value| keys.map(|key| shown(schedule, key)).into();
        table(
            &["name", "status", "schedule", "handler", "next", "last", "result", "runs"],
            schedules.as_array().into_iter().flatten().map(row),
            "no schedules: add one with `org.ai schedules add \"daily at 6am\" FUNCTION`",
        )
    })
}
