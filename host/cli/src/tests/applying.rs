//! `deploy` of an application.

use super::server::FakeServer;
use super::{Done, User};
use serde_json::{Value, json};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";

const FILE: &str = r#"name = "shop"
main = "shop.wasm"
[[on]]
event = "Order.created"
handler = "onOrder"
[[every]]
schedule = "whenever"
handler = "tick"
[[buckets]]
binding = "FILES"
name = "files"
[vars]
REGION = "eu"
[env.test.vars]
REGION = "test"
"#;

fn function(version: u64, unchanged: bool) -> Value {
    json!({"name": "shop", "type": "app", "version": version, "hash": "07".repeat(32), "size": 17, "url": "u",
        "unchanged": unchanged, "actions": []})
}

fn plan() -> Value {
    json!({"changes": [
        {"kind": "function", "name": "shop", "change": "keep"},
        {"kind": "subscription", "name": "Order.created:shop#onOrder", "change": "add"},
        {"kind": "schedule", "name": "tick", "change": "change", "from": {"schedule": "daily"}, "to": {"schedule": "whenever"}},
    ], "warnings": ["nobody listens to Order.created yet"]})
}

fn user(server: &FakeServer) -> User {
    let user = User::of(server);
    user.file("do.toml", FILE);
    user.file("shop.wasm", COMPONENT);
    user
}

async fn server() -> FakeServer {
    let server = FakeServer::start().await;
    server
        .on("PUT /api/functions/shop?dryRun=true", 200, function(4, false))
        .on("PUT /api/functions/shop", 201, function(5, false))
        .on("POST /api/deployments?dryRun=true", 200, plan())
        .on("POST /api/deployments", 201, json!({"version": 9}));
    server
}

/// The bodies of the requests for a deployment.
fn deployments(server: &FakeServer) -> Vec<Value> {
    server.asked().iter().filter_map(|asked| serde_json::from_slice(&asked.body).ok()).collect()
}

#[tokio::test]
async fn an_application_is_built_planned_uploaded_and_applied() {
    let server = server().await;
    let done = user(&server).run(&["deploy"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout, format!("Deployed to {}/: 1 added, 1 changed, 0 removed, 1 unchanged\n", server.url));
    let lines: Vec<Vec<&str>> = done.stderr.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0].join(" "),
        "warning: do.toml:9: \"buckets\" is not served by this platform yet and has no effect"
    );
    assert_eq!(lines[1], ["CHANGE", "KIND", "NAME", "DETAIL"], "{done:?}");
    assert_eq!(lines[2], ["add", "subscription", "Order.created:shop#onOrder"]);
    assert_eq!(
        lines[3],
        ["change", "schedule", "tick", "{\"schedule\":\"daily\"}", "→", "{\"schedule\":\"whenever\"}"]
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 4);
    let component = String::from_utf8_lossy(&asked[0].body);
    assert!(!component.contains("REGION"), "variables come with the deployment: {component}");
    let sent = deployments(&server);
    let component =
        |version: u64| json!([{"name": "shop", "run": {"component": {"version": version, "hash": "07".repeat(32)}}}]);
    assert_eq!((&sent[0]["functions"], &sent[1]["functions"]), (&component(4), &component(5)));
    assert_eq!(
        sent[1]["subscriptions"],
        json!([{"event": "Order.created", "handler": "shop#onOrder", "maxRetries": 3}])
    );
    assert_eq!(sent[1]["vars"], json!({"REGION": "eu"}));
}

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_changes_nothing() {
    let server = server().await;
    let user = user(&server);
    let done = user.run(&["deploy", "--dry-run", "--json", "--env", "test"]).await;
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    let document = done.json();
    assert_eq!(document["changes"], plan()["changes"]);
    assert_eq!(document["functions"], json!([function(4, false)]));
    let warnings = document["warnings"].as_array().unwrap();
    assert_eq!(warnings[1], "nobody listens to Order.created yet", "{document}");
    assert!(
        warnings[0].as_str().unwrap().starts_with("do.toml:9: \"buckets\" has no effect in [env.test]"),
        "{document}"
    );
    assert_eq!(server.asked().len(), 2);
    assert_eq!(deployments(&server)[0]["vars"], json!({"REGION": "test"}));
    let done = user.run(&["deploy", "--dry-run"]).await;
    assert!(done.stdout.ends_with("Would deploy: 1 added, 1 changed, 0 removed, 1 unchanged\n"), "{done:?}");
}

#[tokio::test]
async fn a_component_that_is_there_already_goes_up_once() {
    let server = server().await;
    server.forget("PUT /api/functions/shop?dryRun=true");
    server.on("PUT /api/functions/shop?dryRun=true", 200, function(4, true));
    let done = user(&server).run(&["deploy", "--json"]).await;
    assert_eq!((done.code, server.asked().len()), (0, 3), "{done:?}");
    let document = done.json();
    assert_eq!((&document["version"], &document["changes"]), (&json!(9), &plan()["changes"]));
}

#[tokio::test]
async fn nothing_is_removed_without_a_yes() {
    let server = server().await;
    server.forget("POST /api/deployments?dryRun=true");
    let removal = json!({"changes": [{"kind": "workflow", "name": "w", "change": "remove"}], "warnings": []});
    server.on("POST /api/deployments?dryRun=true", 200, removal);
    let user = user(&server);
    let done = user.run(&["deploy"]).await;
    assert_eq!((done.code, server.asked().len()), (2, 2), "{done:?}");
    assert!(done.stderr.contains("Remove 1 thing that the file no longer declares?"), "{done:?}");
    assert_eq!(user.run(&["deploy", "--yes"]).await.code, 0);
    server.on("POST /api/deployments?dryRun=true&allowDeleteClass=true", 200, plan());
    server.on("POST /api/deployments?allowDeleteClass=true", 201, json!({}));
    assert_eq!(user.run(&["deploy", "--allow-delete-class"]).await.code, 0);
}

fn failed(done: &Done, code: u8, message: &str) -> Value {
    let error = done.error();
    assert_eq!((done.code, error["message"].as_str().unwrap()), (code, message), "{done:?}");
    error
}

#[tokio::test]
async fn a_file_that_is_wrong_is_told_by_line_before_anything_is_sent() {
    let server = server().await;
    let user = user(&server);
    user.file("one.toml", "name = \"a\"\n[[evry]]");
    let done = user.run(&["deploy", "--config", "one.toml", "--json"]).await;
    let message = "one.toml:2: unknown section or key \"evry\"; did you mean \"every\"?";
    let error = failed(&done, 10, message);
    assert_eq!((&error["details"][0]["line"], &error["details"][0]["path"]), (&json!(2), &json!("evry")));
    user.file("two.toml", "nmae = 1\n[[evry]]");
    let done = user.run(&["deploy", "--config", "two.toml"]).await;
    let told = "error: two.toml has 2 mistakes\n  two.toml:1: unknown section or key \"nmae\"; did you mean \"name\"?\n  \
                two.toml:2: unknown section or key \"evry\"; did you mean \"every\"?\n";
    assert_eq!((done.code, done.stderr.as_str()), (10, told));
    user.file("gone.toml", "name = \"a\"\nmain = \"gone\"");
    let done = user.run(&["deploy", "--config", "gone.toml", "--json"]).await;
    failed(&done, 10, "gone.toml:2: there is no file or folder gone");
    let done = user.run(&["deploy", "--env", "tset", "--json"]).await;
    failed(&done, 10, "do.toml:1: there is no [env.tset]; did you mean \"test\"?");
    let done = user.run(&["deploy", "--config", "no.toml"]).await;
    assert!(done.code == 7 && done.stderr.contains("say where it is with --config"), "{done:?}");
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_the_server_finds_wrong_is_told_by_line_too() {
    let server = server().await;
    server.forget("POST /api/deployments?dryRun=true");
    let details = json!([{"field": "schedules[0].schedule", "message": "unknown schedule \"whenever\"; did you mean \"weekends\"?"}]);
    let refusal =
        json!({"error": {"code": "VALIDATION_FAILED", "message": "1 field", "details": details, "requestId": "r-1"}});
    server.on("POST /api/deployments?dryRun=true", 422, refusal);
    let user = user(&server);
    let done = user.run(&["deploy", "--json"]).await;
    let message = "do.toml:7: schedules[0].schedule: unknown schedule \"whenever\"; did you mean \"weekends\"?";
    let error = failed(&done, 10, message);
    assert_eq!((&error["code"], &error["requestId"]), (&json!("VALIDATION_FAILED"), &json!("r-1")));
    assert_eq!(server.asked().len(), 2);

    server.forget("POST /api/deployments?dryRun=true");
    let refusal =
        json!({"error": {"code": "VALIDATION_FAILED", "message": "the secret KEY is not stored", "requestId": "r-2"}});
    server.on("POST /api/deployments?dryRun=true", 422, refusal);
    let done = user.run(&["deploy", "--json"]).await;
    failed(&done, 1, "the secret KEY is not stored");
}

#[tokio::test]
async fn a_handler_of_what_is_no_app_is_told_by_line() {
    let server = server().await;
    server.forget("PUT /api/functions/shop?dryRun=true");
    let mut code = function(4, false);
    code["type"] = "code".into();
    server.on("PUT /api/functions/shop?dryRun=true", 200, code);
    let done = user(&server).run(&["deploy", "--json"]).await;
    let told = "do.toml has 2 mistakes\n  do.toml:5: \"shop#onOrder\" needs shop to be of kind app; it is code\n  \
                do.toml:8: \"shop#tick\" needs shop to be of kind app; it is code";
    failed(&done, 10, told);
    assert_eq!(server.asked().len(), 1);
}
