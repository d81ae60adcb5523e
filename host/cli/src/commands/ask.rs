//! `org.ai ask`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest that the server holds a request open.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Ask an agent or a person something
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai ask Human/ann 'How many chairs?' --wait 60s\n  org.ai ask role:finance 'Which budget?' --json"
)]
pub(crate) struct Command {
    /// Agent/NAME, Human/NAME or role:NAME
    worker: String,
    /// What is asked
    question: String,
    /// How long to wait for a person, a minute at most [default: not at all; `approvals show` tells later]
    #[arg(long, value_name = "DURATION", value_parser = types::parse_duration)]
    wait: Option<Duration>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut client = Client::open(context)?;
    let wait = command.wait.unwrap_or_default().min(WAIT_MAX);
    client.timeout = client.timeout.max(wait + Duration::from_secs(10));
    let request = client.request(Method::POST, client.url(&["workers", &command.worker, "ask"]))?;
    let request = request.header("prefer", format!("wait={}", wait.as_secs()));
    let answer = client.send(context, request.json(&json!({ "question": command.question }))).await?.body;
    context.result(&answer, human)
}

fn human(answer: &Value) -> String {
    match (answer.get("requestId"), &answer["text"]) {
        (Some(_), _) => {
            let id = cell(answer, "requestId");
            format!("Asked; nobody has answered yet. See: org.ai approvals show {id}")
        }
        (None, Value::String(text)) => text.clone(),
        (None, _) => answer["value"].to_string(),
    }
}
