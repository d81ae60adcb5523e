//! `fork`, `compact`, `move`, `promote`: what is done to a durable object as a whole (spec 4).

use crate::checkouts;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

pub(crate) mod compact;
pub(crate) mod fork;
pub(crate) mod move_to;
pub(crate) mod promote;

/// How long such an operation is waited for when `--timeout` does not say: it goes through the whole object.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Starts an operation and waits for its end. One that the server goes on with by itself is told with its action.
async fn run(op: &str, body: &Value, context: &mut Context, human: impl FnOnce(&Value) -> String) -> Result<()> {
    let mut client: Client = checkouts::client(context)?;
    client.timeout = context.globals.timeout.unwrap_or(TIMEOUT);
    let request = client.request(Method::POST, client.url(&["lifecycle", op]))?.header("prefer", "wait").json(body);
    let answer = client.send(context, request).await?;
    let is_going_on = answer.status == 202;
    context.result(&answer.body, |body| {
        if is_going_on {
            let action = ["actionId", "id"].map(|key| &body[key]).into_iter().find_map(Value::as_str).unwrap_or("ID");
            return format!("It goes on: `org.ai actions show {action}` shows how far it is");
        }
        // The result may stand in the action that brought it.
        human(body.get("result").filter(|result| result.is_object()).unwrap_or(body))
    })
}

/// A number with its word.
fn count(result: &Value, key: &str, word: &str) -> String {
    let number = cell(result, key);
    if number == "1" { format!("1 {word}") } else { format!("{number} {word}s") }
}
