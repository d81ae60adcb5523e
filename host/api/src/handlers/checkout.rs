//! Checking a state out: for the holder of a session, never for everybody (spec VER-6).

use crate::app::Scope;
use crate::body::Sent;
use crate::caller::Who;
use crate::problem::Problem;
use crate::views::{ErrorBody, json};
use axum::response::Response;
use http::HeaderMap;
use runtime::{Caller, View};
use serde::{Deserialize, Serialize};
use types::{BranchName, Ref};
use utoipa::ToSchema;

/// The header that carries a session.
pub(crate) const DO_SESSION: &str = "do-session";
/// The header by which a request names its own state.
pub(crate) const DO_REF: &str = "do-ref";

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckoutRequest {
    /// A branch, `v12`, or a time; with or without `@`.
    #[serde(rename = "ref")]
    #[schema(example = "experiment")]
    to: String,
}

/// What was checked out. One of `branch`, `version` and `at` is there.
#[derive(Serialize, ToSchema)]
#[schema(as = Checkout)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CheckoutView {
    /// To be sent as `DO-Session`; it works for this object and this caller.
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// It is a past state: nothing can be written with this session.
    detached: bool,
    expires_at: String,
}

#[utoipa::path(
    post, path = "/api/checkout", tag = "branches", request_body = CheckoutRequest,
    responses(
        (status = 200, description = "A session; nobody else sees a difference", body = CheckoutView),
        (status = 404, description = "There is no such branch or version", body = ErrorBody),
        (status = 422, description = "No ref, or one that is about a single thing", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let wanted: CheckoutRequest = sent.document().await?;
    let to = parse_ref(&wanted.to).map_err(Problem::validation)?;
    let session = scope.object.check_out(&caller, &to).await?;
    let mut view = CheckoutView {
        session: session.token,
        branch: None,
        version: None,
        at: None,
        detached: !to.is_writable(),
        expires_at: session.expires_at.to_string(),
    };
    match &to {
        Ref::Head => view.branch = Some("main".to_owned()),
        Ref::Branch(branch) => {
            view.branch = Some(branch.as_ref().map_or("main", BranchName::as_str).to_owned());
        }
        Ref::Version(version) => view.version = Some(*version),
        Ref::At(at) => view.at = Some(at.to_string()),
        Ref::Back(..) => view.at = Some(to.to_string()),
    }
    Ok(json(&view))
}

/// With or without its `@`; the text of what was wrong.
pub(crate) fn parse_ref(text: &str) -> Result<Ref, String> {
    Ref::parse(text.strip_prefix('@').unwrap_or(text)).map_err(|e| format!("ref: {e}"))
}

/// What the request's session has checked out; without one, the object's default branch.
///
/// # Errors
/// 400: not a session, or not one of this object and this caller, or expired.
pub(crate) fn session(scope: &Scope, caller: &Caller, headers: &HeaderMap) -> Result<Ref, Problem> {
    match single(headers, DO_SESSION)? {
        None => Ok(scope.object.in_effect()),
        Some(token) => Ok(scope.object.session(caller, token)?),
    }
}

/// The state that a request about the whole object is about: its own ref, else its session's.
pub(crate) fn view(scope: &Scope, caller: &Caller, headers: &HeaderMap) -> Result<View, Problem> {
    let at = match single(headers, DO_REF)? {
        None => Ref::Head,
        Some(text) => parse_ref(text).map_err(Problem::bad_request)?,
    };
    Ok(View { checkout: session(scope, caller, headers)?, at })
}

fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::bad_request(format!("the header {name} stands more than once")));
    }
    let text = value.to_str().map_err(|_| Problem::bad_request(format!("the header {name} is not ASCII")))?;
    Ok(Some(text))
}
