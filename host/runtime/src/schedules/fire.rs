//! Ticks: claimed and written down in one turn with the runs they are.

use super::plan::{self, Due, Tick};
use super::{Declaration, event, read, stored, timing};
use crate::commit::write_event;
use crate::durable::Accepting;
use crate::durable::Asker;
use crate::invoke::{InvokeOptions, Ready};
use crate::object::{Object, fault_of};
use crate::workflow::PlannedRun;
use crate::{Caller, STANDARD_RETRY};
use serde_json::json;
use std::sync::Arc;
use store::{Scheduled, Turn};
use types::deployment::Overlap;
use types::exec::HandlerKind;
use types::{
    ActionRow, ActionStatus, Durability, Fault, FaultKind, Id, InvocationRow, Json, LastTick, Retry, Row,
    ScheduleState, TickOutcome, Timestamp, Trigger,
};

/// Schedules that are looked at in one go; the rest follows.
const FIRED_AT_ONCE: u32 = 64;
/// Bytes that a run's rows take in the queue, beside its payload.
const RUN_BYTES: usize = 2048;

/// What a tick is fired with.
pub(super) struct Firing {
    pub(super) name: String,
    pub(super) declaration: Declaration,
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
}

/// What ticks call, looked at once for all that are due.
pub(super) enum Target {
    Handler(Box<Ready>),
    /// Its run is planned for each tick, since each has a name of its own.
    Workflow(String),
}

/// What a tick becomes.
pub(super) enum Work {
    Invocation(Box<Accepting>),
    Run(Box<PlannedRun>),
}

impl Firing {
    fn may_overlap(&self) -> bool {
        match self.declaration.spec.overlap {
            Overlap::Skip | Overlap::Queue => false,
            Overlap::Allow => true,
        }
    }

    /// What was to be called, as an action names it.
    fn target(&self) -> String {
        match &self.declaration.workflow {
            Some(workflow) => format!("{}/{workflow}", crate::declared::Kind::Workflow.noun()),
            None => format!("{}/{}", crate::functions::NOUN, self.declaration.spec.handler.function()),
        }
    }
}

/// The payload of a tick (spec EVR-11).
pub(super) fn payload(name: &str, tick: Tick, now: Timestamp, run: u64) -> Json {
    Json::from_value(&json!({
        "schedule": name,
        "scheduledTime": tick.at.to_string(),
        "firedAt": now.to_string(),
        "missed": tick.missed,
        "runCount": run,
    }))
}

impl Object {
    /// Fires what is due.
    pub(crate) async fn fire_due(&self, now: Timestamp) -> Result<(), Fault> {
        let found = self
            .peek(|store| {
                let due = store.due_schedules(now, FIRED_AT_ONCE).map_err(|e| fault_of(&e))?;
                due.into_iter().map(|due| Ok((stored(store, &due.name)?, due))).collect::<Result<Vec<_>, Fault>>()
            })
            .await?;
        for (spec, scheduled) in found {
            self.fire(scheduled, spec, now).await?;
        }
        Ok(())
    }

    async fn fire(&self, found: Scheduled, spec: Option<Json>, now: Timestamp) -> Result<(), Fault> {
        let Scheduled { name, state, failed_count: _ } = found;
        let Some(time) = state.next_run_at else { return Ok(()) };
        let read = spec.as_ref().map(|json| read(&name, json)).transpose().map(Option::flatten);
        let read = read.and_then(|read| read.map(|read| Ok((timing(&read.spec)?, read))).transpose());
        let (schedule, declaration) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return self.stop_ticking(name, state, None).await,
            Err(fault) => {
                tracing::warn!(namespace = %self.namespace(), name, %fault, "a schedule cannot be read; it stops");
                let still = ScheduleState { next_run_at: None, ..state.clone() };
                return self.stop_ticking(name, state, Some(still)).await;
            }
        };
        let Due { ticks, next } = plan::due(&schedule, declaration.spec.catch_up, time, now, state.anchor);
        let caller = self.own_caller(&format!("schedule:{name}"));
        let firing = Firing { name, declaration, caller, now };
        let made = self.ticks(&firing, &ticks, state.run_count + 1).await;
        let made = match made {
            // It is tried again soon, and nothing is lost.
            Err(fault) if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) => return Err(fault),
            other => other,
        };
        let bytes = RUN_BYTES * (1 + ticks.len());
        self.change(bytes, move |turn| {
            let known = turn.schedule(&firing.name).map_err(|e| fault_of(&e))?;
            if known.is_none_or(|known| known.state != state) {
                // Somebody else fired or changed it.
                return Ok(());
            }
            let state = ScheduleState { next_run_at: next, ..state };
            match made {
                Ok(runs) => claim(turn, &firing, state, ticks, runs),
                Err(fault) => refuse(turn, &firing, state, &fault),
            }
        })
        .await
    }

    /// What each of the ticks becomes; `run` is the first one's number.
    pub(super) async fn ticks(&self, firing: &Firing, ticks: &[Tick], run: u64) -> Result<Vec<Work>, Fault> {
        let Some(first) = ticks.first() else { return Ok(Vec::new()) };
        let first = payload(&firing.name, *first, firing.now, run);
        let Declaration { spec, workflow } = &firing.declaration;
        let target = match workflow {
            Some(workflow) => Target::Workflow(workflow.clone()),
            None => {
                let ready = self.ready_handler(&spec.handler, HandlerKind::Schedule, first).await?;
                Target::Handler(Box::new(ready))
            }
        };
        let mut made = Vec::with_capacity(ticks.len());
        for tick in ticks {
            made.push(match &target {
                Target::Handler(ready) => Work::Invocation(Box::new(self.tick(firing, ready, *tick)?)),
                Target::Workflow(name) => Work::Run(Box::new(self.run_of_tick(firing, name, *tick, run).await?)),
            });
        }
        Ok(made)
    }

    /// The run that a tick is, called by the tick: one that is fired twice is one run (spec WFL-7).
    async fn run_of_tick(&self, firing: &Firing, workflow: &str, tick: Tick, run: u64) -> Result<PlannedRun, Fault> {
        let input = payload(&firing.name, tick, firing.now, run);
        let (name, key) = (format!("{workflow}@{}", tick.at), format!("tick:{}", tick.at));
        let planned = self.plan_run(&firing.caller, workflow, input, Some(name), Some(key)).await?;
        Ok(planned.ticked(&firing.name, tick.at, firing.may_overlap()))
    }

    /// The invocation that a tick is. Runs that may not overlap have a word that keeps them apart.
    fn tick(&self, firing: &Firing, ready: &Ready, tick: Tick) -> Result<Accepting, Fault> {
        let serial = (!firing.may_overlap()).then(|| format!("schedule:{}", firing.name));
        let spec = &firing.declaration.spec;
        let options = InvokeOptions {
            durability: Durability::Do,
            retry: Some(Retry { max_attempts: spec.max_retries.saturating_add(1), ..STANDARD_RETRY }),
            serial,
            idempotency_key: Some(format!("{}@{}", firing.name, tick.at)),
            ..InvokeOptions::default()
        };
        let trigger = Trigger::Schedule { name: firing.name.clone(), at: tick.at };
        self.accepting(&firing.caller, ready, &options, Asker { trigger, parent: None, depth: 0 })
    }

    /// The state of a schedule that nothing can be done with.
    async fn stop_ticking(&self, name: String, was: ScheduleState, is: Option<ScheduleState>) -> Result<(), Fault> {
        self.change(RUN_BYTES, move |turn| {
            let known = turn.schedule(&name).map_err(|e| fault_of(&e))?;
            if known.is_some_and(|known| known.state == was) {
                turn.write(Row::Schedule { name, state: is.map(Box::new) }).map_err(|e| fault_of(&e))?;
            }
            Ok(())
        })
        .await
    }
}

/// Writes the ticks that may run, and that the others gave way.
fn claim(
    turn: &mut Turn<'_>,
    firing: &Firing,
    mut state: ScheduleState,
    ticks: Vec<Tick>,
    runs: Vec<Work>,
) -> Result<(), Fault> {
    let unfinished = turn.unfinished_of_schedule(&firing.name, super::UNFINISHED_MAX).map_err(|e| fault_of(&e))?;
    let skipped = runs.len() - plan::room(firing.declaration.spec.overlap, unfinished, runs.len());
    if !runs.is_empty() {
        let outcome = if skipped < runs.len() { TickOutcome::Ran } else { TickOutcome::Skipped };
        state.last = Some(LastTick { at: firing.now, outcome });
    }
    state.skipped_count += skipped as u64;
    for (tick, run) in ticks.into_iter().zip(runs).skip(skipped) {
        begin(turn, firing, &mut state, tick, run)?;
    }
    let row = Row::Schedule { name: firing.name.clone(), state: Some(Box::new(state)) };
    turn.write(row).map_err(|e| fault_of(&e))
}

/// Writes one run, and counts it. Its invocation's id.
pub(super) fn begin(
    turn: &mut Turn<'_>,
    firing: &Firing,
    state: &mut ScheduleState,
    tick: Tick,
    run: Work,
) -> Result<Id, Fault> {
    let input = payload(&firing.name, tick, firing.now, state.run_count + 1);
    let at = turn.at();
    let id = match run {
        Work::Invocation(run) => {
            let id = run.row.id;
            let row = Arc::new(InvocationRow { input: input.clone(), ..InvocationRow::clone(&run.row) });
            Accepting { row, ..*run }.write(turn, at).map_err(|e| fault_of(&e))?;
            id
        }
        Work::Run(run) => match run.known(turn)? {
            Some(known) => return Ok(known),
            None => run.with_input(input.clone()).write(turn, at)?.id(),
        },
    };
    state.run_count += 1;
    if firing.declaration.spec.emit {
        write_event(turn, event("fired", &firing.name, &input.to_value()), id, at).map_err(|e| fault_of(&e))?;
    }
    Ok(id)
}

/// A tick whose handler cannot be called is a failed action; the schedule goes on.
fn refuse(turn: &mut Turn<'_>, firing: &Firing, mut state: ScheduleState, fault: &Fault) -> Result<(), Fault> {
    state.refused_count += 1;
    state.last = Some(LastTick { at: firing.now, outcome: TickOutcome::Refused });
    let at = turn.at();
    let action = ActionRow {
        id: Id::new(at, rand::random()),
        verb: "invoke".to_owned(),
        actor: firing.caller.identity.actor.to_string(),
        target: firing.target(),
        input: None,
        output: None,
        options: Json::from_value(&json!({ "schedule": firing.name })),
        durability: Durability::Do,
        status: ActionStatus::Failed,
        error: Some(fault.clone()),
        attempts: 0,
        idempotency_key: None,
        request_id: Some(firing.caller.request_id.to_string()),
        parent: None,
        created_at: at,
        started_at: None,
        completed_at: Some(at),
        duration_us: None,
    };
    let rows = [Row::Schedule { name: firing.name.clone(), state: Some(Box::new(state)) }, Row::Action(action)];
    rows.into_iter().try_for_each(|row| turn.write(row)).map_err(|e| fault_of(&e))
}
