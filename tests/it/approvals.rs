//! The real server, killed while a person is waited for: nobody is forgotten, and who answers afterwards is heard.

use crate::server::{Answer, Server, answer};
use serde_json::{Value, json};
use std::time::Duration;

async fn says(server: &Server, key: &str, path: &str, body: &Value) -> anyhow::Result<Answer> {
    let http = reqwest::Client::new();
    answer(http.post(format!("{}{path}", server.url)).bearer_auth(key).json(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_outlives_its_server_and_is_decided_after_the_restart() -> anyhow::Result<()> {
    let server = Server::start()?;
    let ann = json!({ "roles": ["finance"] });
    answer(server.request("PUT", "/api/Human/ann").json(&ann)).await?.expect(201);
    let key = json!({ "name": "ann", "scopes": ["Approval.read"], "as": "Human/ann" });
    let key = server.post("/api/keys", &key).await?.expect(201).body["key"].as_str().unwrap_or_default().to_owned();
    let wanted = json!({ "assignee": "role:finance", "type": "expense", "description": "a chair", "timeout": "4h" });
    let asked = server.post("/api/approvals", &wanted).await?.expect(201).body;
    let path = format!("/api/approvals/{}", asked["id"].as_str().unwrap_or_default());

    let server = server.crash_and_restart(&[])?;
    let found = server.get(&path).await?.expect(200).body;
    assert_eq!((&found["status"], &found["expiresAt"]), (&json!("pending"), &asked["expiresAt"]));
    let decided = says(&server, &key, &format!("{path}/approve"), &json!({ "reason": "fine" })).await?.expect(200).body;
    assert_eq!(decided["status"], "approved");
    assert_eq!(says(&server, &key, &format!("{path}/reject"), &json!({})).await?.code(), "REQUEST_DECIDED");

    let server = server.crash_and_restart(&[])?;
    let log = format!("/api/actions-log/{}", asked["id"].as_str().unwrap_or_default());
    let mut row = Value::Null;
    for _ in 0..1_000 {
        row = server.get(&log).await?.expect(200).body;
        if row["status"] == "completed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(row["options"]["output"]["approved"], true, "{row}");
    assert_eq!(server.get(&path).await?.expect(200).body["respondedBy"], decided["respondedBy"]);
    Ok(())
}
