//! A provider of models on this machine: it speaks the protocol that everybody speaks, and answers what a test says.

use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a model says to a request.
pub enum Says {
    Text(String),
    /// Tools that it wants to be called, with their arguments.
    Tools(Vec<(&'static str, Value)>),
    /// Bytes instead of an answer, after which the connection ends.
    Raw(String),
    /// Nothing, as long as the connection lasts.
    Nothing,
}

impl Says {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn bytes(self) -> Option<String> {
        let (message, finish) = match self {
            Self::Raw(bytes) => return Some(bytes),
            Self::Nothing => return None,
            Self::Text(text) => (json!({ "role": "assistant", "content": text }), "stop"),
            Self::Tools(tools) => {
                let calls = tools.iter().enumerate().map(|(n, (name, arguments))| {
                    json!({ "id": format!("call-{n}"), "type": "function",
                            "function": { "name": name, "arguments": arguments.to_string() } })
                });
                (json!({ "role": "assistant", "content": null, "tool_calls": Value::from_iter(calls) }), "tool_calls")
            }
        };
        let body = json!({ "choices": [{ "message": message, "finish_reason": finish }],
                           "usage": { "prompt_tokens": 10, "completion_tokens": 5 } });
        Some(http("200 OK", &body.to_string()))
    }
}

/// An answer of HTTP.
pub fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}"
    )
}

type Script = dyn Fn(&Value) -> Says + Send + Sync;

/// The endpoint. It outlives the servers that ask it.
pub struct Provider {
    port: u16,
    asked: Arc<Mutex<Vec<Value>>>,
    script: Arc<Mutex<Arc<Script>>>,
}

impl Provider {
    pub async fn start(script: impl Fn(&Value) -> Says + Send + Sync + 'static) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let script: Arc<Mutex<Arc<Script>>> = Arc::new(Mutex::new(Arc::new(script)));
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let (noted, scripted) = (asked.clone(), script.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, noted.clone(), scripted.clone()));
            }
        });
        Ok(Self { port, asked, script })
    }

    /// What it is asked from now on is answered so.
    pub fn says(&self, script: impl Fn(&Value) -> Says + Send + Sync + 'static) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(script);
    }

    /// Each question, in the order in which they came.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often it was asked after so many answers of its own in the conversation.
    pub fn asked_at(&self, turn: usize) -> usize {
        self.asked().iter().filter(|request| turn_of(request) == turn).count()
    }

    /// A file of settings that makes it the server's standard model.
    pub fn config(&self, dir: &Path) -> anyhow::Result<String> {
        let path = dir.join("server.toml");
        let text = format!(
            "[models]\ndefault = \"test/small\"\nembedding = \"test/vectors\"\n[models.providers.test]\nbase_url = \"http://127.0.0.1:{}/v1\"\n",
            self.port
        );
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

/// How often it has spoken in a conversation.
pub fn turn_of(request: &Value) -> usize {
    let messages = request["messages"].as_array().into_iter().flatten();
    messages.filter(|message| message["role"] == "assistant").count()
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<Value>>>, script: Arc<Mutex<Arc<Script>>>) {
    let Some(request) = read(&mut stream).await else { return };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let script = script.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match script(&request).bytes() {
        Some(bytes) => drop(stream.write_all(bytes.as_bytes()).await),
        // Until who asks has had enough.
        None => drop(stream.read_u8().await),
    }
}

/// The body of one request.
async fn read(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return serde_json::from_str(body).ok();
        }
    }
}
