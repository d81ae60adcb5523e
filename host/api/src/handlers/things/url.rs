//! A thing's own URL, `{ns}/Noun/id`, and the short one, `{ns}/id` (spec ID-5). For reading; writes go to `/api`.

use super::{SHOW_FIELDS, Shape};
use crate::caller::Who;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, Access, Segments};
use crate::views::ErrorBody;
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri};
use types::{Json, ThingKey};

#[utoipa::path(
    get, path = "/{type}/{id}", tag = "things",
    params(("type" = String, Path), ("id" = String, Path, description = "With an `@ref` for another state")),
    responses(
        (status = 200, description = "The same as below `/api`", body = super::ThingView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn canonical(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &SHOW_FIELDS)?;
    let segments = Segments::of(uri.path())?;
    let noun = target::noun(&who.scope, segments.noun, Access::Read).await?;
    let key = ThingKey::new(noun, target::id(segments.id.unwrap_or_default(), Access::Read)?);
    let view = target::view(&who, &headers, segments.at, &mut fields)?;
    let shape = Shape::read(&mut fields)?;
    let shown = who.scope.object.thing(&who.caller, &key, &view).await?;
    super::one(&who, &headers, &shown, &view, &shape).await
}

#[utoipa::path(
    get, path = "/{id}", tag = "things",
    params(("id" = String, Path, description = "With an `@ref` for another state")),
    responses(
        (status = 200, description = "The one thing that has this id; `Content-Location` names it", body = super::ThingView),
        (status = 300, description = "Several nouns have one; `error.details` lists their URLs", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn short(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &SHOW_FIELDS)?;
    let Segments { noun: raw, at, .. } = Segments::of(uri.path())?;
    let id = target::id(raw, Access::Read)?;
    let view = target::view(&who, &headers, at, &mut fields)?;
    let shape = Shape::read(&mut fields)?;
    let found = who.scope.object.things_named(&who.caller, &id, &view).await?;
    match found.as_slice() {
        [] => Err(Problem::not_found(format!("there is no thing {:?} here", target::cut(id.as_str())))),
        [shown] => super::one(&who, &headers, shown, &view, &shape).await,
        several => {
            let urls: Vec<_> = several.iter().map(|shown| shown.url(who.scope.object.namespace())).collect();
            let message = format!("{} things have this id; ask for one of them by its URL", urls.len());
            Err(Problem::new(StatusCode::MULTIPLE_CHOICES, "AMBIGUOUS", message).with_details(Json::of(&urls)))
        }
    }
}
