//! The web console: pages for people, under `/console` of every object.
//!
//! `session` signs in by an API key and keeps it, sealed, in a cookie; `page` is what every page has in common; `inbox`
//! and `request` are what people are asked for, `runs` what agents and functions did, `stream` says when to look again,
//! `files` serves what pages load. `asked` draws the form of a request, for the page behind a signed link too. What may
//! be seen and done is `runtime`'s to say: a page is one more caller of the same functions as the API.

pub(crate) mod asked;
mod files;
mod inbox;
mod page;
mod request;
mod runs;
mod session;
mod stream;
mod words;

use crate::app::Shared;
use axum::Router;
use axum::routing::{get, post};

/// The page that there is when nobody says which.
const FIRST: &str = "/console/inbox";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/console", get(page::first))
        .route("/console/login", get(session::ask).post(session::login))
        .route("/console/logout", post(session::logout))
        .route("/console/inbox", get(inbox::show))
        .route("/console/inbox/{id}", get(request::show).post(request::say))
        .route("/console/runs", get(runs::list))
        .route("/console/runs/{id}", get(runs::show))
        .route("/console/stream", get(stream::stream))
        .route("/console/assets/{version}/{name}", get(files::file))
}
