//! What an agent's loop costs by itself: in process, with a model and tools that answer at once.

use crate::Row;
use crate::rows::{Measure, ROUNDS, median, spread};
use runtime::{AgentRun, Caller, Config, Expect, Node, SystemClock, Waits};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use testkit::{HeardLog, ScriptedExecutor, ScriptedModels, completed, wants};
use types::exec::{BoxFuture, Executor, Outside, ServerTool, ToolServers};
use types::{Fault, Json, Manifest, Namespace, ThingId, ToolSpec};

pub const ALL: &[(&str, Measure)] = &[("agent-loop", || Box::pin(agent_loop()))];

/// Of one goal: enough that its beginning and its end do not count.
const ITERATIONS: u32 = 100;

/// A server outside whose one tool answers at once.
struct AtOnce;

impl ToolServers for AtOnce {
    fn list(&self, _: String) -> BoxFuture<'_, Result<Vec<ServerTool>, Fault>> {
        let parameters = Json::from_value(&json!({ "type": "object" }));
        let spec = ToolSpec { name: "look".to_owned(), description: "looks".to_owned(), parameters };
        Box::pin(std::future::ready(Ok(vec![ServerTool { spec, only_reads: false }])))
    }

    fn call(&self, _: String, _: String, args: Json) -> BoxFuture<'_, Result<Json, Fault>> {
        Box::pin(std::future::ready(Ok(args)))
    }
}

/// One iteration: a question to the model, one call of a tool, its result remembered; with a tool of a server outside, and
/// with one that is a function in a sandbox of its own.
async fn agent_loop() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let batches = Arc::new(AtomicU64::new(0));
    let heard = batches.clone();
    let log = HeardLog::open(dir.path(), move |_| {
        heard.fetch_add(1, Ordering::Relaxed);
        true
    })?;
    let models = ScriptedModels::new();
    let scripted = ScriptedExecutor::new();
    scripted.on("search", |_, _| async { completed(&json!(1)) });
    let executor: Arc<dyn Executor> = Arc::new(scripted);
    let mut outside = Outside::from(executor);
    outside.models = Some(Arc::new(models.clone()));
    outside.tools = Some(Arc::new(AtOnce));
    let config = Config::standard(dir.path().to_owned(), Namespace::parse("https://root.test")?);
    let node = Node::open(config, Arc::new(log), outside, Arc::new(SystemClock), None).await?.node;
    let root = node.default_namespace().clone();
    let object = node.object(&root).await?.ok_or_else(|| anyhow::anyhow!("no root"))?;
    let identity = types::Identity {
        actor: "https://root.test/Service/bench".into(),
        kind: types::IdentityKind::Service,
        scopes: types::Scopes::all(),
        key: None,
    };
    let caller = Caller { identity, request_id: "bench".into() };
    let component = testkit::component("scripted:search")?;
    let upload =
        runtime::Upload { component: component.path().to_owned(), manifest: Manifest::default(), assets: None };
    object.deploy(&caller, types::FunctionName::parse("search")?, upload, false).await?;
    let id = ThingId::parse("a")?;
    let def = json!({ "tools": [{ "uses": "search" }, { "uses": "mcp:outside.look" }] });
    object.put_agent(&caller, &id, &Json::from_value(&def), Expect::Anything).await?;
    let goal = Json::from_value(&json!({ "description": "x", "maxIterations": ITERATIONS }));
    let mut rows = Vec::new();
    for (tool, figure) in [
        ("outside_look", "an iteration of an agent's loop without the model, tool of a server outside"),
        ("search", "the same, its tool a durable function of its own"),
    ] {
        let asked = AtomicU64::new(0);
        models.on(move |_| {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            Ok(wants(&[(tool, &json!({ "n": n }).to_string())]))
        });
        let (mut each_ms, before) = (Vec::new(), batches.load(Ordering::Relaxed));
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let ran = object.run_agent(&caller, &id, &goal, Waits::ForEnd).await.map_err(|f| f.fault)?;
            let AgentRun::Ended(ended) = ran else { anyhow::bail!("its end was waited for") };
            let told: Value = ended.result.to_value();
            anyhow::ensure!(told["iterations"] == ITERATIONS, "{told}");
            each_ms.push(begun.elapsed().as_secs_f64() * 1e3 / f64::from(ITERATIONS));
        }
        let batches = batches.load(Ordering::Relaxed) - before;
        let rounds = u32::try_from(ROUNDS)?;
        rows.push(Row {
            figure,
            ours: spread(&each_ms, " ms", 3),
            baseline: format!("{} batches of the log for each", batches / u64::from(rounds * ITERATIONS)),
            ratio: median(&each_ms),
            bar: "≤ 1 ms",
            met: median(&each_ms) <= 1.0,
            n: ROUNDS,
        });
    }
    node.shutdown().await;
    Ok(rows)
}
