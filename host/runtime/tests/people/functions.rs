//! Functions that are a form for a person, and steps of workflows that ask somebody.

use super::scene::{Scene, executor};
use serde_json::json;
use std::time::Duration;
use testkit::{ScriptedChannels, completed, failed};
use types::exec::{Entry, Part};
use types::{Durability, Fault};

/// A component that asks Bob for a number, and doubles it.
async fn scene(dir: &std::path::Path, request: serde_json::Value) -> anyhow::Result<Scene> {
    let executor = executor();
    executor.on("form", move |job, _| {
        let request = request.clone();
        async move {
            match &job.entry {
                Entry::Part(Part::Request) => completed(&request),
                Entry::Part(Part::Finish { answer }) => {
                    let answer = answer.to_value();
                    let doubled = answer["response"]["n"].as_u64().map(|n| 2 * n);
                    completed(
                        &json!({ "doubled": doubled, "by": answer["respondedBy"], "defaulted": answer["defaulted"] }),
                    )
                }
                other => failed(Fault::failed("UNEXPECTED", format!("{other:?}"))),
            }
        }
    });
    let scene = Scene::open_with(dir, executor, ScriptedChannels::new()).await?;
    scene.people().await?;
    scene.test.deploy(&scene.root, "form", "scripted-human:form").await?;
    Ok(scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_sent_filled_in_and_finished_by_the_component() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let scene = scene(dir.path(), json!({ "prompt": "How many?", "assignee": "Human/bob", "schema": schema })).await?;
    let run = scene.accept("form", &json!({})).await?;
    let row = scene.root.request_of(run, Duration::from_secs(20)).await?.expect("it asks");
    assert_eq!((row.title.as_str(), row.parent), ("How many?", Some(run)));
    assert_eq!(scene.answer("bob", row.id, &json!({})).await.expect_err("n is missing").code, "ANSWER_INVALID");
    scene.answer("bob", row.id, &json!({ "n": 21 })).await?;
    assert_eq!(scene.outcome(run).await?["doubled"], 42);
    assert_eq!(scene.answer("bob", row.id, &json!({ "n": 1 })).await.expect_err("late").code, "REQUEST_DECIDED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_nobody_fills_in_fails_or_has_its_default() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let form = json!({ "prompt": "?", "role": "cfo", "timeout": "1h", "onTimeout": "default", "default": { "n": 1 } });
    let with_default = scene(dir.path(), form).await?;
    let run = with_default.accept("form", &json!({})).await?;
    with_default.root.request_of(run, Duration::from_secs(20)).await?.expect("it asks");
    with_default.at_minute(60);
    let output = with_default.outcome(run).await?;
    assert_eq!((&output["doubled"], &output["defaulted"]), (&json!(2), &json!(true)));
    let dir = tempfile::tempdir()?;
    let fails = scene(dir.path(), json!({ "prompt": "?", "assignee": "Human/bob" })).await?;
    let run = fails.accept("form", &json!({})).await?;
    fails.root.request_of(run, Duration::from_secs(20)).await?.expect("it asks");
    fails.at_minute(24 * 60);
    assert_eq!(fails.outcome(run).await.expect_err("nobody did").code, "HUMAN_TIMEOUT");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_names_nobody_or_an_agent_is_refused() -> anyhow::Result<()> {
    for (form, code) in [
        (json!({ "prompt": "?" }), "WORKER_MISSING"),
        (json!({ "prompt": "?", "assignee": "Human/bob", "role": "cfo" }), "WORKER_MISSING"),
        (json!({ "prompt": "?", "assignee": "Agent/a" }), "WORKER_INVALID"),
        (json!({ "assignee": "Human/bob" }), "REQUEST_INVALID"),
    ] {
        let dir = tempfile::tempdir()?;
        let scene = scene(dir.path(), form).await?;
        let fault = scene.invoke("form", &json!({}), Durability::Do).await.expect_err("it is refused");
        assert_eq!(fault.code, code);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_workflow_asks_whom_it_names() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.people().await?;
    let step = |worker: &str, on_timeout: &str| {
        json!({ "approval": { "name": "ok", "prompt": "Pay {{input.n}}?", "worker": worker, "onTimeout": on_timeout,
                "timeoutMs": 3_600_000 } })
    };
    let define = |name: &str, worker: &str, on_timeout: &str| {
        let spec = json!({ "name": name, "run": { "steps": [step(worker, on_timeout)] } });
        let (root, caller) = (scene.root.clone(), scene.caller.clone());
        async move {
            let spec: types::deployment::WorkflowSpec = serde_json::from_value(spec)?;
            root.set_workflow(&caller, spec).await?;
            anyhow::Ok(())
        }
    };
    define("pay", "Human/bob", "fail").await?;
    define("late", "role:cfo", "reject").await?;
    let mut runs = Vec::new();
    for name in ["pay", "late"] {
        let input = Some(types::Json::from_value(&json!({ "n": 7 })));
        let wanted = org_ai_runtime::RunWanted { input, run_id: None, idempotency_key: None };
        runs.push(scene.root.run_workflow(&scene.caller, name, wanted).await?.0.id);
    }
    let row = scene.root.request_of(runs[0], Duration::from_secs(20)).await?.expect("it asks");
    assert_eq!(row.title, "Pay 7?");
    scene.approve("bob", row.id).await?;
    assert_eq!(scene.outcome(runs[0]).await?["approved"], true);
    scene.root.request_of(runs[1], Duration::from_secs(20)).await?.expect("it asks");
    scene.at_minute(60);
    let late = scene.outcome(runs[1]).await?;
    assert_eq!((&late["approved"], &late["timedOut"]), (&json!(false), &json!(true)));
    Ok(())
}
