//! Webhooks of people and teams: the payload as JSON, signed as Standard Webhooks says (spec 13.5), behind the guard of
//! guests' requests: nobody makes this server knock at a private address by writing a URL into a person's channels.

use crate::config::{ConfigError, Webhook};
use crate::{not_a_target, refused};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use types::exec::{ChannelKind, Dispatch, Executor, Letter};
use types::{Fault, FaultKind};

const POST_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;

pub(crate) struct Poster {
    key: Vec<u8>,
    executor: Arc<dyn Executor>,
}

impl Poster {
    pub(crate) fn new(config: &Webhook, executor: Arc<dyn Executor>) -> Result<Self, ConfigError> {
        let key = auth::signature::standard_key(config.secret.reveal()).ok_or_else(|| {
            ConfigError::new("channels.webhook.secret_env", "the secret is not whsec_ and the base64 of 24 to 64 bytes")
        })?;
        Ok(Self { key, executor })
    }

    pub(crate) async fn send(&self, message: &Dispatch) -> Result<(), Fault> {
        let url = &message.target;
        if url.len() > URL_BYTES_MAX || !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(not_a_target(ChannelKind::Webhook, url, "write a URL like https://example.com/notify"));
        }
        let courier = self.executor.courier().ok_or_else(|| Fault::unavailable("posting to webhooks"))?;
        let body = body(message);
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", auth::signature::sign_standard(&self.key, &message.id, timestamp, &body)),
        ];
        let letter = Letter { url: url.clone(), headers, body, timeout: POST_TIMEOUT };
        let receipt = courier.post(letter).await?;
        match receipt.status {
            200..=299 => Ok(()),
            429 => {
                let message = "the receiver of the webhook wants fewer messages for now";
                Err(Fault::new(FaultKind::RateLimited, "CHANNEL_RATE_LIMITED", message))
            }
            // Its receiver says that it is gone for good (Standard Webhooks, 410).
            410 => Err(Fault::invalid("CHANNEL_TARGET", "the webhook's receiver is gone (status 410)")),
            status => Err(refused(ChannelKind::Webhook, &format!("its receiver answered with status {status}"))),
        }
    }
}

/// The payload, or what stands for one.
fn body(message: &Dispatch) -> String {
    match &message.payload {
        Some(payload) => payload.as_str().to_owned(),
        None => {
            let choices: Vec<_> = message.choices.iter().map(|c| json!({ "label": c.label, "url": c.url })).collect();
            let data = json!({ "subject": message.subject, "text": message.text, "choices": choices });
            json!({ "type": "message", "id": message.id, "data": data }).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::testing::{Nobody, Posting, message};

    fn config() -> Webhook {
        Webhook { secret: Secret::new("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=") }
    }

    #[tokio::test]
    async fn a_payload_is_signed_over_its_own_bytes() {
        let posting = Arc::new(Posting::answering(204));
        let poster = Poster::new(&config(), posting.clone()).expect("the secret is one");
        let payload = types::Json::of(&json!({ "type": "notification", "n": 1 }));
        let message = Dispatch {
            payload: Some(payload),
            id: "m.1".into(),
            ..message(ChannelKind::Webhook, "https://a.example/in")
        };
        poster.send(&message).await.expect("it is taken");
        let letters = posting.letters();
        let [letter] = letters.as_slice() else { panic!("one letter") };
        let header =
            |name: &str| letter.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default();
        assert_eq!((header("webhook-id").as_str(), letter.body.as_str()), ("m.1", r#"{"type":"notification","n":1}"#));
        let timestamp: u64 = header("webhook-timestamp").parse().expect("it counts seconds");
        let expected = auth::signature::sign_standard(
            b"0123456789abcdef0123456789abcdef",
            "m.1",
            timestamp,
            r#"{"type":"notification","n":1}"#,
        );
        assert_eq!(header("webhook-signature"), expected);
    }

    #[tokio::test]
    async fn only_a_2xx_is_taken_for_delivered() {
        for (status, code) in [
            (200, ""),
            (301, "CHANNEL_FAILED"),
            (410, "CHANNEL_TARGET"),
            (429, "CHANNEL_RATE_LIMITED"),
            (500, "CHANNEL_FAILED"),
        ] {
            let poster = Poster::new(&config(), Arc::new(Posting::answering(status))).expect("the secret is one");
            let sent = poster.send(&message(ChannelKind::Webhook, "https://a.example/in")).await;
            assert_eq!(sent.err().map(|fault| fault.code).unwrap_or_default(), code, "{status}");
        }
    }

    #[tokio::test]
    async fn a_target_that_is_no_url_is_refused_and_so_is_a_secret_that_is_none() {
        let poster = Poster::new(&config(), Arc::new(Nobody)).expect("the secret is one");
        let sent = poster.send(&message(ChannelKind::Webhook, "ann@acme.example")).await;
        assert_eq!(sent.expect_err("it is no URL").code, "CHANNEL_TARGET");
        let wrong = Webhook { secret: Secret::new("secret-value") };
        let error = Poster::new(&wrong, Arc::new(Nobody)).err().expect("it is no secret");
        assert!(!error.to_string().contains("secret-value"), "{error}");
    }
}
