//! Forks: what comes along, what does not, who may, and what a stop leaves.

use super::*;
use org_ai_runtime::{BranchWanted, Direction, ForkWanted};
use types::{BranchName, FaultKind};

fn fork(to: &str) -> Lifecycle {
    Lifecycle::Fork(ForkWanted { to: to.into(), branch: None, at: None })
}

async fn object(test: &TestNode, name: &str) -> anyhow::Result<Object> {
    Ok(test.node.object(&ns(name)).await?.expect("it is registered"))
}

/// Three live things of two nouns, one that was deleted, with a history; a function, a key and a secret.
async fn fill(test: &TestNode, object: &Object) -> anyhow::Result<()> {
    for n in 1..=3 {
        put(test, object, &View::default(), "Note/a", json!({ "n": n })).await?;
    }
    put(test, object, &View::default(), "Note/gone", json!({})).await?;
    delete(test, object, "Note/gone").await?;
    put(test, object, &View::default(), "Startup/acme", json!({ "n": "acme" })).await?;
    put(test, object, &View::default(), "Startup/b%2Fc", json!({ "n": "b" })).await?;
    object.put_secret(&test.caller(&["*.*"])?, "TOKEN", "s3cret").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_come_along_and_do_not_tick_before_somebody_lets_them() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    test.deploy(&crm, "echo", "scripted:echo").await?;
    let spec = json!({ "name": "s", "schedule": "hourly", "handler": "echo" });
    let original = crm.add_schedule(&all, serde_json::from_value(spec)?).await?;
    done(&test, &crm, fork("https://new.test")).await?;
    let new = object(&test, "https://new.test").await?;
    let copy = new.schedule(&all, "s").await?;
    assert_eq!(copy.spec, original.spec);
    assert!(copy.state.paused && copy.state.next_run_at.is_none() && copy.state.id != original.state.id, "{copy:?}");
    let change = org_ai_runtime::ScheduleChange { paused: Some(false), ..Default::default() };
    assert_eq!(new.change_schedule(&all, "s", change).await?.state.next_run_at, original.state.next_run_at);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_the_present_without_the_past() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    let empty = begin(&test, &crm, fork("https://new.test")).await?.expect_err("it is empty");
    assert_eq!((empty.kind, empty.code.as_str()), (FaultKind::Conflict, "NOTHING_TO_FORK"));
    fill(&test, &crm).await?;
    test.deploy(&crm, "echo", "scripted:echo").await?;
    crm.relate(&all, &View::default(), &key("Startup/acme"), "owns", "Note/a", json!({})).await?;

    let result = done(&test, &crm, fork("https://new.test")).await?;
    assert_eq!(result, json!({ "ns": "https://new.test", "things": 5, "forkedFrom": "https://crm.test@v9" }));
    let new = object(&test, "https://new.test").await?;
    let copy = new.thing(&all, &key("Note/a"), &View::default()).await?;
    let original = crm.thing(&all, &key("Note/a"), &View::default()).await?;
    assert_eq!(copy.row.data, original.row.data);
    assert_eq!(copy.row.born(), original.row.born(), "it was made when it was made");
    assert_eq!(new.versions(&all, &key("Note/a"), &View::default(), None, 10).await?.items.len(), 1);
    assert_eq!(n_at(&test, &new, "Note/gone", "").await?, Err("NOT_FOUND".into()));
    assert_eq!(n_at(&test, &new, "Startup/b%2Fc", "").await?, Ok(json!("b")));
    let numbers: Vec<_> = ["Function/echo", "Note/a", "Startup/acme", "Startup/b%2Fc"].into_iter().collect();
    for thing in numbers {
        let version = new.thing(&all, &key(thing), &View::default()).await?.row.version;
        assert!((1..=5).contains(&version), "{thing} is v{version}");
    }
    let (view, acme) = (View::default(), key("Startup/acme"));
    let edges = new.edges(&all, &view, &acme, Direction::Outbound, None, None, 10).await?;
    assert_eq!(edges.items.len(), 1, "its relationships came along");
    assert_eq!(new.functions(&all).await?.len(), 1, "and its functions, ready to run");
    assert!(new.secret_names(&all).await?.is_empty());
    assert!(new.keys(&all).await?.is_empty());
    assert!(event_verbs(&test, &new).await?.is_empty(), "nothing happened there yet");
    let filter = store::ActionFilter { limit: 10, ..Default::default() };
    assert!(new.actions(&all, &filter).await?.items.is_empty());

    put(&test, &new, &View::default(), "Note/a", json!({ "n": "changed" })).await?;
    assert_eq!(n_at(&test, &crm, "Note/a", "").await?, Ok(json!(3)), "the original is as it was");
    let again = begin(&test, &crm, fork("https://new.test")).await?.expect_err("it exists");
    assert_eq!(again.kind, FaultKind::Conflict);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_and_a_past_state_can_be_forked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    fill(&test, &crm).await?;
    crm.branch(&all, &View::default(), BranchWanted { name: BranchName::parse("x")?, things: None }).await?;
    put(&test, &crm, &at("x"), "Idea/1", json!({ "n": "only there" })).await?;
    let wanted = ForkWanted { to: "https://x.test".into(), branch: Some("x".into()), at: None };
    done(&test, &crm, Lifecycle::Fork(wanted)).await?;
    let x = object(&test, "https://x.test").await?;
    assert_eq!(n_at(&test, &x, "Idea/1", "").await?, Ok(json!("only there")));
    assert_eq!(n_at(&test, &x, "Note/a", "").await?, Ok(json!(3)));
    let wanted = ForkWanted { to: "https://past.test".into(), branch: None, at: Some("v2".into()) };
    assert_eq!(done(&test, &crm, Lifecycle::Fork(wanted)).await?["things"], 1);
    assert_eq!(n_at(&test, &object(&test, "https://past.test").await?, "Note/a", "").await?, Ok(json!(2)));

    let refused = |to: &str, branch: Option<&str>, at: Option<&str>| {
        let wanted = ForkWanted { to: to.into(), branch: branch.map(Into::into), at: at.map(Into::into) };
        begin(&test, &crm, Lifecycle::Fork(wanted))
    };
    assert_eq!(refused("https://y.test", Some("y"), None).await?.expect_err("unknown").kind, FaultKind::NotFound);
    assert_eq!(refused("no url", None, None).await?.expect_err("no url").code, "BAD_REQUEST");
    assert_eq!(refused("https://y.test", None, Some("v99")).await?.expect_err("future").kind, FaultKind::NotFound);
    assert_eq!(refused("https://y.test", None, Some("x")).await?.expect_err("no state").kind, FaultKind::Invalid);
    assert!(test.node.object(&ns("https://y.test")).await?.is_none());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_forks_only_where_its_parent_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    crm.create_object(&all, ns("https://crm.test/acme"), "DO".into()).await?;
    let acme = object(&test, "https://crm.test/acme").await?;
    fill(&test, &acme).await?;
    let elsewhere = begin(&test, &acme, fork("https://other.test")).await?.expect_err("not below crm");
    assert_eq!(elsewhere.kind, FaultKind::Forbidden);
    assert_eq!(done(&test, &acme, fork("https://crm.test/copy")).await?["things"], 3);
    let copy = object(&test, "https://crm.test/copy").await?;
    assert_eq!(children(&test, &crm).await?, ["https://crm.test/acme", "https://crm.test/copy"]);
    assert_eq!(n_at(&test, &copy, "Note/a", "").await?, Ok(json!(3)));
    fill(&test, &crm).await?;
    let mut tenant = test.caller(&["*.*"])?;
    tenant.identity.actor = "https://crm.test/Service/ci".into();
    let refused = crm.lifecycle(&tenant, fork("https://bank.test"), None).await.expect_err("not theirs to take");
    assert_eq!(refused.kind, FaultKind::Forbidden);
    let root = test.root().await?;
    assert_eq!(begin(&test, &root, fork("https://r.test")).await?.expect_err("the root").kind, FaultKind::Forbidden);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_of_a_fork_shows_all_of_it_or_nothing_and_it_finishes() -> anyhow::Result<()> {
    for point in ["fork.begun", "fork.copying", "fork.copied", "fork.registered", "lifecycle.completing"] {
        let dir = tempfile::tempdir()?;
        let test = open_stopping(dir.path(), point).await?;
        let crm = crm(&test).await?;
        crm.create_object(&test.caller(&["*.*"])?, ns("https://crm.test/acme"), "DO".into()).await?;
        let source = object(&test, "https://crm.test/acme").await?;
        fill(&test, &source).await?;
        let stopped = begin(&test, &source, fork("https://crm.test/new")).await??.finished().await?;
        assert_eq!(stopped.status, ActionStatus::Running, "{point}");
        if let Some(new) = test.node.object(&ns("https://crm.test/new")).await? {
            assert_eq!(n_at(&test, &new, "Startup/acme", "").await?, Ok(json!("acme")), "{point}");
            assert!(["fork.registered", "lifecycle.completing"].contains(&point), "{point}: it is seen too early");
        }
        drop((crm, source));
        close(test).await;

        let test = open(dir.path()).await?;
        let source = object(&test, "https://crm.test/acme").await?;
        let row = settled(&test, &source, "fork").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        assert_eq!(row.options.to_value()["output"]["things"], 3, "{point}");
        let crm = object(&test, "https://crm.test").await?;
        assert_eq!(children(&test, &crm).await?, ["https://crm.test/acme", "https://crm.test/new"], "{point}");
        let new = object(&test, "https://crm.test/new").await?;
        assert_eq!(n_at(&test, &new, "Startup/acme", "").await?, Ok(json!("acme")), "{point}");
        assert_eq!(put(&test, &new, &View::default(), "Note/z", json!({})).await?, 4, "{point}: nothing twice");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_fails_leaves_nothing() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open_stopping(dir.path(), "fork.copied").await?;
    let source = crm(&test).await?;
    fill(&test, &source).await?;
    begin(&test, &source, fork("https://new.test")).await??.finished().await?;
    // Somebody takes the name while the fork stands still.
    let all = test.caller(&["*.*"])?;
    test.root().await?.create_object(&all, ns("https://new.test"), "App".into()).await?;
    drop(source);
    close(test).await;

    let test = open(dir.path()).await?;
    let source = crm(&test).await?;
    let row = settled(&test, &source, "fork").await?;
    assert_eq!(row.status, ActionStatus::Failed);
    assert_eq!(row.error.map(|fault| fault.code).as_deref(), Some("OBJECT_EXISTS"));
    assert_eq!(event_verbs(&test, &source).await?.last().map(String::as_str), Some("fork.failed"));
    let theirs = object(&test, "https://new.test").await?;
    assert_eq!(n_at(&test, &theirs, "Note/a", "").await?, Err("NOT_FOUND".into()), "it is somebody else's");
    // Root, source and the other one; what the fork made is gone, also after the log is read again.
    drop((source, theirs));
    close(test).await;
    let test = open(dir.path()).await?;
    crm(&test).await?;
    let files = || -> anyhow::Result<usize> {
        let mut count = 0;
        for folder in std::fs::read_dir(dir.path().join("objects"))? {
            let names = std::fs::read_dir(folder?.path())?;
            count += names.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "sqlite")).count();
        }
        Ok(count)
    };
    assert_eq!(files()?, 3);
    Ok(())
}
