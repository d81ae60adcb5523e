//! What nobody should send as a thing.

use super::*;

#[tokio::test]
async fn bodies_that_no_thing_can_be_are_refused() {
    let server = Server::empty().await;
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let long_name = serde_json::json!({ "name": "x".repeat(10_240) }).to_string();
    let long_key = serde_json::json!({ "k".repeat(1_025): 1 }).to_string();
    let large = serde_json::json!({ "text": "x".repeat(1_153_434) }).to_string();
    for (body, status) in [
        ("{", 400),
        ("", 400),
        ("NaN", 400),
        (r#"{"a":NaN}"#, 400),
        (r#"{"a":1,"a":2}"#, 400),
        (r#"{"a":{"b":1,"b":2}}"#, 400),
        (r#"{"a":"\ud800"}"#, 400),
        ("[]", 422),
        ("1", 422),
        (r#"{"id":"-x"}"#, 422),
        (r#"{"id":".x"}"#, 422),
        (r#"{"id":" x"}"#, 422),
        (r#"{"id":""}"#, 422),
        (r#"{"id":"a\u0000b"}"#, 422),
        (r#"{"id":5}"#, 422),
        (r#"{"name":5}"#, 422),
        (r#"{"name":"x","data":[]}"#, 422),
        (r#"{"$where":1}"#, 422),
        (r#"{"type":"Other","data":{}}"#, 400),
        (&long_name, 422),
        (&long_key, 422),
        (&large, 413),
        (&nested(64), 201),
        (&format!("{{\"name\":\"x\",\"data\":{}}}", nested(64)), 201),
        (&format!("{{\"name\":\"x\",\"data\":{}}}", nested(65)), 422),
        (&nested(100), 422),
        (&nested(65), 422),
        (r#"{"n":12345678901234567890123,"m":1.10}"#, 201),
    ] {
        let answer = server.call("POST", "/api/Note", body).await;
        let told = &body[..body.floor_char_boundary(60)];
        assert_eq!(answer.status, status, "{told} {}", &answer.text[..answer.text.len().min(300)]);
        assert!(answer.text.len() < 4_096 || status == 201, "{told}");
        if told.contains("12345") {
            assert_eq!(answer.json()["data"].to_string(), body, "not rounded");
        }
    }
    let huge = format!("{{\"text\":\"{}\"}}", "x".repeat(3 << 20));
    assert_eq!(server.call("POST", "/api/Note", &huge).await.status, 413);
    let bad = server.call("POST", "/api/startup", r#"{"id":"-x"}"#).await;
    assert_eq!(bad.json()["error"]["details"][0]["field"], "id");
}

#[tokio::test]
async fn types_that_no_noun_can_be_are_refused() {
    let server = Server::empty().await;
    let long = format!("A{}", "a".repeat(10_000 - 2_000));
    for word in ["a%20b", "A-b-", "%C3%84", "..", "1", "Noun", "Relationship", "Function", "Verb", &long[..65]] {
        let written = server.call("POST", &format!("/api/{word}"), "{}").await;
        assert!(matches!(written.status.as_u16(), 404 | 422), "{word} {} {}", written.status, written.text);
        if !matches!(word, "Noun" | "Relationship" | "Function" | "Verb") {
            assert_eq!(server.get(&format!("/api/{word}")).await.status, 404, "{word}");
        }
    }
}

#[tokio::test]
async fn strangers_learn_nothing_about_things() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    for (method, uri) in [
        ("GET", "/api/Startup/a"),
        ("GET", "/api/Startup/b"),
        ("GET", "/api/Startup/a@x@y"),
        ("POST", "/api/Startup"),
        ("PATCH", "/api/Startup/a?version=x"),
        ("GET", "/api/nothing?limit=0"),
        ("GET", "/a"),
        ("GET", "/Startup/b"),
    ] {
        let answer = server.send(anonymous(method, uri).body(Body::from("{")).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (401, "UNAUTHORIZED".into()), "{method} {uri}");
    }
}

#[tokio::test]
async fn an_answer_is_packed_for_who_can_unpack_it() {
    let server = Server::empty().await;
    let body = serde_json::json!({ "id": "a", "text": "word ".repeat(1_000) }).to_string();
    server.call("POST", "/api/Note", &body).await;
    let request = server.request("GET", "/api/Note/a").header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.into_body().collect().await.unwrap().to_bytes();
    assert!(packed.len() < 1_000, "{}", packed.len());
    assert_eq!(server.get("/api/Note/a").await.header("content-encoding"), "");
}
