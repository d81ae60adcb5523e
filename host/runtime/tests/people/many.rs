//! A thousand who wait are rows: nothing runs, and each one's time comes.

use super::scene::Scene;
use org_ai_runtime::InvocationFilter;
use serde_json::json;
use std::time::Duration;
use types::{Method, RequestStatus};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_waiting_approvals_run_nothing_and_all_of_their_timers_fire() -> anyhow::Result<()> {
    const MANY: usize = 1_000;
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.person("eve", json!({})).await?;
    let input = json!({ "request": { "description": "a chair" }, "options": { "timeout": "1h" } });
    let mut ids = Vec::with_capacity(MANY);
    for _ in 0..MANY / 50 {
        let asked = (0..50).map(|_| scene.ask("Human/eve", Method::Approve, &input));
        ids.extend(futures::future::join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    for id in &ids {
        scene.root.request_opened(*id).await?;
    }
    let parked =
        InvocationFilter { status: Some(org_ai_runtime::InvocationStatus::Waiting), limit: 1000, ..Default::default() };
    let begun = std::time::Instant::now();
    while scene.root.invocations(&scene.caller, &parked).await?.items.len() < MANY {
        anyhow::ensure!(begun.elapsed() < Duration::from_secs(30), "not all of them are parked");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(scene.root.pending_for(&scene.as_person("eve", &[])?).await?, MANY as u64);
    scene.at_minute(60);
    for id in ids {
        assert_eq!(scene.outcome(id).await?["status"], "expired");
        assert_eq!(scene.request(id).await?.status, RequestStatus::Expired);
    }
    assert_eq!(scene.pending().await?, 0);
    Ok(())
}
