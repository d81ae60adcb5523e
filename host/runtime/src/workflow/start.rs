//! Beginning runs: asked for by somebody, by an event or by a tick, and once for each of them (spec WFL-7).

use super::{RunOf, RunShown};
use crate::Caller;
use crate::commit::write_event;
use crate::durable::{Accepting, Asker, DurableRun, KEY_KEPT};
use crate::invoke::InvokeOptions;
use crate::object::{Object, fault_of};
use std::sync::Arc;
use std::time::Duration;
use store::{Turn, WorkflowRun};
use types::deployment::{WorkflowBody, WorkflowSpec, check_name};
use types::exec::{Entry, HandlerKind};
use types::{
    Asked, BranchOf, Call, Fault, FunctionName, Id, InvocationRow, Json, Retry, Row, Standing, Timestamp, Trigger,
    WorkflowRunRow,
};

/// A run is tried once: its steps have attempts of their own.
const ONCE: Retry =
    Retry { max_attempts: 1, initial_delay_ms: 100, max_delay_ms: 30_000, multiplier: 2.0, jitter: true };
/// Of the interpreter's own time in one go, its waits not counted.
const OWN_TIME_MS: u64 = 3_600_000;

/// Before a caller's key: events and ticks have keys of their own.
const KEY: &str = "key:";

/// A run that somebody wants.
#[derive(Clone, Debug, Default)]
pub struct RunWanted {
    /// None is null.
    pub input: Option<Json>,
    /// What it is to be called; a name of its own unless given.
    pub run_id: Option<String>,
    /// A second run with the same key and input is the first one.
    pub idempotency_key: Option<String>,
}

/// A run that may begin: found, its input looked at.
pub(crate) struct PlannedRun {
    accepting: Accepting,
    row: WorkflowRunRow,
    of: RunOf,
}

/// What became of a planned run.
pub(crate) enum Started {
    New(Id),
    /// It was begun before, for the same reason.
    Known(Id),
}

impl Started {
    pub(crate) fn id(&self) -> Id {
        match self {
            Self::New(id) | Self::Known(id) => *id,
        }
    }
}

impl Object {
    /// Begins a run; the flag says whether it is new.
    ///
    /// # Errors
    /// `WORKFLOW_NOT_FOUND`; `RUN_EXISTS` for a name that is taken; `IDEMPOTENCY_MISMATCH`; an input that does not fit.
    pub async fn run_workflow(
        &self,
        caller: &Caller,
        workflow: &str,
        wanted: RunWanted,
    ) -> Result<(RunShown, bool), Fault> {
        caller.may("workflows", "invoke")?;
        if let Some(Err(message)) = wanted.run_id.as_deref().map(check_name) {
            return Err(Fault::invalid("RUN_ID_INVALID", message));
        }
        let key = wanted.idempotency_key.map(|key| format!("{KEY}{key}"));
        let input = wanted.input.unwrap_or_else(Json::null);
        let planned = self.plan_run(caller, workflow, input, wanted.run_id, key).await?;
        let started = self.start_planned(planned).await?;
        let shown = self.shown_run(started.id()).await?;
        Ok((shown, matches!(started, Started::New(_))))
    }

    async fn start_planned(&self, planned: PlannedRun) -> Result<Started, Fault> {
        let now = self.node.now();
        self.change(1024 + planned.accepting.bytes(), move |turn| planned.write(turn, now)).await
    }

    /// A run that [`PlannedRun::write`] begins, in a turn of the asker's own.
    pub(crate) async fn plan_run(
        &self,
        caller: &Caller,
        workflow: &str,
        input: Json,
        name: Option<String>,
        key: Option<String>,
    ) -> Result<PlannedRun, Fault> {
        let definition = self.known_workflow(workflow)?;
        let bytes_max = self.node.inner.config.limits.input_bytes_max;
        if input.as_str().len() as u64 > bytes_max {
            let message = format!("the input is {} bytes long; at most {bytes_max} are taken", input.as_str().len());
            return Err(Fault::limit("INPUT_LIMIT", message));
        }
        let spec = &definition.spec;
        let now = self.node.now();
        let accepting = match &spec.run {
            WorkflowBody::Handler(handler) => {
                let ready = self.ready_handler(handler, HandlerKind::Workflow, input).await?;
                let asker = Asker { trigger: Trigger::Workflow { name: workflow.to_owned() }, ..Asker::OUTSIDE };
                let options = InvokeOptions {
                    idempotency_key: name.clone(),
                    retry: Some(ONCE),
                    serial: serial(spec),
                    deadline: deadline(spec, now),
                    ..InvokeOptions::default()
                };
                self.accepting(caller, &ready, &options, asker)?
            }
            WorkflowBody::Steps(_) => {
                let row = declared(spec, definition.version, caller, input, name.clone(), now);
                Accepting { row: Arc::new(row), until: None }
            }
        };
        let id = accepting.row.id;
        let row = WorkflowRunRow {
            id,
            run: id,
            workflow: workflow.to_owned(),
            version: definition.version,
            name: name.unwrap_or_else(|| id.to_string()),
            branch: None,
            key,
            width: spec.concurrency,
            asked: Asked::GoOn,
        };
        let of = RunOf::read(&accepting.row).ok_or_else(Fault::internal)?;
        Ok(PlannedRun { accepting, row, of })
    }
}

impl PlannedRun {
    pub(crate) fn bytes(&self) -> usize {
        1024 + self.accepting.bytes()
    }

    /// What comes of it is known by its request: this, and the run's id.
    pub(crate) fn asked_by(mut self, request: &str) -> Self {
        let row = InvocationRow::clone(&self.accepting.row);
        let request_id = format!("{request}{}", row.id);
        self.accepting.row = Arc::new(InvocationRow { request_id, ..row });
        self
    }

    /// It was begun by a tick, whose schedule says whether runs of it may be under way at once.
    pub(crate) fn ticked(mut self, schedule: &str, at: Timestamp, may_overlap: bool) -> Self {
        let mut row = InvocationRow::clone(&self.accepting.row);
        row.trigger = Trigger::Schedule { name: schedule.to_owned(), at };
        if !may_overlap {
            row.serial.get_or_insert_with(|| format!("schedule:{schedule}"));
            // Where the workflow's own runs wait in line already, this one waits for all before it.
            self.row.width = Some(1);
        }
        self.accepting.row = Arc::new(row);
        self
    }

    /// With what its turn has to say of it.
    pub(crate) fn with_input(mut self, input: Json) -> Self {
        self.of.input = input.clone();
        self.accepting.row = Arc::new(InvocationRow { input, ..InvocationRow::clone(&self.accepting.row) });
        self
    }

    /// The run that was begun for the same reason before.
    pub(crate) fn known(&self, turn: &Turn<'_>) -> Result<Option<Id>, Fault> {
        let Some(key) = &self.row.key else { return Ok(None) };
        let known = turn.workflow_run_by_key(&self.row.workflow, key).map_err(|e| fault_of(&e))?;
        Ok(known.map(|known| known.row.id))
    }

    /// Into the file, unless it is known there.
    pub(crate) fn write(self, turn: &mut Turn<'_>, at: Timestamp) -> Result<Started, Fault> {
        let Self { accepting, row, of } = self;
        if let Some(key) = &row.key
            && let Some(known) = turn.workflow_run_by_key(&row.workflow, key).map_err(|e| fault_of(&e))?
        {
            if !is_forgotten(turn, &known, at)? {
                return shared(&known, &accepting.row.input);
            }
            let before = WorkflowRunRow { key: None, ..known.row };
            turn.write(Row::WorkflowRun(Box::new(before))).map_err(|e| fault_of(&e))?;
        }
        if turn.workflow_run_named(&row.workflow, &row.name).map_err(|e| fault_of(&e))?.is_some() {
            let message = format!("there is a run {:?} of {} already; use another runId", row.name, row.workflow);
            return Err(Fault::conflict("RUN_EXISTS", message));
        }
        let id = row.id;
        let started = of.event("workflow", "started", serde_json::json!({ "version": row.version }));
        accepting.write(turn, at).map_err(|e| fault_of(&e))?;
        turn.write(Row::WorkflowRun(Box::new(row))).map_err(|e| fault_of(&e))?;
        write_event(turn, started, id, at).map_err(|e| fault_of(&e))?;
        Ok(Started::New(id))
    }
}

/// Whether a caller's key can be used again, its run having ended so long ago (spec DUR-10). An event and a tick begin one
/// run for as long as that is kept.
fn is_forgotten(turn: &Turn<'_>, known: &WorkflowRun, now: Timestamp) -> Result<bool, Fault> {
    let is_callers = known.row.key.as_ref().is_some_and(|key| key.starts_with(KEY));
    if !is_callers || !matches!(known.invocation.state.at, Standing::Done { .. }) {
        return Ok(false);
    }
    let action = turn.action(known.row.id).map_err(|e| fault_of(&e))?;
    Ok(action.and_then(|action| action.completed_at).is_none_or(|at| at.plus(KEY_KEPT) <= now))
}

fn shared(known: &WorkflowRun, input: &Json) -> Result<Started, Fault> {
    if known.invocation.row.input == *input {
        return Ok(Started::Known(known.row.id));
    }
    let message = "the idempotency key was used with another input before; use a new key for another run";
    let details = serde_json::json!({ "reason": "IDEMPOTENCY_MISMATCH", "runId": known.row.name });
    Err(Fault::invalid("IDEMPOTENCY_MISMATCH", message).with_details(&details))
}

fn serial(spec: &WorkflowSpec) -> Option<String> {
    spec.concurrency.map(|_| format!("workflow:{}", spec.name))
}

fn deadline(spec: &WorkflowSpec, now: Timestamp) -> Option<Timestamp> {
    spec.timeout_ms.map(|ms| now.plus(Duration::from_millis(ms)))
}

/// Of a declared workflow. No function is its own, and the column that names one says so.
fn declared(
    spec: &WorkflowSpec,
    version: u64,
    caller: &Caller,
    input: Json,
    name: Option<String>,
    now: Timestamp,
) -> InvocationRow {
    InvocationRow {
        id: Id::new(now, rand::random()),
        number: 0,
        function: FunctionName::parse("workflow").expect("it is a function's name"),
        version,
        entry: Entry::Steps { workflow: spec.name.clone(), branch: None },
        input,
        caller: caller.identity.clone(),
        request_id: caller.request_id.to_string(),
        seed: rand::random(),
        accepted_at: now,
        began: false,
        trigger: Trigger::Workflow { name: spec.name.clone() },
        depth: 0,
        key: name,
        serial: serial(spec),
        retry: ONCE,
        timeout_ms: OWN_TIME_MS,
        deadline: deadline(spec, now),
        events_after: 0,
        parent: None,
        priority: 0,
        retry_on: Vec::new(),
    }
}

/// The rows of one branch of a parallel step, whose input is what its steps may speak of.
///
/// # Errors
/// Only a run of a workflow has branches.
pub(crate) fn branch(
    run: &DurableRun,
    now: Timestamp,
    ordinal: u32,
    call: &Call,
    number: u32,
    scope: Json,
) -> Result<(InvocationRow, WorkflowRunRow), Fault> {
    let (Some(of), Call::Start { action: step, .. }) = (&run.of, call) else { return Err(Fault::internal()) };
    let id = Id::new(now, rand::random());
    let branch = BranchOf { run: of.id, run_name: of.name.clone(), step: step.clone(), number };
    let row = InvocationRow {
        id,
        number: 0,
        entry: Entry::Steps { workflow: of.workflow.clone(), branch: Some(branch.clone()) },
        input: scope,
        seed: rand::random(),
        accepted_at: now,
        began: false,
        trigger: Trigger::Step { ordinal },
        depth: run.row.depth + 1,
        key: None,
        serial: None,
        events_after: 0,
        parent: Some(run.row.id),
        ..InvocationRow::clone(&run.row)
    };
    let run_row = WorkflowRunRow {
        id,
        run: of.id,
        workflow: of.workflow.clone(),
        version: row.version,
        name: format!("{step}[{number}]"),
        branch: Some(branch),
        key: None,
        width: None,
        asked: Asked::GoOn,
    };
    Ok((row, run_row))
}
