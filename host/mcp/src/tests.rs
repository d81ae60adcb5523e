//! Without any server: what needs one is in `tests/it/mcp.rs`, against the official SDK.

use super::*;
use crate::answer::{ANSWER_BYTES_MAX, result};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;
use std::time::Duration;

fn servers(names: &[&str], url: &str) -> Servers {
    let config = |name: &&str| ServerConfig {
        name: (*name).to_owned(),
        url: url.to_owned(),
        token: Some(Token::new("t-1")),
        timeout: Duration::from_secs(20),
    };
    Servers::new(names.iter().map(config).collect()).unwrap()
}

#[tokio::test]
async fn an_unknown_server_is_answered_with_those_that_are_known() {
    let fault = servers(&["docs", "tickets"], "http://127.0.0.1:9/mcp").list("mail".to_owned()).await.unwrap_err();
    assert_eq!(fault.code, "TOOLS_UNAVAILABLE");
    assert!(fault.message.contains("docs, tickets"), "{}", fault.message);
    let fault = servers(&[], "").call("mail".to_owned(), "x".to_owned(), Json::null()).await.unwrap_err();
    assert!(fault.message.contains("[mcp.servers.mail]"), "{}", fault.message);
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_its_address_is_not_told() {
    // The port was free a moment ago, and nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let servers = servers(&["docs"], &format!("http://127.0.0.1:{port}/mcp"));
    let args = Json::from_value(&json!({}));
    for fault in [
        servers.list("docs".to_owned()).await.unwrap_err(),
        servers.call("docs".to_owned(), "search".to_owned(), args).await.unwrap_err(),
    ] {
        assert_eq!((fault.kind, fault.code.as_str()), (types::FaultKind::Upstream, "TOOLS_UNAVAILABLE"));
        assert!(!fault.message.contains("127.0.0.1"), "{}", fault.message);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ServerConfig {
        name: "slow".to_owned(),
        url: format!("http://{}/mcp", listener.local_addr().unwrap()),
        token: None,
        timeout: Duration::from_millis(50),
    };
    let servers = Servers::new(vec![config]).unwrap();
    let fault = servers.list("slow".to_owned()).await.unwrap_err();
    assert_eq!(fault.code, "TOOL_TIMEOUT");
}

#[test]
fn an_answer_is_its_structure_or_its_text() {
    let text = |texts: &[&str]| CallToolResult::success(texts.iter().map(|t| ContentBlock::text(*t)).collect());
    assert_eq!(result("t", text(&["a", "b"])).unwrap(), Json::of(&"a\nb"));
    let structured = CallToolResult::structured(json!({ "sum": 3 }));
    assert_eq!(result("t", structured).unwrap().to_value(), json!({ "sum": 3 }));
    let image = CallToolResult::success(vec![ContentBlock::image("AAAA", "image/png")]);
    assert_eq!(result("t", image).unwrap().to_value()["content"][0]["type"], "image");
    let failed = result("t", CallToolResult::error(vec![ContentBlock::text("no such ticket")])).unwrap_err();
    assert_eq!((failed.code.as_str(), failed.message.as_str()), ("TOOL_FAILED", "t failed: no such ticket"));
    let large = "x".repeat(ANSWER_BYTES_MAX);
    assert_eq!(result("t", text(&[&large])).unwrap_err().code, "TOOL_RESULT_LIMIT");
}

#[test]
fn a_token_is_not_shown() {
    assert_eq!(format!("{:?}", Token::new("t-1")), "Token(…)");
}
