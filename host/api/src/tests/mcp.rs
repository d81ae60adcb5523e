//! `/mcp` message by message; a whole client is in `tests/it/mcp.rs`.

use super::*;
use serde_json::json;

const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

impl Server {
    async fn mcp(&self, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.ask("POST", "/mcp", &[ACCEPT], &message.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// By somebody who may do less.
    async fn mcp_with(&self, scopes: &[&str], method: &str, params: Value) -> Value {
        let body = json!({ "name": "some", "scopes": scopes }).to_string();
        let key = self.call("POST", "/api/keys", &body).await.json()["key"].as_str().unwrap_or_default().to_owned();
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = anonymous("POST", "/mcp").header("authorization", format!("Bearer {key}"));
        let request = request.header("content-type", "application/json").header(ACCEPT.0, ACCEPT.1);
        let answer = self.send(request.body(Body::from(message.to_string())).unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

fn names(listed: &Value) -> Vec<&str> {
    listed["result"]["tools"].as_array().into_iter().flatten().filter_map(|tool| tool["name"].as_str()).collect()
}

#[tokio::test]
async fn a_version_is_agreed_on_and_what_there_is_is_said() {
    let server = Server::start().await;
    for (asked, agreed) in [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")] {
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": client });
        let result = &server.mcp("initialize", params).await["result"];
        assert_eq!(result["protocolVersion"], agreed, "{result}");
        assert_eq!((&result["capabilities"]["tools"], &result["capabilities"]["resources"]), (&json!({}), &json!({})));
    }
}

#[tokio::test]
async fn tools_are_what_the_caller_may_invoke() {
    let server = Server::start().await;
    assert_eq!(names(&server.mcp("tools/list", json!({})).await), ["echo", "fault", "hang", "talk"]);
    let listed = server.mcp_with(&["echo.invoke"], "tools/list", json!({})).await;
    assert_eq!(names(&listed), ["echo"]);
    let refused = server.mcp_with(&["echo.invoke"], "tools/call", json!({ "name": "talk", "arguments": {} })).await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["code"]),
        (&json!(-32602), &json!("TOOL_UNKNOWN"))
    );
}

#[tokio::test]
async fn a_result_is_text_and_structure_and_a_fault_is_an_answer() {
    let server = Server::start().await;
    let called = server.mcp("tools/call", json!({ "name": "echo", "arguments": { "a": 1.5 } })).await;
    let result = &called["result"];
    assert_eq!((&result["structuredContent"], &result["isError"]), (&json!({ "a": 1.5 }), &json!(false)));
    assert_eq!(result["content"][0]["text"], "{\"a\":1.5}");
    let failed = server.mcp("tools/call", json!({ "name": "fault" })).await;
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    assert_eq!(failed["result"]["content"][0]["text"], "OF_THE_FUNCTION: as asked");
    let logged = server.get("/api/actions-log").await.json();
    assert!(logged.to_string().contains("OF_THE_FUNCTION"), "a call is in the log of actions: {logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_person_is_told_that_it_is_pending() {
    let dir = tempfile::tempdir().unwrap();
    let scripted = executor();
    scripted.on("form", |job, _| async move {
        match &job.entry {
            types::exec::Entry::Part(types::exec::Part::Request) => {
                completed(&json!({ "assignee": "Human/ann", "prompt": "How many?" }))
            }
            _ => completed(&Value::Null),
        }
    });
    let test = TestNode::open(&dir.path().join("data"), scripted).await.unwrap();
    let server = Server::of(dir, test, ScriptedModels::new(), |_| {});
    let root = server.test.root().await.unwrap();
    server.test.deploy(&root, "form", "scripted-human:form").await.unwrap();
    server.call("PUT", "/api/Human/ann", "{}").await;
    let called = server.mcp("tools/call", json!({ "name": "form", "arguments": {} })).await;
    let result = &called["result"];
    let id = result["structuredContent"]["requestId"].as_str().unwrap_or_default();
    assert!(!id.is_empty(), "{called}");
    assert_eq!((&result["isError"], &result["structuredContent"]["status"]), (&json!(false), &json!("pending")));
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.starts_with("pending") && text.contains(id)));
    assert_eq!(server.get(&format!("/api/approvals/{id}")).await.status, 200);
}

#[tokio::test]
async fn things_are_listed_page_by_page_and_read_at_any_ref() {
    let server = Server::empty().await;
    for n in 0..60 {
        let noun = if n % 2 == 0 { "Startup" } else { "Idea" };
        let made = server.call("PUT", &format!("/api/{noun}/x{n:02}"), &json!({ "n": n }).to_string()).await;
        assert_eq!(made.status, 201, "{}", made.text);
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let page = server.mcp("resources/list", params).await;
        let uris = page["result"]["resources"].as_array().cloned().unwrap_or_default();
        found.extend(uris.iter().filter_map(|r| r["uri"].as_str().map(str::to_owned)));
        pages += 1;
        cursor = page["result"]["nextCursor"].clone();
        if cursor.is_null() || pages > 10 {
            break;
        }
    }
    found.retain(|uri| uri.starts_with("things://Startup/") || uri.starts_with("things://Idea/"));
    let distinct: std::collections::BTreeSet<_> = found.iter().collect();
    assert_eq!((found.len(), distinct.len(), pages), (60, 60, 2));
    server.call("PUT", "/api/Startup/x00", r#"{"n":100}"#).await;
    for (uri, n) in [("things://Startup/x00", 100), ("things://Startup/x00@~1", 0), ("things://startups/x00", 100)] {
        let read = server.mcp("resources/read", json!({ "uri": uri })).await;
        let text = read["result"]["contents"][0]["text"].as_str().unwrap_or_default();
        let thing: Value = serde_json::from_str(text).unwrap_or_default();
        assert_eq!(thing["data"]["n"], n, "{uri}: {read}");
    }
    let templates = server.mcp("resources/templates/list", json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "things://{noun}/{id}");
    for (uri, code) in [("things://Startup/none", -32002), ("https://x/y", -32602)] {
        assert_eq!(server.mcp("resources/read", json!({ "uri": uri })).await["error"]["code"], code, "{uri}");
    }
    let none = server.mcp_with(&["echo.invoke"], "resources/list", json!({})).await;
    assert_eq!(none["result"]["resources"], json!([]));
    let refused = server.mcp_with(&["Idea.read"], "resources/read", json!({ "uri": "things://Startup/x00" })).await;
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("Startup.read")), "{refused}");
}

#[tokio::test]
async fn who_is_unknown_or_comes_from_a_strange_page_is_refused() {
    let server = Server::start_with(|config| config.cors_origins = vec!["https://app.example".to_owned()]).await;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let request = anonymous("POST", "/mcp").header("content-type", "application/json").header(ACCEPT.0, ACCEPT.1);
    let unknown = server.send(request.body(Body::from(body.clone())).unwrap()).await;
    assert_eq!(unknown.status, 401);
    assert!(unknown.header("www-authenticate").starts_with("Bearer"));
    for (origin, status) in [
        ("https://app.example", 200),
        ("http://localhost:8787", 200),
        ("http://localhost:1", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let answer = server.ask("POST", "/mcp", &[ACCEPT, ("origin", origin)], &body).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_the_words_of_the_protocol() {
    let server = Server::start().await;
    let answer = server.ask("POST", "/mcp", &[ACCEPT], "{\"a\":").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (400, &json!(-32700)));
    let unknown = server.mcp("no/such", json!({})).await;
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    assert_eq!(server.get("/mcp").await.status, 405);
    let large = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"x\":\"{}\"}}}}",
        "x".repeat(3 << 20)
    );
    assert_eq!(server.ask("POST", "/mcp", &[ACCEPT], &large).await.status, 413);
    let plain = server.ask("POST", "/mcp", &[("accept", "application/json")], "{}").await;
    assert_eq!((plain.status.as_u16(), plain.code()), (406, "BAD_REQUEST".into()));
    let told = server.ask("POST", "/mcp", &[ACCEPT], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!((told.status.as_u16(), told.text.as_str()), (202, ""));
}
