//! Runs that are taken over to another version, and the timeline of a run.

use super::scene::{Performed, Scene, ask, create, do_, outcome};
use org_ai_runtime::{CompactWanted, InvocationFilter, InvocationStatus, Lifecycle, UpgradeWanted, Upgraded};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::{ScriptedExecutor, completed, failed};
use tokio::sync::Notify;
use types::exec::Host;
use types::{At, Call, Fault, FunctionName, Id, Json, LogStream, Standing};

fn emit(event: &str) -> Call {
    Call::Emit { event: event.into(), data: Json::from_value(&json!({})), source: None }
}

/// Makes the thing that `id` names, waits for `Pay.done`, and answers with `says`.
async fn order(mut host: Box<dyn Host>, id: String, says: &'static str) -> Result<Value, Fault> {
    ask(&mut host, create("Order", &id)).await?;
    host.log(LogStream::Info, format!("made {id}"));
    let wait = Call::WaitFor { event: "Pay.done".into(), filter: None, timeout_ms: None };
    ask(&mut host, wait).await?;
    ask(&mut host, create("Note", &format!("{says}-{id}"))).await?;
    Ok(json!(says))
}

/// `first`, `second` make the same calls, `other` another one, `early` ends before, `refuses` fails; `performed` counts
/// the runs of `second`. `busy` runs until it is let go.
fn executor(performed: &Performed, let_go: &Arc<Notify>) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    let input = |job: &types::exec::Job| job.input.to_value().as_str().unwrap_or("x").to_owned();
    executor.on("first", move |job, host| async move { outcome(order(host, input(&job), "first").await) });
    let runs = performed.clone();
    executor.on("second", move |job, host| {
        runs.one_more();
        async move { outcome(order(host, input(&job), "second").await) }
    });
    executor.on("other", move |job, host| async move {
        outcome(order(host, format!("other-{}", input(&job)), "other").await)
    });
    executor.on("early", |_, _| async { completed(&json!("early")) });
    executor.on("refuses", |_, _| async { failed(Fault::failed("NOT_ME", "it does not like the input")) });
    executor.on("pay", |_, mut host| async move { outcome(ask(&mut host, emit("Pay.done")).await) });
    executor.on("parent", |_, mut host| async move { outcome(ask(&mut host, do_("run", &json!("child"))).await) });
    let go = let_go.clone();
    executor.on("busy", move |_, _| {
        let go = go.clone();
        async move {
            go.notified().await;
            completed(&json!("busy"))
        }
    });
    executor
}

struct Upgrades {
    scene: Scene,
    performed: Performed,
    let_go: Arc<Notify>,
    _dir: tempfile::TempDir,
}

impl Upgrades {
    async fn new() -> anyhow::Result<Self> {
        let (dir, performed, let_go) = (tempfile::tempdir()?, Performed::default(), Arc::new(Notify::new()));
        let scene = Scene::open(dir.path(), executor(&performed, &let_go)).await?;
        scene.deploy(&["pay", "parent"]).await?;
        Ok(Self { scene, performed, let_go, _dir: dir })
    }

    /// Deploys the behaviour of that name as the function `run`; its version.
    async fn deploy(&self, behaviour: &str) -> anyhow::Result<u64> {
        let scene = &self.scene;
        Ok(scene.test.deploy(&scene.root, "run", &format!("scripted:{behaviour}")).await?.function.version)
    }

    /// Accepts a run and waits until it is in that state.
    async fn accepted(&self, input: &str, status: InvocationStatus) -> anyhow::Result<Id> {
        let id = self.scene.accept("run", &json!(input)).await?;
        self.until(id, status).await?;
        Ok(id)
    }

    async fn until(&self, id: Id, status: InvocationStatus) -> anyhow::Result<()> {
        let filter = InvocationFilter { status: Some(status), limit: 100, ..InvocationFilter::default() };
        for _ in 0..5_000 {
            let page = self.scene.root.invocations(&self.scene.caller, &filter).await?;
            if page.items.iter().any(|(i, _)| i.row.id == id) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("{id} is not {}", status.as_str())
    }

    async fn upgrade(&self, to: At, dry_run: bool) -> anyhow::Result<Upgraded> {
        let wanted = UpgradeWanted { to, dry_run, after: 0, limit: 100 };
        Ok(self.scene.root.upgrade(&self.scene.caller, &FunctionName::parse("run")?, wanted).await?)
    }

    async fn version_of(&self, id: Id) -> anyhow::Result<u64> {
        Ok(self.scene.root.invocation(&self.scene.caller, id, 0).await?.invocation.row.version)
    }

    async fn result(&self, id: Id) -> anyhow::Result<Value> {
        self.until(id, InvocationStatus::Completed).await?;
        match self.scene.root.invocation(&self.scene.caller, id, 0).await?.invocation.state.at {
            Standing::Done { output: Some(output) } => Ok(output.to_value()),
            other => anyhow::bail!("{other:?}"),
        }
    }

    /// How many things of a noun there are.
    async fn things(&self, noun: &str) -> anyhow::Result<usize> {
        let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
        let events = self.scene.root.events(&self.scene.caller, &filter).await?;
        Ok(events.items.iter().filter(|e| e.verb == "created" && e.source.starts_with(&format!("{noun}/"))).count())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fits_goes_on_with_the_newer_version_and_nothing_is_done_twice() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    let first = all.deploy("first").await?;
    let id = all.accepted("a", InvocationStatus::Waiting).await?;
    let second = all.deploy("second").await?;

    let told = all.upgrade(At::Head, true).await?;
    assert_eq!((told.moves.as_slice(), told.unfinished, told.to), ([(id, first)].as_slice(), 1, second));
    assert_eq!((all.version_of(id).await?, all.performed.times()), (first, 1), "a dry run replays, and moves nothing");
    let told = all.upgrade(At::Head, false).await?;
    assert_eq!((told.moves.as_slice(), told.diverges.len(), told.busy.len()), ([(id, first)].as_slice(), 0, 0));
    assert_eq!(all.version_of(id).await?, second);
    assert_eq!(all.upgrade(At::Head, false).await?.unfinished, 0, "it is there already");
    assert_eq!((all.things("Order").await?, all.things("Note").await?), (1, 0), "replays perform nothing");

    all.scene.run("pay", &json!(null)).await?;
    assert_eq!(all.result(id).await?, json!("second"));
    assert_eq!((all.things("Order").await?, all.things("Note").await?), (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_would_do_something_else_stays_and_it_is_said_what() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    let first = all.deploy("first").await?;
    let id = all.accepted("a", InvocationStatus::Waiting).await?;
    for (behaviour, asked) in [
        ("other", "things.create Order {\"id\":\"other-a\",\"n\":1}"),
        ("early", "nothing: the run ends before"),
        ("refuses", "nothing: the run fails with NOT_ME: it does not like the input"),
    ] {
        all.deploy(behaviour).await?;
        let told = all.upgrade(At::Head, false).await?;
        assert_eq!((told.moves.len(), told.diverges.len(), told.unfinished), (0, 1, 1), "{behaviour}");
        let one = &told.diverges[0];
        assert_eq!((one.id, one.version, one.divergence.ordinal), (id, first, 0), "{behaviour}");
        assert_eq!(one.divergence.recorded, "things.create Order {\"id\":\"a\",\"n\":1}");
        assert_eq!(one.divergence.asked, asked);
    }
    all.scene.run("pay", &json!(null)).await?;
    assert_eq!(all.result(id).await?, json!("first"));
    assert_eq!((all.things("Order").await?, all.things("Note").await?), (1, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_can_be_moved_back_and_survives_a_restart() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    let first = all.deploy("first").await?;
    let id = all.accepted("a", InvocationStatus::Waiting).await?;
    let second = all.deploy("second").await?;
    all.upgrade(At::Head, false).await?;
    let told = all.upgrade(At::Version(first), false).await?;
    assert_eq!((told.to, told.moves.as_slice()), (first, [(id, second)].as_slice()));
    all.upgrade(At::Head, false).await?;

    let Upgrades { scene, performed, let_go, _dir: dir } = all;
    let executor = executor(&performed, &let_go);
    scene.test.node.shutdown().await;
    drop(scene);
    let scene = Scene::open(dir.path(), executor).await?;
    let all = Upgrades { scene, performed, let_go, _dir: dir };
    assert_eq!(all.version_of(id).await?, second);
    all.scene.run("pay", &json!(null)).await?;
    assert_eq!(all.result(id).await?, json!("second"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_runs_is_left_alone() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    all.deploy("busy").await?;
    let id = all.accepted("a", InvocationStatus::Running).await?;
    all.deploy("early").await?;
    for dry_run in [true, false] {
        let told = all.upgrade(At::Head, dry_run).await?;
        assert_eq!((told.busy.as_slice(), told.moves.len(), told.unfinished), ([id].as_slice(), 0, 1));
    }
    all.let_go.notify_one();
    assert_eq!(all.result(id).await?, json!("busy"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_comes_in_pages() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    all.deploy("first").await?;
    for n in 0..5 {
        all.accepted(&format!("p{n}"), InvocationStatus::Waiting).await?;
    }
    all.deploy("second").await?;
    let (mut after, mut moved, mut pages) = (0, 0, 0);
    loop {
        let wanted = UpgradeWanted { to: At::Head, dry_run: true, after, limit: 2 };
        let told = all.scene.root.upgrade(&all.scene.caller, &FunctionName::parse("run")?, wanted).await?;
        assert_eq!(told.unfinished, 5, "all of them, on every page");
        (moved, pages) = (moved + told.moves.len(), pages + 1);
        match told.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!((moved, pages), (5, 3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_a_run_is_pinned_to_is_kept() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    all.deploy("first").await?;
    let id = all.accepted("a", InvocationStatus::Waiting).await?;
    all.deploy("second").await?;
    all.deploy("other").await?;
    let (root, caller) = (&all.scene.root, &all.scene.caller);
    all.scene.test.clock.advance(Duration::from_secs(1));
    let wanted = CompactWanted { archive: false, ..CompactWanted::default() };
    let row = root.lifecycle(caller, Lifecycle::Compact(wanted), None).await?.finished().await?;
    assert_eq!(row.status, types::ActionStatus::Completed, "{:?}", row.error);
    root.delete_function(caller, &FunctionName::parse("run")?).await?;
    all.scene.run("pay", &json!(null)).await?;
    assert_eq!(all.result(id).await?, json!("first"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeline_has_steps_children_and_lines() -> anyhow::Result<()> {
    let all = Upgrades::new().await?;
    all.deploy("first").await?;
    let id = all.scene.accept("parent", &json!(null)).await?;
    all.until(id, InvocationStatus::Waiting).await?;
    let (root, caller) = (&all.scene.root, &all.scene.caller);
    let shown = root.invocation(caller, id, 0).await?;
    let steps: Vec<_> = shown.steps.iter().map(|s| (s.name.as_str(), s.reply.is_some(), s.child.is_some())).collect();
    assert_eq!(steps, [("actions.do", false, true)]);
    let child = &shown.children[0];
    assert_eq!((Some(child.invocation.row.id), child.invocation.row.parent), (shown.steps[0].child, Some(id)));
    let steps: Vec<_> = child.steps.iter().map(|s| (s.name.as_str(), s.reply.is_some())).collect();
    assert_eq!(steps, [("things.create", true), ("events.wait-for", false)]);
    let lines: Vec<_> = child.logs.iter().flatten().map(|l| l.line.text.as_str()).collect();
    assert_eq!(lines, ["made child"]);

    let without_logs = all.scene.test.caller(&["invocations.read"])?;
    assert_eq!(root.invocation(&without_logs, id, 0).await?.logs, None);
    let stranger = all.scene.test.caller(&["actions.read"])?;
    assert_eq!(root.invocation(&stranger, id, 0).await.expect_err("it may not").kind, types::FaultKind::Forbidden);
    all.scene.run("pay", &json!(null)).await?;
    assert_eq!(all.result(id).await?, json!("first"));
    let shown = root.invocation(caller, id, 0).await?;
    assert!(shown.steps.iter().all(|s| s.reply.is_some()) && shown.children[0].steps.len() == 3);
    Ok(())
}
