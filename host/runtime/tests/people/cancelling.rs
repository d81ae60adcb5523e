//! A run that is cancelled takes its questions along, and those of its parts; what it called by itself goes on.

use super::scene::{Scene, executor, value_of};
use serde_json::json;
use std::time::Duration;
use testkit::{ScriptedChannels, ScriptedModels, TestNode, completed, failed, wants};
use types::exec::{Entry, Part};
use types::{Call, CallOptions, Fault, Json, RequestRow, RequestStatus};

/// The request that is there first.
async fn asked(scene: &Scene) -> anyhow::Result<RequestRow> {
    for _ in 0..10_000 {
        let wanted = org_ai_runtime::RequestsWanted { limit: 10, ..Default::default() };
        if let Some(row) = scene.root.requests(&scene.caller, wanted).await?.items.pop() {
            return Ok(row);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    anyhow::bail!("nobody is asked")
}

async fn is_withdrawn(scene: &Scene, asked: &RequestRow) -> anyhow::Result<()> {
    let row = scene.until(asked.id, |row| !row.is_pending()).await?;
    assert_eq!((row.status, scene.pending().await?), (RequestStatus::Cancelled, 0), "no inbox shows it any more");
    assert_eq!(scene.approve("bob", row.id).await.expect_err("nobody waits").code, "REQUEST_DECIDED");
    let events = scene.events(row.id).await?;
    let ends = events.iter().filter(|event| *event == "approval.cancelled").count();
    assert_eq!(ends, 1, "{events:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_is_cancelled_withdraws_what_it_asks() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    scene.test.deploy(&scene.root, "ask", "scripted:ask").await?;
    for is_parked in [true, false] {
        let run = scene.accept("ask", &json!({ "worker": "Human/bob" })).await?;
        let request = asked(&scene).await?;
        if is_parked {
            scene.waits(run).await?;
            scene.waits(request.id).await?;
        }
        scene.root.cancel(&scene.caller, run).await?;
        is_withdrawn(&scene, &request).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cancelled_run_called_by_itself_still_waits_for_its_answer() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let executor = executor();
    executor.on("outer", |_, mut host| async move {
        let data = Json::from_value(&json!({ "worker": "Human/bob" }));
        let call = Call::Do { action: "ask".to_owned(), data, options: CallOptions::default() };
        match value_of(host.call(call).await) {
            Ok(value) => completed(&value),
            Err(fault) => failed(fault),
        }
    });
    let scene = Scene::open_with(dir.path(), executor, ScriptedChannels::new()).await?;
    scene.people().await?;
    for name in ["ask", "outer"] {
        scene.test.deploy(&scene.root, name, &format!("scripted:{name}")).await?;
    }
    let run = scene.accept("outer", &json!({})).await?;
    let request = asked(&scene).await?;
    scene.waits(run).await?;
    scene.root.cancel(&scene.caller, run).await?;
    assert!(scene.request(request.id).await?.is_pending());
    assert_eq!(scene.approve("bob", request.id).await?.status, RequestStatus::Approved);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agentic_function_that_is_cancelled_withdraws_what_its_tool_asks() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let executor = executor();
    executor.on("clerk", |job, mut host| async move {
        match &job.entry {
            Entry::Part(Part::Goal) => completed(&json!({ "description": "pay" })),
            Entry::Part(Part::Tools) => completed(&json!([{ "name": "pay" }])),
            Entry::Part(Part::CallTool { .. }) => {
                let request = Json::from_value(&json!({ "type": "expense", "description": "a chair" }));
                let call = Call::Approve { worker: Some("Human/bob".to_owned()), request, options: None };
                match value_of(host.call(call).await) {
                    Ok(value) => completed(&value),
                    Err(fault) => failed(fault),
                }
            }
            other => failed(Fault::failed("UNEXPECTED", format!("{other:?}"))),
        }
    });
    let models = ScriptedModels::new();
    models.on(|_| Ok(wants(&[("pay", "{}")])));
    let log = commit_log::LocalLog::open(&dir.path().join("log"), &commit_log::Config::STANDARD)?;
    let shared = models.clone();
    let reach = move |outside: &mut types::exec::Outside| outside.models = Some(std::sync::Arc::new(shared));
    let test = TestNode::open_whole(dir.path(), std::sync::Arc::new(log), executor, reach, |config| {
        config.park_after = Duration::from_millis(20);
    })
    .await?;
    let (root, caller) = (test.root().await?, test.caller(&["*.*"])?);
    let scene = Scene { test, root, caller, channels: ScriptedChannels::new() };
    scene.people().await?;
    scene.test.deploy(&scene.root, "clerk", "scripted-agentic:clerk").await?;
    let run = scene.accept("clerk", &json!({})).await?;
    let request = asked(&scene).await?;
    scene.waits(run).await?;
    scene.waits(request.parent.expect("a tool asks")).await?;
    scene.root.cancel(&scene.caller, run).await?;
    is_withdrawn(&scene, &request).await?;
    let tool = scene.root.action(&scene.caller, request.parent.expect("a tool asks")).await?;
    assert_eq!(tool.status, types::ActionStatus::Cancelled);
    Ok(())
}
