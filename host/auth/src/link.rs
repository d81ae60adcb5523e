//! Links by which a person answers without a key (spec HUM-4), buttons, and the codes of text messages.
//!
//! A token says who may answer one request of one object, with what, and until when. It is an HMAC-SHA256 under a key that
//! is derived from the node's: nothing is stored of it, and a new key of the node ends every link. That it is used once is
//! the request's to know: it is answered once.

use crate::signature::hmac_sha256;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use types::{ObjectId, Timestamp};

/// First byte of every token: the layout `1, expiry (8), actions (1), person, MAC (32)`.
const LAYOUT: u8 = 1;
const MAC_BYTES: usize = 32;
const HEAD_BYTES: usize = 1 + 8 + 1;
/// The longest person in a token, in bytes: a namespace and a name.
const PERSON_BYTES_MAX: usize = 3 << 10;
/// Separate these from each other, and from anything else that is made with the node's key.
const KEY_PURPOSE: &[u8] = b"org.ai link key 1";
const TOKEN_PURPOSE: &[u8] = b"token";
const CODE_PURPOSE: &[u8] = b"code";
/// Letters and digits of which none is taken for another (Crockford's base 32).
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_CHARS: usize = 8;

/// What a link lets its holder do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LinkAction {
    Approve,
    Reject,
    /// Fill in the form, choose an option, say what came of a task.
    Answer,
}

impl LinkAction {
    pub const ALL: [Self; 3] = [Self::Approve, Self::Reject, Self::Answer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Answer => "answer",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Approve => 1,
            Self::Reject => 2,
            Self::Answer => 4,
        }
    }
}

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The request's id.
    pub request: String,
    /// The `$id` of the `Human`.
    pub person: String,
    pub actions: Vec<LinkAction>,
    pub expires: Timestamp,
}

/// Why a token is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LinkError {
    #[error("this link is not valid: it was changed, cut, or is for something else")]
    Invalid,
    #[error("this link is no longer valid: its time is over")]
    Expired,
}

/// Makes and verifies tokens.
#[derive(Clone)]
pub struct Links([u8; 32]);

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    /// From the key of the node, which is not used itself.
    pub fn of_node(node_key: [u8; 32]) -> Self {
        Self(hmac_sha256(&node_key, &[KEY_PURPOSE]))
    }

    /// Safe in a URL as it is. None: the person's id is empty or longer than a token takes.
    pub fn make(&self, object: ObjectId, claim: &Claim) -> Option<String> {
        if !(1..=PERSON_BYTES_MAX).contains(&claim.person.len()) {
            return None;
        }
        let mut token = Vec::with_capacity(HEAD_BYTES + claim.person.len() + MAC_BYTES);
        token.push(LAYOUT);
        token.extend_from_slice(&claim.expires.as_millis().to_be_bytes());
        token.push(claim.actions.iter().fold(0, |bits, action| bits | action.bit()));
        token.extend_from_slice(claim.person.as_bytes());
        let mac = self.mac(object, &claim.request, &token);
        token.extend_from_slice(&mac);
        Some(URL_SAFE_NO_PAD.encode(token))
    }

    /// What the token of a request says.
    ///
    /// # Errors
    /// `Invalid` for whatever this key did not make for this object and request; `Expired` once its time is over.
    pub fn verify(&self, object: ObjectId, request: &str, token: &str, now: Timestamp) -> Result<Claim, LinkError> {
        let longest = (HEAD_BYTES + PERSON_BYTES_MAX + MAC_BYTES).div_ceil(3) * 4;
        if token.len() > longest {
            return Err(LinkError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| LinkError::Invalid)?;
        let split = bytes.len().checked_sub(MAC_BYTES).filter(|at| *at > HEAD_BYTES).ok_or(LinkError::Invalid)?;
        let (said, mac) = bytes.split_at(split);
        if !bool::from(self.mac(object, request, said).ct_eq(mac)) || said[0] != LAYOUT {
            return Err(LinkError::Invalid);
        }
        let (head, person) = said.split_at(HEAD_BYTES);
        let expires = head[1..9].try_into().map(u64::from_be_bytes).map_err(|_| LinkError::Invalid)?;
        let person = String::from_utf8(person.to_vec()).map_err(|_| LinkError::Invalid)?;
        let expires = Timestamp::from_millis(expires);
        if expires <= now {
            return Err(LinkError::Expired);
        }
        let actions = LinkAction::ALL.into_iter().filter(|action| head[9] & action.bit() != 0).collect();
        Ok(Claim { request: request.to_owned(), person, actions, expires })
    }

    /// What a button says when it is pressed: the request and a token for that action alone.
    pub fn button(&self, object: ObjectId, claim: &Claim) -> Option<String> {
        Some(format!("{}:{}", claim.request, self.make(object, claim)?))
    }

    /// What a button said.
    ///
    /// # Errors
    /// As for [`Links::verify`].
    pub fn pressed(&self, object: ObjectId, value: &str, now: Timestamp) -> Result<Claim, LinkError> {
        let (request, token) = value.rsplit_once(':').ok_or(LinkError::Invalid)?;
        self.verify(object, request, token, now)
    }

    /// What a person writes behind `YES` or `NO` in a text message: some 40 bits, of this request and this person. It is
    /// no proof by itself: whose number it came from is looked at too.
    pub fn code(&self, object: ObjectId, request: &str, person: &str) -> String {
        let mac = hmac_sha256(&self.0, &[CODE_PURPOSE, &place(object, request), person.as_bytes()]);
        mac.iter().take(CODE_CHARS).map(|byte| char::from(CODE_ALPHABET[usize::from(byte & 31)])).collect()
    }

    /// Whether that was written, in either case.
    pub fn is_code(&self, object: ObjectId, request: &str, person: &str, written: &str) -> bool {
        let code = self.code(object, request, person);
        written.to_ascii_uppercase().as_bytes().ct_eq(code.as_bytes()).into()
    }

    fn mac(&self, object: ObjectId, request: &str, said: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.0, &[TOKEN_PURPOSE, &place(object, request), said])
    }
}

/// All but the request's id have a fixed length, and that says how long it is: no two places have the same bytes.
fn place(object: ObjectId, request: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + 8 + request.len());
    bytes.extend_from_slice(&object.as_u128().to_be_bytes());
    bytes.extend_from_slice(&u64::try_from(request.len()).unwrap_or(u64::MAX).to_be_bytes());
    bytes.extend_from_slice(request.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn object(n: u128) -> ObjectId {
        ObjectId::from_u128(n)
    }

    fn links() -> Links {
        Links::of_node([7; 32])
    }

    fn claim() -> Claim {
        Claim {
            request: "req-1".into(),
            person: "ann@acme.example".into(),
            actions: vec![LinkAction::Approve, LinkAction::Reject],
            expires: Timestamp::from_millis(1_700_000_060_000),
        }
    }

    /// Made by Python's `hmac` from the description at the head of this file.
    #[test]
    fn others_come_to_the_same_token_and_code() {
        assert_eq!(links().make(object(1), &claim()).as_deref(), Some(VECTOR));
        assert_eq!(links().code(object(1), "req-1", "ann@acme.example"), CODE_VECTOR);
    }

    const VECTOR: &str = "AQAAAYvP5lJgA2FubkBhY21lLmV4YW1wbGW8EwDo4AMJjXHh8Z8V-cm0ZLaOHh63buAea7vL4RifMw";
    const CODE_VECTOR: &str = "ZPTR0SC2";

    #[test]
    fn a_link_says_what_it_was_made_for_until_its_time_is_over() {
        let token = links().make(object(1), &claim()).expect("the person fits");
        assert_eq!(links().verify(object(1), "req-1", &token, NOW), Ok(claim()));
        let last = Timestamp::from_millis(1_700_000_059_999);
        assert!(links().verify(object(1), "req-1", &token, last).is_ok());
        assert_eq!(links().verify(object(1), "req-1", &token, claim().expires), Err(LinkError::Expired));
    }

    #[test]
    fn a_link_for_something_else_is_not_taken() {
        let token = links().make(object(1), &claim()).expect("the person fits");
        let invalid = Err(LinkError::Invalid);
        assert_eq!(links().verify(object(2), "req-1", &token, NOW), invalid, "another object");
        assert_eq!(links().verify(object(1), "req-2", &token, NOW), invalid, "another request");
        assert_eq!(Links::of_node([8; 32]).verify(object(1), "req-1", &token, NOW), invalid, "another node key");
        for forged in ["", "x", "=", &"A".repeat(80), &"A".repeat(5_000), "é"] {
            assert_eq!(links().verify(object(1), "req-1", forged, NOW), invalid, "{forged}");
        }
    }

    #[test]
    fn no_byte_of_a_link_can_be_changed_and_none_is_too_many() {
        let token = links().make(object(1), &claim()).expect("the person fits");
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("it is base64");
        for i in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[i] ^= 1 << bit;
                let changed = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(links().verify(object(1), "req-1", &changed, NOW), Err(LinkError::Invalid), "byte {i}");
            }
            let cut = URL_SAFE_NO_PAD.encode(&bytes[..i]);
            assert_eq!(links().verify(object(1), "req-1", &cut, NOW), Err(LinkError::Invalid), "cut at {i}");
        }
    }

    #[test]
    fn a_button_is_for_one_request_and_a_code_for_one_person() {
        let approve = Claim { actions: vec![LinkAction::Approve], ..claim() };
        let value = links().button(object(1), &approve).expect("the person fits");
        assert_eq!(links().pressed(object(1), &value, NOW), Ok(approve));
        let other = value.replace("req-1:", "req-2:");
        assert_eq!(links().pressed(object(1), &other, NOW), Err(LinkError::Invalid));
        assert_eq!(links().pressed(object(1), "req-1", NOW), Err(LinkError::Invalid));

        let code = links().code(object(1), "req-1", "ann");
        assert!(links().is_code(object(1), "req-1", "ann", &code.to_ascii_lowercase()));
        assert!(!links().is_code(object(1), "req-1", "bob", &code));
        assert!(!links().is_code(object(1), "req-2", "ann", &code));
    }
}
