//! Subscriptions whose events are posted to a URL (spec ON-8): what is stored of one, and how an event is delivered.
//!
//! A delivery is a durable invocation as for a handler, so it is retried, held back and ends as a dead letter as others
//! are. Only its run is another one: no component is called, the host posts the payload. The receiver knows us by a
//! signature over `TIMESTAMP.BODY`; what it may get twice has the event's id as its idempotency key.

use super::failed::attempts_so_far;
use super::{DeliveryRow, Subscription};
use crate::declared::{Definition, Kind};
use crate::durable::DurableRun;
use crate::object::Object;
use auth::{Slot, Vault};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::deployment::{Handler, SubscriptionSpec};
use types::exec::{Courier, Entry, Letter, Receipt};
use types::{Fault, FaultKind, FunctionName, Id, InvocationRow, Json};

/// How long one delivery may take, name resolution and the answer included.
const POST_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest URL of a webhook, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// The event's id: the same however often it is posted.
const KEY_HEADER: &str = "idempotency-key";
/// When it was posted, in seconds since 1970: a receiver refuses what is old.
const TIMESTAMP_HEADER: &str = "org-ai-timestamp";
const SIGNATURE_HEADER: &str = "org-ai-signature";

/// What a webhook subscription is to be.
#[derive(Clone, PartialEq, Debug)]
pub struct WebhookWanted {
    /// The event and the URL's host unless given.
    pub name: Option<String>,
    pub event: String,
    /// `https` or `http`.
    pub url: String,
    pub priority: i32,
    pub filter: Option<String>,
    pub max_retries: u32,
}

/// The same as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WebhookSpec {
    pub(super) event: String,
    pub(super) webhook: String,
    #[serde(default)]
    pub(super) priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
    pub(super) max_retries: u32,
    /// Base64 of what the vault made of the secret, for [`slot_name`].
    pub(super) sealed: String,
}

impl WebhookWanted {
    /// Its name, or what stands for one: the event and where it goes.
    ///
    /// # Errors
    /// `invalid`, with what is wrong of the URL.
    pub(super) fn key(&self) -> Result<String, Fault> {
        let host = host_of(&self.url)?;
        Ok(self.name.clone().unwrap_or_else(|| format!("{}:{host}", self.event)))
    }
}

impl WebhookSpec {
    pub(super) fn of(definition: &Definition) -> Option<Self> {
        serde_json::from_str(definition.spec.as_str()).ok()
    }

    /// Whether it is what is wanted, whatever its secret.
    pub(super) fn is(&self, wanted: &WebhookWanted) -> bool {
        let WebhookWanted { name: _, event, url, priority, filter, max_retries } = wanted;
        (&self.event, &self.webhook, &self.priority, &self.filter, &self.max_retries)
            == (event, url, priority, filter, max_retries)
    }

    /// As the bus serves it. What is called is no function; the handler only has the place of one.
    pub(super) fn subscription(self, name: &str, after: u64) -> Result<Subscription, Fault> {
        let Self { event, webhook, priority, filter, max_retries, sealed: _ } = self;
        let handler = Handler::Function(placeholder());
        let spec = SubscriptionSpec { name: Some(name.to_owned()), event, handler, priority, filter, max_retries };
        let mut subscription = Subscription::read(name, spec, after)?;
        subscription.webhook = Some(webhook);
        Ok(subscription)
    }
}

/// Stands in the column that names a function.
fn placeholder() -> FunctionName {
    FunctionName::parse("webhook").expect("it is a function's name")
}

/// Names of subscriptions have more letters than those of secrets.
fn slot_name(subscription: &str) -> String {
    format!("webhook-{}", blake3::hash(subscription.as_bytes()).to_hex())
}

/// `example.com:8443` of a URL that can be posted to.
fn host_of(url: &str) -> Result<String, Fault> {
    let refuse = |why: &str| {
        let message = format!("the webhook's URL {why}; write one like https://example.com/events");
        Err(Fault::invalid("WEBHOOK_INVALID", message))
    };
    if url.len() > URL_BYTES_MAX {
        return refuse(&format!("has more than {URL_BYTES_MAX} bytes"));
    }
    let Ok(parsed) = url::Url::parse(url) else { return refuse("is no URL") };
    if !matches!(parsed.scheme(), "https" | "http") {
        return refuse("begins with neither https:// nor http://");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return refuse("names a user, which is no way to send credentials");
    }
    if parsed.fragment().is_some() {
        return refuse("has a fragment (#…), which is never sent");
    }
    match (parsed.host_str(), parsed.port()) {
        (None, _) => refuse("names no host"),
        (Some(host), None) => Ok(host.to_owned()),
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
    }
}

impl Object {
    /// What is to be stored of a new one, and its secret.
    pub(super) fn sealed_webhook(&self, name: &str, wanted: &WebhookWanted) -> Result<(WebhookSpec, String), Fault> {
        let secret = auth::webhook_secret(rand::random());
        let slot_name = slot_name(name);
        let slot = Slot { object: self.inner.id, name: &slot_name };
        let sealed = Vault::new(self.node.inner.node_key).seal(slot, &secret, rand::random())?;
        let WebhookWanted { name: _, event, url, priority, filter, max_retries } = wanted.clone();
        let sealed = STANDARD.encode(sealed);
        Ok((WebhookSpec { event, webhook: url, priority, filter, max_retries, sealed }, secret))
    }

    /// Who posts, if anybody does on this host.
    pub(super) fn courier(&self) -> Result<&dyn Courier, Fault> {
        self.node.inner.executor.courier().ok_or_else(|| Fault::unavailable("posting to webhooks"))
    }

    /// The invocation that a delivery to a webhook is.
    pub(super) fn letter_row(&self, subscription: &Subscription, delivery: DeliveryRow) -> InvocationRow {
        let now = self.node.now();
        let DeliveryRow { caller, trigger, payload, retry, serial, replays } = delivery;
        InvocationRow {
            id: Id::new(now, rand::random()),
            number: 0,
            function: placeholder(),
            version: 0,
            entry: Entry::Webhook { subscription: subscription.name.clone() },
            input: payload,
            caller: caller.identity,
            request_id: caller.request_id.to_string(),
            seed: rand::random(),
            accepted_at: now,
            began: false,
            trigger,
            depth: 0,
            key: None,
            serial: Some(serial),
            retry,
            // A little more than the request itself, which says better what took so long.
            timeout_ms: u64::try_from(2 * POST_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            deadline: None,
            events_after: 0,
            parent: replays,
            priority: 0,
            retry_on: Vec::new(),
        }
    }

    /// Posts a delivery. The status is what came of it.
    pub(crate) async fn post_to_webhook(&self, subscription: &str, run: &DurableRun) -> Result<Json, Fault> {
        let known = self.inner.declared.get(Kind::Subscription, subscription);
        let Some(webhook) = known.as_deref().and_then(WebhookSpec::of) else {
            let message = format!("the webhook {subscription} was removed; delete its dead letters");
            return Err(Fault::conflict("SUBSCRIPTION_GONE", message));
        };
        let secret = self.secret_of(subscription, &webhook.sealed)?;
        let mut payload = run.row.input.to_value();
        payload["attempt"] = attempts_so_far(&run.row, run.attempt()).into();
        let timestamp = self.node.now().as_millis() / 1_000;
        let body = payload.to_string();
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            (KEY_HEADER, payload["id"].as_str().unwrap_or_default().to_owned()),
            (TIMESTAMP_HEADER, timestamp.to_string()),
            (SIGNATURE_HEADER, auth::sign(&secret, timestamp, &body)),
        ];
        // Nothing leaves the host before what it tells of is durable.
        self.seen().await?;
        let letter = Letter { url: webhook.webhook, headers, body, timeout: POST_TIMEOUT };
        judge(self.courier()?.post(letter).await?)
    }

    fn secret_of(&self, subscription: &str, sealed: &str) -> Result<String, Fault> {
        let slot_name = slot_name(subscription);
        let slot = Slot { object: self.inner.id, name: &slot_name };
        let sealed = STANDARD.decode(sealed).map_err(|_| Fault::internal())?;
        Vault::new(self.node.inner.node_key).open(slot, &sealed).map_err(|_| {
            // A fork has its original's subscriptions, and must not speak in its name.
            let message =
                "the webhook's secret is not of this object, as in a fork; remove the webhook and add it again";
            Fault::conflict("WEBHOOK_SECRET", message)
        })
    }
}

/// Everything but a 2xx is a failure; a redirect too, because it is not followed.
fn judge(receipt: Receipt) -> Result<Json, Fault> {
    let Receipt { status, retry_after } = receipt;
    if (200..300).contains(&status) {
        return Ok(Json::of(&serde_json::json!({ "status": status })));
    }
    let mut details = serde_json::json!({ "status": status });
    if let Some(wait) = retry_after {
        details["retryAfterMs"] = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into();
    }
    let why = if (300..400).contains(&status) { ", and redirects are not followed" } else { "" };
    let message = format!("the webhook answered with status {status}{why}; 2xx is taken for delivered");
    Err(Fault::new(FaultKind::Upstream, "WEBHOOK_FAILED", message).with_details(&details))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_nobody_can_be_reached_at_is_refused() {
        assert_eq!(host_of("https://example.com/in?k=1").as_deref(), Ok("example.com"));
        assert_eq!(host_of("http://127.0.0.1:8080").as_deref(), Ok("127.0.0.1:8080"));
        let long = format!("https://example.com/{}", "x".repeat(URL_BYTES_MAX));
        for wrong in
            ["example.com", "ftp://example.com", "https://u@example.com", "https://a.example/#x", "https://", &long]
        {
            let refused = host_of(wrong).expect_err("it is wrong");
            assert_eq!(refused.code, "WEBHOOK_INVALID", "{wrong}");
        }
    }

    #[test]
    fn only_a_2xx_is_taken_for_delivered() {
        let judged = |status, wait: Option<u64>| judge(Receipt { status, retry_after: wait.map(Duration::from_secs) });
        assert!(judged(200, None).is_ok() && judged(204, None).is_ok());
        for status in [301, 400, 410, 429, 500, 503] {
            let fault = judged(status, Some(7)).expect_err("it is no 2xx");
            assert!(fault.kind.is_retryable(), "{status}");
            let details = fault.details.expect("it says").to_value();
            assert_eq!((&details["status"], &details["retryAfterMs"]), (&status.into(), &7_000.into()));
        }
    }
}
