//! Agents, as HTTP has them.

use super::*;
use serde_json::json;
use types::{Fault, FaultKind};

/// A server without models answers so.
async fn without_a_model() -> Server {
    let server = Server::start().await;
    server.models.on(|_| Err(Fault::new(FaultKind::Upstream, "MODEL_UNAVAILABLE", "set models.default")));
    server
}

#[tokio::test]
async fn an_agent_is_created_shown_and_replaced_and_a_bad_one_says_why() {
    let server = Server::start().await;
    let agent = json!({ "id": "support", "model": "m", "mode": "supervised", "tools": [{ "uses": "echo" }], "supervisor": "Human/ann" });
    let made = server.call("POST", "/api/agents", &agent.to_string()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(made.header("location").ends_with("/api/agents/support"));
    let shown = server.get("/api/agents/support").await.json();
    assert_eq!(
        (&shown["id"], &shown["mode"], &shown["tools"][0]["uses"]),
        (&json!("support"), &json!("supervised"), &json!("echo"))
    );
    assert_eq!(server.get("/api/agents").await.json()["data"][0]["id"], "support");
    assert_eq!(server.call("POST", "/api/agents", &agent.to_string()).await.status, StatusCode::CONFLICT);
    let put = server.call("PUT", "/api/agents/support", r#"{"mode":"manual"}"#).await;
    assert_eq!((put.status, &put.json()["mode"]), (StatusCode::OK, &json!("manual")), "{}", put.text);
    for bad in [r#"{"id":"x","mood":1}"#, r#"{"id":"x","supervisor":"Agent/x"}"#, r#"{"id":"x","supervisor":"ann"}"#] {
        let refused = server.call("POST", "/api/agents", bad).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", refused.text);
    }
    assert_eq!(server.get("/api/agents/nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_goal_without_an_agent_or_a_model_is_told_as_it_is() {
    let server = without_a_model().await;
    assert_eq!(server.call("POST", "/api/agents/x/run", r#""go""#).await.status, StatusCode::NOT_FOUND);
    server.call("POST", "/api/agents", r#"{"id":"x"}"#).await;
    let refused = server.call("POST", "/api/agents/x/run", r#"{"description":""}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
    let failed = server.call("POST", "/api/agents/x/run", r#""go""#).await;
    assert_eq!(failed.status, StatusCode::BAD_GATEWAY, "{}", failed.text);
    assert!(failed.text.contains("MODEL_UNAVAILABLE"), "{}", failed.text);
    server.call("PUT", "/api/agents/x", r#"{"inactive":true}"#).await;
    assert_eq!(server.call("POST", "/api/agents/x/run", r#""go""#).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn what_an_agent_is_to_keep_is_found_by_what_it_is_about() {
    let server = Server::start().await;
    server.call("POST", "/api/agents", r#"{"id":"x","memory":true}"#).await;
    assert_eq!(server.get("/api/agents/x/memory?q=tea").await.json(), json!({ "memories": [] }));
    for content in ["Ann likes tea", "Bob lives in Oslo"] {
        let kept = server.call("POST", "/api/agents/x/memory", &json!({ "content": content }).to_string()).await;
        assert_eq!(kept.status, StatusCode::CREATED, "{}", kept.text);
    }
    assert_eq!(
        server.get("/api/agents/x/memory?q=who%20likes%20tea").await.json()["memories"][0]["content"],
        "Ann likes tea"
    );
    let newest = server.get("/api/agents/x/memory?recent=1").await.json();
    assert_eq!(newest["memories"].as_array().map(Vec::len), Some(1));
    assert_eq!(newest["memories"][0]["content"], "Bob lives in Oslo");
    for bad in ["recent=0", "recent=101", "recent=x", "recent=1&q=tea"] {
        let refused = server.get(&format!("/api/agents/x/memory?{bad}")).await;
        assert!(refused.status.is_client_error(), "{bad}: {}", refused.text);
    }
    let refused = server.call("POST", "/api/agents/x/memory", r#"{"content":" "}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_runs_of_an_agent_are_listed_and_nobody_elses() {
    let server = without_a_model().await;
    for id in ["x", "y"] {
        server.call("POST", "/api/agents", &json!({ "id": id }).to_string()).await;
    }
    for (id, times) in [("x", 2), ("y", 1)] {
        for _ in 0..times {
            server.call("POST", &format!("/api/agents/{id}/run"), r#""go""#).await;
        }
    }
    let listed = server.get("/api/agents/x/runs").await.json();
    let rows = listed["data"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{listed}");
    assert!(rows.iter().all(|row| row["target"] == "Agent/x" && row["error"]["code"] == "MODEL_UNAVAILABLE"));
    let first = server.get("/api/agents/x/runs?limit=1").await.json();
    let next = first["next"].as_str().unwrap();
    let second = server.get(&format!("/api/agents/x/runs?limit=1&cursor={next}")).await.json();
    assert_eq!(second["data"][0]["id"], rows[1]["id"]);
    assert_eq!(server.get("/api/agents/x/runs?status=completed").await.json()["data"], json!([]));
    assert_eq!(server.get("/api/agents/x/runs?status=odd").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/api/agents/nobody/runs").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_object_that_is_an_agent_takes_goals_itself() {
    let server = without_a_model().await;
    for (ns, class) in [("https://bot.test", "Agent"), ("https://ann.test", "Human")] {
        let made = server.call("POST", "/api/objects", &json!({ "ns": ns, "class": class }).to_string()).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let at = async |host: &str, method: &str, path: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("host", host);
        let request = request.header("x-api-key", &server.key).header("content-type", "application/json");
        server.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    let unknown = at("bot.test", "POST", "/api/$self/run", r#""go""#).await;
    assert_eq!(
        (unknown.status, unknown.json()["error"]["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("WORKER_NOT_FOUND"))
    );
    at("bot.test", "POST", "/api/agents", r#"{"id":"self"}"#).await;
    let failed = at("bot.test", "POST", "/api/$self/run", r#""go""#).await;
    assert_eq!(failed.status, StatusCode::BAD_GATEWAY, "{}", failed.text);
    let runs = at("bot.test", "GET", "/api/agents/self/runs", "").await.json();
    let id = runs["data"][0]["id"].as_str().unwrap();
    let goal = at("bot.test", "GET", &format!("/api/$self/goals/{id}"), "").await.json();
    assert_eq!((&goal["status"], &goal["error"]["code"]), (&json!("failed"), &json!("MODEL_UNAVAILABLE")), "{goal}");
    let made = at("bot.test", "GET", "/api/actions-log?verb=create&limit=1", "").await.json();
    let other =
        at("bot.test", "GET", &format!("/api/$self/goals/{}", made["data"][0]["id"].as_str().unwrap()), "").await;
    assert_eq!(other.json()["error"]["code"], "GOAL_NOT_FOUND", "what is no goal is none");
    for path in ["/api/$self/run", "/api/$self/goals/x"] {
        let method = if path.ends_with("run") { "POST" } else { "GET" };
        let refused = at("ann.test", method, path, r#""go""#).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {}", refused.text);
    }
}
