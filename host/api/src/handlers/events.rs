//! What happened in an object.

use crate::caller::Who;
use crate::config::limits;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{EventView, Page, json};
use axum::response::Response;
use http::Uri;
use runtime::EventFilter;

#[utoipa::path(
    get, path = "/api/events", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "A sequence number; 0 unless given"),
        ("verb" = Option<String>, Query, description = "In any of its forms"),
        ("source" = Option<String>, Query, description = "Like `Function/pay`, or its URL"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses((status = 200, description = "Oldest first; `next` is the `after` of the next page", body = Page<EventView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["after", "verb", "source", "limit"])?;
    let limit = fields.limit(limits::PAGE_MAX)?;
    let filter = EventFilter {
        after: fields.parsed("after", "a sequence number")?.unwrap_or(0),
        verb: fields.text("verb"),
        source: fields.text("source"),
        limit,
    };
    let page = scope.object.events_shown(&caller, &filter).await?;
    let data = page.items.into_iter().map(|shown| EventView::of(&scope, shown)).collect();
    Ok(json(&Page { data, next: page.next.map(|sequence| sequence.to_string()) }))
}
