//! Objects and each other: rows in both files, whole or not at all, and no cycles.

use commit_log::{CommitLog, LocalLog};
use org_ai_runtime::{ActionFilter, Caller, Config, EventFilter, ManualClock, Node, Object, RelationWanted};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::{START, ScriptedExecutor, TestNode};
use types::exec::Executor;
use types::{ActionStatus, Fault, Faults, Identity, IdentityKind, Namespace, ObjectRelation, Scopes};

fn ns(text: &str) -> Namespace {
    Namespace::parse(text).expect("tests use real namespaces")
}

fn caller() -> Caller {
    let actor = "https://root.test/Service/test".into();
    let identity = Identity { actor, kind: IdentityKind::Service, scopes: Scopes::all(), key: None };
    Caller { identity, request_id: "r".into() }
}

async fn open(dir: &Path, faults: Faults) -> anyhow::Result<Node> {
    let config = commit_log::Config { faults, ..commit_log::Config::STANDARD };
    let log: Arc<dyn CommitLog> = Arc::new(LocalLog::open(&dir.join("log"), &config)?);
    let config = Config::standard(dir.to_owned(), ns("https://root.test"));
    let executor: Arc<dyn Executor> = Arc::new(ScriptedExecutor::new());
    Ok(Node::open(config, log, executor, Arc::new(ManualClock::new(START)), None).await?.node)
}

async fn object(node: &Node, name: &str) -> anyhow::Result<Object> {
    node.object(&ns(name)).await?.ok_or_else(|| anyhow::anyhow!("{name} is not there"))
}

/// `relation namespace`, by namespace.
async fn rows(object: &Object) -> anyhow::Result<Vec<String>> {
    let rows = object.objects(&caller()).await?;
    Ok(rows.iter().map(|row| format!("{} {} {}", row.relation.as_str(), row.namespace, row.class)).collect())
}

async fn relate(object: &Object, other: &str, relation: ObjectRelation) -> Result<bool, Fault> {
    let wanted = RelationWanted::of(relation);
    object.relate_object(&caller(), &ns(other), wanted).await.map(|(_, created)| created)
}

/// Nothing fails before the number is set; then everything fails from the write of that number on.
fn failing_from(point: &str) -> (Faults, Arc<AtomicU64>) {
    let left = Arc::new(AtomicU64::new(u64::MAX));
    let counted = left.clone();
    let faults = Faults::between(point, 1, u64::MAX, move || {
        let before = counted.load(Ordering::SeqCst);
        let after = if before == u64::MAX { before } else { before.saturating_sub(1) };
        counted.store(after, Ordering::SeqCst);
        if after == 0 { Err(std::io::Error::other("the disk is gone")) } else { Ok(()) }
    });
    (faults, left)
}

const APP: &str = "https://app.test";
const CHILD: &str = "https://app.test/acme";

/// What is there of the child after a crash: in the registry, in its own file and in its parent's, with its action and
/// its event.
async fn check_whole_or_absent(node: &Node) -> anyhow::Result<bool> {
    let app = object(node, APP).await?;
    let there = node.object(&ns(CHILD)).await?;
    let in_parent = rows(&app).await?.contains(&format!("child {CHILD} DO"));
    assert_eq!(in_parent, there.is_some());
    if let Some(child) = &there {
        assert_eq!(rows(child).await?, [format!("parent {APP} App")]);
    }
    let target = format!("Object/{CHILD}");
    let filter = ActionFilter { target: Some(target.clone()), limit: 100, ..ActionFilter::default() };
    let done = app.actions(&caller(), &filter).await?.items;
    let completed = done.iter().filter(|action| action.status == ActionStatus::Completed).count();
    assert!(done.iter().all(|action| action.status != ActionStatus::Running), "{done:?}");
    let events = app.events(&caller(), &EventFilter { limit: 100, ..EventFilter::default() }).await?.items;
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    let told = events.iter().filter(|event| event.source == target).count();
    assert_eq!((completed, told), if there.is_some() { (1, 1) } else { (0, 0) });
    Ok(there.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_a_child_is_made_leaves_all_of_it_or_nothing() -> anyhow::Result<()> {
    let mut outcomes = BTreeSet::new();
    for point in ["log.before-write", "log.after-write", "log.after-sync"] {
        for nth in 1..=4 {
            let dir = tempfile::tempdir()?;
            let (faults, left) = failing_from(point);
            let node = open(dir.path(), faults).await?;
            let root = object(&node, "https://root.test").await?;
            root.create_object(&caller(), ns(APP), "App".into()).await?;
            let app = object(&node, APP).await?;
            rows(&app).await?;
            left.store(nth, Ordering::SeqCst);
            let made = app.create_object(&caller(), ns(CHILD), "DO".into()).await;
            drop((root, app));
            node.shutdown().await;
            drop(node);

            let node = open(dir.path(), Faults::none()).await?;
            let there = check_whole_or_absent(&node).await?;
            assert!(there || made.is_err(), "{point} {nth}: it was answered, and is gone");
            outcomes.insert((made.is_ok(), there));
            let again = object(&node, APP).await?.create_object(&caller(), ns(CHILD), "DO".into()).await;
            assert_eq!(again.is_ok(), !there, "{point} {nth}");
            node.shutdown().await;
        }
    }
    // It failed and left nothing, it failed and was finished afterwards, it went well.
    assert_eq!(outcomes, BTreeSet::from([(false, false), (false, true), (true, true)]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_has_one_parent_and_is_not_above_itself() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), ScriptedExecutor::new()).await?;
    let root = test.root().await?;
    for name in ["https://a.test", "https://b.test", "https://c.test"] {
        root.create_object(&caller(), ns(name), "Business".into()).await?;
    }
    let (a, b) = (object(&test.node, "https://a.test").await?, object(&test.node, "https://b.test").await?);
    assert!(relate(&b, "https://a.test", ObjectRelation::Parent).await?);
    assert!(!relate(&b, "https://a.test", ObjectRelation::Parent).await?, "it is already");
    assert_eq!(rows(&b).await?, ["parent https://a.test Business"]);
    assert_eq!(rows(&a).await?, ["child https://b.test Business", "parent https://root.test DO"]);
    assert_eq!(b.about(&caller()).await?.parent, Some(ns("https://a.test")));
    assert_eq!((a.about(&caller()).await?.children, root.about(&caller()).await?.children), (1, 2));
    assert!(!rows(&root).await?.iter().any(|row| row.contains("b.test")));

    for (of, other, relation) in [
        (&a, "https://b.test", ObjectRelation::Parent),
        (&b, "https://a.test", ObjectRelation::Child),
        (&a, "https://a.test", ObjectRelation::Parent),
    ] {
        let refused = relate(of, other, relation).await.expect_err("a cycle");
        assert_eq!(refused.code, "OBJECT_CYCLE", "{of:?} {other}");
    }
    assert_eq!(
        relate(&a, "https://root.test", ObjectRelation::Child).await.expect_err("the root").code,
        "OBJECT_IS_ROOT"
    );
    assert_eq!(relate(&a, "https://no.test", ObjectRelation::Parent).await.expect_err("none").code, "OBJECT_NOT_FOUND");
    let taken = relate(&a, "https://b.test", ObjectRelation::Reference).await.expect_err("its child");
    assert_eq!(taken.code, "RELATION_TAKEN");
    assert!(relate(&a, "https://c.test", ObjectRelation::Follower).await?);
    assert!(!relate(&a, "https://c.test", ObjectRelation::Shard).await?, "it is something else now");
    assert!(relate(&a, "https://elsewhere.test/x", ObjectRelation::Reference).await?);

    // Back below the root: the keys of a count no more at b.
    assert!(relate(&root, "https://b.test", ObjectRelation::Child).await?);
    assert_eq!(rows(&b).await?, ["parent https://root.test DO"]);
    assert!(!rows(&a).await?.iter().any(|row| row.contains("b.test")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_no_object_a_parent_that_it_is_not_above() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), ScriptedExecutor::new()).await?;
    let root = test.root().await?;
    for name in ["https://a.test", "https://b.test"] {
        root.create_object(&caller(), ns(name), "Business".into()).await?;
    }
    let a = object(&test.node, "https://a.test").await?;
    let all = types::Permission::parse("*.*").map(|all| Scopes::new(vec![all]))?;
    let new = org_ai_runtime::NewKey { name: "a".into(), scopes: all, expires_at: None, subject: None };
    let (_, key) = a.issue_key(&caller(), new).await?;
    let credential = auth::Credential::ApiKey(key);
    let identity = test.node.authenticate(&a, Some(&credential)).await?;
    let with_key = Caller { identity, request_id: "r".into() };
    for (relation, other) in [(ObjectRelation::Parent, "https://b.test"), (ObjectRelation::Child, "https://b.test")] {
        let wanted = RelationWanted::of(relation);
        let refused = a.relate_object(&with_key, &ns(other), wanted).await.expect_err("b did not agree");
        assert_eq!(refused.code, "FORBIDDEN");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_an_object_changes_its_parent_leaves_one_parent() -> anyhow::Result<()> {
    let mut parents = BTreeSet::new();
    // Until the log takes enough for all of it.
    for nth in 1..=30 {
        let dir = tempfile::tempdir()?;
        let (faults, left) = failing_from("log.before-write");
        let node = open(dir.path(), faults).await?;
        let root = object(&node, "https://root.test").await?;
        for name in ["https://a.test", "https://b.test"] {
            root.create_object(&caller(), ns(name), "App".into()).await?;
        }
        let (a, b) = (object(&node, "https://a.test").await?, object(&node, "https://b.test").await?);
        a.create_object(&caller(), ns("https://a.test/x"), "DO".into()).await?;
        let child = object(&node, "https://a.test/x").await?;
        rows(&child).await?;
        rows(&b).await?;
        left.store(nth, Ordering::SeqCst);
        let moved = relate(&child, "https://b.test", ObjectRelation::Parent).await;
        drop((root, a, b, child));
        node.shutdown().await;
        drop(node);

        let node = open(dir.path(), Faults::none()).await?;
        let child = object(&node, "https://a.test/x").await?;
        let own = rows(&child).await?;
        let parent = child.parent().await?.expect("it has one");
        assert_eq!(own, [format!("parent {parent} App")], "{nth}");
        assert!(moved.is_err() || parent == ns("https://b.test"), "{nth}: it was answered, and is not so");
        for name in ["https://a.test", "https://b.test"] {
            let has = rows(&object(&node, name).await?).await?.contains(&"child https://a.test/x DO".to_owned());
            assert_eq!(has, parent == ns(name), "{nth} {name}");
        }
        parents.insert((moved.is_ok(), parent.to_string()));
        node.shutdown().await;
        if moved.is_ok() {
            break;
        }
    }
    let of = |moved: bool, parent: &str| (moved, parent.to_owned());
    let expected = [of(false, "https://a.test"), of(false, "https://b.test"), of(true, "https://b.test")];
    assert_eq!(parents, BTreeSet::from(expected));
    Ok(())
}
