//! Quiet hours: what is not urgent is held until they are over, and nobody loses it.

use super::scene::Scene;
use serde_json::json;
use types::RequestStatus;

/// The clock begins at noon: hers are over two hours later.
async fn scene(dir: &std::path::Path) -> anyhow::Result<Scene> {
    let scene = Scene::open(dir).await?;
    let channels = json!([{ "type": "email", "target": "eve@acme.example" }]);
    let quiet = json!({ "from": "10:00", "to": "14:00" });
    scene.person("eve", json!({ "channels": channels, "quietHours": quiet, "roles": ["finance"] })).await?;
    let channels = json!([{ "type": "email", "target": "fay@acme.example" }]);
    scene.person("fay", json!({ "channels": channels, "roles": ["finance"] })).await?;
    Ok(scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_urgent_reaches_somebody_when_their_quiet_hours_are_over() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = scene(dir.path()).await?;
    let row = scene.approval("role:finance", &json!({ "timeout": "8h" })).await?;
    scene.waits(row.id).await?;
    assert_eq!(scene.channels.sent().len(), 1);
    assert_eq!(scene.channels.sent()[0].target, "fay@acme.example", "her quiet hours hold back nobody else's");
    assert!(scene.request(row.id).await?.asks(&scene.id_of("eve")), "she may answer all the same");
    scene.at_minute(120);
    scene.sent(2).await?;
    assert_eq!(scene.channels.sent()[1].target, "eve@acme.example");
    assert_eq!(scene.approve("eve", row.id).await?.status, RequestStatus::Approved);
    scene.outcome(row.id).await?;
    assert_eq!(scene.channels.counts().values().max(), Some(&1), "each of them was told once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_is_told_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = scene(dir.path()).await?;
    scene.approval("Human/eve", &json!({ "urgency": "urgent" })).await?;
    scene.sent(1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_is_told_once_as_it_stands_then_and_not_at_all_when_it_is_over() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = scene(dir.path()).await?;
    // A reminder falls into her quiet hours, too.
    let rules = json!([{ "afterMinutes": 200, "escalateTo": "Human/fay" }]);
    let row = scene.approval("Human/eve", &json!({ "timeout": "8h", "escalation": { "rules": rules } })).await?;
    let over = scene.approval("Human/eve", &json!({ "timeout": "8h" })).await?;
    scene.at_minute(101);
    scene.until(row.id, |row| row.next.as_ref().is_some_and(|next| next.what == "escalation")).await?;
    scene.approve("eve", over.id).await?;
    scene.outcome(over.id).await?;
    scene.waits(row.id).await?;
    assert_eq!(scene.channels.sent().len(), 0);
    scene.at_minute(120);
    scene.sent(1).await?;
    scene.approve("eve", row.id).await?;
    scene.outcome(row.id).await?;
    let sent = scene.channels.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(sent[0].subject.starts_with("Still waiting"), "{sent:?}");
    Ok(())
}
