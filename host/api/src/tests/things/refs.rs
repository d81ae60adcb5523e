//! Which state a URL means: the table of spec ID-12, equivalents of refs, ids with odd characters, short URLs.

use super::*;
use runtime::{BranchWanted, View};
use types::BranchName;

async fn branch(server: &Server, name: &str) {
    let root = server.test.root().await.unwrap();
    let caller = server.test.caller(&["*.*"]).unwrap();
    let wanted = BranchWanted { name: BranchName::parse(name).unwrap(), things: None };
    root.branch(&caller, &View::default(), wanted).await.unwrap();
}

/// acme is v1, v2, v3, v5; bob is v4.
async fn history() -> Server {
    let server = Server::empty().await;
    make(&server, "Startup", "acme", 1).await;
    server.call("PATCH", "/api/Startup/acme", r#"{"n":2}"#).await;
    server.call("PATCH", "/api/Startup/acme", r#"{"n":3}"#).await;
    make(&server, "Startup", "bob", 1).await;
    server
}

#[tokio::test]
async fn each_ref_means_one_state() {
    let server = history().await;
    let check = async |path: &str, status: u16, version: &str| {
        let answer = server.get(&format!("/api/Startup/{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("do-version")), (status, version), "{path} {}", answer.text);
    };
    for (path, status, version) in [
        ("acme", 200, "3"),
        ("acme@~0", 200, "3"),
        ("acme@~1", 200, "2"),
        ("acme@~2", 200, "1"),
        ("acme@~3", 404, ""),
        ("acme@v2", 200, "2"),
        ("acme@v999", 404, ""),
        ("acme@v99999999999999999999", 404, ""),
        ("acme@v0", 404, ""),
        ("acme@v4", 404, ""),
        ("acme@x@y", 400, ""),
        ("acme@", 400, ""),
        ("acme@~", 400, ""),
        ("acme@main", 200, "3"),
        ("acme@main~1", 200, "2"),
        ("acme@nobody", 404, ""),
        ("acme@2000-01-01", 404, ""),
        ("acme@2999-01-01", 200, "3"),
        ("acme@2999-01-01T12:00:00Z", 200, "3"),
        ("acme@2024-13-01", 400, ""),
    ] {
        check(path, status, version).await;
    }
    server.call("PATCH", "/api/Startup/acme", r#"{"n":5}"#).await;
    check("acme", 200, "5").await;
    server.call("DELETE", "/api/Startup/acme", "").await;
    check("acme@v6", 410, "6").await;
    check("acme@~0", 410, "6").await;
    check("acme@~1", 200, "5").await;
}

#[tokio::test]
async fn refs_are_named_in_several_ways_that_must_agree() {
    let server = history().await;
    branch(&server, "feature/x").await;
    let check = async |path: &str, header: &str, status: u16, version: &str| {
        let headers = [("do-ref", header)];
        let answer = server.ask("GET", path, if header.is_empty() { &[] } else { &headers }, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("do-version")), (status, version), "{path} {}", answer.text);
    };
    for (path, header, status, version) in [
        ("/api/Startup/acme?version=1", "", 200, "1"),
        ("/api/Startup/acme?v=1", "", 200, "1"),
        ("/api/Startup/acme?branch=main", "", 200, "3"),
        ("/api/Startup/acme?branch=feature/x", "", 200, "3"),
        ("/api/Startup/acme@feature%2Fx", "", 200, "3"),
        ("/api/Startup/acme?at=2999-01-01", "", 200, "3"),
        ("/api/Startup/acme", "@v1", 200, "1"),
        ("/api/Startup/acme", "v1", 200, "1"),
        ("/api/Startup/acme@v1?version=1&v=1", "@v1", 200, "1"),
        ("/api/Startup/acme@2999-01-01?at=2999-01-01T00:00:00Z", "", 200, "3"),
        ("/api/Startup/acme@v1?version=2", "", 400, ""),
        ("/api/Startup/acme?version=1&v=2", "", 400, ""),
        ("/api/Startup/acme?version=1&branch=main", "", 400, ""),
        ("/api/Startup/acme@v1", "@v2", 400, ""),
        ("/api/Startup/acme", "@@", 400, ""),
        ("/api/Startup/acme?version=", "", 400, ""),
        ("/api/Startup/acme?version=v1", "", 400, ""),
        ("/api/Startup/acme?version=-1", "", 400, ""),
        ("/api/Startup/acme?branch=v12", "", 400, ""),
        ("/api/Startup/acme?at=yesterday", "", 400, ""),
    ] {
        check(path, header, status, version).await;
    }
}

#[tokio::test]
async fn a_branch_is_written_and_the_past_is_not() {
    let server = history().await;
    branch(&server, "experiment").await;
    let written = server.call("PATCH", "/api/Startup/acme@experiment", r#"{"n":9}"#).await;
    assert_eq!((written.status.as_u16(), written.header("do-branch")), (200, "experiment"), "{}", written.text);
    assert!(written.header("link").contains("/acme@experiment>; rel=\"latest-version\""));
    assert!(written.header("link").contains("/versions?branch=experiment>; rel=\"version-history\""));
    server.call("PATCH", "/api/Startup/bob", r#"{"n":2}"#).await;
    server.call("PATCH", "/api/Startup/bob", r#"{"n":3}"#).await;
    let inherited = server.get("/api/Startup/bob@experiment").await;
    assert_eq!((inherited.header("do-version"), inherited.header("do-branch")), ("4", "main"));
    assert!(!inherited.header("link").contains("predecessor-version"), "{}", inherited.header("link"));
    assert_eq!(server.get("/api/Startup/acme").await.json()["data"]["n"], 3);
    assert_eq!(server.get("/api/Startup/acme@experiment").await.json()["data"]["n"], 9);
    let made = server.call("POST", "/api/Startup@experiment", r#"{"id":"new"}"#).await;
    assert_eq!((made.status.as_u16(), made.header("do-branch")), (201, "experiment"));
    assert_eq!(server.get("/api/Startup/new").await.status, 404);
    assert_eq!(server.get("/api/Startup@experiment").await.json()["total"], 3);
    assert_eq!(server.get("/api/Startup?branch=experiment").await.json()["total"], 3);
    assert_eq!(server.get("/api/Startup").await.json()["total"], 2);
    let only = server.call("POST", "/api/Robot?branch=experiment", r#"{"id":"r"}"#).await;
    assert_eq!(only.status, 201);
    assert_eq!(server.get("/api/Robot/r?branch=experiment").await.status, 200);
    for at in ["v1", "~1", "2999-01-01", "experiment~0"] {
        for (method, below) in [("PATCH", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/restore")] {
            let refused = server.call(method, &format!("/api/Startup/acme@{at}{below}"), r#"{"n":1}"#).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (409, "READ_ONLY_REF".into()), "{method} {at}");
        }
    }
    assert_eq!(server.call("PATCH", "/api/Startup/acme@nobody", "{}").await.status, 404);
}

#[tokio::test]
async fn an_id_keeps_its_slash_and_its_at() {
    let server = Server::empty().await;
    for (id, encoded) in
        [("a/b", "a%2Fb"), ("john@acme.com", "john%40acme.com"), ("ü 1%", "%C3%BC%201%25"), ("_batch", "_batch")]
    {
        let made = server.call("POST", "/api/Note", &serde_json::json!({ "id": id }).to_string()).await;
        assert_eq!((made.status.as_u16(), made.header("location")), (201, &*format!("/api/Note/{encoded}")), "{id}");
        let read = server.get(&format!("/api/Note/{encoded}")).await;
        assert_eq!((read.status.as_u16(), read.json()["id"].as_str()), (200, Some(id)));
        let at = server.get(&format!("/api/Note/{encoded}@~0")).await;
        assert_eq!(at.json()["$id"], format!("https://root.test/Note/{encoded}"));
        assert_eq!(server.call("PATCH", &format!("/api/Note/{encoded}"), r#"{"x":1}"#).await.status, 200, "{id}");
        assert_eq!(server.get(&format!("/Note/{encoded}")).await.status, 200, "{id}");
    }
    assert_eq!(server.get("/api/Note/a/b").await.status, 404);
    assert_eq!(server.get("/api/Note/john@acme.com").await.status, 404, "a branch acme.com");
    assert_eq!(server.get("/api/Note/john%40acme.com/versions").await.json()["data"].as_array().map(Vec::len), Some(2));
    for (bad, status) in [("%zz", 400), ("%ff", 400), ("-x", 404), ("%00", 404), (&*"x".repeat(257), 404)] {
        assert_eq!(server.get(&format!("/api/Note/{bad}")).await.status, status, "{bad}");
    }
    assert_eq!(server.call("PUT", "/api/Note/-x", "{}").await.json()["error"]["details"][0]["field"], "id");
    assert_eq!(server.call("PUT", "/api/Note/-x", "{}").await.status, 422);
}

#[tokio::test]
async fn a_tenants_ids_may_hold_a_slash_too() {
    let server = Server::empty().await;
    let ask = async |method: &str, path: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("host", "root.test");
        let request = request.header("authorization", format!("Bearer {}", server.key));
        let request = request.header("content-type", "application/json");
        server.send(request.body(Body::from(body.to_owned())).unwrap()).await
    };
    assert_eq!(ask("POST", "/api/Note", r#"{"id":"a/b"}"#).await.status, 201);
    assert_eq!(ask("GET", "/api/Note/a%2Fb", "").await.status, 200);
    assert_eq!(ask("GET", "/Note/a%2Fb@v1", "").await.status, 200);
    let long = "%C3%BC".repeat(128);
    assert_eq!(ask("PUT", &format!("/api/Note/{long}"), "{}").await.status, 201);
    assert_eq!(ask("GET", &format!("/api/Note/{}", "x".repeat(3_000)), "").await.status, 404);
}

#[tokio::test]
async fn the_short_url_means_the_one_thing_with_that_id() {
    let server = Server::empty().await;
    make(&server, "Startup", "acme", 1).await;
    let one = server.get("/acme").await;
    assert_eq!((one.status.as_u16(), one.header("content-location")), (200, "https://root.test/Startup/acme@v1"));
    make(&server, "Person", "acme", 2).await;
    let several = server.get("/acme").await;
    assert_eq!((several.status.as_u16(), several.code()), (300, "AMBIGUOUS".into()));
    let urls = &several.json()["error"]["details"];
    assert_eq!(urls, &serde_json::json!(["https://root.test/Person/acme", "https://root.test/Startup/acme"]));
    assert_eq!(server.get("/Person/acme").await.json()["data"]["n"], 2);
    assert_eq!(server.get("/persons/acme@v2").await.json()["data"]["n"], 2);
    assert_eq!(server.get("/acme@v1").await.json()["type"], "Startup");
    server.call("DELETE", "/api/Person/acme", "").await;
    assert_eq!(server.get("/acme").await.json()["type"], "Startup");
    assert_eq!(server.get("/acme@v3").await.status, 410);
    for (uri, status) in
        [("/nobody", 404), ("/acme@~9", 404), ("/acme@x@y", 400), ("/Startup/nobody", 404), ("/a/b/c", 404)]
    {
        assert_eq!(server.get(uri).await.status, status, "{uri}");
    }
    for method in ["PUT", "POST", "PATCH", "DELETE"] {
        let refused = server.call(method, "/Startup/acme", "{}").await;
        assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, "GET,HEAD"), "{method}");
    }
}

#[tokio::test]
async fn a_noun_shares_its_word_with_a_route_only_by_its_exact_spelling() {
    let server = Server::empty().await;
    let made = server.call("PUT", "/api/nouns/Account", "{}").await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["warnings"].as_array().map(Vec::len), Some(1));
    make(&server, "Account", "1", 1).await;
    assert_eq!(server.get("/api/Account/1").await.status, 200);
    assert_eq!(server.get("/api/Account").await.json()["total"], 1);
    for other in ["/api/account/1", "/api/accounts", "/api/accounts/1", "/api/ACCOUNT/1", "/api/search/x"] {
        assert_eq!(server.get(other).await.status, 404, "{other}");
    }
    make(&server, "Event", "1", 1).await;
    assert_eq!(server.get("/api/Event/1").await.status, 200);
    assert!(server.get("/api/events").await.json()["data"].is_array());
    for word in ["Workflow", "workflows", "Search", "actions", "webhook", "Healths"] {
        let refused = server.call("POST", &format!("/api/{word}"), "{}").await;
        assert!(matches!(refused.status.as_u16(), 404 | 405 | 422), "{word} {}", refused.status);
    }
    assert_eq!(server.call("PUT", "/api/nouns/Workflow", "{}").await.status, 422);
}

#[tokio::test]
async fn a_slash_at_the_end_changes_nothing() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    for uri in
        ["/api/Startup/", "/api/Startup/a/", "/api/Startup/a@v1/", "/api/Startup/a/versions/", "/Startup/a/", "/a/"]
    {
        assert_eq!(server.get(uri).await.status, 200, "{uri}");
    }
}
