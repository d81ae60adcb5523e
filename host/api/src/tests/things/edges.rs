//! Relationships, both ways.

use super::*;

#[tokio::test]
async fn an_edge_is_seen_from_both_ends() {
    let server = Server::empty().await;
    make(&server, "Startup", "acme", 1).await;
    make(&server, "Site", "s/1", 1).await;
    let path = "/api/Startup/acme/relationships/owns?to=Site/s%252F1";
    let made = server.call("PUT", path, r#"{"since":2020}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(
        (made.json()["verb"].as_str(), made.json()["to"].as_str()),
        (Some("owns"), Some("https://root.test/Site/s%2F1"))
    );
    let again = server.call("PUT", path, r#"{"data":{"since":2021}}"#).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (200, &made.json()["id"]));
    assert_eq!(again.json()["data"].to_string(), r#"{"since":2021}"#);
    let bare = server.call("PUT", "/api/Startup/acme/relationships/likes?to=https://x.example/y", "").await;
    assert_eq!((bare.status.as_u16(), bare.json()["data"].to_string()), (201, "{}".into()));
    let outbound = server.get("/api/Startup/acme/relationships").await.json();
    assert_eq!(outbound["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        server.get("/api/Startup/acme/relationships?verb=owns").await.json()["data"].as_array().map(Vec::len),
        Some(1)
    );
    let page = server.get("/api/Startup/acme/relationships?limit=1").await.json();
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("/api/Startup/acme/relationships?limit=1&cursor={next}")).await.json();
    assert_ne!(page["data"][0]["id"], rest["data"][0]["id"]);
    let inbound = async || server.get("/api/Site/s%2F1/references").await.json()["data"].clone();
    assert_eq!(
        (inbound().await[0]["verb"].as_str(), inbound().await[0]["from"].as_str()),
        (Some("ownedBy"), Some("https://root.test/Startup/acme"))
    );
    server.call("DELETE", "/api/Startup/acme", "").await;
    assert_eq!(inbound().await, serde_json::json!([]));
    server.call("POST", "/api/Startup/acme/restore", "").await;
    assert_eq!(inbound().await.as_array().map(Vec::len), Some(1));
    assert_eq!(server.call("DELETE", path, "").await.status, 204);
    assert_eq!(server.call("DELETE", path, "").await.code(), "EDGE_NOT_FOUND");
    assert_eq!(inbound().await, serde_json::json!([]));
}

#[tokio::test]
async fn a_relation_that_a_schema_declares_leads_to_what_it_says() {
    let server = Server::empty().await;
    server.call("PUT", "/api/nouns/Startup", r#"{"schema":{"owns":"->Site?","boss":"->Person?"}}"#).await;
    make(&server, "Startup", "acme", 1).await;
    make(&server, "Site", "s", 1).await;
    let relate =
        async |to: &str| server.call("PUT", &format!("/api/Startup/acme/relationships/owns?to={to}"), "").await;
    assert_eq!(relate("Site/s").await.status, 201);
    for to in ["Site/none", "Startup/acme", "https://x.example/Site/s"] {
        let answer = relate(to).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), error["code"].as_str()), (422, Some("VALIDATION_FAILED")), "{to}");
        let told = (error["details"][0]["field"].as_str(), error["details"][0]["rule"].as_str());
        assert_eq!(told, (Some("to"), Some("reference")), "{to}");
    }
    let thing = r#"{"operations":[{"op":"create","thing":{"id":"b","boss":"nobody"}}]}"#;
    let batch = server.call("POST", "/api/Startup/_batch", thing).await;
    assert_eq!((batch.status.as_u16(), server.get("/api/Startup/b").await.status.as_u16()), (422, 404));
}

#[tokio::test]
async fn what_is_no_edge_is_refused() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    for (path, body, status) in [
        ("Startup/a/relationships/owns", "", 400),
        ("Startup/a/relationships/owns?to=", "", 400),
        ("Startup/a/relationships/Owns?to=Site/b", "", 422),
        ("Startup/a/relationships/owns?to=nonsense", "", 422),
        ("Startup/a/relationships/owns?to=https://u:p@x.y/", "", 422),
        ("Startup/a/relationships/owns?to=Site/b", "[1]", 422),
        ("Startup/a/relationships/owns?to=Site/b", "{", 400),
        ("Startup/nobody/relationships/owns?to=Site/b", "", 404),
        ("Startup/a@v1/relationships/owns?to=Site/b", "", 409),
        ("Startup/a/relationships/%zz?to=Site/b", "", 400),
    ] {
        let answer = server.call("PUT", &format!("/api/{path}"), body).await;
        assert_eq!(answer.status, status, "{path} {body} {}", answer.text);
    }
    assert_eq!(server.get("/api/Startup/nobody/relationships").await.status, 404);
    assert_eq!(server.get("/api/Startup/a/references?limit=0").await.status, 400);
}
