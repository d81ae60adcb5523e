//! Accepting, retrying, keys, order, cancelling.

use super::scene::{Performed, Scene, ask, count, create, do_, outcome, start, try_};
use org_ai_runtime::InvokeOptions;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{ScriptedExecutor, completed, failed};
use types::{ActionStatus, Call, Fault, Json, Retry};

/// `flaky` fails as often as its input says, `broken` always, `slow` takes its time, `count` counts things.
fn executor(performed: &Performed) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    let runs = performed.clone();
    executor.on("flaky", move |job, _| {
        let run = runs.one_more();
        let fails = job.input.to_value().as_u64().unwrap_or(0);
        async move {
            if u64::from(run) <= fails { failed(Fault::failed("NOT_YET", "not yet")) } else { completed(&json!(run)) }
        }
    });
    let runs = performed.clone();
    executor.on("broken", move |_, _| {
        runs.one_more();
        async { failed(Fault::invalid("BAD", "this never works")) }
    });
    let runs = performed.clone();
    executor.on("slow", move |_, _| {
        runs.one_more();
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            completed(&json!("slow"))
        }
    });
    executor.on("count", |job, host| async move { count(host, job.input.to_value().as_str().unwrap_or("n")).await });
    executor.on("parent", |_, mut host| async move {
        let sum = async {
            let first = ask(&mut host, do_("count", &json!("c"))).await?;
            let second = ask(&mut host, do_("count", &json!("c"))).await?;
            Ok(json!([first, second]))
        };
        outcome(sum.await)
    });
    executor.on("fan-out", |_, mut host| async move {
        let all = async {
            let mut ids = Vec::new();
            for n in 0..10 {
                ids.push(ask(&mut host, start("count", &json!(format!("f{n}")))).await?);
            }
            let mut sum = 0;
            for id in ids {
                let id = id.as_str().unwrap_or_default().to_owned();
                sum += ask(&mut host, Call::Join { action_id: id }).await?.as_u64().unwrap_or(0);
            }
            Ok(json!(sum))
        };
        outcome(all.await)
    });
    let runs = performed.clone();
    executor.on("parent-fails-once", move |_, mut host| {
        let runs = runs.clone();
        async move {
            let child = ask(&mut host, do_("count", &json!("once"))).await;
            if runs.one_more() == 1 {
                return failed(Fault::failed("NOT_YET", "after the child"));
            }
            outcome(child)
        }
    });
    executor.on("needs-flaky", |job, mut host| async move {
        let retry =
            Some(Retry { max_attempts: 1, initial_delay_ms: 1, max_delay_ms: 1, multiplier: 1.0, jitter: false });
        let options = types::CallOptions { retry, ..Default::default() };
        outcome(ask(&mut host, Call::Do { action: "flaky".into(), data: job.input, options }).await)
    });
    executor.on("half-way", |_, mut host| async move {
        let _ = ask(&mut host, create("Order", "half")).await;
        failed(Fault::failed("NO", "after writing"))
    });
    let runs = performed.clone();
    executor.on("catches", move |job, mut host| {
        let run = runs.clone();
        async move {
            let tried = ask(&mut host, try_("broken", &json!(null))).await;
            let made = ask(&mut host, create("Order", if tried.is_err() { "refused" } else { "paid" })).await;
            if job.invocation.attempt == 1 {
                run.one_more();
                return failed(Fault::failed("NOT_YET", "once more"));
            }
            outcome(made.map(|_| json!(job.invocation.attempt)))
        }
    });
    executor
}

async fn scene(dir: &tempfile::TempDir, performed: &Performed) -> anyhow::Result<Scene> {
    let scene = Scene::open(dir.path(), executor(performed)).await?;
    let all = [
        "flaky",
        "broken",
        "slow",
        "count",
        "parent",
        "fan-out",
        "parent-fails-once",
        "half-way",
        "catches",
        "needs-flaky",
    ];
    scene.deploy(&all).await?;
    Ok(scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_ends_once() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    let invoked = scene.invoke("flaky", &json!(2), InvokeOptions::default()).await.map_err(|f| f.fault)?;
    assert_eq!(invoked.result.to_value(), json!(3));
    let row = scene.action(invoked.action).await?;
    assert_eq!((row.status, row.attempts), (ActionStatus::Completed, 3));
    assert_eq!(scene.verbs(invoked.action).await?, ["invoked", "completed"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_attempts_it_failed_and_can_be_retried_on_its_row() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    let refused = scene.invoke("flaky", &json!(3), InvokeOptions::default()).await.expect_err("three attempts fail");
    let id = refused.action.expect("it has a row");
    assert_eq!(refused.fault.code, "NOT_YET");
    let row = scene.action(id).await?;
    assert_eq!((row.status, row.attempts), (ActionStatus::Failed, 3));
    assert_eq!(scene.verbs(id).await?, ["invoked", "failed"]);
    let again = scene.root.retry(&scene.caller, id).await.map_err(|f| f.fault)?;
    assert_eq!(again.action, id);
    let row = scene.action(id).await?;
    assert_eq!((row.status, row.attempts), (ActionStatus::Completed, 4));
    let twice = scene.root.retry(&scene.caller, id).await.expect_err("it completed");
    assert_eq!(twice.fault.code, "NOT_RETRYABLE");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_succeed_is_not_tried_again() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let refused = scene.invoke("broken", &json!(null), InvokeOptions::default()).await.expect_err("it is broken");
    assert_eq!((refused.fault.code.as_str(), performed.times()), ("BAD", 1));
    let one = InvokeOptions {
        retry: Some(Retry { max_attempts: 1, ..org_ai_runtime::STANDARD_RETRY }),
        ..Default::default()
    };
    scene.invoke("flaky", &json!(100), one).await.expect_err("one attempt");
    assert_eq!(performed.times(), 2);
    let none = InvokeOptions {
        retry: Some(Retry { max_attempts: 0, ..org_ai_runtime::STANDARD_RETRY }),
        ..Default::default()
    };
    let refused = scene.invoke("flaky", &json!(0), none).await.expect_err("no attempt at all");
    assert_eq!((refused.fault.code.as_str(), refused.action), ("RETRY_INVALID", None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_nobody_offers_failed_and_that_is_written_down() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let refused = scene.invoke("nobody", &json!(null), InvokeOptions::default()).await.expect_err("there is none");
    assert_eq!(refused.fault.code, "ACTION_NOT_FOUND");
    let row = scene.action(refused.action.expect("it has a row")).await?;
    assert_eq!((row.status, row.attempts), (ActionStatus::Failed, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_run_for_whoever_asks_and_however_late() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let keyed = || InvokeOptions { idempotency_key: Some("k".into()), ..Default::default() };
    let null = json!(null);
    let (a, b) = tokio::join!(scene.invoke("slow", &null, keyed()), scene.invoke("slow", &null, keyed()));
    let (a, b) = (a.map_err(|f| f.fault)?, b.map_err(|f| f.fault)?);
    assert_eq!((a.action, &a.result), (b.action, &b.result));
    let later = scene.invoke("slow", &json!(null), keyed()).await.map_err(|f| f.fault)?;
    assert_eq!((later.action, performed.times()), (a.action, 1));
    let other = scene.invoke("slow", &json!(1), keyed()).await.expect_err("another input");
    assert_eq!(other.fault.code, "IDEMPOTENCY_MISMATCH");
    scene.invoke("slow", &json!(null), InvokeOptions::default()).await.map_err(|f| f.fault)?;
    assert_eq!(performed.times(), 2, "without a key it is another call");
    scene.test.clock.advance(Duration::from_secs(24 * 3600 + 60));
    let forgotten = scene.invoke("slow", &json!(1), keyed()).await.map_err(|f| f.fault)?;
    assert_ne!(forgotten.action, a.action);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_under_a_key_is_run_again_when_asked_for() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let one = Retry { max_attempts: 1, ..org_ai_runtime::STANDARD_RETRY };
    let keyed = || InvokeOptions { idempotency_key: Some("k".into()), retry: Some(one.clone()), ..Default::default() };
    scene.invoke("flaky", &json!(1), keyed()).await.expect_err("its first run fails");
    let shared = scene.invoke("flaky", &json!(1), keyed()).await.expect_err("the stored fault");
    assert_eq!((shared.fault.code.as_str(), performed.times()), ("NOT_YET", 1));
    let again = InvokeOptions { retry_failed: true, ..keyed() };
    scene.invoke("flaky", &json!(1), again).await.map_err(|f| f.fault)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_word_keeps_the_order_through_retries() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let serial =
        || InvokeOptions { serial: Some("acme".into()), durability: types::Durability::Do, ..Default::default() };
    let accept = async |fails: u64| {
        let input = types::Json::from_value(&json!(fails));
        let accepted = scene.root.accept_durably(&scene.caller, &"flaky".parse()?, input, serial()).await;
        anyhow::Ok(accepted.map_err(|f| f.fault)?)
    };
    let first = accept(2).await?;
    let second = accept(0).await?;
    scene.until(first, |row| row.status == ActionStatus::Retrying).await?;
    assert_eq!(scene.action(second).await?.status, ActionStatus::Pending, "it waits for the first");
    scene.let_time_pass();
    let first = scene.over(first).await?;
    let second = scene.over(second).await?;
    assert_eq!((first.attempts, second.attempts), (3, 1));
    assert!(second.started_at >= first.completed_at);
    assert_eq!(second.options.to_value()["output"], json!(4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_off_run_waits_for_its_time_and_a_deadline_ends_the_trying() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let put_off = InvokeOptions {
        delay: Some(Duration::from_secs(3600)),
        durability: types::Durability::Do,
        ..Default::default()
    };
    let input = types::Json::from_value(&json!(0));
    let id = scene.root.accept_durably(&scene.caller, &"flaky".parse()?, input, put_off).await.map_err(|f| f.fault)?;
    scene.test.clock.advance(Duration::from_secs(3599));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((scene.action(id).await?.status, performed.times()), (ActionStatus::Pending, 0));
    scene.test.clock.advance(Duration::from_secs(1));
    assert_eq!(scene.over(id).await?.status, ActionStatus::Completed);
    let deadline = Some(testkit::START.plus(Duration::from_secs(3600)));
    let late = scene.invoke("flaky", &json!(0), InvokeOptions { deadline, ..Default::default() }).await;
    assert_eq!(late.expect_err("it is past").fault.code, "DEADLINE_PASSED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_runs_of_their_own_and_survive_their_parents_failure() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    assert_eq!(scene.run("parent", &json!(null)).await?, json!([1, 2]));
    assert_eq!(scene.run("fan-out", &json!(null)).await?, json!(10));
    assert_eq!(scene.run("parent-fails-once", &json!(null)).await?, json!(1));
    assert_eq!((scene.counter("once").await?, performed.times()), (1, 2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_failed_and_ended_the_attempt_is_asked_anew_by_the_next() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    assert_eq!(scene.run("needs-flaky", &json!(2)).await?, json!(3), "each attempt has a child of its own");
    assert_eq!(performed.times(), 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_attempt_leaves_nothing_of_its_turn() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    let refused = scene.invoke("half-way", &json!(null), InvokeOptions::default()).await;
    assert_eq!(refused.expect_err("it fails").fault.code, "NO");
    let nouns = scene.root.nouns(&scene.caller).await?;
    assert!(nouns.iter().all(|n| n.def.noun.as_str() != "Order"), "{nouns:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caught_failure_is_looked_at_anew_by_the_next_attempt() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    assert_eq!(scene.run("catches", &json!(null)).await?, json!(2));
    assert_eq!(performed.times(), 3, "broken ran once in each attempt");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_while_it_waits_for_its_next_attempt() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let id = scene.accept("flaky", &json!(100)).await?;
    scene.until(id, |row| row.status == ActionStatus::Retrying).await?;
    let row = scene.root.cancel(&scene.caller, id).await?;
    assert_eq!(row.status, ActionStatus::Cancelled);
    scene.test.clock.advance(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((scene.action(id).await?.status, performed.times()), (ActionStatus::Cancelled, 1));
    let twice = scene.root.cancel(&scene.caller, id).await.expect_err("it is over");
    assert_eq!(twice.code, "ACTION_SETTLED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_does_not_end_it() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let gone =
        tokio::time::timeout(Duration::from_millis(20), scene.invoke("slow", &json!(null), InvokeOptions::default()));
    assert!(gone.await.is_err(), "it takes longer than that");
    let filter = org_ai_runtime::ActionFilter { limit: 10, ..Default::default() };
    let rows = scene.root.actions(&scene.caller, &filter).await?.items;
    let row = rows.iter().find(|r| r.target == "Function/slow").expect("it was accepted");
    assert_eq!(scene.over(row.id).await?.status, ActionStatus::Completed);
    assert_eq!(row.options.to_value()["input"], Value::Null);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_codes_are_tried_again() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    scene.let_time_pass();
    let on = |codes: &[&str]| InvokeOptions {
        retry_on: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..InvokeOptions::default()
    };
    let other = scene.invoke("flaky", &json!(1), on(&["OTHER"])).await.expect_err("its code is not among them");
    assert_eq!((other.fault.code.as_str(), performed.times()), ("NOT_YET", 1));
    scene.invoke("flaky", &json!(2), on(&["OTHER", "NOT_YET"])).await.map_err(|f| f.fault)?;
    let refused = scene.invoke("flaky", &json!(0), on(&["no code"])).await.expect_err("it has a space");
    assert_eq!((refused.fault.code.as_str(), refused.action), ("RETRY_INVALID", None));
    let many = scene.invoke("flaky", &json!(0), on(&["A"; 21])).await.expect_err("twenty at most");
    assert_eq!(many.fault.code, "RETRY_INVALID");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_higher_priority_runs_first_and_equal_ones_in_their_order() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let open = std::sync::Arc::new(tokio::sync::Notify::new());
    let executor = || {
        let executor = testkit::ScriptedExecutor::new();
        let (order, open) = (order.clone(), open.clone());
        executor.on("work", move |job, _| {
            let (order, open, input) = (order.clone(), open.clone(), job.input.to_value());
            async move {
                if input == "first" {
                    open.notified().await;
                }
                order.lock().expect("no test panics with it").push(input.as_str().unwrap_or_default().to_owned());
                completed(&json!(null))
            }
        });
        executor
    };
    let one_at_a_time = |config: &mut org_ai_runtime::Config| config.object_runs_max = 1;
    let scene = Scene::of(testkit::TestNode::open_with(dir.path(), executor(), one_at_a_time).await?).await?;
    scene.deploy(&["work"]).await?;
    let asked = [("first", 0), ("b", 0), ("low", -5), ("c", 0), ("high", 7), ("higher", 100), ("high2", 7)];
    let mut last = None;
    for (input, priority) in asked {
        let options = InvokeOptions { durability: types::Durability::Do, priority, ..InvokeOptions::default() };
        let input = Json::from_value(&json!(input));
        let id = scene.root.accept_durably(&scene.caller, &"work".parse()?, input, options).await;
        let id = id.map_err(|f| f.fault)?;
        last = if priority == -5 { Some(id) } else { last };
    }
    open.notify_one();
    let low = last.expect("one was asked for");
    scene.over(low).await?;
    let found = order.lock().expect("no test panics with it").clone();
    assert_eq!(found, ["first", "higher", "high", "high2", "b", "c", "low"]);
    assert_eq!(scene.root.invocation(&scene.caller, low, 0).await?.invocation.row.priority, -5, "it is kept");
    let refused = InvokeOptions { priority: 101, ..InvokeOptions::default() };
    let refused = scene.invoke("work", &json!("x"), refused).await.expect_err("it is too high");
    assert_eq!(refused.fault.code, "PRIORITY_INVALID");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_name_takes_a_right_and_gives_none() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(&dir, &performed).await?;
    let namespace = scene.root.namespace().clone();
    let ann = scene.caller.acting_as(&namespace, "User/ann")?;
    assert_eq!(&*ann.identity.actor, "https://root.test/User/ann");
    assert_eq!(ann.identity.scopes, scene.caller.identity.scopes);
    let whole = scene.caller.acting_as(&namespace, "https://root.test/User/ann")?;
    assert_eq!(whole.identity.actor, ann.identity.actor);
    let refused = scene.caller.acting_as(&namespace, "https://other.test/User/ann").expect_err("nobody of this object");
    assert_eq!(refused.code, "ACTOR_INVALID");
    let weak = scene.test.caller(&["*.invoke"])?;
    let refused = weak.acting_as(&namespace, "User/ann").expect_err("it has no such right");
    assert_eq!((refused.code.as_str(), refused.kind), ("FORBIDDEN", types::FaultKind::Forbidden));
    Ok(())
}
