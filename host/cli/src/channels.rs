//! The section `channels` of the server's settings: by what people are written to. Secrets are in the environment, and the
//! file says under which names.

use crate::env::Env;
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What it says, with the secrets.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) sending: channels::Config,
    /// What Slack signs with what it sends.
    pub(crate) slack_signing_secret: Option<Secret>,
    /// By what the provider of text messages is known when it brings a reply.
    pub(crate) sms_login: Option<(String, Secret)>,
}

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Text {
    capture: Option<PathBuf>,
    email: Email,
    slack: Slack,
    sms: Sms,
    webhook: Webhook,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Email {
    smtp_url: String,
    from: String,
    user_env: String,
    password_env: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Slack {
    token_env: String,
    signing_secret_env: String,
    base_url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sms {
    url: String,
    from: String,
    user_env: String,
    password_env: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Webhook {
    secret_env: String,
}

impl Text {
    /// `folder`: where relative paths of the file start.
    ///
    /// # Errors
    /// A half of two that belong together, a variable that is not set: naming the setting.
    pub(crate) fn settings(self, env: &Env, folder: &Path) -> Result<Settings> {
        let Self { capture, email, slack, sms, webhook } = self;
        let capture = capture.filter(|path| !path.as_os_str().is_empty()).map(|path| folder.join(path));
        let sms_login = login(env, "sms", &sms.user_env, &sms.password_env)?;
        let sending = channels::Config {
            email: email.config(env)?,
            slack: slack.config(env)?,
            sms: sms.config(sms_login.clone())?,
            webhook: value(env, "channels.webhook.secret_env", &webhook.secret_env)?
                .map(|secret| channels::Webhook { secret: hidden(&secret) }),
            capture,
        };
        let slack_signing_secret = value(env, "channels.slack.signing_secret_env", &slack.signing_secret_env)?;
        Ok(Settings { sending, slack_signing_secret, sms_login })
    }
}

impl Email {
    fn config(self, env: &Env) -> Result<Option<channels::Email>> {
        let Self { smtp_url, from, user_env, password_env } = self;
        if smtp_url.is_empty() {
            return Ok(None);
        }
        if from.is_empty() {
            return Err(missing("channels.email.from", "mail comes from an address"));
        }
        let login = login(env, "email", &user_env, &password_env)?.map(|(user, password)| (user, hidden(&password)));
        Ok(Some(channels::Email { smtp_url, from, login }))
    }
}

impl Slack {
    fn config(&self, env: &Env) -> Result<Option<channels::Slack>> {
        let token = value(env, "channels.slack.token_env", &self.token_env)?;
        let base_url = Some(self.base_url.clone()).filter(|url| !url.is_empty());
        Ok(token.map(|token| channels::Slack { base_url, token: hidden(&token) }))
    }
}

impl Sms {
    fn config(self, login: Option<(String, Secret)>) -> Result<Option<channels::Sms>> {
        let Self { url, from, user_env: _, password_env: _ } = self;
        if url.is_empty() {
            return Ok(None);
        }
        if from.is_empty() {
            return Err(missing("channels.sms.from", "text messages come from a number"));
        }
        let (user, password) = login
            .ok_or_else(|| missing("channels.sms.user_env", "a provider of text messages knows us by a password"))?;
        Ok(Some(channels::Sms { url, from, user, password: hidden(&password) }))
    }
}

fn missing(setting: &str, why: &str) -> Failure {
    Failure::new("CONFIG_INVALID", format!("{setting} is missing: {why}"))
}

fn hidden(secret: &Secret) -> channels::Secret {
    channels::Secret::new(secret.expose())
}

/// What the variable has that the setting names.
fn value(env: &Env, setting: &str, name: &str) -> Result<Option<Secret>> {
    if name.is_empty() {
        return Ok(None);
    }
    let found = env.get(name).ok_or_else(|| {
        Failure::new("CONFIG_INVALID", format!("{setting} names the variable {name}, which is not set"))
    })?;
    Ok(Some(Secret::new(found)))
}

fn login(env: &Env, kind: &str, user: &str, password: &str) -> Result<Option<(String, Secret)>> {
    let found = (
        value(env, &format!("channels.{kind}.user_env"), user)?,
        value(env, &format!("channels.{kind}.password_env"), password)?,
    );
    match found {
        (None, None) => Ok(None),
        (Some(user), Some(password)) => Ok(Some((user.expose().to_owned(), password))),
        (Some(_), None) => Err(missing(&format!("channels.{kind}.password_env"), "a user has a password")),
        (None, Some(_)) => Err(missing(&format!("channels.{kind}.user_env"), "a password is a user's")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &str, env: &[(&str, &str)]) -> Result<Settings> {
        let text: Text = toml::from_str(file).expect("the text has the shape");
        text.settings(&Env::of(env), Path::new("/etc/org.ai"))
    }

    #[test]
    fn nothing_is_configured_until_somebody_does_and_secrets_are_not_shown() {
        let none = settings("", &[]).expect("it is right").sending;
        assert!(none.email.is_none() && none.slack.is_none() && none.sms.is_none() && none.webhook.is_none());
        let file = "capture = \"sent.jsonl\"\n[email]\nsmtp_url = \"smtps://mail.example\"\nfrom = \"a@b.example\"\n\
                    user_env = \"U\"\npassword_env = \"P\"\n[slack]\ntoken_env = \"T\"\nsigning_secret_env = \"S\"\n";
        let all = [("U", "ann"), ("P", "hunter2"), ("T", "xoxb-1"), ("S", "signing")];
        let found = settings(file, &all).expect("it is right");
        assert_eq!(found.sending.capture.as_deref(), Some(Path::new("/etc/org.ai/sent.jsonl")));
        assert!(found.sending.email.as_ref().is_some_and(|email| email.login.is_some()));
        assert!(found.sending.slack.is_some() && found.slack_signing_secret.is_some());
        let shown = format!("{found:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("xoxb-1") && !shown.contains("signing\""), "{shown}");
    }

    #[test]
    fn what_is_half_configured_names_the_setting_that_is_missing() {
        for (file, env, setting) in [
            ("[email]\nsmtp_url = \"smtps://m\"", &[][..], "channels.email.from"),
            ("[slack]\ntoken_env = \"T\"", &[], "channels.slack.token_env"),
            (
                "[email]\nsmtp_url = \"smtps://m\"\nfrom = \"a@b\"\nuser_env = \"U\"",
                &[("U", "u")],
                "channels.email.password_env",
            ),
            ("[sms]\nurl = \"https://s.example\"\nfrom = \"+1\"", &[], "channels.sms.user_env"),
            ("[webhook]\nsecret_env = \"W\"", &[("W", "")], "channels.webhook.secret_env"),
        ] {
            let failure = settings(file, env).expect_err("something is missing");
            assert!(failure.message.contains(setting), "{}", failure.message);
            assert_eq!(failure.exit as u8, 10);
        }
    }
}
