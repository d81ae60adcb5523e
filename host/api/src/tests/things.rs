//! Things over HTTP: what a client sees of versions, refs, conditions and bad input.

use super::*;

#[tokio::test]
async fn a_thing_lives_through_every_operation() {
    let server = Server::empty().await;
    let made = server.call("POST", "/api/Startup", r#"{"id":"acme","name":"Acme","data":{"city":"Bonn"}}"#).await;
    assert_eq!((made.status.as_u16(), made.header("etag"), made.header("do-version")), (201, "\"v1\"", "1"));
    assert_eq!(made.header("location"), "/api/Startup/acme");
    let known = server.ask("GET", "/api/startups/acme", &[("if-none-match", "W/\"v1\"")], "").await;
    assert_eq!((known.status.as_u16(), known.text.as_str(), known.header("etag")), (304, "", "\"v1\""));
    let path = "/api/Startup/acme";
    let patched = server.ask("PATCH", path, &[("if-match", "\"v1\"")], r#"{"city":"Kiel"}"#).await;
    assert_eq!((patched.status.as_u16(), patched.header("etag")), (200, "\"v2\""));
    let late = server.ask("PATCH", path, &[("if-match", "\"v1\"")], r#"{"city":"Ulm"}"#).await;
    assert_eq!((late.status.as_u16(), late.code(), late.header("etag")), (412, "PRECONDITION_FAILED".into(), "\"v2\""));
    assert_eq!(late.json()["error"]["details"]["version"], 2);
    let old = server.get("/api/Startup/acme@v1").await;
    assert_eq!((old.status.as_u16(), &old.text), (200, &made.text));
    let deleted = server.call("DELETE", path, "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str(), deleted.header("do-version")), (204, "", "3"));
    assert_eq!(server.get(path).await.status, 404);
    assert_eq!(server.get("/api/Startup/acme@v1").await.status, 200);
    let marker = server.get("/api/Startup/acme@v3").await;
    assert_eq!((marker.status.as_u16(), marker.header("do-version")), (410, "3"));
    let restored = server.call("POST", "/api/Startup/acme/restore", "").await;
    assert_eq!((restored.status.as_u16(), restored.header("etag")), (200, "\"v4\""));
    assert_eq!(restored.json()["data"]["city"], "Kiel");
}
