//! Things over HTTP against the real server: what was acknowledged survives, one of many writers wins, raw paths.

use crate::server::{Server, answer};
use anyhow::Context;
use reqwest::Response;
use serde_json::{Value, json};
use std::sync::Arc;

async fn send(
    server: &Server,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> anyhow::Result<Response> {
    let mut request = server.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    Ok(request.send().await?)
}

fn tag(response: &Response) -> String {
    response.headers().get("etag").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_thing_lives_through_every_operation_and_a_crash() -> anyhow::Result<()> {
    let server = Server::start()?;
    let path = "/api/Startup/acme";
    let made = send(&server, "POST", "/api/Startup", &[], &json!({ "id": "acme", "name": "Acme", "data": { "n": 1 } }))
        .await?;
    assert_eq!((made.status().as_u16(), tag(&made)), (201, "\"v1\"".into()));
    let first = made.text().await?;
    assert_eq!(send(&server, "GET", path, &[("if-none-match", "\"v1\"")], &Value::Null).await?.status(), 304);
    let patched = send(&server, "PATCH", path, &[("if-match", "\"v1\"")], &json!({ "n": 2 })).await?;
    assert_eq!((patched.status().as_u16(), tag(&patched)), (200, "\"v2\"".into()));
    let late = send(&server, "PATCH", path, &[("if-match", "\"v1\"")], &json!({ "n": 3 })).await?;
    assert_eq!((late.status().as_u16(), tag(&late)), (412, "\"v2\"".into()));
    let server = server.crash_and_restart(&[])?;
    assert_eq!(send(&server, "GET", "/api/Startup/acme@v1", &[], &Value::Null).await?.text().await?, first);
    let deleted = send(&server, "DELETE", path, &[], &Value::Null).await?;
    assert_eq!((deleted.status().as_u16(), tag(&deleted)), (204, "\"v3\"".into()));
    let server = server.crash_and_restart(&[])?;
    server.get(path).await?.expect(404);
    server.get("/api/Startup/acme@v1").await?.expect(200);
    server.get("/api/Startup/acme@v3").await?.expect(410);
    let restored = send(&server, "POST", "/api/Startup/acme/restore", &[], &Value::Null).await?;
    assert_eq!((restored.status().as_u16(), tag(&restored)), (200, "\"v4\"".into()));
    let versions = server.get("/api/Startup/acme/versions").await?.expect(200).body;
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(4), "{versions}");
    let events = server.get("/api/events?source=Startup/acme").await?.expect(200).body;
    let verbs: Vec<_> =
        events["data"].as_array().context("a list")?.iter().filter_map(|e| e["verb"].as_str()).collect();
    assert_eq!(verbs, ["created", "updated", "deleted", "restored"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_writers_with_one_tag_one_wins() -> anyhow::Result<()> {
    let server = Arc::new(Server::start()?);
    send(&server, "PUT", "/api/Counter/c", &[], &json!({ "n": 0 })).await?.error_for_status()?;
    let writers: Vec<_> = (1..=50)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                let sent =
                    send(&server, "PATCH", "/api/Counter/c", &[("if-match", "\"v1\"")], &json!({ "n": n })).await?;
                anyhow::Ok(sent.status().as_u16())
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for writer in writers {
        statuses.push(writer.await??);
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [412; 49].as_slice()));
    let versions = server.get("/api/Counter/c/versions").await?.expect(200).body;
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(2), "{versions}");
    Ok(())
}

#[tokio::test]
async fn a_key_makes_a_create_happen_once_also_across_a_crash() -> anyhow::Result<()> {
    let server = Server::start()?;
    let headers = [("idempotency-key", "order-7")];
    let first = send(&server, "POST", "/api/Order", &headers, &json!({ "n": 1 })).await?;
    assert_eq!(first.status(), 201);
    let first = first.text().await?;
    let server = server.crash_and_restart(&[])?;
    let again = send(&server, "POST", "/api/Order", &headers, &json!({ "n": 1 })).await?;
    assert_eq!((again.status().as_u16(), again.headers().contains_key("idempotent-replayed")), (201, true));
    assert_eq!(again.text().await?, first);
    assert_eq!(send(&server, "POST", "/api/Order", &headers, &json!({ "n": 2 })).await?.status(), 422);
    assert_eq!(server.get("/api/Order").await?.expect(200).body["total"], 1);
    Ok(())
}

#[tokio::test]
async fn ids_and_bodies_arrive_as_they_were_sent() -> anyhow::Result<()> {
    let server = Server::start()?;
    for (id, path) in [("a/b", "a%2Fb"), ("john@acme.com", "john%40acme.com"), ("日本", "%E6%97%A5%E6%9C%AC")] {
        server.post("/api/Note", &json!({ "id": id })).await?.expect(201);
        assert_eq!(server.get(&format!("/api/Note/{path}")).await?.expect(200).body["id"], id);
        assert_eq!(server.get(&format!("/Note/{path}@~0")).await?.expect(200).body["id"], id);
    }
    server.get("/api/Note/a/b").await?.expect(404);
    let raw = |body: String| server.request("POST", "/api/Note").header("content-type", "application/json").body(body);
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    for (body, status) in [
        (r#"{"a":NaN}"#.to_owned(), 400),
        (r#"{"a":1,"a":2}"#.to_owned(), 400),
        (nested(64), 201),
        (nested(65), 422),
        (format!("{{\"name\":\"{}\"}}", "x".repeat(10_240)), 422),
        (format!("{{\"text\":\"{}\"}}", "x".repeat(1_153_434)), 413),
        (format!("{{\"text\":\"{}\"}}", "x".repeat(3 << 20)), 413),
    ] {
        let told = body[..body.len().min(40)].to_owned();
        let answer = answer(raw(body)).await?;
        assert_eq!(answer.status, status, "{told} {:?}", answer.code());
        assert!(["/root/", "/tmp/", "SELECT", ".rs"].iter().all(|leak| !answer.message().contains(leak)), "{answer:?}");
    }
    Ok(())
}
