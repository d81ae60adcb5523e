//! Compaction, and the way back.

use super::*;
use org_ai_runtime::{BranchWanted, CompactWanted};
use types::BranchName;

fn compact() -> Lifecycle {
    Lifecycle::Compact(CompactWanted { archive: true, ..CompactWanted::default() })
}

/// Ten versions of one thing, and another that was deleted.
async fn ten_versions(test: &TestNode, object: &Object) -> anyhow::Result<()> {
    for n in 1..=10 {
        put(test, object, &View::default(), "Note/a", json!({ "n": n })).await?;
    }
    put(test, object, &View::default(), "Note/gone", json!({ "n": 0 })).await?;
    delete(test, object, "Note/gone").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn history_goes_to_an_archive_and_comes_back_under_its_numbers() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let crm = crm(&test).await?;
    let refused = begin(&test, &crm, compact()).await?.expect_err("it is empty");
    assert_eq!((refused.kind, refused.code.as_str()), (types::FaultKind::Conflict, "NOTHING_TO_COMPACT"));
    ten_versions(&test, &crm).await?;
    let actions_before = crm.actions(&test.caller(&["*.*"])?, &actions()).await?.items.len();

    let result = done(&test, &crm, compact()).await?;
    assert_eq!((&result["thingsCompacted"], &result["versionsArchived"]), (&json!(2), &json!(11)), "{result}");
    assert_eq!((&result["actionsArchived"], &result["eventsArchived"]), (&json!(actions_before), &json!(0)));
    assert!(result["bytesFreed"].as_u64() > Some(1000), "{result}");
    assert_eq!(n_at(&test, &crm, "Note/a", "").await?, Ok(json!(10)), "the newest stays under its number");
    assert_eq!(n_at(&test, &crm, "Note/a", "v10").await?, Ok(json!(10)));
    for gone in ["~1", "~9", "v1", "v9", "main~3"] {
        assert_eq!(n_at(&test, &crm, "Note/a", gone).await?, Err("GONE".into()), "@{gone}");
    }
    assert_eq!(n_at(&test, &crm, "Note/a", "~10").await?, Err("NOT_FOUND".into()), "there never was one");
    let fault = crm.thing(&test.caller(&["*.*"])?, &key("Note/a"), &at("~1")).await.expect_err("archived");
    let archive = fault.details.expect("they name the archive").to_value()["archive"].clone();
    assert_eq!(archive, result["archive"]);
    let floor = crm.history_floor(&test.caller(&["*.*"])?, &key("Note/a"), &View::default()).await?;
    assert_eq!(floor, Some(10));
    assert_eq!(n_at(&test, &crm, "Note/gone", "").await?, Err("NOT_FOUND".into()));
    let verbs = event_verbs(&test, &crm).await?;
    assert_eq!(verbs.len(), 12 + 2, "events that the lake has not stay: {verbs:?}");
    assert_eq!(verbs[12..], ["compact.started", "compact.completed"]);

    let again = done(&test, &crm, compact()).await?;
    assert_eq!(again["versionsArchived"], 0);
    assert_eq!((&again["thingsCompacted"], &again["actionsArchived"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(again["archive"], Value::Null);
    assert_eq!(put(&test, &crm, &View::default(), "Note/b", json!({})).await?, 13, "no number is used again");

    let archive = archive.as_str().expect("an id").parse()?;
    let restored = done(&test, &crm, Lifecycle::Restore { archive }).await?;
    assert_eq!(restored["versions"], 11, "{restored}");
    assert_eq!(n_at(&test, &crm, "Note/a", "~1").await?, Ok(json!(9)));
    assert_eq!(n_at(&test, &crm, "Note/a", "v1").await?, Ok(json!(1)));
    assert_eq!(n_at(&test, &crm, "Note/gone", "v11").await?, Ok(json!(0)));
    assert_eq!(n_at(&test, &crm, "Note/gone", "").await?, Err("NOT_FOUND".into()), "it is deleted still");
    assert_eq!(done(&test, &crm, Lifecycle::Restore { archive }).await?["versions"], 0, "nothing twice");
    let unknown = begin(&test, &crm, Lifecycle::Restore { archive: types::Id::from_u128(1) }).await?;
    assert_eq!(unknown.expect_err("there is none").code, "ARCHIVE_NOT_FOUND");
    Ok(())
}

fn actions() -> store::ActionFilter {
    store::ActionFilter { limit: 1000, ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_branch_or_a_merge_stands_on_stays() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    for n in 1..=3 {
        put(&test, &crm, &View::default(), "Note/a", json!({ "n": n })).await?;
    }
    let x = BranchName::parse("x")?;
    crm.branch(&all, &View::default(), BranchWanted { name: x.clone(), things: None }).await?;
    put(&test, &crm, &at("x"), "Note/other", json!({ "n": "on x" })).await?;
    delete(&test, &crm, "Note/a").await?;
    for n in 6..=9 {
        put(&test, &crm, &View::default(), "Note/b", json!({ "n": n })).await?;
    }
    let result = done(&test, &crm, compact()).await?;
    assert_eq!(result["versionsArchived"], 2 + 3, "{result}");
    assert_eq!(n_at(&test, &crm, "Note/a", "x").await?, Ok(json!(3)), "the branch sees what it was made of");
    assert_eq!(n_at(&test, &crm, "Note/a", "v3").await?, Ok(json!(3)));
    assert_eq!(n_at(&test, &crm, "Note/a", "v2").await?, Err("GONE".into()));
    assert_eq!(n_at(&test, &crm, "Note/a", "").await?, Err("NOT_FOUND".into()), "main has deleted it");
    let merged = crm
        .merge(&all, &View::default(), org_ai_runtime::MergeWanted { source: Some(x), ..Default::default() })
        .await?;
    assert!(merged.merged, "{merged:?}");
    assert_eq!(n_at(&test, &crm, "Note/a", "").await?, Err("NOT_FOUND".into()), "deleted here, unchanged there");
    assert_eq!(n_at(&test, &crm, "Note/other", "").await?, Ok(json!("on x")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn some_versions_can_be_kept() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let crm = crm(&test).await?;
    ten_versions(&test, &crm).await?;
    let wanted = CompactWanted { keep: Some(3), archive: false, preserve: vec!["v2".into()], ..Default::default() };
    let result = done(&test, &crm, Lifecycle::Compact(wanted)).await?;
    assert_eq!((&result["versionsArchived"], &result["archive"]), (&json!(6 + 2), &Value::Null), "{result}");
    for (there, n) in [("v2", 2), ("v8", 8), ("~1", 9), ("~2", 8)] {
        assert_eq!(n_at(&test, &crm, "Note/a", there).await?, Ok(json!(n)), "@{there}");
    }
    assert_eq!(n_at(&test, &crm, "Note/a", "~3").await?, Err("GONE".into()), "v2 is not taken for the fourth");
    for bad in [
        CompactWanted { keep: Some(0), ..Default::default() },
        CompactWanted { before: Some("yesterday".into()), ..Default::default() },
        CompactWanted { preserve: vec!["x".into()], ..Default::default() },
    ] {
        let refused = begin(&test, &crm, Lifecycle::Compact(bad)).await?.expect_err("bad input");
        assert_eq!(refused.code, "VALIDATION_FAILED");
    }
    let early = CompactWanted { before: Some("2000-01-01".into()), archive: true, ..Default::default() };
    assert_eq!(done(&test, &crm, Lifecycle::Compact(early)).await?["versionsArchived"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_of_a_compaction_leaves_all_or_nothing_and_it_finishes() -> anyhow::Result<()> {
    for point in [
        "compact.begun",
        "compact.written",
        "compact.archived",
        "compact.decided",
        "compact.removed",
        "lifecycle.completing",
    ] {
        let dir = tempfile::tempdir()?;
        let test = open_stopping(dir.path(), point).await?;
        let object = crm(&test).await?;
        ten_versions(&test, &object).await?;
        let stopped = begin(&test, &object, compact()).await??.finished().await?;
        assert_eq!(stopped.status, ActionStatus::Running, "{point}");
        let now = n_at(&test, &object, "Note/a", "~1").await?;
        assert!(now == Ok(json!(9)) || now == Err("GONE".into()), "{point}: {now:?}");
        drop(object);
        close(test).await;

        let test = open(dir.path()).await?;
        let object = crm(&test).await?;
        let row = settled(&test, &object, "compact").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        let result = row.options.to_value()["output"].take();
        assert_eq!(result["versionsArchived"], 11, "{point}");
        assert_eq!(n_at(&test, &object, "Note/a", "").await?, Ok(json!(10)), "{point}");
        assert_eq!(n_at(&test, &object, "Note/a", "~1").await?, Err("GONE".into()), "{point}");
        let archive = result["archive"].as_str().expect("an id").parse()?;
        assert_eq!(done(&test, &object, Lifecycle::Restore { archive }).await?["versions"], 11, "{point}");
        assert_eq!(n_at(&test, &object, "Note/a", "v1").await?, Ok(json!(1)), "{point}");
        let verbs = event_verbs(&test, &object).await?;
        assert_eq!(verbs.iter().filter(|verb| verb.starts_with("compact.")).count(), 2, "{point}: {verbs:?}");
        assert_eq!(std::fs::read_dir(dir.path().join("lifecycle"))?.count(), 0, "{point}: no mark is left");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_learns_that_a_thing_was_deleted_before_a_compaction() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    put(&test, &crm, &View::default(), "Note/a", json!({ "n": 1 })).await?;
    let x = BranchName::parse("x").expect("it is a name");
    crm.branch(&all, &View::default(), BranchWanted { name: x.clone(), things: None }).await?;
    put(&test, &crm, &at("x"), "Note/b", json!({ "n": 2 })).await?;
    let to_main = org_ai_runtime::MergeWanted { source: Some(x), ..Default::default() };
    assert!(crm.merge(&all, &View::default(), to_main).await?.merged);
    delete(&test, &crm, "Note/b").await?;
    done(&test, &crm, compact()).await?;
    assert!(crm.merge(&all, &at("x"), org_ai_runtime::MergeWanted::default()).await?.merged);
    assert_eq!(n_at(&test, &crm, "Note/b", "x").await?, Err("NOT_FOUND".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_stopped_goes_on_at_the_next_start() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open_stopping(dir.path(), "restore.returned").await?;
    let object = crm(&test).await?;
    ten_versions(&test, &object).await?;
    let archive = done(&test, &object, compact()).await?["archive"].as_str().expect("an id").parse()?;
    let stopped = begin(&test, &object, Lifecycle::Restore { archive }).await??.finished().await?;
    assert_eq!(stopped.status, ActionStatus::Running);
    drop(object);
    close(test).await;

    let test = open(dir.path()).await?;
    let object = crm(&test).await?;
    let row = settled(&test, &object, &stopped.verb).await?;
    assert_eq!((row.id, row.status), (stopped.id, ActionStatus::Completed), "{:?}", row.error);
    for n in 1..=10 {
        assert_eq!(n_at(&test, &object, "Note/a", &format!("v{n}")).await?, Ok(json!(n)));
    }
    assert_eq!(std::fs::read_dir(dir.path().join("lifecycle"))?.count(), 0, "no mark is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_is_not_restored() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let crm = crm(&test).await?;
    ten_versions(&test, &crm).await?;
    let result = done(&test, &crm, compact()).await?;
    let folder = std::fs::read_dir(dir.path().join("archives"))?.next().expect("one object")?.path();
    let file = std::fs::read_dir(&folder)?.next().expect("one archive")?.path();
    let whole = std::fs::read_to_string(&file)?;
    for damaged in [whole.replacen(r#""n":4"#, r#""n":5"#, 1), whole[..whole.len() / 2].to_owned(), String::new()] {
        std::fs::write(&file, damaged)?;
        let archive = result["archive"].as_str().expect("an id").parse()?;
        let row = begin(&test, &crm, Lifecycle::Restore { archive }).await??.finished().await?;
        assert_eq!(row.status, ActionStatus::Failed);
        assert_eq!(row.error.map(|fault| fault.code).as_deref(), Some("ARCHIVE_DAMAGED"));
        assert_eq!(n_at(&test, &crm, "Note/a", "~1").await?, Err("GONE".into()), "nothing came back");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_does_one_operation_at_a_time() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open_stopping(dir.path(), "compact.begun").await?;
    let crm = crm(&test).await?;
    ten_versions(&test, &crm).await?;
    let first = begin(&test, &crm, compact()).await??.finished().await?;
    assert_eq!(first.status, ActionStatus::Running, "it was stopped");
    let fork = org_ai_runtime::ForkWanted { to: "https://copy.test".into(), branch: None, at: None };
    for wanted in [compact(), Lifecycle::Fork(fork)] {
        let refused = begin(&test, &crm, wanted).await?.expect_err("one goes on");
        assert_eq!((refused.kind, refused.code.as_str()), (types::FaultKind::Conflict, "OPERATION_RUNNING"));
        let details = refused.details.expect("it names the other").to_value();
        assert_eq!(details["action"], first.id.to_string());
    }
    drop(crm);
    close(test).await;
    // It is finished when the object is next opened; then there is room for another.
    let test = open(dir.path()).await?;
    let crm = self::crm(&test).await?;
    assert_eq!(settled(&test, &crm, "compact").await?.status, ActionStatus::Completed);
    assert_eq!(done(&test, &crm, compact()).await?["versionsArchived"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_does_it_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    ten_versions(&test, &crm).await?;
    let idempotency = |body: &str| Some(org_ai_runtime::Idempotency::of("once".into(), &["compact"], body));
    let first = crm.lifecycle(&all, compact(), idempotency("{}")).await?;
    let second = crm.lifecycle(&all, compact(), idempotency("{}")).await?;
    assert!(second.replayed && first.action == second.action);
    assert_eq!(second.finished().await?.options.to_value()["output"]["versionsArchived"], 11);
    let other = crm.lifecycle(&all, compact(), idempotency("{\"keep\":1}")).await.expect_err("another request");
    assert_eq!(other.code, "IDEMPOTENCY_KEY_REUSED");
    let nobody = crm.lifecycle(&test.caller(&["*.read"])?, compact(), None).await.expect_err("no scope");
    assert_eq!(nobody.kind, types::FaultKind::Forbidden);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_branch_is_made_of_a_state_that_an_archive_has_a_part_of() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    put(&test, &crm, &View::default(), "Note/a", json!({ "n": 1 })).await?;
    put(&test, &crm, &View::default(), "Gone/g", json!({ "n": 2 })).await?;
    delete(&test, &crm, "Gone/g").await?;
    let branch = async |from: &str, name: &str| {
        let wanted = BranchWanted { name: BranchName::parse(name).expect("it is a name"), things: None };
        crm.branch(&all, &at(from), wanted).await.map(|branch| branch.base).map_err(|fault| fault.code)
    };
    branch("main", "x").await.expect("it is made");
    for n in 4..=6 {
        put(&test, &crm, &at("x"), "Note/b", json!({ "n": n })).await?;
    }
    let result = done(&test, &crm, compact()).await?;
    let gone = Err("GONE".to_owned());
    assert_eq!(branch("v2", "y").await, gone.clone(), "nothing of its noun is left");
    assert_eq!(branch("v4", "y").await, gone, "it was a state of x, where v4 was the newest");
    assert_eq!(branch("v6", "of-x").await, Ok(6), "that is whole");
    assert_eq!(n_at(&test, &crm, "Note/b", "of-x").await?, Ok(json!(6)));
    let fork = org_ai_runtime::ForkWanted { to: "https://copy.test".into(), branch: None, at: Some("v2".into()) };
    assert_eq!(begin(&test, &crm, Lifecycle::Fork(fork)).await?.expect_err("not whole").code, "GONE");
    let archive = result["archive"].as_str().expect("an id").parse()?;
    done(&test, &crm, Lifecycle::Restore { archive }).await?;
    assert_eq!(branch("v4", "y").await, Ok(4));
    assert_eq!(n_at(&test, &crm, "Note/b", "y").await?, Ok(json!(4)));
    Ok(())
}
