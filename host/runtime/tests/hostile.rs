//! Things that are too long, too deep, too large or too many, and a file that is broken: each time a clear refusal,
//! nothing written, and the next request served.

mod scene;

use org_ai_runtime::{BranchWanted, Expect, Op, PatchOf, View, Write};
use scene::{Scene, branch, code, create, key, listing, noun, view};
use serde_json::{Value, json};
use testkit::ScriptedExecutor;
use types::{BranchName, Fault, FaultKind, Namespace};

/// Data so many levels deep, itself counted.
fn deep(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({ "k": inner }))
}

fn fields(fault: &Fault) -> Vec<String> {
    let details = fault.details.as_ref().map(types::Json::to_value).unwrap_or_default();
    details.as_array().into_iter().flatten().filter_map(|e| e["field"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_too_large_is_refused_by_name() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    let long = "x".repeat(10_000);
    let op = |body: Value| Op::Create { noun: noun("Note"), input: scene::input(body), revive: false };
    s.write("", op(json!({ "id": "ok" }))).await?;
    for (body, field) in [
        (json!({ "id": long }), "id"),
        (json!({ "id": "-x" }), "id"),
        (json!({ "id": "a\nb" }), "id"),
        (json!({ "id": " a" }), "id"),
        (json!({ "id": "a", "name": long, "data": {} }), "name"),
        (json!({ "id": "a", long.as_str(): 1 }), "data"),
    ] {
        let refused = s.write("", op(body)).await.expect_err(field);
        assert_eq!((refused.kind, fields(&refused)), (FaultKind::Invalid, vec![field.to_owned()]), "{refused:?}");
        assert!(refused.message.len() < 1_000, "a message does not repeat 10 KB");
    }
    let large = "x".repeat(1_100_000);
    let put =
        |text: &str| Op::Put { key: key("Note/large"), input: scene::input(json!({ "text": text })), upsert: true };
    let refused = s.write("", put(&large)).await.expect_err("it is larger than a megabyte");
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Limit, "DATA_LIMIT"));
    s.write("", put(&large[..1_000_000])).await?;
    // Each part fits, what comes of them does not.
    assert_eq!(code(s.patch("", "Note/large", json!({ "more": large[..100_000] })).await), "DATA_LIMIT");
    let patch = |patch: Value| {
        let patch = PatchOf::Json(model::patch::Patch::parse(&patch).expect("a JSON patch"));
        s.write("", Op::Patch { key: key("Note/ok"), patch })
    };
    let add = |path: &str| json!([{ "op": "add", "path": path, "value": 1 }]);
    assert_eq!(code(patch(add(&format!("/data/{}", &long[..1_025]))).await), "VALIDATION_FAILED");
    assert_eq!(code(patch(add("/data/$secret")).await), "VALIDATION_FAILED", "no way around what is reserved");
    assert_eq!(code(patch(add("/id")).await), "VALIDATION_FAILED");
    assert_eq!(s.ids("", "Note").await, "large:2 ok:1");
    assert_eq!(s.events().await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn data_are_64_levels_deep_at_most_and_shown_whole() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    s.create("", "Note/deep", deep(64)).await?;
    assert_eq!(code(s.create("", "Note/deeper", deep(65)).await), "VALIDATION_FAILED");
    assert_eq!(code(s.patch("", "Note/deep", json!({ "j": deep(64) })).await), "VALIDATION_FAILED");
    let shown = s.get("", "Note/deep").await?.to_json(s.root.namespace()).to_value();
    assert_eq!(shown["data"], deep(64));
    // The data of an edge lie one level deeper in its thing.
    let relate =
        async |data: Value| s.root.relate(&s.all, &View::default(), &key("Note/deep"), "owns", "Note/x", data).await;
    assert_eq!(code(relate(deep(64)).await), "VALIDATION_FAILED");
    relate(deep(63)).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/deep", json!({ "more": 1 })).await?;
    assert!(s.merge("x", "").await?.merged);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_branches_are_made_listed_and_read() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    s.create("", "Note/a", json!({ "n": 0 })).await?;
    let made = (0..1_000).map(|n| {
        let (root, all) = (s.root.clone(), s.all.clone());
        async move {
            let name = branch(&format!("b{n:04}"));
            root.branch(&all, &View::default(), BranchWanted { name, things: None }).await
        }
    });
    for made in futures::future::join_all(made).await {
        made?;
    }
    s.patch("b0999", "Note/a", json!({ "n": 999 })).await?;
    for n in 0..200 {
        s.patch("", "Note/a", json!({ "n": n })).await?;
    }
    let all = s.root.branches(&s.all).await?;
    assert_eq!((all.len(), all[0].name.as_str(), all[1_000].name.as_str()), (1_001, "main", "b0999"));
    assert_eq!((all[1_000].ahead, all[1_000].behind, all[1].ahead, all[1].behind), (1, 1, 0, 1));
    assert_eq!(
        (s.data("b0999", "Note/a").await["n"].clone(), s.data("b0000", "Note/a").await["n"].clone()),
        (json!(999), json!(0))
    );
    assert!(BranchName::parse("v12").is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_stand_so_deep_on_each_other_and_no_deeper() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    s.create("", "Note/a", json!({ "n": 0 })).await?;
    let mut from = String::new();
    for n in 0..16 {
        let name = format!("b{n}");
        s.branch(&from, &name).await?;
        s.patch(&name, "Note/a", json!({ name.as_str(): n })).await?;
        from = name;
    }
    assert_eq!(code(s.branch("b15", "b16").await), "BRANCH_DEPTH_LIMIT");
    assert_eq!(s.data("b15", "Note/a").await.as_object().map(|o| o.len()), Some(17));
    assert_eq!(s.history("b15", "Note/a").await.len(), 17);
    assert!(s.merge("b15", "").await?.merged);
    assert_eq!(s.data("", "Note/a").await, s.data("b15", "Note/a").await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_while_eight_write_loses_nothing() -> anyhow::Result<()> {
    const WRITES: u64 = 40;
    let s = Scene::new().await?;
    for n in 0..8 {
        s.create("", &format!("Note/n{n}"), json!({})).await?;
    }
    s.branch("", "x").await?;
    let writers = (0..8u64).map(|n| {
        let (root, all) = (s.root.clone(), s.all.clone());
        tokio::spawn(async move {
            let thing = key(&format!("Note/n{n}"));
            for count in 1..=WRITES {
                // The same thing on both sides, in fields of their own; a shared count by compare and swap.
                for (at, field) in [("", "main"), ("x", "x")] {
                    let patch = PatchOf::Merge { patch: json!({ field: count }), if_version: None };
                    root.write(&all, &view(at), Write::of(Op::Patch { key: thing.clone(), patch })).await?;
                }
                add_one(&root, &all).await?;
            }
            Ok::<_, Fault>(())
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut merges = 0;
    while writers.iter().any(|writer| !writer.is_finished()) {
        let merged = s.merge("x", "").await?;
        assert!(merged.merged, "each side has fields of its own: {merged:?}");
        merges += usize::from(!merged.versions.is_empty());
    }
    for writer in writers {
        writer.await??;
    }
    s.merge("x", "").await?;
    assert!(s.merge("x", "").await?.versions.is_empty());
    assert!(merges > 1, "they were at it together");
    for n in 0..8 {
        assert_eq!(s.data("", &format!("Note/n{n}")).await, json!({ "main": WRITES, "x": WRITES }));
    }
    assert_eq!(s.data("", "Note/count").await["n"], WRITES * 8);
    s.events().await?;
    Ok(())
}

async fn add_one(root: &org_ai_runtime::Object, all: &org_ai_runtime::Caller) -> Result<(), Fault> {
    loop {
        let (n, expect) = match root.thing(all, &key("Note/count"), &View::default()).await {
            Ok(shown) => {
                (shown.row.data.to_value()["n"].as_u64().unwrap_or(0), Expect::Versions(vec![shown.row.version]))
            }
            Err(fault) if fault.kind == FaultKind::NotFound => (0, Expect::Absent),
            Err(fault) => return Err(fault),
        };
        let op = Op::Put { key: key("Note/count"), input: scene::input(json!({ "n": n + 1 })), upsert: true };
        match root.write(all, &View::default(), Write { expect, ..Write::of(op) }).await {
            Ok(_) => return Ok(()),
            Err(fault) if fault.code == "PRECONDITION_FAILED" => {}
            Err(fault) => return Err(fault),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_has_its_bounds() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    s.create("", "Note/a", json!({})).await?;
    s.branch("", "x").await?;
    let text = "x".repeat(1_000_000);
    for n in 0..68 {
        s.create("x", &format!("Big/{n}"), json!({ "text": text })).await?;
    }
    let refused = s.merge("x", "").await.expect_err("more than 64 MiB in one transaction");
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Limit, "MERGE_LIMIT"));
    assert_eq!(s.ids("", "Big").await, "NOUN_NOT_FOUND");
    s.delete("x", "Big/0").await?;
    let many: Vec<_> = (0..20_001).map(|n| Write::of(create(&format!("Small/{n}"), json!({})))).collect();
    s.branch("", "y").await?;
    for some in many.chunks(1_000) {
        s.root.write_all(&s.all, &view("y"), some.to_vec(), true).await?;
    }
    assert_eq!(code(s.merge("y", "").await), "MERGE_LIMIT");
    s.create("", "Note/b", json!({})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_cut_in_half_is_one_objects_trouble() -> anyhow::Result<()> {
    let s = Scene::new().await?;
    let names = ["https://a.test", "https://b.test"];
    for name in names {
        s.root.create_object(&s.all, Namespace::parse(name)?, "DO".into()).await?;
        let object = s.test.node.object(&Namespace::parse(name)?).await?.expect("it was made");
        for n in 0..50 {
            let body = json!({ "text": "x".repeat(1_000) });
            object.write(&s.all, &View::default(), Write::of(create(&format!("Note/{n}"), body))).await?;
        }
    }
    let objects = s.root.objects(&s.all).await?;
    let id = objects.iter().find(|row| row.namespace.as_str() == names[0]).expect("it is there").id.to_string();
    let Scene { test, root, all, dir } = s;
    test.node.shutdown().await;
    drop((test, root, all));
    let path = dir.path().join("objects").join(&id[..2]).join(format!("{id}.sqlite"));
    let whole = std::fs::read(&path)?;
    std::fs::write(&path, &whole[..whole.len() / 2])?;
    let s = Scene::open(dir).await?;
    let refused = s.test.node.object(&Namespace::parse(names[0])?).await.expect_err("half of it is gone");
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Unavailable, "STORE_CORRUPT"));
    assert!(!refused.message.contains(&id), "where the file lies is the operator's to know");
    let other = s.test.node.object(&Namespace::parse(names[1])?).await?.expect("it is whole");
    let listed = other.things(&s.all, listing("Note"), &View::default()).await?;
    assert_eq!(listed.items.len(), 50);
    other.write(&s.all, &View::default(), Write::of(create("Note/new", json!({})))).await?;
    s.create("", "Note/new", json!({})).await?;
    assert_eq!(std::fs::read(&path)?.len(), whole.len() / 2, "nobody touched it");
    Ok(())
}

/// Full for a while, at the instant when a transaction is about to be committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_half_way_leaves_nothing_and_the_object_goes_on() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let s = Scene::open(dir).await?;
    s.create("", "Note/a", json!({ "n": 1 })).await?;
    let Scene { test, root, all, dir } = s;
    test.node.shutdown().await;
    drop((test, root, all));
    let failing = types::Faults::between("store.before-commit", 2, 3, || Err(std::io::ErrorKind::StorageFull.into()));
    let test =
        testkit::TestNode::open_with(dir.path(), ScriptedExecutor::new(), |config| config.faults = failing).await?;
    let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
    let mut s = Scene { test, root, all, dir };
    s.patch("", "Note/a", json!({ "n": 2 })).await?;
    for _ in 0..2 {
        let refused = s.patch("", "Note/a", json!({ "n": 3 })).await.expect_err("it could not be committed");
        assert!(matches!(refused.kind, FaultKind::Unavailable | FaultKind::Internal), "{refused:?}");
        // Who holds a handle of an object that left memory asks for it again.
        s.root = s.test.root().await?;
        assert_eq!(s.data("", "Note/a").await, json!({ "n": 2 }));
    }
    assert_eq!(s.patch("", "Note/a", json!({ "n": 4 })).await?.shown.row.version, 3, "no number was used");
    assert_eq!(s.events().await?.len(), 3);
    Ok(())
}

/// Full at the instant when many turns are about to be written down, and again when they are recovered.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_fails_while_turns_are_settled_loses_no_acknowledged_write() -> anyhow::Result<()> {
    /// More than are left in one transaction.
    const WRITES: u64 = 150;
    let dir = tempfile::tempdir()?;
    let failing = types::Faults::between("store.before-settle", 1, 2, || Err(std::io::ErrorKind::StorageFull.into()));
    let test =
        testkit::TestNode::open_with(dir.path(), ScriptedExecutor::new(), |config| config.faults = failing).await?;
    let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
    let mut s = Scene { test, root, all, dir };
    s.create("", "Note/a", json!({ "n": 0 })).await?;
    let mut refused = 0;
    for n in 1..=WRITES {
        let version = loop {
            match s.patch("", "Note/a", json!({ "n": n })).await {
                Ok(wrote) => break wrote.shown.row.version,
                Err(fault) => assert_eq!(fault.kind, FaultKind::Unavailable, "{fault:?}"),
            }
            refused += 1;
            // The first attempt to recover it meets the full disk too.
            while let Err(_full) = s.test.root().await.map(|root| s.root = root) {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(version, n + 1, "what was refused used no number");
    }
    assert!(refused > 0, "the disk was never full");
    let Scene { test, root, all, dir } = s;
    test.node.shutdown().await;
    drop((test, root, all));
    let s = Scene::open(dir).await?;
    assert_eq!(s.data("", "Note/a").await, json!({ "n": WRITES }));
    Ok(())
}
