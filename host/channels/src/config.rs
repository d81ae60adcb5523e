//! What is configured. Credentials are values here; where they come from is the CLI's to know.

use std::fmt;
use std::path::PathBuf;

/// What a server can send by; what is not there is not configured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    pub email: Option<Email>,
    pub slack: Option<Slack>,
    pub sms: Option<Sms>,
    pub webhook: Option<Webhook>,
    /// For tests: whatever is to be sent is appended to this file instead, a JSON object a line.
    pub capture: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email {
    /// `smtps://HOST[:PORT]` (TLS from the start), `smtp://HOST[:PORT]?tls=required` (STARTTLS) or `smtp://HOST[:PORT]`
    /// (in the clear, for a server on this machine).
    pub smtp_url: String,
    /// `Approvals <approvals@acme.example>`, or the address alone.
    pub from: String,
    /// None: the server asks for no password.
    pub login: Option<(String, Secret)>,
}

/// A bot of Slack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slack {
    /// Instead of Slack's own, `https://slack.com/api/`.
    pub base_url: Option<String>,
    /// `xoxb-…`
    pub token: Secret,
}

/// A provider of text messages that takes what Twilio takes: a form with `To`, `From` and `Body`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sms {
    /// `https://api.twilio.com/2010-04-01/Accounts/AC…/Messages.json`
    pub url: String,
    pub from: String,
    pub user: String,
    pub password: Secret,
}

/// Webhooks of people: any URL is posted to; who gets it knows us by the signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// `whsec_` and the base64 of 24 to 64 bytes.
    pub secret: Secret,
}

/// Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A setting that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// `channels.email.smtp_url`
    pub setting: &'static str,
    /// What is wrong, and what would be accepted; never the value of a secret.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self { setting, problem: problem.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl std::error::Error for ConfigError {}
