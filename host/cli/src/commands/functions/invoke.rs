//! `org.ai functions invoke`

use super::not_deployed;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Exit, Failure, Result};
use reqwest::Method;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use types::{ActionRef, Json};

/// Call a function and print its result
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai functions invoke hello --input '{\"name\":\"Ann\"}'\n  org.ai functions invoke calc.add --input @numbers.json\n  org.ai functions invoke hello@v3 --input - < input.json\n  org.ai functions invoke pay --do --idempotency-key order-7 --input '{\"amount\":3}'\n\n--timeout is also how long the function may run; with --do, one attempt of it."
)]
pub(crate) struct Command {
    /// Its name, with an export for a tool box (calc.add), with a version (hello@v3, hello@~1)
    #[arg(value_parser = action)]
    name: ActionRef,
    /// JSON, or @file, or - for standard input [default: null]
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// Do not wait for the result; print the id of the action
    #[arg(long = "async")]
    is_async: bool,
    /// Carry it out whatever dies: it is written down before it runs, tried again, and goes on after a stop of the server
    #[arg(long = "do")]
    is_durable: bool,
    /// Of the durable calls that are ready, those with a higher number run first: -100 to 100
    #[arg(long, value_name = "N", requires = "is_durable", allow_negative_numbers = true)]
    priority: Option<i8>,
    /// Try a durable call again only when it failed with one of these codes
    #[arg(long, value_name = "CODE,…", requires = "is_durable", value_delimiter = ',')]
    retry_on: Vec<String>,
    /// In whose name, like User/ann; it needs a key with the scope actors.impersonate
    #[arg(long, value_name = "NOUN/ID")]
    actor: Option<String>,
    /// Of two calls with the same key, only the first one runs
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

fn action(text: &str) -> std::result::Result<ActionRef, types::NameError> {
    text.parse()
}

/// What the connection may take on top of the function's own time.
const TRANSPORT_ALLOWANCE: Duration = Duration::from_secs(5);

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let input = read_input(command.input.as_deref(), context)?;
    let mut client = Client::open(context)?;
    let mut options = json!({});
    if let Some(timeout) = context.globals.timeout {
        options["timeoutMs"] = u64::try_from(timeout.as_millis()).map_err(Failure::usage)?.into();
        client.timeout = timeout + TRANSPORT_ALLOWANCE;
    }
    match (command.is_durable, command.is_async) {
        (true, _) => options["durability"] = "do".into(),
        (false, true) => options["durability"] = "send".into(),
        (false, false) => {}
    }
    if let Some(priority) = command.priority {
        options["priority"] = priority.into();
    }
    if !command.retry_on.is_empty() {
        options["retry"] = json!({ "retryOn": command.retry_on });
    }
    if let Some(actor) = &command.actor {
        options["actor"] = actor.as_str().into();
    }
    let url = client.url(&["actions", &command.name.to_string()]);
    // The input goes out as it came in, number for number.
    let body = format!(r#"{{"input":{},"options":{options}}}"#, input.as_str());
    let mut request = client.request(Method::POST, url)?.header("content-type", "application/json").body(body);
    if command.is_async {
        request = request.header("prefer", "respond-async");
    }
    if let Some(key) = &command.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let answer = client.send(context, request).await.map_err(classify)?;
    if answer.status == 202 {
        return context.result(&answer.body, |body| cell(body, "actionId"));
    }
    let is_pretty = context.streams.stdout_is_terminal;
    context.result(&answer.body["result"], |result| if is_pretty { format!("{result:#}") } else { result.to_string() })
}

/// A function that ran and failed is a remote failure whatever its fault says; one that never ran is ours to explain.
fn classify(failure: Failure) -> Failure {
    if failure.action_id.is_some() && !matches!(failure.exit, Exit::Timeout) && failure.code != "INPUT_INVALID" {
        let hint = "`org.ai functions logs NAME` shows what it wrote; `org.ai actions show ID` the whole call";
        return failure.with_exit(Exit::Remote).with_hint(hint);
    }
    not_deployed(failure)
}

pub(crate) fn read_input(input: Option<&str>, context: &mut Context) -> Result<Json> {
    let (text, place) = match input {
        None => return Ok(Json::null()),
        Some("-") => (context.read_stdin()?, "standard input".to_owned()),
        Some(text) => match text.strip_prefix('@') {
            Some(file) => (context.read_file(Path::new(file))?, file.to_owned()),
            None => (text.to_owned(), "--input".to_owned()),
        },
    };
    Json::parse(text.trim()).map_err(|error| Failure::new("BAD_JSON", format!("{place} is not usable: {error}")))
}
