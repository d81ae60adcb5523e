//! Stopped after every commit of an agent's run: what is left goes on, and nothing that was finished is done again.

use super::scene::{Called, Scene, by_turn, call, functions, text};
use org_ai_runtime::{AgentRun, Waits};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::{HeardLog, ScriptedModels, TestNode, wants};
use tokio::sync::Notify;
use types::{ActionStatus, Json, ThingId};

/// How many batches the log still takes before it hears nothing any more.
struct Power {
    left: AtomicUsize,
    taken: AtomicUsize,
    cut: Notify,
}

impl Power {
    fn on() -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(usize::MAX), taken: AtomicUsize::new(0), cut: Notify::new() })
    }

    fn is_there(&self) -> bool {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err() {
            self.cut.notify_one();
            return false;
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// A model that wants two tools at once, then one that is to be approved, then says that it is done.
fn models() -> ScriptedModels {
    let models = ScriptedModels::new();
    let two = wants(&[("search", r#"{"q":1}"#), ("search", r#"{"q":2}"#)]);
    models.on(by_turn(vec![two, call("charge", &json!({ "amount": 5 })), text("done")]));
    models
}

async fn open(dir: &Path, log: HeardLog, models: &ScriptedModels, called: &Called) -> anyhow::Result<Scene> {
    let reach = models.clone();
    let test = TestNode::open_whole(
        dir,
        Arc::new(log),
        functions(called),
        |out| out.models = Some(Arc::new(reach)),
        |config| {
            config.park_after = Duration::from_millis(20);
            config.flush_window = Duration::from_millis(1);
        },
    )
    .await?;
    Scene::of(test, models.clone(), called.clone()).await
}

async fn first_life(
    dir: &Path,
    left: usize,
    models: &ScriptedModels,
    called: &Called,
) -> anyhow::Result<(usize, Option<Value>)> {
    let power = Power::on();
    let heard = power.clone();
    let scene = open(dir, HeardLog::open(dir, move |_| heard.is_there())?, models, called).await?;
    scene.deploy().await?;
    scene.agent("boss", &json!({ "approves": [{ "type": "tool" }] })).await?;
    let tools = json!([{ "uses": "search", "sideEffect": false }, { "uses": "charge" }]);
    scene.agent("a", &json!({ "mode": "supervised", "supervisor": "Agent/boss", "tools": tools })).await?;
    let before = power.taken.load(Ordering::SeqCst);
    power.left.store(left, Ordering::SeqCst);
    let goal = json!("pay");
    let over = tokio::select! {
        biased;
        () = power.cut.notified() => None,
        over = scene.run("a", &goal) => Some(over.map_err(|f| f.fault)?),
    };
    Ok((power.taken.load(Ordering::SeqCst) - before, over))
}

/// What a stop leaves: the log and the components, nothing else.
pub fn what_is_left(from: &Path, to: &Path) -> anyhow::Result<()> {
    for folder in ["log", "blobs"] {
        std::fs::create_dir_all(to.join(folder))?;
        for entry in std::fs::read_dir(from.join(folder))? {
            let entry = entry?;
            std::fs::copy(entry.path(), to.join(folder).join(entry.file_name()))?;
        }
    }
    std::fs::copy(from.join("node.key"), to.join("node.key"))?;
    Ok(())
}

/// None: it was not accepted when the power failed.
async fn second_life(dir: &Path, models: &ScriptedModels, called: &Called) -> anyhow::Result<Option<Value>> {
    let scene = open(dir, HeardLog::open(dir, |_| true)?, models, called).await?;
    let filter = org_ai_runtime::ActionFilter {
        target: Some("Agent/a".into()),
        verb: Some("invoke".into()),
        limit: 10,
        ..Default::default()
    };
    let Some(row) = scene.root.actions(&scene.caller, &filter).await?.items.pop() else { return Ok(None) };
    for _ in 0..20_000 {
        let row = scene.root.action(&scene.caller, row.id).await?;
        match row.status {
            ActionStatus::Completed => return Ok(Some(row.options.to_value()["output"].clone())),
            ActionStatus::Failed | ActionStatus::Cancelled => anyhow::bail!("{row:?}"),
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
    anyhow::bail!("it does not come to its end")
}

pub fn lives<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run);
    // Whatever still runs is stopped where it is, as when the power fails.
    runtime.shutdown_background();
    result
}

/// What must be the same whenever it was stopped: durations are not.
fn told(mut output: Value) -> Value {
    for action in output["actions"].as_array_mut().into_iter().flatten() {
        action["duration"] = json!(0);
    }
    output
}

#[test]
fn a_stop_after_any_commit_makes_no_finished_call_of_a_model_or_a_tool_again() -> anyhow::Result<()> {
    let whole = tempfile::tempdir()?;
    let (models_, called) = (models(), Called::default());
    let (batches, reference) = lives(first_life(whole.path(), usize::MAX, &models_, &called))?;
    let reference = told(reference.expect("nothing stops it"));
    assert_eq!((&reference["success"], reference["actions"].as_array().map(Vec::len)), (&json!(true), Some(3)));
    assert_eq!((models_.requests(), called.times("search"), called.times("charge")), (3, 2, 1));
    let mut accepted = 0;
    for left in 0..batches {
        let (models, called) = (models(), Called::default());
        let (dir, after) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (_, over) = lives(first_life(dir.path(), left, &models, &called))?;
        if over.is_some() {
            // How notes gather differs from run to run: this one needed fewer batches.
            continue;
        }
        what_is_left(dir.path(), after.path())?;
        let Some(output) = lives(second_life(after.path(), &models, &called))? else { continue };
        accepted += 1;
        assert_eq!(told(output), reference, "stopped after {left} of {batches} batches");
        // What was made when the power failed may be made once more, nothing else.
        assert!(models.requests() <= 4, "{} questions after {left} batches", models.requests());
        assert!(called.times("charge") <= 2 && called.times("search") <= 4, "{:?} after {left}", called.all());
        assert!(models.requests() + called.all().len() <= 6 + 2, "{:?} after {left}", called.all());
    }
    assert!(accepted > batches / 2, "{accepted} of {batches} stops came after the acceptance");
    Ok(())
}

#[tokio::test]
async fn a_goal_that_nobody_waits_for_goes_on_by_itself() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.agent("a", &json!({})).await?;
    scene.models.on(|_| Ok(text("done")));
    let id = ThingId::parse("a")?;
    let run = scene.root.run_agent(&scene.caller, &id, &Json::from_value(&json!("x")), Waits::Not).await;
    let AgentRun::Accepted(action) = run.map_err(|f| f.fault)? else { panic!("nobody waits") };
    for _ in 0..20_000 {
        if scene.root.action(&scene.caller, action).await?.status == ActionStatus::Completed {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("it does not come to its end")
}
