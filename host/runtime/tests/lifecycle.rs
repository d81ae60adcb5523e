//! An object as a whole: what an operation does, and that a stop at any of its points leaves all of it or nothing.

#[path = "lifecycle/compact.rs"]
mod compact;
#[path = "lifecycle/destroy.rs"]
mod destroy;
#[path = "lifecycle/fork.rs"]
mod fork;
#[path = "lifecycle/promote.rs"]
mod promote;
#[path = "lifecycle/relocate.rs"]
mod relocate;

use org_ai_runtime::{Begun, Lifecycle, Object, Op, View, Write};
use serde_json::{Value, json};
use std::path::Path;
use testkit::{ScriptedExecutor, TestNode};
use types::{ActionRow, ActionStatus, Fault, Faults, Namespace, ObjectRelation, Ref, ThingKey};

fn ns(text: &str) -> Namespace {
    Namespace::parse(text).expect("tests use real namespaces")
}

fn key(text: &str) -> ThingKey {
    ThingKey::parse(text).expect("tests use real things")
}

fn at(text: &str) -> View {
    View::of(Ref::parse(text).expect("tests use real refs"))
}

async fn open(dir: &Path) -> anyhow::Result<TestNode> {
    let executor = ScriptedExecutor::new();
    executor.on("echo", |job, _| async move { testkit::completed(&job.input.to_value()) });
    TestNode::open(dir, executor).await
}

/// A node whose operations stop at a point as if the process had died there.
async fn open_stopping(dir: &Path, point: &str) -> anyhow::Result<TestNode> {
    let point = point.to_owned();
    TestNode::open_with(dir, ScriptedExecutor::new(), |config| {
        config.faults = Faults::between(point, 1, u64::MAX, || Err(std::io::Error::other("stopped here")));
    })
    .await
}

/// Ends a node, as far as its objects' files and the log are concerned.
async fn close(test: TestNode) {
    test.node.shutdown().await;
}

/// `https://crm.test`, made if it is not there.
async fn crm(test: &TestNode) -> anyhow::Result<Object> {
    let name = ns("https://crm.test");
    if let Some(object) = test.node.object(&name).await? {
        return Ok(object);
    }
    test.root().await?.create_object(&test.caller(&["*.*"])?, name.clone(), "App".into()).await?;
    Ok(test.node.object(&name).await?.expect("it was made"))
}

async fn put(test: &TestNode, object: &Object, view: &View, thing: &str, data: Value) -> anyhow::Result<u64> {
    let input = model::flat::Input::read(json!({ "data": data })).expect("tests write real things");
    let write = Write::of(Op::Put { key: key(thing), input, upsert: true });
    Ok(object.write(&test.caller(&["*.*"])?, view, write).await?.shown.row.version)
}

async fn delete(test: &TestNode, object: &Object, thing: &str) -> anyhow::Result<u64> {
    let write = Write::of(Op::Delete { key: key(thing) });
    Ok(object.write(&test.caller(&["*.*"])?, &View::default(), write).await?.shown.row.version)
}

/// What a thing's `n` is at a ref, or the code of the fault.
async fn n_at(test: &TestNode, object: &Object, thing: &str, reference: &str) -> anyhow::Result<Result<Value, String>> {
    let view = if reference.is_empty() { View::default() } else { at(reference) };
    let found = object.thing(&test.caller(&["*.*"])?, &key(thing), &view).await;
    Ok(found.map(|shown| shown.row.data.to_value()["n"].clone()).map_err(|fault| fault.code))
}

async fn begin(test: &TestNode, object: &Object, wanted: Lifecycle) -> anyhow::Result<Result<Begun, Fault>> {
    Ok(object.lifecycle(&test.caller(&["*.*"])?, wanted, None).await)
}

/// Does it to its end; its result.
async fn done(test: &TestNode, object: &Object, wanted: Lifecycle) -> anyhow::Result<Value> {
    let row = begin(test, object, wanted).await??.finished().await?;
    assert_eq!(row.status, ActionStatus::Completed, "{:?}", row.error);
    Ok(row.options.to_value()["output"].take())
}

/// Waits until the newest operation of an object has ended.
async fn settled(test: &TestNode, object: &Object, verb: &str) -> anyhow::Result<ActionRow> {
    let filter = store::ActionFilter { verb: Some(verb.into()), limit: 1, ..Default::default() };
    let caller = test.caller(&["*.*"])?;
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        loop {
            let row = object.actions(&caller, &filter).await?.items.into_iter().next().expect("it was begun");
            if row.status != ActionStatus::Running {
                return anyhow::Ok(row);
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    waited.await?
}

/// The children of an object as its own rows tell, and as many as it says it has.
async fn children(test: &TestNode, object: &Object) -> anyhow::Result<Vec<String>> {
    let caller = test.caller(&["*.*"])?;
    let rows = object.objects(&caller).await?.into_iter().filter(|row| row.relation == ObjectRelation::Child);
    let children: Vec<_> = rows.map(|row| row.namespace.to_string()).collect();
    assert_eq!(object.about(&caller).await?.children, children.len() as u64);
    Ok(children)
}

async fn event_verbs(test: &TestNode, object: &Object) -> anyhow::Result<Vec<String>> {
    let filter = store::EventFilter { limit: 1000, ..Default::default() };
    let events = object.events(&test.caller(&["*.*"])?, &filter).await?.items;
    Ok(events.into_iter().map(|event| event.verb).collect())
}
