//! What happens to every request before and after its handler: id, limits, which object, and how problems are written.
//!
//! The order is spec API-4: which object, limits, who is calling, may they, is it valid, run. The first is done here,
//! the next two by the extractor [`crate::caller::Who`], the rest below `api`.

use crate::address::{self, Address};
use crate::app::{Scope, Shared};
use crate::body::Ended;
use crate::config::{limits, new_request_id};
use crate::problem::Problem;
use crate::{cors, routes};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{self, HeaderName};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use runtime::Object;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_CHARS_MAX: usize = 128;

/// The address a connection came from, as an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Takes requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    app: Shared,
    /// Routes that mean the host, whatever object the URL names.
    host: Router,
    /// Routes inside of an object.
    object: Router,
    /// The same for who takes packed answers: the layer wraps every body, which others need not pay for.
    packed: Router,
}

impl Edge {
    pub(crate) fn new(app: Shared) -> Self {
        let object = routes::of_object(app.clone());
        let packed = object.clone().layer(CompressionLayer::new());
        Self { host: routes::of_host(app.clone()), object, packed, app }
    }

    pub(crate) async fn handle(&self, request: Request) -> Response {
        let request_id = self.request_id(request.headers());
        let is_head = request.method() == Method::HEAD;
        let origin = cors::allowed(&self.app.config, request.headers());
        let preflight = origin.is_some() && request.method() == Method::OPTIONS;
        let mut scope = None;
        let (head, body) = request.into_parts();
        let (body, ended) = Ended::of(body);
        let request = Request::from_parts(head, body);
        let answer = AssertUnwindSafe(self.dispatch(request, &request_id, &mut scope)).catch_unwind().await;
        let mut response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(problem)) => problem.into_response(),
            Err(_) => {
                tracing::error!(request_id = &*request_id, "a handler panicked");
                Problem::from(types::Fault::internal()).into_response()
            }
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            write_problem(&mut response, problem, &request_id, is_head);
        }
        let headers = response.headers_mut();
        if ended.is_some_and(|ended| !ended.is_there()) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(X_REQUEST_ID, value);
        }
        if let Some(standing) = scope.and_then(|s: Scope| s.standing.get().copied()) {
            for (name, value) in [
                ("x-ratelimit-limit", u64::from(standing.limit)),
                ("x-ratelimit-remaining", u64::from(standing.remaining)),
                ("x-ratelimit-reset", standing.reset.as_secs_f64().ceil() as u64),
            ] {
                headers.insert(name, HeaderValue::from(value));
            }
        }
        if let Some(origin) = origin {
            cors::write(headers, origin, preflight);
        }
        response
    }

    async fn dispatch(
        &self,
        mut request: Request,
        request_id: &Arc<str>,
        kept: &mut Option<Scope>,
    ) -> Result<Response, Problem> {
        let url_bytes = request.uri().path_and_query().map_or(0, |p| p.as_str().len());
        if url_bytes > limits::URL_BYTES_MAX {
            let message = format!("the URL is longer than {} bytes", limits::URL_BYTES_MAX);
            return Err(Problem::new(StatusCode::URI_TOO_LONG, "BAD_REQUEST", message));
        }
        if routes::is_of_host(request.uri().path()) {
            set_path(&mut request, None)?;
            return Ok(infallible(self.host.clone().oneshot(request).await));
        }
        let (object, base_bytes) = self.resolve(request.uri(), request.headers()).await?;
        let base = &request.uri().path()[..base_bytes];
        let scope =
            Scope::new(object, request_id.clone(), base.to_owned(), request.extensions().get::<Peer>().copied());
        *kept = Some(scope.clone());
        set_path(&mut request, Some(base_bytes))?;
        request.extensions_mut().insert(scope);
        let takes_packed = request.headers().contains_key(header::ACCEPT_ENCODING);
        let routes = if takes_packed { &self.packed } else { &self.object };
        Ok(infallible(routes.clone().oneshot(request).await))
    }

    /// The object, and how many bytes of the path name it.
    async fn resolve(&self, uri: &Uri, headers: &HeaderMap) -> Result<(Object, usize), Problem> {
        let node = &self.app.node;
        let unknown = || Problem::not_found("nothing is served under this host");
        match address::read(uri, headers)? {
            Address::Local { named } => {
                let wanted = named.as_ref().unwrap_or_else(|| node.default_namespace());
                match node.object(wanted).await? {
                    Some(object) => Ok((object, 0)),
                    None => Err(Problem::not_found(format!("there is no object {wanted} on this server"))),
                }
            }
            Address::Tenant { host, named } => {
                let path = uri.path();
                for url in address::candidates(host, path)? {
                    let Some(found) = node.resolve(&url).await? else { continue };
                    let own = found.object.namespace();
                    if named.is_some_and(|named| !address::agree(&named, own)) {
                        return Err(Problem::bad_request(
                            "DO-Namespace names another object than this URL; leave the header out",
                        ));
                    }
                    let base = base_bytes(path, own.segments());
                    return Ok((found.object, base));
                }
                Err(unknown())
            }
        }
    }

    fn request_id(&self, headers: &HeaderMap) -> Arc<str> {
        let sent = headers.get(X_REQUEST_ID).and_then(|v| v.to_str().ok()).filter(|text| {
            (1..=REQUEST_ID_CHARS_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        });
        sent.map_or_else(|| new_request_id(self.app.node.clock().now()).into(), Arc::from)
    }
}

/// How much of `path` is the object's name: so many segments, of which none is empty.
fn base_bytes(path: &str, segments: usize) -> usize {
    let mut end = 0;
    for _ in 0..segments {
        let start = end + path[end..].bytes().take_while(|b| *b == b'/').count();
        end = path[start..].find('/').map_or(path.len(), |at| start + at);
    }
    end
}

/// Removes the object's part of the path and a trailing slash: what is left is matched against the routes.
fn set_path(request: &mut Request, base_bytes: Option<usize>) -> Result<(), Problem> {
    let uri = request.uri();
    let base = base_bytes.unwrap_or(0);
    let path = &uri.path()[base..];
    let trimmed = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    if base == 0 && trimmed.len() == path.len() && !path.is_empty() {
        return Ok(());
    }
    let slash = if trimmed.is_empty() { "/" } else { "" };
    let text = match uri.query() {
        Some(query) => format!("{slash}{trimmed}?{query}"),
        None => format!("{slash}{trimmed}"),
    };
    let path = PathAndQuery::try_from(text).map_err(|_| Problem::bad_request("the path cannot be read"))?;
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Problem::bad_request("the path cannot be read"))?;
    Ok(())
}

fn write_problem(response: &mut Response, problem: Problem, request_id: &str, is_head: bool) {
    let body = problem.body(request_id);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    problem.write(response.headers_mut());
    *response.body_mut() = if is_head { Body::empty() } else { Body::from(body) };
}

fn infallible(result: Result<Response, std::convert::Infallible>) -> Response {
    match result {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_inside_of_an_object_is_what_routes_see() {
        for (path, segments, expected) in [
            ("/acme/api/actions", 1, "/api/actions"),
            ("//acme/api/actions", 1, "/api/actions"),
            ("/acme/", 1, "/"),
            ("/acme", 1, "/"),
            ("/", 0, "/"),
            ("/api/x/", 0, "/api/x"),
            ("/a/b/api/x%2Fy/", 2, "/api/x%2Fy"),
        ] {
            let mut request = Request::builder().uri(format!("{path}?q=1")).body(Body::empty()).unwrap();
            set_path(&mut request, Some(base_bytes(path, segments))).ok().unwrap();
            assert_eq!(request.uri().to_string(), format!("{expected}?q=1"), "{path} behind {segments}");
        }
    }
}
