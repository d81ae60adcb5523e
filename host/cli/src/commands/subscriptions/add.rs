//! `org.ai subscriptions add`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;

/// Have a handler told of events from now on
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai subscriptions add Customer.created welcome\n  org.ai subscriptions add 'Order.*' shop#onOrder --name orders --filter 'data.amount > 1000'"
)]
pub(crate) struct Command {
    /// Noun.event, like Customer.created, Order.* or *.created
    event: String,
    /// A function, toolbox.export or app#handler
    handler: String,
    /// What to call it [default: the event and the handler]
    #[arg(long)]
    name: Option<String>,
    /// Higher is told first
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    priority: i32,
    /// Only events for which this holds, like 'data.amount > 1000'
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// How often a delivery that failed is tried again, up to 100
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_retries: u32,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let body = json!({
        "name": command.name,
        "event": command.event,
        "handler": command.handler,
        "priority": command.priority,
        "filter": command.filter,
        "maxRetries": command.max_retries,
    });
    let added = client.post(context, client.url(&["subscriptions"]), &body).await?;
    context.result(&added, |added| {
        format!("{} is told of {} as {}", cell(added, "handler"), cell(added, "event"), cell(added, "name"))
    })
}
