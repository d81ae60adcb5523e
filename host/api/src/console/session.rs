//! Signing in: an API key, kept in a cookie that is sealed for the object it was given to. The server keeps nothing, a
//! key that was revoked is refused by the next request, and no page of another site can make a browser act.

use super::FIRST;
use super::page::{chrome, go, guard, html, is_again, wrong};
use crate::address;
use crate::app::{Scope, Shared};
use crate::caller::{self, Anyone, Refused, recognise};
use crate::handlers::answers::{field, fields, raw};
use crate::problem::Problem;
use auth::{Credential, Key};
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use console::{Login, Tab};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use runtime::Caller;
use std::time::Duration;

const COOKIE: &str = "org_ai_console";
/// A working day: then the key is asked for again.
const LASTS: Duration = Duration::from_secs(12 * 60 * 60);
/// Of an address that is gone to after signing in, in bytes.
const NEXT_BYTES_MAX: usize = 2048;

/// Somebody who is signed in, with what they were recognised by.
pub(super) struct Signed {
    pub(super) scope: Scope,
    pub(super) caller: Caller,
    pub(super) credential: Credential,
    /// The node's clock, when they asked.
    pub(super) now: types::Timestamp,
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Response> {
        let scope = caller::scope(parts).map_err(IntoResponse::into_response)?;
        if parts.method != Method::GET && parts.method != Method::HEAD && !is_of_this_site(&parts.headers) {
            return Err(foreign(&scope));
        }
        let key = cookie(&parts.headers).and_then(|sealed| scope.object.open_key(sealed));
        let Some(credential) = key.and_then(|key| Key::parse(&key).ok()).map(Credential::ApiKey) else {
            return Err(sign_in_first(&scope, parts));
        };
        match recognise(app, &scope, Ok(Some(credential.clone()))).await {
            Ok(caller) => Ok(Self { scope, caller, credential, now: app.node.clock().now() }),
            Err(Refused::Unknown(_)) => Err(sign_in_first(&scope, parts)),
            Err(Refused::Otherwise(problem)) => Err(wrong(chrome(&scope, None, Tab::None), problem)),
        }
    }
}

/// The newest of that name: an older one may be of another path.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether a page of this very site sends this. Browsers say so in one header or the other; who says nothing is refused.
fn is_of_this_site(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, of)| !of.is_empty() && of.eq_ignore_ascii_case(host))
        }
        (None, None) => false,
    }
}

fn foreign(scope: &Scope) -> Response {
    let message = "this came from another site's page; open the console itself and try again";
    let problem = Problem::new(StatusCode::FORBIDDEN, "CROSS_SITE", message);
    wrong(chrome(scope, None, Tab::None), problem)
}

fn sign_in_first(scope: &Scope, parts: &Parts) -> Response {
    let path = match parts.method {
        Method::GET => parts.uri.path_and_query().map_or(FIRST, |path| path.as_str()),
        // What was posted is not sent again; the page that it was posted from is shown.
        _ => parts.uri.path(),
    };
    let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
    let login = scope.link(&format!("/console/login?{next}"));
    if !is_again(&parts.headers) {
        return go(&login);
    }
    // A part of a page would show the whole form of signing in inside of it: htmx is told to leave the page.
    let mut response = guard(StatusCode::UNAUTHORIZED.into_response());
    let first = scope.link("/console/login");
    if let Ok(first) = HeaderValue::from_str(&first) {
        response.headers_mut().insert("hx-redirect", first);
    }
    response
}

/// A path below the console, as it was inside of the object; anything else is the first page. So nobody is led away.
fn inside(next: &str) -> &str {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let is_below = path == "/console" || path.starts_with("/console/");
    let is_plain = next.len() <= NEXT_BYTES_MAX
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
        && path.split('/').skip(1).all(|part| !part.is_empty() && !part.starts_with('.') && !part.starts_with("%2"));
    let is_itself = matches!(path, "/console/login" | "/console/logout" | "/console/stream");
    if is_below && is_plain && !is_itself { next } else { FIRST }
}

pub(super) async fn ask(Anyone(scope): Anyone, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let next = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    let next = next.map(|(_, value)| value.into_owned()).unwrap_or_default();
    form(&scope, StatusCode::OK, None, &next)
}

fn form(scope: &Scope, status: StatusCode, error: Option<String>, next: &str) -> Response {
    let page = Login { chrome: chrome(scope, None, Tab::None), error, next: inside(next).to_owned() };
    html(status, console::render(&page))
}

pub(super) async fn login(
    State(app): State<Shared>,
    Anyone(scope): Anyone,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if !is_of_this_site(&headers) {
        return foreign(&scope);
    }
    let filled = match raw(&app, &headers, body).await.and_then(|body| fields(&body)) {
        Ok(filled) => filled,
        Err(problem) => return wrong(chrome(&scope, None, Tab::None), problem),
    };
    let next = field(&filled, "next").unwrap_or_default();
    let typed = field(&filled, "key").unwrap_or_default().trim();
    let credential = Key::parse(typed).map(Credential::ApiKey).ok();
    let unknown =
        credential.is_none().then(|| types::Fault::new(types::FaultKind::Unauthenticated, "UNAUTHORIZED", ""));
    match recognise(&app, &scope, unknown.map_or(Ok(credential), Err)).await {
        Ok(_) => {}
        Err(Refused::Unknown(_)) => {
            let error = "no such key is known here, or it is not valid any more".to_owned();
            return form(&scope, StatusCode::UNAUTHORIZED, Some(error), next);
        }
        Err(Refused::Otherwise(problem)) => return wrong(chrome(&scope, None, Tab::None), problem),
    }
    let until = app.node.clock().now().plus(LASTS);
    match scope.object.seal_key(typed, until) {
        Ok(sealed) => set(go(&scope.link(inside(next))), &scope, &uri, &headers, &sealed, LASTS),
        Err(fault) => wrong(chrome(&scope, None, Tab::None), fault.into()),
    }
}

pub(super) async fn logout(Anyone(scope): Anyone, uri: Uri, headers: HeaderMap) -> Response {
    if !is_of_this_site(&headers) {
        return foreign(&scope);
    }
    set(go(&scope.link("/console/login")), &scope, &uri, &headers, "", Duration::ZERO)
}

/// Only this console is sent it, no script reads it, and no other site's page can have it sent.
fn set(
    mut response: Response,
    scope: &Scope,
    uri: &Uri,
    headers: &HeaderMap,
    sealed: &str,
    lasts: Duration,
) -> Response {
    let is_local = address::host(uri, headers).is_ok_and(address::is_loopback);
    let secure = if is_local { "" } else { "; Secure" };
    let path = scope.link("/console");
    let cookie =
        format!("{COOKIE}={sealed}; Path={path}; Max-Age={}; HttpOnly; SameSite=Strict{secure}", lasts.as_secs());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_console_are_gone_to() {
        for good in ["/console", "/console/inbox", "/console/inbox?show=all&type=a%2Fb", "/console/runs/0198"] {
            assert_eq!(inside(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/console//evil.example",
            "/console\\evil.example",
            "/console/../api",
            "/console/%2e%2e/api",
            "/console/%2F/evil",
            "/consoles",
            "/api/actions",
            "/console/logout",
            "/console/inbox\r\nset-cookie: a=b",
        ] {
            assert_eq!(inside(bad), FIRST, "{bad:?}");
        }
    }

    #[test]
    fn what_another_site_sends_is_told_apart() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_of_this_site(&headers)
        };
        assert!(of(&[("sec-fetch-site", "same-origin")]));
        assert!(of(&[("host", "a.example:8"), ("origin", "https://a.example:8")]));
        for bad in [
            &[][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("host", "a"), ("origin", "https://a")],
            &[("host", "a.example"), ("origin", "https://evil.example")],
            &[("host", "a.example"), ("origin", "null")],
            &[("host", ""), ("origin", "https://")],
        ] {
            assert!(!of(bad), "{bad:?}");
        }
    }
}
