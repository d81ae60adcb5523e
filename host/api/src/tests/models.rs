//! Functions of a model, questions of an object's own, what they cost, and answers that are streamed.

use super::Server;
use serde_json::json;
use std::sync::Arc;
use testkit::said;
use types::{Fault, FaultKind, Finish, Price};

const CLASSIFY: &str = r#"{
    "type": "generative", "prompt": "Classify {{input.text}}", "system": "You are {{context.function}}",
    "input": {"type": "object", "required": ["text"]},
    "schema": {"type": "object", "required": ["label"], "properties": {"label": {"enum": ["good", "bad"]}}}
}"#;

impl Server {
    async fn classify(definition: &str) -> Self {
        let server = Self::empty().await;
        let deployed = server.call("PUT", "/api/functions/classify", definition).await;
        assert_eq!(deployed.status, 201, "{}", deployed.text);
        assert_eq!(deployed.json()["type"], "generative");
        server
    }
}

#[tokio::test]
async fn a_declared_function_answers_with_a_value_that_fits_and_what_it_used() {
    let server = Server::classify(CLASSIFY).await;
    server.models.answers(vec![said("I think it is good"), said("```json\n{\"label\":\"good\"}\n```")]);
    let answer = server.call("POST", "/api/actions/classify", r#"{"input":{"text":"ok {{input.text}}"}}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["result"], json!({ "label": "good" }));
    let usage = json!({ "inputTokens": 20, "outputTokens": 10, "modelCalls": 2, "toolCalls": 0, "costUsd": 0.00003 });
    assert_eq!((&answer["usage"], &answer["finishReason"]), (&usage, &json!("stop")));
    let asked = server.models.asked();
    assert_eq!(asked[0].messages[1].text, "Classify ok {{input.text}}", "what is filled in is not looked at again");
    assert_eq!(asked[0].messages[0].text, "You are classify");
    assert!(asked[1].messages.last().is_some_and(|message| message.text.contains("label")));
}

#[tokio::test]
async fn a_durable_call_tells_what_it_used_too_and_again_under_its_key() {
    let server = Server::classify(CLASSIFY).await;
    server.models.answers(vec![said("{\"label\":\"bad\"}")]);
    let body = r#"{"input":{"text":"x"},"options":{"durability":"do"}}"#;
    for _ in 0..2 {
        let answer = server.ask("POST", "/api/actions/classify", &[("idempotency-key", "k")], body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["usage"]["modelCalls"], 1);
    }
    assert_eq!(server.models.requests(), 1);
}

#[tokio::test]
async fn what_the_input_lacks_is_said_before_any_model_is_asked() {
    let server = Server::classify(r#"{"type":"generative","prompt":"Hello {{input.who.name}}"}"#).await;
    for durability in ["try", "do"] {
        let body = json!({ "input": { "who": {} }, "options": { "durability": durability } }).to_string();
        let answer = server.call("POST", "/api/actions/classify", &body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "INPUT_INVALID"), "{}", answer.text);
        assert!(answer.text.contains("input.who.name"));
    }
    assert_eq!(server.models.requests(), 0);
}

#[tokio::test]
async fn an_answer_that_never_fits_is_502_after_two_more_questions() {
    let server = Server::classify(CLASSIFY).await;
    server.models.on(|_| Ok(said("{\"label\":\"ugly\"}")));
    let answer = server.call("POST", "/api/actions/classify", r#"{"text":"x"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "OUTPUT_INVALID"));
    assert_eq!(server.models.requests(), 3);
    server.models.on(|_| Ok(types::Completed { finish: Finish::Refusal, ..said("No.") }));
    let answer = server.call("POST", "/api/actions/classify", r#"{"text":"x"}"#).await;
    assert_eq!(answer.json()["error"]["details"]["finishReason"], "refusal");
    assert_eq!(server.models.requests(), 4, "who does not want to is not asked again");
}

#[tokio::test]
async fn a_definition_that_is_none_says_what_is_wrong() {
    let server = Server::empty().await;
    for (definition, word) in [
        (r#"{"type":"generative","prompt":"p","modell":"x"}"#, "model"),
        (r#"{"type":"generative","prompt":"{{env.X}}"}"#, "{{env.X}}"),
        (r#"{"type":"generative","prompt":"p","schema":{"type":"nothing"}}"#, "JSON Schema"),
        (r#"{"type":"human","prompt":"p"}"#, "assignee"),
    ] {
        let answer = server.call("PUT", "/api/functions/f", definition).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "DEFINITION_INVALID"));
        assert!(answer.text.contains(word), "{}", answer.text);
    }
    let human = r#"{"type":"human","prompt":"ok?","role":"finance"}"#;
    assert_eq!(server.call("PUT", "/api/functions/f", human).await.status, 201);
    let again = server.call("PUT", "/api/functions/f", human).await;
    assert_eq!((again.status.as_u16(), &again.json()["unchanged"]), (200, &json!(true)));
}

#[tokio::test]
async fn an_answer_is_streamed_to_who_wants_it_so() {
    let server = Server::classify(r#"{"type":"generative","prompt":"p"}"#).await;
    server.models.on(|_| Ok(said("one two")));
    let answer = server.ask("POST", "/api/actions/classify", &[("accept", "text/event-stream")], "{}").await;
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let (before, done) = answer.text.split_once("event: done\ndata: ").unwrap();
    let deltas: String = before
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<serde_json::Value>(data).unwrap()["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(deltas, "one two");
    let done: serde_json::Value = serde_json::from_str(done.trim()).unwrap();
    assert_eq!((&done["result"], &done["usage"]["modelCalls"]), (&json!("one two"), &json!(1)));
    server.models.on(|_| Err(Fault::new(FaultKind::Upstream, "MODEL_FAILED", "it is down")));
    let answer = server.ask("POST", "/api/actions/classify", &[("accept", "text/event-stream")], "{}").await;
    assert_eq!(answer.status, 502, "what fails before a word was said has a status");
}

#[tokio::test]
async fn who_goes_away_from_a_stream_ends_the_run() {
    let server = Server::classify(r#"{"type":"generative","prompt":"p"}"#).await;
    let alive = Arc::new(());
    let held = alive.clone();
    server.models.on_waiting(move |_| {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending().await
        }
    });
    let request = server.request("POST", "/api/actions/classify").header("accept", "text/event-stream");
    let request = request.header("content-type", "application/json").body("{}".into()).unwrap();
    let left = tokio::time::timeout(std::time::Duration::from_millis(300), server.send(request)).await;
    assert!(left.is_err(), "the model says nothing");
    assert_eq!(server.models.requests(), 1);
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while Arc::strong_count(&alive) > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the question to the model is dropped");
    let log = server.get("/api/actions-log?verb=invoke").await;
    assert!(log.text.contains("CALLER_GONE"), "{}", log.text);
}

#[tokio::test]
async fn an_object_asks_a_model_without_any_function() {
    let server = Server::empty().await;
    server.models.on(|_| Ok(said("[1]")));
    let body = r#"{"prompt":"{{input.x}} literally","system":"s","model":"a/b","schema":{"type":"array"}}"#;
    let answer = server.call("POST", "/api/generate", body).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["result"]), (200, &json!([1])), "{}", answer.text);
    let asked = &server.models.asked()[0];
    assert_eq!((asked.messages[1].text.as_str(), asked.model.as_deref()), ("{{input.x}} literally", Some("a/b")));
    assert_eq!(server.call("POST", "/api/generate", r#"{"prompt":" "}"#).await.status, 422);
    assert_eq!(server.call("POST", "/api/generate", r#"{"promt":"x"}"#).await.status, 422);
    let key = server.call("POST", "/api/keys", r#"{"name":"k","scopes":["things.read"]}"#).await.json();
    let request = super::anonymous("POST", "/api/generate").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {}", key["key"].as_str().unwrap_or_default()));
    assert_eq!(server.send(request.body(r#"{"prompt":"x"}"#.into()).unwrap()).await.status, 403);
    assert_eq!(server.models.requests(), 1);
}

#[tokio::test]
async fn a_budget_stops_before_any_question() {
    let server = Server::empty().await;
    server.models.cost(Price { input: 1, output: 1 });
    server.models.on(|_| Ok(said("yes")));
    let ask = || server.call("POST", "/api/generate", r#"{"prompt":"x","maxTokens":1}"#);
    assert_eq!(server.call("PUT", "/api/budget", r#"{"usd":0.00003,"per":"month"}"#).await.status, 204);
    assert_eq!(ask().await.status, 200);
    assert_eq!(ask().await.status, 200, "15 millionths each");
    let answer = ask().await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "BUDGET_EXCEEDED"), "{}", answer.text);
    assert_eq!(server.models.requests(), 2);
    let usage = server.get("/api/usage").await.json();
    assert_eq!(usage["spent"], json!({ "tokens": 30, "usd": 0.00003 }));
    let row = json!({ "day": "2024-01-08", "model": "scripted/model", "calls": 2, "inputTokens": 20,
                      "outputTokens": 10, "costUsd": 0.00003, "unpricedCalls": 0 });
    assert_eq!(usage["data"], json!([row]));
    assert_eq!(server.call("PUT", "/api/budget", r#"{"tokens":1000,"per":"day"}"#).await.status, 204);
    assert_eq!(ask().await.status, 200);
    assert_eq!(server.call("DELETE", "/api/budget", "").await.status, 204);
    for wrong in [r#"{"per":"day"}"#, r#"{"usd":-1,"per":"day"}"#, r#"{"tokens":1,"per":"year"}"#] {
        assert_eq!(server.call("PUT", "/api/budget", wrong).await.status, 422, "{wrong}");
    }
}
