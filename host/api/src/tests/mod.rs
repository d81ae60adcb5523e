//! The router over a real node with a scripted executor: HTTP in, HTTP out.

mod agents;
mod answers;
mod branches;
mod bus;
mod console;
mod default_branch;
mod deployments;
mod events;
mod functions;
mod hostile;
mod invocations;
mod invoke;
mod lifecycle;
mod mcp;
mod models;
mod objects;
mod people;
mod routes;
mod rules;
mod schedules;
mod sockets;
mod things;
mod workflows;

use crate::Config;
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use testkit::{ScriptedChannels, ScriptedExecutor, ScriptedModels, TestNode, completed, failed};
use tower::ServiceExt;
use types::{Fault, FaultKind, Id};

/// A node with a few functions deployed, and a key that may do everything.
struct Server {
    router: Router,
    test: TestNode,
    models: ScriptedModels,
    config: Config,
    key: String,
    dir: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {:?} is no JSON", self.status, self.text))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

fn executor() -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("echo", |job, _| async move { completed(&job.input.to_value()) });
    executor.on("talk", |job, mut host| async move {
        host.log(types::LogStream::Stdout, format!("said {}", job.input));
        completed(&Value::Null)
    });
    executor.on("hang", |_, _| std::future::pending());
    executor.on("fault", |job, _| async move {
        let name = job.input.to_value();
        let kind = FaultKind::ALL.into_iter().find(|k| serde_json::to_value(k).unwrap() == name);
        failed(Fault::new(kind.unwrap_or(FaultKind::Failed), "OF_THE_FUNCTION", "as asked"))
    });
    executor
}

impl Server {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = Self::empty_with(change).await;
        let root = server.test.root().await.unwrap();
        for name in ["echo", "talk", "hang", "fault"] {
            server.test.deploy(&root, name, &format!("scripted:{name}")).await.unwrap();
        }
        server
    }

    /// Without functions: the first thing is version 1.
    async fn empty() -> Self {
        Self::empty_with(|_| {}).await
    }

    async fn empty_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let models = ScriptedModels::new();
        let reached: Arc<dyn types::exec::Models> = Arc::new(models.clone());
        let data = dir.path().join("data");
        let test = TestNode::open_reaching(&data, executor(), |outside| outside.models = Some(reached)).await.unwrap();
        Self::of(dir, test, models, change)
    }

    /// With people who can be written to.
    async fn with_channels(channels: ScriptedChannels, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let reach = |outside: &mut types::exec::Outside| outside.channels = Some(Arc::new(channels));
        let test = TestNode::open_reaching(&data, executor(), reach).await.unwrap();
        Self::of(dir, test, ScriptedModels::new(), change)
    }

    fn of(dir: tempfile::TempDir, test: TestNode, models: ScriptedModels, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::standard(dir.path().to_owned());
        change(&mut config);
        let router = crate::router(test.node.clone(), config.clone());
        let key = test.root_key.as_ref().unwrap().reveal().to_owned();
        Self { router, test, models, config, key, dir }
    }

    fn test_folder(&self) -> &std::path::Path {
        self.dir.path()
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// With the root key, to localhost.
    fn request(&self, method: &str, uri: &str) -> http::request::Builder {
        anonymous(method, uri).header("authorization", format!("Bearer {}", self.key))
    }

    async fn get(&self, uri: &str) -> Answer {
        self.send(self.request("GET", uri).body(Body::empty()).unwrap()).await
    }

    async fn call(&self, method: &str, uri: &str, json: &str) -> Answer {
        let request = self.request(method, uri).header("content-type", "application/json");
        self.send(request.body(Body::from(json.to_owned())).unwrap()).await
    }

    /// With more headers; an empty body is none.
    async fn ask(&self, method: &str, uri: &str, headers: &[(&str, &str)], json: &str) -> Answer {
        let mut request = self.request(method, uri);
        if !json.is_empty() && headers.iter().all(|(name, _)| *name != "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(json.to_owned())).unwrap()).await
    }
}

fn anonymous(method: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri).header("host", "localhost:8787")
}
