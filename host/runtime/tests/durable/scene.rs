//! A node with scripted functions, whose clock runs as fast as the test likes, and calls that panic less.

use anyhow::Context as _;
use org_ai_runtime::{Caller, InvokeFailed, InvokeOptions, Invoked, Object};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use types::exec::{Host, Outcome};
use types::{ActionRow, ActionStatus, Call, CallOptions, Durability, Fault, Id, Json, Reply, ThingRef};

pub fn json_of(reply: Reply) -> Result<Value, Fault> {
    match reply {
        Reply::Json(json) => Ok(json.to_value()),
        Reply::Text(text) => Ok(Value::String(text)),
        Reply::Done => Ok(Value::Null),
        Reply::Version(n) => Ok(json!(n)),
        Reply::Bool(flag) => Ok(json!(flag)),
        Reply::Fault(fault) => Err(fault),
        Reply::Http(_) | Reply::Ready(_) => panic!("no guest of these tests asks for it"),
    }
}

pub async fn ask(host: &mut Box<dyn Host>, call: Call) -> Result<Value, Fault> {
    json_of(host.call(call).await)
}

pub fn thing(noun: &str, id: &str) -> ThingRef {
    ThingRef { noun: noun.into(), id: id.into(), at: None }
}

pub fn create(noun: &str, id: &str) -> Call {
    let data = Json::from_value(&json!({ "id": id, "n": 1 }));
    Call::ThingCreate { noun: noun.into(), data, if_version: None, branch: None }
}

pub fn do_(action: &str, data: &Value) -> Call {
    Call::Do { action: action.into(), data: Json::from_value(data), options: CallOptions::default() }
}

pub fn try_(action: &str, data: &Value) -> Call {
    Call::Try { action: action.into(), data: Json::from_value(data), options: CallOptions::default() }
}

pub fn start(action: &str, data: &Value) -> Call {
    Call::Start { action: action.into(), data: Json::from_value(data), options: CallOptions::default() }
}

pub fn outcome(result: Result<Value, Fault>) -> Outcome {
    match result {
        Ok(value) => completed(&value),
        Err(fault) => failed(fault),
    }
}

/// One more of the counter that the input names: read, then written.
pub async fn count(mut host: Box<dyn Host>, id: &str) -> Outcome {
    let read = ask(&mut host, Call::ThingGet { at: thing("Counter", id) }).await;
    let n = read.ok().and_then(|v| v["data"]["n"].as_u64()).unwrap_or(0) + 1;
    let data = Json::from_value(&json!({ "n": n }));
    let put = Call::ThingPut { at: thing("Counter", id), data, if_version: None, branch: None };
    outcome(ask(&mut host, put).await.map(|_| json!(n)))
}

pub struct Scene {
    pub test: TestNode,
    pub root: Object,
    pub caller: Caller,
    /// Keeps the clock moving while it lives.
    ticking: Arc<AtomicBool>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.ticking.store(false, Ordering::Release);
    }
}

impl Scene {
    pub async fn open(dir: &Path, executor: ScriptedExecutor) -> anyhow::Result<Self> {
        let test = TestNode::open(dir, executor).await?;
        Self::of(test).await
    }

    pub async fn of(test: TestNode) -> anyhow::Result<Self> {
        let root = test.root().await?;
        let caller = test.caller(&["*.*"])?;
        Ok(Self { test, root, caller, ticking: Arc::new(AtomicBool::new(false)) })
    }

    /// From now on half a second passes in each millisecond or so.
    pub fn let_time_pass(&self) {
        self.let_time_fly(Duration::from_millis(500));
    }

    /// From now on so much passes in each millisecond or so.
    pub fn let_time_fly(&self, step: Duration) {
        self.ticking.store(true, Ordering::Release);
        let (clock, ticking) = (self.test.clock.clone(), self.ticking.clone());
        tokio::spawn(async move {
            while ticking.load(Ordering::Acquire) {
                clock.advance(step);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    pub async fn deploy(&self, names: &[&str]) -> anyhow::Result<()> {
        for name in names {
            self.test.deploy(&self.root, name, &format!("scripted:{name}")).await?;
        }
        Ok(())
    }

    pub async fn invoke(&self, name: &str, input: &Value, options: InvokeOptions) -> Result<Invoked, InvokeFailed> {
        let action = name.parse().expect("tests name functions right");
        let options = InvokeOptions { durability: Durability::Do, ..options };
        let running = self.root.invoke(&self.caller, &action, Json::from_value(input), options);
        tokio::time::timeout(Duration::from_secs(20), running).await.expect("it ends")
    }

    pub async fn run(&self, name: &str, input: &Value) -> anyhow::Result<Value> {
        let invoked = self.invoke(name, input, InvokeOptions::default()).await;
        Ok(invoked.map_err(|f| f.fault)?.result.to_value())
    }

    pub async fn accept(&self, name: &str, input: &Value) -> anyhow::Result<Id> {
        let options = InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() };
        let accepted = self.root.accept_durably(&self.caller, &name.parse()?, Json::from_value(input), options).await;
        Ok(accepted.map_err(|f| f.fault)?)
    }

    pub async fn action(&self, id: Id) -> anyhow::Result<ActionRow> {
        Ok(self.root.action(&self.caller, id).await?)
    }

    /// Waits until an action is over.
    pub async fn over(&self, id: Id) -> anyhow::Result<ActionRow> {
        self.until(id, |row| {
            matches!(row.status, ActionStatus::Completed | ActionStatus::Failed | ActionStatus::Cancelled)
        })
        .await
    }

    pub async fn until(&self, id: Id, is_it: impl Fn(&ActionRow) -> bool) -> anyhow::Result<ActionRow> {
        for _ in 0..20_000 {
            let row = self.action(id).await?;
            if is_it(&row) {
                return Ok(row);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("it did not come to that: {:?}", self.action(id).await?)
    }

    pub async fn counter(&self, id: &str) -> anyhow::Result<u64> {
        let key = types::ThingKey::new(types::Noun::parse("Counter")?, types::ThingId::parse(id)?);
        let found = self.root.thing(&self.caller, &key, &org_ai_runtime::View::of(types::Ref::Head)).await;
        Ok(found.ok().and_then(|t| t.row.data.to_value()["n"].as_u64()).unwrap_or(0))
    }

    /// Verbs of the events of an action, in their order.
    pub async fn verbs(&self, id: Id) -> anyhow::Result<Vec<String>> {
        let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
        let page = self.root.events(&self.caller, &filter).await.context("events can be read")?;
        Ok(page.items.into_iter().filter(|e| e.action == id).map(|e| e.verb).collect())
    }
}

/// Counts what was really performed, outside of everything that is rolled back.
#[derive(Clone, Default)]
pub struct Performed(Arc<AtomicU32>);

impl Performed {
    pub fn one_more(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub fn times(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
