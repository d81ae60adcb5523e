//! Objects that follow each other's events: each event once, in order, whatever dies; no ring goes on.

use super::scene::{Scene, Told, ask, executor, outcome, put, text};
use org_ai_runtime::{Caller, EventFilter, InvokeOptions, Lifecycle, NewKey, Object, RelationWanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use testkit::{HeardLog, ScriptedExecutor, TestNode, stopped_after};
use types::{Call, EventRow, FaultKind, Json, Namespace, ObjectRelation, Scopes};

fn follower(event: &str, filter: Option<&str>) -> RelationWanted {
    RelationWanted {
        event: Some(event.to_owned()),
        filter: filter.map(str::to_owned),
        ..RelationWanted::of(ObjectRelation::Follower)
    }
}

/// `https://NAME.test`, made or opened.
async fn object(scene: &Scene, name: &str) -> anyhow::Result<Object> {
    let namespace = Namespace::parse(&format!("https://{name}.test"))?;
    if scene.test.node.object(&namespace).await?.is_none() {
        scene.root.create_object(&scene.caller, namespace.clone(), "App".into()).await?;
    }
    scene.test.node.object(&namespace).await?.ok_or_else(|| anyhow::anyhow!("it was made"))
}

async fn follows(scene: &Scene, source: &Object, by: &Object, wanted: RelationWanted) -> anyhow::Result<()> {
    Ok(source.relate_object(&scene.caller, by.namespace(), wanted).await.map(drop)?)
}

async fn subscribe(scene: &Scene, object: &Object, event: &str, handler: &str) -> anyhow::Result<()> {
    let spec = json!({ "name": "s", "event": event, "handler": handler });
    Ok(object.subscribe(&scene.caller, serde_json::from_value(spec)?).await.map(drop)?)
}

async fn run(scene: &Scene, object: &Object, name: &str, input: &Value) -> anyhow::Result<()> {
    let input = Json::from_value(input);
    let done = object.invoke(&scene.caller, &name.parse()?, input, InvokeOptions::default()).await;
    Ok(done.map(drop).map_err(|failed| failed.fault)?)
}

async fn events_of(scene: &Scene, object: &Object, source: &str) -> anyhow::Result<Vec<EventRow>> {
    let filter = EventFilter { limit: 1000, ..EventFilter::default() };
    let found = object.events(&scene.caller, &filter).await?.items;
    Ok(found.into_iter().filter(|e| e.source.split('/').next() == Some(source)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_told_what_it_wants_once_and_in_order() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let (a, b) = (object(&scene, "a").await?, object(&scene, "b").await?);
    run(&scene, &a, "put", &json!({ "noun": "Customer", "id": "before", "n": 9 })).await?;
    subscribe(&scene, &b, "*.*", "note").await?;
    subscribe(&scene, &scene.root, "Customer.*", "note-2").await?;
    follows(&scene, &a, &b, follower("Customer.*", Some("data.thing.data.n != 5"))).await?;
    for (noun, id, n) in [("Customer", "x", 1), ("Order", "o", 1), ("Customer", "y", 5), ("Customer", "x", 2)] {
        run(&scene, &a, "put", &json!({ "noun": noun, "id": id, "n": n })).await?;
    }
    let customers = || async {
        let all = told.all();
        let found: Vec<Value> = all.into_iter().filter(|p| text(p, "noun") == "Customer").collect();
        Ok((found.len() >= 2).then_some(found))
    };
    let found = scene.until("the follower is told", customers).await?;
    let lines: Vec<_> =
        found.iter().map(|p| format!("{} {}.{}", text(p, "ns"), text(p, "source"), text(p, "verb"))).collect();
    assert_eq!(lines, ["https://b.test Customer/x.created", "https://b.test Customer/x.updated"]);
    assert_eq!(text(&found[0]["origin"], "ns"), "https://a.test");
    assert_eq!(found[1]["data"]["thing"]["data"]["n"], 2);
    scene.until_quiet().await?;
    assert_eq!(events_of(&scene, &b, "Customer").await?.len(), 2);
    let at_a = events_of(&scene, &a, "Customer").await?;
    assert_eq!(
        (&found[0]["origin"]["sequence"], text(&found[0], "id")),
        (&json!(at_a[1].sequence), at_a[1].id.to_string())
    );
    assert!(!told.lines().iter().any(|line| line.contains("note-2")), "a parent does not follow by itself");
    assert_eq!(told.all().iter().filter(|p| text(p, "ns") == "https://root.test").count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_read_events_but_not_the_noun_is_not_shown_the_thing_of_another_object() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let (a, b) = (object(&scene, "a").await?, object(&scene, "b").await?);
    follows(&scene, &a, &b, follower("Customer.*", None)).await?;
    run(&scene, &a, "put", &json!({ "noun": "Customer", "id": "x", "n": 7 })).await?;
    scene.until("it is there", || async { Ok(events_of(&scene, &b, "Customer").await?.pop()) }).await?;
    let shown = |caller: Caller| {
        let b = b.clone();
        async move {
            let filter = EventFilter { limit: 100, ..EventFilter::default() };
            let all = b.events_shown(&caller, &filter).await?.items;
            all.into_iter().find(|e| e.origin.is_some()).ok_or_else(|| anyhow::anyhow!("it has its origin"))
        }
    };
    let all = shown(scene.caller.clone()).await?;
    assert_eq!(all.row.data.to_value()["thing"]["data"]["n"], 7);
    assert_eq!(all.origin.map(|o| o.namespace.to_string()).as_deref(), Some("https://a.test"));
    let few = shown(scene.test.caller(&["events.read"])?).await?;
    assert_eq!(few.row.data.to_value().get("thing"), None);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_of_followers_ends() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let mut ring = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ring.push(object(&scene, name).await?);
    }
    // a is told by nobody; b, c and d stand in a ring, in which each of them follows both others.
    for (source, by) in [(0, 1), (1, 2), (2, 3), (3, 1), (2, 1), (3, 2), (1, 3)] {
        follows(&scene, &ring[source], &ring[by], follower("Ping.*", None)).await?;
    }
    for n in 0..3 {
        run(&scene, &ring[0], "emit", &json!({ "event": "Ping.sent", "data": { "n": n } })).await?;
    }
    for at in [1, 2, 3] {
        let all = || async { Ok(Some(events_of(&scene, &ring[at], "Ping").await?).filter(|found| found.len() >= 3)) };
        scene.until("it came to all", all).await?;
    }
    scene.until_quiet().await?;
    for at in &ring {
        let found = events_of(&scene, at, "Ping").await?;
        let numbers: Vec<_> = found.iter().map(|e| e.data.to_value()["n"].clone()).collect();
        assert_eq!(numbers, [0, 1, 2], "{}", at.namespace());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_that_answer_each_other_end_in_a_dead_letter() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let executor = executor(&told);
    let counted = told.clone();
    executor.on("answer", move |job, mut host| {
        counted.add(job.input.to_value());
        let event = Call::Emit { event: "Ping.sent".into(), data: Json::null(), source: None };
        async move { outcome(ask(&mut host, event).await) }
    });
    let scene = Scene::open(dir.path(), executor).await?;
    scene.deploy(&["answer"]).await?;
    let (a, b) = (object(&scene, "a").await?, object(&scene, "b").await?);
    for (one, other) in [(&a, &b), (&b, &a)] {
        follows(&scene, one, other, follower("Ping.*", None)).await?;
        let spec = json!({ "name": "s", "event": "Ping.*", "handler": "answer",
                           "filter": "origin.sequence > 0" });
        one.subscribe(&scene.caller, serde_json::from_value(spec)?).await?;
    }
    run(&scene, &a, "emit", &json!({ "event": "Ping.sent", "data": {} })).await?;
    let dead = || async {
        for object in [&a, &b] {
            let filter = org_ai_runtime::FailedFilter {
                standing: types::FailedStanding::Dead,
                subscription: None,
                after: None,
                limit: 10,
            };
            if let Some(found) = object.failed_deliveries(&scene.caller, &filter).await?.items.pop() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    };
    let dead = scene.until("it ends", dead).await?;
    assert_eq!(dead.row.error.code, "EVENT_LOOP");
    assert_eq!(told.all().len(), 16);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_gone_is_tried_again_and_holds_up_nobody() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let (a, b, c) = (object(&scene, "a").await?, object(&scene, "b").await?, object(&scene, "c").await?);
    follows(&scene, &a, &b, follower("Ping.*", None)).await?;
    follows(&scene, &a, &c, follower("Ping.*", None)).await?;
    let gone = b.namespace().clone();
    drop(b);
    let destroy = Lifecycle::Destroy { namespace: gone.clone() };
    scene.root.lifecycle(&scene.caller, destroy, None).await?.finished().await?;
    run(&scene, &a, "emit", &json!({ "event": "Ping.sent", "data": {} })).await?;
    scene.until("c is told", || async { Ok(events_of(&scene, &c, "Ping").await?.pop()) }).await?;
    let failed = || async {
        let found = a.followers(&scene.caller).await?.into_iter().find(|f| f.namespace == gone);
        Ok(found.map(|f| f.state).filter(|state| state.failed >= 3))
    };
    let state = scene.until("it is tried again", failed).await?;
    assert!(state.retry_at.is_some());
    assert_eq!(state.error.map(|e| e.code.to_string()).as_deref(), Some("OBJECT_DESTROYED"));
    // It is none any more: nothing is tried.
    a.relate_object(&scene.caller, &gone, RelationWanted::of(ObjectRelation::Reference)).await?;
    assert_eq!(a.followers(&scene.caller).await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_may_follow_and_stays_a_parent() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let a = object(&scene, "a").await?;
    let root = scene.root.namespace().clone();
    follows(&scene, &a, &scene.root, follower("Ping.*", None)).await?;
    run(&scene, &a, "emit", &json!({ "event": "Ping.sent", "data": {} })).await?;
    scene.until("it is told", || async { Ok(events_of(&scene, &scene.root, "Ping").await?.pop()) }).await?;
    assert_eq!(a.object_named(&scene.caller, &root).await?.relation, ObjectRelation::Parent);
    a.relate_object(&scene.caller, &root, RelationWanted::of(ObjectRelation::Parent)).await?;
    assert_eq!(a.followers(&scene.caller).await?, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_only_where_the_one_who_asks_may_act() -> anyhow::Result<()> {
    let (dir, told) = (tempfile::tempdir()?, Told::default());
    let scene = Scene::open(dir.path(), executor(&told)).await?;
    let (a, b) = (object(&scene, "a").await?, object(&scene, "b").await?);
    let new = NewKey { name: "bot".into(), scopes: Scopes::all(), expires_at: None, subject: None };
    let (row, _) = a.issue_key(&scene.caller, new).await?;
    let caller = Caller { identity: auth::identity(a.namespace(), &row), request_id: "test".into() };
    let refused =
        a.relate_object(&caller, b.namespace(), follower("Ping.*", None)).await.expect_err("it is b's to say");
    assert_eq!(refused.kind, FaultKind::Forbidden);
    for (event, filter, code) in [
        ("Ping", None, "EVENT_INVALID"),
        ("Ping.*", Some("data.n >"), "FILTER_INVALID"),
        ("Ping.*", Some("data.n == input.n"), "FILTER_INVALID"),
    ] {
        let refused = a.relate_object(&scene.caller, b.namespace(), follower(event, filter)).await;
        assert_eq!(refused.expect_err("it cannot be wanted").code, code);
    }
    let odd = RelationWanted { relation: ObjectRelation::Reference, ..follower("Ping.*", None) };
    assert!(a.relate_object(&scene.caller, b.namespace(), odd).await.is_err());
    assert_eq!(a.followers(&scene.caller).await?, []);
    Ok(())
}

/// `seen` writes down in its object what it was told: that is taken back when it does not become durable.
fn seeing() -> ScriptedExecutor {
    let executor = executor(&Told::default());
    executor.on("seen", |job, mut host| async move {
        let payload = job.input.to_value();
        outcome(ask(&mut host, put("Seen", &text(&payload, "id"), &json!({}))).await)
    });
    executor
}

/// Every event of the source was seen by the follower, once; how many there are.
async fn check(scene: &Scene) -> anyhow::Result<usize> {
    let (a, b) = (object(scene, "a").await?, object(scene, "b").await?);
    let wanted: BTreeMap<String, usize> =
        events_of(scene, &a, "Customer").await?.iter().map(|e| (format!("Seen/{}", e.id), 1)).collect();
    let found = scene.until("all is seen", || async {
        let mut seen = BTreeMap::new();
        for event in events_of(scene, &b, "Seen").await? {
            *seen.entry(event.source).or_insert(0) += 1;
        }
        Ok((seen.len() >= wanted.len()).then_some(seen))
    });
    assert_eq!(found.await?, wanted);
    scene.until_quiet().await?;
    let copies: Vec<_> = events_of(scene, &b, "Customer").await?.iter().map(|e| e.id).collect();
    let originals: Vec<_> = events_of(scene, &a, "Customer").await?.iter().map(|e| e.id).collect();
    assert_eq!(copies, originals, "each once, and in order");
    Ok(originals.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_after_any_commit_of_either_a_follower_sees_every_event_once() -> anyhow::Result<()> {
    let (dir, records) = (tempfile::tempdir()?, Arc::new(Mutex::new(Vec::new())));
    let tape = records.clone();
    let log = HeardLog::open(dir.path(), move |batch| {
        tape.lock().expect("no test panics with it").extend_from_slice(batch);
        true
    })?;
    let scene = Scene::of(TestNode::open_on(dir.path(), Arc::new(log), seeing(), |_| {}).await?).await?;
    scene.deploy(&["put", "seen"]).await?;
    let (a, b) = (object(&scene, "a").await?, object(&scene, "b").await?);
    follows(&scene, &a, &b, follower("Customer.*", None)).await?;
    subscribe(&scene, &b, "Customer.*", "seen").await?;
    let before = records.lock().expect("no test panics with it").len();
    for id in ["x", "y", "x"] {
        run(
            &scene,
            &a,
            "put",
            &json!({ "noun": "Customer", "id": id, "n": records.lock().expect("it is whole").len() }),
        )
        .await?;
    }
    assert_eq!(check(&scene).await?, 3);
    let all = records.lock().expect("no test panics with it").clone();
    drop((a, b, scene));
    let mut events = 0;
    for count in before..=all.len() {
        let left = stopped_after(dir.path(), &all[..count])?;
        let scene = Scene::of(TestNode::open(left.path(), seeing()).await?).await?;
        events += check(&scene).await?;
    }
    assert!(events > all.len() - before, "most of the stops were behind an event");
    Ok(())
}
