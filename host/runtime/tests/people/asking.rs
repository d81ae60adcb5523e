//! Asking: who is asked, by which way, and what is refused before anybody is.

use super::scene::Scene;
use org_ai_runtime::{RequestsWanted, Settled};
use serde_json::json;
use std::time::Duration;
use types::exec::ChannelKind;
use types::{Durability, FaultKind, Method, RequestStatus};

#[tokio::test(flavor = "multi_thread")]
async fn each_channel_of_who_is_asked_gets_one_message() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("Human/ann", &json!({})).await?;
    assert_eq!((row.status, row.assignees.len(), row.kind.as_str()), (RequestStatus::Pending, 1, "expense"));
    assert_eq!(row.assignees[0].id, scene.id_of("ann"));
    scene.sent(2).await?;
    let kinds: Vec<_> = scene.channels.sent().iter().map(|message| message.channel).collect();
    assert_eq!(kinds, [ChannelKind::Email, ChannelKind::Slack]);
    assert!(scene.channels.counts().values().all(|count| *count == 1));
    assert_eq!(scene.events(row.id).await?[..1], ["approval.requested"]);
    assert_eq!(
        row.next.map(|next| (next.what, next.at.millis_since(testkit::START))),
        Some(("reminder".into(), 300_000))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_down_is_noted_and_keeps_nobody_from_the_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    scene.channels.break_down(ChannelKind::Email);
    let row = scene.approval("Human/ann", &json!({})).await?;
    let row = scene.until(row.id, |row| !row.warnings.is_empty()).await?;
    assert_eq!(row.warnings[0].code, "CHANNEL_FAILED");
    assert_eq!(scene.channels.sent().len(), 1, "the other one has it");
    assert!(row.is_pending());
    assert_eq!(scene.approve("ann", row.id).await?.status, RequestStatus::Approved);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_channels_has_it_in_the_inbox() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.person("eve", json!({})).await?;
    let row = scene.approval("Human/eve", &json!({})).await?;
    assert_eq!(row.warnings[0].code, "NO_CHANNELS");
    let mine = RequestsWanted { assignee: Some("me".into()), limit: 10, ..RequestsWanted::default() };
    let eve = scene.as_person("eve", &[])?;
    assert_eq!(scene.root.requests(&eve, mine.clone()).await?.items.len(), 1);
    let all = RequestsWanted { assignee: None, ..mine };
    let refused = scene.root.requests(&eve, all).await.expect_err("others' are not hers to see");
    assert_eq!(refused.kind, FaultKind::Forbidden);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_be_asked_is_refused_at_once() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    scene.person("gone", json!({ "inactive": true })).await?;
    let ask = json!({ "question": "?" });
    for (worker, method, input, code) in [
        ("Human/nobody", Method::Ask, ask.clone(), "WORKER_NOT_FOUND"),
        ("Human/gone", Method::Ask, ask.clone(), "WORKER_INACTIVE"),
        ("role:pilots", Method::Ask, ask.clone(), "NO_ASSIGNEE"),
        ("Human/ann", Method::Ask, json!({ "question": "" }), "QUESTION_EMPTY"),
        ("Human/ann", Method::Decide, json!({ "question": "?", "options": { "options": [] } }), "OPTIONS_INVALID"),
        (
            "Human/ann",
            Method::Ask,
            json!({ "question": "?", "options": { "schema": { "type": 7 } } }),
            "REQUEST_INVALID",
        ),
    ] {
        let refused = scene.ask(worker, method, &input).await.expect_err("it is refused");
        assert_eq!(refused.code, code, "{worker}");
    }
    assert_eq!(scene.pending().await?, 0);
    let nobody = scene.test.caller(&["Agent.ask"])?;
    let refused =
        scene.root.begin_work(&nobody, "Human/ann".parse()?, Method::Ask, types::Json::from_value(&ask)).await;
    assert_eq!(refused.map_err(|fault| fault.kind), Err(FaultKind::Forbidden));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_have_the_role_are_told_and_the_first_answer_counts() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("role:finance", &json!({})).await?;
    scene.sent(2).await?;
    let targets: Vec<_> = scene.channels.sent().into_iter().map(|message| message.target).collect();
    assert_eq!(targets, ["bob@acme.example", "cora@acme.example"]);
    assert_eq!(scene.approve("cora", row.id).await?.status, RequestStatus::Approved);
    assert_eq!(scene.approve("bob", row.id).await.expect_err("it is late").code, "REQUEST_DECIDED");
    assert_eq!(scene.outcome(row.id).await?["approver"], scene.id_of("cora"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_there_is_replaced_at_once_by_who_comes_next() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let escalation = json!({ "rules": [{ "afterMinutes": 10, "escalateTo": "Human/bob" }] });
    scene.person("left", json!({ "inactive": true, "escalation": escalation })).await?;
    let row = scene.approval("Human/left", &json!({})).await?;
    assert_eq!((row.level, row.assignees[0].id.clone()), (1, scene.id_of("bob")));
    let row = scene.approval("role:pilots", &json!({ "escalation": escalation })).await?;
    assert_eq!((row.level, row.assignees[0].id.clone()), (1, scene.id_of("bob")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_again_under_the_same_id_nobody_is_written_to_again() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let input = |what: &str| json!({ "request": { "id": "exp-1", "description": what } });
    let first = scene.ask("Human/bob", Method::Approve, &input("a chair")).await?;
    scene.sent(1).await?;
    assert_eq!(scene.ask("Human/bob", Method::Approve, &input("a chair")).await?, first);
    let other = scene.ask("Human/bob", Method::Approve, &input("a table")).await.expect_err("it is another one");
    assert_eq!((other.kind, other.code.as_str()), (FaultKind::Conflict, "REQUEST_EXISTS"));
    scene.approve("bob", first).await?;
    scene.outcome(first).await?;
    assert_eq!(scene.ask("Human/bob", Method::Approve, &input("a chair")).await?, first, "also when it is over");
    assert_eq!(scene.root.request(&scene.caller, "exp-1").await?.id, first);
    assert_eq!(scene.channels.sent().len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_does_not_wait_is_told_what_to_ask_for_and_never_an_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    scene.test.deploy(&scene.root, "ask", "scripted:ask").await?;
    let told = scene.invoke("ask", &json!({ "worker": "Human/bob" }), Durability::Try).await?.result.to_value();
    let members: Vec<_> = told.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(
        (members, &told["status"]),
        (vec!["requestId".into(), "status".into(), "expiresAt".into()], &json!("pending"))
    );
    let id = told["requestId"].as_str().unwrap_or_default().parse()?;
    scene.approve("bob", id).await?;
    assert_eq!(scene.outcome(id).await?["approved"], true);
    let fault = scene.invoke("ask", &json!({ "worker": "role:pilots" }), Durability::Try).await.expect_err("nobody");
    assert_eq!(fault.code, "NO_ASSIGNEE");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_durable_run_waits_and_is_given_the_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    scene.test.deploy(&scene.root, "ask", "scripted:ask").await?;
    let run = scene.accept("ask", &json!({ "worker": "Human/bob" })).await?;
    let row = scene.root.request_of(run, Duration::from_secs(20)).await?.expect("it asks");
    scene.approve("bob", row.id).await?;
    let output = scene.outcome(run).await?;
    assert_eq!((&output["approved"], &output["status"]), (&json!(true), &json!("approved")));
    assert_eq!(scene.events(row.id).await?, ["approval.requested", "approval.processed"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_a_while_has_the_answer_or_the_request() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let id = scene.ask("Human/bob", Method::Ask, &json!({ "question": "how many?" })).await?;
    scene.root.request_opened(id).await?;
    let settled = scene.root.work_settled(id, Some(Duration::from_millis(1))).await?;
    let Settled::Pending(row) = settled else { panic!("nobody has answered: {settled:?}") };
    assert_eq!(row.response, None);
    let (root, waiting) = (scene.root.clone(), Some(Duration::from_secs(20)));
    let waiting = tokio::spawn(async move { root.work_settled(id, waiting).await });
    scene.answer("bob", id, &json!("two")).await?;
    let Settled::Over(Ok(answer)) = waiting.await?? else { panic!("it is answered") };
    assert_eq!(answer.to_value()["text"], "two");
    Ok(())
}
