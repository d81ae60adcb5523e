//! Stopped after every commit of an approval: nobody is written to twice, nobody is forgotten, and it ends the same.
//!
//! The power fails after the n-th batch of the log, for each n; all but the log and the components is gone.

use super::scene::{Scene, executor};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::{HeardLog, ScriptedChannels};
use tokio::sync::Notify;
use types::Id;

/// How many batches the log still takes before it hears nothing any more.
struct Power {
    left: AtomicUsize,
    taken: AtomicUsize,
    cut: Notify,
}

impl Power {
    fn is_there(&self) -> bool {
        let had = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if had.is_err() {
            self.cut.notify_one();
            return false;
        }
        self.taken.fetch_add(1, Ordering::SeqCst);
        true
    }
}

/// What it all comes to.
#[derive(Debug, PartialEq)]
struct World {
    approved: Value,
    approver: Value,
    level: u32,
    assignees: Vec<(String, u32)>,
    events: Vec<String>,
}

/// Messages of which a stop of the host left it open whether they were handed over: they are not sent a second time.
fn uncertain(row: &types::RequestRow) -> usize {
    row.warnings.iter().filter(|warning| warning.code == "DELIVERY_UNCERTAIN").count()
}

/// Ann is asked, reminded, Bob is asked as well, and he approves.
async fn to_its_end(scene: &Scene, id: Id) -> anyhow::Result<World> {
    scene.at_minute(11);
    scene.until(id, |row| row.level == 1 || !row.is_pending()).await?;
    // Nobody is told any more of what is decided: he is told first, unless that stays open.
    for _ in 0..2_000 {
        let row = scene.request(id).await?;
        let is_told = scene.channels.sent().iter().any(|message| message.target.starts_with("bob@"));
        if is_told || !row.is_pending() || uncertain(&row) > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    match scene.approve("bob", id).await {
        Ok(_) => {}
        Err(fault) if fault.code == "REQUEST_DECIDED" => {}
        Err(fault) => return Err(fault.into()),
    }
    let output = scene.outcome(id).await?;
    let row = scene.request(id).await?;
    Ok(World {
        approved: output["approved"].clone(),
        approver: output["approver"].clone(),
        level: row.level,
        assignees: row.assignees.iter().map(|a| (a.id.clone(), a.level)).collect(),
        events: scene.events(id).await?,
    })
}

async fn first_life(dir: &Path, channels: ScriptedChannels, left: usize) -> anyhow::Result<(usize, Option<World>)> {
    let power = Arc::new(Power { left: AtomicUsize::new(usize::MAX), taken: AtomicUsize::new(0), cut: Notify::new() });
    let heard = power.clone();
    let log = HeardLog::open(dir, move |_| heard.is_there())?;
    let scene = Scene::open_on(dir, Arc::new(log), executor(), channels).await?;
    scene.people().await?;
    let before = power.taken.load(Ordering::SeqCst);
    power.left.store(left, Ordering::SeqCst);
    let work = async {
        let row = scene.approval("Human/ann", &json!({ "timeout": "10h" })).await?;
        scene.sent(2).await?;
        to_its_end(&scene, row.id).await
    };
    let over = tokio::select! {
        biased;
        () = power.cut.notified() => None,
        over = work => Some(over?),
    };
    Ok((power.taken.load(Ordering::SeqCst) - before, over))
}

fn what_is_left(from: &Path, to: &Path) -> anyhow::Result<()> {
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

async fn second_life(dir: &Path, channels: ScriptedChannels) -> anyhow::Result<Option<(World, usize)>> {
    let scene = Scene::open_with(dir, executor(), channels).await?;
    let filter = org_ai_runtime::InvocationFilter { limit: 10, ..Default::default() };
    let Some(work) = scene.root.invocations(&scene.caller, &filter).await?.items.pop() else { return Ok(None) };
    scene.root.request_opened(work.0.row.id).await?;
    let world = to_its_end(&scene, work.0.row.id).await?;
    Ok(Some((world, uncertain(&scene.request(work.0.row.id).await?))))
}

fn lives<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(run);
    runtime.shutdown_background();
    result
}

#[test]
fn a_stop_after_any_commit_writes_to_nobody_twice_and_forgets_nobody() -> anyhow::Result<()> {
    let channels = ScriptedChannels::new();
    let whole = tempfile::tempdir()?;
    let (batches, reference) = lives(first_life(whole.path(), channels.clone(), usize::MAX))?;
    let reference = reference.expect("nothing stops it");
    assert_eq!((&reference.approved, reference.level), (&json!(true), 1));
    assert_eq!(reference.events, ["approval.requested", "approval.escalated", "approval.processed"]);
    let mut all: Vec<_> = channels.sent().into_iter().map(|message| (message.target, message.subject)).collect();
    all.sort();
    assert_eq!(all.len(), 5, "two ways to ask, two to remind, one to escalate: {all:?}");
    let mut asked = 0;
    for left in 0..batches {
        let channels = ScriptedChannels::new();
        let (dir, after) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (_, over) = lives(first_life(dir.path(), channels.clone(), left))?;
        if over.is_some() {
            continue;
        }
        what_is_left(dir.path(), after.path())?;
        let Some((world, uncertain)) = lives(second_life(after.path(), channels.clone()))? else { continue };
        asked += 1;
        assert_eq!(world, reference, "stopped after {left} of {batches} batches");
        let counts = channels.counts();
        assert!(counts.values().all(|count| *count == 1), "stopped after {left}: {counts:?}");
        // Who was not told is known: the stop came while a message was on its way.
        let mut sent: Vec<_> = channels.sent().into_iter().map(|message| message.target).collect();
        let mut missing: Vec<_> = all.iter().map(|(to, _)| to.clone()).collect();
        for target in sent.drain(..) {
            let at = missing.iter().position(|to| *to == target).expect("it is one of those that are sent");
            missing.remove(at);
        }
        assert!(missing.len() <= uncertain, "stopped after {left} of {batches} batches: {missing:?} had no message");
    }
    assert!(asked > batches / 2, "{asked} of {batches} stops came after the asking");
    Ok(())
}
