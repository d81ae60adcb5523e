//! `org.ai schedules add`

use super::next_run;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use clap::ValueEnum;
use serde_json::json;

/// Have a function called again and again
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai schedules add \"daily at 6am\" report --timezone Europe/Berlin\n  org.ai schedules add \"*/15 * * * *\" calc.sweep --name sweep --overlap queue"
)]
pub(crate) struct Command {
    /// When: a phrase, like "every weekday at 9:30am", or five fields of cron
    schedule: String,
    /// What: a function, toolbox.export or app#handler
    handler: String,
    /// What it is called [default: its handler and its schedule]
    #[arg(long)]
    name: Option<String>,
    /// Whose clock it follows: an IANA name, or an offset like +05:30 [default: UTC]
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true)]
    timezone: Option<String>,
    /// What becomes of ticks that were missed
    #[arg(long, value_enum, default_value_t = CatchUp::One)]
    catch_up: CatchUp,
    /// What becomes of a tick while a run before it has not ended
    #[arg(long, value_enum, default_value_t = Overlap::Skip)]
    overlap: Overlap,
    /// How often a run is tried again
    #[arg(long, default_value_t = 3, value_name = "N")]
    max_retries: u32,
    /// Tell each tick as an event, schedule.fired
    #[arg(long)]
    emit: bool,
    /// It may tick more often than each minute
    #[arg(long)]
    allow_sub_minute: bool,
    /// An object to be kept beside it
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum CatchUp {
    /// One run for all of them
    One,
    /// They are lost
    None,
    /// A run for each, 100 at most
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Overlap {
    /// It is skipped
    Skip,
    /// One waits
    Queue,
    /// They run beside each other
    Allow,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut body = json!({
        "schedule": command.schedule,
        "handler": command.handler,
        "catchUp": command.catch_up,
        "overlap": command.overlap,
        "maxRetries": command.max_retries,
        "emit": command.emit,
        "allowSubMinute": command.allow_sub_minute,
    });
    if let Some(metadata) = &command.metadata {
        body["metadata"] = serde_json::from_str(metadata)
            .map_err(|error| Failure::usage(format!("--metadata is no JSON: {error}")))?;
    }
    for (key, value) in [("name", command.name), ("timezone", command.timezone)] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    let client = Client::open(context)?;
    let added = client.post(context, client.url(&["schedules"]), &body).await?;
    context.result(&added, |added| format!("Added {}", next_run(added)))
}
