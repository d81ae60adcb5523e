//! A node with people who can be asked, channels that keep what they were sent, and a clock that is moved by hand.

use org_ai_runtime::{Caller, Decision, Expect, InvokeOptions, Invoked, Object, Op, RequestsWanted, Settled, Write};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ScriptedChannels, ScriptedExecutor, TestNode, completed, failed};
use types::exec::Host;
use types::{
    Call, Durability, Fault, Id, Identity, Json, Method, Noun, Ref, Reply, RequestRow, RequestStatus, Standing,
    ThingId, ThingKey,
};

/// How long anything may take here that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Scene {
    pub test: TestNode,
    pub root: Object,
    pub caller: Caller,
    pub channels: ScriptedChannels,
}

impl Scene {
    pub async fn open(dir: &Path) -> anyhow::Result<Self> {
        Self::open_with(dir, executor(), ScriptedChannels::new()).await
    }

    pub async fn open_with(dir: &Path, executor: ScriptedExecutor, channels: ScriptedChannels) -> anyhow::Result<Self> {
        let log = commit_log::LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?;
        Self::open_on(dir, Arc::new(log), executor, channels).await
    }

    pub async fn open_on(
        dir: &Path,
        log: Arc<dyn commit_log::CommitLog>,
        executor: ScriptedExecutor,
        channels: ScriptedChannels,
    ) -> anyhow::Result<Self> {
        let shared = channels.clone();
        let reach = move |outside: &mut types::exec::Outside| outside.channels = Some(Arc::new(shared));
        let test = TestNode::open_whole(dir, log, executor, reach, |config| {
            config.park_after = Duration::from_millis(20);
            config.flush_window = Duration::from_millis(1);
        })
        .await?;
        let root = test.root().await?;
        let caller = test.caller(&["*.*"])?;
        Ok(Self { test, root, caller, channels })
    }

    /// Writes down a person.
    pub async fn person(&self, name: &str, data: Value) -> anyhow::Result<()> {
        let key = ThingKey::new(Noun::parse("Human")?, ThingId::parse(name)?);
        let input = model::flat::Input::read(data).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        let write = Write { op: Op::Put { key, input, upsert: true }, expect: Expect::Anything, idempotency: None };
        self.root.write(&self.caller, &org_ai_runtime::View::of(Ref::Head), write).await?;
        Ok(())
    }

    fn root_url(&self) -> String {
        self.root.namespace().to_string()
    }

    /// Ann (who escalates to Bob after 10 minutes, the CFO after 30, the CEO after 60), Bob, Cora (CFO) and Dan (CEO).
    pub async fn people(&self) -> anyhow::Result<()> {
        let mail = |name: &str| json!([{ "type": "email", "target": format!("{name}@acme.example") }]);
        let rule = |after: u32, to: &str| json!({ "afterMinutes": after, "escalateTo": to });
        let rules = [rule(60, "Human/dan"), rule(10, "Human/bob"), rule(30, "role:cfo")];
        let slack = json!({ "type": "slack", "target": "U1" });
        let both = json!([mail("ann")[0], slack]);
        self.person("ann", json!({ "channels": both, "escalation": { "rules": rules } })).await?;
        self.person("bob", json!({ "channels": mail("bob"), "roles": ["finance"] })).await?;
        self.person("cora", json!({ "channels": mail("cora"), "roles": ["finance", "cfo"] })).await?;
        self.person("dan", json!({ "channels": mail("dan") })).await
    }

    pub fn id_of(&self, name: &str) -> String {
        format!("{}/Human/{name}", self.root_url())
    }

    /// Somebody who calls as this person.
    pub fn as_person(&self, name: &str, scopes: &[&str]) -> anyhow::Result<Caller> {
        let caller = self.test.caller(scopes)?;
        let identity = Identity { actor: self.id_of(name).into(), ..caller.identity };
        Ok(Caller { identity, ..caller })
    }

    pub async fn ask(&self, worker: &str, method: Method, input: &Value) -> Result<Id, Fault> {
        self.root.begin_work(&self.caller, worker.parse().expect("a worker"), method, Json::from_value(input)).await
    }

    /// An approval that is written down.
    pub async fn approval(&self, worker: &str, options: &Value) -> Result<RequestRow, Fault> {
        let input = json!({ "request": { "type": "expense", "description": "a chair" }, "options": options });
        let id = self.ask(worker, Method::Approve, &input).await?;
        self.root.request_opened(id).await
    }

    pub async fn request(&self, id: Id) -> anyhow::Result<RequestRow> {
        Ok(self.root.request(&self.caller, &id.to_string()).await?)
    }

    pub async fn until(&self, id: Id, is_it: impl Fn(&RequestRow) -> bool) -> anyhow::Result<RequestRow> {
        let begun = std::time::Instant::now();
        loop {
            let row = self.root.request(&self.caller, &id.to_string()).await;
            match row {
                Ok(row) if is_it(&row) => return Ok(row),
                other if begun.elapsed() > PATIENCE => anyhow::bail!("it did not come to that: {other:?}"),
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    pub async fn say(&self, name: &str, id: Id, decision: Decision) -> Result<RequestRow, Fault> {
        let caller = self.as_person(name, &[]).expect("no scopes are needed");
        self.root.decide_request(self.root.decider(&caller, "web"), id, decision).await
    }

    pub async fn approve(&self, name: &str, id: Id) -> Result<RequestRow, Fault> {
        self.say(name, id, Decision::Approve { reason: None }).await
    }

    pub async fn answer(&self, name: &str, id: Id, value: &Value) -> Result<RequestRow, Fault> {
        self.say(name, id, Decision::Answer { value: Json::from_value(value), reason: None }).await
    }

    /// What the work came to.
    pub async fn outcome(&self, id: Id) -> Result<Value, Fault> {
        let settled = match tokio::time::timeout(PATIENCE, self.root.work_settled(id, None)).await {
            Ok(settled) => settled?,
            Err(_) => panic!("it does not end: {:?}", self.root.invocation(&self.caller, id, 0).await),
        };
        match settled {
            Settled::Over(ended) => ended.map(|json| json.to_value()),
            Settled::Pending(_) | Settled::Running => panic!("it was waited for"),
        }
    }

    /// Until it is parked: all that it does before that is done.
    pub async fn waits(&self, id: Id) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        loop {
            let shown = self.root.invocation(&self.caller, id, 0).await?;
            if matches!(shown.invocation.state.at, Standing::Waiting { .. }) {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE, "it does not wait: {shown:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many messages have arrived in all.
    pub async fn sent(&self, count: usize) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while self.channels.sent().len() < count {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{} of {count} messages arrived", self.channels.sent().len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// So many minutes after the beginning.
    pub fn at_minute(&self, minute: u64) {
        self.test.clock.set(testkit::START.plus(Duration::from_secs(minute * 60)));
    }

    pub async fn pending(&self) -> anyhow::Result<usize> {
        let wanted = RequestsWanted { status: Some(RequestStatus::Pending), limit: 1000, ..RequestsWanted::default() };
        Ok(self.root.requests(&self.caller, wanted).await?.items.len())
    }

    /// `approval.requested` and so on, of one request, in their order.
    pub async fn events(&self, id: Id) -> anyhow::Result<Vec<String>> {
        let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
        let page = self.root.events(&self.caller, &filter).await?;
        let own = page.items.into_iter().filter(|event| event.source.ends_with(&id.to_string()));
        Ok(own.map(|event| format!("{}.{}", event.source.split('/').next().unwrap_or_default(), event.verb)).collect())
    }

    pub async fn invoke(&self, name: &str, input: &Value, durability: Durability) -> Result<Invoked, Fault> {
        let options = InvokeOptions { durability, ..InvokeOptions::default() };
        let action = name.parse().expect("a name");
        let running = self.root.invoke(&self.caller, &action, Json::from_value(input), options);
        tokio::time::timeout(PATIENCE, running).await.expect("it ends").map_err(|failed| failed.fault)
    }

    pub async fn accept(&self, name: &str, input: &Value) -> anyhow::Result<Id> {
        let options = InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() };
        let accepted = self.root.accept_durably(&self.caller, &name.parse()?, Json::from_value(input), options).await;
        Ok(accepted.map_err(|f| f.fault)?)
    }
}

pub fn value_of(reply: Reply) -> Result<Value, Fault> {
    match reply {
        Reply::Json(json) => Ok(json.to_value()),
        Reply::Fault(fault) => Err(fault),
        other => panic!("no guest of these tests is told {other:?}"),
    }
}

/// `ask`: a function that wants an approval of whom its input names.
pub fn executor() -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("ask", |job, mut host: Box<dyn Host>| async move {
        let input = job.input.to_value();
        let call = Call::Approve {
            worker: input["worker"].as_str().map(str::to_owned),
            request: Json::from_value(&json!({ "type": "expense", "description": "a chair", "id": input["id"] })),
            options: None,
        };
        match value_of(host.call(call).await) {
            Ok(value) => completed(&value),
            Err(fault) => failed(fault),
        }
    });
    executor
}
