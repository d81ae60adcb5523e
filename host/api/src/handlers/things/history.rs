//! What a thing was: its versions, one of them, and what differs between two states (spec 16.2).

use super::Shape;
use super::views::{VersionView, versions_page};
use crate::caller::Who;
use crate::config::limits;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, Access, REF_FIELDS, Segments, Target, cut, parse_ref};
use crate::views::{ErrorBody, Page, json};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use runtime::View;
use types::{Ref, ThingKey};

const HISTORY_FLOOR: HeaderName = HeaderName::from_static("do-history-floor");

#[utoipa::path(
    get, path = "/api/{type}/{id}/versions", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("branch" = Option<String>, Query, description = "As this branch sees it"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
    ),
    responses(
        (status = 200, description = "Newest first, delete markers included", body = Page<VersionView>),
        (status = 404, description = "There never was one", body = ErrorBody),
    )
)]
pub(crate) async fn list(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &[REF_FIELDS.as_slice(), &["limit", "cursor"]].concat())?;
    let Target { key, view } = Target::read(&who, &uri, &headers, &mut fields, Access::Read).await?;
    let limit = fields.limit(limits::PAGE_MAX)?;
    let before = fields.with("cursor", "the `next` of an earlier page", |text| text.parse::<u64>().ok())?;
    let page = who.scope.object.versions(&who.caller, &key, &view, before, limit).await?;
    let mut answer = json(&versions_page(page));
    // What is older may have been archived (spec LIF-4).
    if let Some(floor) = who.scope.object.history_floor(&who.caller, &key, &view).await? {
        answer.headers_mut().insert(HISTORY_FLOOR, HeaderValue::from(floor));
    }
    Ok(answer)
}

#[utoipa::path(
    get, path = "/api/{type}/{id}/versions/{version}", tag = "things",
    params(("type" = String, Path), ("id" = String, Path), ("version" = u64, Path)),
    responses(
        (status = 200, description = "The same as `@v`", body = super::ThingView),
        (status = 404, description = "There is none, or it is another thing's", body = ErrorBody),
        (status = 410, description = "It says that the thing was deleted", body = ErrorBody),
    )
)]
pub(crate) async fn show(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &super::SHOW_FIELDS)?;
    let segments = Segments::read(&uri)?;
    let number = segments.below[1].unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    if !is_number {
        return Err(Problem::bad_request(format!("{:?} is no version; write its number, like 12", cut(number))));
    }
    // A number too large for any version is the number of none.
    let version = Ref::Version(number.parse().unwrap_or(u64::MAX));
    if segments.at.as_ref().is_some_and(|at| *at != version) {
        return Err(Problem::bad_request("the path names two states; name one"));
    }
    let noun = target::noun(&who.scope, segments.noun, Access::Read).await?;
    let key = ThingKey::new(noun, target::id(segments.id.unwrap_or_default(), Access::Read)?);
    let view = target::view(&who, &headers, Some(version), &mut fields)?;
    let shape = Shape::read(&mut fields)?;
    let shown = who.scope.object.thing(&who.caller, &key, &view).await?;
    super::one(&who, &headers, &shown, &view, &shape).await
}

#[utoipa::path(
    get, path = "/api/{type}/{id}/diff", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("from" = String, Query, description = "A ref, like `v3`, `~1`, a branch, a time"),
        ("to" = Option<String>, Query, description = "A ref; the newest unless given"),
    ),
    responses(
        (status = 200, description = "The operations (RFC 6902) that make one state of name and data into the other", body = Vec<super::views::DiffOp>),
        (status = 400, description = "No ref", body = ErrorBody),
        (status = 404, description = "The thing was not there in one of the states", body = ErrorBody),
    )
)]
pub(crate) async fn diff(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &[REF_FIELDS.as_slice(), &["from", "to"]].concat())?;
    let Target { key, view } = Target::read(&who, &uri, &headers, &mut fields, Access::Read).await?;
    let mut side = |name: &str| {
        let text = fields.take(name);
        text.map(|text| parse_ref(text.strip_prefix('@').unwrap_or(&text))).transpose()
    };
    let from = side("from")?.ok_or_else(|| Problem::bad_request("from is missing: a ref, like v3 or ~1"))?;
    let from = View { at: from, ..view.clone() };
    let to = match side("to")? {
        Some(at) => View { at, ..view },
        None => view,
    };
    let ops = who.scope.object.diff(&who.caller, &key, &from, &to).await?;
    Ok(json(&ops))
}
