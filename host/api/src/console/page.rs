//! What every page has in common: what is around it, the headers that keep it harmless, how it says that something
//! did not work.

use super::session::Signed;
use super::{FIRST, files, words};
use crate::app::Scope;
use crate::caller::Anyone;
use crate::problem::Problem;
use axum::response::{IntoResponse, Response};
use console::{Chrome, Message, Tab};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Everything from here, and nothing written into the page runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The header of requests that htmx makes.
const HX_REQUEST: &str = "hx-request";

pub(super) async fn first(Anyone(scope): Anyone) -> Response {
    go(&scope.link(FIRST))
}

/// To another page.
pub(super) fn go(location: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, guarded()).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Whether a page asks for a part of itself again.
pub(super) fn is_again(headers: &HeaderMap) -> bool {
    headers.contains_key(HX_REQUEST)
}

pub(super) fn chrome(scope: &Scope, who: Option<&str>, tab: Tab) -> Chrome {
    let namespace = scope.object.namespace().as_str();
    Chrome {
        base: scope.base.clone(),
        assets: scope.link(&format!("/console/assets/{}", files::version())),
        ns: namespace.to_owned(),
        who: who.map(|id| words::who(id, namespace).to_owned()),
        tab,
    }
}

pub(super) fn html(status: StatusCode, text: Option<String>) -> Response {
    let Some(text) = text else { return Problem::from(types::Fault::internal()).into_response() };
    let mut response = (status, guarded(), text).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn guarded() -> [(HeaderName, &'static str); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ]
}

/// The same for an answer that is no page.
pub(super) fn guard(mut response: Response) -> Response {
    for (name, value) in guarded() {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whatever came of it, as a page.
pub(super) fn shown(signed: &Signed, tab: Tab, result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(|problem| wrong(chrome(&signed.scope, Some(&signed.caller.identity.actor), tab), problem))
}

/// That there is no other page, and why.
pub(super) fn wrong(chrome: Chrome, problem: Problem) -> Response {
    let title = match problem.status {
        StatusCode::NOT_FOUND => "There is no such page",
        StatusCode::FORBIDDEN => "You may not see this",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "Not now",
        _ => "This did not work",
    };
    let text = problem.message().to_owned();
    let page = Message { chrome, title: title.to_owned(), text };
    let mut response = html(problem.status, console::render(&page));
    let mut told = HeaderMap::new();
    problem.write(&mut told);
    if let Some(after) = told.remove(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after);
    }
    response
}
