//! `org.ai subscriptions add`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;

/// Have a handler, a workflow or a webhook told of events from now on
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai subscriptions add Customer.created welcome\n  org.ai subscriptions add 'Order.*' shop#onOrder --name orders --filter 'data.amount > 1000'\n  org.ai subscriptions add Order.placed --workflow checkout\n  org.ai subscriptions add 'Order.*' --webhook https://example.com/events"
)]
pub(crate) struct Command {
    /// Noun.event, like Customer.created, Order.* or *.created
    event: String,
    /// A function, toolbox.export or app#handler
    #[arg(required_unless_present_any = ["webhook", "workflow"])]
    handler: Option<String>,
    /// Begin a run of this workflow for each event instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["handler", "max_retries"])]
    workflow: Option<String>,
    /// Post the events to this URL instead; what they are signed with is shown once
    #[arg(long, value_name = "URL", conflicts_with_all = ["handler", "workflow"])]
    webhook: Option<String>,
    /// What to call it [default: the event and who is told]
    #[arg(long)]
    name: Option<String>,
    /// Higher is told first
    #[arg(long, allow_negative_numbers = true, default_value_t = 0)]
    priority: i32,
    /// Only events for which this holds, like 'data.amount > 1000'
    #[arg(long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// How often a delivery that failed is tried again, up to 100 [default: 3]
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let body = json!({
        "name": command.name,
        "event": command.event,
        "handler": command.handler,
        "workflow": command.workflow,
        "webhook": command.webhook,
        "priority": command.priority,
        "filter": command.filter,
        "maxRetries": command.max_retries,
    });
    let added = client.post(context, client.url(&["subscriptions"]), &body).await?;
    context.result(&added, |added| {
        let told = format!(
            "{} is told of {} as {}",
            cell(added, super::told(added)),
            cell(added, "event"),
            cell(added, "name")
        );
        match added["secret"].as_str() {
            Some(secret) => format!("{told}\nIts secret, which is not shown again: {secret}"),
            None => told,
        }
    })
}
