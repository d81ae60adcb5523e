//! What an admin asks of everybody who writes to an object.

use super::*;
use serde_json::json;

impl Server {
    async fn rule(&self, body: &str) {
        let set = self.call("PATCH", "/api/$self", body).await;
        assert_eq!(set.status, 200, "{}", set.text);
    }
}

#[tokio::test]
async fn a_write_must_say_which_version_it_is_about_where_that_is_asked() {
    let server = Server::empty().await;
    server.call("POST", "/api/Note", r#"{"id":"a","n":1}"#).await;
    server.rule(r#"{"requireIfMatch":true}"#).await;
    for (method, uri, body) in [
        ("PUT", "/api/Note/a", r#"{"n":2}"#),
        ("PUT", "/api/Note/new", r#"{"n":2}"#),
        ("PATCH", "/api/Note/a", r#"{"n":2}"#),
        ("DELETE", "/api/Note/a", ""),
        ("POST", "/api/Note/a/restore", ""),
        ("POST", "/api/Note/_batch", r#"{"operations":[{"op":"patch","id":"a","patch":{"n":2}}]}"#),
    ] {
        let refused = server.call(method, uri, body).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (428, "PRECONDITION_REQUIRED".into()), "{method} {uri}");
    }
    let each = r#"{"atomic":false,"operations":[{"op":"delete","id":"a"},{"op":"create","thing":{"id":"b"}}]}"#;
    let each = server.call("POST", "/api/Note/_batch", each).await.json();
    assert_eq!((&each["results"][0]["status"], &each["results"][1]["status"]), (&json!(428), &json!(201)));
    assert_eq!(server.get("/api/Note/a").await.header("etag"), "\"v1\"", "nothing came of them");
    for (method, uri, header, body, status) in [
        ("PUT", "/api/Note/a", ("if-match", "\"v1\""), r#"{"n":2}"#, 200),
        ("PUT", "/api/Note/new", ("if-none-match", "*"), r#"{"n":2}"#, 201),
        ("PATCH", "/api/Note/a", ("if-match", "*"), r#"{"n":3}"#, 200),
        ("PATCH", "/api/Note/a", ("x-nothing", "-"), r#"{"n":4,"_version":6}"#, 200),
        ("DELETE", "/api/Note/a", ("if-match", "\"v7\""), "", 204),
    ] {
        let answer = server.ask(method, uri, &[header], body).await;
        assert_eq!(answer.status, status, "{method} {uri} {}", answer.text);
    }
    assert_eq!(server.call("POST", "/api/Note", r#"{"id":"c"}"#).await.status, 201, "there is no version yet");
}

#[tokio::test]
async fn a_put_makes_nothing_where_that_is_off() {
    let server = Server::empty().await;
    server.call("POST", "/api/Note", r#"{"id":"a","n":1}"#).await;
    server.rule(r#"{"putCreates":false}"#).await;
    let absent = server.call("PUT", "/api/Note/b", r#"{"n":1}"#).await;
    assert_eq!((absent.status.as_u16(), absent.code()), (404, "NOT_FOUND".into()));
    assert_eq!(server.call("PUT", "/api/Note/a", r#"{"n":2}"#).await.status, 200);
    server.rule(r#"{"putCreates":true,"strictTypes":true}"#).await;
    assert_eq!(server.call("PUT", "/api/Note/b", r#"{"n":1}"#).await.status, 201);
    let unknown = server.call("POST", "/api/unicorns", r#"{"n":1}"#).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (422, "NOUN_UNKNOWN".into()), "{}", unknown.text);
    assert_eq!(server.get("/api/unicorns").await.status, 404);
    let shown = server.get("/api/$self").await.json();
    let told = [&shown["requireIfMatch"], &shown["putCreates"], &shown["strictTypes"], &shown["defaultBranch"]];
    assert_eq!(told, [&json!(false), &json!(true), &json!(true), &json!("main")]);
}

#[tokio::test]
async fn requests_under_one_key_at_the_same_time_are_one_write() {
    let server = std::sync::Arc::new(Server::empty().await);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move {
                let asked = server.ask("POST", "/api/Note", &[("idempotency-key", "k")], r#"{"n":1}"#).await;
                (
                    asked.status.as_u16(),
                    asked.header("location").to_owned(),
                    asked.header("idempotent-replayed") == "true",
                )
            })
        })
        .collect();
    let mut told = Vec::new();
    for request in requests {
        told.push(request.await.unwrap());
    }
    assert!(told.iter().all(|(status, place, _)| (*status, place) == (201, &told[0].1)), "{told:?}");
    assert_eq!(told.iter().filter(|(_, _, replayed)| !replayed).count(), 1, "whoever comes second waits for the first");
    assert_eq!(server.get("/api/Note").await.json()["total"], 1);
}
