//! Runs of workflows: what survives a stop, what was asked of them, and in which order they take back what they did.

#[path = "workflows/begins.rs"]
mod begins;
#[path = "durable/scene.rs"]
#[expect(dead_code, reason = "these tests need a part of it")]
mod scene;

use org_ai_runtime::{
    HistoryEntry, RunShown, RunStatus, RunWanted, RunsWanted, StepStatus, SubscriptionTarget, WorkflowListener,
};
use scene::{Performed, Scene, outcome};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{ScriptedExecutor, completed, failed};
use types::deployment::WorkflowSpec;
use types::{Call, Fault, Json};

const HOUR_MS: u64 = 3_600_000;

/// What was called, in order: `name:input`.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn note(&self, call: String) {
        self.0.lock().expect("no test panics with it").push(call);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("no test panics with it").clone()
    }

    fn of(&self, call: &str) -> usize {
        self.all().iter().filter(|known| *known == call).count()
    }
}

/// `work` gives its input back, `broken` fails until `mend` has run, `busy` fails and can be retried, `hang` never ends.
fn executor(calls: &Calls) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    let mended = Performed::default();
    for name in ["work", "undo", "mend", "broken", "busy", "hang", "told"] {
        let (calls, mended) = (calls.clone(), mended.clone());
        executor.on(name, move |job, _| {
            let input = job.input.to_value();
            calls.note(format!("{name}:{}", input.as_str().map_or_else(|| input.to_string(), str::to_owned)));
            let mended = mended.clone();
            async move {
                match name {
                    "mend" => completed(&json!(mended.one_more())),
                    "broken" if mended.times() == 0 => failed(Fault::invalid("BAD", "not yet mended")),
                    "busy" => failed(Fault::failed("BUSY", "come back later")),
                    "hang" => std::future::pending().await,
                    _ => completed(&input),
                }
            }
        });
    }
    executor.on("say", |job, mut host| async move {
        let input = job.input.to_value();
        let call = Call::Emit {
            event: input["event"].as_str().unwrap_or_default().to_owned(),
            data: Json::from_value(&input["data"]),
            source: None,
        };
        outcome(scene::ask(&mut host, call).await)
    });
    let calls = calls.clone();
    executor.on("coded", move |_, mut host| {
        calls.note("coded".to_owned());
        async move {
            let all = async {
                let options = types::CallOptions { step_id: Some("first".into()), ..Default::default() };
                let data = Json::from_value(&json!("c"));
                scene::ask(&mut host, Call::Do { action: "work".into(), data, options }).await?;
                scene::ask(&mut host, Call::Sleep { duration_ms: HOUR_MS }).await?;
                Ok(json!("coded"))
            };
            outcome(all.await)
        }
    });
    executor
}

struct Flow {
    scene: Scene,
    calls: Calls,
}

fn step(name: &str, action: &str) -> Value {
    json!({ "do": { "name": name, "action": action, "input": name } })
}

fn undone(name: &str, action: &str) -> Value {
    json!({ "do": { "name": name, "action": action, "input": name,
                    "compensate": { "action": "undo", "input": format!("{{{{steps.{name}.output}}}}") } } })
}

impl Flow {
    async fn open(dir: &Path, calls: &Calls) -> anyhow::Result<Self> {
        Ok(Self { scene: Scene::open(dir, executor(calls)).await?, calls: calls.clone() })
    }

    async fn new(dir: &Path) -> anyhow::Result<Self> {
        let flow = Self::open(dir, &Calls::default()).await?;
        flow.scene.deploy(&["work", "undo", "mend", "broken", "busy", "hang", "told", "say", "coded"]).await?;
        Ok(flow)
    }

    async fn define(&self, name: &str, steps: &[Value]) -> anyhow::Result<()> {
        self.define_as(json!({ "name": name, "run": { "steps": steps } })).await
    }

    async fn define_as(&self, spec: Value) -> anyhow::Result<()> {
        let spec: WorkflowSpec = serde_json::from_value(spec)?;
        self.scene.root.set_workflow(&self.scene.caller, spec).await?;
        Ok(())
    }

    async fn start(&self, workflow: &str, run: &str, input: Value) -> anyhow::Result<RunShown> {
        let input = Some(Json::from_value(&input));
        let wanted = RunWanted { input, run_id: Some(run.to_owned()), idempotency_key: None };
        Ok(self.scene.root.run_workflow(&self.scene.caller, workflow, wanted).await?.0)
    }

    /// Until exactly these were called.
    async fn calls_are(&self, expected: &[&str]) -> anyhow::Result<()> {
        for _ in 0..5_000 {
            if self.calls.all().len() >= expected.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::ensure!(self.calls.all() == expected, "{:?}", self.calls.all());
        Ok(())
    }

    async fn run(&self, workflow: &str, run: &str) -> anyhow::Result<RunShown> {
        Ok(self.scene.root.workflow_run(&self.scene.caller, workflow, run).await?)
    }

    /// Until it stands so and nothing of it is in memory.
    async fn until(&self, workflow: &str, run: &str, status: RunStatus) -> anyhow::Result<RunShown> {
        for _ in 0..5_000 {
            let shown = self.run(workflow, run).await?;
            if shown.status == status {
                return Ok(shown);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("it is not {status:?}: {:#?}", self.run(workflow, run).await?)
    }

    async fn send(&self, workflow: &str, run: &str, event: &str, payload: Value) -> anyhow::Result<()> {
        let payload = Json::from_value(&payload);
        Ok(self.scene.root.send_to_run(&self.scene.caller, workflow, run, event, payload).await?)
    }

    async fn history(&self, workflow: &str, run: &str) -> anyhow::Result<Vec<HistoryEntry>> {
        Ok(self.scene.root.run_history(&self.scene.caller, workflow, run).await?)
    }

    fn advance(&self, ms: u64) {
        self.scene.test.clock.advance(Duration::from_millis(ms));
    }
}

fn statuses(run: &RunShown) -> Vec<(&str, StepStatus)> {
    run.steps.iter().map(|step| (step.name.as_str(), step.status)).collect()
}

fn events(history: &[HistoryEntry]) -> Vec<String> {
    history
        .iter()
        .map(|entry| {
            let data = entry.data.to_value();
            data["step"].as_str().map_or_else(|| entry.event.clone(), |step| format!("{} {step}", entry.event))
        })
        .collect()
}

fn code(fault: &anyhow::Error) -> String {
    fault.downcast_ref::<Fault>().map(|fault| fault.code.clone()).unwrap_or_else(|| fault.to_string())
}

/// A copy of what is on the disk, as a power cut would leave it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_follow_each_other_and_each_is_told() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let second = json!({ "do": { "name": "b", "action": "work", "input": { "was": "{{steps.a.output}}" } } });
    flow.define("two", &[step("a", "work"), second]).await?;
    let started = flow.start("two", "r1", json!({ "n": 1 })).await?;
    assert!(matches!(started.status, RunStatus::Queued | RunStatus::Running), "{:?}", started.status);
    let run = flow.until("two", "r1", RunStatus::Completed).await?;
    assert_eq!(
        run.output.as_ref().map(Json::to_value),
        Some(json!({ "was": "a" })),
        "its output is that of its last step"
    );
    assert_eq!(statuses(&run), [("a", StepStatus::Completed), ("b", StepStatus::Completed)]);
    assert_eq!((run.steps[0].kind, run.steps[0].attempts), ("do", 1));
    let told = [
        "workflow.started",
        "step.started a",
        "step.completed a",
        "step.started b",
        "step.completed b",
        "workflow.completed",
    ];
    assert_eq!(events(&flow.history("two", "r1").await?), told);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_a_stop_and_no_step_that_was_done_is_done_again() -> anyhow::Result<()> {
    let (dir, copied, calls) = (tempfile::tempdir()?, tempfile::tempdir()?, Calls::default());
    let flow = Flow::new(dir.path()).await?;
    flow.define("three", &[step("a", "work"), step("b", "hang"), step("c", "work")]).await?;
    flow.start("three", "r", json!(null)).await?;
    for _ in 0..5_000 {
        if flow.calls.of("hang:b") == 1 && flow.run("three", "r").await?.steps[1].status == StepStatus::Running {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(flow.calls.all(), ["work:a", "hang:b"]);
    // Its definition changes; the run stays with what it began with.
    flow.define("three", &[step("z", "work")]).await?;
    copy(dir.path(), copied.path())?;
    let executor = executor(&calls);
    let again = calls.clone();
    executor.on("hang", move |job, _| {
        again.note("hang:b".to_owned());
        async move { completed(&job.input.to_value()) }
    });
    let scene = Scene::open(copied.path(), executor).await?;
    let reopened = Flow { scene, calls };
    let run = reopened.until("three", "r", RunStatus::Completed).await?;
    assert_eq!(reopened.calls.all(), ["hang:b", "work:c"], "the first step was done before the stop");
    assert_eq!(run.steps.len(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlasts_a_sleep_which_then_is_over_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let sleep = json!({ "sleep": { "name": "rest", "forMs": HOUR_MS } });
    flow.define("lazy", &[step("a", "work"), sleep, step("b", "work")]).await?;
    flow.start("lazy", "r", json!(null)).await?;
    let waiting = flow.until("lazy", "r", RunStatus::Waiting).await?;
    assert_eq!(waiting.current_step.as_deref(), Some("rest"));
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    assert_eq!(root.pause_run(caller, "lazy", "r").await?.status, RunStatus::Paused);
    assert_eq!(root.pause_run(caller, "lazy", "r").await?.status, RunStatus::Paused, "twice is the same");
    flow.advance(2 * HOUR_MS);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(flow.run("lazy", "r").await?.status, RunStatus::Paused);
    root.resume_run(caller, "lazy", "r", None).await?;
    flow.until("lazy", "r", RunStatus::Completed).await?;
    assert_eq!(flow.calls.all(), ["work:a", "work:b"]);
    let refused = root.pause_run(caller, "lazy", "r").await.expect_err("it is over");
    assert_eq!(refused.code, "RUN_OVER");
    let told = events(&flow.history("lazy", "r").await?);
    assert!(told.contains(&"workflow.paused".to_owned()) && told.contains(&"workflow.resumed".to_owned()), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_takes_the_event_that_belongs_to_it_sent_before_or_after() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let paid =
        json!({ "waitForEvent": { "name": "paid", "event": "Order.paid", "filter": "data.orderId == input.orderId" } });
    let sent = json!({ "waitForEvent": { "name": "sent", "event": "Order.sent" } });
    let late =
        json!({ "waitForEvent": { "name": "late", "event": "Order.lost", "timeoutMs": HOUR_MS, "default": "none" } });
    flow.define("order", &[paid, sent, late]).await?;
    flow.start("order", "r", json!({ "orderId": 7 })).await?;
    flow.until("order", "r", RunStatus::Waiting).await?;
    // What is sent to the run itself is kept for the step that waits for it later.
    flow.send("order", "r", "Order.sent", json!({ "by": "ship" })).await?;
    flow.scene.run("say", &json!({ "event": "Order.paid", "data": { "orderId": 8 } })).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(flow.run("order", "r").await?.current_step.as_deref(), Some("paid"), "it is another order's");
    flow.scene.run("say", &json!({ "event": "Order.paid", "data": { "orderId": 7 } })).await?;
    for _ in 0..2_000 {
        if flow.run("order", "r").await?.current_step.as_deref() == Some("late") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    flow.until("order", "r", RunStatus::Waiting).await?;
    flow.advance(HOUR_MS);
    let run = flow.until("order", "r", RunStatus::Completed).await?;
    assert_eq!(run.output.as_ref().map(Json::to_value), Some(json!("none")), "its default");
    let outputs: Vec<_> =
        run.steps.iter().filter_map(|s| Some(s.output.as_ref()?.to_value()["data"].clone())).collect();
    assert_eq!(outputs[..2], [json!({ "orderId": 7 }), json!({ "by": "ship" })]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_without_a_default_fails_when_nothing_comes() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let wait = json!({ "waitForEvent": { "name": "w", "event": "Order.paid", "timeoutMs": HOUR_MS } });
    let failure = json!({ "name": "sad", "onFailure": "told", "run": { "steps": [wait] } });
    flow.define_as(failure).await?;
    flow.start("sad", "r", json!(1)).await?;
    flow.until("sad", "r", RunStatus::Waiting).await?;
    flow.advance(HOUR_MS);
    let run = flow.until("sad", "r", RunStatus::Failed).await?;
    assert_eq!(run.error.as_ref().map(|e| e.code.as_str()), Some("WAIT_TIMEOUT"));
    assert_eq!(statuses(&flow.run("sad", "r").await?), [("w", StepStatus::Failed)]);
    for _ in 0..2_000 {
        if !flow.calls.all().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(flow.calls.all()[0].contains("\"runId\":\"r\""), "{:?}", flow.calls.all());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_takes_back_in_reverse_and_does_it_again_when_resumed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("trip", &[step("x", "work"), undone("a", "work"), undone("b", "work"), step("c", "broken")]).await?;
    flow.start("trip", "r", json!(null)).await?;
    let run = flow.until("trip", "r", RunStatus::Failed).await?;
    assert_eq!(flow.calls.all(), ["work:x", "work:a", "work:b", "broken:c", "undo:b", "undo:a"]);
    assert_eq!(run.current_step.as_deref(), Some("c"));
    flow.scene.run("mend", &json!("it")).await?;
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    root.resume_run(caller, "trip", "r", None).await?;
    flow.until("trip", "r", RunStatus::Completed).await?;
    assert_eq!(flow.calls.all()[7..], ["work:a", "work:b", "broken:c"], "what was taken back is done again, x is not");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_without_compensation_begins_again_at_the_failed_step() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("plain", &[step("a", "work"), step("b", "work"), step("c", "broken")]).await?;
    for run in ["r", "s"] {
        flow.start("plain", run, json!(null)).await?;
        flow.until("plain", run, RunStatus::Failed).await?;
    }
    flow.scene.run("mend", &json!("it")).await?;
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    root.resume_run(caller, "plain", "r", None).await?;
    flow.until("plain", "r", RunStatus::Completed).await?;
    assert_eq!((flow.calls.of("work:a"), flow.calls.of("broken:c")), (2, 3));
    let unknown = root.resume_run(caller, "plain", "s", Some("q".into())).await.expect_err("no such step");
    assert_eq!(unknown.code, "STEP_NOT_FOUND");
    root.resume_run(caller, "plain", "s", Some("b".into())).await?;
    flow.until("plain", "s", RunStatus::Completed).await?;
    assert_eq!((flow.calls.of("work:a"), flow.calls.of("work:b"), flow.calls.of("broken:c")), (2, 3, 4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_retried_for_the_codes_that_it_names_and_no_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.scene.let_time_fly(Duration::from_millis(100));
    for (name, codes, times) in [("named", json!(["BUSY"]), 3), ("other", json!(["OTHER"]), 1), ("all", json!([]), 3)] {
        let retry = json!({ "maxAttempts": 3, "initialDelayMs": 1, "retryOn": codes });
        let step = json!({ "do": { "name": "step", "action": "busy", "input": name, "retry": retry } });
        flow.define(name, &[step]).await?;
        flow.start(name, "1", json!(null)).await?;
        let run = flow.until(name, "1", RunStatus::Failed).await?;
        assert_eq!(flow.calls.of(&format!("busy:{name}")), times, "{name}: {run:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_takes_back_what_it_did_and_what_is_queued_ends_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let wait = json!({ "waitForEvent": { "name": "w", "event": "Order.paid" } });
    let steps = json!([undone("a", "work"), wait, step("z", "work")]);
    flow.define_as(json!({ "name": "one", "concurrency": 1, "run": { "steps": steps } })).await?;
    flow.start("one", "r1", json!(null)).await?;
    flow.until("one", "r1", RunStatus::Waiting).await?;
    assert_eq!(flow.start("one", "r2", json!(null)).await?.status, RunStatus::Queued);
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    assert_eq!(root.cancel_run(caller, "one", "r2").await?.status, RunStatus::Cancelled);
    assert_eq!(root.cancel_run(caller, "one", "r1").await?.status, RunStatus::Cancelled);
    assert_eq!(flow.calls.all(), ["work:a", "undo:a"]);
    assert_eq!(root.cancel_run(caller, "one", "r1").await.expect_err("it is over").code, "RUN_OVER");
    assert_eq!(events(&flow.history("one", "r1").await?).last().map(String::as_str), Some("workflow.cancelled"));
    assert_eq!(events(&flow.history("one", "r2").await?), ["workflow.started", "workflow.cancelled"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_run_can_be_cancelled() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let wait = json!({ "waitForEvent": { "name": "w", "event": "Order.paid" } });
    flow.define("p", &[undone("a", "work"), wait]).await?;
    flow.start("p", "r", json!(null)).await?;
    flow.until("p", "r", RunStatus::Waiting).await?;
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    root.pause_run(caller, "p", "r").await?;
    assert_eq!(root.cancel_run(caller, "p", "r").await?.status, RunStatus::Cancelled);
    assert_eq!(flow.calls.all(), ["work:a", "undo:a"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_of_a_parallel_step_wait_for_themselves_and_are_joined() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let wait = |name: &str, event: &str| json!({ "waitForEvent": { "name": name, "event": event } });
    let branches =
        json!([[wait("w1", "A.a"), step("a2", "work")], [step("b1", "work"), wait("w2", "B.b"), step("b2", "work")]]);
    let both = json!({ "parallel": { "name": "both", "branches": branches } });
    let last =
        json!({ "do": { "name": "end", "action": "work", "input": ["{{steps.a2.output}}", "{{steps.b2.output}}"] } });
    flow.define("par", &[both, last]).await?;
    flow.start("par", "r", json!(null)).await?;
    for _ in 0..2_000 {
        let run = flow.run("par", "r").await?;
        if run.steps.iter().filter(|s| s.status == StepStatus::Waiting).count() >= 2 && flow.scene.root.runs() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(flow.scene.root.runs(), 0, "nothing of it is in memory");
    // The second branch does not wait for the first.
    flow.send("par", "r", "B.b", json!(null)).await?;
    for _ in 0..2_000 {
        if flow.calls.of("work:b2") == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(flow.calls.all(), ["work:b1", "work:b2"]);
    flow.send("par", "r", "A.a", json!(null)).await?;
    let run = flow.until("par", "r", RunStatus::Completed).await?;
    assert_eq!(run.output.as_ref().map(Json::to_value), Some(json!(["a2", "b2"])));
    let names: Vec<_> = run.steps.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["both", "w1", "a2", "b1", "w2", "b2", "end"]);
    assert!(run.steps.iter().all(|s| s.status == StepStatus::Completed), "{:?}", statuses(&run));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_fails_fails_the_run_and_all_is_taken_back_and_done_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let branches = json!([[undone("a", "work")], [undone("b", "work"), step("c", "broken")]]);
    flow.define("par", &[undone("x", "work"), json!({ "parallel": { "name": "p", "branches": branches } })]).await?;
    flow.start("par", "r", json!(null)).await?;
    let run = flow.until("par", "r", RunStatus::Failed).await?;
    assert_eq!(run.error.as_ref().map(|e| e.code.as_str()), Some("BAD"));
    let calls = flow.calls.all();
    let undone: Vec<_> = calls.iter().filter(|call| call.starts_with("undo")).cloned().collect();
    assert_eq!(undone, ["undo:b", "undo:a", "undo:x"], "{calls:?}");
    flow.scene.run("mend", &json!("it")).await?;
    flow.scene.root.resume_run(&flow.scene.caller, "par", "r", None).await?;
    flow.until("par", "r", RunStatus::Completed).await?;
    assert_eq!((flow.calls.of("work:x"), flow.calls.of("work:a"), flow.calls.of("work:b")), (2, 2, 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_decides_and_the_other_way_is_skipped() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let branch = json!({ "branch": { "name": "big", "when": "input.n > 10 and steps.a.output == \"a\"",
                                     "then": [step("yes", "work")], "else": [step("no", "work")] } });
    flow.define("cond", &[step("a", "work"), branch]).await?;
    flow.start("cond", "r1", json!({ "n": 11 })).await?;
    let run = flow.until("cond", "r1", RunStatus::Completed).await?;
    use StepStatus::{Completed, Skipped};
    assert_eq!(statuses(&run), [("a", Completed), ("big", Completed), ("yes", Completed), ("no", Skipped)]);
    flow.start("cond", "r2", json!({ "n": 1 })).await?;
    let run = flow.until("cond", "r2", RunStatus::Completed).await?;
    assert_eq!(statuses(&run)[2..], [("yes", Skipped), ("no", Completed)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_waits_for_its_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let approval = json!({ "approval": { "name": "ok", "prompt": "Pay {{input.n}}?", "onTimeout": "reject", "timeoutMs": HOUR_MS } });
    flow.define("pay", &[approval]).await?;
    for run in ["r1", "r2"] {
        flow.start("pay", run, json!({ "n": 5 })).await?;
        flow.until("pay", run, RunStatus::Waiting).await?;
    }
    flow.send("pay", "r1", "approve", json!({ "step": "another", "approved": true })).await?;
    flow.send("pay", "r1", "approve", json!({ "approved": true, "by": "ann" })).await?;
    let run = flow.until("pay", "r1", RunStatus::Completed).await?;
    assert_eq!(run.output.as_ref().map(Json::to_value), Some(json!({ "approved": true, "by": "ann" })));
    flow.advance(HOUR_MS);
    let run = flow.until("pay", "r2", RunStatus::Completed).await?;
    assert_eq!(run.output.as_ref().map(|o| o.to_value()["approved"].clone()), Some(json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_runs_are_under_way_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let wait = json!({ "waitForEvent": { "name": "w", "event": "Go.now" } });
    flow.define_as(json!({ "name": "two", "concurrency": 2, "run": { "steps": [wait] } })).await?;
    for run in ["r1", "r2", "r3"] {
        flow.start("two", run, json!(null)).await?;
    }
    flow.until("two", "r1", RunStatus::Waiting).await?;
    flow.until("two", "r2", RunStatus::Waiting).await?;
    assert_eq!(flow.run("two", "r3").await?.status, RunStatus::Queued);
    // The one that ends makes room, whichever it is.
    flow.send("two", "r2", "Go.now", json!(null)).await?;
    flow.until("two", "r2", RunStatus::Completed).await?;
    flow.until("two", "r3", RunStatus::Waiting).await?;
    let wanted = RunsWanted { status: Some(RunStatus::Waiting), before: None, limit: 1 };
    let page = flow.scene.root.workflow_runs(&flow.scene.caller, "two", &wanted).await?;
    assert_eq!(page.runs.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["r3"], "newest first");
    let rest = RunsWanted { before: page.next, ..wanted };
    let page = flow.scene.root.workflow_runs(&flow.scene.caller, "two", &rest).await?;
    assert_eq!((page.runs[0].name.as_str(), page.next), ("r1", None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_time_is_over_fails_and_takes_back() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let sleep = json!({ "sleep": { "name": "rest", "forMs": 10 * HOUR_MS } });
    let steps = json!([undone("a", "work"), sleep]);
    flow.define_as(json!({ "name": "short", "timeoutMs": HOUR_MS, "run": { "steps": steps } })).await?;
    flow.start("short", "r", json!(null)).await?;
    flow.until("short", "r", RunStatus::Waiting).await?;
    flow.advance(HOUR_MS);
    let run = flow.until("short", "r", RunStatus::Failed).await?;
    assert_eq!(run.error.as_ref().map(|e| e.code.as_str()), Some("RUN_TIMEOUT"));
    assert_eq!(flow.calls.all(), ["work:a", "undo:a"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coded_run_is_paused_and_resumed_and_shows_its_steps() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define_as(json!({ "name": "code", "run": { "handler": "coded" } })).await?;
    flow.start("code", "r", json!(null)).await?;
    let run = flow.until("code", "r", RunStatus::Waiting).await?;
    let shown: Vec<_> = run.steps.iter().map(|s| (s.name.as_str(), s.kind, s.status)).collect();
    assert_eq!(shown, [("first", "do", StepStatus::Completed), ("timers.sleep", "sleep", StepStatus::Waiting)]);
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    root.pause_run(caller, "code", "r").await?;
    flow.advance(HOUR_MS);
    root.resume_run(caller, "code", "r", None).await?;
    let run = flow.until("code", "r", RunStatus::Completed).await?;
    assert_eq!(run.output.as_ref().map(Json::to_value), Some(json!("coded")));
    assert_eq!(flow.calls.of("work:c"), 1);
    flow.start("code", "s", json!(null)).await?;
    flow.until("code", "s", RunStatus::Waiting).await?;
    assert_eq!(root.cancel_run(caller, "code", "s").await?.status, RunStatus::Cancelled);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_begins_one_run_and_a_name_is_taken_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("k", &[step("a", "work")]).await?;
    let (root, caller) = (&flow.scene.root, &flow.scene.caller);
    let wanted = |input: Value| RunWanted {
        input: Some(Json::from_value(&input)),
        run_id: None,
        idempotency_key: Some("once".into()),
    };
    let (first, is_new) = root.run_workflow(caller, "k", wanted(json!(1))).await?;
    let (second, is_second_new) = root.run_workflow(caller, "k", wanted(json!(1))).await?;
    assert_eq!((first.id, is_new, is_second_new), (second.id, true, false));
    let mismatch = root.run_workflow(caller, "k", wanted(json!(2))).await.expect_err("another input");
    assert_eq!(mismatch.code, "IDEMPOTENCY_MISMATCH");
    flow.start("k", "named", json!(null)).await?;
    assert_eq!(code(&flow.start("k", "named", json!(null)).await.expect_err("taken")), "RUN_EXISTS");
    assert_eq!(code(&flow.start("none", "x", json!(null)).await.expect_err("unknown")), "WORKFLOW_NOT_FOUND");
    assert_eq!(code(&flow.run("k", "nobody").await.expect_err("unknown")), "RUN_NOT_FOUND");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_takes_a_hundred_events_and_no_more() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    flow.define("ev", &[json!({ "waitForEvent": { "name": "w", "event": "Go.now" } })]).await?;
    flow.start("ev", "r", json!(null)).await?;
    for n in 0..100 {
        flow.send("ev", "r", "other", json!(n)).await?;
    }
    assert_eq!(code(&flow.send("ev", "r", "other", json!(100)).await.expect_err("too many")), "EVENTS_LIMIT");
    flow.until("ev", "r", RunStatus::Waiting).await?;
    flow.advance(24 * HOUR_MS);
    flow.until("ev", "r", RunStatus::Failed).await?;
    assert_eq!(code(&flow.send("ev", "r", "other", json!(1)).await.expect_err("over")), "RUN_OVER");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_definition_is_told_by_its_place() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let flow = Flow::new(dir.path()).await?;
    let branch = json!({ "branch": { "name": "b", "when": "input.n >", "then": [step("y", "work")] } });
    let refused = flow.define("bad", &[branch]).await.expect_err("half a condition");
    assert_eq!(code(&refused), "WORKFLOW_INVALID");
    assert!(refused.to_string().contains("step b, when"), "{refused}");
    let many: Vec<_> = (0..1025).map(|n| step(&format!("s{n}"), "work")).collect();
    let refused = flow.define("many", &many).await.expect_err("too many steps");
    assert!(refused.to_string().contains("1024"), "{refused}");
    Ok(())
}
