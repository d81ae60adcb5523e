//! Who is calling: the extractor that every handler takes which is not public.

use crate::app::{App, Scope, Shared};
use crate::problem::Problem;
use crate::rate::Buckets;
use auth::Credential;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use runtime::Caller;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use types::{Fault, FaultKind};

/// A recognised caller within the limits, who understands JSON.
pub(crate) struct Who {
    pub(crate) scope: Scope,
    pub(crate) caller: Caller,
}

/// The object of a request to a public route; nobody is asked who they are.
pub(crate) struct Anyone(pub(crate) Scope);

impl FromRequestParts<Shared> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        scope(parts).map(Self)
    }
}

impl FromRequestParts<Shared> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let scope = scope(parts)?;
        let caller = match recognise(app, &scope, credential(&parts.headers)).await {
            Ok(caller) => caller,
            Err(Refused::Unknown(fault)) => return Err(challenge(fault, &scope, &parts.headers)),
            Err(Refused::Otherwise(problem)) => return Err(problem),
        };
        accepts_json(&parts.headers)?;
        Ok(Self { scope, caller })
    }
}

pub(crate) fn scope(parts: &Parts) -> Result<Scope, Problem> {
    parts.extensions.get::<Scope>().cloned().ok_or_else(|| Fault::internal().into())
}

/// Why somebody is not served.
pub(crate) enum Refused {
    /// Nobody is known by that.
    Unknown(Fault),
    Otherwise(Problem),
}

/// Who brings this credential. The request is counted, whoever it is.
pub(crate) async fn recognise(
    app: &App,
    scope: &Scope,
    credential: Result<Option<Credential>, Fault>,
) -> Result<Caller, Refused> {
    let found = match credential {
        Ok(credential) => app.node.authenticate(&scope.object, credential.as_ref()).await,
        Err(fault) => Err(fault),
    };
    match found {
        Ok(identity) => {
            if let Some(key) = identity.key {
                count(app.keys.as_ref(), key, scope).map_err(Refused::Otherwise)?;
            }
            Ok(Caller { identity, request_id: scope.request_id.clone() })
        }
        Err(fault) if fault.kind == FaultKind::Unauthenticated => {
            let ip = scope.peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
            count(app.anonymous.as_ref(), ip, scope).map_err(Refused::Otherwise)?;
            Err(Refused::Unknown(fault))
        }
        Err(fault) => Err(Refused::Otherwise(fault.into())),
    }
}

/// What a request brought to be recognised by.
pub(crate) fn credential(headers: &HeaderMap) -> Result<Option<Credential>, Fault> {
    let all = |name: &'static str| headers.get_all(name).iter().map(HeaderValue::as_bytes);
    Ok(Credential::from_headers(all("authorization"), all("x-api-key"))?)
}

fn count<K: Hash + Eq>(buckets: Option<&Buckets<K>>, who: K, scope: &Scope) -> Result<(), Problem> {
    let Some(buckets) = buckets else { return Ok(()) };
    let standing = buckets.take(who, tokio::time::Instant::now()).map_err(Problem::rate_limited)?;
    // One request is counted once.
    let _ = scope.standing.set(standing);
    Ok(())
}

/// Spec AUT-14.
fn challenge(fault: Fault, scope: &Scope, headers: &HeaderMap) -> Problem {
    let sent = headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key");
    let error = if sent { ", error=\"invalid_token\"" } else { "" };
    let value = format!("Bearer realm=\"{}\"{error}", scope.object.namespace());
    let problem = Problem::from(fault);
    match HeaderValue::from_str(&value) {
        Ok(value) => problem.with(header::WWW_AUTHENTICATE, value),
        Err(_) => problem.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
    }
}

/// Everything here answers JSON; a log can also be a stream of events.
fn accepts_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let wanted = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|p| p.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)));
        !refused
            && matches!(
                kind.as_str(),
                "*/*" | "application/*" | "application/json" | "text/event-stream" | "application/problem+json"
            )
    };
    if values.any(|v| v.to_str().is_ok_and(|text| text.is_empty() || text.split(',').any(wanted))) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "NOT_ACCEPTABLE",
        "answers are application/json; send Accept: application/json, or no Accept",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_unless_that_is_refused() {
        let of = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            accepts_json(&headers).is_ok()
        };
        for good in
            ["*/*", "application/json", "text/html, application/*;q=0.1", "text/event-stream", "Application/JSON; q=1"]
        {
            assert!(of(good), "{good}");
        }
        for bad in ["text/html", "application/json;q=0", "image/*, text/plain"] {
            assert!(!of(bad), "{bad}");
        }
    }
}
