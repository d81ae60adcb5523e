//! Answers without a key: links, Slack's buttons, text messages (spec HUM-4).

use super::{Answer, Server, anonymous};
use crate::Replies;
use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::ScriptedChannels;
use types::exec::{ChannelKind, Dispatch};
use types::{Json, Method, RequestRow, Worker};

const SECRET: &str = "slack_signing_secret_1";
/// The node's clock, in seconds: it stands.
const NOW: u64 = 1_704_715_200;

struct Scene {
    server: Server,
    channels: ScriptedChannels,
}

impl Scene {
    async fn new() -> Self {
        let channels = ScriptedChannels::new();
        let replies = Replies {
            slack_signing_secret: Some(SECRET.to_owned()),
            sms_login: Some(("AC1".to_owned(), "hunter2".to_owned())),
        };
        let server = Server::with_channels(channels.clone(), |config| config.replies = replies).await;
        let scene = Self { server, channels };
        let ann = json!({ "channels": [
            { "type": "email", "target": "ann@acme.example" },
            { "type": "slack", "target": "U1" },
            { "type": "sms", "target": "+15550100" },
        ] });
        scene.put("Human", "ann", &ann).await;
        scene.put("Human", "eve", &json!({ "channels": [{ "type": "slack", "target": "U666" }] })).await;
        scene
    }

    async fn put(&self, noun: &str, id: &str, data: &Value) {
        let body = json!({ "id": id, "data": data }).to_string();
        let put = self.server.call("POST", &format!("/api/{noun}"), &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }

    async fn ask(&self, method: Method, input: &Value) -> RequestRow {
        let root = self.server.test.root().await.expect("the root is there");
        let caller = self.server.test.caller(&["*.*"]).expect("it is one");
        let worker: Worker = "Human/ann".parse().expect("it is one");
        let id = root.begin_work(&caller, worker, method, Json::from_value(input)).await.expect("it begins");
        root.request_opened(id).await.expect("it is asked")
    }

    async fn approve(&self) -> RequestRow {
        let request = json!({ "type": "expense", "description": "Pay <b>10</b>?", "requester": "x", "amount": 10 });
        self.ask(Method::Approve, &json!({ "request": request })).await
    }

    /// What came by that channel, once it did.
    async fn message(&self, kind: ChannelKind, request: &RequestRow) -> Dispatch {
        let id = request.id.to_string();
        for _ in 0..5_000 {
            let sent = self.channels.sent();
            if let Some(found) = sent.iter().find(|m| m.channel == kind && m.id.starts_with(&id)) {
                return found.clone();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("no {} came", kind.as_str());
    }

    /// Path and token of the link in the mail.
    async fn link(&self, request: &RequestRow) -> (String, String) {
        let mail = self.message(ChannelKind::Email, request).await;
        let url = mail.choices.first().map(|choice| choice.url.clone()).expect("the mail has a link");
        let inside = url.strip_prefix("https://root.test").expect("it leads here").to_owned();
        let (path, token) = inside.split_once("?token=").expect("it has a token");
        (path.to_owned(), token.to_owned())
    }

    async fn look(&self, path: &str, token: &str) -> Answer {
        let request = anonymous("GET", &format!("{path}?token={token}")).header("accept", "text/html");
        self.server.send(request.body(Body::empty()).expect("it is one")).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = anonymous("POST", path).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.send(request.body(Body::from(body)).expect("it is one")).await
    }

    async fn status(&self, request: &RequestRow) -> String {
        let root = self.server.test.root().await.expect("the root is there");
        let caller = self.server.test.caller(&["*.*"]).expect("it is one");
        let row = root.request(&caller, &request.id.to_string()).await.expect("it is there");
        row.status.as_str().to_owned()
    }

    async fn press(&self, user: &str, value: &str, secret: &str, at: u64) -> Answer {
        let payload = json!({ "type": "block_actions", "user": { "id": user },
                              "actions": [{ "action_id": "choice-0", "value": value }] });
        let payload = payload.to_string();
        let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload).finish();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(format!("v0:{at}:{body}").as_bytes());
        let signature = format!("v0={}", hex::encode(mac.finalize().into_bytes()));
        let at = at.to_string();
        let headers = [("x-slack-signature", signature.as_str()), ("x-slack-request-timestamp", at.as_str())];
        self.post("/api/slack/interactions", &headers, &[("payload", &payload)]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_at_a_link_changes_nothing_and_an_answer_counts_once() {
    let scene = Scene::new().await;
    let request = scene.approve().await;
    let (path, token) = scene.link(&request).await;
    for _ in 0..2 {
        let page = scene.look(&path, &token).await;
        assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.text.contains("Pay &#60;b&#62;10&#60;/b&#62;?"), "{}", page.text);
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!((page.header("referrer-policy"), page.header("cache-control")), ("no-referrer", "no-store"));
        assert!(!page.text.contains("<script"));
    }
    assert_eq!(scene.status(&request).await, "pending");
    let unsaid = scene.post(&path, &[], &[("token", &token)]).await;
    assert_eq!(unsaid.status, 422);
    let taken = scene.post(&path, &[], &[("token", &token), ("decision", "approve"), ("reason", "fine")]).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(scene.status(&request).await, "approved");
    let again = scene.post(&path, &[], &[("token", &token), ("decision", "reject")]).await;
    assert_eq!(again.status, 409);
    assert!(again.text.contains("approved") && again.text.contains("Human/ann"), "{}", again.text);
    let page = scene.look(&path, &token).await;
    assert!(page.status == 200 && !page.text.contains("<form"), "{}", page.text);
    assert_eq!(scene.status(&request).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_was_changed_is_of_another_request_or_is_old_decides_nothing() {
    let scene = Scene::new().await;
    let request = scene.approve().await;
    let (path, token) = scene.link(&request).await;
    let (other_path, _) = scene.link(&scene.approve().await).await;
    let changed = format!("{}{}", &token[..token.len() - 2], if token.ends_with("AA") { "BB" } else { "AA" });
    for (path, token) in [(&path, ""), (&path, changed.as_str()), (&other_path, token.as_str()), (&path, "x")] {
        assert_eq!(scene.look(path, token).await.status, 403, "{path} {token}");
        let posted = scene.post(path, &[], &[("token", token), ("decision", "approve")]).await;
        assert_eq!(posted.status, 403, "{path} {token}");
    }
    let wrong = scene.post(&path, &[], &[("token", &token), ("decision", "answer"), ("answer", "yes")]).await;
    assert_eq!(wrong.status, 403, "the link does not let its holder do that: {}", wrong.text);
    assert_eq!(scene.status(&request).await, "pending");
    let left = request.expires_at.millis_since(scene.server.test.node.clock().now());
    scene.server.test.clock.advance(Duration::from_millis(left + 1));
    assert_eq!(scene.look(&path, &token).await.status, 410);
    let posted = scene.post(&path, &[], &[("token", &token), ("decision", "approve")]).await;
    assert_eq!(posted.status, 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_drawn_from_the_schema_and_the_answer_has_its_types() {
    let scene = Scene::new().await;
    let schema = json!({ "type": "object", "required": ["days", "kind"], "additionalProperties": false, "properties": {
        "days": { "type": "integer", "minimum": 1 }, "kind": { "enum": ["sick", "holiday"] }, "note": { "type": "string" },
    } });
    let input = json!({ "question": "How long?", "options": { "schema": schema } });
    let request = scene.ask(Method::Ask, &input).await;
    let (path, token) = scene.link(&request).await;
    let page = scene.look(&path, &token).await;
    for part in ["name=\"answer.days\"", "value=\"holiday\"", "name=\"answer.note\""] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let fill = |days: &'static str| {
        vec![
            ("token", token.as_str()),
            ("decision", "answer"),
            ("answer.days", days),
            ("answer.kind", "sick"),
            ("answer.note", ""),
        ]
    };
    let wrong = scene.post(&path, &[], &fill("many")).await;
    assert_eq!((wrong.status.as_u16(), scene.status(&request).await.as_str()), (422, "pending"), "{}", wrong.text);
    let taken = scene.post(&path, &[], &fill("3")).await;
    assert_eq!((taken.status.as_u16(), scene.status(&request).await.as_str()), (200, "answered"), "{}", taken.text);
    assert!(taken.text.contains("&#34;days&#34;: 3"), "{}", taken.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_counts_when_slack_signed_it_and_who_pressed_is_asked() {
    let scene = Scene::new().await;
    let request = scene.approve().await;
    let message = scene.message(ChannelKind::Slack, &request).await;
    let values: Vec<_> = message.choices.iter().map(|choice| choice.value.as_str()).collect();
    let [approve, reject, ""] = values.as_slice() else { panic!("two buttons and a link: {values:?}") };
    for (secret, at) in [("another", NOW), (SECRET, NOW - 301), (SECRET, NOW + 301)] {
        assert_eq!(scene.press("U1", approve, secret, at).await.status, 401);
    }
    let unsigned = scene.post("/api/slack/interactions", &[], &[("payload", "{}")]).await;
    assert_eq!((unsigned.status.as_u16(), unsigned.code().as_str()), (401, "SIGNATURE_INVALID"));
    let forged = format!("{}:{}", request.id, "A".repeat(90));
    for (user, value) in [("U9", *approve), ("U666", approve), ("U1", forged.as_str()), ("U1", "")] {
        let answer = scene.press(user, value, SECRET, NOW).await;
        assert!(answer.status == 200 && answer.text.contains("This was not taken"), "{user}: {}", answer.text);
    }
    assert_eq!(scene.status(&request).await, "pending");
    let taken = scene.press("U1", reject, SECRET, NOW).await;
    assert!(taken.text.contains("rejected"), "{}", taken.text);
    assert_eq!(scene.status(&request).await, "rejected");
    assert!(scene.press("U1", approve, SECRET, NOW).await.text.contains("This was not taken"));
    assert_eq!(scene.status(&request).await, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_counts_from_the_number_that_was_asked_with_its_code() {
    let scene = Scene::new().await;
    let request = scene.approve().await;
    let message = scene.message(ChannelKind::Sms, &request).await;
    let yes = message.choices.first().map(|choice| choice.value.clone()).expect("it says how to answer");
    assert!(yes.starts_with("YES "), "{yes}");
    // `printf 'AC1:hunter2' | base64`
    let known = [("authorization", "Basic QUMxOmh1bnRlcjI=")];
    let path = "/api/sms/replies";
    for headers in [&[][..], &[("authorization", "Basic QUMxOmh1bnRlcg==")]] {
        assert_eq!(scene.post(path, headers, &[("From", "+15550100"), ("Body", &yes)]).await.status, 401);
    }
    for (from, body) in
        [("+15550199", yes.as_str()), ("+15550100", "YES 00000000"), ("+15550100", "ok"), ("+15550100", "")]
    {
        let answer = scene.post(path, &known, &[("From", from), ("Body", body)]).await;
        assert!(answer.status == 200 && answer.text.contains("not understood"), "{from} {body}: {}", answer.text);
    }
    assert_eq!(scene.status(&request).await, "pending");
    let taken = scene.post(path, &known, &[("From", "+15550100"), ("Body", &yes.to_lowercase())]).await;
    assert!(taken.text.contains("approved"), "{}", taken.text);
    assert_eq!(scene.status(&request).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_configured_brings_nothing() {
    let server = Server::empty().await;
    for path in ["/api/slack/interactions", "/api/sms/replies"] {
        let request = anonymous("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let answer = server.send(request.body(Body::from("payload=%7B%7D")).expect("it is one")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "NOT_CONFIGURED"), "{path}");
    }
}
