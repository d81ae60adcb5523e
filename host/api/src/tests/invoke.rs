//! Invoking, by all the ways there are.

use super::*;
use serde_json::json;

#[tokio::test]
async fn an_invocation_answers_with_its_result_and_its_action() {
    let server = Server::start().await;
    for (uri, body, result) in [
        ("/api/actions/echo", r#"{"input":{"a":1.10}}"#, r#"{"a":1.10}"#),
        ("/api/actions/echo/", r#"{"x":[1,2]}"#, r#"{"x":[1,2]}"#),
        ("/api/actions/echo@~0", "[1]", "[1]"),
        ("/api/actions/echo%40~0", "[1]", "[1]"),
        ("/api/actions/%65cho", r#"{"input":7,"options":{"durability":"try","timeoutMs":5000}}"#, "7"),
    ] {
        let answer = server.call("POST", uri, body).await;
        assert_eq!(answer.status, 200, "{uri} {}", answer.text);
        assert!(answer.text.starts_with(&format!(r#"{{"result":{result},"actionId":""#)), "{}", answer.text);
        assert_eq!(answer.json()["status"], "completed");
        assert!(answer.json()["duration"].is_number());
        assert!(answer.header("server-timing").starts_with("run;dur="));
        let id: Id = answer.json()["actionId"].as_str().unwrap().parse().unwrap();
        let logged = server.get(&format!("/api/actions-log/{id}")).await.json();
        assert_eq!((logged["verb"].as_str(), logged["target"].as_str()), (Some("invoke"), Some("Function/echo")));
        assert_eq!(logged["status"], "completed");
    }
    let empty = server.send(server.request("POST", "/api/actions/echo").body(Body::empty()).unwrap()).await;
    assert_eq!(empty.json()["result"], Value::Null);
}

#[tokio::test]
async fn respond_async_and_send_are_accepted_and_end_in_the_log() {
    let server = Server::start().await;
    let preferred = server.request("POST", "/api/actions/echo").header("prefer", "respond-async, wait=5");
    let preferred = preferred.header("content-type", "application/json").body(Body::from("1")).unwrap();
    let sent = server.call("POST", "/api/actions/echo", r#"{"input":1,"options":{"durability":"send"}}"#).await;
    for answer in [server.send(preferred).await, sent] {
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.json()["status"], "pending");
        let location = answer.header("location").to_owned();
        assert_eq!(location, format!("/api/actions-log/{}", answer.json()["actionId"].as_str().unwrap()));
        assert_eq!(server.get(&location).await.status, 200);
    }
}

#[tokio::test]
async fn a_function_that_fails_is_told_by_the_kind_of_its_fault() {
    let server = Server::start().await;
    for (kind, status) in [
        ("invalid", 422),
        ("unauthenticated", 502),
        ("forbidden", 403),
        ("not-found", 404),
        ("conflict", 409),
        ("gone", 410),
        ("limit", 502),
        ("timeout", 408),
        ("cancelled", 409),
        ("failed", 502),
        ("upstream", 502),
        ("unavailable", 503),
    ] {
        let answer = server.call("POST", "/api/actions/fault", &format!("{kind:?}")).await;
        assert_eq!(answer.status, status, "{kind}: {}", answer.text);
        let error = &answer.json()["error"];
        assert_eq!((error["code"].as_str(), error["message"].as_str()), (Some("OF_THE_FUNCTION"), Some("as asked")));
        assert!(error["actionId"].is_string(), "{}", answer.text);
        assert!(answer.headers.get("www-authenticate").is_none(), "{kind}");
    }
}

#[tokio::test]
async fn what_cannot_be_invoked_is_refused() {
    let server = Server::start().await;
    for (uri, body, status) in [
        ("/api/actions/nobody", "1", 404),
        ("/api/actions/NOT-A-NAME", "1", 404),
        ("/api/actions/..%2fecho", "1", 404),
        ("/api/actions/echo@v999", "1", 404),
        ("/api/actions/echo@x", "1", 400),
        ("/api/actions/echo@v1@v2", "1", 400),
        ("/api/actions/echo", "{", 400),
        ("/api/actions/echo", r#"{"a":1,"a":2}"#, 400),
        ("/api/actions/echo", r#"{"input":1,"extra":2}"#, 422),
        ("/api/actions/echo", r#"{"input":1,"options":{"serial":"a"}}"#, 422),
        ("/api/actions/echo", r#"{"input":1,"options":{"durability":"do","serial":""}}"#, 422),
        ("/api/actions/echo", r#"{"input":1,"options":{"durability":"do","deadline":"soon"}}"#, 422),
        ("/api/actions/echo", r#"{"input":1,"options":{"durability":"do","retry":{"maxAttempts":0}}}"#, 422),
        ("/api/actions/nobody", r#"{"input":1,"options":{"durability":"do"}}"#, 404),
        ("/api/actions/echo", r#"{"input":1,"options":{"timeoutMs":0}}"#, 422),
    ] {
        let answer = server.call("POST", uri, body).await;
        assert_eq!(answer.status, status, "{uri} {body}: {}", answer.text);
    }
    let key = server.request("POST", "/api/actions/echo").header("idempotency-key", "k".repeat(256));
    assert_eq!(server.send(key.body(Body::empty()).unwrap()).await.status, 400);
}

#[tokio::test]
async fn a_gzipped_input_is_read_and_one_that_unpacks_too_large_is_refused() {
    let server = Server::start().await;
    let post = |bytes: Vec<u8>| {
        let request = server.request("POST", "/api/actions/echo").header("content-type", "application/json");
        request.header("content-encoding", "gzip").body(Body::from(bytes)).unwrap()
    };
    let gzip = |text: &str| {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    assert_eq!(server.send(post(gzip("[1]"))).await.json()["result"], json!([1]));
    let bomb = gzip(&format!("\"{}\"", "a".repeat(8 << 20)));
    assert!(bomb.len() < 100_000);
    assert_eq!(server.send(post(bomb)).await.status, 413);
    assert_eq!(server.send(post(b"no gzip".to_vec())).await.status, 400);
}

#[tokio::test]
async fn a_do_is_answered_when_it_is_over_or_at_once_with_where_to_look() {
    let server = Server::start().await;
    let body = r#"{"input":7,"options":{"durability":"do"}}"#;
    let whole = server.call("POST", "/api/actions/echo", body).await;
    assert_eq!((whole.status.as_u16(), &whole.json()["result"]), (200, &serde_json::json!(7)), "{}", whole.text);
    let request = server.request("POST", "/api/actions/echo").header("prefer", "respond-async");
    let accepted =
        server.send(request.header("content-type", "application/json").body(Body::from(body)).unwrap()).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let id = accepted.json()["actionId"].as_str().unwrap().to_owned();
    for _ in 0..200 {
        let row = server.call("GET", &format!("/api/actions-log/{id}"), "").await;
        if row.json()["status"] == "completed" {
            assert_eq!(row.json()["durability"], "do");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it does not end");
}
