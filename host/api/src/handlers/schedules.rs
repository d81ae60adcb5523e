//! Schedules of an object (spec 5.2).

use crate::app::Scope;
use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{ScheduleChange, ScheduleShown};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use types::deployment::{CatchUp, Handler, Overlap, ScheduleSpec};
use types::{Json, Noun, ThingId, ThingKey};
use utoipa::ToSchema;

/// A schedule, and where it stands (spec EVR-9).
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduleView {
    id: String,
    name: String,
    /// As it was written.
    #[schema(example = "daily at 6am")]
    expression: String,
    /// The one text of what is meant.
    #[schema(example = "0 6 * * *")]
    canonical: String,
    timezone: String,
    /// A function, `toolbox.export` or `app#handler`; none, if its ticks are runs of a workflow.
    handler: Option<String>,
    /// The workflow whose trigger it is: its name is `workflow:NAME`, and it changes and goes with the workflow.
    workflow: Option<String>,
    /// `active` or `paused`.
    status: &'static str,
    next_run_at: Option<String>,
    /// When it was fired last.
    last_run_at: Option<String>,
    /// An action's status, or `skipped`.
    last_status: Option<&'static str>,
    run_count: u64,
    failure_count: u64,
    /// Ticks that gave way to a run before them.
    skipped_count: u64,
    #[schema(value_type = String)]
    catch_up: CatchUp,
    #[schema(value_type = String)]
    overlap: Overlap,
    max_retries: u32,
    emit: bool,
    /// Whether it may tick more often than each minute.
    allow_sub_minute: bool,
    /// As it was given.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
}

impl ScheduleView {
    fn of(shown: ScheduleShown) -> Self {
        let ScheduleShown { name, spec, workflow, state, last_status, failure_count } = shown;
        Self {
            id: state.id.to_string(),
            name,
            expression: spec.schedule,
            canonical: state.canonical,
            timezone: state.timezone,
            handler: workflow.is_none().then(|| spec.handler.to_string()),
            workflow,
            status: if state.paused { "paused" } else { "active" },
            next_run_at: state.next_run_at.map(|at| at.to_string()),
            last_run_at: state.last.map(|last| last.at.to_string()),
            last_status,
            run_count: state.run_count,
            failure_count,
            skipped_count: state.skipped_count,
            catch_up: spec.catch_up,
            overlap: spec.overlap,
            max_retries: spec.max_retries,
            emit: spec.emit,
            allow_sub_minute: spec.allow_sub_minute,
            metadata: spec.metadata,
        }
    }
}

#[utoipa::path(
    get, path = "/api/schedules", tag = "schedules",
    responses((status = 200, description = "All of them, by name", body = Page<ScheduleView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let schedules = scope.object.schedules(&caller).await?;
    Ok(json(&Page::whole(schedules, ScheduleView::of)))
}

/// What is to be called when.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScheduleRequest {
    /// Its handler and its canonical schedule unless given.
    name: Option<String>,
    /// A phrase, a property form or five fields of cron.
    #[schema(example = "every weekday at 9:30am")]
    schedule: String,
    /// An IANA name or an offset like `+05:30`; UTC unless given.
    timezone: Option<String>,
    /// A function, `toolbox.export` or `app#handler`.
    #[schema(value_type = String, example = "report")]
    handler: Handler,
    /// What becomes of ticks that were missed: `one` run for all of them (unless given), `none`, or `all`, 100 at most.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    catch_up: CatchUp,
    /// What becomes of a tick while a run before it has not ended: `skip` (unless given), `queue` or `allow`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    overlap: Overlap,
    /// 3 unless given.
    max_retries: Option<u32>,
    /// Whether each tick is an event `schedule.fired`.
    #[serde(default)]
    emit: bool,
    /// Whether it may tick more often than each minute.
    #[serde(default)]
    allow_sub_minute: bool,
    /// An object that is kept beside it and that nobody here reads; 4 KiB at most.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Json>,
}

/// Retries of a tick's run when nobody says how many (spec ON-1, EVR-10).
const RETRIES: u32 = 3;

impl From<ScheduleRequest> for ScheduleSpec {
    fn from(wanted: ScheduleRequest) -> Self {
        let ScheduleRequest { name, schedule, timezone, handler, catch_up, overlap, .. } = wanted;
        let ScheduleRequest { max_retries, emit, allow_sub_minute, metadata, .. } = wanted;
        let max_retries = max_retries.unwrap_or(RETRIES);
        Self { name, schedule, timezone, handler, catch_up, overlap, max_retries, emit, allow_sub_minute, metadata }
    }
}

#[utoipa::path(
    post, path = "/api/schedules", tag = "schedules", request_body = ScheduleRequest,
    responses(
        (status = 201, description = "It ticks from now on", body = ScheduleView),
        (status = 409, description = "One of this name is there", body = ErrorBody),
        (status = 422, description = "No schedule, or nobody who would answer it; the message says what is accepted", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let wanted: ScheduleRequest = sent.document().await?;
    let shown = scope.object.add_schedule(&caller, wanted.into()).await?;
    let location = link(&scope, &shown.name);
    json_at(StatusCode::CREATED, location.as_deref(), &ScheduleView::of(shown))
}

/// Names have spaces and slashes in them; as an id of a thing they are escaped as a path needs it.
fn link(scope: &Scope, name: &str) -> Option<String> {
    let key = ThingKey::new(Noun::parse("Schedule").ok()?, ThingId::parse(name).ok()?).to_string();
    Some(scope.link(&format!("/api/schedules/{}", key.strip_prefix("Schedule/")?)))
}

#[utoipa::path(
    get, path = "/api/schedules/{name}", tag = "schedules",
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 200, description = "The schedule", body = ScheduleView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, name: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&ScheduleView::of(scope.object.schedule(&caller, &name.0).await?)))
}

/// What is to be changed; what is not there stays, null goes back to what is meant without one.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SchedulePatch {
    /// `active` or `paused`.
    #[schema(example = "paused")]
    status: Option<String>,
    /// The fields that a new schedule takes, but for its name.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    fields: Map<String, Value>,
}

#[utoipa::path(
    patch, path = "/api/schedules/{name}", tag = "schedules", request_body = SchedulePatch,
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 200, description = "The schedule as it is now, with the id and the counts it had", body = ScheduleView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It was changed at the same time", body = ErrorBody),
        (status = 422, description = "No schedule; the message says what is accepted", body = ErrorBody),
    )
)]
pub(crate) async fn change(Who { scope, caller }: Who, name: Segment, sent: Sent) -> Result<Response, Problem> {
    let SchedulePatch { status, fields } = sent.document().await?;
    let paused = match status.as_deref() {
        None => None,
        Some("active") => Some(false),
        Some("paused") => Some(true),
        Some(other) => return Err(Problem::validation(format!("status is {other:?}; active or paused is accepted"))),
    };
    let shown = scope.object.change_schedule(&caller, &name.0, ScheduleChange { paused, fields }).await?;
    Ok(json(&ScheduleView::of(shown)))
}

#[utoipa::path(
    delete, path = "/api/schedules/{name}", tag = "schedules",
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 204, description = "It ticks no more; runs that were begun go on"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    scope.object.remove_schedule(&caller, &name.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A run that was begun.
#[derive(Serialize, ToSchema)]
#[schema(as = ScheduleRun)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunView {
    /// `GET /api/actions-log/{id}` shows how it goes.
    action_id: String,
}

#[utoipa::path(
    post, path = "/api/schedules/{name}/run", tag = "schedules",
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 202, description = "It runs; when it is next due stays", body = RunView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "As many runs of it as may be have not ended", body = ErrorBody),
    )
)]
pub(crate) async fn run(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let action_id = scope.object.run_schedule(&caller, &name.0).await?.to_string();
    let location = scope.link(&format!("/api/actions-log/{action_id}"));
    json_at(StatusCode::ACCEPTED, Some(&location), &RunView { action_id })
}

#[utoipa::path(
    post, path = "/api/schedules/{name}/pause", tag = "schedules",
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 200, description = "It does not tick until it is resumed", body = ScheduleView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn pause(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let change = ScheduleChange { paused: Some(true), fields: Map::new() };
    Ok(json(&ScheduleView::of(scope.object.change_schedule(&caller, &name.0, change).await?)))
}

#[utoipa::path(
    post, path = "/api/schedules/{name}/resume", tag = "schedules",
    params(("name" = String, Path, description = "Percent-encoded: a slash in it is written %2F")),
    responses(
        (status = 200, description = "It goes on with the first tick from now", body = ScheduleView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn resume(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let change = ScheduleChange { paused: Some(false), fields: Map::new() };
    Ok(json(&ScheduleView::of(scope.object.change_schedule(&caller, &name.0, change).await?)))
}
