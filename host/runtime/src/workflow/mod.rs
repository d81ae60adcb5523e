//! Workflows: definitions, runs, and what somebody asks of a run (spec 8).
//!
//! A run is one durable invocation, so that going on after a crash, waiting without memory and retrying are those of
//! `durable`. Of a coded workflow it is the invocation of its handler; of a declared one (`steps`) it has the entry
//! [`Entry::Steps`], and instead of a component the interpreter of `walk` makes the calls. Each declared step is a call
//! under the step's own name, so a replay finds it whatever else happened; each branch of a parallel step is an invocation
//! of its own, so that it waits, sleeps and fails for itself, and the run joins them in their order.
//!
//! `define` keeps definitions, `start` begins runs, `walk` goes through steps, `control` pauses, resumes and cancels,
//! `show` tells how a run stands; here is what a run is to the rest of the host.

mod control;
mod define;
pub use define::WorkflowShown;
mod show;
pub use show::{HistoryEntry, RunShown, RunStatus, RunsPage, RunsWanted, StepShown, StepStatus};
mod start;
pub use start::RunWanted;
pub(crate) use start::{PlannedRun, branch};
mod walk;
pub(crate) use walk::go_through;

use crate::commit::NewEvent;
use crate::durable::DurableRun;
use crate::guest::{GuestHost, end_turn};
use crate::object::fault_of;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::Turn;
use types::exec::{Entry, Part};
use types::{Asked, Awaited, Call, Fault, FaultKind, Id, InvocationRow, Json, Reply, Row, Standing, Trigger};

/// The noun of events that are sent to one run.
pub(crate) const OWN_NOUN: &str = "run";
/// How long such an event waits for a step that waits for it (spec WFL-4), and how many of them.
pub(crate) const OWN_EVENT_KEPT: Duration = Duration::from_secs(24 * 3600);
const OWN_EVENTS_MAX: usize = 100;
/// What one step gives (spec WFL-9).
const OUTPUT_BYTES_MAX: usize = 1 << 20;
/// What takes a step back is a step of this name before the step's.
const COMPENSATE: &str = "compensate:";

/// Which run an invocation is, or is a branch of.
#[derive(Clone, Debug)]
pub(crate) struct RunOf {
    /// Of the whole run's invocation.
    pub(crate) id: Id,
    /// What it is called by outside.
    pub(crate) name: String,
    pub(crate) workflow: String,
    /// Of the whole run.
    pub(crate) input: Json,
    is_branch: bool,
}

impl RunOf {
    pub(crate) fn read(row: &InvocationRow) -> Option<Self> {
        if let Entry::Steps { workflow, branch: Some(branch) } = &row.entry {
            let input = Json::from_value(&row.input.to_value()["input"]);
            let (id, name) = (branch.run, branch.run_name.clone());
            return Some(Self { id, name, workflow: workflow.clone(), input, is_branch: true });
        }
        let workflow = match &row.trigger {
            Trigger::Workflow { name } => name,
            Trigger::Schedule { name, at: _ } => crate::schedules::workflow_of(name)?,
            Trigger::Call
            | Trigger::Step { .. }
            | Trigger::Event { .. }
            | Trigger::Timer { .. }
            | Trigger::Object { .. } => return None,
        };
        let name = row.key.clone().unwrap_or_else(|| row.id.to_string());
        Some(Self { id: row.id, name, workflow: workflow.to_owned(), input: row.input.clone(), is_branch: false })
    }

    /// A branch is told of with the whole run.
    pub(crate) fn is_whole(&self) -> bool {
        !self.is_branch
    }

    /// The source of the events that are sent to it.
    pub(crate) fn own_source(&self) -> String {
        format!("{OWN_NOUN}/{}", self.id)
    }

    /// Whether an event that was sent to it under `name` is one that a step waits for as `wanted`.
    pub(crate) fn is_named(&self, name: &str, wanted: &str) -> bool {
        let (Some((noun, verb)), Some((n, v))) = (wanted.split_once('.'), name.split_once('.')) else {
            return name == wanted;
        };
        (noun == "*" || noun == n) && (verb == "*" || verb == v)
    }

    fn event(&self, noun: &str, verb: &str, mut data: Value) -> NewEvent {
        data["runId"] = json!(self.name);
        data["workflow"] = json!(self.workflow);
        let source = format!("{noun}/{}", self.id);
        NewEvent { verb: verb.to_owned(), source, data: types::redact(&Json::from_value(&data)) }
    }

    /// That the run is over; a branch has no event of its own.
    pub(crate) fn ended(&self, verb: &str, data: Value) -> Option<NewEvent> {
        (!self.is_branch).then(|| self.event("workflow", verb, data))
    }

    /// How an invocation of it stands that is about to wait: what was asked of the run meanwhile comes first.
    pub(crate) fn stands(&self, turn: &Turn<'_>, at: Standing) -> Result<Standing, Fault> {
        let run = turn.workflow_run(self.id).map_err(|e| fault_of(&e))?;
        let waits_for_child = matches!(at, Standing::Waiting { on: Awaited::Child { .. }, .. });
        Ok(match run.map_or(Asked::GoOn, |run| run.row.asked) {
            Asked::Pause => Standing::Paused,
            Asked::Cancel if !waits_for_child => Standing::Ready,
            Asked::GoOn | Asked::Cancel => at,
        })
    }
}

/// Whether an event of one word may be waited for by a run: it is sent to the run itself.
pub(crate) fn is_own_event(name: &str) -> bool {
    types::deployment::check_name(name).is_ok()
}

/// Which declared step a call is.
pub(crate) struct Label {
    pub(crate) name: String,
    /// As [`StepShown::kind`]; None: it is a part of a step, and nobody is told of it.
    pub(crate) kind: Option<&'static str>,
    /// It is made also when the run is to end.
    pub(crate) always: bool,
    /// The answer when nothing came in time.
    pub(crate) instead: Option<Json>,
    /// Of a call that begins a branch.
    pub(crate) branch: Option<u32>,
    /// Of a call that begins a run of one export of the same function.
    pub(crate) export: Option<Part>,
}

impl Label {
    fn step(name: &str, kind: &'static str) -> Self {
        Self { name: name.to_owned(), kind: Some(kind), always: false, instead: None, branch: None, export: None }
    }

    pub(crate) fn part(name: String) -> Self {
        Self { name, kind: None, always: false, instead: None, branch: None, export: None }
    }

    /// What is recorded of an answer.
    pub(crate) fn settle(&self, reply: Reply) -> Reply {
        match (reply, &self.instead) {
            (Reply::Fault(fault), Some(instead)) if fault.code == "WAIT_TIMEOUT" => Reply::Json(instead.clone()),
            (Reply::Json(json), _) if json.as_str().len() > OUTPUT_BYTES_MAX => {
                let message = format!("a step gives {} KiB at most", OUTPUT_BYTES_MAX >> 10);
                Reply::Fault(Fault::new(FaultKind::Invalid, "STEP_OUTPUT_LIMIT", message))
            }
            (reply, _) => reply,
        }
    }
}

/// What kind of step a coded workflow's call is; None: it is none.
fn kind_of(call: &str) -> Option<&'static str> {
    match call {
        "actions.do" | "actions.try" | "actions.start" | "http.request" | "integration.call" => Some("do"),
        "timers.sleep" | "timers.sleep-until" => Some("sleep"),
        "events.wait-for" => Some("waitForEvent"),
        "worker.approve" => Some("approval"),
        _ => None,
    }
}

impl GuestHost {
    /// Before a step is made: whether the run is to go on.
    ///
    /// # Errors
    /// It is to end: it was cancelled, or its time is over. Of a coded workflow that is told in another way.
    pub(crate) async fn boundary(&mut self, run: &Arc<DurableRun>, of: &RunOf, declared: bool) -> Result<(), Fault> {
        let id = of.id;
        let found = self.object.peek(|store| store.workflow_run(id).map_err(|e| fault_of(&e))).await?;
        match found.map_or(Asked::GoOn, |found| found.row.asked) {
            Asked::Pause => self.pause(run, id).await?,
            Asked::Cancel if declared => return Err(cancelled()),
            Asked::GoOn | Asked::Cancel => {}
        }
        if declared && run.row.deadline.is_some_and(|at| at <= self.object.node.now()) {
            let message = format!("the run of {} took longer than its timeout", of.workflow);
            return Err(Fault::new(FaultKind::Timeout, "RUN_TIMEOUT", message));
        }
        Ok(())
    }

    async fn pause(&mut self, run: &Arc<DurableRun>, id: Id) -> Result<(), Fault> {
        end_turn(&self.object, &self.running).await?;
        let state = run.state(Standing::Paused);
        let paused = self.object.change(256, move |turn| {
            let found = turn.workflow_run(id).map_err(|e| fault_of(&e))?;
            let pauses = found.is_some_and(|found| found.row.asked == Asked::Pause);
            if pauses {
                turn.write(Row::InvocationState(state)).map_err(|e| fault_of(&e))?;
            }
            Ok(pauses)
        });
        if paused.await? {
            run.parked().await;
        }
        Ok(())
    }

    /// Tells that a step began, or what became of it, together with its row.
    pub(crate) fn tell_step(
        &mut self,
        of: &RunOf,
        label: Option<&Label>,
        call: &Call,
        reply: Option<&Reply>,
    ) -> Result<(), Fault> {
        let kind = match label {
            Some(label) => label.kind,
            None => kind_of(call.name()),
        };
        let Some(kind) = kind else { return Ok(()) };
        let name = label.map(|label| label.name.as_str()).or_else(|| own_name(call)).unwrap_or(call.name());
        let data = json!({ "step": name, "type": kind });
        let event = match reply {
            None => of.event("step", "started", data),
            Some(Reply::Fault(fault)) => {
                let error = json!({ "code": fault.code, "message": fault.message });
                of.event("step", "failed", json!({ "step": name, "type": kind, "error": error }))
            }
            Some(_) => of.event("step", "completed", data),
        };
        self.emit_in_turn(event)
    }
}

/// What a guest named its call.
fn own_name(call: &Call) -> Option<&str> {
    match call {
        Call::Send { options, .. }
        | Call::Try { options, .. }
        | Call::Do { options, .. }
        | Call::Start { options, .. } => options.step_id.as_deref(),
        _ => None,
    }
}

fn cancelled() -> Fault {
    Fault::new(FaultKind::Cancelled, "CANCELLED", "the run was cancelled")
}
