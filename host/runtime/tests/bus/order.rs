//! Who is told, and in which order.

use super::scene::{Scene, Told, ask, executor, text};
use serde_json::json;
use testkit::{completed, failed};
use types::{Call, Json};

#[tokio::test(flavor = "multi_thread")]
async fn handlers_are_served_by_priority_then_exactness_then_registration() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    for (name, event, handler, priority) in [
        ("everything", "*.*", "note", 0),
        ("any-noun", "*.created", "note", 0),
        ("any-verb", "Customer.*", "broken", 0),
        ("exact", "Customer.created", "note", 0),
        ("exact-later", "Customer.created", "note-2", 0),
        ("urgent", "*.*", "note", 7),
    ] {
        // The events of the bus itself are not what this is about.
        let filter = "noun == \"Customer\"";
        scene
            .subscribe(&json!({
                "name": name, "event": event, "handler": handler, "priority": priority, "maxRetries": 0, "filter": filter
            }))
            .await?;
    }
    scene.put("Customer", "7").await?;
    let lines = scene.until_told(&told, 6).await?;
    let all = ["urgent", "exact", "exact-later", "any-verb", "any-noun", "everything"];
    assert_eq!(lines, all.map(|name| format!("{name} Customer/7.created")));
    scene.run("remove", &json!({ "noun": "Customer", "id": "7" })).await?;
    let lines = scene.until_told(&told, 9).await?;
    assert_eq!(lines[6..], ["urgent", "any-verb", "everything"].map(|name| format!("{name} Customer/7.deleted")));
    let dead = scene.until_dead(2).await?;
    assert!(dead.iter().all(|d| d.row.subscription == "any-verb"), "one that fails stops nobody else: {dead:?}");
    scene.until_quiet().await?;
    assert_eq!(told.all().len(), 9, "nobody is told of the runs of handlers: {:?}", told.lines());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_told_the_whole_event_and_who_caused_it() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    scene.subscribe(&json!({ "name": "all", "event": "Customer.*", "handler": "note" })).await?;
    scene.put("Customer", "7").await?;
    scene.until_told(&told, 1).await?;
    let payload = &told.all()[0];
    for member in ["id", "createdAt", "actionId"] {
        assert!(!text(payload, member).is_empty(), "{member} of {payload}");
    }
    assert_eq!(
        ["verb", "noun", "source", "ns", "actor", "subscription"].map(|member| text(payload, member)),
        ["created", "Customer", "Customer/7", "https://root.test", "https://root.test/Service/test", "all"]
    );
    assert_eq!((&payload["attempt"], &payload["depth"]), (&json!(1), &json!(0)));
    assert_eq!(payload["data"]["thing"]["id"], "7", "{payload}");
    let action = scene
        .until("the delivery is told of", || async {
            let filter = org_ai_runtime::ActionFilter { limit: 100, ..Default::default() };
            let found = scene.root.actions(&scene.caller, &filter).await?.items;
            Ok(found.into_iter().find(|a| a.target == "Function/note"))
        })
        .await?;
    assert_eq!(action.actor, "https://root.test/Service/subscription:all");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_events_comes_to_each_subscription_in_its_order() -> anyhow::Result<()> {
    const EVENTS: usize = 300;
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    executor.on("flood", |_, mut host| async move {
        for n in 0..EVENTS {
            let source = Some(format!("Order/{}", n % 7));
            let emitted = ask(&mut host, Call::Emit { event: "Order.paid".into(), data: Json::of(&n), source }).await;
            if let Err(fault) = emitted {
                return failed(fault);
            }
        }
        completed(&json!(EVENTS))
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["flood"]).await?;
    for name in ["one", "two"] {
        scene.subscribe(&json!({ "name": name, "event": "Order.*", "handler": "note" })).await?;
    }
    scene.run("flood", &json!(null)).await?;
    scene.until_told(&told, 2 * EVENTS).await?;
    for name in ["one", "two"] {
        let all = told.all();
        let got: Vec<_> = all.iter().filter(|p| text(p, "subscription") == name).map(|p| p["data"].clone()).collect();
        assert_eq!(got, (0..EVENTS).map(|n| json!(n)).collect::<Vec<_>>(), "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_decides_which_events_are_meant() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let filter = "data.amount > 1000 and data.currency == \"USD\"";
    scene.subscribe(&json!({ "name": "large", "event": "Order.paid", "handler": "note", "filter": filter })).await?;
    scene.subscribe(&json!({ "name": "last", "event": "Order.done", "handler": "note" })).await?;
    for (amount, currency) in [(1001, "EUR"), (1001, "USD"), (1000, "USD")] {
        let data = json!({ "amount": amount, "currency": currency });
        scene.run("emit", &json!({ "event": "Order.paid", "data": data })).await?;
    }
    scene.run("emit", &json!({ "event": "Order.paid", "data": "no amount at all" })).await?;
    scene.run("emit", &json!({ "event": "Order.done", "data": {} })).await?;
    let lines = scene.until_told(&told, 2).await?;
    assert_eq!(lines, ["large Order.paid", "last Order.done"]);
    assert_eq!(told.all()[0]["data"]["amount"], 1001);
    Ok(())
}
