//! Relationships of a thing, both ways (spec 2.6).

use super::list::{read_cursor, write_cursor};
use crate::app::Shared;
use crate::body;
use crate::caller::Who;
use crate::config::limits;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{Access, REF_FIELDS, Segments, Target, decode};
use crate::views::{ErrorBody, Page, json, json_at};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use runtime::{Direction, EdgeShown};
use serde::Serialize;
use serde_json::{Map, Value};
use types::Json;
use utoipa::ToSchema;

/// An edge from a thing to any URL.
#[derive(Serialize, ToSchema)]
#[schema(as = Relationship)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EdgeView {
    id: String,
    /// `owns`; seen from where it ends, `ownedBy`.
    #[schema(example = "owns")]
    verb: String,
    from: String,
    to: String,
    #[schema(value_type = Object)]
    data: Json,
    version: u64,
    created_at: String,
}

impl EdgeView {
    fn of(edge: EdgeShown) -> Self {
        let EdgeShown { id, verb, from, to, data, version, created_at } = edge;
        Self { id, verb, from, to, data, version, created_at: created_at.to_string() }
    }
}

#[utoipa::path(
    get, path = "/api/{type}/{id}/relationships", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("verb" = Option<String>, Query, description = "Only these"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "Those that begin at the thing", body = Page<EdgeView>),
        (status = 404, description = "There is no such thing", body = ErrorBody),
    )
)]
pub(crate) async fn outbound(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    edges(&who, &uri, &headers, Direction::Outbound).await
}

#[utoipa::path(
    get, path = "/api/{type}/{id}/references", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("verb" = Option<String>, Query, description = "Only these, in the reverse form: `ownedBy`"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "Those that end at the thing, by their reverse verb", body = Page<EdgeView>),
        (status = 404, description = "There is no such thing", body = ErrorBody),
    )
)]
pub(crate) async fn inbound(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    edges(&who, &uri, &headers, Direction::Inbound).await
}

async fn edges(who: &Who, uri: &Uri, headers: &HeaderMap, direction: Direction) -> Result<Response, Problem> {
    let mut fields = Fields::read(uri, &[REF_FIELDS.as_slice(), &["verb", "limit", "cursor"]].concat())?;
    let Target { key, view } = Target::read(who, uri, headers, &mut fields, Access::Read).await?;
    let limit = fields.limit(limits::PAGE_MAX)?;
    let cursor = fields.take("cursor").map(|text| read_cursor(&text)).transpose()?;
    let verb = fields.text("verb");
    let object = &who.scope.object;
    let page = object.edges(&who.caller, &view, &key, direction, verb.as_deref(), cursor.as_deref(), limit).await?;
    let data = page.items.into_iter().map(EdgeView::of).collect();
    Ok(json(&Page { data, next: page.next.as_deref().map(write_cursor) }))
}

#[utoipa::path(
    put, path = "/api/{type}/{id}/relationships/{verb}", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("verb" = String, Path, description = "In any form; `owns` is kept"),
        ("to" = String, Query, description = "`Noun/id`, or any URL"),
    ),
    request_body(content = Object, description = "Its data, or {data: …}; may be absent"),
    responses(
        (status = 201, description = "A new one", body = EdgeView),
        (status = 200, description = "It was there; its data are replaced", body = EdgeView),
        (status = 404, description = "There is no such thing", body = ErrorBody),
        (status = 422, description = "No verb, or no target", body = ErrorBody),
    )
)]
pub(crate) async fn relate(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (target, verb, to) = ends(&who, &parts.uri, &parts.headers).await?;
    super::allowed(&who.caller, target.key.noun.as_str(), "update")?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let data = if text.trim().is_empty() { Value::Object(Map::new()) } else { data_of(body::thing(&text)?) };
    let Target { key, view } = &target;
    let (edge, created) = who.scope.object.relate(&who.caller, view, key, &verb, &to, data).await?;
    json_at(if created { StatusCode::CREATED } else { StatusCode::OK }, None, &EdgeView::of(edge))
}

#[utoipa::path(
    delete, path = "/api/{type}/{id}/relationships/{verb}", tag = "things",
    params(("type" = String, Path), ("id" = String, Path), ("verb" = String, Path), ("to" = String, Query)),
    responses(
        (status = 204, description = "It is removed; earlier states still show it"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn unrelate(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let (Target { key, view }, verb, to) = ends(&who, &uri, &headers).await?;
    who.scope.object.unrelate(&who.caller, &view, &key, &verb, &to).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn ends(who: &Who, uri: &Uri, headers: &HeaderMap) -> Result<(Target, String, String), Problem> {
    let mut fields = Fields::read(uri, &[REF_FIELDS.as_slice(), &["to"]].concat())?;
    let target = Target::read(who, uri, headers, &mut fields, Access::Write).await?;
    let verb = decode(Segments::read(uri)?.below[1].unwrap_or_default())?.into_owned();
    let to = fields.text("to");
    let to = to.ok_or_else(|| Problem::bad_request("to is missing: where the edge leads to, as Noun/id or a URL"))?;
    Ok((target, verb, to))
}

/// As with things there are two forms: an envelope with nothing but `data`, and the data.
fn data_of(value: Value) -> Value {
    match value {
        Value::Object(mut map) if map.len() == 1 && map.get("data").is_some_and(Value::is_object) => {
            map.remove("data").unwrap_or_default()
        }
        other => other,
    }
}
