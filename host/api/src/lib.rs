//! HTTP in and out: the only crate that knows methods, headers and status codes.
//!
//! A request goes through [`edge`] (id, limits, which durable object), is matched by [`routes`], recognised by
//! [`caller`], and served by one of the [`handlers`], which call `runtime` and turn its rows into [`views`]. What goes
//! wrong is a [`problem`], whose file has the one table from faults to statuses. [`serve`] holds the sockets.
//!
//! A new route is a function in a handlers file with its `utoipa::path`, a line in [`routes`] and one in [`openapi`].

mod config;
pub use config::{Config, Replies};
mod serve;
pub use serve::serve;
mod edge;
mod follow;
pub use edge::Peer;
mod address;
mod app;
mod body;
mod caller;
mod conditions;
mod console;
mod cors;
mod handlers;
mod mcp;
mod openapi;
mod prefer;
mod problem;
mod query;
mod rate;
mod routes;
mod target;
mod views;
pub use rate::Rate;

#[cfg(test)]
mod tests;

/// Everything as one axum router, for in-process use; [`serve`] adds what belongs to connections.
pub fn router(node: runtime::Node, config: Config) -> axum::Router {
    let edge = edge::Edge::new(app::App::new(node, config));
    axum::Router::new().fallback(move |request: axum::extract::Request| async move { edge.handle(request).await })
}

/// The OpenAPI document, as `GET /api/openapi.json` answers it.
pub fn openapi_json() -> &'static str {
    openapi::json()
}
