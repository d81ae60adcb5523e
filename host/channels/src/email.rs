//! Mail by SMTP: plain text and a little HTML with the choices as links. A link leads to a page that asks once more.

use crate::config::{ConfigError, Email};
use crate::{not_a_target, refused, text};
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use std::fmt::Write as _;
use std::time::Duration;
use types::exec::{ChannelKind, Dispatch};
use types::{Fault, FaultKind};

/// Of one command of SMTP.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections to the mail server that are kept.
const CONNECTIONS_MAX: u32 = 8;
const IDLE_MAX: Duration = Duration::from_secs(60);
const SUBJECT_CHARS_MAX: usize = 200;
/// RFC 5321, 4.5.3.1.3, less the angle brackets.
const ADDRESS_BYTES_MAX: usize = 254;

pub(crate) struct Mailer {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Mailer {
    pub(crate) fn new(config: Email) -> Result<Self, ConfigError> {
        const URL: &str = "channels.email.smtp_url";
        let accepted = "write smtps://HOST, smtp://HOST?tls=required, or smtp://127.0.0.1:25 for one on this machine";
        let from = config.from.parse().map_err(|_| {
            ConfigError::new(
                "channels.email.from",
                "it is no address; write one like Approvals <approvals@acme.example>",
            )
        })?;
        let url = url::Url::parse(&config.smtp_url).map_err(|_| ConfigError::new(URL, accepted))?;
        if url.password().is_some() || !url.username().is_empty() {
            let problem = "it names a user; name variables of the environment by user_env and password_env instead";
            return Err(ConfigError::new(URL, problem));
        }
        let is_clear = url.scheme() == "smtp" && !url.query_pairs().any(|(k, v)| k == "tls" && v == "required");
        if is_clear && config.login.is_some() && !is_loopback(&url) {
            let problem = "a password is not sent in the clear; write smtps://HOST or smtp://HOST?tls=required";
            return Err(ConfigError::new(URL, problem));
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&config.smtp_url)
            .map_err(|_| ConfigError::new(URL, accepted))?
            .timeout(Some(COMMAND_TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX).idle_timeout(IDLE_MAX));
        let builder = match config.login {
            Some((user, password)) => builder.credentials(Credentials::new(user, password.reveal().to_owned())),
            None => builder,
        };
        Ok(Self { from, transport: builder.build() })
    }

    pub(crate) async fn send(&self, message: &Dispatch) -> Result<(), Fault> {
        let mail = compose(&self.from, message)?;
        self.transport.send(mail).await.map(drop).map_err(|error| fault_of(&error))
    }
}

fn is_loopback(url: &url::Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// That a machine wrote it, so that no machine answers (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn compose(from: &Mailbox, message: &Dispatch) -> Result<Message, Fault> {
    let address = (message.target.len() <= ADDRESS_BYTES_MAX && message.target.is_ascii())
        .then(|| message.target.parse::<Address>().ok())
        .flatten()
        .ok_or_else(|| not_a_target(ChannelKind::Email, &message.target, "write one like ann@acme.example"))?;
    let subject = text::line(&message.subject, SUBJECT_CHARS_MAX);
    let id = format!("<{}@{}>", id_of(&message.id), from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address))
        .subject(if subject.is_empty() { "Message".to_owned() } else { subject })
        .message_id(Some(id))
        .date_now()
        .header(AutoSubmitted)
        .multipart(MultiPart::alternative_plain_html(plain(message), html(message)))
        .map_err(|error| {
            tracing::warn!(%error, "a mail cannot be composed");
            Fault::internal()
        })
}

/// What stands before the `@` of a Message-ID: the id itself, or what stands for one that has other letters.
fn id_of(id: &str) -> String {
    let is_plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if is_plain && id.len() <= 128 {
        return id.to_owned();
    }
    let mut hex = String::with_capacity(2 * id.len());
    for byte in id.bytes().take(128) {
        write!(hex, "{byte:02x}").expect("a string takes everything");
    }
    format!("x{hex}")
}

fn plain(message: &Dispatch) -> String {
    let mut body = message.text.clone();
    for choice in message.choices.iter().filter(|choice| text::is_link(&choice.url)) {
        write!(body, "\n\n{}: {}", text::line(&choice.label, 100), choice.url).expect("a string takes everything");
    }
    body.push('\n');
    body
}

fn html(message: &Dispatch) -> String {
    let mut body = String::from("<!doctype html><html><body style=\"font-family:sans-serif\">");
    for paragraph in message.text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        let paragraph = text::html(paragraph.trim()).replace('\n', "<br>");
        write!(body, "<p>{paragraph}</p>").expect("a string takes everything");
    }
    for choice in message.choices.iter().filter(|choice| text::is_link(&choice.url)) {
        let (url, label) = (text::html(&choice.url), text::html(&text::line(&choice.label, 100)));
        write!(body, "<p><a href=\"{url}\">{label}</a></p>").expect("a string takes everything");
    }
    body.push_str("</body></html>");
    body
}

/// Of what the server said only the code leaves the host.
fn fault_of(error: &smtp::Error) -> Fault {
    tracing::debug!(%error, "a mail was not taken");
    if error.is_timeout() {
        return Fault::new(FaultKind::Timeout, "CHANNEL_TIMEOUT", "the mail server did not answer in time");
    }
    match error.status() {
        Some(code) => {
            let (code, said) = (u16::from(code), format!("the mail server answered {code}"));
            // No such mailbox, or not one that this server delivers to (RFC 5321, 4.2.3).
            if matches!(code, 550 | 551 | 553) {
                return Fault::invalid("CHANNEL_TARGET", format!("the address was refused: {said}"));
            }
            refused(ChannelKind::Email, &said)
        }
        None if error.is_tls() => refused(ChannelKind::Email, "no secure connection to the mail server was made"),
        None => refused(ChannelKind::Email, "the mail server cannot be reached, or broke the connection off"),
    }
}

#[cfg(test)]
mod tests;
