//! What two servers know each other by: HMAC-SHA256 over a timestamp and a body, under a secret that only the two have.
//!
//! Three spellings: our own of webhooks of subscriptions, Standard Webhooks (spec 13.5) for messages to people, and the one
//! of Slack (spec 13.3) for what Slack sends.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;
use subtle::ConstantTimeEq;
use types::Timestamp;

/// How far the clock of the other side may be off, and so how old what it sends may be: five minutes.
pub const SKEW_SECONDS_MAX: u64 = 300;
/// Of the key of Standard Webhooks, decoded.
const STANDARD_KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Before every secret, so that people and scanners know what they have found.
const PREFIX: &str = "whsec_";

/// A new secret of so many random bytes, as it is shown once.
pub fn webhook_secret(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// `sha256=HEX`. The key is the whole text of the secret; `timestamp` counts seconds since 1970.
pub fn sign(secret: &str, timestamp: u64, body: &str) -> String {
    let timestamp = timestamp.to_string();
    format!("sha256={}", hex(&hmac_sha256(secret.as_bytes(), &[timestamp.as_bytes(), b".", body.as_bytes()])))
}

/// The key of a secret of Standard Webhooks: what base64 says behind `whsec_`. None: it is no such secret.
pub fn standard_key(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    STANDARD_KEY_BYTES.contains(&key.len()).then_some(key)
}

/// `v1,BASE64`, the header `webhook-signature` over `ID.TIMESTAMP.BODY` (spec 13.5).
pub fn sign_standard(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    let timestamp = timestamp.to_string();
    let parts = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body.as_bytes()];
    format!("v1,{}", STANDARD.encode(hmac_sha256(key, &parts)))
}

/// Whether Slack sent that, just now: `signature` is its `x-slack-signature`, `timestamp` its
/// `x-slack-request-timestamp`, the body as it came (spec 13.3).
pub fn is_of_slack(secret: &str, signature: &str, timestamp: &str, body: &[u8], now: Timestamp) -> bool {
    let Ok(sent) = timestamp.parse::<u64>() else { return false };
    if (now.as_millis() / 1_000).abs_diff(sent) > SKEW_SECONDS_MAX {
        return false;
    }
    // The header's own text is signed: a number may be spelled in several ways.
    let mac = hmac_sha256(secret.as_bytes(), &[b"v0:", timestamp.as_bytes(), b":", body]);
    let expected = format!("v0={}", hex(&mac));
    signature.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Whether both are the same, in a time that does not tell how much of them is.
pub fn same(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test` says.
    #[test]
    fn others_come_to_the_same_signature() {
        assert_eq!(
            sign("whsec_test", 1_700_000_000, "{\"a\":1}"),
            "sha256=38877139021993b830af32feea6e18a8da83eb2f6e49ee50bd9e4cf4ca4d3789"
        );
        assert_ne!(sign("whsec_test", 1_700_000_001, "{\"a\":1}"), sign("whsec_test", 1_700_000_000, "{\"a\":1}"));
    }

    #[test]
    fn a_secret_is_long_and_says_what_it_is() {
        let secret = webhook_secret([7; 32]);
        assert!(secret.starts_with("whsec_") && secret.len() == 6 + 43, "{secret}");
    }

    /// The vector of spec 25.4.
    #[test]
    fn standard_webhooks_are_signed_as_others_sign_them() {
        let key = standard_key("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("it is a secret");
        let body = r#"{"type":"invoice.paid","timestamp":"2023-11-14T22:13:20Z","data":{"id":"in_1"}}"#;
        assert_eq!(
            sign_standard(&key, "msg_test_1", 1_700_000_000, body),
            "v1,0tduHTaKycGqWs311vbcYfpbXbJR0s/IMFxglPg+FHg="
        );
        for wrong in ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert_eq!(standard_key(wrong), None, "{wrong}");
        }
    }

    const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A\
        %2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SLACK_SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn is_slacks(signature: &str, timestamp: &str, body: &str, now: u64) -> bool {
        is_of_slack(SLACK_SECRET, signature, timestamp, body.as_bytes(), Timestamp::from_millis(now * 1_000))
    }

    /// The vectors of spec 25.3, of which the first is Slack's own.
    #[test]
    fn what_slack_has_signed_is_known_for_five_minutes() {
        for (now, is_taken) in
            [(1_531_420_618, true), (1_531_420_918, true), (1_531_420_919, false), (1_531_420_318, true), (0, false)]
        {
            assert_eq!(is_slacks(SLACK_SIGNATURE, "1531420618", SLACK_BODY, now), is_taken, "{now}");
        }
        assert!(is_of_slack(
            "slack_signing_secret_1",
            "v0=8f2826534af353e0e00bee26a5dcb610b477c553cbe1c592a6750404c6d7fda3",
            "1700000000",
            br#"{"token":"x","challenge":"abc123","type":"url_verification"}"#,
            Timestamp::from_millis(1_700_000_000_000),
        ));
    }

    #[test]
    fn what_slack_has_not_signed_is_not_taken() {
        let now = 1_531_420_618;
        assert!(!is_slacks(SLACK_SIGNATURE, "1531420618", &SLACK_BODY.replace("roadrunner", "coyote"), now));
        assert!(!is_slacks(SLACK_SIGNATURE, "1531420619", SLACK_BODY, now), "another time than was signed");
        let unversioned = SLACK_SIGNATURE.trim_start_matches("v0=");
        for (signature, timestamp) in
            [("", "1531420618"), (unversioned, "1531420618"), ("v0=", "1531420618"), (SLACK_SIGNATURE, "yesterday")]
        {
            assert!(!is_slacks(signature, timestamp, SLACK_BODY, now), "{signature} {timestamp}");
        }
    }
}
