//! Real components, written as WebAssembly text and wrapped with our own WIT, run by a real engine.
//!
//! [`guests`] builds them. Each limit has a test that reaches it and then sees the next run served.

mod app;
mod cache;
mod durable;
mod durable_http;
mod guests;
mod http;
mod http_time;
mod inspect;
mod journal;
mod limits;
mod logs;
mod post;
mod pure;
mod tls;
mod tools;
mod wasi;
mod worlds;

use crate::{Config, Engine};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use types::exec::{BoxFuture, ComponentFile, Entry, Executor, Host, Invocation, Job, Outcome};
use types::{Call, Fault, FunctionKind, Hash, Id, Json, Limits, LogStream, Manifest, Reply, Timestamp};

/// An engine with folders of its own.
struct Bench {
    engine: Engine,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        Self { engine: Engine::new(config).unwrap(), dir }
    }

    /// Puts a component where a blob store would.
    fn file(&self, bytes: &[u8]) -> ComponentFile {
        let hash = Hash::from_bytes(*blake3::hash(bytes).as_bytes());
        let path = self.dir.path().join(hash.to_string());
        std::fs::write(&path, bytes).unwrap();
        ComponentFile { hash, path }
    }

    /// The compiled form of it.
    fn cached(&self, file: &ComponentFile) -> PathBuf {
        self.engine.inner().disk.path(&file.hash)
    }

    fn code(&self, core: &str) -> ComponentFile {
        self.file(&guests::code(core))
    }

    async fn run(&self, job: Job) -> Outcome {
        self.engine.run(job, Box::new(TestHost::default())).await
    }

    /// That the engine still works.
    async fn serves(&self) {
        let outcome = self.run(job(&self.code(guests::ECHO), r#"{"still":"here"}"#)).await;
        assert_eq!(outcome.result.unwrap().as_str(), r#"{"still":"here"}"#);
    }
}

fn config(dir: &Path) -> Config {
    Config {
        cache_dir: dir.join("cache"),
        cache_key: [7; 32],
        cache_disk_bytes_max: 1 << 30,
        cache_memory_bytes_max: 1 << 30,
        component_bytes_max: Config::COMPONENT_BYTES_MAX,
        instances_max: 16,
        queue_max: 100,
        memory_bytes_max: 256 << 20,
        tmp_dir: dir.to_owned(),
        private_networks_allowed: true,
        tls_roots_extra: Vec::new(),
        http_connect_timeout: Duration::from_secs(10),
    }
}

fn job(component: &ComponentFile, input: &str) -> Job {
    Job {
        component: component.clone(),
        kind: FunctionKind::Code,
        entry: Entry::Run,
        input: Json::parse(input).unwrap(),
        limits: Limits::STANDARD,
        manifest: Arc::new(Manifest::default()),
        assets: None,
        secrets: Arc::new(BTreeMap::new()),
        invocation: Invocation {
            id: Id::from_u128(1),
            namespace: "https://acme.example".into(),
            function: "f".into(),
            version: 3,
            actor: "key:root".into(),
            attempt: 1,
            deadline: Timestamp::from_millis(1_000_000_030_000),
            parent: None,
        },
        seed: [1; 32],
    }
}

fn tool(component: &ComponentFile, export: &str, input: &str) -> Job {
    Job { kind: FunctionKind::ToolBox, entry: Entry::Export(export.into()), ..job(component, input) }
}

/// Answers from a script, and keeps what it was asked and told.
#[derive(Clone, Default)]
struct TestHost(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    replies: VecDeque<Reply>,
    calls: Vec<Call>,
    lines: Vec<(LogStream, String)>,
    clock_ms: u64,
}

impl TestHost {
    fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let host = Self::default();
        host.0.lock().unwrap().replies = replies.into_iter().collect();
        host
    }

    fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().calls.clone()
    }

    fn lines(&self) -> Vec<(LogStream, String)> {
        self.0.lock().unwrap().lines.clone()
    }
}

impl Host for TestHost {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        let mut seen = self.0.lock().unwrap();
        let reply = seen.replies.pop_front().unwrap_or_else(|| Reply::Fault(Fault::unavailable(call.name())));
        seen.calls.push(call);
        Box::pin(async move {
            tokio::task::yield_now().await;
            reply
        })
    }

    fn log(&mut self, stream: LogStream, line: String) {
        self.0.lock().unwrap().lines.push((stream, line));
    }

    /// A clock that moves a millisecond with each look.
    fn now(&mut self) -> Timestamp {
        let mut seen = self.0.lock().unwrap();
        seen.clock_ms += 1;
        Timestamp::from_millis(1_000_000_000_000 + seen.clock_ms)
    }

    fn is_cancelled(&self) -> bool {
        true
    }
}

/// The fault's code and kind; panics when the run succeeded.
#[track_caller]
fn fault(outcome: &Outcome) -> &Fault {
    outcome.result.as_ref().expect_err("the run should have failed")
}
