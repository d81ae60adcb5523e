//! `org.ai usage`

use crate::client::Client;
use crate::context::{Context, cell, table};
use crate::failure::Result;

/// Show what models cost this object, and its budget
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai usage\n  org.ai usage --days 7 --json")]
pub(crate) struct Command {
    /// This day and those before it: 1 to 92
    #[arg(long, default_value_t = 31)]
    days: u32,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&["usage"]);
    url.query_pairs_mut().append_pair("days", &command.days.to_string());
    let usage = client.get(context, url).await?;
    context.result(&usage, |usage| {
        let rows = usage["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names = ["day", "model", "calls", "inputTokens", "outputTokens", "costUsd"];
        let rows = rows.iter().map(|row| names.iter().map(|name| cell(row, name)).collect());
        let shown = table(&["DAY", "MODEL", "CALLS", "IN", "OUT", "USD"], rows, "No model was asked.");
        let budget = &usage["budget"];
        if budget.is_null() {
            return format!("{shown}\nNo budget.");
        }
        let (spent, per) = (&usage["spent"], cell(budget, "per"));
        let limit = |name: &str, unit: &str| {
            (!budget[name].is_null()).then(|| format!("{} of {} {unit}", cell(spent, name), cell(budget, name)))
        };
        let limits: Vec<_> = [limit("usd", "USD"), limit("tokens", "tokens")].into_iter().flatten().collect();
        format!("{shown}\nThis {per}: {}", limits.join(", "))
    })
}
