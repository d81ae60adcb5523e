//! What the spec refuses (1 to 4 and 16), each with its status and code, and that nothing came of it.

use super::*;

/// Sends each, and looks at status and code.
async fn refuses(server: &Server, all: &[(&str, &str, &str, u16, &str)]) {
    for (method, uri, body, status, code) in all {
        let answer = server.ask(method, uri, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (*status, *code), "{method} {uri} {body}");
        let message = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty(), "{method} {uri}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_no_url_of_one_is_refused() {
    let server = Server::empty().await;
    for ns in ["https://u:p@x.test", "https://x.test/?q", "https://x.test/#f", "https://", "ftp://x.test", ""] {
        let body = serde_json::json!({ "ns": ns }).to_string();
        refuses(&server, &[("POST", "/api/objects", &body, 400, "BAD_REQUEST")]).await;
    }
    for ns in ["HTTPS://Startups.test:443/", "startups2.test"] {
        let body = serde_json::json!({ "ns": ns }).to_string();
        assert_eq!(server.call("POST", "/api/objects", &body).await.status, 201, "{ns}");
    }
    let twice = r#"{"ns":"https://startups.test"}"#;
    assert_eq!(server.call("POST", "/api/objects", twice).await.status, 409, "it is the same in other words");
}

#[tokio::test]
async fn ids_that_no_thing_can_have_are_refused_where_they_are_written() {
    let server = Server::empty().await;
    for id in [".", "..", "x ", "\u{1}", "-", &"x".repeat(257)] {
        let body = serde_json::json!({ "id": id, "n": 1 }).to_string();
        let answer = server.call("POST", "/api/Note", &body).await;
        assert_eq!(answer.json()["error"]["details"][0]["field"], "id", "{id:?}");
        assert_eq!(answer.status, 422, "{id:?}");
    }
    assert_eq!(
        server.call("POST", "/api/Note", &serde_json::json!({ "id": "x".repeat(256) }).to_string()).await.status,
        201
    );
    refuses(&server, &[("PUT", "/api/Note/-x", "{}", 422, "VALIDATION_FAILED")]).await;
}

#[tokio::test]
async fn a_ref_that_names_no_state_is_not_found_or_malformed() {
    let server = Server::empty().await;
    make(&server, "Note", "a", 1).await;
    for (at, status) in [
        ("v0", 404),
        ("v999", 404),
        ("~1", 404),
        ("nobody", 404),
        ("nobody~1", 404),
        ("2001-01-01", 404),
        ("2001-01-01T00:00:00Z", 404),
        ("~x", 400),
        ("main~", 400),
        ("2024-13-01", 400),
        ("a..b", 400),
        ("", 400),
    ] {
        assert_eq!(server.get(&format!("/api/Note/a@{at}")).await.status, status, "@{at}");
    }
    for (uri, status) in [
        ("/api/Note/a@v1?version=2", 400),
        ("/api/Note/a?version=1&branch=main", 400),
        ("/api/Note/a?at=whenever", 400),
        ("/api/Note/a?v=x", 400),
        ("/api/Note/a/versions/9", 404),
        ("/api/Note/a/versions/x", 400),
        ("/api/Note/a/diff?from=v1&to=v9", 404),
        ("/api/Note/a/diff?from=@@", 400),
        ("/api/Note/a/versions?branch=nobody", 404),
        ("/api/Note/b/versions", 404),
    ] {
        assert_eq!(server.get(uri).await.status, status, "{uri}");
    }
}

#[tokio::test]
async fn a_noun_that_cannot_be_registered_is_refused() {
    let server = Server::empty().await;
    assert_eq!(server.call("PUT", "/api/nouns/Person", r#"{"plural":"People"}"#).await.status, 201);
    refuses(
        &server,
        &[
            ("PUT", "/api/nouns/People", "{}", 409, "NOUN_EXISTS"),
            ("PUT", "/api/nouns/Crowd", r#"{"plural":"people"}"#, 409, "NOUN_EXISTS"),
            ("PUT", "/api/nouns/Workflow", "{}", 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/person", "{}", 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd", r#"{"doClass":"Nothing"}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd", r#"{"schema":{"a":"strange"}}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd", r#"{"schema":7}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd", r#"{"plural":"a b"}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd", r#"{"noun":"Other"}"#, 400, "BODY_MISMATCH"),
            ("PUT", "/api/nouns/Crowd", r#"{"color":1}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd@v1", "{}", 422, "VALIDATION_FAILED"),
            ("PUT", "/api/nouns/Crowd?version=1", "{}", 409, "READ_ONLY_REF"),
            ("GET", "/api/nouns/Nobody", "", 404, "NOUN_NOT_FOUND"),
            ("DELETE", "/api/nouns/Nobody", "", 404, "NOUN_NOT_FOUND"),
        ],
    )
    .await;
    assert_eq!(server.get("/api/nouns/Crowd").await.status, 404, "nothing came of it");
}

#[tokio::test]
async fn a_thing_that_breaks_its_noun_is_refused_with_everything_at_once() {
    let server = Server::empty().await;
    let noun =
        r#"{"schema":{"email":{"type":"string","unique":true,"required":true},"age":"number?","owner":"->Person?"}}"#;
    server.call("PUT", "/api/nouns/Person", noun).await;
    assert_eq!(server.call("POST", "/api/Person", r#"{"id":"a","email":"a@x.test"}"#).await.status, 201);
    let wrong = server.call("POST", "/api/Person", r#"{"id":"b","age":"x","owner":"nobody"}"#).await;
    let details = wrong.json()["error"]["details"].clone();
    let fields: Vec<_> = details.as_array().unwrap().iter().map(|d| d["field"].as_str().unwrap()).collect();
    assert_eq!((wrong.status.as_u16(), fields), (422, vec!["email", "age", "owner"]), "{details}");
    refuses(
        &server,
        &[
            ("POST", "/api/Person", r#"{"id":"b","email":"a@x.test"}"#, 409, "UNIQUE"),
            ("PUT", "/api/Person/b", r#"{"email":"a@x.test"}"#, 409, "UNIQUE"),
            ("PATCH", "/api/Person/a", r#"{"email":null}"#, 422, "VALIDATION_FAILED"),
            ("PATCH", "/api/Person/a", r#"{"owner":"nobody"}"#, 422, "VALIDATION_FAILED"),
            ("PUT", "/api/Person/a", r#"{"id":"c","email":"b@x.test"}"#, 400, "BODY_MISMATCH"),
            ("PATCH", "/api/Person/a", r#"{"email":"b@x.test","_version":9}"#, 409, "VERSION_CONFLICT"),
            ("PATCH", "/api/Person/nobody", r#"{"email":"b@x.test"}"#, 404, "NOT_FOUND"),
            ("DELETE", "/api/Person/nobody", "", 404, "NOT_FOUND"),
            ("POST", "/api/Person/nobody/restore", "", 404, "NOT_FOUND"),
            ("POST", "/api/Person/a/restore", "", 409, "NOT_DELETED"),
        ],
    )
    .await;
    assert_eq!(server.get("/api/Person").await.json()["total"], 1);
}

#[tokio::test]
async fn a_json_patch_that_cannot_be_done_leaves_the_thing_as_it_is() {
    let server = Server::empty().await;
    make(&server, "Note", "a", 1).await;
    let patch = [("content-type", "application/json-patch+json")];
    for (body, status, code) in [
        (r#"[{"op":"test","path":"/data/n","value":2}]"#, 409, "PATCH_TEST_FAILED"),
        (
            r#"[{"op":"replace","path":"/data/n","value":3},{"op":"test","path":"/data/n","value":2}]"#,
            409,
            "PATCH_TEST_FAILED",
        ),
        (r#"[{"op":"remove","path":"/data/none"}]"#, 422, "PATCH_UNAPPLIABLE"),
        (r#"[{"op":"explode","path":"/data/n"}]"#, 400, "PATCH_MALFORMED"),
        (r#"{"op":"remove"}"#, 400, "PATCH_MALFORMED"),
        (r#"[{"op":"replace","path":"/version","value":7}]"#, 422, "PATCH_UNAPPLIABLE"),
        ("[", 400, "BAD_REQUEST"),
    ] {
        let answer = server.ask("PATCH", "/api/Note/a", &patch, body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body} {}", answer.text);
    }
    assert_eq!(server.get("/api/Note/a").await.header("do-version"), "1");
    let xml = server.ask("PATCH", "/api/Note/a", &[("content-type", "text/xml")], "<a/>").await;
    assert_eq!(xml.status, 415);
}

#[tokio::test]
async fn a_list_that_cannot_be_is_refused() {
    let server = Server::empty().await;
    make(&server, "Note", "a", 1).await;
    for uri in [
        "limit=0",
        "limit=101",
        "limit=x",
        "offset=-1",
        "sort=a..b",
        "cursor=x",
        "shape=round",
        "includeDeleted=perhaps",
    ] {
        assert_eq!(server.get(&format!("/api/Note?{uri}")).await.status, 400, "{uri}");
    }
    assert_eq!(server.get("/api/Note?offset=50").await.json()["data"], serde_json::json!([]));
    let accept = server.ask("GET", "/api/Note", &[("accept", "text/csv")], "").await;
    assert_eq!((accept.status.as_u16(), accept.code()), (406, "NOT_ACCEPTABLE".into()));
}

#[tokio::test]
async fn an_idempotency_key_or_a_tag_that_is_none_is_refused() {
    let server = Server::empty().await;
    make(&server, "Note", "a", 1).await;
    let long = "k".repeat(256);
    let keyed = server.ask("POST", "/api/Note", &[("idempotency-key", &long)], r#"{"id":"b"}"#).await;
    assert_eq!(keyed.code(), "BAD_REQUEST", "{}", keyed.text);
    assert_eq!((keyed.status.as_u16(), server.get("/api/Note/b").await.status.as_u16()), (400, 404));
    for (name, value, status) in [
        ("if-match", "v1", 400),
        ("if-match", "\"x\"", 412),
        ("if-match", "W/\"v1\"", 412),
        ("if-none-match", "*", 412),
    ] {
        let answer = server.ask("PUT", "/api/Note/a", &[(name, value)], r#"{"n":2}"#).await;
        assert_eq!(answer.status, status, "{name}: {value} {}", answer.text);
    }
    assert_eq!(server.get("/api/Note/a").await.header("etag"), "\"v1\"");
}
