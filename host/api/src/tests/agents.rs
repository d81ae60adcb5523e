//! Agents, as HTTP has them.

use super::*;
use serde_json::json;

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
    let server = Server::with_channels(testkit::ScriptedChannels::new(), |_| {}).await;
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
    let refused = server.call("POST", "/api/agents/x/memory", r#"{"content":" "}"#).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}
