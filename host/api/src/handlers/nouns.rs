//! The kinds of things (spec 2.2).

use crate::body::Sent;
use crate::caller::Who;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, REF_FIELDS, decode};
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use model::noun::NounDef;
use runtime::NounShown;
use serde::{Deserialize, Serialize};
use types::{Fault, Noun};
use utoipa::ToSchema;

/// A kind of thing.
#[derive(Serialize, ToSchema)]
#[schema(as = Noun)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NounView {
    #[schema(example = "Startup")]
    noun: String,
    #[schema(example = "Startups")]
    plural: String,
    description: Option<String>,
    #[schema(value_type = Option<Object>)]
    schema: Option<serde_json::Value>,
    /// What a thing of it becomes when it is promoted.
    do_class: Option<String>,
    /// Null: nobody registered it; it is known by the things it has.
    version: Option<u64>,
    /// Live things on main.
    things: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl NounView {
    fn of(shown: NounShown) -> Self {
        let NounShown { def, version, things, warnings } = shown;
        let NounDef { noun, plural, description, schema, do_class } = def;
        Self { noun, plural, description, schema, do_class, version, things, warnings }
    }
}

#[utoipa::path(
    get, path = "/api/nouns", tag = "nouns",
    responses((status = 200, description = "All, registered or only written to, by name", body = Page<NounView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let nouns = scope.object.nouns(&caller).await?;
    Ok(json(&Page::whole(nouns, NounView::of)))
}

#[utoipa::path(
    get, path = "/api/nouns/{noun}", tag = "nouns",
    params(("noun" = String, Path, description = "The noun, its plural or the dashed form of either, in any case")),
    responses(
        (status = 200, description = "One", body = NounView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&NounView::of(scope.object.noun(&caller, &word(&uri)?).await?)))
}

/// What a noun is to be.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NounRequest {
    /// As in the path, or absent.
    noun: Option<String>,
    /// The regular one unless given.
    plural: Option<String>,
    description: Option<String>,
    /// Fields in the short (`{"email": "string"}`) or the long notation, or a JSON Schema.
    #[schema(value_type = Option<Object>)]
    schema: Option<serde_json::Value>,
    do_class: Option<String>,
}

#[utoipa::path(
    put, path = "/api/nouns/{noun}", tag = "nouns", request_body = NounRequest,
    params(("noun" = String, Path, description = "PascalCase")),
    responses(
        (status = 201, description = "Registered; `warnings` tell what to know", body = NounView),
        (status = 200, description = "Changed; things that are there stay as they are", body = NounView),
        (status = 409, description = "A word of it means another noun", body = ErrorBody),
        (status = 422, description = "No noun, no schema, or a word of the platform", body = ErrorBody),
    )
)]
pub(crate) async fn store(who: Who, uri: Uri, headers: HeaderMap, sent: Sent) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &REF_FIELDS)?;
    let view = target::view(&who, &headers, None, &mut fields)?;
    let noun = Noun::parse(&word(&uri)?).map_err(|e| Problem::from(runtime::name_fault(&e)))?;
    super::things::allowed(&who.caller, "nouns", "update")?;
    let wanted: NounRequest = sent.document().await?;
    if wanted.noun.as_deref().is_some_and(|name| name != noun.as_str()) {
        let message = format!("the body is about another noun than the path, {noun}");
        return Err(Fault::invalid("BODY_MISMATCH", message).into());
    }
    let def = NounDef {
        plural: wanted.plural.unwrap_or_else(|| model::noun::plural(noun.as_str())),
        noun: noun.to_string(),
        description: wanted.description,
        schema: wanted.schema,
        do_class: wanted.do_class,
    };
    let (shown, created) = who.scope.object.put_noun(&who.caller, &view, def).await?;
    let location = created.then(|| who.scope.link(&format!("/api/nouns/{noun}")));
    json_at(if created { StatusCode::CREATED } else { StatusCode::OK }, location.as_deref(), &NounView::of(shown))
}

#[utoipa::path(
    delete, path = "/api/nouns/{noun}", tag = "nouns", params(("noun" = String, Path)),
    responses(
        (status = 204, description = "It is registered no more"),
        (status = 404, description = "It never was", body = ErrorBody),
        (status = 409, description = "It has live things", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    scope.object.delete_noun(&caller, &word(&uri)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The last segment of the path, decoded.
fn word(uri: &Uri) -> Result<String, Problem> {
    Ok(decode(uri.path().rsplit('/').next().unwrap_or_default())?.into_owned())
}
