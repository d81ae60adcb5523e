//! Turns of guests: what they write is theirs alone until it commits, and they never interleave (spec RUN-2, WSM-7).

use anyhow::Context as _;
use commit_log::MemoryLog;
use org_ai_runtime::{Caller, Config, EventFilter, InvokeOptions, ManualClock, Node, Object, Op, View, Write};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{START, ScriptedExecutor, completed, failed};
use tokio::sync::Semaphore;
use types::exec::{Executor, Host};
use types::{
    Call, CallOptions, Fault, Identity, IdentityKind, Json, Manifest, Namespace, Noun, Ref, Reply, Scopes, ThingId,
    ThingKey, ThingRef,
};

struct Scene {
    object: Object,
    log: Arc<MemoryLog>,
    caller: Caller,
    /// A run of `hold` waits for a permit of it, outside of any import: as a guest that computes.
    holding: Arc<Semaphore>,
}

fn counter() -> ThingRef {
    ThingRef { noun: "Counter".into(), id: "n".into(), at: None }
}

fn counter_key() -> ThingKey {
    ThingKey::new(Noun::parse("Counter").unwrap(), ThingId::parse("n").unwrap())
}

fn json_of(reply: Reply) -> Result<Value, Fault> {
    match reply {
        Reply::Json(json) => Ok(json.to_value()),
        Reply::Fault(fault) => Err(fault),
        other => panic!("not JSON: {other:?}"),
    }
}

/// Reads the counter and writes one more.
async fn increment(host: &mut Box<dyn Host>) -> Result<u64, Fault> {
    let read = json_of(host.call(Call::ThingGet { at: counter() }).await)?;
    // Whoever may interleave does so here.
    tokio::task::yield_now().await;
    let next = read["data"]["count"].as_u64().unwrap_or(0) + 1;
    let patch = Json::from_value(&json!({ "count": next }));
    json_of(host.call(Call::ThingPatch { at: counter(), patch, if_version: None, branch: None }).await)?;
    Ok(next)
}

impl Scene {
    async fn new(dir: &Path) -> anyhow::Result<Self> {
        let executor = ScriptedExecutor::new();
        let holding = Arc::new(Semaphore::new(0));
        executor.on("increment", |_, mut host| async move {
            match increment(&mut host).await {
                Ok(count) => completed(&json!(count)),
                Err(fault) => failed(fault),
            }
        });
        executor.on("trap", |_, mut host| async move {
            let _ = increment(&mut host).await;
            let _ = host.call(Call::Emit { event: "Order.placed".into(), data: Json::null(), source: None }).await;
            failed(Fault::failed("TRAP", "unreachable executed"))
        });
        let permits = holding.clone();
        executor.on("hold", move |_, mut host| {
            let permits = permits.clone();
            async move {
                let count = increment(&mut host).await;
                permits.acquire().await.expect("it is never closed").forget();
                count.map_or_else(failed, |count| completed(&json!(count)))
            }
        });
        executor.on("nested", |_, mut host| async move {
            let first = increment(&mut host).await;
            let options = CallOptions::default();
            let inner = host.call(Call::Try { action: "increment".into(), data: Json::null(), options }).await;
            let last = increment(&mut host).await;
            completed(&json!([first.ok(), json_of(inner).ok(), last.ok()]))
        });
        executor.on("emit", |job, mut host| async move {
            let wanted = job.input.to_value().as_u64().unwrap_or(0);
            for n in 0..wanted {
                let call = Call::Emit { event: "Order.placed".into(), data: Json::null(), source: None };
                if let Reply::Fault(fault) = host.call(call).await {
                    return failed(Fault::new(fault.kind, fault.code, format!("at {n}: {}", fault.message)));
                }
            }
            completed(&json!(wanted))
        });
        executor.on("pure", |_, _| async move { completed(&json!(0)) });
        let log = Arc::new(MemoryLog::new());
        let config = Config::standard(dir.to_owned(), Namespace::parse("https://root.test")?);
        let executor: Arc<dyn Executor> = Arc::new(executor);
        let clock = Arc::new(ManualClock::new(START));
        let node = Node::open(config, log.clone(), executor, clock, None).await?.node;
        let object = node.object(&node.default_namespace().clone()).await?.context("the root is there")?;
        let identity = Identity {
            actor: "https://root.test/Service/test".into(),
            kind: IdentityKind::Service,
            scopes: Scopes::all(),
            key: None,
        };
        let scene = Self { object, log, caller: Caller { identity, request_id: "r".into() }, holding };
        for name in ["increment", "trap", "hold", "nested", "emit", "pure"] {
            let file = testkit::component(&format!("scripted:{name}"))?;
            let upload = org_ai_runtime::Upload {
                component: file.path().to_owned(),
                manifest: Manifest::default(),
                assets: None,
            };
            scene.object.deploy(&scene.caller, types::FunctionName::parse(name)?, upload, false).await?;
        }
        let input = model_input(json!({ "id": "n", "count": 0 }));
        scene.write(Op::Create { noun: Noun::parse("Counter")?, input, revive: false }).await?;
        Ok(scene)
    }

    async fn write(&self, op: Op) -> Result<u64, Fault> {
        let wrote = self.object.write(&self.caller, &View::default(), Write::of(op)).await?;
        Ok(wrote.shown.row.version)
    }

    async fn invoke(&self, name: &str) -> Result<Value, Fault> {
        self.invoke_with(name, json!(null)).await
    }

    async fn invoke_with(&self, name: &str, input: Value) -> Result<Value, Fault> {
        let (action, input) = (name.parse().expect("it is an action"), Json::from_value(&input));
        let invoked = self.object.invoke(&self.caller, &action, input, InvokeOptions::default()).await;
        invoked.map(|invoked| invoked.result.to_value()).map_err(|failed| failed.fault)
    }

    async fn count(&self) -> Result<u64, Fault> {
        let shown = self.object.thing(&self.caller, &counter_key(), &View::of(Ref::Head)).await?;
        Ok(shown.row.data.to_value()["count"].as_u64().unwrap_or(u64::MAX))
    }

    fn patch(&self, count: u64) -> Op {
        let patch = org_ai_runtime::PatchOf::Merge { patch: json!({ "direct": count }), if_version: None };
        Op::Patch { key: counter_key(), patch }
    }
}

fn model_input(value: Value) -> model::flat::Input {
    model::flat::Input::read(value).expect("it is a thing")
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_guests_that_read_and_write_end_at_a_hundred() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Arc::new(Scene::new(dir.path()).await?);
    let runs = (0..100).map(|n| {
        let scene = scene.clone();
        tokio::spawn(async move {
            // Writers without a guest come in between, by the committer.
            if n % 10 == 0 {
                scene.write(scene.patch(n)).await?;
            }
            scene.invoke("increment").await
        })
    });
    let mut counts = Vec::new();
    for run in futures::future::join_all(runs).await {
        counts.push(run??.as_u64().context("a number")?);
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>(), "no two saw the same count");
    assert_eq!(scene.count().await?, 100);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_wrote_before_it_trapped_was_not() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let before =
        scene.object.events(&scene.caller, &EventFilter { limit: 100, ..EventFilter::default() }).await?.items.len();
    assert_eq!(scene.invoke("trap").await.expect_err("it traps").code, "TRAP");
    assert_eq!(scene.count().await?, 0);
    let key = counter_key();
    let history = scene.object.versions(&scene.caller, &key, &View::default(), None, 10).await?;
    assert_eq!(history.items.len(), 1, "no version row");
    let events = scene.object.events(&scene.caller, &EventFilter { limit: 100, ..EventFilter::default() }).await?.items;
    let new: Vec<_> = events[before..].iter().map(|e| format!("{}.{}", e.source, e.verb)).collect();
    assert_eq!(new, ["Function/trap.invoked", "Function/trap.failed"], "nothing of the turn");
    let sequences: Vec<_> = events.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(scene.invoke("increment").await?, json!(1), "the next turn begins");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_turn_is_seen_by_nobody_and_holds_up_only_who_touches_things() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Arc::new(Scene::new(dir.path()).await?);
    let holder = tokio::spawn({
        let scene = scene.clone();
        async move { scene.invoke("hold").await }
    });
    // It has written when a reader has to wait for it.
    while tokio::time::timeout(SHORT, scene.count()).await.is_ok() {}
    assert_eq!(scene.invoke("pure").await?, json!(0), "a run that touches no thing waits for nobody");
    let writing = scene.write(scene.patch(7));
    tokio::pin!(writing);
    assert!(tokio::time::timeout(SHORT, &mut writing).await.is_err(), "a writer waits for the turn");
    let reading = scene.count();
    tokio::pin!(reading);
    assert!(tokio::time::timeout(SHORT, &mut reading).await.is_err(), "a reader does not see what is not committed");
    scene.holding.add_permits(1);
    assert_eq!(holder.await??, json!(1));
    writing.await?;
    assert_eq!(reading.await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_caller_leaves_gives_the_turn_back() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Arc::new(Scene::new(dir.path()).await?);
    let holder = tokio::spawn({
        let scene = scene.clone();
        async move { scene.invoke("hold").await }
    });
    while tokio::time::timeout(SHORT, scene.count()).await.is_ok() {}
    holder.abort();
    assert_eq!(scene.count().await?, 0, "what it wrote was taken back");
    assert_eq!(scene.invoke("increment").await?, json!(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_commits_before_its_guest_waits_on_another_run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    assert_eq!(scene.invoke("nested").await?, json!([1, 2, 3]));
    assert_eq!(scene.count().await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_durable_before_its_caller_hears_of_it_and_the_next_does_not_wait() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.log.hold();
    let (first, second) = (scene.invoke("increment"), scene.invoke("increment"));
    tokio::pin!(first, second);
    assert!(tokio::time::timeout(SHORT, &mut first).await.is_err(), "it must wait for the log");
    assert!(tokio::time::timeout(SHORT, &mut second).await.is_err());
    let reading = scene.count();
    tokio::pin!(reading);
    assert!(tokio::time::timeout(SHORT, &mut reading).await.is_err(), "nor may a reader see what is not durable");
    scene.log.release();
    assert_eq!((first.await?, second.await?), (json!(1), json!(2)));
    assert_eq!(reading.await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_waits_until_what_it_tells_of_is_durable() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.log.hold();
    let create = || {
        let input = model_input(json!({ "id": "m", "count": 0 }));
        scene.write(Op::Create { noun: Noun::parse("Counter").unwrap(), input, revive: false })
    };
    let (first, second) = (create(), create());
    tokio::pin!(first, second);
    assert!(tokio::time::timeout(SHORT, &mut first).await.is_err(), "it must wait for the log");
    assert!(tokio::time::timeout(SHORT, &mut second).await.is_err(), "that the id is taken is not durable yet");
    scene.log.release();
    first.await?;
    assert_eq!(second.await.expect_err("it exists").code, "CONFLICT");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_tells_nothing_that_is_not_durable() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.log.hold();
    let first = scene.invoke("increment");
    tokio::pin!(first);
    assert!(tokio::time::timeout(SHORT, &mut first).await.is_err(), "it must wait for the log");
    // It has read what the first one wrote.
    let trap = scene.invoke("trap");
    tokio::pin!(trap);
    assert!(tokio::time::timeout(SHORT, &mut trap).await.is_err(), "its fault may tell of what it read");
    scene.log.release();
    assert_eq!(first.await?, json!(1));
    assert_eq!(trap.await.expect_err("it traps").code, "TRAP");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_emits_a_thousand_times_and_not_once_more() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    assert_eq!(scene.invoke_with("emit", json!(1_000)).await?, json!(1_000));
    let refused = scene.invoke_with("emit", json!(1_001)).await.expect_err("one more than a turn takes");
    assert_eq!(refused.code, "TURN_WRITES_LIMIT");
    assert!(refused.message.starts_with("at 1000:"), "{}", refused.message);
    Ok(())
}
