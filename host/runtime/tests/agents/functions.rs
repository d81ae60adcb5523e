//! Functions of kind agentic.

use super::scene::{Scene, by_turn, call, text};
use serde_json::json;
use testkit::wants;
use types::{Durability, Fault, FaultKind};

fn two_searches() -> Vec<types::Completed> {
    vec![call("search", &json!({ "q": "a" })), call("look", &json!({ "at": "mat" })), text("under the mat")]
}

#[tokio::test]
async fn a_function_calls_its_own_tools_and_others_and_its_component_makes_the_result() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    for durability in [Durability::Do, Durability::Try] {
        scene.models.on(by_turn(two_searches()));
        let result = scene.invoke("finder", &json!("find the key"), durability).await?;
        assert_eq!(result["output"], json!({ "told": "under the mat", "for": "find the key" }));
        assert_eq!((&result["finishReason"], &result["iterations"]), (&json!("complete"), &json!(3)));
        let tools: Vec<_> = result["steps"].as_array().unwrap().iter().filter_map(|s| s["tool"].as_str()).collect();
        assert_eq!(tools, ["search", "look"]);
        assert_eq!((&result["usage"]["modelCalls"], &result["usage"]["toolCalls"]), (&json!(3), &json!(2)));
    }
    assert_eq!(scene.called.all()[..2], [r#"search {"q":"a"}"#, r#"own look {"at":"mat"}"#]);
    assert_eq!(scene.called.all().len(), 4);
    let told = scene.events("tool/").await?;
    assert_eq!(told.len(), 4);
    assert_eq!((&told[0]["verb"], &told[0]["data"]["ok"]), (&json!("executed"), &json!(true)));
    Ok(())
}

#[tokio::test]
async fn tools_that_one_answer_wants_run_side_by_side_and_their_results_stand_in_order() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.agent("a", &json!({ "tools": [{ "uses": "together" }, { "uses": "search" }] })).await?;
    let three = wants(&[("together", r#"{"n":1}"#), ("search", "{}"), ("together", r#"{"n":2}"#)]);
    scene.models.on(by_turn(vec![three, text("done")]));
    let result = scene.run("a", &json!("both at once")).await.map_err(|f| f.fault)?;
    let tools: Vec<_> = result["actions"].as_array().unwrap().iter().map(|s| s["tool"].as_str().unwrap()).collect();
    assert_eq!(tools, ["together", "search", "together"]);
    assert_eq!(result["actions"][2]["result"], "both");
    Ok(())
}

#[tokio::test]
async fn what_is_not_complete_is_told_with_its_part_or_fails() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    let endless = |said: &'static str| {
        move |request: types::Completion| {
            let n = request.messages.len();
            Ok(types::Completed { text: said.to_owned(), ..call("search", &json!({ "q": n })) })
        }
    };
    scene.models.on(endless("so far nothing"));
    let result = scene.invoke("finder", &json!("find"), Durability::Do).await?;
    assert_eq!(
        (&result["finishReason"], &result["output"]["told"]),
        (&json!("max_iterations"), &json!("so far nothing"))
    );
    scene.models.on(endless(""));
    let fault = scene.invoke("finder", &json!("find"), Durability::Try).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Failed, "MAX_ITERATIONS"));
    scene.models.on(|_| Err(Fault::new(FaultKind::Upstream, "MODEL_FAILED", "it said 500")));
    let fault = scene.invoke("finder", &json!("find"), Durability::Try).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Upstream, "MODEL_FAILED"));
    let fault = scene.invoke("finder", &json!({ "description": "" }), Durability::Try).await.unwrap_err();
    assert_eq!(fault.code, "GOAL_INVALID");
    Ok(())
}

#[tokio::test]
async fn a_model_that_hangs_costs_the_time_of_a_step_and_no_more() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let scene = Scene::open(dir.path()).await?;
    scene.models.on_waiting(|_| std::future::pending());
    let goal = json!({ "description": "hurry", "stepTimeout": 30 });
    let fault = scene.invoke("finder", &goal, Durability::Try).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Timeout, "MODEL_TIMEOUT"));
    Ok(())
}
