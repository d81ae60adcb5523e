//! Subscriptions come and go; waits look at filters too.

use super::scene::{Scene, Told, ask, executor, outcome};
use org_ai_runtime::InvokeOptions;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{TestNode, completed};
use types::deployment::SubscriptionSpec;
use types::{Call, Durability, Faults, Json, Namespace};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_told_from_its_beginning_to_its_end() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let spec = json!({ "name": "s", "event": "Order.*", "handler": "note" });
    scene.put("Order", "before").await?;
    scene.subscribe(&spec).await?;
    scene.put("Order", "a").await?;
    scene.until_told(&told, 1).await?;
    scene.root.unsubscribe(&scene.caller, "s").await?;
    scene.put("Order", "between").await?;
    scene.subscribe(&spec).await?;
    scene.put("Order", "b").await?;
    let lines = scene.until_told(&told, 2).await?;
    assert_eq!(lines, ["s Order/a.created", "s Order/b.created"]);
    scene.test.node.shutdown().await;
    drop(scene);
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    scene.put("Order", "c").await?;
    let lines = scene.until_told(&told, 3).await?;
    assert_eq!(lines[2..], ["s Order/c.created"]);
    scene.until_quiet().await?;
    assert_eq!(told.all().len(), 3, "a start repeats nothing: {:?}", told.lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_subscribed_is_refused_with_what_is_wrong() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let subscribe = async |spec: Value| {
        let spec: SubscriptionSpec = serde_json::from_value(spec).expect("it has the form");
        scene.root.subscribe(&scene.caller, spec).await
    };
    for (spec, code) in [
        (json!({ "event": "Order", "handler": "note" }), "EVENT_INVALID"),
        (json!({ "event": "Order.crea*", "handler": "note" }), "EVENT_INVALID"),
        (json!({ "event": "Order.*", "handler": "nobody" }), "HANDLER_UNKNOWN"),
        (json!({ "event": "Order.*", "handler": "note", "filter": "data.n >" }), "FILTER_INVALID"),
        (json!({ "event": "Order.*", "handler": "note", "filter": "data.n == input.n" }), "FILTER_INVALID"),
        (json!({ "event": "Order.*", "handler": "note", "maxRetries": 101 }), "RETRY_INVALID"),
        (json!({ "event": "Order.*", "handler": "note", "name": "-x" }), "NAME_INVALID"),
    ] {
        let refused = subscribe(spec.clone()).await.expect_err("it is wrong");
        assert_eq!(refused.code, code, "{spec}");
    }
    let spec = json!({ "name": "s", "event": "Nowhere.yet", "handler": "note" });
    assert!(subscribe(spec.clone()).await?.1, "a noun may come later");
    assert!(!subscribe(spec).await?.1, "the same is there already");
    let other = subscribe(json!({ "name": "s", "event": "Order.*", "handler": "note" })).await;
    assert_eq!(other.expect_err("the name is taken").code, "SUBSCRIPTION_EXISTS");
    let gone = scene.root.unsubscribe(&scene.caller, "t").await.expect_err("there is none");
    assert_eq!(gone.code, "SUBSCRIPTION_NOT_FOUND");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_is_answered_by_the_event_that_passes_its_filter() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    executor.on("waiter", |job, mut host| async move {
        let filter = job.input.to_value()["filter"].as_str().map(str::to_owned);
        let wait = Call::WaitFor { event: "Order.paid".into(), filter, timeout_ms: Some(365 * 24 * 3_600_000) };
        outcome(ask(&mut host, wait).await.map(|event| event["data"].clone()))
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["waiter"]).await?;
    let wait = |filter: &str| {
        let input = Json::from_value(&json!({ "order": "7", "filter": filter }));
        let options = InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() };
        let (root, caller) = (scene.root.clone(), scene.caller.clone());
        async move { root.invoke(&caller, &"waiter".parse().expect("a name"), input, options).await }
    };
    let refused = wait("data.order ==").await.expect_err("it is no filter");
    assert_eq!(refused.fault.code, "FILTER_INVALID");
    let waiting = tokio::spawn(wait("data.order == input.order"));
    for order in ["6", "8", "7"] {
        scene.run("emit", &json!({ "event": "Order.paid", "data": { "order": order } })).await?;
    }
    let found = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await??;
    assert_eq!(found.map_err(|f| f.fault)?.result.to_value(), json!({ "order": "7" }));
    Ok(())
}

/// An object whose events cannot be handed on while its records leave the log.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_were_not_handed_on_wake_their_object_at_the_next_start() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let namespace = Namespace::parse("https://root.test/shop")?;
    let broken = Faults::between("bus.hand-on", 1, u64::MAX, || Err(std::io::Error::other("not now")));
    let test = TestNode::open_with(dir.path(), executor(&told), |config| config.faults = broken).await?;
    let (root, caller) = (test.root().await?, test.caller(&["*.*"])?);
    for name in ["put", "note"] {
        test.deploy(&root, name, &format!("scripted:{name}")).await?;
    }
    root.create_object(&caller, namespace.clone(), "App".into()).await?;
    let shop = test.node.object(&namespace).await?.expect("it was made");
    let spec = json!({ "name": "s", "event": "Order.*", "handler": "note" });
    shop.subscribe(&caller, serde_json::from_value(spec)?).await?;
    let order = json!({ "noun": "Order", "id": "a", "n": 1 });
    test.invoke(&shop, "put", &order).await?.map_err(|f| f.fault)?;
    test.node.checkpoint().await;
    test.node.shutdown().await;
    drop((shop, root, test));
    assert!(told.all().is_empty(), "{:?}", told.lines());

    let scene = Scene::of(TestNode::open(dir.path(), executor(&told)).await?).await?;
    assert_eq!(scene.until_told(&told, 1).await?, ["s Order/a.created"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_handles_of_a_node_that_was_shut_down_keeps_no_file_of_it() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let first = Scene::open(dir.path(), executor(&told)).await?;
    first.put("Order", "a").await?;
    // Somebody who asks again and again, and so opens what was closed.
    let (node, namespace) = (first.test.node.clone(), first.root.namespace().clone());
    let asking = tokio::spawn(async move {
        while node.object(&namespace).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    first.test.node.shutdown().await;
    let second = Scene::open(dir.path(), executor(&told)).await?;
    second.put("Order", "b").await?;
    tokio::time::timeout(Duration::from_secs(10), asking).await??;
    let refused = first.put("Order", "c").await.expect_err("its node is shut");
    assert!(refused.to_string().contains("OBJECT_RECOVERING"), "{refused}");
    let refused = first.test.root().await.expect_err("nothing is opened any more");
    assert!(refused.to_string().contains("SHUTTING_DOWN"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_under_way_ends_before_its_host_does() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    let slow = told.clone();
    executor.on("slow", move |job, _| {
        slow.add(job.input.to_value());
        async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            completed(&json!(null))
        }
    });
    let scene = Scene::open(dir.path(), executor.clone()).await?;
    scene.deploy(&["slow"]).await?;
    scene.subscribe(&json!({ "name": "s", "event": "Order.*", "handler": "slow" })).await?;
    scene.put("Order", "a").await?;
    scene.until_told(&told, 1).await?;
    scene.test.node.shutdown().await;
    drop(scene);
    let scene = Scene::of(TestNode::open(dir.path(), executor).await?).await?;
    scene.until_quiet().await?;
    assert_eq!(told.all().len(), 1, "a start repeats nothing: {:?}", told.lines());
    Ok(())
}
