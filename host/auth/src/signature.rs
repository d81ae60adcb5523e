//! What a webhook's receiver knows the host by: HMAC-SHA256 over `TIMESTAMP.BODY`, under a secret that only the two have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// Before every secret, so that people and scanners know what they have found.
const PREFIX: &str = "whsec_";

/// A new secret of so many random bytes, as it is shown once.
pub fn webhook_secret(random: [u8; 32]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// `sha256=HEX`. The key is the whole text of the secret; `timestamp` counts seconds since 1970.
pub fn sign(secret: &str, timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length will do");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
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
}
