//! Schedules, as HTTP has them.

use super::*;
use serde_json::json;
use std::time::Duration;

impl Server {
    async fn add(&self, body: Value) -> Answer {
        self.call("POST", "/api/schedules", &body.to_string()).await
    }
}

#[tokio::test]
async fn a_schedule_is_added_changed_run_and_removed() {
    let server = Server::start().await;
    let added = server.add(json!({ "schedule": "daily at 6am", "handler": "echo" })).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let shown = added.json();
    let uri = "/api/schedules/echo:0%206%20*%20*%20*";
    assert!(added.header("location").ends_with(uri), "{}", added.header("location"));
    assert_eq!(
        [&shown["name"], &shown["canonical"], &shown["timezone"], &shown["status"], &shown["nextRunAt"]],
        [
            &json!("echo:0 6 * * *"),
            &json!("0 6 * * *"),
            &json!("UTC"),
            &json!("active"),
            &json!("2024-01-09T06:00:00.000Z")
        ]
    );
    assert_eq!(server.get(uri).await.json(), shown);

    let run = server.call("POST", &format!("{uri}/run"), "").await;
    assert_eq!(run.status, StatusCode::ACCEPTED, "{}", run.text);
    let action = format!("/api/actions-log/{}", run.json()["actionId"].as_str().unwrap());
    let over = async {
        while server.get(&action).await.json()["status"] != "completed" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), over).await.unwrap();
    let after = server.get("/api/schedules").await.json()["data"][0].clone();
    assert_eq!((&after["runCount"], &after["lastStatus"]), (&json!(1), &json!("completed")));
    assert_eq!(after["nextRunAt"], shown["nextRunAt"]);

    let moved = server.call("PATCH", uri, r#"{"schedule":"hourly","overlap":"queue"}"#).await.json();
    assert_eq!((&moved["id"], &moved["runCount"]), (&shown["id"], &json!(1)));
    assert_eq!((&moved["canonical"], &moved["overlap"]), (&json!("0 * * * *"), &json!("queue")));
    let paused = server.call("POST", &format!("{uri}/pause"), "").await.json();
    assert_eq!((&paused["status"], &paused["nextRunAt"]), (&json!("paused"), &Value::Null));
    let resumed = server.call("POST", &format!("{uri}/resume"), "").await.json();
    assert_eq!((&resumed["status"], &resumed["nextRunAt"]), (&json!("active"), &json!("2024-01-08T13:00:00.000Z")));
    let paused = server.call("PATCH", uri, r#"{"status":"paused"}"#).await.json();
    assert_eq!(paused["status"], "paused");

    let gone = server.send(server.request("DELETE", uri).body(Body::empty()).unwrap()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(uri).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/api/schedules").await.json()["data"], json!([]));
}

#[tokio::test]
async fn what_no_schedule_can_be_is_refused_with_what_is_accepted() {
    let server = Server::start().await;
    for (text, said) in [
        ("whenever", "whenever"),
        ("every 0 minutes", "use a whole number from 1"),
        ("at 9", "at 9"),
        ("", ""),
        ("0 0 31 4 *", "never occurs"),
        ("0 0 9 * * 1", ""),
    ] {
        let refused = server.add(json!({ "name": "x", "schedule": text, "handler": "echo" })).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{text:?}: {}", refused.text);
        assert_eq!(refused.code(), "SCHEDULE_INVALID", "{text:?}");
        assert!(refused.text.contains(said), "{text:?}: {}", refused.text);
    }
    for (wanted, code) in [
        (json!({ "schedule": "daily", "handler": "echo", "timezone": "Mars/Olympus" }), "SCHEDULE_INVALID"),
        (json!({ "schedule": "daily", "handler": "nobody" }), "HANDLER_UNKNOWN"),
        (json!({ "schedule": "daily", "handler": "echo", "maxRetries": 5000 }), "SCHEDULE_INVALID"),
        (json!({ "schedule": "daily", "handler": "echo", "name": "-x" }), "NAME_INVALID"),
        (json!({ "schedule": "daily", "handler": "echo", "when": "now" }), "VALIDATION_FAILED"),
    ] {
        let refused = server.add(wanted.clone()).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, code.to_owned()), "{wanted}");
    }
    server.add(json!({ "name": "once", "schedule": "daily", "handler": "echo" })).await;
    let twice = server.add(json!({ "name": "once", "schedule": "daily", "handler": "echo" })).await;
    assert_eq!((twice.status, twice.code()), (StatusCode::CONFLICT, "SCHEDULE_EXISTS".to_owned()));
    for (body, code) in [
        (r#"{"name":"other"}"#, "SCHEDULE_INVALID"),
        (r#"{"schedule":"whenever"}"#, "SCHEDULE_INVALID"),
        (r#"{"status":"asleep"}"#, "VALIDATION_FAILED"),
        (r#"{"schedule":null}"#, "SCHEDULE_INVALID"),
        (r#"{"what":1}"#, "SCHEDULE_INVALID"),
    ] {
        let refused = server.call("PATCH", "/api/schedules/once", body).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, code.to_owned()), "{body}");
    }
    let unknown = server.call("POST", "/api/schedules/nothing/run", "").await;
    assert_eq!((unknown.status, unknown.code()), (StatusCode::NOT_FOUND, "SCHEDULE_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn a_run_that_has_not_ended_lets_one_more_wait() {
    let server = Server::start().await;
    server.add(json!({ "name": "long", "schedule": "daily", "handler": "hang" })).await;
    let run = async || server.call("POST", "/api/schedules/long/run", "").await;
    assert_eq!(run().await.status, StatusCode::ACCEPTED);
    assert_eq!(run().await.status, StatusCode::ACCEPTED);
    let third = run().await;
    assert_eq!((third.status, third.code()), (StatusCode::CONFLICT, "SCHEDULE_BUSY".to_owned()));
}
