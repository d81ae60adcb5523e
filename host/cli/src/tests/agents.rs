//! `agents …`.

use super::User;
use super::server::FakeServer;
use serde_json::json;

const RUN: &str = "POST /api/agents/support/run";
const LOOK: &str = "GET /api/invocations/a-1";

#[tokio::test]
async fn an_agent_is_created_from_flags_and_a_file() {
    let server = FakeServer::start().await;
    server.on("POST /api/agents", 201, json!({ "id": "support", "version": 1 }));
    let user = User::of(&server);
    user.file("support.json", r#"{"model":"a","memory":true}"#);
    let done = user
        .run(&["agents", "create", "support", "--from", "support.json", "--model", "b", "--tools", "search,calc.*"])
        .await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "Created agent support\n"), "{done:?}");
    let sent: serde_json::Value = serde_json::from_str(server.last().text()).expect("it is JSON");
    let tools = json!([{ "uses": "search" }, { "uses": "calc.*" }]);
    assert_eq!(sent, json!({ "model": "b", "memory": true, "id": "support", "tools": tools }));
}

#[tokio::test]
async fn a_goal_is_followed_to_its_end_and_one_that_is_not_reached_is_exit_9() {
    let server = FakeServer::start().await;
    let accepted = json!({ "actionId": "a-1", "status": "pending" });
    server.on(RUN, 202, accepted.clone());
    let step = json!({ "ordinal": 1, "stepId": "think:1", "name": "model.complete", "call": "model.complete - \"go\"",
                       "endedAt": "2024-01-08T12:00:00Z", "duration": 7 });
    let over =
        |result: serde_json::Value| json!({ "id": "a-1", "status": "completed", "output": result, "steps": [step] });
    let user = User::of(&server);
    server.on(LOOK, 200, over(json!({ "success": true, "result": "found", "stopReason": "complete" })));
    let done = user.run(&["agents", "run", "support", "go", "--follow", "--max-iterations", "3"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "found\n"), "{done:?}");
    assert!(done.stderr.contains("think:1  7 ms"), "{done:?}");
    let error = json!({ "code": "MAX_ITERATIONS", "message": "not in 3 iterations" });
    let server = FakeServer::start().await;
    server.on(RUN, 202, accepted);
    let user = User::of(&server);
    server.on(LOOK, 200, over(json!({ "success": false, "stopReason": "max_iterations", "error": error })));
    let done = user.run(&["agents", "run", "support", "go"]).await;
    assert_eq!(done.code, 9, "{done:?}");
    assert!(done.stderr.contains("max_iterations: not in 3 iterations"), "{done:?}");
}
