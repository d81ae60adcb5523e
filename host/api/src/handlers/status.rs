//! How the host is, and the clock of test mode.

use crate::app::Shared;
use crate::body::Sent;
use crate::problem::Problem;
use crate::views::json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::Timestamp;
use utoipa::ToSchema;

/// The server's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[utoipa::path(
    get, path = "/health", tag = "host", security(()),
    responses((status = 200, description = "The process answers. Public.", example = json!({"status": "ok", "version": "0.1.0"})))
)]
pub(crate) async fn health() -> Response {
    const BODY: &str = concat!(r#"{"status":"ok","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, BODY).into_response()
}

#[utoipa::path(
    get, path = "/ready", tag = "host", security(()),
    responses(
        (status = 200, description = "It takes work. Public."),
        (status = 503, description = "It starts or stops", body = crate::views::ErrorBody),
    )
)]
pub(crate) async fn ready(State(app): State<Shared>) -> Result<Response, Problem> {
    if app.node.is_ready() && !app.stopping.is_cancelled() {
        Ok(json(&serde_json::json!({ "status": "ready", "version": VERSION })))
    } else {
        Err(Problem::busy("the server is starting or stopping"))
    }
}

/// Exactly one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClockMove {
    /// An RFC 3339 time.
    now: Option<String>,
    advance_ms: Option<u64>,
}

#[derive(Serialize)]
struct ClockView {
    now: String,
}

/// There only in test mode (spec T-1).
pub(crate) async fn set_clock(State(app): State<Shared>, sent: Sent) -> Result<Response, Problem> {
    let clock = app.node.manual_clock().ok_or_else(|| Problem::not_found("there is no such route"))?;
    match sent.document().await? {
        ClockMove { now: Some(at), advance_ms: None } => {
            clock.set(Timestamp::parse(&at).ok_or_else(|| Problem::validation("now must be an RFC 3339 time"))?);
        }
        ClockMove { now: None, advance_ms: Some(ms) } => clock.advance(Duration::from_millis(ms)),
        ClockMove { now: Some(_), advance_ms: Some(_) } | ClockMove { now: None, advance_ms: None } => {
            return Err(Problem::validation("give either now or advanceMs"));
        }
    }
    Ok(json(&ClockView { now: app.node.clock().now().to_string() }))
}
