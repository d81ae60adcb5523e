//! What goes wrong, as HTTP says it: the one table from faults to statuses (spec 0.6, FUN-2).
//!
//! | what | status |
//! |---|---|
//! | `invalid` | 422; 400 for what is no well-formed request; 413 for what is too large |
//! | `unauthenticated` | 401; 502 when a function said it, for then it is not about this request's credential |
//! | `forbidden` · `not-found` · `conflict` · `gone` | 403 · 404 · 409 · 410 |
//! | `limit` | of a run: 502, it went past what it may use; 408 for processor time |
//! | `limit` | of the host: 403, there are enough of these (functions, keys) already; 413 for input |
//! | `rate-limited` | 429 |
//! | `conflict` of a condition in a header | 412; 428 when there has to be one |
//! | `timeout` | 408 |
//! | `cancelled` | 409 |
//! | `failed` · `upstream` | 502: the function, or what it needs, failed; the host did not |
//! | `unavailable` | 503; 501 for what this host does not do, 507 for a full disk |
//! | `internal` | 500 |
//!
//! A handler returns a [`Problem`]; the edge writes its body, because only the edge knows the request's id.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use std::time::Duration;
use types::{Fault, FaultKind, Id, Json};

/// What a caller is told to wait when the host is busy and cannot say for how long.
const BUSY_RETRY: Duration = Duration::from_secs(2);

/// A request that was not served, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Apart, so that results which could be a problem stay small.
    more: Box<More>,
}

#[derive(Clone, Debug, Default)]
struct More {
    code: String,
    message: String,
    details: Option<Json>,
    /// The action that the request became before it failed.
    action: Option<Id>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The outer shape of spec 0.6.
#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_id: Option<String>,
    request_id: &'a str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let more = More { code: code.to_owned(), message: message.into(), ..More::default() };
        Self { status, more: Box::new(more) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// Well-formed, but it cannot be meant.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_FAILED", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let message = format!("too many requests; try again in {} s", seconds_up(wait));
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).retry_after(wait)
    }

    pub(crate) fn busy(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", format!("{what}; try again in a few seconds"))
            .retry_after(BUSY_RETRY)
    }

    /// How a run ended that did not end well.
    pub(crate) fn of_run(action: Option<Id>, fault: Fault) -> Self {
        let mut problem = Self::of(fault, Origin::Run);
        problem.more.action = action;
        problem
    }

    fn of(fault: Fault, origin: Origin) -> Self {
        let status = status(fault.kind, &fault.code, origin);
        let mut problem = Self::new(status, &fault.code, fault.message);
        let version = fault.details.as_ref().and_then(told_version);
        problem.more.details = fault.details;
        match (status, version) {
            // Spec VER-22: the state that was met instead.
            (StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT, Some(version)) => {
                if let Ok(tag) = HeaderValue::try_from(format!("\"v{version}\"")) {
                    problem = problem.with(header::ETAG, tag);
                }
            }
            // Spec ID-12: the marker that was met.
            (StatusCode::GONE, Some(version)) => {
                problem = problem.with(HeaderName::from_static("do-version"), HeaderValue::from(version));
            }
            _ => {}
        }
        if status == StatusCode::FORBIDDEN && matches!(origin, Origin::Host) && fault.kind == FaultKind::Forbidden {
            // Spec AUT-14.
            let value = HeaderValue::from_static("Bearer error=\"insufficient_scope\"");
            problem = problem.with(header::WWW_AUTHENTICATE, value);
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            problem = problem.retry_after(BUSY_RETRY);
        }
        problem
    }

    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.more.headers.push((name, value));
        self
    }

    #[must_use]
    pub(crate) fn with_details(mut self, details: Json) -> Self {
        self.more.details = Some(details);
        self
    }

    /// What of it stands inside another answer.
    pub(crate) fn as_json(&self) -> Json {
        let mut inner = serde_json::json!({ "code": self.more.code, "message": self.more.message });
        if let Some(details) = &self.more.details {
            inner["details"] = details.to_value();
        }
        Json::from_value(&inner)
    }

    /// For a person to read.
    pub(crate) fn message(&self) -> &str {
        &self.more.message
    }

    pub(crate) fn code(&self) -> &str {
        &self.more.code
    }

    pub(crate) fn details(&self) -> Option<&Json> {
        self.more.details.as_ref()
    }

    fn retry_after(self, wait: Duration) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds_up(wait)))
    }

    /// The whole body.
    pub(crate) fn body(&self, request_id: &str) -> Bytes {
        let inner = Inner {
            code: &self.more.code,
            message: &self.more.message,
            details: self.more.details.as_ref(),
            action_id: self.more.action.map(|id| id.to_string()),
            request_id,
        };
        serde_json::to_vec(&Body { error: inner }).expect("our own types serialise to JSON").into()
    }

    /// Into an answer that has headers already.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        for (name, value) in self.more.headers {
            headers.insert(name, value);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn told_version(details: &Json) -> Option<u64> {
    details.to_value().get("version").and_then(serde_json::Value::as_u64)
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::of(fault, Origin::Host)
    }
}

/// Who says that it did not succeed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// The host, before or beside a run.
    Host,
    /// A run, or the function in it.
    Run,
}

/// The table of this file's head. The kind says what to do next; HTTP has a word more here and there, by the code.
fn status(kind: FaultKind, code: &str, origin: Origin) -> StatusCode {
    match (kind, code, origin) {
        (
            FaultKind::Invalid,
            "BAD_REQUEST"
            | "NOT_JSON"
            | "BODY_MISMATCH"
            | "PATCH_MALFORMED"
            | "REF_INVALID"
            | "IDEMPOTENCY_KEY_INVALID"
            | "SESSION_INVALID"
            | "MERGE_INTO_ITSELF",
            Origin::Host,
        ) => StatusCode::BAD_REQUEST,
        (FaultKind::Conflict, "PRECONDITION_FAILED", _) => StatusCode::PRECONDITION_FAILED,
        (FaultKind::Conflict, "PRECONDITION_REQUIRED", _) => StatusCode::PRECONDITION_REQUIRED,
        (FaultKind::Invalid | FaultKind::Limit, "QUERY_LIMIT" | "BATCH_LIMIT", Origin::Host) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        (_, "PAYLOAD_TOO_LARGE" | "INPUT_LIMIT" | "DATA_LIMIT", _) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, "OUTPUT_INVALID" | "OUTPUT_NOT_JSON" | "OUTPUT_LIMIT", _) => StatusCode::BAD_GATEWAY,
        (_, "STORAGE_FULL", _) => StatusCode::INSUFFICIENT_STORAGE,
        (FaultKind::Limit, "CPU_LIMIT", _) => StatusCode::REQUEST_TIMEOUT,
        (FaultKind::Limit, "BUDGET_EXCEEDED", _) => StatusCode::FORBIDDEN,
        // It is not the caller's run that took too long, but who was asked for it.
        (FaultKind::Timeout, "MODEL_TIMEOUT", _) => StatusCode::BAD_GATEWAY,
        (FaultKind::Unavailable, "NOT_IMPLEMENTED", _) => StatusCode::NOT_IMPLEMENTED,
        (FaultKind::Limit, _, Origin::Host) => StatusCode::FORBIDDEN,
        (FaultKind::Limit, _, Origin::Run) => StatusCode::BAD_GATEWAY,
        (FaultKind::Unauthenticated, _, Origin::Host) => StatusCode::UNAUTHORIZED,
        // Somebody refused the function's credential, not the caller's.
        (FaultKind::Unauthenticated, _, Origin::Run) => StatusCode::BAD_GATEWAY,
        (FaultKind::Invalid, _, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (FaultKind::Forbidden, _, _) => StatusCode::FORBIDDEN,
        (FaultKind::NotFound, _, _) => StatusCode::NOT_FOUND,
        (FaultKind::Conflict | FaultKind::Cancelled, _, _) => StatusCode::CONFLICT,
        (FaultKind::Gone, _, _) => StatusCode::GONE,
        (FaultKind::RateLimited, _, _) => StatusCode::TOO_MANY_REQUESTS,
        (FaultKind::Timeout, _, _) => StatusCode::REQUEST_TIMEOUT,
        (FaultKind::Failed | FaultKind::Upstream, _, _) => StatusCode::BAD_GATEWAY,
        (FaultKind::Unavailable, _, _) => StatusCode::SERVICE_UNAVAILABLE,
        (FaultKind::Internal, _, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The edge finds the problem in the answer's extensions and writes it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_has_its_status() {
        let of = |kind, origin| status(kind, "X", origin).as_u16();
        let host: Vec<_> = FaultKind::ALL.into_iter().map(|kind| of(kind, Origin::Host)).collect();
        assert_eq!(host, [422, 401, 403, 404, 409, 410, 403, 429, 408, 409, 502, 502, 503, 500]);
        let run: Vec<_> = FaultKind::ALL.into_iter().map(|kind| of(kind, Origin::Run)).collect();
        assert_eq!(run, [422, 502, 403, 404, 409, 410, 502, 429, 408, 409, 502, 502, 503, 500]);
        for (kind, code, expected) in [
            (FaultKind::Invalid, "BAD_REQUEST", 400),
            (FaultKind::Limit, "INPUT_LIMIT", 413),
            (FaultKind::Failed, "OUTPUT_INVALID", 502),
            (FaultKind::Limit, "CPU_LIMIT", 408),
            (FaultKind::Unavailable, "STORAGE_FULL", 507),
            (FaultKind::Unavailable, "NOT_IMPLEMENTED", 501),
        ] {
            assert_eq!(status(kind, code, Origin::Host).as_u16(), expected, "{code}");
        }
    }

    #[test]
    fn a_function_cannot_sign_its_caller_out() {
        let fault = Fault::new(FaultKind::Unauthenticated, "X", "m");
        assert_eq!(Problem::of_run(Some(Id::from_u128(1)), fault.clone()).status, 502);
        assert_eq!(Problem::from(fault).status, 401);
    }

    #[test]
    fn a_problem_is_written_as_the_specification_says() {
        let fault = Fault::not_found("NOT_FOUND", "no function \"x\"").with_details(&serde_json::json!([1]));
        assert_eq!(
            Problem::of_run(Some(Id::from_u128(1)), fault).body("abc-1"),
            r#"{"error":{"code":"NOT_FOUND","message":"no function \"x\"","details":[1],"actionId":"00000000-0000-0000-0000-000000000001","requestId":"abc-1"}}"#
        );
    }
}
