//! `org.ai generate`

use crate::client::Client;
use crate::context::Context;
use crate::events::Tail;
use crate::failure::{Exit, Failure, Result};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use types::Json;

/// A model takes its time; it is asked again when it fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// Ask a model, and print what it answers
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai generate 'Three names for a cat'\n  org.ai generate --stream --system 'You are terse' 'Why is the sky blue?'\n  org.ai generate --schema @labels.json 'Classify: it does not work' --json\n  org.ai generate - < question.txt"
)]
pub(crate) struct Command {
    /// What is asked, or - for standard input
    prompt: String,
    /// provider/model [default: the server's]
    #[arg(long)]
    model: Option<String>,
    /// What the model is told about itself before
    #[arg(long)]
    system: Option<String>,
    /// A JSON Schema that the answer is to fit
    #[arg(long, value_name = "JSON|@FILE")]
    schema: Option<String>,
    /// 0 to 2
    #[arg(long)]
    temperature: Option<f64>,
    /// The longest answer
    #[arg(long, value_name = "N")]
    max_tokens: Option<u32>,
    /// Print the answer while it is being said
    #[arg(long)]
    stream: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let prompt = if command.prompt == "-" { context.read_stdin()? } else { command.prompt };
    let mut body = json!({ "prompt": prompt });
    let texts = [("model", command.model), ("system", command.system)];
    for (name, text) in texts {
        if let Some(text) = text {
            body[name] = text.into();
        }
    }
    if let Some(schema) = &command.schema {
        body["schema"] = read_schema(schema, context)?;
    }
    if let Some(temperature) = command.temperature {
        body["temperature"] = temperature.into();
    }
    if let Some(max_tokens) = command.max_tokens {
        body["maxTokens"] = max_tokens.into();
    }
    let mut client = Client::open(context)?;
    client.timeout = context.globals.timeout.unwrap_or(ANSWER_TIMEOUT);
    if let Some(timeout) = context.globals.timeout {
        body["timeoutMs"] = u64::try_from(timeout.as_millis()).map_err(Failure::usage)?.into();
    }
    let url = client.url(&["generate"]);
    // A document is printed when it is whole.
    if command.stream && !context.is_json() {
        return stream(&client, context, url, body).await;
    }
    let answer = client.post(context, url, &body).await?;
    let is_pretty = context.streams.stdout_is_terminal;
    context.result(&answer, |answer| match &answer["result"] {
        Value::String(text) => text.clone(),
        other if is_pretty => format!("{other:#}"),
        other => other.to_string(),
    })
}

async fn stream(client: &Client, context: &mut Context, url: reqwest::Url, mut body: Value) -> Result<()> {
    body["stream"] = true.into();
    let request = client.request(Method::POST, url)?.json(&body).timeout(client.timeout);
    let response = client.start(context, request).await?;
    if !response.status().is_success() {
        client.read(response).await?;
        return Err(Failure::new("NETWORK", "the server answered without a stream"));
    }
    let mut events = Tail::of(response);
    let mut has_said = false;
    loop {
        let event = events.next_of_one(client, context).await?;
        match event.name.as_str() {
            "delta" => {
                has_said = true;
                context.print_piece(event.data["text"].as_str().unwrap_or_default())?;
            }
            "done" if has_said => return context.print_piece("\n"),
            "done" => {
                let result = &event.data["result"];
                return context.print(&result.as_str().map_or_else(|| result.to_string(), str::to_owned));
            }
            "error" => return Err(Failure::of_answer(502, &event.data).with_exit(Exit::Remote)),
            _ => {}
        }
    }
}

fn read_schema(text: &str, context: &mut Context) -> Result<Value> {
    let (text, place) = match text.strip_prefix('@') {
        Some(file) => (context.read_file(Path::new(file))?, file.to_owned()),
        None => (text.to_owned(), "--schema".to_owned()),
    };
    let json = Json::parse(text.trim()).map_err(|e| Failure::new("BAD_JSON", format!("{place} is not usable: {e}")))?;
    Ok(json.to_value())
}
