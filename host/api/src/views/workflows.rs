//! Runs of workflows as callers see them (spec 8).

use runtime::{HistoryEntry, RunShown, RunsPage, StepShown};
use serde::Serialize;
use types::{Fault, Json};
use utoipa::ToSchema;

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

impl StartedView {
    pub(crate) fn of(run: RunShown) -> Self {
        Self { run_id: run.name, status: run.status.as_str(), started_at: run.started_at.to_string() }
    }
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

impl RunsView {
    pub(crate) fn of(page: RunsPage) -> Self {
        let next = page.next.map(|number| number.to_string());
        Self { runs: page.runs.into_iter().map(RunView::of).collect(), next }
    }
}

/// What happened to a run, in order.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowRunHistory)]
pub(crate) struct HistoryView {
    history: Vec<HistoryEntryView>,
}

impl HistoryView {
    pub(crate) fn of(entries: Vec<HistoryEntry>) -> Self {
        Self { history: entries.into_iter().map(HistoryEntryView::of).collect() }
    }
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
    pub(crate) fn of(run: RunShown) -> Self {
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
