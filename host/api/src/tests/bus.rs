//! Subscriptions and dead letters.

use super::*;
use serde_json::json;
use std::time::Duration;

impl Server {
    /// Dead letters, once there are so many; some seconds at most.
    async fn dead_letters(&self, count: usize) -> Vec<Value> {
        for _ in 0..4_000 {
            let found = self.get("/api/events/dlq").await.json()["data"].as_array().cloned().unwrap_or_default();
            if found.len() == count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("there are not {count} dead letters: {}", self.get("/api/events/dlq").await.text);
    }

    async fn subscribe(&self, spec: Value) -> Answer {
        self.call("POST", "/api/subscriptions", &spec.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_made_listed_told_of_events_and_removed() {
    let server = Server::start().await;
    let made = server.subscribe(json!({ "name": "s", "event": "Order.*", "handler": "echo", "priority": 3 })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let shown = made.json();
    assert_eq!(["name", "event", "handler"].map(|m| shown[m].as_str().unwrap_or_default()), ["s", "Order.*", "echo"]);
    assert_eq!((&shown["priority"], &shown["maxRetries"], &shown["filter"]), (&json!(3), &json!(3), &Value::Null));
    let again = server.subscribe(json!({ "name": "s", "event": "Order.*", "handler": "echo", "priority": 3 })).await;
    assert_eq!(again.status, 200);
    assert_eq!(server.get("/api/subscriptions").await.json()["data"], json!([shown]));

    assert_eq!(server.call("PUT", "/api/Order/7", "{\"n\": 1}").await.status, 201);
    let mut ran = Value::Null;
    for _ in 0..4_000 {
        ran = server.get("/api/actions-log?target=Function/echo&verb=invoke").await.json()["data"][0].clone();
        if ran["status"] == "completed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(ran["status"], "completed", "{ran}");
    assert!(ran["actor"].as_str().is_some_and(|actor| actor.ends_with("/Service/subscription:s")), "{ran}");

    assert_eq!(server.call("DELETE", "/api/subscriptions/s", "").await.status, 204);
    assert_eq!(server.get("/api/subscriptions").await.json()["data"], json!([]));
    let gone = server.call("DELETE", "/api/subscriptions/s", "").await;
    assert_eq!((gone.status.as_u16(), gone.code()), (404, "SUBSCRIPTION_NOT_FOUND".into()));
}

#[tokio::test]
async fn what_cannot_be_subscribed_says_why() {
    let server = Server::start().await;
    for (spec, status, code) in [
        (json!({ "event": "Order.*" }), 422, "VALIDATION_FAILED"),
        (json!({ "event": "Order.*", "handler": "echo", "webhook": "https://a.example" }), 422, "VALIDATION_FAILED"),
        (json!({ "event": "Order.*", "handler": "echo@v1" }), 422, "VALIDATION_FAILED"),
        (json!({ "event": "Order.*", "handler": "echo", "pirority": 1 }), 422, "VALIDATION_FAILED"),
        (json!({ "event": "orders", "handler": "echo" }), 422, "EVENT_INVALID"),
        (json!({ "event": "Order.*", "handler": "nobody" }), 422, "HANDLER_UNKNOWN"),
        (json!({ "event": "Order.*", "handler": "echo", "filter": "data.n >" }), 422, "FILTER_INVALID"),
        (json!({ "event": "Order.*", "workflow": "ship" }), 422, "WORKFLOW_UNKNOWN"),
        (json!({ "event": "Order.*", "webhook": "a.example" }), 422, "WEBHOOK_INVALID"),
        (json!({ "event": "orders", "webhook": "https://a.example" }), 422, "EVENT_INVALID"),
        (json!({ "event": "Order.*", "webhook": "https://a.example", "maxRetries": 101 }), 422, "RETRY_INVALID"),
    ] {
        let answer = server.subscribe(spec.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code.to_owned()), "{spec}: {}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_replayed_deleted_and_purged() {
    let server = Server::start().await;
    let spec = json!({ "name": "s", "event": "Order.created", "handler": "fault", "maxRetries": 0 });
    assert_eq!(server.subscribe(spec).await.status, 201);
    for id in 1..=4 {
        server.call("PUT", &format!("/api/Order/{id}"), "{}").await;
    }
    let dead = server.dead_letters(4).await;
    // Their ids are of the same millisecond: which comes first is nobody's choice.
    let of = |source: &str| dead.iter().find(|d| d["source"] == source).unwrap();
    let first = of("Order/1");
    assert_eq!(
        ["verb", "source", "subscription"].map(|m| first[m].as_str().unwrap_or_default()),
        ["created", "Order/1", "s"]
    );
    assert_eq!((&first["retryCount"], &first["maxRetries"]), (&json!(0), &json!(0)));
    assert_eq!(first["error"]["code"], "OF_THE_FUNCTION");
    assert_eq!(first["data"]["thing"]["id"], "1");
    assert!(first["eventId"].is_string() && first["firstFailedAt"].is_string() && first["lastAttemptAt"].is_string());

    let id = first["id"].as_str().unwrap();
    let failed = server.call("POST", &format!("/api/events/dlq/{id}/replay"), "").await;
    assert_eq!((failed.status.as_u16(), &failed.json()["status"]), (200, &json!("failed")), "{}", failed.text);
    assert_eq!(failed.json()["deadLetter"]["retryCount"], 1);
    assert_eq!(server.call("DELETE", &format!("/api/events/dlq/{id}"), "").await.status, 204);
    let gone = server.call("DELETE", &format!("/api/events/dlq/{id}"), "").await;
    assert_eq!((gone.status.as_u16(), gone.code()), (404, "DEAD_LETTER_NOT_FOUND".into()));

    let root = server.test.root().await.unwrap();
    server.test.deploy(&root, "fault", "scripted:echo mended").await.unwrap();
    let id = of("Order/2")["id"].as_str().unwrap();
    let replayed = server.call("POST", &format!("/api/events/dlq/{id}/replay"), "").await;
    assert_eq!(replayed.json(), json!({ "status": "succeeded" }));
    let purged = server.call("POST", "/api/events/dlq/purge", "{\"verb\":\"deleted\"}").await;
    assert_eq!(purged.json(), json!({ "purged": 0 }));
    let many = server.call("POST", "/api/events/dlq/replay", "{\"subscription\":\"s\"}").await;
    assert_eq!((many.status.as_u16(), many.json()), (202, json!({ "replayed": 2 })));
    server.dead_letters(0).await;

    server.test.deploy(&root, "fault", "scripted:fault again").await.unwrap();
    server.call("PUT", "/api/Order/5", "{}").await;
    server.dead_letters(1).await;
    let purged = server.call("POST", "/api/events/dlq/purge", "{\"archive\":true}").await;
    assert_eq!(purged.json(), json!({ "purged": 1 }));
    server.dead_letters(0).await;
    let kept = server.get("/api/events/dlq?archived=true&subscription=s").await.json();
    assert_eq!(kept["data"][0]["source"], "Order/5");
}
