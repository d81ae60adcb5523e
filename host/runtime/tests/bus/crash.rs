//! Stopped after every commit: what is left of the log is opened, and every event that is in it comes to each of its
//! handlers, accepted once.

use super::scene::{Scene, Told, ask, executor, outcome, put, text};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use testkit::{HeardLog, ScriptedExecutor, TestNode, stopped_after};

/// `seen` writes down in the object what it was told: that is taken back when it does not become durable.
fn seeing(told: &Told) -> ScriptedExecutor {
    let executor = executor(told);
    executor.on("seen", |job, mut host| async move {
        let payload = job.input.to_value();
        let id = format!("{}-{}", text(&payload, "subscription"), payload["sequence"]);
        outcome(ask(&mut host, put("Seen", &id, &json!({}))).await)
    });
    executor
}

/// Of each event of an order: how often each subscription accepted it.
async fn check(scene: &Scene) -> anyhow::Result<usize> {
    let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
    let events = scene.root.events(&scene.caller, &filter).await?.items;
    let orders: Vec<_> = events.iter().filter(|e| e.source.starts_with("Order/")).map(|e| e.sequence).collect();
    let expected: BTreeMap<String, usize> =
        orders.iter().flat_map(|n| [(format!("one-{n}"), 1), (format!("two-{n}"), 1)]).collect();
    let found = scene
        .until("every event is seen by both", || async {
            let page = scene.root.events(&scene.caller, &filter).await?.items;
            let mut seen = BTreeMap::new();
            for event in page.iter().filter(|e| e.source.starts_with("Seen/") && e.verb == "created") {
                *seen.entry(event.source["Seen/".len()..].to_owned()).or_insert(0) += 1;
            }
            Ok((seen.len() >= expected.len()).then_some(seen))
        })
        .await?;
    assert_eq!(found, expected);
    scene.until_quiet().await?;
    let filter = org_ai_runtime::ActionFilter {
        verb: Some("invoke".into()),
        target: Some("Function/seen".into()),
        limit: 1000,
        ..Default::default()
    };
    let runs = scene.root.actions(&scene.caller, &filter).await?.items;
    assert_eq!(runs.len(), expected.len(), "each is accepted once: {runs:?}");
    Ok(orders.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_after_any_commit_every_event_comes_to_its_handlers() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let records = Arc::new(Mutex::new(Vec::new()));
    let tape = records.clone();
    let log = HeardLog::open(dir.path(), move |batch| {
        tape.lock().expect("no test panics with it").extend_from_slice(batch);
        true
    })?;
    let test = TestNode::open_on(dir.path(), Arc::new(log), seeing(&told), |_| {}).await?;
    let scene = Scene::of(test).await?;
    scene.deploy(&["put", "seen"]).await?;
    for name in ["one", "two"] {
        scene.subscribe(&json!({ "name": name, "event": "Order.*", "handler": "seen" })).await?;
    }
    let before = records.lock().expect("no test panics with it").len();
    for id in ["a", "b", "a"] {
        scene.put("Order", id).await?;
    }
    assert_eq!(check(&scene).await?, 3);
    let all = records.lock().expect("no test panics with it").clone();
    drop(scene);
    let mut events = 0;
    for count in before..=all.len() {
        let left = stopped_after(dir.path(), &all[..count])?;
        let test = TestNode::open(left.path(), seeing(&told)).await?;
        events += check(&Scene::of(test).await?).await?;
    }
    assert!(events > all.len() - before, "most of the stops were behind an event");
    Ok(())
}
