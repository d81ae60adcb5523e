//! The branch that a request means which names none.

use super::*;

impl Server {
    async fn set_default(&self, body: &str) -> Answer {
        self.call("PATCH", "/api/$self", body).await
    }
}

#[tokio::test]
async fn reads_and_writes_without_a_branch_follow_the_default_one() {
    let server = Server::empty().await;
    server.call("POST", "/api/Note", r#"{"id":"a","n":1}"#).await;
    server.call("POST", "/api/branches", r#"{"name":"x"}"#).await;
    let set = server.set_default(r#"{"defaultBranch":"x"}"#).await;
    assert_eq!((set.status.as_u16(), &set.json()["defaultBranch"]), (200, &serde_json::json!("x")), "{}", set.text);
    assert_eq!(server.get("/api/$self").await.json()["defaultBranch"], "x");

    let patched = server.call("PATCH", "/api/Note/a", r#"{"n":2}"#).await;
    assert_eq!(patched.header("do-branch"), "x");
    let made = server.call("POST", "/api/Note", r#"{"id":"b","n":1}"#).await;
    assert_eq!((made.status.as_u16(), made.header("do-branch")), (201, "x"));
    let batch = r#"{"operations":[{"op":"create","thing":{"id":"c","n":1}}]}"#;
    let batch = server.call("POST", "/api/Note/_batch", batch).await;
    assert_eq!(batch.status, 200, "{}", batch.text);
    let n = async |uri: &str| server.get(uri).await.json()["data"]["n"].clone();
    assert_eq!((n("/api/Note/a").await, n("/api/Note/a@main").await), (2.into(), 1.into()));
    let total = async |uri: &str| server.get(uri).await.json()["total"].clone();
    assert_eq!((total("/api/Note").await, total("/api/Note?branch=main").await), (3.into(), 1.into()));
    let versions = server.get("/api/Note/a/versions").await.json();
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(2));
    server.call("PUT", "/api/Note/a/relationships/owns?to=Note/b", "").await;
    let edges = async |uri: &str| server.get(uri).await.json()["data"].as_array().map(Vec::len);
    assert_eq!(edges("/api/Note/a/relationships").await, Some(1));
    assert_eq!(edges("/api/Note/a@main/relationships").await, Some(0));

    assert_eq!(server.call("DELETE", "/api/branches/x?force=true", "").await.code(), "BRANCH_IS_DEFAULT");
    let own = server.call("POST", "/api/merge", r#"{"source":"x"}"#).await;
    assert_eq!((own.status.as_u16(), own.code()), (400, "MERGE_INTO_ITSELF".into()), "what is merged into is x itself");
    let merged = server.call("POST", "/api/merge", r#"{"source":"x","into":"main"}"#).await;
    assert_eq!((merged.status.as_u16(), n("/api/Note/a@main").await), (200, 2.into()), "{}", merged.text);
    assert_eq!(server.set_default(r#"{"defaultBranch":"main"}"#).await.status, 200);
    assert_eq!(server.call("PATCH", "/api/Note/a", r#"{"n":5}"#).await.header("do-branch"), "main");
}

#[tokio::test]
async fn a_default_branch_that_cannot_be_is_refused() {
    let server = Server::empty().await;
    server.call("POST", "/api/Note", r#"{"id":"a","n":1}"#).await;
    for (body, status, code) in [
        (r#"{"defaultBranch":"nobody"}"#, 404, "BRANCH_NOT_FOUND"),
        (r#"{"defaultBranch":"v12"}"#, 422, "VALIDATION_FAILED"),
        (r#"{"defaultBranch":"a b"}"#, 422, "VALIDATION_FAILED"),
        (r#"{"defaultBranch":7}"#, 422, "VALIDATION_FAILED"),
        (r#"{"class":"App"}"#, 422, "VALIDATION_FAILED"),
        ("{}", 422, "VALIDATION_FAILED"),
        ("{", 400, "BAD_REQUEST"),
    ] {
        let answer = server.set_default(body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body} {}", answer.text);
    }
    assert_eq!(server.get("/api/$self").await.json()["defaultBranch"], "main");
}
