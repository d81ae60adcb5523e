//! Tools of servers outside: found by the agent's list, called, and called once whatever dies.

use super::crash::{lives, what_is_left};
use super::scene::{Called, Scene, by_turn, call, functions, text};
use org_ai_runtime::ActionFilter;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::{ScriptedModels, TestNode};
use tokio::sync::Notify;
use types::exec::{BoxFuture, ServerTool, ToolServers};
use types::{ActionStatus, Fault, FaultKind, Json, ToolSpec};

/// A server `desk` with two tools: `look` only reads, `book` does not.
#[derive(Clone, Default)]
struct Desk {
    called: Called,
    /// A call is noted, and never answered.
    hangs: bool,
    began: Arc<Notify>,
}

impl ToolServers for Desk {
    fn list(&self, server: String) -> BoxFuture<'_, Result<Vec<ServerTool>, Fault>> {
        let tool = |name: &str, only_reads| ServerTool {
            spec: ToolSpec {
                name: name.to_owned(),
                description: String::new(),
                parameters: Json::from_value(&json!({ "type": "object" })),
            },
            only_reads,
        };
        let listed = match server.as_str() {
            "desk" => Ok(vec![tool("look", true), tool("book", false)]),
            _ => Err(Fault::not_found("TOOLS_UNAVAILABLE", "there is no server of tools; configured are desk")),
        };
        Box::pin(std::future::ready(listed))
    }

    fn call(&self, _: String, tool: String, args: Json) -> BoxFuture<'_, Result<Json, Fault>> {
        self.called.note(format!("{tool} {args}"));
        self.began.notify_one();
        if self.hangs {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(match tool.as_str() {
            "look" => Ok(Json::of(&"seen")),
            _ => Err(Fault::new(FaultKind::Failed, "TOOL_FAILED", "book failed: it is taken")),
        }))
    }
}

async fn open(dir: &Path, models: &ScriptedModels, desk: &Desk) -> anyhow::Result<Scene> {
    let (reach, tools) = (models.clone(), desk.clone());
    let called = Called::default();
    let test = TestNode::open_reaching(dir, functions(&called), |out| {
        out.models = Some(Arc::new(reach));
        out.tools = Some(Arc::new(tools));
    });
    Scene::of(test.await?, models.clone(), called).await
}

#[tokio::test]
async fn an_agent_calls_tools_of_a_server_outside() -> anyhow::Result<()> {
    let (dir, models, desk) = (tempfile::tempdir()?, ScriptedModels::new(), Desk::default());
    let scene = open(dir.path(), &models, &desk).await?;
    scene.agent("a", &json!({ "tools": [{ "uses": "mcp:desk.*" }] })).await?;
    models.on(by_turn(vec![call("desk_look", &json!({ "at": 1 })), call("desk_book", &json!({})), text("done")]));
    let report = scene.run("a", &json!("look")).await.map_err(|failed| failed.fault)?;
    assert_eq!(report["success"], true, "{report}");
    assert_eq!(desk.called.all(), ["look {\"at\":1}", "book {}"]);
    let actions = report["actions"].to_string();
    assert!(actions.contains("\"seen\"") && actions.contains("it is taken"), "{actions}");
    scene.agent("b", &json!({ "tools": [{ "uses": "mcp:shop.buy" }] })).await?;
    let refused = scene.run("b", &json!("buy")).await.unwrap_err().fault;
    assert!(refused.message.contains("configured are desk"), "{refused:?}");
    Ok(())
}

/// A call that hangs when the power fails; how often the tool was called in both lives, and the report.
fn stopped_within(tool: &'static str) -> anyhow::Result<(usize, Value, ScriptedModels)> {
    let (before, after) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (models, mut desk) = (ScriptedModels::new(), Desk { hangs: true, ..Desk::default() });
    models.on(by_turn(vec![call(&format!("desk_{tool}"), &json!({ "n": 1 })), text("done")]));
    lives(async {
        let scene = open(before.path(), &models, &desk).await?;
        scene.agent("a", &json!({ "tools": [{ "uses": format!("mcp:desk.{tool}") }] })).await?;
        let goal = json!("x");
        tokio::select! {
            () = desk.began.notified() => Ok(()),
            over = scene.run("a", &goal) => anyhow::bail!("it came to an end: {over:?}"),
        }
    })?;
    what_is_left(before.path(), after.path())?;
    desk.hangs = false;
    let report = lives(async {
        let scene = open(after.path(), &models, &desk).await?;
        let filter = ActionFilter {
            target: Some("Agent/a".into()),
            verb: Some("invoke".into()),
            limit: 1,
            ..Default::default()
        };
        for _ in 0..20_000 {
            let rows = scene.root.actions(&scene.caller, &filter).await?.items;
            let row = rows.into_iter().next().ok_or_else(|| anyhow::anyhow!("the run was accepted"))?;
            if row.status == ActionStatus::Completed {
                return Ok(row.options.to_value()["output"].clone());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        anyhow::bail!("it does not come to its end")
    })?;
    Ok((desk.called.times(tool), report, models))
}

#[test]
fn a_call_that_may_have_been_done_is_not_made_again_and_the_model_is_told() -> anyhow::Result<()> {
    let (times, report, models) = stopped_within("book")?;
    assert_eq!(times, 1);
    assert_eq!(report["actions"][0]["error"]["code"], "TOOL_UNCERTAIN", "{report}");
    let told = models.asked().last().map(|request| format!("{:?}", request.messages)).unwrap_or_default();
    assert!(told.contains("uncertain"), "{told}");
    assert_eq!(report["success"], true, "{report}");
    Ok(())
}

#[test]
fn a_call_that_only_reads_is_made_again() -> anyhow::Result<()> {
    let (times, report, _) = stopped_within("look")?;
    assert_eq!(times, 2);
    assert!(report["actions"].to_string().contains("seen"), "{report}");
    Ok(())
}
