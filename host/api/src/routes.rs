//! The route table.

use crate::app::Shared;
use crate::handlers::{
    actions, actions_log, events, functions, index, keys, lifecycle, logs, objects, secrets, status,
};
use crate::problem::Problem;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};
use tower_http::compression::CompressionLayer;

/// Whether a path means the host, whatever object the rest of the URL names.
pub(crate) fn is_of_host(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/_test/clock")
}

/// Public, and answered without looking at any object.
pub(crate) fn of_host(app: Shared) -> Router {
    let mut router = Router::new().route("/health", get(status::health)).route("/ready", get(status::ready));
    if app.node.manual_clock().is_some() {
        router = router.route("/_test/clock", post(status::set_clock));
    }
    finish(router).with_state(app)
}

/// Inside of an object; paths are those behind its namespace.
pub(crate) fn of_object(app: Shared) -> Router {
    // The busy route stays out of the compression layer, which would wrap every body of it.
    let busy = Router::new().route("/api/actions/{action}", get(actions::show).post(actions::invoke));
    let others = Router::new()
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/", get(index::index))
        .route("/api", get(index::index))
        .route("/api/openapi.json", get(index::openapi))
        .route("/api/whoami", get(index::whoami))
        .route("/api/actions", get(actions::list))
        .route("/api/actions-log", get(actions_log::list))
        .route("/api/actions-log/{id}", get(actions_log::show))
        .route("/api/actions-log/{id}/cancel", post(actions_log::cancel))
        .route("/api/functions", get(functions::list))
        .route("/api/functions/{name}", put(functions::deploy).get(functions::show).delete(functions::remove))
        .route("/api/functions/{name}/versions", get(functions::versions))
        .route("/api/functions/{name}/rollback", post(functions::rollback))
        .route("/api/functions/{name}/logs", get(logs::read))
        .route("/api/keys", get(keys::list).post(keys::create))
        .route("/api/keys/{id}", delete(keys::revoke))
        .route("/api/secrets", get(secrets::list))
        .route("/api/secrets/{name}", put(secrets::store).delete(secrets::remove))
        .route("/api/objects", get(objects::list).post(objects::create))
        .route("/api/objects/{ns}", delete(lifecycle::destroy))
        .route("/api/lifecycle/{op}", post(lifecycle::begin))
        .route("/api/events", get(events::list))
        .layer(CompressionLayer::new());
    finish(busy.merge(others)).with_state(app)
}

/// What answers when nothing else does. Handlers limit their bodies themselves.
fn finish(router: Router<Shared>) -> Router<Shared> {
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).layer(DefaultBodyLimit::disable())
}

async fn unknown() -> Problem {
    Problem::not_found("there is no such route; GET /api lists what there is")
}

/// The router adds `Allow`.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let message = format!("this route does not take {method}; the header Allow names what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message).into_response()
}
