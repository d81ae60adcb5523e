//! What a thing is called: its noun, its id, the branch it is on (spec 1.3, 3.2).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a name was refused. `field` is the part of a request that held it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{field}: {text:?} {reason}")]
pub struct ThingNameError {
    pub field: &'static str,
    pub text: String,
    pub reason: &'static str,
}

impl ThingNameError {
    /// Enough of what was sent to recognise it.
    const SHOWN_MAX: usize = 80;

    fn new(field: &'static str, text: &str, reason: &'static str) -> Self {
        Self { field, text: text.chars().take(Self::SHOWN_MAX).collect(), reason }
    }
}

/// A kind of thing, `Startup`: `^[A-Z][A-Za-z0-9]{0,63}$` with a lower-case letter in it unless it is one letter
/// (spec ID-8). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Noun(Arc<str>);

impl Noun {
    pub const LENGTH_MAX: usize = 64;

    pub fn parse(text: &str) -> Result<Self, ThingNameError> {
        let well_formed = text.len() <= Self::LENGTH_MAX
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_alphanumeric())
            && (text.len() == 1 || text.bytes().any(|b| b.is_ascii_lowercase()));
        if well_formed {
            Ok(Self(text.into()))
        } else {
            let reason = "is no noun; a noun is PascalCase, 1 to 64 letters and digits, like Startup or BlogPost";
            Err(ThingNameError::new("type", text, reason))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a thing is called among those of its noun: 1 to 256 bytes of UTF-8 (spec ID-8). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ThingId(Arc<str>);

impl ThingId {
    pub const BYTES_MAX: usize = 256;

    pub fn parse(text: &str) -> Result<Self, ThingNameError> {
        let refuse = |reason| Err(ThingNameError::new("id", text, reason));
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return refuse("is no id; an id has 1 to 256 bytes");
        }
        if text.starts_with(['-', '.']) {
            return refuse("is no id; it must not begin with - or .");
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            return refuse("is no id; it has white space around it or control characters in it");
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A thing inside its object: noun and id together (spec ID-5). Printed as `Startup/acme`, the id percent-encoded where
/// a URL needs it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ThingKey {
    pub noun: Noun,
    pub id: ThingId,
}

impl ThingKey {
    pub fn new(noun: Noun, id: ThingId) -> Self {
        Self { noun, id }
    }

    /// From `Startup/acme`, as it is printed.
    pub fn parse(text: &str) -> Result<Self, ThingNameError> {
        let Some((noun, id)) = text.split_once('/') else {
            return Err(ThingNameError::new("id", text, "is no thing; write Noun/id, like Startup/acme"));
        };
        let id = percent_decode(id).ok_or_else(|| ThingNameError::new("id", id, "is not percent-encoded UTF-8"))?;
        Ok(Self { noun: Noun::parse(noun)?, id: ThingId::parse(&id)? })
    }
}

impl fmt::Display for ThingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.noun.as_str())?;
        f.write_str("/")?;
        percent_encode(self.id.as_str(), f)
    }
}

/// RFC 3986's unreserved characters and what else is literal in a path segment; `@` is not: it begins a ref.
fn percent_encode(text: &str, out: &mut impl fmt::Write) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte) {
            out.write_char(byte.into())?;
        } else {
            write!(out, "%{byte:02X}")?;
        }
    }
    Ok(())
}

/// What a percent-encoded text says; None when it is malformed, or no UTF-8 once it is decoded.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// A named line of versions (spec VER-4). `main` is no `BranchName`: what is on main has none. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(Arc<str>);

impl BranchName {
    pub const BYTES_MAX: usize = 128;

    pub fn parse(text: &str) -> Result<Self, ThingNameError> {
        let refuse = |reason| Err(ThingNameError::new("name", text, reason));
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._/-".contains(&b);
        if text.is_empty() || text.len() > Self::BYTES_MAX || !text.bytes().all(allowed) {
            return refuse("is no branch; a branch has 1 to 128 of A-Z, a-z, 0-9, and . _ / -");
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return refuse("is no branch; it begins with a letter or digit");
        }
        if text == "main" || text == "HEAD" {
            return refuse("is taken: main is there always, HEAD is none");
        }
        if text.contains("..") || text.contains("//") || text.ends_with(['/', '.']) || text.ends_with(".lock") {
            return refuse("is no branch; it has .. or // in it, or ends in / or . or .lock");
        }
        let is_version = text.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if is_version || looks_like_a_date(text) {
            return refuse("reads like a version or a date, which refs use (v12, 2024-01-08)");
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `2024-01-08…`: whatever follows.
fn looks_like_a_date(text: &str) -> bool {
    let pattern = text.bytes().take(10).map(|b| if b.is_ascii_digit() { b'0' } else { b });
    pattern.eq(*b"0000-00-00")
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ThingNameError;

            fn try_from(text: String) -> Result<Self, ThingNameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    )*};
}

text!(Noun, ThingId, BranchName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_is_pascal_case() {
        for good in ["Startup", "A", "BlogPost2", "Ab"] {
            assert!(Noun::parse(good).is_ok(), "{good}");
        }
        let long = format!("A{}", "a".repeat(64));
        for bad in ["", "startup", "AB", "A-b", "Ä", "Ab c", "2b", &long] {
            assert!(Noun::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_any_text_that_names_one_thing() {
        for good in ["acme", "a/b", "john@acme.com", "ü", "a b", "v1", "~1", "日本"] {
            assert!(ThingId::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(257);
        for bad in ["", "-x", ".", "..", ".x", " a", "a ", "a\u{0}b", "a\nb", &long, &"x".repeat(10_000)] {
            assert!(ThingId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_printed_and_read_back() {
        for (id, printed) in
            [("acme", "Note/acme"), ("a/b", "Note/a%2Fb"), ("j@x.y", "Note/j%40x.y"), ("ü 1", "Note/%C3%BC%201")]
        {
            let key = ThingKey::new(Noun::parse("Note").unwrap(), ThingId::parse(id).unwrap());
            assert_eq!(key.to_string(), printed);
            assert_eq!(ThingKey::parse(printed), Ok(key));
        }
        for bad in ["Note", "note/a", "Note/", "Note/%zz", "Note/%ff", "Note/%4"] {
            assert!(ThingKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_branch_cannot_be_taken_for_another_ref() {
        for good in ["x", "vnext", "feature/x", "1.0", "v1a", "2024", "a_b-c.d"] {
            assert!(BranchName::parse(good).is_ok(), "{good}");
        }
        let long = "x".repeat(129);
        for bad in [
            "",
            "main",
            "HEAD",
            "v12",
            "~a",
            "a b",
            "2024-01-01",
            "2024-01-01T00:00:00Z",
            "a@b",
            "-a",
            ".a",
            "a..b",
            "a//b",
            "a/",
            "a.lock",
            "a.",
            "/a",
            "é",
            &long,
        ] {
            assert!(BranchName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
