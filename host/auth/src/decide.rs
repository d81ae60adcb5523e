//! From a stored key to an identity; what a caller may hand on.

use crate::Key;
use std::fmt::Write;
use subtle::ConstantTimeEq;
use types::{Fault, FaultKind, Id, Identity, IdentityKind, KeyRow, Namespace, Scopes, Timestamp, Worker};

/// Why nobody was recognised. The reason is for the host's log: outside, every refusal of a credential that was sent
/// looks the same (spec KEY-2), so that nobody learns which keys exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("no credential was sent")]
    Missing,
    #[error("the credential is no API key")]
    Malformed,
    #[error("the Authorization header's scheme is not Bearer")]
    Scheme,
    #[error("the header of the credential stands more than once")]
    Ambiguous,
    #[error("the key is not known here")]
    Unknown,
    #[error("the key was revoked")]
    Revoked,
    #[error("the key has expired")]
    Expired,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let message = match refusal {
            Refusal::Missing => {
                "this needs a credential: send an API key as Authorization: Bearer sk_… or in the header x-api-key"
            }
            Refusal::Malformed
            | Refusal::Scheme
            | Refusal::Ambiguous
            | Refusal::Unknown
            | Refusal::Revoked
            | Refusal::Expired => {
                "the credential was not accepted; send an API key of this namespace as Authorization: Bearer sk_… or in the header x-api-key"
            }
        };
        Fault::new(FaultKind::Unauthenticated, "UNAUTHORIZED", message)
    }
}

/// Whether `key` is the one that `row` is about. Takes the same time wherever they differ.
pub fn matches(row: &KeyRow, key: &Key) -> bool {
    row.hash.as_bytes().ct_eq(key.hash().as_bytes()).into()
}

/// Whether the key of `row` counts at `now`.
///
/// # Errors
/// `Revoked` or `Expired`; a key expires at its instant, not after it.
pub fn check(row: &KeyRow, now: Timestamp) -> Result<(), Refusal> {
    if row.revoked_at.is_some() {
        return Err(Refusal::Revoked);
    }
    match row.expires_at {
        Some(end) if now >= end => Err(Refusal::Expired),
        Some(_) | None => Ok(()),
    }
}

/// Who calls with the key of `row` in the object `ns`. Whether the key counts is [`check`]'s question.
pub fn identity(ns: &Namespace, row: &KeyRow) -> Identity {
    // A person or an agent calls as the thing that it is; whoever has no subject is a service of the key's name.
    let (actor, kind) = match &row.subject {
        Some(subject @ Worker::Human(_)) => (format!("{ns}/{subject}"), IdentityKind::Human),
        Some(subject @ Worker::Agent(_)) => (format!("{ns}/{subject}"), IdentityKind::Agent),
        Some(Worker::Role(_)) | None => (actor(ns, IdentityKind::Service, &row.name), IdentityKind::Service),
    };
    Identity { actor: actor.into(), kind, scopes: row.scopes.clone(), key: Some(row.id) }
}

/// `{ns}/Service/{name}`, the name percent-encoded as a path segment.
fn actor(ns: &Namespace, kind: IdentityKind, name: &str) -> String {
    let noun = match kind {
        IdentityKind::Human => "Human",
        IdentityKind::Agent => "Agent",
        IdentityKind::Service => "Service",
    };
    let mut url = format!("{ns}/{noun}/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            write!(url, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    url
}

/// What somebody asks for who wants a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// For people and for the actor's URL: 1 to 64 characters, none of them control characters, no space at the ends.
    pub name: String,
    pub scopes: Scopes,
    pub expires_at: Option<Timestamp>,
    /// Whom it speaks for: `Human/ann`; None: itself.
    pub subject: Option<Worker>,
}

impl NewKey {
    pub const NAME_CHARS_MAX: usize = 64;
    /// So that checking a call against a key stays cheap.
    pub const SCOPES_MAX: usize = 64;

    /// Whether such a key could be, whoever asks for it.
    ///
    /// # Errors
    /// `KEY_INVALID`, naming the field.
    pub fn validate(&self, now: Timestamp) -> Result<(), Fault> {
        let refuse = |message: String| Err(Fault::invalid("KEY_INVALID", message));
        let name = &self.name;
        if name.is_empty()
            || name.chars().count() > Self::NAME_CHARS_MAX
            || name.trim() != name
            || name.chars().any(char::is_control)
            || matches!(name.as_str(), "." | "..")
        {
            return refuse(format!(
                "name: 1 to {} characters without control characters and without space at the ends",
                Self::NAME_CHARS_MAX
            ));
        }
        if self.scopes.iter().count() > Self::SCOPES_MAX {
            return refuse(format!("scopes: at most {}", Self::SCOPES_MAX));
        }
        if let Some(role @ Worker::Role(_)) = &self.subject {
            return refuse(format!("as: {role} is nobody; a key speaks for Human/NAME or Agent/NAME"));
        }
        match self.expires_at {
            Some(end) if end <= now => refuse(format!("expiresAt: {end} is not in the future")),
            Some(_) | None => Ok(()),
        }
    }
}

/// Makes a key for `by`: who may issue keys hands on no more than they have (spec KEY-2). The key leaves the host once;
/// the row is what stays.
///
/// # Errors
/// `FORBIDDEN` without `keys.issue` or for scopes beyond the caller's own; `KEY_INVALID` as [`NewKey::validate`].
pub fn issue(new: NewKey, by: &Identity, id: Id, random: [u8; 32], now: Timestamp) -> Result<(KeyRow, Key), Fault> {
    if !by.scopes.allow("keys", "issue") {
        return Err(Fault::forbidden("making a key needs the permission keys.issue"));
    }
    new.validate(now)?;
    if !by.scopes.cover(&new.scopes) {
        let beyond: Vec<String> = new
            .scopes
            .iter()
            .filter(|wanted| !by.scopes.cover(&Scopes::new(vec![(*wanted).clone()])))
            .map(ToString::to_string)
            .collect();
        return Err(Fault::forbidden(format!("a key cannot have more than its maker: {}", beyond.join(", "))));
    }
    Ok(row_and_key(new, by.actor.as_ref(), id, random, now))
}

/// The first key of an installation. It may do everything, and nobody made it.
pub fn root(ns: &Namespace, id: Id, random: [u8; 32], now: Timestamp) -> (KeyRow, Key) {
    let new = NewKey { name: "root".into(), scopes: Scopes::all(), expires_at: None, subject: None };
    row_and_key(new, &actor(ns, IdentityKind::Service, "root"), id, random, now)
}

fn row_and_key(new: NewKey, by: &str, id: Id, random: [u8; 32], now: Timestamp) -> (KeyRow, Key) {
    let key = Key::generate(random);
    let row = KeyRow {
        id,
        name: new.name,
        hash: key.hash(),
        start: key.start().to_owned(),
        scopes: new.scopes,
        created_by: by.to_owned(),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        subject: new.subject,
    };
    (row, key)
}

/// The caller that needs no key: the host itself, and the local user of `dev`. May do everything.
pub fn local(ns: &Namespace, kind: IdentityKind, name: &str) -> Identity {
    Identity { actor: actor(ns, kind, name).into(), kind, scopes: Scopes::all(), key: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Permission;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn ns() -> Namespace {
        Namespace::parse("https://acme.example").unwrap()
    }

    fn scopes(texts: &[&str]) -> Scopes {
        Scopes::new(texts.iter().map(|t| Permission::parse(t).unwrap()).collect())
    }

    fn wanted(name: &str, of: &[&str]) -> NewKey {
        NewKey { name: name.into(), scopes: scopes(of), expires_at: None, subject: None }
    }

    fn minter(of: &[&str]) -> Identity {
        let (mut row, _) = root(&ns(), Id::from_u128(1), [1; 32], NOW);
        row.scopes = scopes(of);
        identity(&ns(), &row)
    }

    #[test]
    fn a_key_makes_an_identity_and_is_kept_as_a_hash() {
        let (row, key) = root(&ns(), Id::from_u128(5), [8; 32], NOW);
        let who = identity(&ns(), &row);
        assert_eq!(&*who.actor, "https://acme.example/Service/root");
        assert_eq!((who.kind, who.key), (IdentityKind::Service, Some(Id::from_u128(5))));
        assert!(who.scopes.allow("anything", "delete"));
        assert!(!format!("{row:?}").contains(key.reveal()));
        assert!(matches(&row, &key));
        assert!(!matches(&row, &Key::generate([9; 32])));
        let (odd, _) = issue(wanted("ci/ü x", &[]), &who, Id::from_u128(6), [2; 32], NOW).unwrap();
        assert_eq!(&*identity(&ns(), &odd).actor, "https://acme.example/Service/ci%2F%C3%BC%20x");
        let ann = local(&ns(), IdentityKind::Human, "ann");
        assert_eq!(&*ann.actor, "https://acme.example/Human/ann");
    }

    #[test]
    fn a_key_ends_at_its_instant_and_when_revoked() {
        let (mut row, _) = root(&ns(), Id::from_u128(1), [1; 32], NOW);
        row.expires_at = Some(Timestamp::from_millis(NOW.as_millis() + 1000));
        assert_eq!(check(&row, Timestamp::from_millis(NOW.as_millis() + 999)), Ok(()));
        assert_eq!(check(&row, Timestamp::from_millis(NOW.as_millis() + 1000)), Err(Refusal::Expired));
        row.revoked_at = Some(NOW);
        assert_eq!(check(&row, NOW), Err(Refusal::Revoked));
    }

    #[test]
    fn every_refused_credential_looks_the_same_outside() {
        let outside = |refusal| Fault::from(refusal);
        let first = outside(Refusal::Unknown);
        assert_eq!((first.kind, first.code.as_str()), (FaultKind::Unauthenticated, "UNAUTHORIZED"));
        for same in [
            Refusal::Malformed,
            Refusal::Scheme,
            Refusal::Ambiguous,
            Refusal::Revoked,
            Refusal::Expired,
            Refusal::Unknown,
        ] {
            assert_eq!(outside(same), first, "{same:?}");
        }
        assert_ne!(outside(Refusal::Missing).message, first.message);
    }

    #[test]
    fn nobody_issues_a_key_beyond_their_own() {
        let make = |by: &[&str], new| issue(new, &minter(by), Id::from_u128(9), [4; 32], NOW);
        assert!(make(&["*.*"], wanted("ci", &["Function.write", "*.invoke"])).is_ok());
        assert!(make(&["keys.issue", "pay.invoke"], wanted("ci", &["pay.invoke"])).is_ok());
        let no_right = make(&["pay.invoke"], wanted("ci", &["pay.invoke"])).unwrap_err();
        assert_eq!(no_right.kind, FaultKind::Forbidden);
        let beyond = make(&["keys.issue", "pay.invoke"], wanted("ci", &["pay.invoke", "pay.read"])).unwrap_err();
        assert_eq!(beyond.message, "a key cannot have more than its maker: pay.read");
    }

    #[test]
    fn what_could_be_no_key_is_refused_by_field() {
        let by = minter(&["*.*"]);
        let message = |new| issue(new, &by, Id::from_u128(9), [4; 32], NOW).unwrap_err().message;
        let long = "x".repeat(65);
        for name in ["", " a", "a ", "a\u{7}b", ".", "..", &long] {
            assert!(message(wanted(name, &[])).starts_with("name:"), "{name:?}");
        }
        let many: Vec<&str> = vec!["a.read"; 65];
        assert!(message(wanted("ci", &many)).starts_with("scopes:"));
        let past = NewKey { expires_at: Some(NOW), ..wanted("ci", &[]) };
        assert!(message(past).starts_with("expiresAt:"));
    }
}
