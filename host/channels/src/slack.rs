//! Slack, by a bot's `chat.postMessage`. Text is never markup: nothing in it calls a channel together or hides a link.

use crate::config::{ConfigError, Secret, Slack};
use crate::{not_a_target, post, refused, text};
use serde_json::{Value, json};
use types::exec::{ChannelKind, Choice, Dispatch};
use types::{Fault, FaultKind};

const BASE_URL: &str = "https://slack.com/api/";
/// Slack's own limits: of a header, of a section's text, of a button's label and value.
const HEADER_CHARS_MAX: usize = 150;
const SECTION_CHARS_MAX: usize = 3_000;
const LABEL_CHARS_MAX: usize = 75;
const VALUE_CHARS_MAX: usize = 2_000;
/// Of a channel's or user's id; Slack's are a dozen.
const TARGET_CHARS_MAX: usize = 80;

pub(crate) struct Bot {
    client: reqwest::Client,
    url: url::Url,
    token: Secret,
}

impl Bot {
    pub(crate) fn new(config: Slack) -> Result<Self, ConfigError> {
        const SETTING: &str = "channels.slack.base_url";
        let mut base = config.base_url.unwrap_or_else(|| BASE_URL.to_owned());
        if !base.ends_with('/') {
            base.push('/');
        }
        let url = post::endpoint(SETTING, &base)?
            .join("chat.postMessage")
            .map_err(|_| ConfigError::new(SETTING, "it is no URL that others can be made from"))?;
        Ok(Self { client: post::client(SETTING)?, url, token: config.token })
    }

    pub(crate) async fn send(&self, message: &Dispatch) -> Result<(), Fault> {
        let target = &message.target;
        let is_target = (1..=TARGET_CHARS_MAX).contains(&target.len())
            && target.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'#' | b'-' | b'_' | b'.'));
        if !is_target {
            return Err(not_a_target(ChannelKind::Slack, target, "write a user's or channel's id like U2CERLKJA"));
        }
        let request = self.client.post(self.url.clone()).bearer_auth(self.token.reveal()).json(&body(message));
        let answer = post::send(ChannelKind::Slack, request).await?;
        if answer.status != 200 {
            return Err(refused(ChannelKind::Slack, &format!("Slack answered with status {}", answer.status)));
        }
        let said: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| refused(ChannelKind::Slack, "Slack answered something that is no JSON"))?;
        if said["ok"] == true {
            return Ok(());
        }
        Err(fault_of(said["error"].as_str().unwrap_or_default(), target))
    }
}

fn body(message: &Dispatch) -> Value {
    let mut blocks = Vec::new();
    let header = text::line(&message.subject, HEADER_CHARS_MAX);
    if !header.is_empty() {
        blocks.push(json!({ "type": "header", "text": { "type": "plain_text", "text": header } }));
    }
    for piece in text::pieces(&message.text, SECTION_CHARS_MAX) {
        blocks.push(json!({ "type": "section", "text": { "type": "plain_text", "text": piece } }));
    }
    let buttons: Vec<Value> = message.choices.iter().enumerate().filter_map(button).collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    // What a notification shows; it is markup, unless its own signs are escaped.
    let summary = if message.subject.is_empty() { &message.text } else { &message.subject };
    let summary = text::line(summary, HEADER_CHARS_MAX).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "channel": message.target, "text": summary, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

/// A button that tells the server; without a value one that leads to the page.
fn button((number, choice): (usize, &Choice)) -> Option<Value> {
    let label = text::line(&choice.label, LABEL_CHARS_MAX);
    let mut button = json!({
        "type": "button",
        "action_id": format!("choice-{number}"),
        "text": { "type": "plain_text", "text": if label.is_empty() { "Open".to_owned() } else { label } },
    });
    if !choice.value.is_empty() && choice.value.len() <= VALUE_CHARS_MAX {
        button["value"] = json!(choice.value);
    } else if text::is_link(&choice.url) {
        button["url"] = json!(choice.url);
    } else {
        return None;
    }
    Some(button)
}

/// Slack says 200 and what went wrong in its body.
fn fault_of(error: &str, target: &str) -> Fault {
    match error {
        "channel_not_found" | "user_not_found" | "not_in_channel" | "is_archived" | "cannot_dm_bot" => not_a_target(
            ChannelKind::Slack,
            target,
            &format!("Slack says {error}; give the id of a user or of a channel that the bot is in"),
        ),
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" | "missing_scope" => {
            let message = format!("Slack says {error}; the bot's token ([channels.slack] token_env) has to be renewed");
            Fault::new(FaultKind::Unavailable, "CHANNEL_UNAVAILABLE", message)
        }
        "ratelimited" | "rate_limited" => {
            Fault::new(FaultKind::RateLimited, "CHANNEL_RATE_LIMITED", "Slack wants fewer messages for now")
        }
        other => refused(ChannelKind::Slack, &format!("Slack says {}", text::line(other, 100))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Heard, answering, message};

    async fn send(message: Dispatch, answer: &'static str) -> (Result<(), Fault>, Vec<Heard>) {
        let server = answering(move |_| answer.to_owned()).await;
        let bot = Bot::new(Slack { base_url: Some(server.url()), token: Secret::new("xoxb-1") }).expect("it is one");
        let sent = bot.send(&message).await;
        (sent, server.heard())
    }

    #[tokio::test]
    async fn a_message_has_its_buttons_and_no_markup() {
        let choice =
            |label: &str, value: &str, url: &str| Choice { label: label.into(), value: value.into(), url: url.into() };
        let message = Dispatch {
            subject: "Pay <!channel>\r\n".into(),
            text: "x".repeat(SECTION_CHARS_MAX + 1),
            choices: vec![
                choice("Approve", "r1:token", "https://a.example/1"),
                choice("Open", "", "https://a.example/2"),
                choice("Nowhere", "", "javascript:alert(1)"),
            ],
            ..message(ChannelKind::Slack, "U2CERLKJA")
        };
        let (sent, heard) = send(message, r#"{"ok":true}"#).await;
        sent.expect("it is taken");
        let [heard] = heard.as_slice() else { panic!("one request: {}", heard.len()) };
        assert_eq!((heard.path.as_str(), heard.header("authorization")), ("/chat.postMessage", "Bearer xoxb-1"));
        let body: Value = serde_json::from_str(&heard.body).expect("it is JSON");
        assert_eq!((&body["channel"], &body["text"]), (&json!("U2CERLKJA"), &json!("Pay &lt;!channel&gt;")));
        let blocks = body["blocks"].as_array().expect("there are blocks");
        let kinds: Vec<_> = blocks.iter().map(|block| block["type"].as_str().unwrap_or_default()).collect();
        assert_eq!(kinds, ["header", "section", "section", "actions"]);
        assert!(blocks.iter().all(|block| block["text"]["type"] != "mrkdwn"));
        let buttons = blocks[3]["elements"].as_array().expect("there are buttons");
        assert_eq!((buttons.len(), &buttons[0]["value"]), (2, &json!("r1:token")));
        assert_eq!((&buttons[1]["url"], buttons[0].get("url")), (&json!("https://a.example/2"), None));
    }

    #[tokio::test]
    async fn what_slack_refuses_with_status_200_is_a_fault() {
        for (answer, code, is_retryable) in [
            (r#"{"ok":false,"error":"channel_not_found"}"#, "CHANNEL_TARGET", false),
            (r#"{"ok":false,"error":"invalid_auth"}"#, "CHANNEL_UNAVAILABLE", true),
            (r#"{"ok":false,"error":"ratelimited"}"#, "CHANNEL_RATE_LIMITED", true),
            (r#"{"ok":false,"error":"fatal_error"}"#, "CHANNEL_FAILED", true),
            ("{}", "CHANNEL_FAILED", true),
            ("<html>", "CHANNEL_FAILED", true),
        ] {
            let (sent, _) = send(message(ChannelKind::Slack, "U1"), answer).await;
            let fault = sent.expect_err("it is not taken");
            assert_eq!((fault.code.as_str(), fault.kind.is_retryable()), (code, is_retryable), "{answer}");
            assert!(!fault.message.contains("xoxb"), "{}", fault.message);
        }
        let (sent, heard) = send(message(ChannelKind::Slack, "U1\r\nX: y"), "{}").await;
        assert_eq!((sent.expect_err("it is no target").code.as_str(), heard.len()), ("CHANNEL_TARGET", 0));
    }

    #[test]
    fn a_token_is_not_sent_in_the_clear() {
        for (base, is_taken) in [
            ("https://slack.example/api", true),
            ("http://127.0.0.1:9/", true),
            ("http://slack.example/", false),
            ("slack", false),
            ("ftp://slack.example/", false),
        ] {
            let bot = Bot::new(Slack { base_url: Some(base.into()), token: Secret::new("t") });
            assert_eq!(bot.is_ok(), is_taken, "{base}");
        }
    }
}
