//! What an object has to offer, and who the caller is to it.

use crate::caller::{Anyone, Who};
use crate::handlers::status::VERSION;
use crate::openapi;
use crate::views::{ErrorBody, IndexView, WhoamiView, json};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use types::IdentityKind;

const LINKS: [(&str, &str); 17] = [
    ("actions", "/api/actions"),
    ("actionsLog", "/api/actions-log"),
    ("branches", "/api/branches"),
    ("deployments", "/api/deployments"),
    ("events", "/api/events"),
    ("functions", "/api/functions"),
    ("health", "/health"),
    ("keys", "/api/keys"),
    ("nouns", "/api/nouns"),
    ("objects", "/api/objects"),
    ("openapi", "/api/openapi.json"),
    ("schedules", "/api/schedules"),
    ("secrets", "/api/secrets"),
    ("self", "/api/$self"),
    ("verbs", "/api/verbs"),
    ("whoami", "/api/whoami"),
    ("workflows", "/api/workflows"),
];

#[utoipa::path(get, path = "/api", tag = "host", security(()), responses((status = 200, description = "Where to go on", body = IndexView)))]
pub(crate) async fn index(Anyone(scope): Anyone) -> Response {
    json(&IndexView {
        namespace: scope.object.namespace().to_string(),
        version: VERSION,
        links: LINKS.iter().map(|(name, path)| (*name, scope.link(path))).collect(),
    })
}

#[utoipa::path(get, path = "/api/openapi.json", tag = "host", security(()), responses((status = 200, description = "This document")))]
pub(crate) async fn openapi() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, openapi::json()).into_response()
}

#[utoipa::path(
    get, path = "/api/whoami", tag = "keys",
    responses(
        (status = 200, description = "Who the credential says you are, here", body = WhoamiView),
        (status = 401, description = "No credential, or a bad one", body = ErrorBody),
    )
)]
pub(crate) async fn whoami(Who { scope, caller }: Who) -> Response {
    let identity = &caller.identity;
    json(&WhoamiView {
        authenticated: true,
        actor: identity.actor.to_string(),
        kind: match identity.kind {
            IdentityKind::Human => "human",
            IdentityKind::Agent => "agent",
            IdentityKind::Service => "service",
        },
        scopes: identity.scopes.iter().map(ToString::to_string).collect(),
        key: identity.key.map(|id| id.to_string()),
        namespace: scope.object.namespace().to_string(),
    })
}
