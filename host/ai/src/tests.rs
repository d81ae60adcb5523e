//! Providers against a server on this machine that answers what each test says, byte by byte.

use crate::{Config, Key, Provider, Providers};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use types::exec::Models;
use types::{Completed, Completion, Fault, FaultKind, Finish, Message, Price, Role, ToolSpec};

const KEY: &str = "key-that-nobody-may-see";

/// What becomes of one request.
#[derive(Clone)]
enum Does {
    Say(String),
    /// Says it, and keeps the connection open without a word more.
    Hang(String),
}

/// Answers each request with the next of `script`, the last one for ever.
struct Endpoint {
    url: String,
    /// Each request whole, headers first.
    heard: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    async fn of(script: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, told) = (script.clone(), told.clone());
                tokio::spawn(async move { serve(stream, &script, &told).await });
            }
        });
        Self { url, heard }
    }

    fn requests(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// The body of the nth request.
    fn body(&self, n: usize) -> serde_json::Value {
        let heard = self.heard.lock().unwrap();
        serde_json::from_str(heard[n].split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    fn providers(&self) -> Providers {
        let provider = Provider {
            name: "test".into(),
            base_url: self.url.parse().unwrap(),
            key: Some(Key::new(KEY)),
            timeout: Duration::from_millis(400),
            concurrency_max: 2,
            retry_after: Duration::from_millis(1),
            prices: BTreeMap::from([("small".to_owned(), Price { input: 1_000_000, output: 2_000_000 })]),
        };
        let default = Some("test/small".to_owned());
        Providers::new(Config { embedding: default.clone(), default, providers: vec![provider] }).unwrap()
    }

    async fn ask(&self) -> Result<Completed, Fault> {
        self.providers().complete(question(), None).await
    }

    async fn listen(&self) -> (Result<Completed, Fault>, String) {
        let heard = Arc::new(Mutex::new(String::new()));
        let ear = heard.clone();
        let listener = Arc::new(move |piece: &str| ear.lock().unwrap().push_str(piece));
        let completed = self.providers().complete(question(), Some(listener)).await;
        let heard = heard.lock().unwrap().clone();
        (completed, heard)
    }
}

async fn serve(mut stream: TcpStream, script: &[Does], heard: &Mutex<Vec<String>>) {
    let Some(request) = read(&mut stream).await else { return };
    let n = {
        let mut heard = heard.lock().unwrap();
        heard.push(request);
        heard.len() - 1
    };
    match script.get(n).or(script.last()) {
        Some(Does::Say(bytes)) => drop(stream.write_all(bytes.as_bytes()).await),
        Some(Does::Hang(bytes)) => {
            drop(stream.write_all(bytes.as_bytes()).await);
            std::future::pending::<()>().await;
        }
        None => {}
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> Does {
    let length = body.len();
    Does::Say(format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    ))
}

fn ok(body: &str) -> Does {
    http("200 OK", "", body)
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n";

fn streamed(chunks: &[&str]) -> Does {
    let events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    Does::Say(format!("{STREAM}{events}"))
}

fn answer(text: &str) -> Does {
    let body = serde_json::json!({
        "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 3 },
    });
    ok(&body.to_string())
}

fn question() -> Completion {
    Completion { messages: vec![Message::of(Role::User, "How many?")], ..Completion::default() }
}

#[tokio::test]
async fn an_answer_has_its_text_its_tokens_and_its_price() {
    let endpoint = Endpoint::of(vec![answer("Three.")]).await;
    let completed = endpoint.ask().await.unwrap();
    assert_eq!(
        (completed.text.as_str(), completed.finish, completed.model.as_str()),
        ("Three.", Finish::Stop, "test/small")
    );
    let spent = completed.spent;
    assert_eq!((spent.input_tokens, spent.output_tokens, spent.cost_micros, spent.model_calls), (7, 3, Some(13), 1));
    let heard = endpoint.heard.lock().unwrap()[0].clone();
    assert!(heard.starts_with("POST /v1/chat/completions "), "{heard}");
    assert!(heard.contains(&format!("authorization: Bearer {KEY}")));
    assert_eq!(endpoint.body(0)["messages"][0]["content"], "How many?");
}

#[tokio::test]
async fn a_schema_tools_and_a_conversation_are_sent_as_the_protocol_has_them() {
    let endpoint = Endpoint::of(vec![answer("{}")]).await;
    let call = types::ToolCall { id: "c1".into(), name: "add".into(), arguments: "{\"a\":1}".into() };
    let request = Completion {
        model: Some("other".into()),
        messages: vec![
            Message::of(Role::System, "s"),
            Message { tool_calls: vec![call], ..Message::of(Role::Assistant, "") },
            Message { answers: Some("c1".into()), ..Message::of(Role::Tool, "2") },
        ],
        tools: vec![ToolSpec {
            name: "add".into(),
            description: "d".into(),
            parameters: types::Json::parse("{}").unwrap(),
        }],
        schema: Some(types::Json::parse(r#"{"type":"object"}"#).unwrap()),
        temperature: Some(0.5),
        max_tokens: Some(9),
        timeout_ms: None,
    };
    let completed = endpoint.providers().complete(request, None).await.unwrap();
    assert_eq!((completed.model.as_str(), completed.spent.cost_micros), ("test/other", None), "its price is not known");
    let body = endpoint.body(0);
    assert_eq!(body["model"], "other");
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    assert_eq!(body["messages"][2]["tool_call_id"], "c1");
    assert_eq!(body["tools"][0]["function"]["name"], "add");
    assert_eq!(body["response_format"]["json_schema"]["schema"]["type"], "object");
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&9.into(), &0.5.into()));
}

#[tokio::test]
async fn tool_calls_length_and_refusal_are_told() {
    let calls = r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"add","arguments":"{\"a\": 1"}}]},"finish_reason":"stop"}]}"#;
    let length = r#"{"choices":[{"message":{"content":"Thr"},"finish_reason":"length"}]}"#;
    let refusal = r#"{"choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#;
    let filtered = r#"{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}]}"#;
    let completed = Endpoint::of(vec![ok(calls)]).await.ask().await.unwrap();
    assert_eq!(completed.finish, Finish::ToolCalls);
    assert_eq!(completed.tool_calls[0].arguments, "{\"a\": 1", "as the model wrote it");
    assert_eq!(Endpoint::of(vec![ok(length)]).await.ask().await.unwrap().finish, Finish::Length);
    let completed = Endpoint::of(vec![ok(refusal)]).await.ask().await.unwrap();
    assert_eq!((completed.finish, completed.text.as_str()), (Finish::Refusal, "No."));
    assert_eq!(Endpoint::of(vec![ok(filtered)]).await.ask().await.unwrap().finish, Finish::Refusal);
}

#[tokio::test]
async fn what_may_pass_is_asked_again_twice() {
    let busy = http("429 Too Many Requests", "retry-after: 0\r\n", "{}");
    let down = http("500 Internal Server Error", "", r#"{"error":{"message":"oops"}}"#);
    let garbage = ok("<html>");
    for first in [busy.clone(), down.clone(), garbage.clone(), ok("{}"), Does::Say(String::new())] {
        let endpoint = Endpoint::of(vec![first.clone(), first, answer("Three.")]).await;
        assert_eq!(endpoint.ask().await.unwrap().text, "Three.");
        assert_eq!(endpoint.requests(), 3);
    }
    for (always, code) in [(busy, "MODEL_FAILED"), (down, "MODEL_FAILED"), (garbage, "MODEL_ANSWER_INVALID")] {
        let endpoint = Endpoint::of(vec![always]).await;
        let fault = endpoint.ask().await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str(), endpoint.requests()), (FaultKind::Upstream, code, 3), "{fault}");
    }
}

#[tokio::test]
async fn who_wants_to_be_left_alone_for_long_is_and_the_caller_is_told() {
    let endpoint = Endpoint::of(vec![http("429 Too Many Requests", "retry-after: 3600\r\n", "{}")]).await;
    let fault = endpoint.ask().await.unwrap_err();
    assert_eq!(endpoint.requests(), 1);
    assert!(fault.details.is_some_and(|details| details.as_str().contains("3600000")));
}

#[tokio::test]
async fn a_refused_request_is_not_made_again_and_no_key_is_told() {
    let echo = format!(r#"{{"error":{{"message":"no such model; you are {KEY}"}}}}"#);
    for status in ["400 Bad Request", "401 Unauthorized", "404 Not Found"] {
        let endpoint = Endpoint::of(vec![http(status, "", &echo)]).await;
        let fault = endpoint.ask().await.unwrap_err();
        assert_eq!((fault.code.as_str(), endpoint.requests()), ("MODEL_FAILED", 1));
        assert!(!format!("{fault:?}").contains(KEY), "{fault:?}");
    }
    let endpoint = Endpoint::of(vec![answer("x")]).await;
    assert!(!format!("{:?}", endpoint.providers().complete(question(), None).await).contains(KEY));
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up() {
    for hangs in [Does::Hang(String::new()), Does::Hang("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into())] {
        let endpoint = Endpoint::of(vec![hangs]).await;
        let fault = endpoint.ask().await.unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str(), endpoint.requests()), (FaultKind::Timeout, "MODEL_TIMEOUT", 3));
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_taken() {
    let huge = "x".repeat((1 << 20) + 1);
    let fault = Endpoint::of(vec![answer(&huge)]).await.ask().await.unwrap_err();
    assert_eq!(fault.code, "MODEL_ANSWER_INVALID");
    let endpoint = Endpoint::of(vec![answer(&huge.repeat(5))]).await;
    assert_eq!(endpoint.ask().await.unwrap_err().code, "MODEL_ANSWER_INVALID");
    assert_eq!(endpoint.requests(), 1, "nobody reads it three times");
    let call = r#"{"id":"a","function":{"name":"f","arguments":"{}"}}"#;
    let many = format!(
        r#"{{"choices":[{{"message":{{"tool_calls":[{}]}},"finish_reason":"tool_calls"}}]}}"#,
        [call; 65].join(",")
    );
    assert!(Endpoint::of(vec![ok(&many)]).await.ask().await.unwrap_err().message.contains("at most 64"));
}

#[tokio::test]
async fn a_streamed_answer_is_heard_piece_by_piece() {
    let endpoint = Endpoint::of(vec![streamed(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"choices":[{"delta":{"content":"Thr"}}]}"#,
        r#"{"choices":[{"delta":{"content":"ee."},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
        "[DONE]",
    ])])
    .await;
    let (completed, heard) = endpoint.listen().await;
    let completed = completed.unwrap();
    assert_eq!((completed.text.as_str(), heard.as_str(), completed.spent.output_tokens), ("Three.", "Three.", 3));
    assert_eq!(endpoint.body(0)["stream"], true);
}

#[tokio::test]
async fn tool_calls_are_put_together_from_their_pieces() {
    let endpoint = Endpoint::of(vec![streamed(&[
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"add","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"b","function":{"name":"sub","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ])])
    .await;
    let calls = endpoint.listen().await.0.unwrap().tool_calls;
    let calls: Vec<_> = calls.iter().map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str())).collect();
    assert_eq!(calls, [("a", "add", "{\"a\":1}"), ("b", "sub", "{}")]);
}

#[tokio::test]
async fn half_a_stream_is_no_answer_and_what_was_heard_is_not_begun_anew() {
    let half = streamed(&[r#"{"choices":[{"delta":{"content":"Thr"}}]}"#]);
    let endpoint = Endpoint::of(vec![half.clone()]).await;
    let (completed, heard) = endpoint.listen().await;
    assert_eq!((completed.unwrap_err().code.as_str(), heard.as_str()), ("MODEL_ANSWER_INVALID", "Thr"));
    assert_eq!(endpoint.requests(), 1);
    let nothing_yet = streamed(&[r#"{"choices":[{"delta":{"content":""}}]}"#]);
    let whole = streamed(&[r#"{"choices":[{"delta":{"content":"Three."},"finish_reason":"stop"}]}"#, "[DONE]"]);
    let endpoint = Endpoint::of(vec![nothing_yet, whole]).await;
    let (completed, heard) = endpoint.listen().await;
    assert_eq!((completed.unwrap().text.as_str(), heard.as_str(), endpoint.requests()), ("Three.", "Three.", 2));
    let broken = streamed(&["{", "[DONE]"]);
    assert_eq!(Endpoint::of(vec![broken]).await.listen().await.0.unwrap_err().code, "MODEL_ANSWER_INVALID");
}

#[tokio::test]
async fn who_is_not_configured_is_said_with_the_setting() {
    let none = Providers::new(Config { default: None, embedding: None, providers: Vec::new() }).unwrap();
    let fault = none.complete(question(), None).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Upstream, "MODEL_UNAVAILABLE"));
    assert!(fault.message.contains("models.default"), "{fault}");
    let endpoint = Endpoint::of(vec![answer("x")]).await;
    let unknown = Completion { model: Some("tset/small".into()), ..question() };
    let fault = endpoint.providers().complete(unknown, None).await.unwrap_err();
    assert_eq!(fault.code, "MODEL_UNAVAILABLE");
    assert!(fault.message.contains("[models.providers.tset]") && fault.message.contains("test"), "{fault}");
    let wrong = Config { default: Some("nobody/x".into()), embedding: None, providers: Vec::new() };
    assert!(Providers::new(wrong).is_err());
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn a_provider_gets_no_more_requests_at_once_than_it_may() {
    let endpoint = Endpoint::of(vec![Does::Hang(String::new())]).await;
    let providers = Arc::new(endpoint.providers());
    let asking: Vec<_> = (0..5)
        .map(|_| {
            let providers = providers.clone();
            tokio::spawn(async move { providers.complete(question(), None).await })
        })
        .collect();
    // All that may be made are made before the first of them is given up.
    tokio::time::timeout(Duration::from_secs(5), async {
        while endpoint.requests() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(endpoint.requests(), 2);
    for task in asking {
        let fault = task.await.unwrap().unwrap_err();
        assert!(["MODEL_TIMEOUT", "MODEL_BUSY"].contains(&fault.code.as_str()), "{fault}");
    }
}

#[tokio::test]
async fn embeddings_come_in_the_order_of_their_texts_and_as_long_as_wanted() {
    let body = r#"{"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2]}],"usage":{"prompt_tokens":5}}"#;
    let endpoint = Endpoint::of(vec![ok(body)]).await;
    let texts = vec!["a".to_owned(), "b".to_owned()];
    let (vectors, spent) = endpoint.providers().embed(None, texts.clone(), Some(2)).await.unwrap();
    assert_eq!(vectors, [[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!((spent.input_tokens, spent.cost_micros), (5, Some(5)));
    assert_eq!(endpoint.body(0)["dimensions"], 2);
    let fault = endpoint.providers().embed(None, texts, Some(3)).await.unwrap_err();
    assert_eq!(fault.code, "MODEL_ANSWER_INVALID");
    let fault = endpoint.providers().embed(None, vec!["a".into()], None).await.unwrap_err();
    assert_eq!(fault.code, "MODEL_ANSWER_INVALID", "two vectors for one text");
}
