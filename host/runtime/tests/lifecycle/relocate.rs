//! Moves between folders, under a writer.

use super::*;
use org_ai_runtime::{InvokeOptions, Location};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use types::exec::{Host, Outcome};
use types::{Call, FaultKind, Json, Reply, ThingRef};

async fn open_two(dir: &Path, point: &str) -> anyhow::Result<TestNode> {
    let point = point.to_owned();
    TestNode::open_with(&dir.join("data"), ScriptedExecutor::new(), |config| {
        config.locations.push(Location { name: "ORD".into(), dir: dir.join("chicago") });
        config.faults = Faults::between(point, 1, u64::MAX, || Err(std::io::Error::other("stopped here")));
    })
    .await
}

fn move_to(location: &str) -> Lifecycle {
    Lifecycle::Move { location: location.into(), compact: false }
}

fn files(dir: &Path) -> usize {
    let folders = std::fs::read_dir(dir.join("objects")).into_iter().flatten().flatten();
    let names = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    names.filter(|entry| entry.path().extension().is_some_and(|e| e == "sqlite")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_moves_under_a_writer_and_nothing_is_lost() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = Arc::new(open_two(dir.path(), "").await?);
    let crm = crm(&test).await?;
    put(&test, &crm, &View::default(), "Note/0", json!({ "n": 0 })).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (test, crm, stop) = (test.clone(), crm.clone(), stop.clone());
            tokio::spawn(async move {
                let mut written = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let thing = format!("Note/{writer}-{}", written.len());
                    written.push(put(&test, &crm, &View::default(), &thing, json!({ "n": writer })).await?);
                }
                anyhow::Ok(written)
            })
        })
        .collect();
    for place in ["ord", "LOCAL", "ORD"] {
        let result = done(&test, &crm, move_to(place)).await?;
        assert!(result["location"].as_str().is_some_and(|l| l.eq_ignore_ascii_case(place)), "{result}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut versions = vec![1];
    for writer in writers {
        versions.extend(writer.await??);
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>(), "no version is lost or twice");
    assert!(versions.len() > 4, "they wrote");
    let same = begin(&test, &crm, move_to("Ord")).await?.expect_err("it is there");
    assert_eq!((same.kind, same.code.as_str()), (FaultKind::Conflict, "SAME_LOCATION"));
    let unknown = begin(&test, &crm, move_to("xyz")).await?.expect_err("nowhere");
    assert_eq!(unknown.details.expect("a list").to_value(), json!({ "locations": ["local", "ORD"] }));
    assert_eq!(files(&dir.path().join("chicago")), 1);
    assert_eq!(files(&dir.path().join("data")), 2, "the root, and what the object left behind");
    drop(crm);
    close(Arc::into_inner(test).expect("the writers have ended")).await;

    let test = open_two(dir.path(), "").await?;
    let crm = super::crm(&test).await?;
    assert_eq!(n_at(&test, &crm, "Note/0-0", "").await?, Ok(json!(0)));
    let next = put(&test, &crm, &View::default(), "Note/next", json!({})).await?;
    assert_eq!(next, versions.len() as u64 + 1);
    let filter = store::EventFilter { limit: 1000, ..Default::default() };
    let events = crm.events(&test.caller(&["*.*"])?, &filter).await?.items;
    let sequences: Vec<_> = events.into_iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    test.clock.advance(Duration::from_secs(25 * 3600));
    let swept = tokio::time::timeout(Duration::from_secs(20), async {
        while files(&dir.path().join("data")) > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    swept.await.expect("what was left behind goes after a day");
    Ok(())
}

/// Reads `Note/n` and writes one more, with a pause in between.
async fn increment(mut host: Box<dyn Host>) -> Outcome {
    let at = ThingRef { noun: "Note".into(), id: "n".into(), at: None };
    let read = host.call(Call::ThingGet { at: at.clone() }).await;
    tokio::task::yield_now().await;
    let Reply::Json(read) = read else { return testkit::failed(Fault::internal()) };
    let next = read.to_value()["data"]["n"].as_u64().unwrap_or(0) + 1;
    let patch = Json::from_value(&json!({ "n": next }));
    match host.call(Call::ThingPatch { at, patch, if_version: None, branch: None }).await {
        Reply::Json(_) => testkit::completed(&json!(next)),
        _ => testkit::failed(Fault::internal()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_moves_between_guests_turns_and_each_counts_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let executor = ScriptedExecutor::new();
    executor.on("increment", |_, host| increment(host));
    let opened = TestNode::open_with(&dir.path().join("data"), executor, |config| {
        config.locations.push(Location { name: "ORD".into(), dir: dir.path().join("chicago") });
    })
    .await?;
    let test = Arc::new(opened);
    let crm = crm(&test).await?;
    put(&test, &crm, &View::default(), "Note/n", json!({ "n": 0 })).await?;
    test.deploy(&crm, "increment", "scripted:increment").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let guests: Vec<_> = (0..4)
        .map(|_| {
            let (test, crm, stop) = (test.clone(), crm.clone(), stop.clone());
            tokio::spawn(async move {
                let (caller, action) = (test.caller(&["*.*"])?, "increment".parse()?);
                let mut counts = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let invoked = crm.invoke(&caller, &action, Json::null(), InvokeOptions::default()).await;
                    counts.push(invoked.map_err(|failed| failed.fault)?.result.to_value().as_u64().unwrap_or(0));
                }
                anyhow::Ok(counts)
            })
        })
        .collect();
    for place in ["ORD", "local", "ORD", "local", "ORD"] {
        done(&test, &crm, move_to(place)).await?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut counts = Vec::new();
    for guest in guests {
        counts.extend(guest.await??);
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=counts.len() as u64).collect::<Vec<_>>());
    assert!(counts.len() > 5, "they ran");
    assert_eq!(n_at(&test, &crm, "Note/n", "").await?, Ok(json!(counts.len())));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_another_location_nothing_moves() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let crm = crm(&test).await?;
    assert_eq!(begin(&test, &crm, move_to("ORD")).await?.expect_err("one location").code, "NOT_IMPLEMENTED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_of_a_move_leaves_the_object_whole_and_it_finishes() -> anyhow::Result<()> {
    for point in ["move.begun", "move.copied", "move.flipped", "move.swapped", "lifecycle.completing"] {
        let dir = tempfile::tempdir()?;
        let test = open_two(dir.path(), point).await?;
        let object = crm(&test).await?;
        for n in 1..=20 {
            put(&test, &object, &View::default(), "Note/a", json!({ "n": n })).await?;
        }
        let mut begun = begin(&test, &object, move_to("ORD")).await??;
        tokio::time::timeout(Duration::from_secs(20), begun.stopped()).await?;
        drop((begun, object));
        close(test).await;

        let test = open_two(dir.path(), "").await?;
        let object = crm(&test).await?;
        let row = settled(&test, &object, "move").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        assert_eq!(n_at(&test, &object, "Note/a", "").await?, Ok(json!(20)), "{point}");
        assert_eq!(put(&test, &object, &View::default(), "Note/a", json!({ "n": 21 })).await?, 21, "{point}");
        assert_eq!(files(&dir.path().join("chicago")), 1, "{point}");
        let same = begin(&test, &object, move_to("ORD")).await?.expect_err("it is there");
        assert_eq!(same.code, "SAME_LOCATION", "{point}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_to_compact_does_so_there_also_after_a_stop() -> anyhow::Result<()> {
    for point in ["", "move.swapped", "compact.written", "compact.decided", "lifecycle.completing"] {
        let dir = tempfile::tempdir()?;
        let test = open_two(dir.path(), point).await?;
        let object = crm(&test).await?;
        for n in 1..=20 {
            put(&test, &object, &View::default(), "Note/a", json!({ "n": n })).await?;
        }
        let wanted = Lifecycle::Move { location: "ORD".into(), compact: true };
        let mut begun = begin(&test, &object, wanted).await??;
        tokio::time::timeout(Duration::from_secs(20), begun.stopped()).await?;
        drop((begun, object));
        close(test).await;

        let test = open_two(dir.path(), "").await?;
        let object = crm(&test).await?;
        let row = settled(&test, &object, "move").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        let result = row.options.to_value()["output"].take();
        assert_eq!(
            (&result["location"], &result["compacted"]["versionsArchived"]),
            (&json!("ORD"), &json!(19)),
            "{point}"
        );
        assert_eq!(n_at(&test, &object, "Note/a", "").await?, Ok(json!(20)), "{point}");
        assert_eq!(n_at(&test, &object, "Note/a", "~1").await?, Err("GONE".into()), "{point}");
        let archive = result["compacted"]["archive"].as_str().expect("an id").parse()?;
        done(&test, &object, Lifecycle::Restore { archive }).await?;
        assert_eq!(n_at(&test, &object, "Note/a", "~1").await?, Ok(json!(19)), "{point}");
    }
    Ok(())
}

/// A guest's turn that does not end is waited for as long as a move may hold the others up, and no longer.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_does_not_come_to_rest_stays_where_it_is() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let executor = ScriptedExecutor::new();
    let (begun, touched, go_on) =
        (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait) = (touched.clone(), go_on.clone());
    executor.on("hold", move |_, mut host| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            let at = ThingRef { noun: "Note".into(), id: "n".into(), at: None };
            let patch = Json::from_value(&json!({ "n": 2 }));
            let written = host.call(Call::ThingPatch { at, patch, if_version: None, branch: None }).await;
            tell.add_permits(1);
            wait.acquire().await.expect("it is never closed").forget();
            testkit::completed(&json!(matches!(written, Reply::Json(_))))
        }
    });
    // The move goes on when the guest's turn is open: what was noted of it is written then.
    let (tell, wait) = (begun.clone(), touched.clone());
    let test = TestNode::open_with(&dir.path().join("data"), executor, |config| {
        config.locations.push(Location { name: "ORD".into(), dir: dir.path().join("chicago") });
        config.move_hold_max = Duration::from_millis(50);
        config.faults = Faults::at("move.begun", 1, move || {
            tell.add_permits(1);
            let wait = wait.clone();
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current()
                    .block_on(async { wait.acquire().await.map(|touched| touched.forget()) })
            })
            .map_err(std::io::Error::other)
        });
    })
    .await?;
    let crm = crm(&test).await?;
    put(&test, &crm, &View::default(), "Note/n", json!({ "n": 1 })).await?;
    test.deploy(&crm, "hold", "scripted:hold").await?;
    let moving = begin(&test, &crm, move_to("ORD")).await??;
    begun.acquire().await?.forget();
    let holding = tokio::spawn({
        let (caller, action, object) = (test.caller(&["*.*"])?, "hold".parse()?, crm.clone());
        async move { object.invoke(&caller, &action, Json::null(), InvokeOptions::default()).await }
    });
    // Nothing can be seen of the failure before the turn ends, for it is written then: a turn of forty times the limit.
    let ended = tokio::spawn(moving.finished());
    tokio::time::sleep(Duration::from_secs(2)).await;
    go_on.add_permits(1);
    holding.await?.map_err(|failed| failed.fault)?;
    let ended = ended.await??;
    let error = ended.error.expect("it says why");
    assert_eq!(
        (ended.status, error.kind, error.code.as_str()),
        (ActionStatus::Failed, FaultKind::Unavailable, "MOVE_BUSY")
    );
    assert_eq!(files(&dir.path().join("chicago")), 0);
    assert_eq!(n_at(&test, &crm, "Note/n", "").await?, Ok(json!(2)), "the guest's turn is whole");
    done(&test, &crm, move_to("ORD")).await?;
    assert_eq!(n_at(&test, &crm, "Note/n", "").await?, Ok(json!(2)));
    Ok(())
}
