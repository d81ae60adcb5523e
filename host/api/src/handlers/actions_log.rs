//! What was done in an object.

use crate::app::Scope;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, LoggedActionView, Page, json};
use axum::response::Response;
use http::Uri;
use runtime::ActionFilter;
use types::{ActionStatus, Durability};

#[utoipa::path(
    get, path = "/api/actions-log", tag = "actions",
    params(
        ("verb" = Option<String>, Query, description = "In any of its forms"), ("target" = Option<String>, Query, description = "Like `Function/pay`, or its URL"),
        ("status" = Option<String>, Query), ("actor" = Option<String>, Query),
        ("durability" = Option<String>, Query, description = "`send`, `try` or `do`"),
        ("since" = Option<String>, Query, description = "RFC 3339, inclusive"),
        ("until" = Option<String>, Query, description = "RFC 3339, exclusive"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses((status = 200, description = "Newest first", body = Page<LoggedActionView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    const KNOWN: [&str; 9] = ["verb", "target", "status", "actor", "durability", "since", "until", "cursor", "limit"];
    let mut fields = Fields::read(&uri, &KNOWN)?;
    let limit = fields.limit(limits::PAGE_MAX)?;
    let statuses = ActionStatus::ALL.map(ActionStatus::as_str).join(", ");
    let filter = ActionFilter {
        verb: match fields.text("verb") {
            Some(verb) => Some(scope.object.action_form(&verb).await?),
            None => None,
        },
        target: fields.text("target").map(|target| local(&scope, target)),
        status: fields.with("status", &format!("one of {statuses}"), ActionStatus::parse)?,
        actor: fields.text("actor"),
        durability: fields.with("durability", "send, try or do", durability)?,
        since: fields.time("since")?,
        until: fields.time("until")?,
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit,
    };
    let page = scope.object.actions(&caller, &filter).await?;
    Ok(json(&Page::of(page, LoggedActionView::of)))
}

/// A thing's URL is taken as well as its local name.
fn local(scope: &Scope, target: String) -> String {
    let inside = target.strip_prefix(scope.object.namespace().as_str()).and_then(|rest| rest.strip_prefix('/'));
    inside.map_or_else(|| target.clone(), str::to_owned)
}

fn durability(text: &str) -> Option<Durability> {
    [Durability::Send, Durability::Try, Durability::Do].into_iter().find(|d| d.as_str() == text)
}

#[utoipa::path(
    get, path = "/api/actions-log/{id}", tag = "actions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "One action, running ones included", body = LoggedActionView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    Ok(json(&LoggedActionView::of(scope.object.action(&caller, id.id("action")?).await?)))
}

#[utoipa::path(
    post, path = "/api/actions-log/{id}/cancel", tag = "actions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "It was told to end; its status says when it has", body = LoggedActionView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It has ended already", body = ErrorBody),
    )
)]
pub(crate) async fn cancel(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    Ok(json(&LoggedActionView::of(scope.object.cancel(&caller, id.id("action")?).await?)))
}
