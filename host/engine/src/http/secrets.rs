//! `{{secret:NAME}}`: the host puts the value in on the way out, and the name back on the way in.

use super::rules::{Rule, Target};
use ::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::SecretGrant;

const OPEN: &[u8] = b"{{secret:";
const CLOSE: &[u8] = b"}}";
const NAME_BYTES_MAX: usize = 128;
/// Shorter values stand in many an answer by chance; replacing them would garble it, and hide nothing that matters.
const SCRUBBED_BYTES_MIN: usize = 4;

pub struct Secrets {
    grants: Vec<(String, Vec<Rule>)>,
    values: Arc<BTreeMap<String, String>>,
    scrubber: Option<Scrubber>,
}

impl Secrets {
    pub fn new(grants: &[SecretGrant], values: Arc<BTreeMap<String, String>>) -> Self {
        let grants: Vec<(String, Vec<Rule>)> = grants
            .iter()
            .map(|grant| (grant.name.clone(), grant.hosts.iter().filter_map(|host| Rule::parse(host)).collect()))
            .collect();
        let scrubber =
            Scrubber::new(grants.iter().filter_map(|(name, _)| Some((name.as_str(), values.get(name)?.as_str()))));
        Self { grants, values, scrubber }
    }

    /// Takes secrets out of answers; none when there is none to take out.
    ///
    /// A server that repeats what it was sent (an error page, a debugging endpoint, a careless API) would otherwise hand
    /// the value to the guest. It is no wall: a server can encode what it repeats. Grant a secret to hosts that deserve it.
    pub fn scrubber(&self) -> Option<Scrubber> {
        self.scrubber.clone()
    }

    pub fn put_into_headers(&self, headers: &mut HeaderMap, target: &Target) -> Result<(), String> {
        for (name, value) in headers.iter_mut() {
            if find(value.as_bytes(), OPEN).is_none() {
                continue;
            }
            let with = self.put_into(&Bytes::copy_from_slice(value.as_bytes()), target)?;
            let mut with = HeaderValue::from_maybe_shared(with)
                .map_err(|_| format!("a secret has characters that the header `{name}` cannot carry"))?;
            with.set_sensitive(true);
            *value = with;
        }
        Ok(())
    }

    /// The error names the secret and the host, never a value.
    pub fn put_into(&self, bytes: &Bytes, target: &Target) -> Result<Bytes, String> {
        let mut out = Vec::new();
        let mut rest = 0;
        for (start, end, name) in names(bytes) {
            out.extend_from_slice(&bytes[rest..start]);
            out.extend_from_slice(self.value(name, target)?.as_bytes());
            rest = end;
        }
        if rest == 0 {
            return Ok(bytes.clone());
        }
        out.extend_from_slice(&bytes[rest..]);
        Ok(out.into())
    }

    fn value(&self, name: &str, target: &Target) -> Result<&str, String> {
        let origin = target.origin();
        let Some((_, hosts)) = self.grants.iter().find(|(known, _)| known == name) else {
            return Err(format!(
                "it names the secret `{name}`, which the manifest does not grant; to grant it, add \
                 {{\"name\": \"{name}\", \"hosts\": [\"{origin}\"]}} to its \"secrets\""
            ));
        };
        if !hosts.iter().any(|host| host.is_to(target)) {
            return Err(format!("the manifest does not grant the secret `{name}` to {origin}; add it to its hosts"));
        }
        self.values
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| format!("the secret `{name}` has no value on this server"))
    }
}

/// Start, end and name of each placeholder.
pub fn names(bytes: &[u8]) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + find(&bytes[from..], OPEN)?;
            let inside = start + OPEN.len();
            from = inside;
            let window = &bytes[inside..bytes.len().min(inside + NAME_BYTES_MAX + CLOSE.len())];
            let Some(len) = find(window, CLOSE) else { continue };
            let name = std::str::from_utf8(&window[..len]).ok().filter(|name| is_name(name));
            if let Some(name) = name {
                from = inside + len + CLOSE.len();
                return Some((start, from, name));
            }
        }
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Replaces values by their placeholders, in a stream too: what may be the beginning of a value waits for the rest.
#[derive(Clone)]
pub struct Scrubber {
    /// Longest first, so that one value inside another does not break it up.
    secrets: Arc<Vec<(Vec<u8>, Vec<u8>)>>,
    held: Vec<u8>,
}

impl Scrubber {
    pub fn new<'a>(secrets: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut secrets: Vec<(Vec<u8>, Vec<u8>)> = secrets
            .filter(|(_, value)| value.len() >= SCRUBBED_BYTES_MIN)
            .map(|(name, value)| (value.as_bytes().to_vec(), format!("{{{{secret:{name}}}}}").into_bytes()))
            .collect();
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        (!secrets.is_empty()).then(|| Self { secrets: Arc::new(secrets), held: Vec::new() })
    }

    pub fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let mut scrubber = self.clone();
            let mut clean = scrubber.push(value.as_bytes());
            clean.extend_from_slice(&scrubber.finish());
            if clean != value.as_bytes()
                && let Ok(clean) = HeaderValue::from_bytes(&clean)
            {
                *value = clean;
            }
        }
    }

    /// What can be said for sure of what came so far.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::with_capacity(held.len());
        let mut at = 0;
        while at < held.len() {
            let rest = &held[at..];
            if self.secrets.iter().any(|(value, _)| value.len() > rest.len() && value.starts_with(rest)) {
                // A secret may begin here, a longer one than any that is here whole.
                break;
            }
            match self.secrets.iter().find(|(value, _)| rest.starts_with(value)) {
                Some((value, name)) => {
                    out.extend_from_slice(name);
                    at += value.len();
                }
                None => {
                    out.push(held[at]);
                    at += 1;
                }
            }
        }
        self.held = held[at..].to_vec();
        out
    }

    /// The stream is over: what waited for more is looked at as it is.
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let mut out = Vec::with_capacity(held.len());
        let mut rest = held.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            match self.secrets.iter().find(|(value, _)| rest.starts_with(value)) {
                Some((value, name)) => {
                    out.extend_from_slice(name);
                    rest = &rest[value.len()..];
                }
                None => {
                    out.push(*first);
                    rest = behind;
                }
            }
        }
        out
    }
}
