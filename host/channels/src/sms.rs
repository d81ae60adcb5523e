//! Text messages, by a provider that takes Twilio's form: `To`, `From`, `Body`.

use crate::config::{ConfigError, Secret, Sms};
use crate::{not_a_target, post, refused, text};
use types::Fault;
use types::exec::{ChannelKind, Dispatch};

/// Twilio's limit; such a message is ten or more on the way.
const BODY_CHARS_MAX: usize = 1_600;
/// Digits of a number (E.164).
const DIGITS: std::ops::RangeInclusive<usize> = 5..=15;

pub(crate) struct Provider {
    client: reqwest::Client,
    url: url::Url,
    from: String,
    user: String,
    password: Secret,
}

impl Provider {
    pub(crate) fn new(config: Sms) -> Result<Self, ConfigError> {
        const SETTING: &str = "channels.sms.url";
        let Sms { url, from, user, password } = config;
        Ok(Self { client: post::client(SETTING)?, url: post::endpoint(SETTING, &url)?, from, user, password })
    }

    pub(crate) async fn send(&self, message: &Dispatch) -> Result<(), Fault> {
        if !is_number(&message.target) {
            return Err(not_a_target(ChannelKind::Sms, &message.target, "write a number like +15550100"));
        }
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("To", &message.target)
            .append_pair("From", &self.from)
            .append_pair("Body", &body(message))
            .finish();
        let request = self
            .client
            .post(self.url.clone())
            .basic_auth(&self.user, Some(self.password.reveal()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let answer = post::send(ChannelKind::Sms, request).await?;
        match answer.status {
            200..=299 => Ok(()),
            // Twilio's code for a number that is none is within; others have others.
            400 | 422 => Err(Fault::invalid(
                "CHANNEL_TARGET",
                format!("the provider of text messages refused the number or the text (status {})", answer.status),
            )),
            status => Err(refused(ChannelKind::Sms, &format!("the provider answered with status {status}"))),
        }
    }
}

fn is_number(target: &str) -> bool {
    let Some(digits) = target.strip_prefix('+') else { return false };
    DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The subject, the text, and how to answer: what is to be written back where a choice says so, else where it leads. The
/// text is shortened, and not how to answer.
fn body(message: &Dispatch) -> String {
    let mut ways = Vec::new();
    for choice in &message.choices {
        let label = text::line(&choice.label, 40);
        if !choice.value.is_empty() {
            ways.push(format!("{label}: reply {}", text::line(&choice.value, 40)));
        } else if text::is_link(&choice.url) {
            ways.push(format!("{label}: {}", choice.url));
        }
    }
    let ways = text::cut(&ways.join("\n"), BODY_CHARS_MAX / 2);
    let subject = text::line(&message.subject, 160);
    let said = if subject.is_empty() { message.text.clone() } else { format!("{subject}\n{}", message.text) };
    let room = BODY_CHARS_MAX - ways.chars().count() - 1;
    if ways.is_empty() { text::cut(&said, room) } else { format!("{}\n{ways}", text::cut(said.trim_end(), room)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answering, message};
    use types::exec::Choice;

    #[tokio::test]
    async fn a_provider_gets_the_form_and_the_password() {
        let server = answering(|_| "{}".to_owned()).await;
        let config =
            Sms { url: server.url(), from: "+15550001".into(), user: "AC1".into(), password: Secret::new("p&") };
        let provider = Provider::new(config).expect("it is one");
        let message =
            Dispatch { subject: "Pay".into(), text: "a & b".into(), ..message(ChannelKind::Sms, "+15550100") };
        provider.send(&message).await.expect("it is taken");
        let heard = server.heard();
        let form: Vec<(String, String)> = url::form_urlencoded::parse(heard[0].body.as_bytes()).into_owned().collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(form, [pair("To", "+15550100"), pair("From", "+15550001"), pair("Body", "Pay\na & b")]);
        // `printf 'AC1:p&' | base64`
        assert_eq!(heard[0].header("authorization"), "Basic QUMxOnAm");
        let wrong = Dispatch { target: "15550100".into(), ..message };
        assert_eq!(provider.send(&wrong).await.expect_err("it is no number").code, "CHANNEL_TARGET");
        assert_eq!(server.heard().len(), 1);
    }

    #[test]
    fn a_long_text_leaves_room_for_how_to_answer() {
        let choice =
            |label: &str, value: &str, url: &str| Choice { label: label.into(), value: value.into(), url: url.into() };
        let choices = vec![choice("Approve", "YES AB12CD34", ""), choice("See", "", "https://a.example/1")];
        let message = Dispatch { text: "é".repeat(3_000), choices, ..message(ChannelKind::Sms, "+15550100") };
        let body = body(&message);
        assert!(body.chars().count() <= BODY_CHARS_MAX);
        assert!(body.ends_with("…\nApprove: reply YES AB12CD34\nSee: https://a.example/1"), "{body}");
    }
}
