//! A node whose clock runs, functions that make and change things, and a list of what handlers were told.

use org_ai_runtime::{Caller, FailedDelivery, FailedFilter, InvokeOptions, Object};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use types::deployment::SubscriptionSpec;
use types::exec::{Host, Outcome};
use types::{Call, FailedStanding, Fault, Json, Reply, ThingRef};

/// What handlers were told, in the order of their runs.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<Value>>>);

impl Told {
    pub fn add(&self, payload: Value) {
        self.0.lock().expect("no test panics with it").push(payload);
    }

    pub fn all(&self) -> Vec<Value> {
        self.0.lock().expect("no test panics with it").clone()
    }

    /// `subscription event` of each.
    pub fn lines(&self) -> Vec<String> {
        self.all()
            .iter()
            .map(|p| format!("{} {}.{}", text(p, "subscription"), text(p, "source"), text(p, "verb")))
            .collect()
    }
}

pub fn text(payload: &Value, member: &str) -> String {
    payload[member].as_str().unwrap_or_default().to_owned()
}

pub async fn ask(host: &mut Box<dyn Host>, call: Call) -> Result<Value, Fault> {
    match host.call(call).await {
        Reply::Json(json) => Ok(json.to_value()),
        Reply::Fault(fault) => Err(fault),
        _ => Ok(Value::Null),
    }
}

pub fn outcome(result: Result<Value, Fault>) -> Outcome {
    match result {
        Ok(value) => completed(&value),
        Err(fault) => failed(fault),
    }
}

pub fn put(noun: &str, id: &str, data: &Value) -> Call {
    let at = ThingRef { noun: noun.into(), id: id.into(), at: None };
    Call::ThingPut { at, data: Json::from_value(data), if_version: None, branch: None }
}

/// `put`, `remove` and `emit` cause events; `note` and `note-2` write down what they are told; `broken` always fails.
pub fn executor(told: &Told) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("put", |job, mut host| async move {
        let input = job.input.to_value();
        outcome(ask(&mut host, put(&text(&input, "noun"), &text(&input, "id"), &json!({ "n": input["n"] }))).await)
    });
    executor.on("remove", |job, mut host| async move {
        let input = job.input.to_value();
        let at = ThingRef { noun: text(&input, "noun"), id: text(&input, "id"), at: None };
        outcome(ask(&mut host, Call::ThingDelete { at, if_version: None, branch: None }).await)
    });
    executor.on("emit", |job, mut host| async move {
        let input = job.input.to_value();
        let (event, data) = (text(&input, "event"), Json::from_value(&input["data"]));
        outcome(ask(&mut host, Call::Emit { event, data, source: input["source"].as_str().map(str::to_owned) }).await)
    });
    for name in ["note", "note-2"] {
        let told = told.clone();
        executor.on(name, move |job, _| {
            told.add(job.input.to_value());
            async { completed(&json!("nobody is told of this")) }
        });
    }
    let broken = told.clone();
    executor.on("broken", move |job, _| {
        broken.add(job.input.to_value());
        async { failed(Fault::failed("BROKEN", "this never works")) }
    });
    executor
}

pub struct Scene {
    pub test: TestNode,
    pub root: Object,
    pub caller: Caller,
    ticking: Arc<AtomicBool>,
}

impl Scene {
    /// From now on no time passes.
    pub fn stop_time(&self) {
        self.ticking.store(false, Ordering::Release);
    }

    /// Time passes again.
    pub fn let_time_pass(&self) {
        self.ticking.store(true, Ordering::Release);
    }

    pub async fn open(dir: &Path, executor: ScriptedExecutor) -> anyhow::Result<Self> {
        let scene = Self::of(TestNode::open(dir, executor).await?).await?;
        scene.deploy(&["put", "remove", "emit", "note", "note-2", "broken"]).await?;
        Ok(scene)
    }

    /// Half a second passes in each millisecond or so.
    pub async fn of(test: TestNode) -> anyhow::Result<Self> {
        let (root, caller) = (test.root().await?, test.caller(&["*.*"])?);
        let ticking = Arc::new(AtomicBool::new(true));
        let (clock, go_on) = (test.clock.clone(), Arc::downgrade(&ticking));
        tokio::spawn(async move {
            while let Some(go_on) = go_on.upgrade() {
                if go_on.load(Ordering::Acquire) {
                    clock.advance(Duration::from_millis(500));
                }
                drop(go_on);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        Ok(Self { test, root, caller, ticking })
    }

    pub async fn deploy(&self, names: &[&str]) -> anyhow::Result<()> {
        for name in names {
            self.test.deploy(&self.root, name, &format!("scripted:{name}")).await?;
        }
        Ok(())
    }

    pub async fn subscribe(&self, spec: &Value) -> anyhow::Result<()> {
        let spec: SubscriptionSpec = serde_json::from_value(spec.clone())?;
        self.root.subscribe(&self.caller, spec).await?;
        Ok(())
    }

    pub async fn run(&self, name: &str, input: &Value) -> anyhow::Result<Value> {
        let input = Json::from_value(input);
        let invoked = self.root.invoke(&self.caller, &name.parse()?, input, InvokeOptions::default()).await;
        Ok(invoked.map_err(|f| f.fault)?.result.to_value())
    }

    pub async fn put(&self, noun: &str, id: &str) -> anyhow::Result<()> {
        self.run("put", &json!({ "noun": noun, "id": id, "n": rand_number() })).await.map(drop)
    }

    pub async fn dead(&self) -> anyhow::Result<Vec<FailedDelivery>> {
        let filter = FailedFilter { standing: FailedStanding::Dead, subscription: None, after: None, limit: 100 };
        Ok(self.root.failed_deliveries(&self.caller, &filter).await?.items)
    }

    /// Waits until it is so, some seconds at most.
    pub async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
        &self,
        what: &str,
        mut look: impl FnMut() -> F,
    ) -> anyhow::Result<T> {
        for _ in 0..4_000 {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("it did not come to that: {what}")
    }

    pub async fn until_told(&self, told: &Told, count: usize) -> anyhow::Result<Vec<String>> {
        let found = self.until("as many are told", || async { Ok((told.all().len() >= count).then(|| told.lines())) });
        found.await.map_err(|e| e.context(format!("{count} are wanted, there are {:?}", told.lines())))
    }

    pub async fn until_dead(&self, count: usize) -> anyhow::Result<Vec<FailedDelivery>> {
        self.until("so many dead letters", || async { Ok(Some(self.dead().await?).filter(|dead| dead.len() == count)) })
            .await
    }

    /// Everything that was to be handed on was, and nothing of it is to be done any more.
    pub async fn until_quiet(&self) -> anyhow::Result<()> {
        let mut quiet = 0;
        self.until("nothing is left to be done", || {
            quiet = if self.root.runs() == 0 { quiet + 1 } else { 0 };
            let is_quiet = quiet > 50;
            async move { Ok(is_quiet.then_some(())) }
        })
        .await
    }
}

fn rand_number() -> u64 {
    use std::sync::atomic::AtomicU64;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
