//! The examples of every language, run by the real server: each calls imports, and they call each other.

use crate::server::Server;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What `scripts/build-guests` made.
pub fn guest(name: &str) -> anyhow::Result<Vec<u8>> {
    let path = root().join("target/guests").join(format!("{name}.wasm"));
    std::fs::read(&path).map_err(|e| anyhow::anyhow!("{}: {e}; run scripts/build-guests first", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The guests that tests here call.
const CALLED: [&str; 19] = [
    "hello",
    "greet",
    "journal",
    "order",
    "price",
    "discount",
    "summarize",
    "checksum",
    "invoice",
    "calc",
    "fetch",
    "counter",
    "onboarding",
    "steps",
    "sleeper",
    "ledger",
    "support",
    "expense",
    "expense-py",
];

#[test]
fn every_example_is_called_by_a_test() -> anyhow::Result<()> {
    let listed: toml::Table = std::fs::read_to_string(root().join("guests/examples.toml"))?.parse()?;
    let listed: BTreeSet<_> = listed["guest"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|g| g.get("name").and_then(|n| n.as_str()).map(str::to_owned))
        .collect();
    let called: BTreeSet<_> = CALLED.iter().map(|n| (*n).to_owned()).collect();
    assert_eq!(listed, called);
    Ok(())
}

async fn shop() -> anyhow::Result<Server> {
    let server = Server::start()?;
    for name in CALLED {
        let deployed = server.deploy(name, guest(name)?).await?;
        assert_eq!(deployed.status, 201, "{name}: {deployed:?}");
    }
    Ok(server)
}

/// The result of a call that must succeed, with what it logged.
async fn call(server: &Server, action: &str, input: Value) -> anyhow::Result<(Value, Vec<String>)> {
    let answer = server.invoke(action, &input).await?.expect(200);
    let function = action.split('.').next().unwrap_or(action);
    let logs = server.get(&format!("/api/functions/{function}/logs")).await?.expect(200).body;
    let lines = logs["data"].as_array().into_iter().flatten();
    let lines = lines.filter_map(|l| l["text"].as_str().map(str::to_owned)).collect();
    Ok((answer.body["result"].clone(), lines))
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_in_five_languages_call_each_other() -> anyhow::Result<()> {
    let server = shop().await?;
    let (result, _) = call(&server, "hello", json!({ "name": "Ann" })).await?;
    assert_eq!(result["message"], "Hello, Ann!", "Rust");
    let (result, _) = call(&server, "greet", json!({ "name": "Ann" })).await?;
    assert_eq!(result["message"], "Hello, Ann!", "JavaScript");

    let (result, _) = call(&server, "journal", json!({ "text": "äöü" })).await?;
    assert_eq!(result["characters"], 3);

    let (result, _) = call(&server, "steps", json!({ "steps": 3 })).await?;
    assert_eq!(result["steps"], 3);
    let (result, _) = call(&server, "sleeper", json!({ "ms": 5 })).await?;
    assert_eq!(result["slept"], true);

    let (result, lines) = call(&server, "discount", json!({ "quantity": 12 })).await?;
    assert_eq!(result["percent"], 5, "TypeScript");
    assert!(lines.iter().any(|l| l.contains("5 % for 12")), "{lines:?}");

    let (result, lines) = call(&server, "price", json!({ "sku": "tea", "quantity": 12 })).await?;
    assert_eq!(result["total_cents"], 5130, "JavaScript, by way of TypeScript and Rust");
    assert!(result["quoted_for"].as_str().is_some_and(|a| a.ends_with("/Service/root")), "{result}");
    assert!(lines.iter().any(|l| l.contains("12 x tea")), "{lines:?}");

    let (result, lines) = call(&server, "order", json!({ "items": [{ "sku": "tea", "quantity": 2 }] })).await?;
    assert_eq!(result["total_cents"], 900);
    assert_eq!(result["note"], "Thank you!", "no worker is named, and the function copes");
    assert!(lines.iter().any(|l| l == "pricing 1 items"), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("worker.ask")), "the fault names the call: {lines:?}");

    server.post("/api/Human", &json!({ "id": "ann", "data": {} })).await?.expect(201);
    let (result, lines) = call(&server, "checksum", json!({ "text": "hello", "reviewer": "Human/ann" })).await?;
    assert_eq!(result["crc32"], "3610a686", "C");
    assert_eq!(result["review"]["status"], "pending", "a person is asked, and not waited for: {result}");
    assert!(lines.iter().any(|l| l.starts_with("crc32 of 5 bytes")), "{lines:?}");

    let text = "Durable objects keep what they are told. They forget nothing. Cats sleep.";
    let (result, lines) = call(&server, "summarize", json!({ "text": text, "sentences": 1 })).await?;
    assert!(result["summary"].as_str().is_some_and(|s| text.contains(s) && !s.is_empty()), "Python: {result}");
    assert!(lines.iter().any(|l| l.contains("nobody to ask")), "{lines:?}");

    let items = json!([{ "sku": "coffee", "quantity": 100 }]);
    let (result, lines) = call(&server, "invoice", json!({ "customer": "Acme", "items": items })).await?;
    assert_eq!(result["total_cents"], 76_500, "Go, by way of Rust, JavaScript, TypeScript: {result}");
    assert!(lines.iter().any(|l| l.starts_with("invoice INV-")), "{lines:?}");

    let (mut verbs, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = server.get(&format!("/api/events?limit=100&after={after}")).await?.expect(200).body;
        let events = page["data"].as_array().cloned().unwrap_or_default();
        let Some(last) = events.last().and_then(|e| e["sequence"].as_u64()) else { break };
        verbs.extend(events.iter().filter_map(|e| e["verb"].as_str().map(str::to_owned)));
        after = last;
    }
    for verb in ["written", "granted", "quoted", "placed", "checked", "summarized", "issued"] {
        assert!(verbs.contains(verb), "no {verb} in {verbs:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_functions_own_refusal_comes_back_with_its_words() -> anyhow::Result<()> {
    let server = shop().await?;
    for (action, input, says) in [
        ("price", json!({ "sku": "gold" }), "no price for \"gold\""),
        ("order", json!({ "items": [] }), "1 to 100 items"),
        ("discount", json!({ "quantity": 0 }), "from 1"),
        ("checksum", json!({}), "needs a text"),
        ("summarize", json!({ "text": " " }), "text is empty"),
        ("invoice", json!({ "items": [] }), "needs a customer"),
    ] {
        let refused = server.invoke(action, &input).await?;
        assert_eq!(refused.status, 422, "{action}: {refused:?}");
        assert!(refused.message().contains(says), "{action}: {}", refused.message());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_box_offers_each_function_with_a_schema() -> anyhow::Result<()> {
    let server = shop().await?;
    let (sum, _) = call(&server, "calc.add", json!({ "a": 2, "b": 3 })).await?;
    assert_eq!(sum, json!(5.0));
    let (rest, _) = call(&server, "calc.divide-rest", json!({ "a": 17, "b": 5 })).await?;
    assert_eq!(rest, json!([3, 2]));
    let by_zero = server.invoke("calc.divide-rest", &json!({ "a": 1, "b": 0 })).await?;
    assert!(by_zero.status >= 400 && by_zero.code() == "FUNCTION_FAILED", "{by_zero:?}");
    let shapes = server.get("/api/functions/calc").await?.expect(200).body;
    let actions = shapes["actions"].as_array().cloned().unwrap_or_default();
    assert_eq!(actions.len(), 6, "{shapes}");
    assert!(actions.iter().all(|a| a["input"]["type"] == "object"), "{shapes}");
    let wrong = server.invoke("calc.add", &json!({ "a": "two", "b": 3 })).await?.expect(422);
    assert!(wrong.message().contains("input.a"), "{}", wrong.message());
    let unknown = server.invoke("calc.sub", &json!({})).await?.expect(404);
    assert!(unknown.message().contains("calc.add"), "it says what there is: {}", unknown.message());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_that_read_and_write_a_thing_at_once_end_at_a_hundred() -> anyhow::Result<()> {
    let server = std::sync::Arc::new(Server::start()?);
    server.deploy("counter", guest("counter")?).await?.expect(201);
    let calls = (0..100).map(|_| {
        let server = server.clone();
        tokio::spawn(async move { server.invoke("counter", &json!({ "id": "n" })).await })
    });
    let mut counts = Vec::new();
    for answer in futures::future::join_all(calls).await {
        counts.push(answer??.expect(200).body["result"]["count"].as_u64().unwrap_or(0));
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=100).collect::<Vec<_>>());
    let failed = server.invoke("counter", &json!({ "id": "n", "by": 1000, "fail": true })).await?;
    assert_eq!(failed.body["error"]["code"], "ASKED_TO_FAIL");
    let (result, _) = call(&server, "counter", json!({ "id": "n" })).await?;
    assert_eq!(result["count"], 101, "what a failed run wrote was taken back");
    let events = server.get("/api/events?verb=hundred").await?.expect(200).body;
    assert_eq!(events["data"].as_array().map(Vec::len), Some(1), "{events}");
    Ok(())
}
