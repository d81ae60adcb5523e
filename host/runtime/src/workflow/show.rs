//! How a run stands: its status, its steps, and what became of it so far.

use super::{COMPENSATE, kind_of};
use crate::Caller;
use crate::object::{Object, fault_of};
use model::filter::Filter;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{EventFilter, Reader, WorkflowRun, WorkflowRunFilter};
use types::deployment::{Step, WorkflowBody, WorkflowSpec};
use types::exec::Entry;
use types::{ActionRow, ActionStatus, Awaited, Fault, FaultKind, Id, Json, Reply, Standing, StepRow, Timestamp};

/// The most entries of a history that are told.
const HISTORY_MAX: u32 = 1_000;

/// Where a run stands (spec WFL-3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunStatus {
    Queued,
    Running,
    /// For the time, for an event or for an answer.
    Waiting,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl RunStatus {
    pub const ALL: [Self; 7] =
        [Self::Queued, Self::Running, Self::Waiting, Self::Paused, Self::Completed, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    fn of(run: &WorkflowRun, action: &ActionRow) -> Self {
        match &run.invocation.state.at {
            Standing::Done { .. } => match action.status {
                ActionStatus::Completed => Self::Completed,
                ActionStatus::Cancelled => Self::Cancelled,
                ActionStatus::Failed
                | ActionStatus::Undone
                | ActionStatus::Pending
                | ActionStatus::Running
                | ActionStatus::Retrying => Self::Failed,
            },
            Standing::Paused => Self::Paused,
            Standing::Waiting { on: Awaited::Time { .. } | Awaited::Event { .. }, .. } => Self::Waiting,
            Standing::Ready if action.status == ActionStatus::Pending => Self::Queued,
            Standing::Ready | Standing::Running | Standing::Delayed { .. } | Standing::Waiting { .. } => Self::Running,
        }
    }
}

/// Where a step stands (spec WFL-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
    Waiting,
    Cancelled,
}

impl StepStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One step of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct StepShown {
    pub name: String,
    /// `do`, `sleep`, `waitForEvent`, `branch`, `parallel` or `approval`.
    pub kind: &'static str,
    pub status: StepStatus,
    pub attempts: u32,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub output: Option<Json>,
    pub error: Option<Fault>,
}

/// A run.
#[derive(Clone, PartialEq, Debug)]
pub struct RunShown {
    pub name: String,
    /// Of its action.
    pub id: Id,
    pub workflow: String,
    pub version: u64,
    pub status: RunStatus,
    pub input: Json,
    pub output: Option<Json>,
    pub error: Option<Fault>,
    pub started_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub current_step: Option<String>,
    /// Empty in lists.
    pub steps: Vec<StepShown>,
}

/// Which runs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunsWanted {
    pub status: Option<RunStatus>,
    /// Only those before this number.
    pub before: Option<u64>,
    pub limit: u32,
}

/// A part of the runs of a workflow, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct RunsPage {
    pub runs: Vec<RunShown>,
    pub next: Option<u64>,
}

/// Something that happened to a run.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryEntry {
    pub sequence: u64,
    pub at: Timestamp,
    /// `workflow.started`, `step.completed`, `run.approve` …
    pub event: String,
    pub data: Json,
}

impl Object {
    /// One run with its steps.
    ///
    /// # Errors
    /// `RUN_NOT_FOUND`.
    pub async fn workflow_run(&self, caller: &Caller, workflow: &str, run: &str) -> Result<RunShown, Fault> {
        caller.may("workflows", "read")?;
        let id = self.find_run(workflow, run).await?;
        self.shown_run(id).await
    }

    /// Runs of a workflow, newest first, without their steps.
    pub async fn workflow_runs(&self, caller: &Caller, workflow: &str, wanted: &RunsWanted) -> Result<RunsPage, Fault> {
        caller.may("workflows", "read")?;
        if self.known_workflow(workflow).is_err() && !self.has_runs(workflow).await? {
            return Err(super::define::unknown(workflow));
        }
        self.flush().await?;
        self.peek(|store| {
            let mut filter =
                WorkflowRunFilter { workflow: workflow.to_owned(), before: wanted.before, limit: store::PAGE_MAX };
            let mut runs = Vec::new();
            // As many as a search looks at elsewhere.
            for _ in 0..store::SCAN_MAX / store::PAGE_MAX {
                let page = store.workflow_runs(&filter).map_err(|e| fault_of(&e))?;
                for run in page.items {
                    if runs.len() == wanted.limit as usize {
                        return Ok(RunsPage { runs, next: filter.before });
                    }
                    filter.before = Some(run.invocation.row.number);
                    let shown = of(store, &run)?;
                    if wanted.status.is_none_or(|status| status == shown.status) {
                        runs.push(shown);
                    }
                }
                if page.next.is_none() {
                    return Ok(RunsPage { runs, next: None });
                }
            }
            Ok(RunsPage { runs, next: filter.before })
        })
        .await
    }

    async fn has_runs(&self, workflow: &str) -> Result<bool, Fault> {
        let filter = WorkflowRunFilter { workflow: workflow.to_owned(), before: None, limit: 1 };
        self.peek(|store| Ok(!store.workflow_runs(&filter).map_err(|e| fault_of(&e))?.items.is_empty())).await
    }

    /// What happened to a run, in order.
    pub async fn run_history(&self, caller: &Caller, workflow: &str, run: &str) -> Result<Vec<HistoryEntry>, Fault> {
        caller.may("workflows", "read")?;
        let id = self.find_run(workflow, run).await?;
        self.peek(|store| {
            let mut found = Vec::new();
            for noun in ["workflow", "step", super::OWN_NOUN] {
                let source = Some(format!("{noun}/{id}"));
                let filter = EventFilter { after: 0, verb: None, source, limit: HISTORY_MAX };
                let page = store.events(&filter).map_err(|e| fault_of(&e))?;
                found.extend(page.items.into_iter().map(|e| HistoryEntry {
                    sequence: e.sequence,
                    at: e.created_at,
                    event: format!("{noun}.{}", e.verb),
                    data: e.data,
                }));
            }
            found.sort_by_key(|entry| entry.sequence);
            found.truncate(HISTORY_MAX as usize);
            Ok(found)
        })
        .await
    }

    pub(super) async fn shown_run(&self, id: Id) -> Result<RunShown, Fault> {
        self.flush().await?;
        let found = self.peek(|store| store.workflow_run(id).map_err(|e| fault_of(&e))).await?;
        let run = found.ok_or_else(Fault::internal)?;
        let is_declared = matches!(run.invocation.row.entry, Entry::Steps { .. });
        let spec = match is_declared {
            true => Some(self.workflow_at(&run.row.workflow, run.row.version).await?),
            false => None,
        };
        self.peek(|store| {
            let mut shown = of(store, &run)?;
            shown.steps = steps(store, &run, spec.as_ref(), shown.status)?;
            let is_at = |step: &&StepShown| {
                let under_way = matches!(step.status, StepStatus::Running | StepStatus::Waiting | StepStatus::Failed);
                under_way && !matches!(step.kind, "branch" | "parallel") && !step.name.starts_with(COMPENSATE)
            };
            shown.current_step = shown.steps.iter().find(is_at).map(|step| step.name.clone());
            Ok(shown)
        })
        .await
    }
}

fn of(store: &Reader, run: &WorkflowRun) -> Result<RunShown, Fault> {
    let action = store.action(run.row.id).map_err(|e| fault_of(&e))?.ok_or_else(Fault::internal)?;
    let output = match &run.invocation.state.at {
        Standing::Done { output } => output.clone(),
        Standing::Ready
        | Standing::Running
        | Standing::Delayed { .. }
        | Standing::Waiting { .. }
        | Standing::Paused => None,
    };
    let status = RunStatus::of(run, &action);
    Ok(RunShown {
        name: run.row.name.clone(),
        id: run.row.id,
        workflow: run.row.workflow.clone(),
        version: run.row.version,
        status,
        input: types::redact(&run.invocation.row.input),
        output: output.map(|output| types::redact(&output)),
        error: action.error.filter(|_| matches!(status, RunStatus::Failed | RunStatus::Cancelled)),
        started_at: run.invocation.row.accepted_at,
        completed_at: action.completed_at,
        current_step: None,
        steps: Vec::new(),
    })
}

fn steps(
    store: &Reader,
    run: &WorkflowRun,
    spec: Option<&WorkflowSpec>,
    status: RunStatus,
) -> Result<Vec<StepShown>, Fault> {
    let rows = store.steps(run.row.id, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?;
    let Some(WorkflowBody::Steps(declared)) = spec.map(|spec| &spec.run) else {
        let shown = rows.iter().filter_map(|row| Some((kind_of(&row.name)?, row)));
        return shown
            .map(|(kind, row)| {
                let name = row.step_id.as_deref().unwrap_or(&row.name);
                told(store, name, kind, Some(row), status)
            })
            .collect();
    };
    let scope = json!({ "input": run.invocation.row.input.to_value(), "steps": {} });
    let mut viewer = Viewer { store, status, scope, goes_on: true, shown: Vec::new() };
    viewer.list(declared, &by_name(rows.clone()))?;
    for row in &rows {
        if let Some(name) = row.step_id.as_deref().filter(|name| name.starts_with(COMPENSATE)) {
            viewer.shown.push(told(store, name, "do", Some(row), status)?);
        }
    }
    Ok(viewer.shown)
}

type Rows = BTreeMap<String, StepRow>;

fn by_name(rows: Vec<StepRow>) -> Rows {
    rows.into_iter().filter_map(|row| Some((row.step_id.clone()?, row))).collect()
}

/// Goes along the declared steps with what the journal says of each.
struct Viewer<'r> {
    store: &'r Reader,
    status: RunStatus,
    scope: Value,
    /// Whether everything until here is over, so that conditions can be answered.
    goes_on: bool,
    shown: Vec<StepShown>,
}

impl Viewer<'_> {
    fn list(&mut self, steps: &[Step], rows: &Rows) -> Result<(), Fault> {
        for step in steps {
            match step {
                Step::Do { name, .. } => self.leaf(name, "do", rows)?,
                Step::Sleep { name, .. } | Step::SleepUntil { name, .. } => self.leaf(name, "sleep", rows)?,
                Step::WaitForEvent { name, .. } => self.leaf(name, "waitForEvent", rows)?,
                Step::Approval { name, .. } => self.leaf(name, "approval", rows)?,
                Step::Branch { name, when, then, otherwise } => self.branch(name, when, [then, otherwise], rows)?,
                Step::Parallel { name, branches } => self.parallel(name, branches, rows)?,
            }
        }
        Ok(())
    }

    fn leaf(&mut self, name: &str, kind: &'static str, rows: &Rows) -> Result<(), Fault> {
        let shown = told(self.store, name, kind, rows.get(name), self.status)?;
        self.goes_on &= shown.status == StepStatus::Completed;
        let output = shown.output.as_ref().map(Json::to_value);
        self.scope["steps"][name] = json!({ "output": output });
        self.shown.push(shown);
        Ok(())
    }

    fn branch(&mut self, name: &str, when: &str, ways: [&[Step]; 2], rows: &Rows) -> Result<(), Fault> {
        let at = self.shown.len();
        self.shown.push(told(self.store, name, "branch", None, self.status)?);
        let met = Filter::parse(when).ok().filter(|_| self.goes_on);
        let met = met.and_then(|filter| filter.matches_with(&self.scope, &self.scope["input"]).ok());
        for (way, is_then) in ways.into_iter().zip([true, false]) {
            match met {
                Some(met) if met != is_then => self.skip(way)?,
                Some(_) | None => self.list(way, rows)?,
            }
        }
        if met.is_some() {
            self.shown[at].status = summary(&self.shown[at + 1..]);
        }
        Ok(())
    }

    /// The way that was not taken.
    fn skip(&mut self, steps: &[Step]) -> Result<(), Fault> {
        let (from, goes_on) = (self.shown.len(), self.goes_on);
        self.list(steps, &Rows::new())?;
        self.shown[from..].iter_mut().for_each(|step| step.status = StepStatus::Skipped);
        self.goes_on = goes_on;
        Ok(())
    }

    fn parallel(&mut self, name: &str, branches: &[Vec<Step>], rows: &Rows) -> Result<(), Fault> {
        let at = self.shown.len();
        self.shown.push(told(self.store, name, "parallel", None, self.status)?);
        let (before, mut all) = (self.goes_on, true);
        let mut has_begun = false;
        for (number, steps) in branches.iter().enumerate() {
            let child = rows.get(&format!("{name}[{number}]")).and_then(|row| row.child);
            has_begun |= child.is_some();
            let own = match child {
                Some(child) => by_name(self.store.steps(child, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?),
                None => Rows::new(),
            };
            self.goes_on = before;
            self.list(steps, &own)?;
            all &= self.goes_on;
        }
        self.goes_on = before && all;
        if has_begun {
            self.shown[at].status = summary(&self.shown[at + 1..]);
        }
        Ok(())
    }
}

/// Of a step that is made of others.
fn summary(steps: &[StepShown]) -> StepStatus {
    let has = |status| steps.iter().any(|step| step.status == status);
    for status in [StepStatus::Failed, StepStatus::Cancelled, StepStatus::Running, StepStatus::Waiting] {
        if has(status) {
            return status;
        }
    }
    if has(StepStatus::Pending) { StepStatus::Running } else { StepStatus::Completed }
}

fn told(
    store: &Reader,
    name: &str,
    kind: &'static str,
    row: Option<&StepRow>,
    run: RunStatus,
) -> Result<StepShown, Fault> {
    let is_over = matches!(run, RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled);
    let mut shown = StepShown {
        name: name.to_owned(),
        kind,
        status: match run {
            RunStatus::Cancelled => StepStatus::Cancelled,
            RunStatus::Failed | RunStatus::Completed => StepStatus::Skipped,
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting | RunStatus::Paused => StepStatus::Pending,
        },
        attempts: 0,
        started_at: None,
        completed_at: None,
        output: None,
        error: None,
    };
    let Some(row) = row else { return Ok(shown) };
    shown.started_at = Some(row.started_at);
    shown.attempts = 1;
    if let Some(child) = row.child
        && let Some(action) = store.action(child).map_err(|e| fault_of(&e))?
    {
        shown.attempts = action.attempts.max(1);
    }
    match &row.reply {
        None if is_over => shown.status = StepStatus::Cancelled,
        None => shown.status = if kind == "do" { StepStatus::Running } else { StepStatus::Waiting },
        Some(Reply::Fault(fault)) => {
            let is_cancelled = fault.kind == FaultKind::Cancelled;
            shown.status = if is_cancelled { StepStatus::Cancelled } else { StepStatus::Failed };
            shown.error = Some(fault.clone());
            shown.completed_at = row.ended_at;
        }
        Some(reply) => {
            shown.status = StepStatus::Completed;
            shown.completed_at = row.ended_at;
            let data = |json: &Json| Json::from_value(&json.to_value()["data"]);
            shown.output = match reply {
                // An approval's output is the answer alone.
                Reply::Json(json) if kind == "approval" => Some(data(json)),
                Reply::Json(json) => Some(json.clone()),
                Reply::Text(text) => Some(Json::from_value(&json!(text))),
                _ => None,
            };
            shown.output = shown.output.map(|output| types::redact(&output));
        }
    }
    Ok(shown)
}
