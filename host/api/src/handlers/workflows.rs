//! Workflows and their runs (spec 8).

use crate::app::{Scope, Shared};
use crate::body;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, json, json_at};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{HistoryEntry, RunShown, RunStatus, RunWanted, RunsWanted, StepShown, WorkflowShown};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use types::deployment::{WorkflowBody, WorkflowSpec};
use types::{Fault, Json};
use utoipa::ToSchema;

/// A workflow.
#[derive(Serialize, ToSchema)]
#[schema(as = Workflow)]
pub(crate) struct WorkflowView {
    #[schema(example = "order-flow")]
    name: String,
    description: Option<String>,
    /// `manual`, `event` or `schedule`.
    trigger: &'static str,
    version: u64,
}

/// A workflow with what it does.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowDefinition)]
pub(crate) struct DefinitionView {
    name: String,
    version: u64,
    /// As `PUT` takes it.
    #[schema(value_type = Object)]
    definition: Json,
}

/// All workflows, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = Workflows)]
pub(crate) struct WorkflowsView {
    workflows: Vec<WorkflowView>,
}

/// A run that began.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRunStarted)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartedView {
    run_id: String,
    #[schema(example = "queued")]
    status: &'static str,
    started_at: String,
}

/// A run of a workflow.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRun)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    run_id: String,
    /// Of its action.
    id: String,
    workflow: String,
    version: u64,
    /// `queued`, `running`, `waiting`, `paused`, `completed`, `failed` or `cancelled`.
    #[schema(example = "running")]
    status: &'static str,
    #[schema(value_type = Object)]
    input: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<Fault>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_step: Option<String>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView>>,
}

/// One step of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowStep)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    name: String,
    /// `do`, `sleep`, `waitForEvent`, `branch`, `parallel` or `approval`.
    r#type: &'static str,
    /// `pending`, `running`, `completed`, `failed`, `skipped`, `waiting` or `cancelled`.
    status: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<Fault>,
}

/// Runs, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRuns)]
pub(crate) struct RunsView {
    runs: Vec<RunView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What happened to a run, in order.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRunHistory)]
pub(crate) struct HistoryView {
    history: Vec<HistoryEntryView>,
}

/// Something that happened to a run.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRunHistoryEntry)]
pub(crate) struct HistoryEntryView {
    sequence: u64,
    at: String,
    #[schema(example = "step.completed")]
    event: String,
    #[schema(value_type = Object)]
    data: Json,
}

impl RunView {
    fn of(run: RunShown) -> Self {
        let steps = Some(run.steps).filter(|steps| !steps.is_empty());
        Self {
            run_id: run.name,
            id: run.id.to_string(),
            workflow: run.workflow,
            version: run.version,
            status: run.status.as_str(),
            input: run.input,
            output: run.output,
            error: run.error,
            started_at: run.started_at.to_string(),
            completed_at: run.completed_at.map(|at| at.to_string()),
            current_step: run.current_step,
            steps: steps.map(|steps| steps.into_iter().map(StepView::of).collect()),
        }
    }
}

impl StepView {
    fn of(step: StepShown) -> Self {
        let times = step.completed_at.zip(step.started_at);
        Self {
            name: step.name,
            r#type: step.kind,
            status: step.status.as_str(),
            attempts: step.attempts,
            started_at: step.started_at.map(|at| at.to_string()),
            completed_at: step.completed_at.map(|at| at.to_string()),
            duration: times.map(|(to, from)| to.millis_since(from)),
            output: step.output,
            error: step.error,
        }
    }
}

impl HistoryEntryView {
    fn of(entry: HistoryEntry) -> Self {
        let HistoryEntry { sequence, at, event, data } = entry;
        Self { sequence, at: at.to_string(), event, data }
    }
}

#[utoipa::path(
    get, path = "/api/workflows", tag = "workflows",
    responses((status = 200, description = "All, by name", body = WorkflowsView))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let workflows = scope.object.workflows(&caller).await?;
    let view = |shown: WorkflowShown| WorkflowView {
        trigger: shown.trigger(),
        name: shown.spec.name,
        description: shown.spec.description,
        version: shown.version,
    };
    Ok(json(&WorkflowsView { workflows: workflows.into_iter().map(view).collect() }))
}

#[utoipa::path(
    get, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    responses(
        (status = 200, description = "Its newest definition", body = DefinitionView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let shown = scope.object.workflow(&caller, &name.0).await?;
    Ok(json(&DefinitionView::of(shown)))
}

impl DefinitionView {
    fn of(shown: WorkflowShown) -> Self {
        Self { name: shown.spec.name.clone(), version: shown.version, definition: Json::of(&shown.spec) }
    }
}

/// A definition, with its name in the path.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DefinitionRequest {
    /// As in the path, or absent.
    name: Option<String>,
    description: Option<String>,
    /// `"manual"`, `{"event": {"event": "Order.paid"}}` or `{"schedule": {"schedule": "every hour"}}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    trigger: types::deployment::Trigger,
    timeout_ms: Option<u64>,
    concurrency: Option<u32>,
    #[schema(value_type = Option<String>)]
    on_failure: Option<types::deployment::Handler>,
    /// `{"handler": "shop#order"}` or `{"steps": [{"do": {"name": "pay", "action": "pay"}}]}`.
    #[schema(value_type = Object)]
    run: WorkflowBody,
}

#[utoipa::path(
    put, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    request_body = DefinitionRequest,
    responses(
        (status = 200, description = "It is in effect; runs that began go on as they began", body = DefinitionView),
        (status = 400, description = "The body is about another one", body = ErrorBody),
        (status = 422, description = "It is no definition; `details.problems` has all that is wrong", body = ErrorBody),
    )
)]
pub(crate) async fn store(
    State(app): State<Shared>,
    who: Who,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "update")?;
    let wanted: DefinitionRequest = document(&app, request).await?;
    if wanted.name.as_ref().is_some_and(|other| *other != name) {
        return Err(Fault::invalid("BODY_MISMATCH", "the body is about another workflow than the path").into());
    }
    let DefinitionRequest { name: _, description, trigger, timeout_ms, concurrency, on_failure, run } = wanted;
    let spec = WorkflowSpec { name, description, trigger, timeout_ms, concurrency, on_failure, run };
    Ok(json(&DefinitionView::of(who.scope.object.set_workflow(&who.caller, spec).await?)))
}

#[utoipa::path(
    delete, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    responses(
        (status = 204, description = "No run begins any more; those that began go on"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    scope.object.delete_workflow(&caller, &name.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

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
pub(crate) async fn run(
    State(app): State<Shared>,
    who: Who,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    start(&app, who, &name, request).await
}

#[utoipa::path(
    post, path = "/api/workflows/{name}/start", tag = "workflows", params(("name" = String, Path)),
    request_body = RunRequest,
    responses((status = 201, description = "As `/run`", body = StartedView))
)]
pub(crate) async fn start_alias(
    State(app): State<Shared>,
    who: Who,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    start(&app, who, &name, request).await
}

async fn start(app: &Shared, who: Who, name: &str, request: Request) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: RunRequest = document(app, request).await?;
    let RunRequest { input, run_id, idempotency_key } = wanted;
    let wanted = RunWanted { input, run_id, idempotency_key };
    let (shown, is_new) = who.scope.object.run_workflow(&who.caller, name, wanted).await?;
    let location = link(&who.scope, &shown);
    let view =
        StartedView { run_id: shown.name, status: shown.status.as_str(), started_at: shown.started_at.to_string() };
    json_at(if is_new { StatusCode::CREATED } else { StatusCode::OK }, Some(&location), &view)
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
    let page = scope.object.workflow_runs(&caller, &name.0, &wanted).await?;
    let next = page.next.map(|number| number.to_string());
    Ok(json(&RunsView { runs: page.runs.into_iter().map(RunView::of).collect(), next }))
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
    let entries = scope.object.run_history(&caller, &name, &id).await?;
    Ok(json(&HistoryView { history: entries.into_iter().map(HistoryEntryView::of).collect() }))
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
    State(app): State<Shared>,
    who: Who,
    Path((name, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: ResumeRequest = document(&app, request).await?;
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
    State(app): State<Shared>,
    who: Who,
    Path((name, id, event)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "invoke")?;
    let wanted: EventRequest = document(&app, request).await?;
    let payload = wanted.payload.unwrap_or_else(Json::null);
    who.scope.object.send_to_run(&who.caller, &name, &id, &event, payload).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// The body; none is an empty document.
async fn document<T: DeserializeOwned>(app: &Shared, request: Request) -> Result<T, Problem> {
    let (parts, body) = request.into_parts();
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    body::document(if text.is_empty() { "{}" } else { &text })
}
