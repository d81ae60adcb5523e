//! `org.ai mcp`: the object's `/mcp` for programs that start their servers and talk to them by standard input and output.
//!
//! Each line is one message, sent as a request of its own with the command's credentials. What is no message goes to
//! standard error alone: on standard output it would be read as one.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use futures::StreamExt;
use futures::future::{AbortHandle, Aborted, abortable};
use futures::stream::FuturesUnordered;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use tokio::sync::mpsc;

/// Offer functions and things to a program that speaks MCP, by standard input and output
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai mcp --ns https://acme.example\n\nIn the settings of a client:\n  {\"mcpServers\":{\"acme\":{\"command\":\"org.ai\",\"args\":[\"mcp\",\"--ns\",\"https://acme.example\"]}}}"
)]
pub(crate) struct Command {}

/// The longest message: the server takes no longer ones.
const LINE_BYTES_MAX: u64 = 2 << 20;
/// Requests at once; more wait in standard input.
const AT_ONCE_MAX: usize = 16;
/// The protocol's own codes for what is no JSON, and for what a server says for itself.
const PARSE_ERROR: i64 = -32_700;
const FAILED: i64 = -32_000;
/// In the `_meta` of a request: which version of the protocol it is of.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

pub(crate) async fn run(Command {}: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let stdin = std::mem::replace(&mut context.streams.stdin, Box::new(std::io::empty()));
    let mut lines = lines(stdin);
    let bridge = Bridge::new(client);
    let mut running = FuturesUnordered::new();
    let mut handles: HashMap<String, AbortHandle> = HashMap::new();
    let mut is_open = true;
    while is_open || !running.is_empty() {
        tokio::select! {
            Some((id, answer)) = running.next(), if !running.is_empty() => {
                let (id, answer): (String, std::result::Result<Option<Value>, Aborted>) = (id, answer);
                handles.remove(&id);
                // Whoever took a request back does not want its answer.
                if let Ok(Some(answer)) = answer {
                    context.print(&answer.to_string())?;
                }
            }
            line = lines.recv(), if is_open && running.len() < AT_ONCE_MAX => {
                let Some(line) = line else { is_open = false; continue };
                let message: Value = match line.and_then(|line| serde_json::from_slice(&line).map_err(|e| e.to_string())) {
                    Ok(message) => message,
                    Err(why) => {
                        context.print(&error(&Value::Null, PARSE_ERROR, &why, None).to_string())?;
                        continue;
                    }
                };
                if message["method"] == "notifications/cancelled" {
                    if let Some(handle) = handles.get(&message["params"]["requestId"].to_string()) {
                        handle.abort();
                    }
                    continue;
                }
                let id = message["id"].to_string();
                let (sending, handle) = abortable(bridge.send(message));
                handles.insert(id.clone(), handle);
                running.push(async move { (id, sending.await) });
            }
        }
    }
    Ok(())
}

/// Lines as they come, read where waiting for them keeps nobody from anything.
fn lines(stdin: Box<dyn Read + Send>) -> mpsc::Receiver<std::result::Result<Vec<u8>, String>> {
    let (sender, receiver) = mpsc::channel(AT_ONCE_MAX);
    std::thread::spawn(move || {
        let mut stdin = BufReader::new(stdin);
        loop {
            let mut line = Vec::new();
            match (&mut stdin).take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(read) if read as u64 > LINE_BYTES_MAX => {
                    let why = format!("a message has {} MiB at most", LINE_BYTES_MAX >> 20);
                    // The rest of the line would be read as messages.
                    drop(sender.blocking_send(Err(why)));
                    return;
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    if sender.blocking_send(Ok(line)).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

struct Bridge {
    client: Client,
    url: Url,
    /// What was agreed on by `initialize`.
    version: RefCell<Option<String>>,
}

impl Bridge {
    fn new(client: Client) -> Self {
        let mut url = client.session.api_url.clone();
        url.path_segments_mut().expect("http and https URLs have a path").pop_if_empty().push("mcp");
        Self { client, url, version: RefCell::default() }
    }

    /// What is to be told to who sent the message; None: nothing.
    async fn send(&self, message: Value) -> Option<Value> {
        let answer = self.exchange(&message).await;
        // What asks for nothing is told nothing, also not that it failed.
        let id = message.get("id")?;
        match answer {
            Ok(answer) => {
                if let (Some("initialize"), Some(version)) =
                    (message["method"].as_str(), answer["result"]["protocolVersion"].as_str())
                {
                    *self.version.borrow_mut() = Some(version.to_owned());
                }
                Some(answer)
            }
            Err(failure) => Some(error(id, FAILED, &failure.message, Some(&failure.code))),
        }
    }

    async fn exchange(&self, message: &Value) -> Result<Value> {
        let mut request = self.client.request(Method::POST, self.url.clone())?;
        request = request.header(ACCEPT, "text/event-stream").header(CONTENT_TYPE, "application/json");
        for (name, value) in self.headers(message) {
            if let Ok(value) = HeaderValue::try_from(value) {
                request = request.header(name, value);
            }
        }
        let request = request.timeout(self.client.timeout).body(message.to_string());
        let response = request.send().await.map_err(|e| self.client.unreachable(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = self.client.body(response).await?;
        if status.is_success() && bytes.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(answer) if answer["jsonrpc"] == "2.0" => Ok(answer),
            Ok(problem) if !status.is_success() => Err(self.client.refused(status.as_u16(), &headers, &problem)),
            Ok(_) | Err(_) if status.is_success() => {
                Err(Failure::new("NETWORK", format!("{} answered with something that is no message", self.url)))
            }
            Ok(_) | Err(_) => Err(self.client.refused(status.as_u16(), &headers, &Value::Null)),
        }
    }

    /// What stands in a message and has to be said in front of it, too.
    fn headers(&self, message: &Value) -> Vec<(&'static str, String)> {
        let params = &message["params"];
        if let Some(version) = params["_meta"][VERSION_KEY].as_str() {
            let mut headers = vec![("mcp-protocol-version", version.to_owned())];
            headers.extend(message["method"].as_str().map(|method| ("mcp-method", method.to_owned())));
            let name = params["name"].as_str().or_else(|| params["uri"].as_str());
            headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
            return headers;
        }
        if message["method"] == "initialize" {
            return Vec::new();
        }
        self.version.borrow().iter().map(|version| ("mcp-protocol-version", version.clone())).collect()
    }
}

fn error(id: &Value, number: i64, message: &str, code: Option<&str>) -> Value {
    let mut error = json!({ "code": number, "message": message });
    if let Some(code) = code {
        error["data"] = json!({ "code": code });
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
