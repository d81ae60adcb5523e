//! Verbs: what can be done, in all its forms (spec 2.3).

use crate::body::{self, Sent};
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::Response;
use http::{StatusCode, Uri};
use runtime::VerbShown;
use serde::Serialize;
use utoipa::ToSchema;

/// One verb (spec VRB-1).
#[derive(Serialize, ToSchema)]
#[schema(as = Verb)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerbView {
    /// Imperative, the key; actions have it.
    #[schema(example = "ship")]
    action: String,
    #[schema(example = "shipping")]
    activity: String,
    /// Past; events have it.
    #[schema(example = "shipped")]
    event: String,
    /// Third person; relationships have it.
    #[schema(example = "ships")]
    predicate: String,
    /// What the other end of a relationship has.
    #[schema(example = "shippedBy")]
    reverse_by: String,
    #[schema(example = "shippedAt")]
    reverse_at: String,
    #[schema(example = "shippedIn")]
    reverse_in: String,
    /// The action that takes it back.
    inverse: Option<String>,
    /// Every object knows it, and it cannot be changed.
    builtin: bool,
}

impl VerbView {
    fn of(shown: VerbShown) -> Self {
        let forms = shown.forms;
        Self {
            action: forms.action,
            activity: forms.activity,
            event: forms.event,
            predicate: forms.predicate,
            reverse_by: forms.reverse_by,
            reverse_at: forms.reverse_at,
            reverse_in: forms.reverse_in,
            inverse: forms.inverse,
            builtin: shown.is_builtin,
        }
    }
}

#[utoipa::path(
    get, path = "/api/verbs", tag = "verbs",
    responses((status = 200, description = "The built-in verbs, then those that were registered", body = Page<VerbView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let verbs = scope.object.verbs(&caller).await?;
    Ok(json(&Page::whole(verbs, VerbView::of)))
}

#[utoipa::path(
    get, path = "/api/verbs/{action}", tag = "verbs",
    params(("action" = String, Path, description = "Any form of it")),
    responses(
        (status = 200, description = "The verb", body = VerbView),
        (status = 404, description = "Nobody registered one with this form", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, action: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&VerbView::of(scope.object.verb(&caller, &action.0).await?)))
}

/// The forms of a verb; those that are left out are regular.
#[derive(ToSchema)]
#[schema(as = VerbRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct VerbRequest {
    activity: Option<String>,
    event: Option<String>,
    predicate: Option<String>,
    reverse_by: Option<String>,
    reverse_at: Option<String>,
    reverse_in: Option<String>,
    inverse: Option<String>,
}

#[utoipa::path(
    put, path = "/api/verbs/{action}", tag = "verbs", params(("action" = String, Path)),
    request_body(content = VerbRequest, description = "Empty: all forms are regular"),
    responses(
        (status = 200, description = "It was there", body = VerbView),
        (status = 201, description = "It was not", body = VerbView),
        (status = 409, description = "It is built in, or a form of it means another verb", body = ErrorBody),
        (status = 422, description = "No verb, or a form that is none", body = ErrorBody),
    )
)]
pub(crate) async fn store(Who { scope, caller }: Who, action: Segment, sent: Sent) -> Result<Response, Problem> {
    let text = sent.text().await?;
    let given = if text.trim().is_empty() { serde_json::json!({}) } else { body::json(&text)?.to_value() };
    let (shown, created) = scope.object.put_verb(&caller, &action.0, &given).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = created.then(|| scope.link(&format!("/api/verbs/{}", shown.forms.action)));
    json_at(status, location.as_deref(), &VerbView::of(shown))
}
