//! Following a stream of server-sent events, across broken connections.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use reqwest::{Method, Response, Url};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// The largest event; a server that sends a longer one is not ours.
const EVENT_BYTES_MAX: usize = 4 << 20;
/// How often a broken connection is made anew before giving up, waiting longer each time.
const RECONNECTS_MAX: u32 = 6;
const RECONNECT_WAIT_FIRST: Duration = Duration::from_millis(250);

/// One event. Data that is not JSON is a JSON string.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// A stream that goes on where it broke.
pub(crate) struct Tail {
    url: Url,
    last_id: Option<String>,
    response: Option<Response>,
    parser: Parser,
    ready: VecDeque<Event>,
    /// It was open once: what breaks from then on is made again. A server that was never there is told at once.
    is_known: bool,
    failures: u32,
}

impl Tail {
    pub(crate) fn new(url: Url) -> Self {
        Self {
            url,
            last_id: None,
            response: None,
            parser: Parser::default(),
            ready: VecDeque::new(),
            is_known: false,
            failures: 0,
        }
    }

    /// Of an answer that has begun. It is not made again when it breaks, for the request was no question about what is stored.
    pub(crate) fn of(response: Response) -> Self {
        Self { response: Some(response), ..Self::new(Url::parse("http://localhost").expect("it is a URL")) }
    }

    /// The next event, however long it takes.
    ///
    /// # Errors
    /// What the server refuses; a network failure only after several tries.
    pub(crate) async fn next(&mut self, client: &Client, context: &mut Context) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.last_id = event.id.clone().or_else(|| self.last_id.take());
                self.failures = 0;
                return Ok(event);
            }
            match self.receive(client, context).await {
                Err(failure) if failure.exit == Exit::Network && self.is_known && self.failures < RECONNECTS_MAX => {
                    self.response = None;
                    self.parser = Parser::default();
                    tokio::time::sleep(RECONNECT_WAIT_FIRST * 2_u32.pow(self.failures)).await;
                    self.failures += 1;
                }
                other => other?,
            }
        }
    }

    /// The next event of an answer that is not made again.
    pub(crate) async fn next_of_one(&mut self, client: &Client, context: &mut Context) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            self.receive(client, context).await?;
        }
    }

    async fn receive(&mut self, client: &Client, context: &mut Context) -> Result<()> {
        let lost = |error: &dyn std::fmt::Display| Failure::new("NETWORK", format!("the stream broke: {error}"));
        let response = match &mut self.response {
            Some(response) => response,
            None => {
                let mut request = client.request(Method::GET, self.url.clone())?.header("accept", "text/event-stream");
                if let Some(id) = &self.last_id {
                    request = request.header("last-event-id", id);
                }
                let response = client.start(context, request).await?;
                if !response.status().is_success() {
                    client.read(response).await?;
                    return Err(lost(&"the server answered without a stream"));
                }
                self.is_known = true;
                self.response.insert(response)
            }
        };
        let chunk = response.chunk().await.map_err(|e| lost(&e.without_url()))?;
        let chunk = chunk.ok_or_else(|| lost(&"the server closed it"))?;
        self.parser.feed(&chunk, &mut self.ready)
    }
}

/// Bytes to events, as the HTML standard writes them (section 9.2.6).
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    name: String,
    data: String,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8], ready: &mut VecDeque<Event>) -> Result<()> {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.end_line(&String::from_utf8_lossy(&line), ready);
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(Failure::local(
                    "the stream sent too long an event",
                    format_args!("more than {EVENT_BYTES_MAX} bytes"),
                ));
            }
        }
        Ok(())
    }

    fn end_line(&mut self, line: &str, ready: &mut VecDeque<Event>) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let name = std::mem::take(&mut self.name);
            let id = self.id.take();
            if !data.is_empty() {
                let data = serde_json::from_str(&data).unwrap_or(Value::String(data));
                ready.push_back(Event { id, name, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments keep the connection alive; other fields mean nothing to us.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_put_together_however_the_bytes_are_cut() {
        let stream = ": hello\n\nid: 7\nevent: log\ndata: {\"a\":\ndata: 1}\n\ndata: plain\r\n\r\nid: 9\n\n";
        let whole = [
            Event { id: Some("7".into()), name: "log".into(), data: json!({"a": 1}) },
            Event { id: None, name: String::new(), data: json!("plain") },
        ];
        for size in [1, 2, 3, 7, 1000] {
            let (mut parser, mut ready) = (Parser::default(), VecDeque::new());
            for chunk in stream.as_bytes().chunks(size) {
                parser.feed(chunk, &mut ready).unwrap();
            }
            assert_eq!(ready, whole, "cut every {size}");
        }
    }

    #[test]
    fn an_event_without_end_is_an_error() {
        let (mut parser, mut ready) = (Parser::default(), VecDeque::new());
        let chunk = vec![b'x'; 1 << 20];
        assert!((0..5).any(|_| parser.feed(&chunk, &mut ready).is_err()));
    }
}
