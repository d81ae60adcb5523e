//! What happens while nobody answers: each thing once, in order, also what was missed.

use super::scene::{Scene, executor};
use serde_json::json;
use types::{Method, RequestStatus};

async fn level(scene: &Scene, id: types::Id, level: u32) -> anyhow::Result<types::RequestRow> {
    scene.until(id, |row| row.level == level).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_rule_asks_somebody_more_once_its_time_has_come() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("Human/ann", &json!({})).await?;
    scene.sent(2).await?;
    scene.at_minute(6);
    scene.sent(4).await?;
    assert_eq!(scene.request(row.id).await?.level, 0, "she was reminded, by both of her channels");
    scene.at_minute(11);
    let one = level(&scene, row.id, 1).await?;
    assert_eq!(one.assignees.last().map(|a| a.id.clone()), Some(scene.id_of("bob")));
    assert_eq!(
        one.next.map(|next| (next.what, next.who.map(|who| who.to_string()))),
        Some(("escalation".into(), Some("role:cfo".into())))
    );
    scene.at_minute(31);
    level(&scene, row.id, 2).await?;
    scene.sent(6).await?;
    assert!(scene.channels.counts().values().all(|count| *count == 1), "nobody is told twice");
    let dan = scene.approve("dan", row.id).await.expect_err("his turn has not come");
    assert_eq!(dan.code, "FORBIDDEN");
    assert_eq!(scene.approve("cora", row.id).await?.status, RequestStatus::Approved);
    scene.outcome(row.id).await?;
    scene.at_minute(1_000);
    let row = scene.request(row.id).await?;
    assert_eq!((row.level, row.next), (2, None), "nothing comes any more");
    assert_eq!(scene.channels.sent_to("dan@acme.example").len(), 0);
    let events = scene.events(row.id).await?;
    assert_eq!(events, ["approval.requested", "approval.escalated", "approval.escalated", "approval.processed"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_happens_in_order_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (channels, id) = {
        let scene = Scene::open(dir.path()).await?;
        scene.people().await?;
        let row = scene.approval("Human/ann", &json!({})).await?;
        scene.sent(2).await?;
        scene.test.node.shutdown().await;
        (scene.channels.clone(), row.id)
    };
    let scene = Scene::open_with(dir.path(), executor(), channels).await?;
    scene.at_minute(61);
    let row = level(&scene, id, 3).await?;
    let asked: Vec<_> = row.assignees.iter().map(|a| (a.id.clone(), a.level)).collect();
    let expected = [("ann", 0), ("bob", 1), ("cora", 2), ("dan", 3)].map(|(name, level)| (scene.id_of(name), level));
    assert_eq!(asked, expected);
    scene.sent(7).await?;
    let targets: Vec<_> = scene.channels.sent().into_iter().map(|message| message.target).collect();
    assert_eq!(targets[4..], ["bob@acme.example", "cora@acme.example", "dan@acme.example"]);
    assert!(scene.channels.counts().values().all(|count| *count == 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nobody_is_left_to_ask_the_policy_says_what_becomes_of_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let policy = |then: &str| {
        json!({ "timeout": "10h", "escalation": { "rules": [{ "afterMinutes": 10, "escalateTo": "Human/cora" }],
                "finalEscalation": "Human/dan", "onExhausted": then } })
    };
    let mut ids = Vec::new();
    for then in ["wait", "reject", "approve", "fail"] {
        ids.push(scene.approval("Human/bob", &policy(then)).await?.id);
    }
    scene.at_minute(31);
    let outcome = |id| scene.outcome(id);
    let rejected = outcome(ids[1]).await?;
    assert_eq!((&rejected["status"], &rejected["approver"]), (&json!("rejected"), &json!(null)));
    assert_eq!(outcome(ids[2]).await?["approved"], true);
    assert_eq!(outcome(ids[3]).await.expect_err("nobody did").code, "HUMAN_TIMEOUT");
    let waits = level(&scene, ids[0], 2).await?;
    assert!(waits.is_pending());
    assert_eq!(waits.assignees.last().map(|a| a.id.clone()), Some(scene.id_of("dan")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_time_is_warned_of_and_escalated_when_it_is_due() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let policy = json!({ "escalation": { "finalEscalation": "Human/dan" } });
    let row = scene.approval("Human/bob", &policy).await?;
    scene.sent(1).await?;
    scene.at_minute(210);
    scene.sent(2).await?;
    assert!(scene.channels.sent()[1].subject.starts_with("Nearly too late"));
    scene.at_minute(240);
    let due = level(&scene, row.id, 1).await?;
    assert_eq!(due.assignees.last().map(|a| a.id.clone()), Some(scene.id_of("dan")));
    assert!(due.is_pending());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_answers_in_time_is_no_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let input = json!({ "question": "?", "options": { "timeout": "1h" } });
    let id = scene.ask("Human/bob", Method::Ask, &input).await?;
    scene.root.request_opened(id).await?;
    scene.at_minute(60);
    assert_eq!(scene.outcome(id).await.expect_err("nobody did").code, "HUMAN_TIMEOUT");
    assert_eq!(scene.request(id).await?.status, RequestStatus::Expired);
    assert_eq!(scene.events(id).await?.last().map(String::as_str), Some("question.expired"));
    Ok(())
}
