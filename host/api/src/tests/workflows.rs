//! Workflows over HTTP: each row of the table of spec WFL-4.

use super::*;
use serde_json::json;
use std::time::Duration;

async fn with(name: &str, steps: Value) -> Server {
    let server = Server::start().await;
    let body = json!({ "description": "as a test", "run": { "steps": steps } }).to_string();
    let put = server.call("PUT", &format!("/api/workflows/{name}"), &body).await;
    assert_eq!(put.status, 200, "{}", put.text);
    server
}

fn wait() -> Value {
    json!([
        { "do": { "name": "greet", "action": "echo", "input": { "of": "{{input.n}}" } } },
        { "waitForEvent": { "name": "paid", "event": "Order.paid" } },
    ])
}

impl Server {
    async fn until(&self, run: &str, status: &str) -> Value {
        for _ in 0..3_000 {
            let shown = self.get(&format!("/api/workflows/{run}")).await.json();
            if shown["status"] == status {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("it is not {status}: {}", self.get(&format!("/api/workflows/{run}")).await.text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_are_stored_listed_and_removed() {
    let server = with("order", wait()).await;
    let listed = server.get("/api/workflows").await.json();
    let version = &listed["workflows"][0]["version"];
    let expected = json!({ "workflows": [{ "name": "order", "description": "as a test", "trigger": "manual", "version": version }] });
    assert_eq!(listed, expected);
    assert_eq!(server.get("/api/workflows/order").await.json()["definition"]["run"]["steps"], wait_as_kept());
    for (body, status, code) in [
        (r#"{"run":{"steps":[]}}"#, 422, "WORKFLOW_INVALID"),
        (r#"{"name":"other","run":{"steps":[]}}"#, 400, "BODY_MISMATCH"),
        ("{", 400, "BAD_REQUEST"),
    ] {
        let refused = server.call("PUT", "/api/workflows/order", body).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (status, code), "{}", refused.text);
    }
    assert_eq!(server.call("DELETE", "/api/workflows/order", "").await.status, 204);
    assert_eq!(server.get("/api/workflows/order").await.status, 404);
    assert_eq!(server.call("DELETE", "/api/workflows/order", "").await.status, 404);
}

/// With the timeout that a wait has when it says none.
fn wait_as_kept() -> Value {
    let mut steps = wait();
    steps[1]["waitForEvent"]["timeoutMs"] = json!(24 * 3_600_000);
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_begun_told_an_event_and_shown() {
    let server = with("order", wait()).await;
    let started = server.call("POST", "/api/workflows/order/run", r#"{"input":{"n":3},"runId":"r1"}"#).await;
    assert_eq!(started.status, 201, "{}", started.text);
    assert!(started.header("location").ends_with("/api/workflows/order/runs/r1"), "{:?}", started.headers);
    let keys: Vec<_> = started.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["runId", "status", "startedAt"]);
    let again = server.call("POST", "/api/workflows/order/start", r#"{"runId":"r1"}"#).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (409, "RUN_EXISTS"));
    assert_eq!(server.call("POST", "/api/workflows/none/run", "{}").await.status, 404);
    let bad = server.call("POST", "/api/workflows/order/run", r#"{"runId":"a/b"}"#).await;
    assert_eq!((bad.status.as_u16(), bad.code().as_str()), (422, "RUN_ID_INVALID"));
    let shown = server.until("order/runs/r1", "waiting").await;
    assert_eq!(shown["currentStep"], "paid");
    assert_eq!((&shown["steps"][0]["name"], &shown["steps"][0]["type"]), (&json!("greet"), &json!("do")));
    assert_eq!(shown["steps"][0]["output"], json!({ "of": 3 }));
    assert_eq!((&shown["steps"][0]["attempts"], &shown["steps"][1]["status"]), (&json!(1), &json!("waiting")));
    let sent =
        server.call("POST", "/api/workflows/order/runs/r1/events/Order.paid", r#"{"payload":{"by":"ann"}}"#).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let shown = server.until("order/runs/r1", "completed").await;
    assert_eq!(shown["output"]["data"], json!({ "by": "ann" }));
    assert!(shown["completedAt"].is_string() && shown["steps"][1]["duration"].is_u64(), "{shown}");
    let over = server.call("POST", "/api/workflows/order/runs/r1/events/Order.paid", "{}").await;
    assert_eq!((over.status.as_u16(), over.code().as_str()), (409, "RUN_OVER"));
    let history = server.get("/api/workflows/order/runs/r1/history").await.json();
    let events: Vec<_> = history["history"].as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!((events[0], *events.last().unwrap()), ("workflow.started", "workflow.completed"));
    assert!(events.contains(&"run.Order.paid"), "{events:?}");
    assert_eq!(server.get("/api/workflows/order/runs/nobody").await.code(), "RUN_NOT_FOUND");
    assert_eq!(server.get("/api/workflows/order/runs/nobody/history").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_resumed_and_cancelled() {
    let server = with("order", wait()).await;
    server.call("POST", "/api/workflows/order/run", r#"{"input":{"n":1},"runId":"r1"}"#).await;
    server.until("order/runs/r1", "waiting").await;
    let ask = async |what: &str, body: &str| {
        let answer = server.call("POST", &format!("/api/workflows/order/runs/r1/{what}"), body).await;
        let json = answer.json();
        let told = json["status"].as_str().or_else(|| json["error"]["code"].as_str()).unwrap_or_default();
        (answer.status.as_u16(), told.to_owned())
    };
    assert_eq!(ask("resume", "").await, (409, "RUN_NOT_PAUSED".into()));
    assert_eq!(ask("pause", "").await, (200, "paused".into()));
    assert_eq!(ask("pause", "").await, (200, "paused".into()));
    assert_eq!(ask("resume", r#"{"fromStap":"x"}"#).await.0, 422);
    assert_eq!(ask("resume", "").await.0, 200);
    server.until("order/runs/r1", "waiting").await;
    assert_eq!(ask("cancel", "").await, (200, "cancelled".into()));
    for (what, code) in [("cancel", "RUN_OVER"), ("pause", "RUN_OVER"), ("resume", "RUN_NOT_PAUSED")] {
        assert_eq!(ask(what, "").await, (409, code.into()), "{what}");
    }
    for what in ["pause", "resume", "cancel", "events/x"] {
        assert_eq!(
            server.call("POST", &format!("/api/workflows/order/runs/none/{what}"), "").await.status,
            404,
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_newest_first_by_status() {
    let server = with("order", wait()).await;
    for run in ["r1", "r2", "r3"] {
        let body = json!({ "input": { "n": 1 }, "runId": run }).to_string();
        server.call("POST", "/api/workflows/order/run", &body).await;
        server.until(&format!("order/runs/{run}"), "waiting").await;
    }
    server.call("POST", "/api/workflows/order/runs/r2/cancel", "").await;
    let page = server.get("/api/workflows/order/runs?status=waiting&limit=1").await.json();
    assert_eq!(page["runs"][0]["runId"], "r3");
    let next = page["next"].as_str().unwrap();
    let page = server.get(&format!("/api/workflows/order/runs?status=waiting&cursor={next}")).await.json();
    assert_eq!((page["runs"].as_array().unwrap().len(), &page["runs"][0]["runId"]), (1, &json!("r1")));
    assert!(page["next"].is_null());
    assert_eq!(server.get("/api/workflows/order/runs?status=lost").await.status, 400);
    assert_eq!(server.get("/api/workflows/none/runs").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_run() {
    let server = with("order", wait()).await;
    let ask = async |body: &str| server.call("POST", "/api/workflows/order/run", body).await;
    let first = ask(r#"{"input":{"n":1},"idempotencyKey":"k"}"#).await;
    let second = ask(r#"{"input":{"n":1},"idempotencyKey":"k"}"#).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.json()["runId"], second.json()["runId"]);
    assert_eq!(ask(r#"{"input":{"n":2},"idempotencyKey":"k"}"#).await.status, 422);
}
