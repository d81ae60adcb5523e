//! Workflows on the command line.

use super::User;
use super::server::FakeServer;
use serde_json::json;

fn run(status: &str, steps: &serde_json::Value) -> serde_json::Value {
    json!({
        "runId": "r1", "id": "x", "workflow": "order", "version": 3, "status": status, "input": null,
        "startedAt": "2024-01-08T12:00:00Z", "steps": steps,
    })
}

fn step(status: &str) -> serde_json::Value {
    json!([{ "name": "pay", "type": "do", "status": status, "attempts": 1, "startedAt": "2024-01-08T12:00:00Z" }])
}

#[tokio::test]
async fn a_run_is_begun_and_waited_for() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let started = json!({"runId": "r1", "status": "queued", "startedAt": "2024-01-08T12:00:00Z"});
    server.on("POST /api/workflows/order/run", 201, started);
    let done = user.run(&["workflows", "run", "order", "--run-id", "r1", "--input", "{\"n\":1.0}"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "r1  queued\n"));
    server.on("GET /api/workflows/order/runs/r1", 200, run("completed", &step("completed")));
    let done = user.run(&["workflows", "run", "order", "--wait"]).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.starts_with("r1 of order (version 3): completed\n  pay  "), "{}", done.stdout);
    assert!(done.stderr.contains("pay"), "each step is told as it moves: {}", done.stderr);
    let mut failed = run("failed", &step("failed"));
    failed["error"] = json!({"code": "BAD", "message": "no money"});
    server.forget("GET /api/workflows/order/runs/r1");
    server.on("GET /api/workflows/order/runs/r1", 200, failed);
    let done = user.run(&["workflows", "run", "order", "--wait", "--json"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (9, ""));
    assert_eq!(done.error()["code"], "RUN_FAILED");
    server.forget("GET /api/workflows/order/runs/r1");
    server.on("GET /api/workflows/order/runs/r1", 200, run("running", &step("running")));
    assert_eq!(user.run(&["workflows", "run", "order", "--wait", "--timeout", "1ms"]).await.code, 8);
    let unknown = json!({"error": {"code": "WORKFLOW_NOT_FOUND", "message": "there is none"}});
    server.on("POST /api/workflows/none/run", 404, unknown);
    assert_eq!(user.run(&["workflows", "run", "none"]).await.code, 7);
}

#[tokio::test]
async fn a_run_is_found_by_its_id_alone_and_asked() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let workflow = |name: &str| json!({"name": name, "description": null, "trigger": "manual", "version": 3});
    server.on("GET /api/workflows", 200, json!({"workflows": [workflow("a"), workflow("order")]}));
    let none = json!({"error": {"code": "RUN_NOT_FOUND", "message": "a has no run r1"}});
    server.on("GET /api/workflows/a/runs/r1", 404, none);
    server.on("GET /api/workflows/order/runs/r1", 200, run("waiting", &step("waiting")));
    let done = user.run(&["workflows", "status", "r1"]).await;
    assert!(done.stdout.contains("waiting"), "{} {}", done.stdout, done.stderr);
    for what in ["pause", "resume", "cancel"] {
        server.on(&format!("POST /api/workflows/order/runs/r1/{what}"), 200, run("paused", &step("waiting")));
        assert_eq!(user.run(&["workflows", what, "order/r1"]).await.code, 0, "{what}");
    }
    let over = json!({"error": {"code": "RUN_OVER", "message": "the run is completed already"}});
    server.forget("POST /api/workflows/order/runs/r1/cancel");
    server.on("POST /api/workflows/order/runs/r1/cancel", 409, over);
    assert_eq!(user.run(&["workflows", "cancel", "r1"]).await.code, 1, "the wrong state");
    let entry = json!({"sequence": 1, "at": "2024-01-08T12:00:00Z", "event": "step.started", "data": {"step": "pay"}});
    server.on("GET /api/workflows/order/runs/r1/history", 200, json!({"history": [entry]}));
    let done = user.run(&["workflows", "history", "r1"]).await;
    assert!(done.stdout.contains("step.started") && done.stdout.contains("pay"), "{}", done.stdout);
}

#[tokio::test]
async fn workflows_are_listed_with_their_last_run() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let workflow = json!({"name": "order", "description": null, "trigger": "event", "version": 3});
    server.on("GET /api/workflows", 200, json!({"workflows": [workflow]}));
    server.on("GET /api/workflows/order/runs?limit=1", 200, json!({"runs": [run("failed", &json!([]))]}));
    let done = user.run(&["workflows", "list"]).await;
    assert!(done.stdout.contains("order") && done.stdout.contains("r1 failed"), "{} {}", done.stdout, done.stderr);
}
