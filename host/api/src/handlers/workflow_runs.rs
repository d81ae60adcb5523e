//! Runs of workflows (spec 8): begun, looked at, paused, resumed, cancelled, sent events.

use crate::app::Scope;
use crate::body::Sent;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::workflows::{HistoryView, RunView, RunsView, StartedView};
use crate::views::{ErrorBody, json, json_at};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{RunShown, RunStatus, RunWanted, RunsWanted};
use serde::Deserialize;
use types::Json;
use utoipa::ToSchema;

/// A run that is wanted.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RunRequest {
    #[schema(value_type = Option<Object>)]
    input: Option<Json>,
    /// What it is to be called.
    run_id: Option<String>,
    /// A second request with it and the same input is answered with the same run.
    idempotency_key: Option<String>,
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/run", tag = "workflows", params(("name" = String, Path)),
    request_body = RunRequest,
    responses(
        (status = 201, description = "It began; `Location` says where it is", body = StartedView),
        (status = 200, description = "It had begun before, under the same key", body = StartedView),
        (status = 404, description = "There is no such workflow", body = ErrorBody),
        (status = 409, description = "There is a run of this id", body = ErrorBody),
        (status = 422, description = "The input does not fit", body = ErrorBody),
    )
)]
pub(crate) async fn run(who: Who, Path(name): Path<String>, sent: Sent) -> Result<Response, Problem> {
    start(who, &name, sent).await
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/start", tag = "workflows", params(("name" = String, Path)),
    request_body = RunRequest,
    responses((status = 201, description = "As `/run`", body = StartedView))
)]
pub(crate) async fn start_alias(who: Who, Path(name): Path<String>, sent: Sent) -> Result<Response, Problem> {
    start(who, &name, sent).await
}

async fn start(who: Who, name: &str, sent: Sent) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: RunRequest = sent.document_or_empty().await?;
    let RunRequest { input, run_id, idempotency_key } = wanted;
    let wanted = RunWanted { input, run_id, idempotency_key };
    let (shown, is_new) = who.scope.object.run_workflow(&who.caller, name, wanted).await?;
    let location = link(&who.scope, &shown);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    json_at(status, Some(&location), &StartedView::of(shown))
}

fn link(scope: &Scope, run: &RunShown) -> String {
    scope.link(&format!("/api/workflows/{}/runs/{}", run.workflow, run.name))
}

#[utoipa::path(
    get, path = "/api/workflows/{name}/runs", tag = "workflows",
    params(
        ("name" = String, Path), ("status" = Option<String>, Query),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses(
        (status = 200, description = "Newest first", body = RunsView),
        (status = 404, description = "There is no such workflow", body = ErrorBody),
    )
)]
pub(crate) async fn runs(Who { scope, caller }: Who, name: Segment, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["status", "cursor", "limit"])?;
    let statuses = RunStatus::ALL.map(RunStatus::as_str).join(", ");
    let wanted = RunsWanted {
        status: fields.with("status", &format!("one of {statuses}"), RunStatus::parse)?,
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(limits::PAGE_MAX)?,
    };
    Ok(json(&RunsView::of(scope.object.workflow_runs(&caller, &name.0, &wanted).await?)))
}

#[utoipa::path(
    get, path = "/api/workflows/{name}/runs/{id}", tag = "workflows",
    params(("name" = String, Path), ("id" = String, Path, description = "Its `runId`, or the id of its action")),
    responses(
        (status = 200, description = "The run with its steps", body = RunView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn run_shown(
    Who { scope, caller }: Who,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json(&RunView::of(scope.object.workflow_run(&caller, &name, &id).await?)))
}

#[utoipa::path(
    get, path = "/api/workflows/{name}/runs/{id}/history", tag = "workflows",
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, description = "What happened to it, in order", body = HistoryView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn history(
    Who { scope, caller }: Who,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json(&HistoryView::of(scope.object.run_history(&caller, &name, &id).await?)))
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/runs/{id}/pause", tag = "workflows",
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, description = "It stops at its next step; one that waits has stopped", body = RunView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is over", body = ErrorBody),
    )
)]
pub(crate) async fn pause(
    Who { scope, caller }: Who,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json(&RunView::of(scope.object.pause_run(&caller, &name, &id).await?)))
}

/// Where a failed run is to begin again.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ResumeRequest {
    /// The step that failed unless given.
    from_step: Option<String>,
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/runs/{id}/resume", tag = "workflows", request_body = ResumeRequest,
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, description = "It goes on", body = RunView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is neither paused nor failed", body = ErrorBody),
        (status = 422, description = "It came to no such step", body = ErrorBody),
    )
)]
pub(crate) async fn resume(
    who: Who,
    Path((name, id)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: ResumeRequest = sent.document_or_empty().await?;
    let run = who.scope.object.resume_run(&who.caller, &name, &id, wanted.from_step).await?;
    Ok(json(&RunView::of(run)))
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/runs/{id}/cancel", tag = "workflows",
    params(("name" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, description = "It takes back what it did and ends; its status says when it has", body = RunView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is over", body = ErrorBody),
    )
)]
pub(crate) async fn cancel(
    Who { scope, caller }: Who,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    Ok(json(&RunView::of(scope.object.cancel_run(&caller, &name, &id).await?)))
}

/// What an event says.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventRequest {
    #[schema(value_type = Option<Object>)]
    payload: Option<Json>,
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/runs/{id}/events/{event}", tag = "workflows", request_body = EventRequest,
    params(
        ("name" = String, Path), ("id" = String, Path),
        ("event" = String, Path, description = "`Noun.event`, or one word; `approve` answers an approval"),
    ),
    responses(
        (status = 202, description = "The step that waits for it has it, or one that will within a day"),
        (status = 404, description = "There is no such run", body = ErrorBody),
        (status = 409, description = "The run is over", body = ErrorBody),
        (status = 429, description = "A hundred were sent within a day", body = ErrorBody),
    )
)]
pub(crate) async fn send(
    who: Who,
    Path((name, id, event)): Path<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: EventRequest = sent.document_or_empty().await?;
    let payload = wanted.payload.unwrap_or_else(Json::null);
    who.scope.object.send_to_run(&who.caller, &name, &id, &event, payload).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}
