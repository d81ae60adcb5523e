//! The example of an agentic function, built from its Rust: each of its exports, and its tools one by one in sandboxes of
//! their own.

use org_ai_engine::{Config, Engine};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use types::exec::{ComponentFile, Entry, Executor, Invocation, Job, Part};
use types::{Call, Fault, FunctionKind, Hash, Id, Json, Limits, Manifest, Reply, Timestamp};

#[path = "../src/tests/journal.rs"]
#[expect(dead_code, reason = "another test plays a run twice")]
mod journal;
use journal::JournalHost;

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
            private_networks_allowed: false,
            tls_roots_extra: Vec::new(),
            http_connect_timeout: Duration::from_secs(10),
        });
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/support.wasm");
        let bytes = std::fs::read(&path).expect("the examples are built: scripts/build-guests");
        let hash = Hash::from_bytes(*blake3::hash(&bytes).as_bytes());
        Self { engine: engine.unwrap(), file: ComponentFile { hash, path }, _dir: dir }
    }

    async fn part(&self, part: Part, input: &Value, answer: fn(&Call) -> Reply) -> Result<Value, Fault> {
        let job = Job {
            component: self.file.clone(),
            kind: FunctionKind::Agentic,
            entry: Entry::Part(part),
            input: Json::from_value(input),
            limits: Limits::STANDARD,
            manifest: Arc::new(Manifest::default()),
            assets: None,
            secrets: Arc::new(BTreeMap::new()),
            invocation: Invocation {
                id: Id::from_u128(1),
                namespace: "https://acme.example".into(),
                function: "support".into(),
                version: 1,
                actor: "key:root".into(),
                attempt: 1,
                deadline: Timestamp::from_millis(1_000_000_030_000),
                parent: None,
            },
            seed: [1; 32],
        };
        let outcome = self.engine.run(job, Box::new(JournalHost::answering(answer))).await;
        outcome.result.map(|json| json.to_value())
    }

    async fn tool(&self, name: &str, args: &Value, answer: fn(&Call) -> Reply) -> Result<Value, Fault> {
        self.part(Part::CallTool { name: name.into() }, args, answer).await
    }
}

fn shop(approved: bool) -> fn(&Call) -> Reply {
    match approved {
        true => |call| answer(call, true),
        false => |call| answer(call, false),
    }
}

fn answer(call: &Call, approved: bool) -> Reply {
    match call {
        Call::ThingGet { .. } | Call::ThingPut { .. } => Reply::Json(Json::from_value(&json!({
            "id": "7", "type": "Order", "name": null, "data": { "total": 30.0, "status": "late" }, "version": 1,
            "branch": "main", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }))),
        Call::Approve { worker, .. } => Reply::Json(Json::from_value(&json!({
            "approved": approved, "status": "decided", "approver": worker, "reason": "because",
        }))),
        _other => Reply::Done,
    }
}

#[tokio::test]
async fn it_says_what_is_to_be_reached_and_with_which_tools() {
    let bench = Bench::new();
    assert_eq!(bench.engine.prepare(&bench.file).unwrap().kind, FunctionKind::Agentic);
    let input = json!({ "question": "Where is order 7?", "approver": "Human/ann" });
    let goal = bench.part(Part::Goal, &input, shop(true)).await.unwrap();
    assert_eq!(
        (&goal["description"], &goal["context"]["approver"]),
        (&json!("Where is order 7?"), &json!("Human/ann"))
    );
    let tools = bench.part(Part::Tools, &json!(null), shop(true)).await.unwrap();
    let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["find-order", "policy", "refund"]);
    let outcome = json!({ "output": "it is late", "iterations": 2 });
    let result = bench.part(Part::Finish { answer: Json::from_value(&outcome) }, &input, shop(true)).await.unwrap();
    assert_eq!(result, json!({ "answer": "it is late", "steps": 2 }));
}

#[tokio::test]
async fn its_refund_is_paid_once_somebody_has_approved_it() {
    let bench = Bench::new();
    let found = bench.tool("find-order", &json!({ "order": "7" }), shop(true)).await.unwrap();
    assert_eq!(found["status"], "late");
    let args = json!({ "order": "7", "amount": 30, "approver": "Human/ann" });
    let refunded = bench.tool("refund", &args, shop(true)).await.unwrap();
    assert_eq!(refunded["approver"], "Human/ann");
    let fault = bench.tool("refund", &args, shop(false)).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.message.contains("because")), ("NOT_APPROVED", true));
    let fault = bench.tool("refund", &json!({ "order": "7", "amount": 31 }), shop(true)).await.unwrap_err();
    assert_eq!(fault.code, "TOO_MUCH");
    assert_eq!(bench.tool("pay", &json!({}), shop(true)).await.unwrap_err().code, "TOOL_UNKNOWN");
}
