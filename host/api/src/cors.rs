//! Which pages of other origins may read answers (spec AUT-10): an allow-list, and no cookies.

use crate::config::Config;
use http::header::{self, HeaderMap, HeaderValue};

const ALLOWED_HEADERS: &str = "authorization, content-type, x-api-key, x-request-id, do-namespace, do-ref, do-session, idempotency-key, if-match, if-none-match, if-modified-since, prefer, last-event-id";
const EXPOSED_HEADERS: &str = "x-request-id, etag, do-version, do-branch, do-unchanged, do-shadowed, do-history-floor, idempotent-replayed, content-location, link, location, retry-after, www-authenticate, allow, preference-applied, server-timing, x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset";

/// The request's origin, if it is one of the configured ones.
pub(crate) fn allowed(config: &Config, headers: &HeaderMap) -> Option<HeaderValue> {
    if config.cors_origins.is_empty() {
        return None;
    }
    let origin = headers.get(header::ORIGIN)?;
    config.cors_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

pub(crate) fn write(headers: &mut HeaderMap, origin: HeaderValue, preflight: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
    if preflight {
        if let Some(methods) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}
