//! What becomes of deliveries that fail.

use super::scene::{Scene, Told, ask, executor, outcome, put, text};
use org_ai_runtime::{FailedWanted, Replayed};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use testkit::{completed, failed};
use types::Fault;

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_in_retry_holds_back_those_of_its_own_thing_alone() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    let (runs, failures) = (told.clone(), Arc::new(AtomicU32::new(0)));
    executor.on("flaky", move |job, _| {
        let payload = job.input.to_value();
        let fails = text(&payload, "source") == "Order/a" && failures.fetch_add(1, Ordering::SeqCst) < 2;
        runs.add(payload);
        async move { if fails { failed(Fault::failed("NOT_YET", "not yet")) } else { completed(&Value::Null) } }
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["flaky"]).await?;
    scene.subscribe(&json!({ "name": "s", "event": "Order.*", "handler": "flaky", "priority": 1 })).await?;
    scene.subscribe(&json!({ "name": "other", "event": "Order.*", "handler": "note" })).await?;
    scene.stop_time();
    for id in ["a", "a", "b", "b"] {
        scene.put("Order", id).await?;
    }
    // All but a's retries, and what waits behind them.
    scene.until_told(&told, 7).await?;
    scene.let_time_pass();
    let lines = scene.until_told(&told, 10).await?;
    let of = |name: &str| lines.iter().filter(|l| l.starts_with(name)).cloned().collect::<Vec<_>>();
    let mut others = of("other ");
    others.sort();
    assert_eq!(
        others,
        ["other Order/a.created", "other Order/a.updated", "other Order/b.created", "other Order/b.updated"]
    );
    let of_a: Vec<_> = of("s Order/a");
    assert_eq!(of_a[..3], ["s Order/a.created", "s Order/a.created", "s Order/a.created"], "its retries come first");
    assert_eq!(of_a[3], "s Order/a.updated");
    assert_eq!(of("s Order/b"), ["s Order/b.created", "s Order/b.updated"]);
    let place = |line: &str| lines.iter().position(|l| l == line).expect("it is there");
    assert!(place("s Order/b.updated") < place("s Order/a.updated"), "b does not wait for a: {lines:?}");
    assert!(place("other Order/a.updated") < place("s Order/a.updated"), "nor does another subscription: {lines:?}");
    assert!(scene.dead().await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_always_fails_is_a_dead_letter_until_its_handler_is_mended() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    scene.subscribe(&json!({ "name": "s", "event": "Order.paid", "handler": "broken", "maxRetries": 2 })).await?;
    scene.run("emit", &json!({ "event": "Order.paid", "source": "Order/7", "data": { "n": 1 } })).await?;
    let dead = scene.until_dead(1).await?.remove(0);
    let attempts: Vec<_> = told.all().iter().map(|p| p["attempt"].clone()).collect();
    assert_eq!(attempts, [1, 2, 3]);
    assert_eq!((dead.row.retries, dead.row.max_retries, dead.row.error.code.as_str()), (2, 2, "BROKEN"));
    assert!(dead.first_failed_at < dead.row.at, "the first failure was before the last: {dead:?}");

    let again = scene.root.replay_failed_delivery(&scene.caller, dead.row.id).await?;
    let Replayed::Failed(again) = again else { panic!("it is still broken: {again:?}") };
    assert_eq!((again.row.id, again.row.retries, again.row.max_retries), (dead.row.id, 3, 2));
    assert_eq!(again.first_failed_at, dead.first_failed_at);
    assert_eq!(told.all()[3]["attempt"], 4);

    scene.test.deploy(&scene.root, "broken", "scripted:note mended").await?;
    assert_eq!(scene.root.replay_failed_delivery(&scene.caller, dead.row.id).await?, Replayed::Succeeded);
    assert!(scene.dead().await?.is_empty());
    assert_eq!((told.all().len(), &told.all()[4]["attempt"]), (5, &json!(5)));
    let gone = scene.root.replay_failed_delivery(&scene.caller, dead.row.id).await.expect_err("it is gone");
    assert_eq!(gone.code, "DEAD_LETTER_NOT_FOUND");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_succeeds_at_last_leaves_nothing() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    executor.on("second", |job, _| async move {
        if job.input.to_value()["attempt"] == 2 {
            completed(&Value::Null)
        } else {
            failed(Fault::failed("NOT_YET", "not yet"))
        }
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["second"]).await?;
    scene.subscribe(&json!({ "name": "s", "event": "Order.paid", "handler": "second" })).await?;
    scene.subscribe(&json!({ "name": "then", "event": "Function.completed", "handler": "note" })).await?;
    scene.run("emit", &json!({ "event": "Order.paid", "data": {} })).await?;
    let filter = org_ai_runtime::ActionFilter {
        verb: Some("invoke".into()),
        target: Some("Function/second".into()),
        status: Some(types::ActionStatus::Completed),
        limit: 1,
        ..Default::default()
    };
    let found = scene.until("it completes", || async {
        Ok(scene.root.actions(&scene.caller, &filter).await?.items.into_iter().next())
    });
    assert_eq!(found.await?.attempts, 2);
    for standing in [types::FailedStanding::Retrying, types::FailedStanding::Dead] {
        let filter = org_ai_runtime::FailedFilter { standing, subscription: None, after: None, limit: 10 };
        assert!(scene.root.failed_deliveries(&scene.caller, &filter).await?.items.is_empty());
    }
    scene.until_quiet().await?;
    let sources: Vec<_> = told.all().iter().map(|p| text(p, "source")).collect();
    assert!(!sources.contains(&"Function/second".to_owned()), "a delivery is not handed on: {sources:?}");
    assert!(sources.contains(&"Function/emit".to_owned()), "another run is: {sources:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_go_in_a_circle_end_in_a_dead_letter() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    let runs = told.clone();
    executor.on("again", move |job, mut host| {
        let payload = job.input.to_value();
        let next = json!({ "n": payload["sequence"] });
        runs.add(payload);
        async move { outcome(ask(&mut host, put("X", "1", &next)).await) }
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["again"]).await?;
    scene.subscribe(&json!({ "name": "circle", "event": "X.updated", "handler": "again" })).await?;
    scene.put("X", "1").await?;
    scene.put("X", "1").await?;
    let dead = scene.until_dead(1).await?.remove(0);
    assert_eq!((dead.row.error.code.as_str(), dead.row.subscription.as_str()), ("EVENT_LOOP", "circle"));
    let depths: Vec<_> = told.all().iter().map(|p| p["depth"].as_u64().unwrap_or(99)).collect();
    assert_eq!(depths, (0..16).collect::<Vec<_>>());
    scene.until_quiet().await?;
    assert_eq!((told.all().len(), scene.dead().await?.len()), (16, 1), "and that is its end");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_can_be_deleted_purged_and_replayed_together() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    for event in ["Order.paid", "Order.sent"] {
        let spec = json!({ "name": event, "event": event, "handler": "broken", "maxRetries": 0 });
        scene.subscribe(&spec).await?;
        for id in ["a", "b", "c"] {
            scene.run("emit", &json!({ "event": event, "source": format!("Order/{id}"), "data": {} })).await?;
        }
    }
    let dead = scene.until_dead(6).await?;
    let paid = FailedWanted { subscription: Some("Order.paid".into()), verb: None };
    let one = dead.iter().find(|d| d.row.subscription == "Order.paid").expect("three of them are");
    scene.root.delete_failed_delivery(&scene.caller, one.row.id).await?;
    assert_eq!(scene.dead().await?.len(), 5);
    let sent = FailedWanted { subscription: None, verb: Some("sent".into()) };
    assert_eq!(scene.root.purge_failed_deliveries(&scene.caller, &sent, true).await?, 3);
    assert_eq!(scene.dead().await?.len(), 2);
    let archived = types::FailedStanding::Archived;
    let filter = org_ai_runtime::FailedFilter { standing: archived, subscription: None, after: None, limit: 10 };
    assert_eq!(scene.root.failed_deliveries(&scene.caller, &filter).await?.items.len(), 3);

    scene.test.deploy(&scene.root, "broken", "scripted:note mended").await?;
    assert_eq!(scene.root.replay_failed_deliveries(&scene.caller, &paid).await?, 2);
    scene.until_dead(0).await?;
    assert_eq!(scene.root.purge_failed_deliveries(&scene.caller, &paid, false).await?, 0);
    let reader = scene.test.caller(&["events.read"])?;
    let refused = scene.root.purge_failed_deliveries(&reader, &paid, false).await.expect_err("it may only read");
    assert_eq!(refused.kind, types::FaultKind::Forbidden);
    Ok(())
}
