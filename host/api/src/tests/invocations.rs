//! Durable invocations over HTTP: listed, shown, taken over to another version.

use super::Server;

#[tokio::test]
async fn an_invocation_is_listed_and_shown_and_only_durable_ones_are() {
    let server = Server::start().await;
    let tried = server.call("POST", "/api/actions/echo", "1").await.json();
    let body = r#"{"input":{"token":"x","n":1},"options":{"durability":"do"}}"#;
    let done = server.call("POST", "/api/actions/echo", body).await.json();
    let id = done["actionId"].as_str().unwrap();

    let list = server.call("GET", "/api/invocations?status=completed&function=echo&trigger=call", "").await.json();
    let rows = list["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{list}");
    assert_eq!((&rows[0]["id"], &rows[0]["name"], &rows[0]["attempt"]), (&id.into(), &"echo".into(), &1.into()));
    for (query, found) in [("status=failed", 0), ("function=other", 0), ("trigger=event", 0), ("limit=1", 1)] {
        let list = server.call("GET", &format!("/api/invocations?{query}"), "").await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}: {list}");
    }
    let shown = server.call("GET", &format!("/api/invocations/{id}"), "").await.json();
    assert_eq!((&shown["status"], &shown["input"]["token"]), (&"completed".into(), &"[REDACTED]".into()), "{shown}");
    assert_eq!((&shown["steps"], &shown["children"]), (&serde_json::json!([]), &serde_json::json!([])));

    let not_durable = tried["actionId"].as_str().unwrap();
    for (uri, status) in [
        (format!("/api/invocations/{not_durable}"), 404),
        ("/api/invocations/x".to_owned(), 404),
        (format!("/api/invocations/{id}?from=x"), 400),
        ("/api/invocations?status=happy".to_owned(), 400),
        ("/api/invocations?trigger=me".to_owned(), 400),
        ("/api/invocations?limit=0".to_owned(), 400),
    ] {
        assert_eq!(server.call("GET", &uri, "").await.status, status, "{uri}");
    }
}

#[tokio::test]
async fn an_upgrade_tells_what_it_did_and_refuses_what_is_not_there() {
    let server = Server::start().await;
    let told = server.call("POST", "/api/functions/echo/upgrade?dryRun=true", "").await.json();
    assert_eq!(
        (&told["dryRun"], &told["unfinished"], &told["moves"]),
        (&true.into(), &0.into(), &serde_json::json!([]))
    );
    for (uri, status) in [
        ("/api/functions/nobody/upgrade", 404),
        ("/api/functions/echo/upgrade?to=v999", 404),
        ("/api/functions/echo/upgrade?to=soon", 400),
        ("/api/functions/echo/upgrade?dryRun=maybe", 400),
        ("/api/functions/echo/upgrade?limit=1001", 400),
    ] {
        assert_eq!(server.call("POST", uri, "").await.status, status, "{uri}");
    }
}

#[tokio::test]
async fn an_invocation_has_the_priority_the_retries_and_the_actor_that_were_asked_for() {
    let server = Server::start().await;
    let ask = |options: &str| format!(r#"{{"input":"upstream","options":{{"durability":"do",{options}}}}}"#);
    let body = ask(r#""priority":-7,"retry":{"retryOn":["UPSTREAM_TIMEOUT"]},"actor":"User/ann""#);
    let done = server.call("POST", "/api/actions/echo", &body).await.json();
    let shown = server.get(&format!("/api/invocations/{}", done["actionId"].as_str().unwrap())).await.json();
    assert_eq!((&shown["priority"], &shown["retryOn"]), (&(-7).into(), &serde_json::json!(["UPSTREAM_TIMEOUT"])));
    assert_eq!(shown["actor"], "https://root.test/User/ann", "{shown}");

    // Its fault is none of those that are retried, so it has one attempt of its three.
    let failed = server.call("POST", "/api/actions/fault", &ask(r#""retry":{"retryOn":["OTHER"]}"#)).await;
    assert_eq!(failed.code(), "OF_THE_FUNCTION", "{}", failed.text);
    let list = server.get("/api/invocations?function=fault").await.json();
    assert_eq!((&list["data"][0]["status"], &list["data"][0]["attempt"]), (&"failed".into(), &1.into()), "{list}");

    for (options, code) in [
        (r#""priority":101"#, "PRIORITY_INVALID"),
        (r#""retry":{"retryOn":["not a code"]}"#, "RETRY_INVALID"),
        (r#""actor":"nobody""#, "ACTOR_INVALID"),
    ] {
        let refused = server.call("POST", "/api/actions/echo", &ask(options)).await;
        assert_eq!((refused.status.is_client_error(), refused.code().as_str()), (true, code), "{}", refused.text);
    }
}
