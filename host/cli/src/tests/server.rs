//! A server that gives prepared answers and keeps what it was asked.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Prepared {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

#[derive(Default)]
struct Script {
    /// By `METHOD /path?query`; several are given in order, the last one for ever.
    answers: HashMap<String, Vec<Prepared>>,
    asked: Vec<Asked>,
}

pub(super) struct FakeServer {
    pub(super) url: String,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl FakeServer {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script::default()));
        let router = Router::new().fallback(answer).with_state(script.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, script, task }
    }

    /// `line` is `METHOD /path?query`.
    pub(super) fn on(&self, line: &str, status: u16, body: Value) -> &Self {
        self.raw(line, status, &[("content-type", "application/json")], &body.to_string())
    }

    pub(super) fn raw(&self, line: &str, status: u16, headers: &[(&'static str, &str)], body: &str) -> &Self {
        let headers = headers.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let prepared = Prepared { status, headers, body: body.to_owned() };
        self.script.lock().unwrap().answers.entry(line.to_owned()).or_default().push(prepared);
        self
    }

    pub(super) fn forget(&self, line: &str) {
        self.script.lock().unwrap().answers.remove(line);
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    pub(super) fn last(&self) -> Asked {
        self.asked().pop().expect("the server was asked something")
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let line = format!("{method} {uri}");
    let mut script = script.lock().unwrap();
    script.asked.push(Asked { headers, body });
    let missing = Prepared {
        status: 404,
        headers: vec![],
        body: r#"{"error":{"code":"NOT_FOUND","message":"no such route","requestId":"r-0"}}"#.into(),
    };
    let prepared = match script.answers.get_mut(&line) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers.first().cloned().unwrap_or(missing),
        None => missing,
    };
    let mut response = Response::builder().status(prepared.status);
    for (name, value) in prepared.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(prepared.body)).unwrap()
}
