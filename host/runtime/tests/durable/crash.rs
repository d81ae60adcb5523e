//! Stopped after every commit: what is left is opened and brought to its end, and it is as if nothing had happened.
//!
//! The power fails after the n-th batch of the log, for each n: what comes after it is in no log, and the objects' files
//! are gone altogether, so that everything is rebuilt from the log alone.

use super::scene::{Performed, Scene, ask, count, create, do_, outcome, start, try_};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use testkit::{HeardLog, ScriptedExecutor, TestNode, completed};
use tokio::sync::Notify;
use types::{ActionRow, ActionStatus, Call, Fault, Json};

/// How many batches the log still takes before it hears nothing any more.
pub struct Power {
    pub left: AtomicUsize,
    pub taken: AtomicUsize,
    pub cut: Notify,
}

impl Power {
    pub fn on() -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(usize::MAX), taken: AtomicUsize::new(0), cut: Notify::new() })
    }

    pub fn is_there(&self) -> bool {
        let had = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if had.is_err() {
            self.cut.notify_one();
            return false;
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// Everything that a run can do: local writes, a child, a call outside, a long sleep, fan-out, a wait that times out.
fn executor(effects: &Performed) -> ScriptedExecutor {
    const HOUR_MS: u64 = 3_600_000;
    let executor = ScriptedExecutor::new();
    executor.on("count", |job, host| async move { count(host, job.input.to_value().as_str().unwrap_or("n")).await });
    let performed = effects.clone();
    executor.on("effect", move |_, _| {
        performed.one_more();
        async { completed(&json!("done")) }
    });
    executor.on("work", |_, mut host| async move {
        let all = async {
            ask(&mut host, create("Order", "a")).await?;
            let child = ask(&mut host, do_("count", &json!("child"))).await?;
            let effect = ask(&mut host, try_("effect", &json!(null))).await?;
            ask(&mut host, Call::Sleep { duration_ms: HOUR_MS }).await?;
            let data = Json::from_value(&json!({ "n": 2 }));
            let put =
                Call::ThingPatch { at: super::scene::thing("Order", "a"), patch: data, if_version: None, branch: None };
            ask(&mut host, put).await?;
            let mut joined = Vec::new();
            for name in ["left", "right"] {
                joined.push(ask(&mut host, start("count", &json!(name))).await?);
            }
            for id in &mut joined {
                let action_id = id.as_str().unwrap_or_default().to_owned();
                *id = ask(&mut host, Call::Join { action_id }).await?;
            }
            let wait = Call::WaitFor { event: "Go.now".into(), filter: None, timeout_ms: Some(HOUR_MS) };
            let waited = ask(&mut host, wait).await.map_or_else(|fault| json!(fault.code), |_| json!("came"));
            let emit = Call::Emit { event: "Work.done".into(), data: Json::null(), source: None };
            ask(&mut host, emit).await?;
            Ok::<_, Fault>(json!([child, effect, joined, waited]))
        };
        outcome(all.await)
    });
    executor
}

/// What the world looks like when all is over.
#[derive(Debug, PartialEq)]
struct World {
    output: Value,
    counters: Vec<u64>,
    work_done: usize,
    verbs: Vec<String>,
    versions: usize,
}

async fn work_of(scene: &Scene) -> anyhow::Result<Option<ActionRow>> {
    let filter = org_ai_runtime::ActionFilter {
        target: Some("Function/work".into()),
        verb: Some("invoke".into()),
        limit: 10,
        ..Default::default()
    };
    Ok(scene.root.actions(&scene.caller, &filter).await?.items.pop())
}

async fn world(scene: &Scene, row: &ActionRow) -> anyhow::Result<World> {
    let mut counters = Vec::new();
    for name in ["child", "left", "right"] {
        counters.push(scene.counter(name).await?);
    }
    let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
    let events = scene.root.events(&scene.caller, &filter).await?.items;
    let sequences: Vec<_> = events.iter().map(|e| e.sequence).collect();
    anyhow::ensure!(sequences == (1..=events.len() as u64).collect::<Vec<_>>(), "a gap: {sequences:?}");
    let of_order = |e: &&types::EventRow| e.source == "Order/a";
    Ok(World {
        output: row.options.to_value()["output"].clone(),
        counters,
        work_done: events.iter().filter(|e| e.source == "Work" && e.verb == "done").count(),
        verbs: scene.verbs(row.id).await?,
        versions: events.iter().filter(of_order).count(),
    })
}

/// Runs until it is over, or the power fails after so many batches. How many batches there were.
async fn first_life(dir: &Path, executor: ScriptedExecutor, left: usize) -> anyhow::Result<(usize, Option<World>)> {
    let power = Power::on();
    let heard = power.clone();
    let log = HeardLog::open(dir, move |_| heard.is_there())?;
    let test = TestNode::open_on(dir, Arc::new(log), executor, |config| {
        config.park_after = Duration::from_millis(20);
        config.flush_window = Duration::from_millis(1);
    })
    .await?;
    let scene = Scene::of(test).await?;
    scene.deploy(&["count", "effect", "work"]).await?;
    let before = power.taken.load(Ordering::SeqCst);
    power.left.store(left, Ordering::SeqCst);
    scene.let_time_fly(Duration::from_secs(30));
    let work = async {
        let id = scene.accept("work", &json!(null)).await?;
        let row = scene.over(id).await?;
        world(&scene, &row).await
    };
    let over = tokio::select! {
        biased;
        () = power.cut.notified() => None,
        over = work => Some(over?),
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
async fn second_life(dir: &Path, executor: ScriptedExecutor) -> anyhow::Result<Option<World>> {
    let scene = Scene::open(dir, executor).await?;
    let Some(row) = work_of(&scene).await? else { return Ok(None) };
    scene.let_time_fly(Duration::from_secs(30));
    let row = scene.over(row.id).await?;
    anyhow::ensure!(row.status == ActionStatus::Completed, "{row:?}");
    Ok(Some(world(&scene, &row).await?))
}

pub fn lives<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run);
    // Whatever still runs is stopped where it is, as when the power fails.
    runtime.shutdown_background();
    result
}

#[test]
fn a_stop_after_any_commit_changes_nothing_of_what_comes_out() -> anyhow::Result<()> {
    let effects = Performed::default();
    let whole = tempfile::tempdir()?;
    let (batches, reference) = lives(first_life(whole.path(), executor(&effects), usize::MAX))?;
    let reference = reference.expect("nothing stops it");
    assert_eq!(reference.counters, [1, 1, 1]);
    assert_eq!(reference.output, json!([1, "done", [1, 1], "WAIT_TIMEOUT"]));
    assert_eq!((reference.work_done, reference.versions, effects.times()), (1, 2, 1));
    let mut accepted = 0;
    for left in 0..batches {
        let effects = Performed::default();
        let (dir, after) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (_, over) = lives(first_life(dir.path(), executor(&effects), left))?;
        if over.is_some() {
            // How notes gather differs from run to run: this one needed fewer batches.
            continue;
        }
        what_is_left(dir.path(), after.path())?;
        let Some(world) = lives(second_life(after.path(), executor(&effects)))? else { continue };
        accepted += 1;
        assert_eq!(world, reference, "stopped after {left} of {batches} batches");
        assert!(effects.times() <= 2, "performed {} times: once more than recorded at most", effects.times());
    }
    assert!(accepted > batches / 2, "{accepted} of {batches} stops came after the acceptance");
    Ok(())
}
