//! The output gate and what happens when the log does not take a record: on a log that tests can hold and refuse.

use commit_log::{CommitLog, MemoryLog, Outcome};
use futures::FutureExt as _;
use org_ai_runtime::{Caller, Config, InvokeOptions, ManualClock, Node, Object};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use testkit::{START, ScriptedExecutor, completed, failed};
use types::exec::Executor;
use types::{Call, Fault, Faults, Identity, IdentityKind, Json, Manifest, Namespace, Reply, Scopes, ThingRef};

struct Held {
    root: Object,
    node: Node,
    log: Arc<MemoryLog>,
    caller: Caller,
}

async fn held(dir: &Path) -> anyhow::Result<Held> {
    held_with(dir, Faults::none()).await
}

async fn held_with(dir: &Path, faults: Faults) -> anyhow::Result<Held> {
    let executor = ScriptedExecutor::new();
    executor.on("pure", |_, _| async move { completed(&serde_json::json!(1)) });
    executor.on("emit", |_, mut host| async move {
        let said = host.call(Call::Emit { event: "Order.placed".into(), data: Json::null(), source: None }).await;
        assert_eq!(said, Reply::Done);
        completed(&serde_json::json!(2))
    });
    executor.on("refuse", |_, mut host| async move {
        let at = ThingRef { noun: "Note".into(), id: "b".into(), at: None };
        let data = Json::from_value(&serde_json::json!({ "n": 1 }));
        let put = Call::ThingPut { at, data, if_version: None, branch: None };
        assert!(matches!(host.call(put).await, Reply::Json(_)), "it was written");
        failed(Fault::failed("NO", "it is not to be"))
    });
    let log = Arc::new(MemoryLog::new());
    let clock = Arc::new(ManualClock::new(START));
    let namespace = Namespace::parse("https://root.test")?;
    let config = Config { faults, ..Config::standard(dir.to_owned(), namespace) };
    let executor: Arc<dyn Executor> = Arc::new(executor);
    let opened = Node::open(config, log.clone(), executor, clock, None).await?;
    let namespace = opened.node.default_namespace().clone();
    let root = opened.node.object(&namespace).await?.expect("the root object is always there");
    let identity = Identity {
        actor: "https://root.test/Service/test".into(),
        kind: IdentityKind::Service,
        scopes: Scopes::all(),
        key: None,
    };
    let held = Held { root, node: opened.node, log, caller: Caller { identity, request_id: "r".into() } };
    for name in ["pure", "emit", "refuse"] {
        held.deploy(name, &format!("scripted:{name}")).await?;
    }
    Ok(held)
}

impl Held {
    async fn deploy(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = testkit::component(text)?;
        let component = file.path().to_owned();
        let upload = org_ai_runtime::Upload { component, manifest: Manifest::default(), assets: None };
        self.root.deploy(&self.caller, types::FunctionName::parse(name)?, upload, false).await?;
        Ok(())
    }

    async fn invoke(&self, name: &str) -> anyhow::Result<u64> {
        let action = name.parse()?;
        let invoked = self.root.invoke(&self.caller, &action, Json::null(), InvokeOptions::default()).await;
        Ok(invoked.map_err(|f| f.fault)?.result.to_value().as_u64().unwrap_or(0))
    }
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_guest_said_happened_is_durable_before_its_caller_hears_of_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let held = held(dir.path()).await?;
    held.log.hold();
    assert_eq!(held.invoke("pure").await?, 1, "a run that wrote nothing waits for nobody");
    let emitting = held.invoke("emit");
    tokio::pin!(emitting);
    assert!(tokio::time::timeout(SHORT, &mut emitting).await.is_err(), "it must wait for the log");
    held.log.release();
    assert_eq!(emitting.await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_counts_once_it_is_durable() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let held = held(dir.path()).await?;
    held.log.hold();
    let deploying = held.deploy("pure", "scripted:emit 2");
    tokio::pin!(deploying);
    assert!(tokio::time::timeout(SHORT, &mut deploying).await.is_err(), "it must wait for the log");
    assert_eq!(held.invoke("pure").await?, 1, "the old version answers until then");
    held.log.release();
    deploying.await?;
    assert_eq!(held.invoke("pure").await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_is_a_clear_error_and_the_object_recovers() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let held = held(dir.path()).await?;
    held.log.answer(Some(Outcome::Refused(Arc::new(commit_log::Error::Full))));
    let refused = held.invoke("emit").await.expect_err("the log takes nothing");
    assert!(refused.to_string().contains("STORAGE_FAILED"), "{refused}");
    held.log.answer(None);
    // The handle is of an object that left memory; a new one recovers it, and the log gets what it lacked.
    let namespace = held.node.default_namespace().clone();
    let root = held.node.object(&namespace).await?.expect("it is there");
    let again = Held { root, ..held };
    assert_eq!(again.invoke("emit").await?, 2);
    let head = again.log.head(types::ObjectId::from_u128(0)).unwrap_or(0);
    let records = again.log.replay(types::ObjectId::from_u128(0), 0)?;
    assert_eq!(records.len() as u64, head, "no record is missing in between");
    Ok(())
}

/// What was on its way to the log when the file failed keeps its numbers: they must not be given again.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_file_lost_turns_is_opened_once_the_log_has_answered_for_them() -> anyhow::Result<()> {
    const TICK: Duration = Duration::from_millis(2);
    let begun = Instant::now();
    let in_time = || assert!(begun.elapsed() < Duration::from_secs(60), "the file did not fail");
    let dir = tempfile::tempdir()?;
    let is_full = Arc::new(AtomicBool::new(false));
    let full = is_full.clone();
    let faults = Faults::between("store.before-settle", 1, u64::MAX, move || {
        if full.load(Ordering::SeqCst) { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let held = held_with(dir.path(), faults).await?;
    let namespace = held.node.default_namespace().clone();
    held.log.hold();
    let mut emitting = Box::pin(held.invoke("emit"));
    while held.log.waiting() == 0 {
        assert!(tokio::time::timeout(TICK, &mut emitting).await.is_err(), "it must wait for the log");
        in_time();
    }
    is_full.store(true, Ordering::SeqCst);
    // What it wrote is taken back, and the turns before it cannot be written again.
    let mut refusing = Box::pin(held.invoke("refuse").fuse());
    let fault = loop {
        in_time();
        match held.node.object(&namespace).await {
            Ok(_) => drop(tokio::time::timeout(TICK, &mut refusing).await),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code, "OBJECT_RECOVERING");
    is_full.store(false, Ordering::SeqCst);
    let fault = held.node.object(&namespace).await.expect_err("the log has not answered");
    assert_eq!(fault.code, "OBJECT_RECOVERING");
    held.log.release();
    assert_eq!(emitting.await?, 2, "it is durable");
    drop(refusing);
    let root = held.node.object(&namespace).await?.expect("it is there");
    let again = Held { root, ..held };
    assert_eq!(again.invoke("emit").await?, 2);
    let head = again.log.head(types::ObjectId::from_u128(0)).unwrap_or(0);
    assert_eq!(again.log.replay(types::ObjectId::from_u128(0), 0)?.len() as u64, head, "each number once");
    Ok(())
}
