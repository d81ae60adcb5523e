//! Operations on whole objects, as HTTP says them.

use super::*;

impl Server {
    /// In the object `https://crm.test`, waiting for the end.
    async fn operate(&self, method: &str, uri: &str, body: &str) -> Answer {
        let request = self
            .request(method, uri)
            .header("do-namespace", "https://crm.test")
            .header("prefer", "wait")
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

async fn with_crm() -> Server {
    let server = Server::start().await;
    assert_eq!(server.call("POST", "/api/objects", r#"{"ns":"https://crm.test"}"#).await.status, 201);
    server
}

/// Functions are things too.
async fn deploy(server: &Server) {
    let crm = types::Namespace::parse("https://crm.test").unwrap();
    let object = server.test.node.object(&crm).await.unwrap().unwrap();
    for text in ["scripted:echo 1", "scripted:echo 2"] {
        server.test.deploy(&object, "echo", text).await.unwrap();
    }
}

#[tokio::test]
async fn an_object_is_forked_compacted_and_restored() {
    let server = with_crm().await;
    let empty = server.operate("POST", "/api/lifecycle/compact", "").await;
    assert_eq!((empty.status.as_u16(), empty.code()), (409, "NOTHING_TO_COMPACT".into()));
    deploy(&server).await;
    for body in [r#"{"n":1}"#, r#"{"n":2}"#] {
        let written = server.operate("PUT", "/api/Note/a", body).await;
        assert!(written.status.is_success(), "{}", written.text);
    }
    let forked = server.operate("POST", "/api/lifecycle/fork", r#"{"to":"https://copy.test"}"#).await;
    assert_eq!((forked.status.as_u16(), forked.header("preference-applied")), (200, "wait"), "{}", forked.text);
    assert_eq!(forked.json()["result"]["things"], 2);
    let again = server.operate("POST", "/api/lifecycle/fork", r#"{"to":"https://copy.test"}"#).await;
    assert_eq!(again.status, 409);
    for (body, status) in [
        (r#"{"to":"no url"}"#, 400),
        (r#"{"to":"https://y.test","branch":"y"}"#, 404),
        (r#"{"to":"https://y.test","at":"whenever"}"#, 422),
        (r#"{"too":"https://y.test"}"#, 422),
        ("{", 400),
    ] {
        let refused = server.operate("POST", "/api/lifecycle/fork", body).await;
        assert_eq!(refused.status, status, "{body}: {}", refused.text);
    }
    let compacted = server.operate("POST", "/api/lifecycle/compact", "").await.json();
    assert_eq!(
        compacted["result"]["versionsArchived"], 1,
        "a version of a function stays, runs may be pinned to it: {compacted}"
    );
    for at in ["v1", "~1"] {
        let pinned = server.operate("GET", &format!("/api/functions/echo@{at}"), "").await;
        assert_eq!((pinned.status.as_u16(), &pinned.json()["version"]), (200, &1.into()), "@{at} {}", pinned.text);
    }
    assert_eq!(server.operate("GET", "/api/Note/a@~1", "").await.code(), "GONE");
    let history = server.operate("GET", "/api/Note/a/versions", "").await;
    assert!(!history.header("do-history-floor").is_empty(), "older versions are in the archive");
    let body = format!(r#"{{"archive":{}}}"#, compacted["result"]["archive"]);
    let restored = server.operate("POST", "/api/lifecycle/restore", &body).await.json();
    assert_eq!((&restored["status"], &restored["result"]["versions"]), (&"completed".into(), &1.into()));
    assert_eq!(server.operate("POST", "/api/lifecycle/restore", r#"{"archive":"x"}"#).await.status, 404);
    assert_eq!(server.operate("POST", "/api/lifecycle/move", r#"{"location":"ORD"}"#).await.status, 501);
    assert_eq!(server.operate("POST", "/api/lifecycle/explode", "{}").await.status, 404);
}

#[tokio::test]
async fn without_waiting_the_answer_says_where_to_look() {
    let server = with_crm().await;
    deploy(&server).await;
    let ask = || {
        let request = server.request("POST", "/api/lifecycle/compact").header("do-namespace", "https://crm.test");
        let request = request.header("idempotency-key", "once").body(Body::empty()).unwrap();
        server.send(request)
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    assert_eq!(first.json()["actionId"], second.json()["actionId"], "the same key does it once");
    let location = first.header("location").to_owned();
    let request = server.request("GET", &location).header("do-namespace", "https://crm.test");
    let action = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((action.status.as_u16(), &action.json()["verb"]), (200, &"compact".into()));
}

#[tokio::test]
async fn an_object_is_destroyed_when_its_name_is_said_twice() {
    let server = with_crm().await;
    let delete = async |uri: &str| {
        let request = server.request("DELETE", uri).header("prefer", "wait").body(Body::empty()).unwrap();
        server.send(request).await
    };
    let path = "/api/objects/https%3A%2F%2Fcrm.test";
    assert_eq!(delete(path).await.status, 422);
    assert_eq!(delete(&format!("{path}?confirm=https://other.test")).await.status, 422);
    let gone = delete(&format!("{path}?confirm=https://crm.test")).await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(delete(&format!("{path}?confirm=https://crm.test")).await.status, 410);
    let there = server.request("GET", "/api/whoami").header("do-namespace", "https://crm.test");
    let there = server.send(there.body(Body::empty()).unwrap()).await;
    assert_eq!((there.status.as_u16(), there.code()), (410, "OBJECT_DESTROYED".into()));
    let again = server.call("POST", "/api/objects", r#"{"ns":"https://crm.test"}"#).await;
    assert_eq!(again.status, 409, "its name rests");
    let unknown = delete("/api/objects/https%3A%2F%2Fno.test?confirm=https://no.test").await;
    assert_eq!(unknown.status, 404);
}
