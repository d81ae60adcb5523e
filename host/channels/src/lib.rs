//! Messages to people: mail by SMTP, Slack, text messages by a provider, webhooks (spec WRK-8, 13.5).
//!
//! One message for one channel goes out once; who tries again is the caller, whose journal knows what went out. Whom to
//! tell, when and how often is decided in `runtime`. Nothing here reads the environment: credentials come in [`Config`].
//!
//! - [`config`]: what is configured, and what is wrong with it
//! - `email`, `slack`, `sms`, `webhook`: one file each, behind one function
//! - `capture`: instead of all of them, a file (spec T-4)
//! - `text`: what of a message fits into a line or a message of somebody else's

mod capture;
pub mod config;
mod email;
mod post;
mod slack;
mod sms;
#[cfg(test)]
mod testing;
mod text;
mod webhook;

pub use config::{Config, ConfigError, Email, Secret, Slack, Sms, Webhook};

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use types::exec::{BoxFuture, ChannelKind, Channels, Dispatch, Executor};
use types::{Fault, FaultKind};

/// Messages of one kind that are on their way at once, so that a channel that hangs keeps no other waiting; who comes
/// then waits, within his own time.
pub const SENDS_MAX: usize = 16;
/// For all of it: the wait for a place, the connection, the answer.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest text of a message, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// The most things to press in one message.
pub const CHOICES_MAX: usize = 20;
/// Of a webhook's payload, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 256 << 10;

/// Sends by whatever is configured.
pub struct Sender {
    email: Option<email::Mailer>,
    slack: Option<slack::Bot>,
    sms: Option<sms::Provider>,
    webhook: Option<webhook::Poster>,
    capture: Option<capture::File>,
    places: [Semaphore; ChannelKind::ALL.len()],
    timeout: Duration,
}

impl Sender {
    /// `executor` posts to webhooks, behind the guard of guests' requests. Reads the system's certificates; connects to
    /// nobody. Must be called where tokio runs.
    ///
    /// # Errors
    /// What of the configuration cannot be used, naming the setting.
    pub fn new(config: Config, executor: Arc<dyn Executor>) -> Result<Self, ConfigError> {
        let Config { email, slack, sms, webhook, capture } = config;
        Ok(Self {
            email: email.map(email::Mailer::new).transpose()?,
            slack: slack.map(slack::Bot::new).transpose()?,
            sms: sms.map(sms::Provider::new).transpose()?,
            webhook: webhook.map(|webhook| webhook::Poster::new(&webhook, executor)).transpose()?,
            capture: capture.map(capture::File::new),
            places: std::array::from_fn(|_| Semaphore::new(SENDS_MAX)),
            timeout: SEND_TIMEOUT,
        })
    }

    async fn send(&self, message: &Dispatch) -> Result<(), Fault> {
        check(message)?;
        if let Some(capture) = &self.capture {
            return capture.append(message).await;
        }
        match message.channel {
            ChannelKind::Email => self.email.as_ref().ok_or_else(|| unconfigured(message.channel))?.send(message).await,
            ChannelKind::Slack => self.slack.as_ref().ok_or_else(|| unconfigured(message.channel))?.send(message).await,
            ChannelKind::Sms => self.sms.as_ref().ok_or_else(|| unconfigured(message.channel))?.send(message).await,
            ChannelKind::Webhook => {
                self.webhook.as_ref().ok_or_else(|| unconfigured(message.channel))?.send(message).await
            }
        }
    }
}

impl Channels for Sender {
    fn deliver(&self, message: Dispatch) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let kind = message.channel;
            let sending = async {
                let _place = self.places[kind as usize].acquire().await.map_err(|_| Fault::internal())?;
                self.send(&message).await
            };
            tokio::time::timeout(self.timeout, sending).await.unwrap_or_else(|_| {
                let waited = self.timeout.as_millis();
                let message = format!("the {} message was not taken within {waited} ms", kind.as_str());
                Err(Fault::new(FaultKind::Timeout, "CHANNEL_TIMEOUT", message))
            })
        })
    }
}

fn unconfigured(kind: ChannelKind) -> Fault {
    let kind = kind.as_str();
    let message = format!("no {kind} channel is configured on this server; its settings are [channels.{kind}]");
    Fault::new(FaultKind::Unavailable, "CHANNEL_UNAVAILABLE", message)
}

fn check(message: &Dispatch) -> Result<(), Fault> {
    let too_large = |what: &str, has: usize, most: usize| {
        Err(Fault::limit("MESSAGE_LIMIT", format!("{what} of a message has {has}; at most {most} are sent")))
    };
    if message.text.len() > TEXT_BYTES_MAX {
        return too_large("the text in bytes", message.text.len(), TEXT_BYTES_MAX);
    }
    if message.choices.len() > CHOICES_MAX {
        return too_large("the list of choices", message.choices.len(), CHOICES_MAX);
    }
    let payload = message.payload.as_ref().map_or(0, |payload| payload.as_str().len());
    if payload > PAYLOAD_BYTES_MAX {
        return too_large("the payload in bytes", payload, PAYLOAD_BYTES_MAX);
    }
    Ok(())
}

/// For a target that is none; it may be shown, for it is the caller's own.
fn not_a_target(kind: ChannelKind, target: &str, accepted: &str) -> Fault {
    let shown: String = target.chars().filter(|c| !c.is_control()).take(100).collect();
    Fault::invalid("CHANNEL_TARGET", format!("{shown:?} is no target of {}; {accepted}", kind.as_str()))
}

/// The other side answered, and did not take it.
fn refused(kind: ChannelKind, said: &str) -> Fault {
    Fault::new(FaultKind::Upstream, "CHANNEL_FAILED", format!("the {} message was not taken: {said}", kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::{Nobody, message};

    fn sender(config: Config) -> Sender {
        Sender::new(config, Arc::new(Nobody)).expect("it is a configuration")
    }

    #[tokio::test]
    async fn a_kind_that_is_not_configured_names_its_setting() {
        let sender = sender(Config::default());
        for kind in ChannelKind::ALL {
            let fault = sender.deliver(message(kind, "x")).await.expect_err("nothing is configured");
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Unavailable, "CHANNEL_UNAVAILABLE"));
            assert!(fault.message.contains(&format!("[channels.{}]", kind.as_str())), "{}", fault.message);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_is_refused_before_anything_is_sent() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sent.jsonl");
        let sender = sender(Config { capture: Some(file.clone()), ..Config::default() });
        let long = Dispatch { text: "x".repeat(TEXT_BYTES_MAX + 1), ..message(ChannelKind::Email, "a@b.example") };
        assert_eq!(sender.deliver(long).await.expect_err("it is too long").code, "MESSAGE_LIMIT");
        let choice = types::exec::Choice { label: "a".into(), url: String::new(), value: String::new() };
        let choices = vec![choice; CHOICES_MAX + 1];
        let many = Dispatch { choices, ..message(ChannelKind::Email, "a@b.example") };
        assert_eq!(sender.deliver(many).await.expect_err("they are too many").code, "MESSAGE_LIMIT");
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn what_is_captured_is_one_line_a_message_and_goes_nowhere_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sent.jsonl");
        let sender = sender(Config { capture: Some(file.clone()), ..Config::default() });
        let sending = (0..40).map(|n| sender.deliver(message(ChannelKind::ALL[n % 4], &format!("target-{n}"))));
        for sent in futures::future::join_all(sending).await {
            sent.expect("it is captured");
        }
        let text = std::fs::read_to_string(&file).expect("the file is there");
        let lines: Vec<Dispatch> =
            text.lines().map(|line| serde_json::from_str(line).expect("each line is a message")).collect();
        assert_eq!(lines.len(), 40);
    }

    #[tokio::test]
    async fn a_channel_that_hangs_is_left_when_its_time_is_over_and_keeps_no_other_waiting() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", silent.local_addr().expect("it has one"));
        let slack = Slack { base_url: Some(url), token: Secret::new("xoxb-1") };
        let sms = testing::answering(|_| "{}".to_owned()).await;
        let sms_config = Sms { url: sms.url(), from: "+1".into(), user: "u".into(), password: Secret::new("p") };
        let mut sender = sender(Config { slack: Some(slack), sms: Some(sms_config), ..Config::default() });
        sender.timeout = Duration::from_millis(300);
        let hanging = (0..SENDS_MAX + 1).map(|_| sender.deliver(message(ChannelKind::Slack, "U1")));
        let other = async {
            sender.deliver(message(ChannelKind::Sms, "+15550100")).await.expect("it is answered");
        };
        let (faults, ()) = tokio::join!(futures::future::join_all(hanging), other);
        for fault in faults {
            assert_eq!(fault.expect_err("nobody answers").code, "CHANNEL_TIMEOUT");
        }
    }
}
