//! What begins runs, and how long they are kept.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_begins_one_run_and_a_circle_of_runs_ends() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.scene.run("say", &json!({ "event": "Order.placed", "data": { "n": 1 } })).await?;
    flow.define_as(json!({
        "name": "ship",
        "trigger": { "event": { "event": "Order.placed", "filter": "data.n > 1" } },
        "run": { "steps": [{ "do": { "name": "pack", "action": "work", "input": "{{input.data.n}}" } }] },
    }))
    .await?;
    for n in [1, 2] {
        flow.scene.run("say", &json!({ "event": "Order.placed", "data": { "n": n } })).await?;
    }
    flow.calls_are(&["work:2"]).await?;
    // Each run says what begins the next one.
    flow.define_as(json!({
        "name": "circle",
        "trigger": { "event": { "event": "Wheel.turned" } },
        "run": { "steps": [{ "do": { "name": "turn", "action": "say", "input": { "event": "Wheel.turned" } } }] },
    }))
    .await?;
    flow.scene.run("say", &json!({ "event": "Wheel.turned" })).await?;
    for _ in 0..5_000 {
        let standing = types::FailedStanding::Dead;
        let wanted = org_ai_runtime::FailedFilter { standing, subscription: None, after: None, limit: 10 };
        let dead = flow.scene.root.failed_deliveries(&flow.scene.caller, &wanted).await?;
        if let Some(dead) = dead.items.first() {
            assert_eq!(dead.row.error.code, "EVENT_LOOP");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("the circle does not end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_begins_a_run_of_a_workflow_for_each_event() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("pack", &[json!({ "do": { "name": "p", "action": "work", "input": "{{input.data.n}}" } })]).await?;
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    let wanted = |workflow: &str, filter: Option<&str>| WorkflowListener {
        name: None,
        event: "Order.placed".into(),
        workflow: workflow.into(),
        priority: 0,
        filter: filter.map(str::to_owned),
    };
    let unknown = root.subscribe_workflow(caller, wanted("none", None)).await;
    assert_eq!(unknown.map_err(|fault| fault.code).err().as_deref(), Some("WORKFLOW_UNKNOWN"));
    let (shown, is_new) = root.subscribe_workflow(caller, wanted("pack", Some("data.n > 1"))).await?;
    assert_eq!((shown.name.as_str(), is_new), ("Order.placed:pack", true));
    assert_eq!(shown.target, SubscriptionTarget::Workflow("pack".into()));
    assert!(!root.subscribe_workflow(caller, wanted("pack", Some("data.n > 1"))).await?.1, "it is there");
    for n in [1, 2, 3] {
        flow.scene.run("say", &json!({ "event": "Order.placed", "data": { "n": n } })).await?;
    }
    // Runs of two events go side by side.
    let both = |calls: &Calls| calls.of("work:2") == 1 && calls.of("work:3") == 1;
    for _ in 0..5_000 {
        if both(&flow.calls) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(both(&flow.calls) && flow.calls.all().len() == 2, "{:?}", flow.calls.all());
    root.unsubscribe(caller, "Order.placed:pack").await?;
    flow.scene.run("say", &json!({ "event": "Order.placed", "data": { "n": 4 } })).await?;
    flow.start("pack", "last", json!({ "data": { "n": 5 } })).await?;
    flow.until("pack", "last", RunStatus::Completed).await?;
    assert_eq!(flow.calls.all().len(), 3, "{:?}", flow.calls.all());
    Ok(())
}

const DAY_MS: u64 = 24 * HOUR_MS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_kept_for_thirty_days_and_its_key_for_one() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("w", &[step("a", "work")]).await?;
    flow.define("long", &[json!({ "sleep": { "name": "s", "forMs": 100 * DAY_MS } }), step("b", "work")]).await?;
    flow.start("long", "sleeper", json!(null)).await?;
    flow.start("w", "old", json!(1)).await?;
    flow.until("w", "old", RunStatus::Completed).await?;
    let keyed = |input: u32| RunWanted {
        input: Some(Json::from_value(&json!(input))),
        run_id: None,
        idempotency_key: Some("k".into()),
    };
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    let (first, is_new) = root.run_workflow(caller, "w", keyed(1)).await?;
    assert!(is_new);
    flow.until("w", &first.name, RunStatus::Completed).await?;
    flow.advance(DAY_MS - HOUR_MS);
    assert!(!root.run_workflow(caller, "w", keyed(1)).await?.1, "a day is not over");
    flow.advance(2 * HOUR_MS);
    let (second, is_new) = root.run_workflow(caller, "w", keyed(2)).await?;
    assert!(is_new && second.name != first.name, "the key is free after a day, for another input too");
    flow.until("w", &second.name, RunStatus::Completed).await?;
    flow.advance(28 * DAY_MS + 22 * HOUR_MS);
    flow.run("w", "old").await?;
    // Nobody asks for anything: the object is woken for it.
    flow.advance(2 * HOUR_MS);
    for _ in 0..5_000 {
        if flow.run("w", "old").await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(code(&flow.run("w", "old").await.expect_err("its time is over")), "RUN_NOT_FOUND");
    assert_eq!(flow.run("w", &second.name).await?.status, RunStatus::Completed, "it is younger");
    assert_eq!(flow.run("long", "sleeper").await?.status, RunStatus::Waiting, "it is not over");
    Ok(())
}
