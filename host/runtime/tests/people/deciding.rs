//! Deciding: whose answer counts, which one is the first, and what a late one is told.

use super::scene::Scene;
use org_ai_runtime::Decision;
use serde_json::json;
use std::time::Duration;
use types::{FaultKind, Json, Method, RequestStatus};

fn reject() -> Decision {
    Decision::Reject { reason: Some("too dear".into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_answers_at_once_one_counts_and_the_other_is_told() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    for _ in 0..20 {
        let row = scene.approval("role:finance", &json!({})).await?;
        let (one, two) = tokio::join!(scene.approve("bob", row.id), scene.say("cora", row.id, reject()));
        let late = match (one, two) {
            (Ok(_), Err(late)) | (Err(late), Ok(_)) => late,
            both => panic!("one counts: {both:?}"),
        };
        assert_eq!((late.kind, late.code.as_str()), (FaultKind::Conflict, "REQUEST_DECIDED"));
        let told = late.details.expect("what was recorded").to_value();
        let row = scene.request(row.id).await?;
        assert_eq!(told["respondedBy"], json!(row.responded_by));
        assert_eq!(scene.outcome(row.id).await?["approved"], row.status == RequestStatus::Approved);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_asked_may_answer_and_nobody_their_own_request() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let ann = scene.as_person("ann", &["Human.ask"])?;
    let input = json!({ "request": { "description": "a chair" } });
    let id = scene.root.begin_work(&ann, "Human/ann".parse()?, Method::Approve, Json::from_value(&input)).await?;
    scene.root.request_opened(id).await?;
    assert_eq!(scene.approve("ann", id).await.expect_err("it is hers").code, "OWN_REQUEST");
    assert_eq!(scene.approve("dan", id).await.expect_err("he is not asked").code, "FORBIDDEN");
    let service = scene.test.caller(&["Approval.read"])?;
    let yes = Decision::Approve { reason: None };
    let refused = scene.root.decide_request(scene.root.decider(&service, "web"), id, yes.clone()).await;
    assert_eq!(refused.map_err(|fault| fault.code), Err("FORBIDDEN".to_owned()));
    let admin = scene.test.caller(&["Approval.admin"])?;
    assert!(scene.root.decide_request(scene.root.decider(&admin, "web"), id, yes).await.is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_does_not_answer_any_more() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("role:finance", &json!({})).await?;
    scene.person("bob", json!({ "inactive": true })).await?;
    assert_eq!(scene.approve("bob", row.id).await.expect_err("he has left").code, "ASSIGNEE_LEFT");
    assert!(scene.approve("cora", row.id).await.is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_fit_the_form_leaves_it_pending() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let id = scene.ask("Human/bob", Method::Ask, &json!({ "question": "?", "options": { "schema": schema } })).await?;
    scene.root.request_opened(id).await?;
    let refused = scene.answer("bob", id, &json!({ "n": "two" })).await.expect_err("it is no number");
    assert_eq!((refused.kind, refused.code.as_str()), (FaultKind::Invalid, "ANSWER_INVALID"));
    assert!(scene.request(id).await?.is_pending());
    scene.answer("bob", id, &json!({ "n": 2 })).await?;
    assert_eq!(scene.outcome(id).await?["value"]["n"], 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_is_one_of_the_options() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let options = json!({ "options": [{ "id": "a", "label": "A" }, { "id": "b" }] });
    let id = scene.ask("Human/bob", Method::Decide, &json!({ "question": "?", "options": options })).await?;
    let row = scene.root.request_opened(id).await?;
    assert!(row.response.is_none(), "the first option is no answer");
    assert_eq!(scene.answer("bob", id, &json!("c")).await.expect_err("it is none").code, "ANSWER_INVALID");
    scene.answer("bob", id, &json!({ "choice": "b" })).await?;
    assert_eq!(scene.outcome(id).await?["choice"], "b");
    assert_eq!(scene.events(id).await?, ["decision.requested", "decision.made"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_it_is_handed_on_to_is_told_and_may_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("Human/bob", &json!({})).await?;
    scene.sent(1).await?;
    let bob = scene.root.decider(&scene.as_person("bob", &[])?, "web");
    for (to, code) in
        [("Human/nobody", "WORKER_NOT_FOUND"), ("role:cfo", "DELEGATE_INVALID"), ("Human/bob", "ALREADY_ASKED")]
    {
        let refused = scene.root.delegate_request(bob.clone(), row.id, &to.parse()?, None).await;
        assert_eq!(refused.map_err(|fault| fault.code), Err(code.to_owned()));
    }
    scene.root.delegate_request(bob, row.id, &"Human/dan".parse()?, None).await?;
    scene.sent(2).await?;
    assert_eq!(scene.channels.sent_to("dan@acme.example").len(), 1);
    scene.approve("dan", row.id).await?;
    assert_eq!(scene.outcome(row.id).await?["approver"], scene.id_of("dan"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_have_to_agree_where_two_are_asked_for() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("role:finance", &json!({ "quorum": 2 })).await?;
    assert!(scene.approve("bob", row.id).await?.is_pending());
    assert_eq!(scene.approve("bob", row.id).await.expect_err("he has").code, "ALREADY_ANSWERED");
    assert_eq!(scene.approve("cora", row.id).await?.status, RequestStatus::Approved);
    assert_eq!(scene.outcome(row.id).await?["approvers"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_or_over_takes_no_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let row = scene.approval("Human/bob", &json!({})).await?;
    let me = scene.root.decider(&scene.caller, "web");
    scene.root.decide_request(me, row.id, Decision::Cancel { reason: None }).await?;
    assert_eq!(scene.outcome(row.id).await?["status"], "cancelled");
    assert_eq!(scene.approve("bob", row.id).await.expect_err("it is over").code, "REQUEST_DECIDED");
    // The work itself is ended: nobody is asked any more.
    let row = scene.approval("Human/bob", &json!({})).await?;
    scene.root.cancel(&scene.caller, row.id).await?;
    let row = scene.until(row.id, |row| !row.is_pending()).await?;
    assert_eq!(row.status, RequestStatus::Cancelled);
    // Its time is over.
    let row = scene.approval("Human/bob", &json!({ "timeout": "1h" })).await?;
    scene.test.clock.advance(Duration::from_secs(3600));
    let late = scene.approve("bob", row.id).await.expect_err("it is late");
    assert_eq!((late.kind, late.code.as_str()), (FaultKind::Gone, "REQUEST_EXPIRED"));
    assert_eq!(scene.outcome(row.id).await?["status"], "expired");
    assert_eq!(scene.approve("bob", row.id).await.expect_err("it is late").kind, FaultKind::Gone);
    Ok(())
}
