//! Taking an action back, and doing a failed one again (spec ACT-4, ACT-5).

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::{Segment, actions};
use crate::problem::Problem;
use crate::views::{ErrorBody, json};
use axum::response::Response;
use http::{HeaderName, HeaderValue, header};
use runtime::{InvokeFailed, Shown};
use serde::Deserialize;
use types::{BranchName, Fault, Id, Namespace};
use utoipa::ToSchema;

const DO_VERSION: HeaderName = HeaderName::from_static("do-version");
const DO_BRANCH: HeaderName = HeaderName::from_static("do-branch");
const DO_ACTION: HeaderName = HeaderName::from_static("do-action");

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UndoRequest {
    /// Also when the thing was written since.
    #[serde(default)]
    force: bool,
}

#[utoipa::path(
    post, path = "/api/actions-log/{id}/undo", tag = "actions", params(("id" = String, Path)),
    request_body(content = UndoRequest, description = "May be empty"),
    responses(
        (status = 200, description = "The thing as it is now, `deleted` when the action had made it; `DO-Action` names the new action. Undoing that is a redo"),
        (status = 404, description = "There is no such action", body = ErrorBody),
        (status = 409, description = "The thing was written since, or there is nothing to undo", body = ErrorBody),
        (status = 410, description = "What it was before has been archived", body = ErrorBody),
    )
)]
pub(crate) async fn undo(Who { scope, caller }: Who, id: Segment, sent: Sent) -> Result<Response, Problem> {
    let id = id.id("action")?;
    let wanted: UndoRequest = sent.document_or_empty().await?;
    let (shown, action) = scope.object.undo(&caller, id, wanted.force).await?;
    thing(scope.object.namespace(), &shown, action)
}

#[utoipa::path(
    post, path = "/api/actions-log/{id}/retry", tag = "actions", params(("id" = String, Path)),
    responses(
        (status = 200, description = "It went well this time; a new action, whose parent is the failed one", body = actions::InvokedView),
        (status = 404, description = "There is no such action", body = ErrorBody),
        (status = 409, description = "It is no failed `try` or `do`, or its input was not kept", body = ErrorBody),
        (status = 502, description = "It failed again", body = ErrorBody),
    )
)]
pub(crate) async fn retry(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    let retried = scope.object.retry(&caller, id.id("action")?).await;
    let invoked = retried.map_err(|InvokeFailed { action, fault }| match action {
        Some(_) => Problem::of_run(action, fault),
        None => Problem::from(fault),
    })?;
    actions::completed(&invoked)
}

fn thing(namespace: &Namespace, shown: &Shown, action: Id) -> Result<Response, Problem> {
    let row = &shown.row;
    let mut response = json(&shown.to_json(namespace));
    let branch = row.branch.as_ref().map_or("main", BranchName::as_str);
    for (name, value) in [
        (header::ETAG, format!("\"v{}\"", row.version)),
        (DO_VERSION, row.version.to_string()),
        (DO_BRANCH, branch.to_owned()),
        (DO_ACTION, action.to_string()),
    ] {
        let value = HeaderValue::try_from(value).map_err(|_| Problem::from(Fault::internal()))?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
