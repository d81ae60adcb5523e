//! Kinds of things: registered, read, enforced, removed.

use super::*;

#[tokio::test]
async fn a_noun_is_registered_and_rules_what_is_written() {
    let server = Server::empty().await;
    let body = r#"{"plural":"People","description":"Someone","schema":{"email":"string","age":"number?"}}"#;
    let made = server.call("PUT", "/api/nouns/Person", body).await;
    assert_eq!((made.status.as_u16(), made.header("location")), (201, "/api/nouns/Person"), "{}", made.text);
    let shown = server.get("/api/nouns/people").await.json();
    assert_eq!((shown["plural"].as_str(), shown["schema"]["email"].as_str()), (Some("People"), Some("string")));
    assert_eq!(server.call("PUT", "/api/nouns/Person", body).await.status, 200);
    let bad = server.call("POST", "/api/people", r#"{"age":"x"}"#).await;
    assert_eq!((bad.status.as_u16(), bad.json()["error"]["details"].as_array().map(Vec::len)), (422, Some(2)));
    assert_eq!(server.get("/api/People").await.json()["data"], serde_json::json!([]));
    assert_eq!(server.call("POST", "/api/people", r#"{"id":"p","email":"a@b.c"}"#).await.status, 201);
    assert_eq!(server.call("DELETE", "/api/nouns/Person", "").await.code(), "NOUN_IN_USE");
    server.call("DELETE", "/api/Person/p", "").await;
    assert_eq!(server.call("DELETE", "/api/nouns/Person", "").await.status, 204);
    assert_eq!(server.call("DELETE", "/api/nouns/Nobody", "").await.status, 404);
}

#[tokio::test]
async fn nouns_that_were_only_written_to_are_listed_too() {
    let server = Server::empty().await;
    make(&server, "Company", "c", 1).await;
    let nouns = server.get("/api/nouns").await.json();
    let found = nouns["data"].as_array().unwrap().iter().find(|n| n["noun"] == "Company").unwrap().clone();
    assert_eq!(
        (found["plural"].as_str(), found["version"].is_null(), found["things"].as_u64()),
        (Some("Companies"), true, Some(1))
    );
    assert_eq!(server.get("/api/companies/c").await.status, 200);
    assert_eq!(server.get("/api/nouns/company").await.json()["noun"], "Company");
}

#[tokio::test]
async fn what_is_no_noun_is_refused() {
    let server = Server::empty().await;
    server.call("PUT", "/api/nouns/Company", "{}").await;
    for (noun, body, status) in [
        ("company", "{}", 422),
        ("A-b", "{}", 422),
        ("Workflow", "{}", 422),
        ("Firm", r#"{"plural":"Companies"}"#, 409),
        ("Firm", r#"{"noun":"Other"}"#, 400),
        ("Firm", r#"{"doClass":"Nonsense"}"#, 422),
        ("Firm", r#"{"schema":{"a":"nonsense"}}"#, 422),
        ("Firm", r#"{"unknown":1}"#, 422),
        ("Firm", "[]", 422),
        ("Firm", "", 400),
        ("Firm", "{", 400),
        ("Firm?version=1", "{}", 409),
    ] {
        let answer = server.call("PUT", &format!("/api/nouns/{noun}"), body).await;
        assert_eq!(answer.status, status, "{noun} {body} {}", answer.text);
    }
    assert_eq!(server.get("/api/nouns/Firm").await.status, 404);
}
