//! Objects as a whole, on a real folder with a real log; only the components are closures.

use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use types::{Call, CallOptions, Fault, FaultKind, Json, Namespace, Reply};

fn executor() -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    executor.on("echo", |job, _| async move { completed(&job.input.to_value()) });
    executor.on("trap", |_, mut host| async move {
        emit(&mut *host, "Order.placed").await;
        host.log(types::LogStream::Stdout, "before the trap".into());
        failed(Fault::failed("TRAP", "unreachable"))
    });
    executor.on("emit", |_, mut host| async move {
        emit(&mut *host, "Order.placed").await;
        completed(&json!(true))
    });
    executor.on("nest", |job, mut host| async move {
        let call = Call::Try { action: "nest".into(), data: job.input, options: CallOptions::default() };
        match host.call(call).await {
            Reply::Fault(fault) => failed(fault),
            other => completed(&json!(format!("{other:?}"))),
        }
    });
    executor.on("wait", |_, host| async move {
        while !host.is_cancelled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        failed(Fault::new(FaultKind::Cancelled, "CANCELLED", "told to stop"))
    });
    executor
}

async fn emit(host: &mut dyn types::exec::Host, event: &str) -> Reply {
    host.call(Call::Emit { event: event.into(), data: Json::null(), source: Some("Order/1".into()) }).await
}

fn ns(text: &str) -> Namespace {
    Namespace::parse(text).expect("tests use real namespaces")
}

async fn verbs(test: &TestNode, object: &org_ai_runtime::Object) -> anyhow::Result<Vec<String>> {
    let filter = store::EventFilter { limit: 1000, ..store::EventFilter::default() };
    let page = object.events(&test.caller(&["*.*"])?, &filter).await?;
    let sequences: Vec<_> = page.items.iter().map(|e| e.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "sequences have no gaps");
    Ok(page.items.into_iter().map(|e| e.verb).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_action_and_its_events() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.deploy(&root, "echo", "scripted:echo 1").await?;
    let invoked = test.invoke(&root, "echo", &json!({ "a": 1, "password": "x" })).await?.expect("it runs");
    let row = root.action(&test.caller(&["actions.read"])?, invoked.action).await?;
    assert_eq!(row.status, types::ActionStatus::Completed);
    assert_eq!(row.options.to_value()["input"], json!({ "a": 1, "password": "[REDACTED]" }));
    assert_eq!(invoked.result.to_value()["password"], "x", "what is kept is redacted, not what is answered");
    assert_eq!(verbs(&test, &root).await?, ["created", "invoked", "completed"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_failed_turn_wrote_is_gone_and_its_log_stays() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.deploy(&root, "trap", "scripted:trap").await?;
    let failed = test.invoke(&root, "trap", &json!(null)).await?.expect_err("it traps");
    assert_eq!(failed.fault.code, "TRAP");
    assert_eq!(verbs(&test, &root).await?, ["created", "invoked", "failed"]);
    let logs = root.logs(&test.caller(&["*.*"])?, &store::LogFilter { limit: 10, ..Default::default() }).await?;
    assert_eq!(logs.items.iter().map(|l| l.line.text.as_str()).collect::<Vec<_>>(), ["before the trap"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_runs_its_parents_function_in_its_own_file() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    let all = test.caller(&["*.*"])?;
    root.create_object(&all, ns("https://crm.test"), "App".into()).await?;
    let app = test.node.object(&ns("https://crm.test")).await?.expect("it was made");
    app.create_object(&all, ns("https://crm.test/acme"), "DO".into()).await?;
    test.deploy(&app, "echo", "scripted:echo app").await?;

    let resolved = test.node.resolve(&ns("https://crm.test/acme/Contact/1")).await?.expect("the longest prefix");
    assert_eq!((resolved.object.namespace().as_str(), resolved.rest.as_str()), ("https://crm.test/acme", "/Contact/1"));
    let sibling = test.node.resolve(&ns("https://crm.test/acmes")).await?.expect("the app");
    assert_eq!(sibling.object.namespace().as_str(), "https://crm.test");
    assert!(test.node.resolve(&ns("https://nobody.test")).await?.is_none());
    let deep = format!("https://crm.test/acme{}", "/x".repeat(100));
    let found = test.node.resolve(&ns(&deep)).await?.expect("a long path is the object's all the same");
    assert_eq!((found.object.namespace().as_str(), found.rest.len()), ("https://crm.test/acme", 200));
    let too_deep = app.create_object(&all, ns("https://crm.test/1/2/3/4/5/6/7/8/9"), "DO".into()).await;
    assert_eq!(too_deep.expect_err("nine segments").code, "NAMESPACE_TOO_DEEP");

    let acme = resolved.object;
    test.invoke(&acme, "echo", &json!(1)).await?.expect("the app's function");
    assert_eq!(verbs(&test, &acme).await?, ["invoked", "completed"]);
    assert_eq!(verbs(&test, &app).await?, ["created", "created"], "the run is the tenant's, not the app's");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_at_its_object_and_below_and_nowhere_else() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    let all = test.caller(&["*.*"])?;
    for name in ["https://a.test", "https://b.test"] {
        root.create_object(&all, ns(name), "Business".into()).await?;
    }
    let a = test.node.object(&ns("https://a.test")).await?.expect("made");
    let b = test.node.object(&ns("https://b.test")).await?.expect("made");
    a.create_object(&all, ns("https://a.test/app"), "App".into()).await?;
    let app = test.node.object(&ns("https://a.test/app")).await?.expect("made");
    let scopes = types::Scopes::new(vec![types::Permission::parse("*.invoke")?]);
    let (row, key) = a
        .issue_key(&all, org_ai_runtime::NewKey { name: "ci".into(), scopes, expires_at: None, subject: None })
        .await?;
    let credential = auth::Credential::ApiKey(key);
    assert!(test.node.authenticate(&a, Some(&credential)).await.is_ok());
    let below = test.node.authenticate(&app, Some(&credential)).await?;
    assert_eq!(&*below.actor, "https://a.test/Service/ci");
    for elsewhere in [&b, &root] {
        let refused = test.node.authenticate(elsewhere, Some(&credential)).await.expect_err("not theirs");
        assert_eq!(refused.kind, FaultKind::Unauthenticated);
    }
    assert!(a.create_object(&all, ns("https://b.test/x"), "App".into()).await.is_err(), "not below a");
    a.revoke_key(&all, row.id).await?;
    assert!(test.node.authenticate(&app, Some(&credential)).await.is_err(), "revoked at once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_allowed_that_no_scope_names() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.deploy(&root, "echo", "scripted:echo").await?;
    let nobody = test.caller(&[])?;
    let options = org_ai_runtime::InvokeOptions::default;
    let refused = root.invoke(&nobody, &"echo".parse()?, Json::null(), options()).await.expect_err("no scope");
    assert_eq!((refused.fault.kind, refused.action), (FaultKind::Forbidden, None));
    assert!(root.functions(&nobody).await.is_err());
    assert!(root.keys(&nobody).await.is_err());
    assert!(root.actions(&nobody, &store::ActionFilter::default()).await.is_err());
    assert!(root.secret_names(&nobody).await.is_err());
    let one = test.caller(&["echo.invoke"])?;
    assert!(root.invoke(&one, &"echo".parse()?, Json::null(), options()).await.is_ok());
    assert!(root.delete_function(&one, &types::FunctionName::parse("echo")?).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn open_objects_stay_within_their_limit_and_lose_nothing() -> anyhow::Result<()> {
    const OBJECTS: usize = 60;
    let dir = tempfile::tempdir()?;
    let test = TestNode::open_with(dir.path(), executor(), |config| config.objects_open_max = 8).await?;
    let root = test.root().await?;
    test.deploy(&root, "echo", "scripted:echo").await?;
    let all = test.caller(&["*.*"])?;
    for n in 0..OBJECTS {
        root.create_object(&all, ns(&format!("https://t.test/{n}")), "DO".into()).await?;
    }
    for round in 1..=2 {
        for n in 0..OBJECTS {
            let object = test.node.object(&ns(&format!("https://t.test/{n}"))).await?.expect("made");
            test.invoke(&object, "echo", &json!(n)).await?.expect("it runs");
            assert_eq!(verbs(&test, &object).await?.len(), 2 * round);
        }
        assert!(test.node.objects_open() <= 8 + 1, "{} are open", test.node.objects_open());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_restart() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let first = TestNode::open(dir.path(), executor()).await?;
    assert!(first.root_key.is_some(), "the first start makes a key");
    let root = first.root().await?;
    first.deploy(&root, "emit", "scripted:emit").await?;
    first.invoke(&root, "emit", &json!(null)).await?.expect("it runs");
    root.put_secret(&first.caller(&["*.*"])?, "TOKEN", "s3cret").await?;
    drop(root);
    first.node.shutdown().await;
    drop(first);

    let second = TestNode::open(dir.path(), executor()).await?;
    assert!(second.root_key.is_none(), "there is one already");
    let root = second.root().await?;
    assert_eq!(verbs(&second, &root).await?, ["created", "invoked", "placed", "completed", "updated"]);
    assert_eq!(root.secret_names(&second.caller(&["*.*"])?).await?, ["TOKEN"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_calling_each_other_end_at_a_depth() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.deploy(&root, "nest", "scripted:nest").await?;
    let failed = test.invoke(&root, "nest", &json!(null)).await?.expect_err("it calls itself");
    assert_eq!(failed.fault.code, "CALL_DEPTH_LIMIT");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_is_told_and_ends() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.deploy(&root, "wait", "scripted:wait").await?;
    let all = test.caller(&["*.*"])?;
    let id = root.send(&all, &"wait".parse()?, Json::null(), org_ai_runtime::InvokeOptions::default()).await?;
    while root.action(&all, id).await?.status != types::ActionStatus::Running {
        tokio::task::yield_now().await;
    }
    root.cancel(&all, id).await?;
    while root.action(&all, id).await?.status == types::ActionStatus::Running {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(root.action(&all, id).await?.status, types::ActionStatus::Cancelled);
    assert_eq!(root.cancel(&all, id).await.expect_err("it is over").kind, FaultKind::Conflict);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_ends_the_run() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    let started = Arc::new(AtomicUsize::new(0));
    let seen = started.clone();
    test.executor.on("hang", move |_, _| {
        seen.fetch_add(1, Ordering::SeqCst);
        std::future::pending()
    });
    test.deploy(&root, "hang", "scripted:hang").await?;
    let gone = tokio::time::timeout(Duration::from_millis(50), test.invoke(&root, "hang", &json!(null))).await;
    assert!(gone.is_err() && started.load(Ordering::SeqCst) == 1);
    let all = test.caller(&["*.*"])?;
    let filter = store::ActionFilter { verb: Some("invoke".into()), limit: 10, ..Default::default() };
    let row = root.actions(&all, &filter).await?.items.into_iter().next().expect("its row");
    assert_eq!(row.status, types::ActionStatus::Cancelled);
    assert_eq!(row.error.map(|e| e.code).as_deref(), Some("CALLER_GONE"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_object_cannot_take_every_place() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open_with(dir.path(), executor(), |config| {
        config.object_runs_max = 2;
        config.admission_wait = Duration::from_millis(50);
    })
    .await?;
    let root = test.root().await?;
    test.deploy(&root, "wait", "scripted:wait").await?;
    test.deploy(&root, "echo", "scripted:echo").await?;
    let all = test.caller(&["*.*"])?;
    root.create_object(&all, ns("https://other.test"), "DO".into()).await?;
    let ids = [
        root.send(&all, &"wait".parse()?, Json::null(), org_ai_runtime::InvokeOptions::default()).await?,
        root.send(&all, &"wait".parse()?, Json::null(), org_ai_runtime::InvokeOptions::default()).await?,
    ];
    for id in ids {
        while root.action(&all, id).await?.status != types::ActionStatus::Running {
            tokio::task::yield_now().await;
        }
    }
    let refused = test.invoke(&root, "echo", &json!(1)).await?.expect_err("both places are taken");
    assert_eq!(refused.fault.code, "TOO_MANY_RUNS");
    let other = test.node.object(&ns("https://other.test")).await?.expect("made");
    test.invoke(&other, "echo", &json!(1)).await?.expect("another object has its own places");
    for id in ids {
        root.cancel(&all, id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_sends_is_told_the_id_of_what_it_sent() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor()).await?;
    let root = test.root().await?;
    test.executor.on("sender", |_, mut host| async move {
        let call = Call::Send { action: "echo".into(), data: Json::null(), options: CallOptions::default() };
        match host.call(call).await {
            Reply::Text(id) => completed(&json!(id)),
            other => completed(&json!(format!("{other:?}"))),
        }
    });
    test.deploy(&root, "echo", "scripted:echo").await?;
    test.deploy(&root, "sender", "scripted:sender").await?;
    let sender = test.invoke(&root, "sender", &json!(null)).await?.expect("it runs");
    let told: types::Id = sender.result.to_value().as_str().expect("an id").parse()?;
    let row = root.action(&test.caller(&["*.*"])?, told).await?;
    assert_eq!((row.target.as_str(), row.parent), ("Function/echo", Some(sender.action)));
    assert_eq!(row.durability, types::Durability::Send);
    Ok(())
}
