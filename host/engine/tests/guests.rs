//! The example app, built from its Rust: what it says of itself, its handlers, and its workflow played twice.

use org_ai_engine::{Config, Engine};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use types::exec::{ComponentFile, Entry, Executor, HandlerKind, Invocation, Job};
use types::{AllowedHost, Call, Fault, FunctionKind, Hash, Id, Json, Limits, Manifest, Reply, Timestamp};

#[path = "../src/tests/journal.rs"]
mod journal;
use journal::{JournalHost, twice};

struct Bench {
    engine: Engine,
    file: ComponentFile,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::new(Config {
            cache_dir: dir.path().join("cache"),
            cache_key: [7; 32],
            cache_disk_bytes_max: 1 << 30,
            cache_memory_bytes_max: 1 << 30,
            component_bytes_max: Config::COMPONENT_BYTES_MAX,
            instances_max: 4,
            queue_max: 4,
            memory_bytes_max: 256 << 20,
            tmp_dir: dir.path().to_owned(),
            private_networks_allowed: true,
            tls_roots_extra: Vec::new(),
            http_connect_timeout: Duration::from_secs(10),
        });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/onboarding.wasm");
        let bytes = std::fs::read(&path).expect("the examples are built: scripts/build-guests");
        let hash = Hash::from_bytes(*blake3::hash(&bytes).as_bytes());
        Self { engine: engine.unwrap(), file: ComponentFile { hash, path }, _dir: dir }
    }

    fn job(&self, entry: Entry, input: &str) -> Job {
        Job {
            component: self.file.clone(),
            kind: FunctionKind::App,
            entry,
            input: Json::parse(input).unwrap(),
            limits: Limits::STANDARD,
            manifest: Arc::new(Manifest::default()),
            assets: None,
            secrets: Arc::new(BTreeMap::new()),
            invocation: Invocation {
                id: Id::from_u128(1),
                namespace: "https://acme.example".into(),
                function: "onboarding".into(),
                version: 1,
                actor: "key:root".into(),
                attempt: 1,
                deadline: Timestamp::from_millis(1_000_000_030_000),
                parent: None,
            },
            seed: [1; 32],
        }
    }

    async fn result(&self, entry: Entry, input: &str, answer: fn(&Call) -> Reply) -> Result<Json, Fault> {
        let host = JournalHost::answering(answer);
        self.engine.run(self.job(entry, input), Box::new(host)).await.result
    }
}

fn handler(kind: HandlerKind, name: &str) -> Entry {
    Entry::Handle { kind, name: name.into() }
}

fn json(text: &str) -> Reply {
    Reply::Json(Json::parse(text).unwrap())
}

#[tokio::test]
async fn the_app_tells_its_table_and_knows_its_handlers() {
    let bench = Bench::new();
    assert_eq!(bench.engine.prepare(&bench.file).unwrap().kind, FunctionKind::App);
    let nothing = |_: &Call| Reply::Done;
    let table = bench.result(Entry::Describe, "null", nothing).await.unwrap().to_value();
    let every =
        serde_json::json!([{"schedule": "every day at 7:30am", "handler": "count", "timezone": "Europe/Berlin"}]);
    assert_eq!(table["every"], every);
    assert_eq!(table["on"][1]["maxRetries"], 2);
    assert_eq!(bench.result(handler(HandlerKind::Probe, "count"), "null", nothing).await.unwrap().as_str(), "true");
    let fault = bench.result(handler(HandlerKind::Schedule, "welcome"), "null", nothing).await.unwrap_err();
    assert_eq!(fault.code, "UNKNOWN_HANDLER");
}

#[tokio::test]
async fn its_handlers_append_count_and_fail() {
    let bench = Bench::new();
    let thing = |call: &Call| match call {
        Call::ThingGet { .. } | Call::ThingPut { .. } => json(
            r#"{"id":"all","type":"Signups","name":null,"data":{"sources":["Customer/ann"]},"version":1,"branch":"main",
                "createdAt":"2026-01-01T00:00:00Z","updatedAt":"2026-01-01T00:00:00Z"}"#,
        ),
        _other => Reply::Done,
    };
    let event = r#"{"source":"Customer/bob"}"#;
    let count = bench.result(handler(HandlerKind::Event, "remember"), event, thing).await.unwrap();
    assert_eq!(count.as_str(), "2");
    assert_eq!(bench.result(handler(HandlerKind::Schedule, "count"), "{}", thing).await.unwrap().as_str(), "null");
    let fault = bench.result(handler(HandlerKind::Event, "forget"), event, thing).await.unwrap_err();
    assert_eq!(fault.code, "NOT_FORGOTTEN");
}

/// Answers one request, and no second one.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nback").await.unwrap();
    });
    url
}

#[tokio::test]
async fn its_workflow_sleeps_for_days_and_asks_a_server_once() {
    let (bench, url) = (Bench::new(), server().await);
    let input = serde_json::json!({ "url": url, "days": 3 }).to_string();
    let mut job = bench.job(handler(HandlerKind::Workflow, "welcome"), &input);
    let rule = AllowedHost { url, methods: Vec::new(), private: true };
    job.manifest = Arc::new(Manifest { allow: vec![rule], ..Manifest::default() });
    let answer = |call: &Call| match call {
        Call::Start { .. } => Reply::Text("started".into()),
        Call::Join { .. } => json(r#""Welcome, you!""#),
        _other => Reply::Done,
    };
    let (outcome, host) = twice(&bench.engine, job, JournalHost::answering(answer)).await;
    let result = outcome.result.unwrap().to_value();
    assert_eq!(
        (&result["greeted"], &result["status"], &result["answer"]),
        (&"Welcome, you!".into(), &200.into(), &"back".into())
    );
    let names: Vec<_> = host.calls().iter().map(Call::name).collect();
    assert_eq!(names, ["actions.start", "actions.join", "timers.sleep", "http.request"]);
    assert_eq!(host.calls()[2], Call::Sleep { duration_ms: 3 * 24 * 60 * 60 * 1000 });
}
