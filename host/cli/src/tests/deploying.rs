//! `functions deploy` of a component.

use super::User;
use super::server::FakeServer;
use serde_json::{Value, json};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 and so on";

fn answer() -> Value {
    json!({"name": "hello", "type": "code", "version": 4, "hash": "ab", "size": 17, "url": "http://x/api/actions/hello",
        "unchanged": false, "actions": [{}]})
}

#[tokio::test]
async fn a_component_goes_up_with_its_manifest_and_assets() {
    let server = FakeServer::start().await;
    server.on("PUT /api/functions/hello", 201, answer());
    let user = User::of(&server);
    user.file("Hello.wasm", COMPONENT);
    user.file("m.json", r#"{"tmp":true,"env":{"A":"1"}}"#);
    std::fs::create_dir(user.folder().join("files")).unwrap();
    user.file("files/a.txt", "the content of a file");
    let arguments = ["functions", "deploy", "Hello.wasm", "--manifest", "m.json", "--assets", "files"];
    let more = ["--allow", "https://api.example.com", "--env", "B=x=y"];
    let done = user.run(&[&arguments[..], &more].concat()).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout, format!("Deployed hello version 4 (code)\n{}/api/actions/hello\n", server.url));
    let asked = server.last();
    assert!(asked.header("content-type").unwrap().starts_with("multipart/form-data"));
    let body = String::from_utf8_lossy(&asked.body);
    let manifest = r#"{"allow":[{"url":"https://api.example.com"}],"env":{"A":"1","B":"x=y"},"tmp":true}"#;
    for part in [manifest, "name=\"component\"", "and so on", "name=\"assets\"", "the content of a file"] {
        assert!(body.contains(part), "{part} in {body}");
    }
}

#[tokio::test]
async fn the_document_is_the_servers_and_a_dry_run_asks_for_one() {
    let server = FakeServer::start().await;
    server.on("PUT /api/functions/other?dryRun=true", 200, answer());
    let user = User::of(&server);
    user.file("hello.wasm", COMPONENT);
    let done = user.run(&["functions", "deploy", "hello.wasm", "--name", "other", "--dry-run", "--json"]).await;
    assert_eq!(done.json(), answer(), "{done:?}");
}

#[tokio::test]
async fn what_is_no_component_never_leaves_the_machine() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    user.file("core.wasm", b"\0asm\x01\0\0\0");
    user.file("text.wasm", b"hello");
    for (path, code, message) in [
        ("core.wasm", 1, "wasm32-wasip2"),
        ("text.wasm", 1, "no WebAssembly"),
        ("none.wasm", 7, "there is no file none.wasm"),
    ] {
        let done = user.run(&["functions", "deploy", path]).await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.stderr.contains(message), "{done:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_the_server_finds_wrong_is_told_with_its_details() {
    let server = FakeServer::start().await;
    let error = json!({"code": "IMPORT_UNKNOWN", "message": "it imports acme:db/db@1.0.0", "details": {"import": "acme:db/db@1.0.0"}, "requestId": "r-7"});
    server.on("PUT /api/functions/hello", 422, json!({ "error": error }));
    let user = User::of(&server);
    user.file("hello.wasm", COMPONENT);
    let done = user.run(&["functions", "deploy", "hello.wasm"]).await;
    assert_eq!(done.code, 1, "a component that is refused is no mistake on the command line: {done:?}");
    for part in ["it imports acme:db/db@1.0.0", "\"import\"", "r-7"] {
        assert!(done.stderr.contains(part), "{done:?}");
    }
}
