//! API keys (spec KEY-1): `sk_`, 43 characters of base 62 for 32 random bytes, 6 characters of checksum.
//!
//! The checksum is no protection. It tells a mistyped or cut key from an unknown one before anything is looked up, and
//! it lets scanners of source code know a leaked key for certain.

use sha2::{Digest, Sha256};
use std::fmt;
use types::Hash;

const PREFIX: &str = "sk_";
/// 62^43 is the first power of 62 above 2^256.
const BODY_CHARS: usize = 43;
/// 62^6 is the first power of 62 above 2^32.
const CHECKSUM_CHARS: usize = 6;
const LENGTH: usize = PREFIX.len() + BODY_CHARS + CHECKSUM_CHARS;
/// What may be stored and shown of a key: the prefix and 18 bits.
const START_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A whole API key. It is shown once, when it is made; only [`Key::hash`] is kept. Neither `Debug` nor `Display` gives
/// it away: whoever must show it says so with [`Key::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<str>);

/// Why a text is no API key. Says nothing of the text itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    #[error("an API key begins with sk_ and is {LENGTH} characters of 0-9, A-Z and a-z")]
    Form,
    #[error("the API key is mistyped or cut: its checksum does not fit")]
    Checksum,
}

impl Key {
    /// `random` must come from the operating system's generator: it is all that makes the key unguessable.
    pub fn generate(random: [u8; 32]) -> Self {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        push_base62(&mut text, &random, BODY_CHARS);
        let checksum = checksum(&text);
        push_base62(&mut text, &checksum, CHECKSUM_CHARS);
        Self(text.into())
    }

    /// # Errors
    /// When the text cannot be a key that this program made; nothing was looked up by then.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let body = text.strip_prefix(PREFIX).ok_or(KeyError::Form)?;
        if text.len() != LENGTH || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(KeyError::Form);
        }
        let (signed, given) = text.split_at(LENGTH - CHECKSUM_CHARS);
        let mut expected = String::with_capacity(CHECKSUM_CHARS);
        push_base62(&mut expected, &checksum(signed), CHECKSUM_CHARS);
        if given == expected { Ok(Self(text.into())) } else { Err(KeyError::Checksum) }
    }

    /// SHA-256 of the whole text: what is stored, and what a key is found by. A fast hash is right here: the text has
    /// 256 random bits, so there is nothing to guess.
    pub fn hash(&self) -> Hash {
        Hash::from_bytes(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The first characters, so that a person recognises the key in a list.
    pub fn start(&self) -> &str {
        &self.0[..START_CHARS]
    }

    /// The key itself, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}…)", self.start())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.start())
    }
}

fn checksum(text: &str) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// `bytes` as a big-endian number in exactly `digits` digits of base 62; `digits` must be enough for it.
fn push_base62(out: &mut String, bytes: &[u8], digits: usize) {
    let mut number = bytes.to_vec();
    let mut reversed = vec![0u8; digits];
    for digit in &mut reversed {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).expect("rest < 62, so the quotient is below 256");
            rest = value % 62;
        }
        *digit = ALPHABET[rest as usize];
    }
    debug_assert!(number.iter().all(|b| *b == 0), "the digits were too few for the number");
    out.extend(reversed.iter().rev().map(|b| char::from(*b)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_form_and_is_found_by_its_hash() {
        for random in [[0; 32], [255; 32], [7; 32]] {
            let key = Key::generate(random);
            assert_eq!(key.reveal().len(), LENGTH);
            assert!(key.reveal().starts_with("sk_"));
            let again = Key::parse(key.reveal()).unwrap();
            assert_eq!((again.hash(), again.start()), (key.hash(), key.start()));
        }
        assert_eq!(Key::generate([0; 32]).reveal()[..46], format!("sk_{}", "0".repeat(43)));
        assert_ne!(Key::generate([1; 32]).hash(), Key::generate([2; 32]).hash());
    }

    #[test]
    fn the_numbers_of_base_62_are_right() {
        let of = |bytes: &[u8], digits| {
            let mut out = String::new();
            push_base62(&mut out, bytes, digits);
            out
        };
        assert_eq!(of(&[61], 2), "0z");
        assert_eq!(of(&[62], 2), "10");
        assert_eq!(of(&[1, 0], 2), "48"); // 256 = 4 * 62 + 8
        assert_eq!(of(&[255, 255, 255, 255], 6), "4gfFC3"); // 2^32 - 1
    }

    #[test]
    fn a_mistyped_key_is_known_without_a_look_up() {
        let key = Key::generate([9; 32]);
        let text = key.reveal();
        for i in 3..text.len() {
            let other = if &text[i..=i] == "a" { "b" } else { "a" };
            let typo = format!("{}{other}{}", &text[..i], &text[i + 1..]);
            assert_eq!(Key::parse(&typo), Err(KeyError::Checksum), "character {i}");
        }
        for bad in ["", "sk_", "pk_x", &text[..51], &format!("{text}0"), &text.replace("sk_", "sk-"), "sk_é"] {
            assert_eq!(Key::parse(bad), Err(KeyError::Form), "{bad:?}");
        }
    }

    #[test]
    fn printing_a_key_does_not_show_it() {
        let key = Key::generate([3; 32]);
        for shown in [format!("{key:?}"), format!("{key}"), format!("{:?}", Some(&key))] {
            assert!(!shown.contains(&key.reveal()[START_CHARS..]), "{shown}");
            assert!(shown.len() < 24, "{shown}");
        }
    }
}
