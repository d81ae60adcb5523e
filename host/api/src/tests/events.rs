//! Events, and streams of them; verbs, whose forms name them.

use super::*;
use axum::body::BodyDataStream;
use futures::StreamExt;
use runtime::View;
use serde_json::json;
use std::time::Duration;

/// A stream as it comes.
struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    /// The next event or comment; None at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                return Some(event);
            }
            let piece =
                tokio::time::timeout(Duration::from_secs(60), self.body.next()).await.expect("it says something");
            self.text.push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    /// The next event's id and data.
    async fn event(&mut self) -> (u64, Value) {
        let text = self.next().await.expect("the stream goes on");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        (field("id: ").parse().unwrap_or_else(|_| panic!("{text}")), serde_json::from_str(field("data: ")).unwrap())
    }
}

impl Server {
    async fn stream(&self, uri: &str, last: Option<u64>, key: &str) -> Stream {
        let mut request = anonymous("GET", uri).header("x-api-key", key).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        Stream { body: response.into_body().into_data_stream(), text: String::new() }
    }
}

#[tokio::test]
async fn a_reader_who_comes_back_gets_exactly_what_it_missed() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    let mut stream = server.stream("/api/events/stream", None, &server.key).await;
    server.put(&root, "", "Order/1", json!({"n": 1})).await;
    let (last, event) = stream.event().await;
    assert_eq!((&event["verb"], &event["source"]), (&json!("created"), &json!("https://root.test/Order/1")));
    assert_eq!((&event["sequence"], &event["streamed"]), (&json!(last), &json!(false)));
    assert_eq!(event["data"]["thing"]["data"], json!({"n": 1}));
    drop(stream);
    for n in 2..=4 {
        server.put(&root, "", "Order/1", json!({ "n": n })).await;
    }
    let mut again = server.stream("/api/events/stream?after=1", Some(last), &server.key).await;
    for n in 2..=4u64 {
        let (id, event) = again.event().await;
        assert_eq!((id, &event["data"]["thing"]["data"]["n"]), (last + n - 1, &json!(n)));
        assert_eq!(event["data"]["changes"], json!(["n"]));
    }
    server.put(&root, "", "Order/1", json!({ "n": 5 })).await;
    assert_eq!(again.event().await.0, last + 4, "and goes on with what is new");

    // More than one batch, and only what fits.
    for n in 0..50 {
        server.put(&root, "", &format!("Other/{n}"), json!({})).await;
    }
    let uri = "/api/events/stream?after=0&verb=creates&source=https://root.test/Other/49";
    assert_eq!(server.stream(uri, None, &server.key).await.event().await.1["source"], "https://root.test/Other/49");
    let mut all = server.stream("/api/events/stream?after=0", None, &server.key).await;
    for sequence in 1..=last + 54 {
        assert_eq!(all.event().await.0, sequence);
    }
    for (uri, last, status) in [
        ("/api/events/stream?after=x", None, 400),
        ("/api/events/stream?verbs=x", None, 400),
        ("/api/events/stream", Some("x"), 400),
    ] {
        let mut request = server.request("GET", uri);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status, status, "{uri}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_readers_key_and_stays_awake_until_then() {
    let server = Server::start_with(|config| config.heartbeat = Duration::from_millis(20)).await;
    let made = server.call("POST", "/api/keys", r#"{"name":"r","scopes":["events.read"]}"#).await.json();
    let key = made["key"].as_str().unwrap();
    let mut stream = server.stream("/api/events/stream", None, key).await;
    server.put(&server.test.root().await.unwrap(), "", "Order/1", json!({})).await;
    let mut next = stream.next().await.unwrap();
    // A stream that does not get to its event says so, instead of breathing for ever.
    for _ in 0..500 {
        if !next.starts_with(':') {
            break;
        }
        next = stream.next().await.unwrap();
    }
    let event: Value =
        serde_json::from_str(next.lines().find_map(|line| line.strip_prefix("data: ")).unwrap()).unwrap();
    assert!(event["data"].get("thing").is_none(), "this key reads events, not orders: {event}");
    assert_eq!(stream.next().await.as_deref(), Some(": "), "a heartbeat");
    let uri = format!("/api/keys/{}", made["id"].as_str().unwrap());
    assert_eq!(server.send(server.request("DELETE", &uri).body(Body::empty()).unwrap()).await.status, 204);
    let mut end = stream.next().await.unwrap();
    // What was on its way before; and that the key went is an event, too, which is not for it any more.
    while !end.starts_with("event: error") {
        assert!(end.starts_with(':'), "{end}");
        end = stream.next().await.unwrap();
    }
    assert!(end.starts_with("event: error") && end.contains("UNAUTHORIZED"), "{end}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn a_stream_of_logs_ends_with_its_readers_key_as_well() {
    let server = Server::start_with(|config| config.heartbeat = Duration::from_millis(20)).await;
    let made = server.call("POST", "/api/keys", r#"{"name":"r","scopes":["logs.read"]}"#).await.json();
    let mut stream = server.stream("/api/functions/talk/logs", None, made["key"].as_str().unwrap()).await;
    assert_eq!(server.call("POST", "/api/actions/talk", "1").await.status, 200);
    let mut next = stream.next().await.unwrap();
    for _ in 0..500 {
        if !next.starts_with(':') {
            break;
        }
        next = stream.next().await.unwrap();
    }
    assert!(next.contains("said 1"), "{next}");
    assert_eq!(server.call("DELETE", &format!("/api/keys/{}", made["id"].as_str().unwrap()), "").await.status, 204);
    server.call("POST", "/api/actions/talk", "2").await;
    let mut end = stream.next().await.unwrap();
    while end.starts_with(':') {
        end = stream.next().await.unwrap();
    }
    assert!(end.starts_with("event: error") && end.contains("UNAUTHORIZED"), "{end}");
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn an_event_tells_its_thing_but_no_secret_and_nothing_huge() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    let def = model::noun::NounDef {
        schema: Some(json!({"email": "string", "pin": {"type": "string", "secret": true}})),
        ..model::noun::NounDef::bare("Person")
    };
    root.put_noun(&server.test.caller(&["*.*"]).unwrap(), &View::default(), def).await.unwrap();
    server.put(&root, "", "Person/ann", json!({"email": "a@b.test", "pin": "1234"})).await;
    server.put(&root, "", "Blob/1", json!({"text": "x".repeat(70 << 10)})).await;
    let of = async |query: &str| server.get(&format!("/api/events?{query}")).await;
    let ann = of("source=Person/ann").await;
    assert!(!ann.text.contains("1234"), "{}", ann.text);
    assert_eq!(ann.json()["data"][0]["data"]["thing"]["data"], json!({"email": "a@b.test"}));
    assert_eq!(of("source=https://root.test/Person/ann&verb=create").await.json(), ann.json());
    let blob = of("source=Blob/1").await.json()["data"][0]["data"].clone();
    assert_eq!((&blob["truncated"], blob.get("thing")), (&json!(true), None));
    assert!(blob["version"].is_u64());
    let function = of("source=Function/echo").await.json()["data"][0]["data"].clone();
    assert!(function.get("thing").is_none() && function["version"].is_u64(), "{function}");
}

#[tokio::test]
async fn a_verb_is_found_by_each_of_its_forms() {
    let server = Server::start().await;
    let create = server.get("/api/verbs/create").await.json();
    assert_eq!(
        (&create["event"], &create["inverse"], &create["builtin"]),
        (&json!("created"), &json!("delete"), &json!(true))
    );
    for form in ["creates", "creating", "created", "createdBy"] {
        assert_eq!(server.get(&format!("/api/verbs/{form}")).await.json(), create, "{form}");
    }
    let put =
        async |verb: &str, body: Value| server.call("PUT", &format!("/api/verbs/{verb}"), &body.to_string()).await;
    let ship = put("ship", json!({"event": "shipped", "activity": "shipping", "inverse": "recall"})).await;
    assert_eq!((ship.status.as_u16(), ship.header("location")), (201, "/api/verbs/ship"), "{}", ship.text);
    assert_eq!(ship.json()["reverseBy"], "shippedBy");
    assert_eq!(
        put("shipped", json!({"event": "shipped", "activity": "shipping"})).await.status,
        200,
        "by another form"
    );
    assert_eq!(server.get("/api/verbs/ships").await.json()["action"], "ship");
    assert_eq!(server.call("PUT", "/api/verbs/deliver", "").await.json()["predicate"], "delivers");
    let list = server.get("/api/verbs").await.json();
    let own: Vec<_> = list["data"].as_array().unwrap().iter().filter(|v| v["builtin"] == false).collect();
    assert_eq!((own.len(), &own[0]["action"]), (2, &json!("deliver")));
    for (verb, body, status, code) in [
        ("create", json!({"event": "made"}), 409, "VERB_BUILTIN"),
        ("creates", json!({}), 409, "VERB_BUILTIN"),
        ("send", json!({"event": "shipped"}), 409, "VERB_EXISTS"),
        ("forge", json!({"event": "created"}), 409, "VERB_EXISTS"),
        ("Ship", json!({}), 422, "VALIDATION_FAILED"),
        ("pack", json!({"event": 5}), 422, "VALIDATION_FAILED"),
        ("pack", json!({"evnt": "packed"}), 422, "VALIDATION_FAILED"),
        ("pack", json!([]), 422, "VALIDATION_FAILED"),
    ] {
        let answer = put(verb, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{verb} {body}");
    }
    assert_eq!(server.get("/api/verbs/packs").await.code(), "VERB_NOT_FOUND");
}

#[tokio::test]
async fn a_registered_verb_names_relationships_from_both_ends() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    let caller = server.test.caller(&["*.*"]).unwrap();
    let body = r#"{"predicate":"runs","event":"ran","activity":"running"}"#;
    assert_eq!(server.call("PUT", "/api/verbs/run", body).await.status, 201);
    for thing in ["Person/ann", "Startup/acme"] {
        server.put(&root, "", thing, json!({})).await;
    }
    let key = |text: &str| types::ThingKey::parse(text).unwrap();
    let (view, ann, acme) = (View::default(), key("Person/ann"), key("Startup/acme"));
    let (edge, created) = root.relate(&caller, &view, &ann, "ran", "Startup/acme", json!({})).await.unwrap();
    assert_eq!((edge.verb.as_str(), created), ("runs", true), "kept in its predicate form, whichever was given");
    for verb in [None, Some("ranBy"), Some("runs")] {
        let inbound = root.edges(&caller, &view, &acme, runtime::Direction::Inbound, verb, None, 10).await.unwrap();
        assert_eq!(inbound.items.first().map(|edge| edge.verb.as_str()), Some("ranBy"), "{verb:?}");
    }
    root.unrelate(&caller, &view, &ann, "running", "Startup/acme").await.unwrap();
}
