//! The URL that is a durable object's name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Why a namespace was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{text:?} is no namespace: {reason}; a namespace is a URL like https://acme.example or https://crm.example/acme"
)]
pub struct NamespaceError {
    text: String,
    reason: &'static str,
}

/// A canonical namespace URL (spec ID-1): scheme and host in lower case, no default port, no query, no fragment, no
/// trailing slash; IDN hosts in punycode. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The whole URL, in bytes: the limit of a request line (spec SEC-1) less room for a path.
    pub const LENGTH_MAX: usize = 2048;
    /// Path segments of an object's own name. A request's path may have more; what looks for the object in it looks at
    /// no more than these, so that a long path costs no more than a short one.
    pub const SEGMENTS_MAX: usize = 8;

    /// A URL, or a bare `host/path`, for which `https` is assumed.
    pub fn parse(text: &str) -> Result<Self, NamespaceError> {
        let refuse = |reason| NamespaceError { text: text.chars().take(200).collect(), reason };
        if text.len() > Self::LENGTH_MAX {
            return Err(refuse("it is longer than 2048 bytes"));
        }
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(refuse("it is empty or has white space, control characters or backslashes in it"));
        }
        let lower = text.to_ascii_lowercase();
        let with_scheme = if lower.starts_with("https:") || lower.starts_with("http:") || text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let lower_path = with_scheme.to_ascii_lowercase();
        if lower_path.contains("%2f") || lower_path.contains("%5c") {
            return Err(refuse("a path segment must not hide a slash"));
        }
        if lower_path.split(['/', '?', '#']).any(|s| matches!(s, "." | ".." | "%2e" | "%2e%2e" | ".%2e" | "%2e.")) {
            return Err(refuse("a path segment must not be . or .."));
        }
        let url = url::Url::parse(&with_scheme).map_err(|_| refuse("it cannot be read as a URL"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(refuse("its scheme must be https or http"));
        }
        if !url.username().is_empty() || url.password().is_some() || authority_has_userinfo(&with_scheme) {
            return Err(refuse("it must not carry a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it must not carry a query or a fragment"));
        }
        let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| refuse("it has no host"))?;
        let mut canonical = format!("{}://{host}", url.scheme());
        if let Some(port) = url.port() {
            canonical.push_str(&format!(":{port}"));
        }
        for segment in url.path().split('/').filter(|s| !s.is_empty()) {
            canonical.push('/');
            canonical.push_str(&decode_unreserved(segment));
        }
        Ok(Self(canonical.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// This namespace, then each shorter one on a segment boundary, down to the bare host (spec ID-2).
    pub fn prefixes(&self) -> impl Iterator<Item = Namespace> + '_ {
        let host_end = self.host_end();
        let mut next = Some(self.0.len());
        std::iter::from_fn(move || {
            let end = next?;
            next = self.0[host_end..end].rfind('/').map(|slash| host_end + slash);
            Some(Self(self.0[..end].into()))
        })
    }

    /// Path segments.
    pub fn segments(&self) -> usize {
        self.0[self.host_end()..].bytes().filter(|b| *b == b'/').count()
    }

    /// Host and port, without scheme and path.
    pub fn authority(&self) -> &str {
        &self.0[self.host_start()..self.host_end()]
    }

    /// Whether `other` is this or lies below it.
    pub fn contains(&self, other: &Namespace) -> bool {
        other.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn host_start(&self) -> usize {
        self.0.find("://").expect("a namespace has a scheme") + 3
    }

    fn host_end(&self) -> usize {
        let start = self.host_start();
        self.0[start..].find('/').map_or(self.0.len(), |slash| start + slash)
    }
}

/// `Url` forgets an empty `@`; the namespace rules do not allow one.
fn authority_has_userinfo(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// `%41` is `A`; what RFC 3986 reserves stays encoded, in upper-case hex.
fn decode_unreserved(segment: &str) -> String {
    let bytes = segment.as_bytes();
    let mut out = String::with_capacity(segment.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).and_then(|h| std::str::from_utf8(h).ok());
        match (bytes[i], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte.into());
                i += 3;
            }
            (b'%', Some(byte)) => {
                out.push_str(&format!("%{byte:02X}"));
                i += 3;
            }
            (byte, _) => {
                out.push(byte.into());
                i += 1;
            }
        }
    }
    out
}

impl TryFrom<String> for Namespace {
    type Error = NamespaceError;

    fn try_from(text: String) -> Result<Self, NamespaceError> {
        Self::parse(&text)
    }
}

impl From<Namespace> for String {
    fn from(namespace: Namespace) -> Self {
        namespace.0.as_ref().to_owned()
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_one_spelling() {
        for (text, canonical) in [
            ("HTTPS://Startups.Studio:443/", "https://startups.studio"),
            ("startups.studio", "https://startups.studio"),
            ("crm.headless.ly/acme/", "https://crm.headless.ly/acme"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://x.y:80/a", "http://x.y/a"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://x.y/%41b%2d", "https://x.y/Ab-"),
            ("https://x.y/a%20b", "https://x.y/a%20b"),
            ("https://[::1]:9", "https://[::1]:9"),
        ] {
            assert_eq!(Namespace::parse(text).map(|n| n.to_string()).as_deref(), Ok(canonical), "{text}");
        }
    }

    #[test]
    fn what_could_name_two_objects_is_refused() {
        for bad in [
            "https://u:p@x.y",
            "https://@x.y",
            "https://x.y?q",
            "https://x.y#f",
            "ftp://x.y",
            "https://",
            "",
            "https://x.y/..%2fetc",
            "https://x.y/../a",
            "https://x.y/%2e%2e/a",
            "https://x.y\\a",
            "x y",
            "file:///etc",
        ] {
            assert!(Namespace::parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(Namespace::parse(&format!("https://x.y/{}", "a".repeat(3000))).is_err());
    }

    #[test]
    fn prefixes_end_on_segment_boundaries() {
        let of = |text: &str| Namespace::parse(text).unwrap().prefixes().map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(of("https://a.b/c/d"), ["https://a.b/c/d", "https://a.b/c", "https://a.b"]);
        assert_eq!(of("https://a.b"), ["https://a.b"]);
        assert_eq!(Namespace::parse("https://a.b/c/d").unwrap().segments(), 2);
        assert_eq!(Namespace::parse("https://a.b").unwrap().segments(), 0);
        let crm = Namespace::parse("https://crm.x/acme").unwrap();
        assert!(crm.contains(&Namespace::parse("https://crm.x/acme/Contact").unwrap()));
        assert!(!crm.contains(&Namespace::parse("https://crm.x/acmes").unwrap()));
    }
}
