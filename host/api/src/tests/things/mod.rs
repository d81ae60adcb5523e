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

mod batches;
mod conditions;
mod edges;
mod hostile;
mod lists;
mod nouns;
mod refs;
mod refusals;

/// A thing with this id and one field.
async fn make(server: &Server, noun: &str, id: &str, n: u32) -> Answer {
    let made = server.call("POST", &format!("/api/{noun}"), &format!(r#"{{"id":"{id}","n":{n}}}"#)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made
}

#[tokio::test]
async fn every_answer_about_a_thing_tells_its_version() {
    let server = Server::empty().await;
    let url = "https://root.test/Startup/acme";
    let check = |answer: &Answer, version: u64, before: Option<&str>| {
        assert_eq!(answer.header("etag"), format!("\"v{version}\""));
        assert_eq!(answer.header("do-version"), version.to_string());
        assert_eq!(answer.header("do-branch"), "main");
        assert!(answer.header("last-modified").ends_with(" GMT"), "{}", answer.header("last-modified"));
        assert_eq!(answer.header("content-location"), format!("{url}@v{version}"));
        let before = before.map_or_else(String::new, |at| format!("<{url}@{at}>; rel=\"predecessor-version\", "));
        let expected = format!(
            "{before}<{url}>; rel=\"latest-version\", <https://root.test/api/Startup/acme/versions>; \
             rel=\"version-history\", <{url}@v{version}>; rel=\"self\""
        );
        assert_eq!(answer.header("link"), expected);
    };
    check(&make(&server, "Startup", "acme", 1).await, 1, None);
    check(&server.get("/api/Startup/acme").await, 1, None);
    check(&server.call("PATCH", "/api/Startup/acme", r#"{"n":2}"#).await, 2, Some("v1"));
    check(&server.call("PUT", "/api/Startup/acme", r#"{"n":3}"#).await, 3, Some("v2"));
    check(&server.get("/api/Startup/acme").await, 3, Some("~1"));
    check(&server.get("/api/Startup/acme@v3").await, 3, Some("v2"));
    check(&server.get("/api/Startup/acme@~1").await, 2, Some("v1"));
    check(&server.get("/api/Startup/acme/versions/1").await, 1, None);
    check(&server.call("DELETE", "/api/Startup/acme", "").await, 4, Some("v3"));
    check(&server.call("POST", "/api/Startup/acme/restore", "").await, 5, Some("v4"));
    check(&server.ask("HEAD", "/api/Startup/acme", &[], "").await, 5, Some("~1"));
    assert_eq!(server.get("/api/Startup/acme").await.header("cache-control"), "no-cache");
    for path in ["acme@v1", "acme/versions/1", "acme?version=1"] {
        let answer = server.get(&format!("/api/Startup/{path}")).await;
        assert_eq!(answer.header("cache-control"), "private, max-age=31536000, immutable", "{path}");
    }
}

#[tokio::test]
async fn both_forms_of_input_make_the_same_thing() {
    let server = Server::empty().await;
    let flat = server.call("POST", "/api/Startup", r#"{"id":"a","name":"A","city":"Bonn","n":1.50}"#).await.json();
    let body = r#"{"id":"b","name":"A","data":{"city":"Bonn","n":1.50},"version":77,"createdAt":"x"}"#;
    let envelope = server.call("POST", "/api/Startup", body).await.json();
    assert_eq!((&flat["name"], &flat["data"]), (&envelope["name"], &envelope["data"]));
    assert_eq!(flat["data"].to_string(), r#"{"city":"Bonn","n":1.50}"#);
    let made = server.call("POST", "/api/Startup", "{}").await;
    assert_eq!(made.json()["id"].as_str().map(str::len), Some(36));
    assert_eq!(made.header("location"), format!("/api/Startup/{}", made.json()["id"].as_str().unwrap()));
    let refused = server.call("POST", "/api/Startup", r#"{"$secret":1}"#).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "VALIDATION_FAILED".into()));
}

#[tokio::test]
async fn a_thing_is_shown_flat_or_in_part() {
    let server = Server::empty().await;
    server.call("POST", "/api/Startup", r#"{"id":"a","name":"A","data":{"name":"inner","city":"Bonn"}}"#).await;
    let flat = server.get("/api/Startup/a?shape=flat").await;
    assert_eq!((flat.json()["name"].as_str(), flat.json()["city"].as_str()), (Some("A"), Some("Bonn")));
    assert_eq!(flat.header("do-shadowed"), "name");
    let part = server.get("/api/Startup/a?fields=city").await.json();
    assert_eq!((part["data"].to_string(), part.get("name")), (r#"{"city":"Bonn"}"#.to_owned(), None));
    assert_eq!(part["version"], 1);
    assert_eq!(server.get("/api/Startup/a?shape=x").await.status, 400);
    assert_eq!(server.get("/api/Startup/a?nonsense=x").await.status, 400);
}

#[tokio::test]
async fn patches_of_both_kinds_change_what_they_name() {
    let server = Server::empty().await;
    server.call("POST", "/api/Startup", r#"{"id":"a","name":"A","data":{"x":1,"y":{"z":2}}}"#).await;
    let patch =
        async |kind: &str, body: &str| server.ask("PATCH", "/api/Startup/a", &[("content-type", kind)], body).await;
    let merged = patch("application/merge-patch+json", r#"{"x":null,"y":{"w":3},"name":null}"#).await;
    assert_eq!((merged.status.as_u16(), merged.json()["data"].to_string()), (200, r#"{"y":{"z":2,"w":3}}"#.into()));
    assert!(merged.json()["name"].is_null());
    let json = "application/json-patch+json";
    let patched =
        patch(json, r#"[{"op":"test","path":"/data/y/z","value":2},{"op":"add","path":"/name","value":"B"}]"#);
    assert_eq!(patched.await.json()["name"], "B");
    for (kind, body, status) in [
        (json, r#"[{"op":"test","path":"/data/y/z","value":9}]"#, 409),
        (json, r#"[{"op":"nonsense"}]"#, 400),
        (json, "{}", 400),
        (json, r#"[{"op":"remove","path":"/data/absent"}]"#, 422),
        (json, r#"[{"op":"replace","path":"/data","value":5}]"#, 422),
        ("application/json", "[1]", 422),
        ("application/json", r#"{"_version":1}"#, 409),
        ("application/json", r#"{"_version":"one"}"#, 422),
        ("text/plain", "{}", 415),
        ("application/json", "", 400),
    ] {
        assert_eq!(patch(kind, body).await.status, status, "{kind} {body}");
    }
    let known = server.get("/api/Startup/a").await.json()["version"].clone();
    assert_eq!(patch("application/json", &format!(r#"{{"_version":{known},"x":1}}"#)).await.status, 200);
    let put = server.ask("PUT", "/api/Startup/a", &[("content-type", json)], "[]").await;
    assert_eq!(put.status, 415, "only a patch is a patch");
}

#[tokio::test]
async fn what_is_there_already_makes_no_version() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let first = server.call("PATCH", "/api/Startup/a", r#"{"n":2}"#).await;
    assert_eq!(first.header("do-unchanged"), "");
    let again = server.call("PATCH", "/api/Startup/a", r#"{"n":2}"#).await;
    assert_eq!((again.status.as_u16(), again.header("do-unchanged")), (200, "1"));
    assert_eq!(again.header("etag"), first.header("etag"));
    let versions = server.get("/api/Startup/a/versions").await.json();
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_history_lists_who_did_what_and_a_difference_is_a_patch() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    server.call("PATCH", "/api/Startup/a", r#"{"n":2,"city":"Bonn"}"#).await;
    server.call("DELETE", "/api/Startup/a", "").await;
    let page = server.get("/api/Startup/a/versions?limit=2").await.json();
    let entry = |at: usize| page["data"][at].clone();
    assert_eq!((entry(0)["version"].as_u64(), entry(0)["deleted"].as_bool()), (Some(3), Some(true)));
    assert_eq!((entry(0)["action"]["verb"].as_str(), entry(1)["branch"].as_str()), (Some("delete"), Some("main")));
    assert!(entry(1)["action"]["actor"].as_str().unwrap().ends_with("/Service/root"), "{}", entry(1));
    assert_eq!(entry(1)["changes"], serde_json::json!(["n", "city"]));
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("/api/Startup/a/versions?limit=2&cursor={next}")).await.json();
    assert_eq!((rest["data"][0]["version"].as_u64(), rest.get("next")), (Some(1), None));
    let diff = server.get("/api/Startup/a/diff?from=v1&to=@v2").await;
    let expected = r#"[{"op":"replace","path":"/data/n","value":2},{"op":"add","path":"/data/city","value":"Bonn"}]"#;
    assert_eq!((diff.status.as_u16(), diff.text.as_str()), (200, expected));
    for (query, status) in
        [("", 400), ("from=v1", 404), ("from=nonsense~&to=v1", 400), ("from=v1&to=v9", 404), ("from=v3", 410)]
    {
        assert_eq!(server.get(&format!("/api/Startup/a/diff?{query}")).await.status, status, "{query}");
    }
    assert_eq!(server.get("/api/Startup/nobody/versions").await.status, 404);
    assert_eq!(server.get("/api/Startup/a/versions?cursor=x").await.status, 400);
    assert_eq!(server.get("/api/Startup/a/versions/x").await.status, 400);
    assert_eq!(server.get("/api/Startup/a/versions/3").await.status, 410);
}

#[tokio::test]
async fn a_taken_id_is_refused_until_it_is_revived() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let taken = server.call("POST", "/api/Startup", r#"{"id":"a"}"#).await;
    assert_eq!((taken.status.as_u16(), taken.code(), taken.header("etag")), (409, "CONFLICT".into(), "\"v1\""));
    server.call("DELETE", "/api/Startup/a", "").await;
    assert_eq!(server.call("POST", "/api/Startup", r#"{"id":"a"}"#).await.status, 409);
    assert_eq!(server.call("POST", "/api/Startup?revive=true", r#"{"id":"a"}"#).await.status, 201);
    assert_eq!(server.call("POST", "/api/Startup/a/restore", "").await.code(), "NOT_DELETED");
    for (method, path) in [("DELETE", "b"), ("PATCH", "b"), ("POST", "b/restore"), ("GET", "b")] {
        assert_eq!(server.call(method, &format!("/api/Startup/{path}"), "{}").await.status, 404, "{method} {path}");
    }
    let put = server.call("PUT", "/api/Startup/b", r#"{"x":1}"#).await;
    assert_eq!((put.status.as_u16(), put.header("location")), (201, "/api/Startup/b"));
    assert_eq!(server.call("PUT", "/api/Startup/b", r#"{"id":"c"}"#).await.code(), "BODY_MISMATCH");
    assert_eq!(server.call("PUT", "/api/Startup/b", r#"{"id":"c"}"#).await.status, 400);
}

#[tokio::test]
async fn a_writer_says_how_much_comes_back() {
    let server = Server::empty().await;
    let minimal = ("prefer", "return=minimal");
    let made = server.ask("POST", "/api/Startup", &[minimal], r#"{"id":"a"}"#).await;
    assert_eq!((made.status.as_u16(), made.text.as_str(), made.header("location")), (201, "", "/api/Startup/a"));
    assert_eq!((made.header("preference-applied"), made.header("vary")), ("return=minimal", "prefer"));
    let put = server.ask("PUT", "/api/Startup/a", &[minimal], r#"{"x":1}"#).await;
    assert_eq!((put.status.as_u16(), put.text.as_str(), put.header("etag")), (204, "", "\"v2\""));
    assert_eq!(server.ask("PATCH", "/api/Startup/a", &[minimal], r#"{"x":2}"#).await.status, 204);
    let whole = ("prefer", "respond-async, return=representation");
    let deleted = server.ask("DELETE", "/api/Startup/a", &[whole], "").await;
    assert_eq!((deleted.status.as_u16(), deleted.json()["deleted"].as_bool()), (200, Some(true)));
    assert_eq!(deleted.header("preference-applied"), "return=representation");
    assert_eq!(server.ask("POST", "/api/Startup/a/restore", &[minimal], "").await.status, 204);
}

#[tokio::test]
async fn only_what_a_key_allows_is_done() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let body = r#"{"name":"reader","scopes":["Startup.read"]}"#;
    let key = server.call("POST", "/api/keys", body).await.json()["key"].as_str().unwrap().to_owned();
    let ask = async |method: &str, uri: &str, body: &str| {
        let request = anonymous(method, uri).header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned())).unwrap();
        server.send(request).await.status.as_u16()
    };
    assert_eq!(ask("GET", "/api/Startup/a", "").await, 200);
    assert_eq!(ask("GET", "/api/Other/a", "").await, 403);
    for (method, uri) in [
        ("POST", "/api/Startup"),
        ("PUT", "/api/Startup/a"),
        ("PATCH", "/api/Startup/a"),
        ("DELETE", "/api/Startup/a"),
        ("POST", "/api/Startup/a/restore"),
        ("PUT", "/api/Startup/a/relationships/owns?to=Site/b"),
        ("DELETE", "/api/Startup/a/relationships/owns?to=Site/b"),
        ("PUT", "/api/nouns/Startup"),
        ("DELETE", "/api/nouns/Startup"),
        ("GET", "/api/nouns"),
        ("PATCH", "/api/$self"),
    ] {
        assert_eq!(ask(method, uri, "{").await, 403, "{method} {uri}");
    }
    let batch = r#"{"operations":[{"op":"delete","id":"a"}]}"#;
    assert_eq!(ask("POST", "/api/Startup/_batch", batch).await, 403);
    assert_eq!(ask("POST", "/api/Startup/_batch", r#"{"ids":["a"]}"#).await, 200);
    assert_eq!(server.get("/api/Startup/a").await.header("etag"), "\"v1\"");
}
