//! Schedules tick (spec EVR-6 to EVR-12): in time, once, caught up with, held back, and after a stop of the host.

use anyhow::{Context as _, Result, ensure};
use org_ai_runtime::{
    Caller, EventFilter, InvokeOptions, Object, RunStatus, RunsWanted, ScheduleChange, ScheduleShown,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{START, ScriptedExecutor, TestNode, completed, failed};
use tokio::sync::watch;
use types::{Call, Durability, Fault, Json, Namespace, Timestamp};

/// The longest a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(8);

/// What the handlers did, outside of everything that is kept.
#[derive(Clone)]
struct Seen {
    fired: Arc<Mutex<Vec<Value>>>,
    now: Arc<AtomicU32>,
    at_once: Arc<AtomicU32>,
    napped: Arc<AtomicU32>,
    slept: Arc<AtomicU32>,
    /// Runs of `held` end once this is true.
    open: Arc<watch::Sender<bool>>,
}

impl Seen {
    fn new() -> Self {
        Self {
            fired: Arc::default(),
            now: Arc::default(),
            at_once: Arc::default(),
            napped: Arc::default(),
            slept: Arc::default(),
            open: Arc::new(watch::Sender::new(false)),
        }
    }

    fn payloads(&self) -> Vec<Value> {
        self.fired.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.fired.lock().unwrap().len()
    }

    fn executor(&self) -> ScriptedExecutor {
        let executor = ScriptedExecutor::new();
        let seen = self.clone();
        executor.on("tick", move |job, _| {
            seen.fired.lock().unwrap().push(job.input.to_value());
            async { completed(&json!("done")) }
        });
        let seen = self.clone();
        executor.on("bad", move |job, _| {
            seen.fired.lock().unwrap().push(job.input.to_value());
            async { failed(Fault::failed("BAD_DAY", "it never works")) }
        });
        let seen = self.clone();
        executor.on("held", move |job, _| {
            seen.fired.lock().unwrap().push(job.input.to_value());
            let running = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
            seen.at_once.fetch_max(running, Ordering::SeqCst);
            let (seen, mut open) = (seen.clone(), seen.open.subscribe());
            async move {
                let opened = open.wait_for(|open| *open).await.is_ok();
                seen.now.fetch_sub(1, Ordering::SeqCst);
                completed(&json!(opened))
            }
        });
        let seen = self.clone();
        executor.on("nap", move |_, mut host| {
            let seen = seen.clone();
            async move {
                seen.napped.fetch_add(1, Ordering::SeqCst);
                // 90 seconds, as in the spec.
                host.call(Call::Sleep { duration_ms: 90_000 }).await;
                seen.slept.fetch_add(1, Ordering::SeqCst);
                completed(&json!("slept"))
            }
        });
        executor
    }
}

/// Where a node is.
struct Scene {
    test: TestNode,
    object: Object,
    caller: Caller,
    seen: Seen,
}

impl Scene {
    async fn new(dir: &Path) -> Result<Self> {
        let scene = Self::open(dir, Seen::new()).await?;
        for name in ["tick", "bad", "held", "nap"] {
            scene.test.deploy(&scene.object, name, &format!("scripted:{name}")).await?;
        }
        Ok(scene)
    }

    async fn open(dir: &Path, seen: Seen) -> Result<Self> {
        let test = TestNode::open_with(dir, seen.executor(), |config| {
            config.park_after = Duration::from_millis(1);
            config.objects_open_max = 2;
        })
        .await?;
        let (object, caller) = (test.root().await?, test.caller(&["*.*"])?);
        Ok(Self { test, object, caller, seen })
    }

    /// An orderly end. Nothing of the node is left afterwards.
    async fn close(self) -> Seen {
        let Self { test, object, caller: _, seen } = self;
        test.node.shutdown().await;
        drop(object);
        seen
    }

    async fn child(&self, name: &str) -> Result<Object> {
        let namespace = Namespace::parse(&format!("https://root.test/{name}"))?;
        self.object.create_object(&self.caller, namespace.clone(), "DO".to_owned()).await?;
        self.test.node.object(&namespace).await?.context("it was made")
    }

    async fn add(&self, spec: Value) -> Result<ScheduleShown> {
        Ok(self.object.add_schedule(&self.caller, serde_json::from_value(spec)?).await?)
    }

    /// A workflow whose ticks call `step`.
    async fn define(&self, name: &str, trigger: Value, step: &str) -> Result<()> {
        let call = json!({ "do": { "name": "s", "action": step, "input": "{{input}}" } });
        let spec = json!({ "name": name, "trigger": trigger, "run": { "steps": [call] } });
        self.object.set_workflow(&self.caller, serde_json::from_value(spec)?).await?;
        Ok(())
    }

    /// The runs of a workflow, newest first: what each is called and where it stands.
    async fn runs(&self, workflow: &str) -> Result<Vec<(String, RunStatus)>> {
        let wanted = RunsWanted { limit: 100, ..RunsWanted::default() };
        let page = self.object.workflow_runs(&self.caller, workflow, &wanted).await?;
        Ok(page.runs.into_iter().map(|run| (run.name, run.status)).collect())
    }

    async fn show(&self, name: &str) -> Result<ScheduleShown> {
        Ok(self.object.schedule(&self.caller, name).await?)
    }

    async fn change(&self, name: &str, paused: Option<bool>, fields: Value) -> Result<ScheduleShown> {
        let fields = fields.as_object().cloned().context("fields are an object")?;
        Ok(self.object.change_schedule(&self.caller, name, ScheduleChange { paused, fields }).await?)
    }

    /// Lets so many seconds pass, and waits until the schedule has done what it had to.
    async fn pass(&self, name: &str, seconds: u64) -> Result<()> {
        self.test.clock.advance(Duration::from_secs(seconds));
        let now = self.test.node.clock().now();
        until("it is claimed", async || Ok(self.show(name).await?.state.next_run_at.is_none_or(|at| at > now))).await
    }

    async fn fired(&self, times: usize) -> Result<()> {
        until(&format!("it is fired {times} times"), async || Ok(self.seen.count() == times)).await
    }

    async fn last_status(&self, name: &str, status: &str) -> Result<()> {
        until(&format!("it is {status}"), async || Ok(self.show(name).await?.last_status == Some(status))).await
    }
}

async fn until(what: &str, is_so: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let wait = async {
        while !is_so().await? {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("never: {what}"))?
}

fn at(payload: &Value, key: &str) -> u64 {
    let at = payload[key].as_str().and_then(Timestamp::parse).expect("payloads have times");
    at.millis_since(START) / 1000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interval_of_seven_minutes_ticks_every_seven_minutes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    // Time passes faster here than runs end.
    let spec = json!({ "name": "seven", "schedule": "every 7 minutes", "handler": "tick", "overlap": "allow" });
    scene.add(spec).await?;
    for _ in 0..120 {
        scene.pass("seven", 60).await?;
    }
    scene.fired(17).await?;
    let mut times: Vec<_> = scene.seen.payloads().iter().map(|payload| at(payload, "scheduledTime")).collect();
    times.sort_unstable();
    let wanted: Vec<_> = (1..=17).map(|n| n * 7 * 60).collect();
    ensure!(times == wanted, "{times:?}");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_ten_minutes_of_standstill_there_is_one_run_that_tells_of_what_was_missed() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    for (name, catch_up) in [("one", "one"), ("none", "none"), ("all", "all")] {
        let spec = json!({ "name": name, "schedule": "every minute", "handler": "tick", "catchUp": catch_up });
        scene.add(spec).await?;
    }
    let seen = scene.close().await;
    let scene = Scene::open(dir.path(), seen).await?;
    // 20 seconds late: whoever catches up with nothing misses all of them.
    scene.pass("one", 10 * 60 + 20).await?;
    scene.fired(11).await?;
    scene.pass("one", 40).await?;
    scene.fired(14).await?;
    let payloads = scene.seen.payloads();
    let of = |name: &str| -> Vec<(u64, u64)> {
        let own = payloads.iter().filter(|payload| payload["schedule"] == name);
        let mut ticks: Vec<_> =
            own.map(|p| (at(p, "scheduledTime"), p["missed"].as_u64().expect("it is counted"))).collect();
        ticks.sort_unstable();
        ticks
    };
    ensure!(of("one") == [(600, 9), (660, 0)], "{:?}", of("one"));
    ensure!(of("none") == [(660, 0)], "{:?}", of("none"));
    let all: Vec<_> = (1..=11).map(|n| (n * 60, 0)).collect();
    ensure!(of("all") == all, "{:?}", of("all"));
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_gives_way_to_a_run_that_sleeps_for_ninety_seconds() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.add(json!({ "name": "nap", "schedule": "minutely", "handler": "nap" })).await?;
    let unfinished = async |n: u64| {
        let shown = scene.show("nap").await?;
        Ok(shown.state.run_count == n)
    };
    scene.pass("nap", 60).await?;
    until("the first one runs", async || unfinished(1).await).await?;
    until("it sleeps", async || Ok(scene.show("nap").await?.last_status == Some("running"))).await?;
    scene.pass("nap", 60).await?;
    scene.last_status("nap", "skipped").await?;
    ensure!(scene.show("nap").await?.state.skipped_count == 1);
    // It may have begun to sleep a little later than the tick.
    until("it has slept", async || {
        scene.test.clock.advance(Duration::from_millis(1));
        if scene.seen.slept.load(Ordering::SeqCst) == 0 {
            scene.test.clock.advance(Duration::from_millis(500));
        }
        Ok(scene.seen.slept.load(Ordering::SeqCst) == 1)
    })
    .await?;
    ensure!(scene.show("nap").await?.state.run_count == 1, "nothing ran beside it");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_tick_waits_or_all_run_beside_each_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.add(json!({ "name": "queue", "schedule": "minutely", "handler": "held", "overlap": "queue" })).await?;
    for _ in 0..4 {
        scene.pass("queue", 60).await?;
    }
    let state = scene.show("queue").await?.state;
    ensure!((state.run_count, state.skipped_count) == (2, 2), "{state:?}");
    scene.fired(1).await?;
    scene.object.remove_schedule(&scene.caller, "queue").await?;
    scene.seen.open.send_replace(true);
    scene.fired(2).await?;
    ensure!(scene.seen.at_once.load(Ordering::SeqCst) == 1);

    scene.seen.open.send_replace(false);
    scene.add(json!({ "name": "allow", "schedule": "minutely", "handler": "held", "overlap": "allow" })).await?;
    for _ in 0..3 {
        scene.pass("allow", 60).await?;
    }
    scene.fired(5).await?;
    until("three run", async || Ok(scene.seen.at_once.load(Ordering::SeqCst) == 3)).await?;
    scene.seen.open.send_replace(true);
    scene.last_status("allow", "completed").await?;
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_schedule_does_not_tick_and_one_can_be_run_by_hand() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let added = scene.add(json!({ "schedule": "every 5 minutes", "handler": "tick" })).await?;
    let name = added.name.clone();
    ensure!(name == "tick:*/5 * * * *", "{name}");
    let paused = scene.change(&name, Some(true), json!({})).await?;
    ensure!(paused.state.paused && paused.state.next_run_at.is_none());
    scene.pass(&name, 12 * 60).await?;
    let resumed = scene.change(&name, Some(false), json!({})).await?;
    let next = START.plus(Duration::from_secs(15 * 60));
    ensure!(resumed.state.next_run_at == Some(next), "{resumed:?}");

    let id = scene.object.run_schedule(&scene.caller, &name).await?;
    scene.fired(1).await?;
    let shown = scene.show(&name).await?;
    ensure!(shown.state.next_run_at == Some(next) && shown.state.run_count == 1 && shown.state.id == added.state.id);
    ensure!(at(&scene.seen.payloads()[0], "scheduledTime") == 12 * 60);
    scene.last_status(&name, "completed").await?;
    ensure!(scene.object.action(&scene.caller, id).await?.durability == Durability::Do);

    scene.pass(&name, 3 * 60).await?;
    scene.fired(2).await?;
    ensure!(at(&scene.seen.payloads()[1], "scheduledTime") == 15 * 60);
    scene.object.remove_schedule(&scene.caller, &name).await?;
    ensure!(scene.object.schedules(&scene.caller).await?.is_empty());
    let events = scene.object.events(&scene.caller, &EventFilter { limit: 1000, ..EventFilter::default() }).await?;
    let removed: Vec<_> = events.items.iter().filter(|event| event.verb == "removed").collect();
    ensure!(removed.len() == 1 && removed[0].source == "schedule/tick:*%2F5%20*%20*%20*%20*", "{removed:?}");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_time_keeps_the_schedule_and_the_same_declaration_keeps_its_time() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let added = scene.add(json!({ "name": "s", "schedule": "every 7 minutes", "handler": "tick" })).await?;
    scene.pass("s", 7 * 60).await?;
    scene.fired(1).await?;
    let before = scene.show("s").await?.state;
    // As a second deployment declares it, and in other words.
    for fields in [json!({}), json!({ "schedule": "$.every.minutes(7)" }), json!({ "emit": true })] {
        let again = scene.change("s", None, fields).await?;
        ensure!(again.state == before, "{again:?}");
    }
    ensure!(scene.object.schedules(&scene.caller).await?.len() == 1);
    let twice = scene.add(json!({ "name": "s", "schedule": "hourly", "handler": "tick" })).await;
    ensure!(twice.is_err_and(|e| e.to_string().contains("there is a schedule s already")));
    let other = scene.change("s", None, json!({ "schedule": "daily at 6am" })).await?;
    ensure!(other.state.id == added.state.id && other.state.run_count == 1);
    let six = START.plus(Duration::from_secs(18 * 3600));
    ensure!(other.state.next_run_at == Some(six) && other.state.canonical == "0 6 * * *", "{other:?}");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_tells_what_it_is_and_is_an_event_only_when_asked() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.add(json!({ "name": "quiet", "schedule": "minutely", "handler": "tick" })).await?;
    scene.add(json!({ "name": "loud", "schedule": "hourly", "handler": "tick", "emit": true })).await?;
    scene.pass("quiet", 3600).await?;
    scene.fired(2).await?;
    let payloads = scene.seen.payloads();
    for payload in &payloads {
        let mut keys: Vec<_> = payload.as_object().context("an object")?.keys().map(String::as_str).collect();
        keys.sort_unstable();
        ensure!(keys == ["firedAt", "missed", "runCount", "schedule", "scheduledTime"], "{payload}");
        ensure!(payload["runCount"] == 1 && at(payload, "firedAt") == 3600);
    }
    let events = scene.object.events(&scene.caller, &EventFilter { limit: 1000, ..EventFilter::default() }).await?;
    let fired: Vec<_> = events.items.iter().filter(|event| event.verb == "fired").collect();
    ensure!(fired.len() == 1 && fired[0].source == "schedule/loud", "{fired:?}");
    ensure!(fired[0].data.to_value()["schedule"] == "loud");
    let action = scene.object.action(&scene.caller, fired[0].action).await?;
    ensure!(action.actor == "https://root.test/Service/schedule:loud", "{action:?}");
    ensure!(action.durability == Durability::Do && action.idempotency_key.is_some_and(|key| key.starts_with("loud@")));
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_tick_is_retried_and_never_stops_the_schedule() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    scene.add(json!({ "name": "bad", "schedule": "minutely", "handler": "bad", "maxRetries": 1 })).await?;
    scene.add(json!({ "name": "lost", "schedule": "minutely", "handler": "tick.nothing" })).await?;
    for round in 1..=2 {
        scene.pass("bad", 59).await?;
        scene.pass("bad", 1).await?;
        until("its first attempt failed", async || Ok(scene.seen.count() == 2 * round - 1)).await?;
        until("it is tried again", async || {
            scene.test.clock.advance(Duration::from_millis(1));
            Ok(scene.seen.count() == 2 * round)
        })
        .await?;
        until("it is counted", async || Ok(scene.show("bad").await?.failure_count == round as u64)).await?;
        scene.last_status("bad", "failed").await?;
        until("the other is refused", async || Ok(scene.show("lost").await?.failure_count == round as u64)).await?;
    }
    let lost = scene.show("lost").await?;
    ensure!(lost.last_status == Some("failed") && lost.state.run_count == 0 && lost.state.next_run_at.is_some());
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_not_in_memory_ticks() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let child = scene.child("far").await?;
    let spec = serde_json::from_value(json!({ "name": "far", "schedule": "minutely", "handler": "tick" }))?;
    child.add_schedule(&scene.caller, spec).await?;
    let weak = child.namespace().clone();
    drop(child);
    for name in ["a", "b", "c"] {
        drop(scene.child(name).await?);
    }
    ensure!(scene.test.node.objects_open() <= 3, "{weak} was put away");
    scene.test.clock.advance(Duration::from_secs(60));
    scene.fired(1).await?;
    scene.close().await;
    Ok(())
}

/// A child with a schedule, and an action that sleeps for 90 seconds.
async fn sleeper(scene: &Scene) -> Result<()> {
    let child = scene.child("far").await?;
    let spec = serde_json::from_value(json!({ "name": "far", "schedule": "minutely", "handler": "tick" }))?;
    child.add_schedule(&scene.caller, spec).await?;
    let options = InvokeOptions { durability: Durability::Do, ..InvokeOptions::default() };
    let accepted = child.accept_durably(&scene.caller, &"nap".parse()?, Json::null(), options).await;
    accepted.map_err(|failed| failed.fault)?;
    until("it naps", async || Ok(scene.seen.napped.load(Ordering::SeqCst) > 0)).await?;
    until("it sleeps without being in memory", async || Ok(child.runs() == 0)).await
}

/// Nobody asks for the child: its tick and its sleeper come by themselves.
async fn goes_on_by_itself(dir: &Path, seen: Seen) -> Result<()> {
    let before = seen.count();
    let scene = Scene::open(dir, seen).await?;
    scene.test.clock.advance(Duration::from_secs(95));
    until("it ticks", async || Ok(scene.seen.count() == before + 1)).await?;
    until("it has slept", async || Ok(scene.seen.slept.load(Ordering::SeqCst) == 1)).await?;
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_shut_down_wakes_who_has_something_to_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    sleeper(&scene).await?;
    let seen = scene.close().await;
    goes_on_by_itself(dir.path(), seen).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_crashed_wakes_who_has_something_to_do() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    sleeper(&scene).await?;
    let (whole, log_only) = (tempfile::tempdir()?, tempfile::tempdir()?);
    copy(dir.path(), whole.path(), &|_| true)?;
    copy(dir.path(), log_only.path(), &|name| matches!(name, "log" | "blobs" | "node.key" | "cache.key"))?;
    scene.test.node.checkpoint().await;
    let after = tempfile::tempdir()?;
    copy(dir.path(), after.path(), &|_| true)?;
    let seen = scene.close().await;
    for dir in [&whole, &log_only, &after] {
        seen.slept.store(0, Ordering::SeqCst);
        goes_on_by_itself(dir.path(), seen.clone()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_or_damaged_table_of_wakes_is_made_anew() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    sleeper(&scene).await?;
    let seen = scene.close().await;
    let table = dir.path().join("wakes.sqlite");
    ensure!(table.exists());
    std::fs::write(&table, "this is no table, and it is long enough to be looked at")?;
    goes_on_by_itself(dir.path(), seen).await
}

/// What a crash leaves: what was written so far, without an orderly end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_of_a_workflow_is_one_run_that_is_called_by_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let minutely = json!({ "schedule": { "schedule": "every minute" } });
    // The name is no function's.
    scene.define("Nightly.Report", minutely.clone(), "tick").await?;
    let own = "workflow:Nightly.Report";
    for runs in 1..=2 {
        scene.pass(own, 60).await?;
        until("it is over", async || {
            let found = scene.runs("Nightly.Report").await?;
            Ok(found.len() == runs && found.iter().all(|(_, status)| *status == RunStatus::Completed))
        })
        .await?;
    }
    let tick = |minutes: u64| format!("Nightly.Report@{}", START.plus(Duration::from_secs(60 * minutes)));
    let names: Vec<_> = scene.runs("Nightly.Report").await?.into_iter().map(|(name, _)| name).collect();
    ensure!(names == [tick(2), tick(1)], "{names:?}");
    let payload = &scene.seen.payloads()[1];
    ensure!(payload["schedule"] == own && payload["runCount"] == 2 && at(payload, "scheduledTime") == 120, "{payload}");
    let shown = scene.show(own).await?;
    ensure!(shown.state.run_count == 2 && shown.workflow.as_deref() == Some("Nightly.Report"), "{shown:?}");
    // The same tick once more, asked for by hand at the same time, is the run that there is.
    scene.object.run_schedule(&scene.caller, own).await?;
    ensure!(scene.runs("Nightly.Report").await?.len() == 2);
    ensure!(scene.show(own).await?.state.run_count == 2, "it is not counted twice");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_a_workflow_overlap_as_its_trigger_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    for overlap in ["skip", "queue", "allow"] {
        let trigger = json!({ "schedule": { "schedule": "every minute", "overlap": overlap } });
        scene.define(overlap, trigger, "held").await?;
    }
    scene.pass("workflow:allow", 60).await?;
    scene.fired(3).await?;
    scene.pass("workflow:allow", 60).await?;
    scene.fired(4).await?;
    scene.pass("workflow:allow", 60).await?;
    scene.fired(5).await?;
    for (workflow, runs, skipped) in [("skip", 1, 2), ("queue", 2, 1), ("allow", 3, 0)] {
        until("its ticks are claimed", async || {
            let found = scene.runs(workflow).await?.len();
            let state = scene.show(&format!("workflow:{workflow}")).await?.state;
            Ok(found == runs && state.skipped_count == skipped)
        })
        .await?;
    }
    scene.seen.open.send_replace(true);
    scene.fired(6).await?;
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflows_schedule_comes_changes_and_goes_with_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let own = "workflow:w";
    scene
        .define("w", json!({ "schedule": { "schedule": "daily at 6am", "timezone": "Europe/Berlin" } }), "tick")
        .await?;
    ensure!(scene.show(own).await?.state.canonical == "0 6 * * * Europe/Berlin");
    // What it is stands in the workflow; whether it ticks is asked for here.
    ensure!(scene.change(own, Some(true), json!({})).await?.state.paused);
    let refused = scene.change(own, None, json!({ "schedule": "hourly" })).await.expect_err("the workflow says it");
    ensure!(refused.to_string().contains("change or remove the workflow"), "{refused}");
    ensure!(scene.object.remove_schedule(&scene.caller, own).await.is_err_and(|f| f.code == "SCHEDULE_OF_WORKFLOW"));
    let taken = json!({ "name": own, "schedule": "hourly", "handler": "tick" });
    ensure!(scene.add(taken).await.is_err(), "the name is the workflow's");
    scene.define("w", json!({ "schedule": { "schedule": "hourly" } }), "tick").await?;
    let changed = scene.show(own).await?.state;
    ensure!(changed.canonical == "0 * * * *" && changed.paused, "{changed:?}");
    scene.define("w", json!("manual"), "tick").await?;
    ensure!(scene.show(own).await.is_err(), "nothing but somebody begins it");
    scene.define("w", json!({ "schedule": { "schedule": "hourly" } }), "tick").await?;
    scene.object.delete_workflow(&scene.caller, "w").await?;
    ensure!(scene.show(own).await.is_err(), "it goes with the workflow");
    let wrong = scene.define("w", json!({ "schedule": { "schedule": "whenever" } }), "tick").await;
    let wrong = wrong.expect_err("it is no schedule").to_string();
    ensure!(wrong.contains("trigger.schedule.schedule") && wrong.contains("whenever"), "{wrong}");
    scene.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ticks_each_second_is_allowed_by_who_says_so() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::new(dir.path()).await?;
    let refused = scene.add(json!({ "schedule": "every 10 seconds", "handler": "tick" })).await;
    ensure!(refused.is_err_and(|e| e.to_string().contains("allowSubMinute")));
    let spec = json!({ "name": "quick", "schedule": "every 10 seconds", "handler": "tick", "allowSubMinute": true,
                       "metadata": { "team": "billing" } });
    let shown = scene.add(spec).await?;
    ensure!(shown.spec.metadata.is_some_and(|m| m.to_value() == json!({ "team": "billing" })));
    scene.pass("quick", 10).await?;
    scene.fired(1).await?;
    scene
        .define("each", json!({ "schedule": { "schedule": "every 20 seconds", "allowSubMinute": true } }), "tick")
        .await?;
    for metadata in [json!([1]), json!({ "long": "x".repeat(5000) })] {
        let refused = scene.change("quick", None, json!({ "metadata": metadata })).await;
        ensure!(refused.is_err_and(|e| e.to_string().contains("metadata")));
    }
    scene.close().await;
    Ok(())
}

fn copy(from: &Path, to: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if !is_wanted(&name.to_string_lossy()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(to.join(&name))?;
            copy(&entry.path(), &to.join(&name), &|_| true)?;
        } else {
            std::fs::copy(entry.path(), to.join(&name))?;
        }
    }
    Ok(())
}
