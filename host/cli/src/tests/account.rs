//! Logging in and out, and which key goes where.

use super::User;
use super::server::FakeServer;
use serde_json::{Value, json};

async fn server() -> FakeServer {
    let server = FakeServer::start().await;
    let who = json!({"actor": "https://localhost/Service/ci", "type": "Service", "scopes": ["*.*"]});
    server.on("GET /api/whoami", 200, who).on("GET /api/functions", 200, json!({"data": []}));
    server
}

fn stored(user: &User) -> Value {
    let text = std::fs::read_to_string(user.folder().join("config/org.ai/credentials.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_login_is_checked_stored_used_and_forgotten() {
    let server = server().await;
    let user = User::new();
    let done = user.run_with(&["login", "--with-token", "--api-url", &server.url], "sk_abc\n").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout, "Success! Logged in as https://localhost/Service/ci\n");
    assert_eq!(server.last().header("authorization"), Some("Bearer sk_abc"));
    assert_eq!(stored(&user)["profiles"]["default"]["accessToken"], "sk_abc");

    let done = user.run(&["whoami", "--json"]).await;
    assert_eq!(done.json()["authenticated"], true);
    assert_eq!(
        (&done.json()["tokenSource"], server.last().header("authorization")),
        (&"file".into(), Some("Bearer sk_abc"))
    );

    assert_eq!(user.run(&["logout"]).await.stdout, "Logged out\n");
    assert_eq!(user.run(&["logout"]).await.stdout, "Nobody was logged in\n");
    assert_eq!(user.run(&["whoami", "--api-url", &server.url]).await.code, 3);
}

#[tokio::test]
async fn a_key_that_the_server_refuses_is_not_stored() {
    let server = FakeServer::start().await;
    server.on("GET /api/whoami", 401, json!({"error": {"code": "UNAUTHORIZED", "message": "no", "requestId": "r"}}));
    let user = User::new();
    let done = user.run_with(&["login", "--with-token", "--json", "--api-url", &server.url], "sk_bad").await;
    assert_eq!(done.error()["code"], "UNAUTHORIZED");
    assert_eq!(done.code, 3);
    assert!(!user.folder().join("config/org.ai/credentials.json").exists());
}

#[tokio::test]
async fn logging_in_by_browser_says_what_to_do_instead() {
    let done = User::new().run(&["login"]).await;
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("--with-token"), "{done:?}");
}

#[tokio::test]
async fn the_variable_goes_before_the_file() {
    let server = server().await;
    let user = User::new();
    user.run_with(&["login", "--with-token", "--api-url", &server.url], "sk_file").await;
    let user = user.with("ORG_AI_TOKEN", "sk_env");
    assert_eq!(user.run(&["whoami", "--json"]).await.json()["tokenSource"], "env");
    assert_eq!(server.last().header("authorization"), Some("Bearer sk_env"));
    assert!(user.run(&["logout"]).await.stderr.contains("ORG_AI_TOKEN is set"));
}

#[tokio::test]
async fn a_stored_key_is_sent_to_its_own_server_and_no_other() {
    let (own, other) = (server().await, server().await);
    let user = User::new();
    user.run_with(&["login", "--with-token", "--api-url", &own.url], "sk_own").await;
    user.run(&["functions", "list", "--api-url", &other.url]).await;
    assert_eq!(other.last().header("authorization"), None);
    user.run(&["functions", "list"]).await;
    assert_eq!(own.last().header("authorization"), Some("Bearer sk_own"));
}

#[tokio::test]
async fn commands_in_a_project_talk_to_its_dev_server() {
    let (dev, other) = (server().await, server().await);
    let user = User::new();
    user.run_with(&["login", "--with-token", "--api-url", &other.url], "sk_other").await;
    std::fs::create_dir(user.folder().join(".org.ai")).unwrap();
    user.file(".org.ai/dev.json", json!({"url": dev.url, "key": "sk_dev"}).to_string());
    user.run(&["functions", "list"]).await;
    assert_eq!(dev.last().header("authorization"), Some("Bearer sk_dev"));
    user.run(&["functions", "list", "--profile", "default"]).await;
    assert_eq!(other.last().header("authorization"), Some("Bearer sk_other"));
}

#[tokio::test]
async fn who_is_not_logged_in_gets_3_and_the_way_in() {
    let server = server().await;
    let user = User::new().with("ORG_AI_API_URL", &server.url).with("ORG_AI_TOKEN", "");
    let done = user.run(&["whoami"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (3, ""));
    assert!(done.stderr.contains("org.ai login"), "{done:?}");
    let done = user.run(&["whoami", "--json"]).await;
    assert_eq!((done.code, done.json()), (3, json!({"authenticated": false})));
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_unknown_profile_is_named_with_those_there_are() {
    let done = User::new().run(&["functions", "list", "--profile", "work"]).await;
    assert_eq!(done.code, 10);
    assert!(done.stderr.contains("\"work\"") && done.stderr.contains("--profile work"), "{done:?}");
}
