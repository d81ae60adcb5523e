//! Waiting: in memory for a moment, as rows for as long as it takes.

use super::scene::{Performed, Scene, ask, count, do_, outcome};
use org_ai_runtime::InvokeOptions;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use testkit::{ScriptedExecutor, TestNode};
use types::{ActionStatus, Call, Fault, Json};

const HOUR_MS: u64 = 3_600_000;

fn wait_for(event: &str, timeout_ms: Option<u64>) -> Call {
    Call::WaitFor { event: event.into(), filter: None, timeout_ms }
}

fn emit(event: &str, data: &Value) -> Call {
    Call::Emit { event: event.into(), data: Json::from_value(data), source: None }
}

fn executor(performed: &Performed) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    let runs = performed.clone();
    executor.on("sleeper", move |job, mut host| {
        runs.one_more();
        async move {
            let ms = job.input.to_value().as_u64().unwrap_or(HOUR_MS);
            let before = host.now();
            let slept = ask(&mut host, Call::Sleep { duration_ms: ms }).await;
            outcome(slept.map(|_| json!(host.now().millis_since(before) >= ms)))
        }
    });
    let runs = performed.clone();
    executor.on("waiter", move |job, mut host| {
        runs.one_more();
        async move {
            let timeout = job.input.to_value()["timeout"].as_u64();
            let both = async {
                let first = ask(&mut host, wait_for("Order.paid", timeout)).await?;
                let second = ask(&mut host, wait_for("Order.*", timeout)).await?;
                Ok(json!([first["data"], second["data"], second["verb"]]))
            };
            outcome(both.await)
        }
    });
    executor.on("say", |job, mut host| async move {
        let input = job.input.to_value();
        let said = ask(&mut host, emit(input["event"].as_str().unwrap_or(""), &input["data"])).await;
        outcome(said)
    });
    let runs = performed.clone();
    executor.on("parent", move |_, mut host| {
        runs.one_more();
        async move { outcome(ask(&mut host, do_("sleeper", &json!(2 * HOUR_MS))).await) }
    });
    executor.on("count", |job, host| async move { count(host, job.input.to_value().as_str().unwrap_or("n")).await });
    executor.on("later", |job, mut host| async move {
        let name = job.input.to_value().as_str().unwrap_or("").to_owned();
        let set = |name: &str, delay_ms, to: &str| Call::TimerAfter {
            name: name.into(),
            delay_ms,
            action: "count".into(),
            data: Json::from_value(&json!(to)),
        };
        let all = async {
            ask(&mut host, set("first", HOUR_MS, "replaced")).await?;
            ask(&mut host, set("first", 2 * HOUR_MS, &name)).await?;
            ask(&mut host, set("second", HOUR_MS, "cancelled")).await?;
            let had = ask(&mut host, Call::TimerCancel { name: "second".into() }).await?;
            let none = ask(&mut host, Call::TimerCancel { name: "third".into() }).await?;
            Ok::<_, Fault>(json!([had, none]))
        };
        outcome(all.await)
    });
    executor
}

async fn scene(dir: &std::path::Path, performed: &Performed) -> anyhow::Result<Scene> {
    let scene = Scene::open(dir, executor(performed)).await?;
    scene.deploy(&["sleeper", "waiter", "say", "parent", "count", "later"]).await?;
    Ok(scene)
}

async fn say(scene: &Scene, event: &str, data: &Value) -> anyhow::Result<()> {
    scene.run("say", &json!({ "event": event, "data": data })).await.map(drop)
}

/// Until nothing of it is in memory: it can be told by its run having ended without an end.
async fn parked(scene: &Scene, performed: &Performed, runs: u32) {
    for _ in 0..5_000 {
        if performed.times() >= runs && scene.root.runs() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it is in memory still: {} runs", scene.root.runs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_sleep_is_a_row_and_ends_in_time() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    let id = scene.accept("sleeper", &json!(HOUR_MS)).await?;
    parked(&scene, &performed, 1).await;
    scene.test.clock.advance(Duration::from_millis(HOUR_MS - 1));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(scene.action(id).await?.status, ActionStatus::Running);
    scene.test.clock.advance(Duration::from_millis(1));
    let row = scene.over(id).await?;
    assert_eq!((row.status, row.attempts), (ActionStatus::Completed, 1));
    assert_eq!(row.options.to_value()["output"], json!(true), "the guest's own clock has moved as well");
    assert_eq!(performed.times(), 2, "it was replayed once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_sleep_needs_no_replay() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    scene.let_time_pass();
    assert_eq!(scene.run("sleeper", &json!(900)).await?, json!(true));
    assert_eq!(performed.times(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_found_that_comes_before_or_after_its_wait_and_only_once() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    say(&scene, "Order.paid", &json!("too early")).await?;
    let id = scene.accept("waiter", &json!({})).await?;
    parked(&scene, &performed, 1).await;
    say(&scene, "Customer.paid", &json!("another noun")).await?;
    say(&scene, "Order.paid", &json!(1)).await?;
    parked(&scene, &performed, 2).await;
    assert_eq!(scene.action(id).await?.status, ActionStatus::Running, "one event is for one wait");
    say(&scene, "Order.shipped", &json!(2)).await?;
    let row = scene.over(id).await?;
    assert_eq!(row.options.to_value()["output"], json!([1, 2, "shipped"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_come_in_time_is_a_fault() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    let id = scene.accept("waiter", &json!({ "timeout": HOUR_MS })).await?;
    parked(&scene, &performed, 1).await;
    scene.let_time_pass();
    let row = scene.over(id).await?;
    assert_eq!(row.error.map(|f| f.code).as_deref(), Some("WAIT_TIMEOUT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_waits_for_its_child_without_memory() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    let id = scene.accept("parent", &json!(null)).await?;
    parked(&scene, &performed, 2).await;
    scene.test.clock.advance(Duration::from_millis(2 * HOUR_MS));
    let row = scene.over(id).await?;
    assert_eq!(row.options.to_value()["output"], json!(true));
    assert_eq!(performed.times(), 4, "each of the two ran twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_a_guest_fires_once_and_a_second_of_its_name_takes_its_place() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    assert_eq!(scene.run("later", &json!("fired")).await?, json!([true, false]));
    scene.test.clock.advance(Duration::from_millis(2 * HOUR_MS));
    for _ in 0..10_000 {
        if scene.counter("fired").await? == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let counters = [scene.counter("fired").await?, scene.counter("replaced").await?, scene.counter("cancelled").await?];
    assert_eq!(counters, [1, 0, 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sleepers_are_rows() -> anyhow::Result<()> {
    let (dir, performed) = (tempfile::tempdir()?, Performed::default());
    let scene = scene(dir.path(), &performed).await?;
    for _ in 0..500 {
        scene.accept("sleeper", &json!(HOUR_MS)).await?;
    }
    parked(&scene, &performed, 500).await;
    scene.test.clock.advance(Duration::from_millis(HOUR_MS));
    let filter = |status| org_ai_runtime::ActionFilter {
        status: Some(status),
        durability: Some(types::Durability::Do),
        limit: 1000,
        ..Default::default()
    };
    for _ in 0..20_000 {
        let done = scene.root.actions(&scene.caller, &filter(ActionStatus::Completed)).await?.items.len();
        if done == 500 {
            assert_eq!(performed.times(), 1000, "each ran, and was replayed once");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    anyhow::bail!("some sleep still")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_by_itself_leaves_places_to_who_calls() -> anyhow::Result<()> {
    const PLACES: usize = 8;
    let (dir, performed, go_on) =
        (tempfile::tempdir()?, Performed::default(), Arc::new(tokio::sync::Semaphore::new(0)));
    let executor = ScriptedExecutor::new();
    let (held, seen) = (go_on.clone(), performed.clone());
    executor.on("slow", move |_, mut host| {
        let (held, seen) = (held.clone(), seen.clone());
        async move {
            if let Err(fault) = ask(&mut host, Call::Sleep { duration_ms: 3_600_000 }).await {
                return outcome(Err(fault));
            }
            seen.one_more();
            held.acquire().await.expect("it is not closed").forget();
            outcome(Ok(json!(null)))
        }
    });
    executor.on("quick", |_, _| async { outcome(Ok(json!("answered"))) });
    let test = TestNode::open_with(dir.path(), executor, |config| {
        config.runs_max = PLACES;
        config.park_after = Duration::from_millis(5);
        config.admission_wait = Duration::from_millis(200);
    });
    let scene = Scene::of(test.await?).await?;
    scene.deploy(&["slow", "quick"]).await?;
    let mut sleeping = Vec::new();
    for _ in 0..2 * PLACES {
        sleeping.push(scene.accept("slow", &json!(null)).await?);
    }
    scene.let_time_fly(Duration::from_secs(30));
    for _ in 0..10_000 {
        if performed.times() as usize == PLACES - PLACES / 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(performed.times() as usize, PLACES - PLACES / 4, "so many go on at once");
    let quick = "quick".parse().expect("a name");
    let called = scene.root.invoke(&scene.caller, &quick, Json::null(), InvokeOptions::default()).await;
    assert_eq!(called.expect("there is a place").result.to_value(), json!("answered"));
    go_on.add_permits(2 * PLACES);
    for id in sleeping {
        assert_eq!(scene.over(id).await?.status, ActionStatus::Completed);
    }
    Ok(())
}
