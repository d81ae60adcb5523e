//! Stopped after every commit of a deploy: its probe is asked all the same, and what it says decides.

use super::{Shop, executor};
use org_ai_runtime::ActionFilter;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::{HeardLog, TestNode, stopped_after};
use types::{ActionRow, ActionStatus, FunctionName, Record};

/// The shop on what a stop left, `sick` or not.
async fn reopened(dir: &Path, records: &[Arc<Record>], sick: bool) -> anyhow::Result<Shop> {
    let left = stopped_after(dir, records)?;
    let (executor, health) = executor();
    health.sick.store(sick, Ordering::Release);
    let test = TestNode::open(left.path(), executor).await?;
    Shop::of(test, health, left).await
}

/// Every record that came to the log.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Arc<Record>>>>);

impl Tape {
    fn log(&self, dir: &Path) -> anyhow::Result<Arc<HeardLog>> {
        let tape = self.clone();
        Ok(Arc::new(HeardLog::open(dir, move |batch| {
            tape.0.lock().expect("no test panics with it").extend_from_slice(batch);
            true
        })?))
    }

    fn records(&self) -> Vec<Arc<Record>> {
        self.0.lock().expect("no test panics with it").clone()
    }
}

fn name() -> anyhow::Result<FunctionName> {
    Ok(FunctionName::parse("shop")?)
}

async fn deploys(shop: &Shop) -> anyhow::Result<Vec<ActionRow>> {
    let filter = ActionFilter { verb: Some("deploy".into()), limit: 10, ..Default::default() };
    let mut found = shop.root.actions(&shop.caller, &filter).await?.items;
    // The clock stands still: their ids do not say which was first.
    found.sort_by_key(|row| std::cmp::Reverse(row.output));
    Ok(found)
}

/// Waits until no deploy goes on; the newest.
async fn ended(shop: &Shop) -> anyhow::Result<Option<ActionRow>> {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let rows = deploys(shop).await?;
            if rows.iter().all(|row| row.status != ActionStatus::Running) {
                return anyhow::Ok(rows.into_iter().next());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await?
}

/// Deploys version 1, well, and then version 2; all records, and how many there were before the second.
async fn recorded(dir: &Path, sick: bool) -> anyhow::Result<(Vec<Arc<Record>>, usize)> {
    let tape = Tape::default();
    let (executor, health) = executor();
    let test = TestNode::open_on(dir, tape.log(dir)?, executor, |_| {}).await?;
    let shop = Shop::of(test, health, tempfile::tempdir()?).await?;
    shop.apply(&wanted(&shop, "1").await?).await?;
    let second = wanted(&shop, "2").await?;
    let before = tape.records().len();
    shop.sick.store(sick, Ordering::Release);
    assert_eq!(shop.apply(&second).await.is_err(), sick);
    Ok((tape.records(), before))
}

async fn wanted(shop: &Shop, text: &str) -> anyhow::Result<Value> {
    Ok(json!({ "name": "shop", "functions": [shop.upload(text).await?], "probe": { "handler": "shop#health" },
        "subscriptions": [{ "name": format!("on{text}"), "event": "*.*", "handler": "shop#tick" }] }))
}

/// The subscription that tells which of the two is in effect.
async fn in_effect(shop: &Shop) -> anyhow::Result<String> {
    // Rows come before what is remembered of them.
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            if let Some(found) = agreed(shop).await? {
                return anyhow::Ok(found);
            }
            tokio::task::yield_now().await;
        }
    });
    waited.await?
}

/// None: what is declared is not yet what is listened to.
async fn agreed(shop: &Shop) -> anyhow::Result<Option<String>> {
    let declared = shop.current().await?.expect("one is always in effect").subscriptions;
    let found = shop.root.subscriptions(&shop.caller).await?;
    let names: Vec<_> = declared.iter().filter_map(|s| s.name.clone()).filter(|name| name.starts_with("on")).collect();
    let listens: Vec<_> = found.iter().map(|s| s.name.clone()).filter(|name| name.starts_with("on")).collect();
    let newest = deploys(shop).await?.into_iter().next().expect("one was deployed");
    let version = shop.root.deployments(&shop.caller).await?.into_iter().find(|d| d.is_current).map(|d| d.version);
    let is_newest = (newest.status == ActionStatus::Completed) == (newest.output == version);
    Ok((listens == names && is_newest).then(|| names.concat()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_the_probe_has_answered_does_not_leave_a_deploy_unprobed() -> anyhow::Result<()> {
    for sick in [true, false] {
        let dir = tempfile::tempdir()?;
        let (all, before) = recorded(dir.path(), sick).await?;
        let mut went_on = 0;
        for count in before..=all.len() {
            let shop = reopened(dir.path(), &all[..count], sick).await?;
            let newest = ended(&shop).await?.expect("the first one has ended long ago");
            let is_second = deploys(&shop).await?.len() == 2;
            let expected = if is_second && !sick { "on2" } else { "on1" };
            assert_eq!(in_effect(&shop).await?, expected, "{count} of {}: {newest:?}", all.len());
            let first = shop.root.function(&shop.caller, &name()?, types::At::Version(1)).await?;
            let now = shop.root.function(&shop.caller, &name()?, types::At::Head).await?;
            let is_old = now.def == first.def;
            assert_eq!(
                is_old,
                is_second && sick,
                "the code is that of what is in effect, once something was put there"
            );
            if is_second {
                let status = if sick { ActionStatus::Failed } else { ActionStatus::Completed };
                assert_eq!(newest.status, status, "{newest:?}");
                let code = newest.error.as_ref().map(|e| e.code.clone());
                assert_eq!(code.as_deref(), sick.then_some("PROBE_FAILED"));
                went_on += 1;
            }
        }
        assert!(went_on >= 2, "it was stopped between the change and the end as well");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_probe_has_answered_nobody_else_changes_the_application() -> anyhow::Result<()> {
    let shop = Shop::open().await?;
    let door = shop.health.door.clone().lock_owned().await;
    let first = wanted(&shop, "1").await?;
    let (root, caller, health) = (shop.root.clone(), shop.caller.clone(), shop.health.clone());
    let wanted = serde_json::from_value(first.clone())?;
    let deploying = tokio::spawn(async move { root.apply_deployment(&caller, wanted, Default::default()).await });
    health.asked.notified().await;
    let refused = shop.apply(&first).await.expect_err("it is not known yet whether it stays");
    assert_eq!(refused.code, "DEPLOYMENT_RUNNING", "{refused}");
    let refused = shop.root.delete_deployment(&shop.caller, &name()?).await.expect_err("the same");
    assert_eq!(refused.code, "DEPLOYMENT_RUNNING", "{refused}");
    drop(door);
    deploying.await??;
    assert!(shop.apply(&first).await?.plan.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_while_it_probes_asks_again_when_it_starts() -> anyhow::Result<()> {
    let (dir, tape) = (tempfile::tempdir()?, Tape::default());
    let (first_life, health) = executor();
    let test = TestNode::open_on(dir.path(), tape.log(dir.path())?, first_life, |_| {}).await?;
    let shop = Shop::of(test, health.clone(), tempfile::tempdir()?).await?;
    let door = health.door.clone().lock_owned().await;
    let wanted = serde_json::from_value(wanted(&shop, "1").await?)?;
    let (root, caller) = (shop.root.clone(), shop.caller.clone());
    let deploying = tokio::spawn(async move { root.apply_deployment(&caller, wanted, Default::default()).await });
    health.asked.notified().await;
    let node = shop.test.node.clone();
    let stopping = tokio::spawn(async move { node.shutdown().await });
    while shop.test.node.is_ready() {
        tokio::task::yield_now().await;
    }
    // What a probe says while everything ends is no answer.
    shop.sick.store(true, Ordering::Release);
    drop(door);
    assert!(deploying.await?.is_err(), "its asker is not told that it went well");
    stopping.await?;
    drop(shop);
    let shop = reopened(dir.path(), &tape.records(), false).await?;
    let row = ended(&shop).await?.expect("it was begun");
    assert_eq!(row.status, ActionStatus::Completed, "{row:?}");
    assert_eq!(in_effect(&shop).await?, "on1");
    Ok(())
}
