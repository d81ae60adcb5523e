//! Ticks: claimed and written down in one turn with the runs they are.

use super::plan::{self, Due, Tick};
use super::{event, spec_of, timing};
use crate::commit::write_event;
use crate::durable::Accepting;
use crate::durable::Asker;
use crate::invoke::{InvokeOptions, Ready};
use crate::object::{Object, fault_of};
use crate::{Caller, STANDARD_RETRY};
use serde_json::json;
use std::sync::Arc;
use store::{Line, Reader, Scheduled, Turn};
use types::deployment::{Overlap, ScheduleSpec};
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
    pub(super) spec: ScheduleSpec,
    pub(super) caller: Caller,
    pub(super) now: Timestamp,
}

/// The declaration of a schedule as it is in the file.
pub(super) fn declaration(reader: &Reader, name: &str) -> Result<Option<Json>, Fault> {
    let key = crate::declared::Kind::Schedule.key(name)?;
    let head = reader.newest(&Line::main(), &key).map_err(|e| fault_of(&e))?;
    Ok(head.filter(|row| !row.deleted).map(|row| row.data))
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
                due.into_iter().map(|due| Ok((declaration(store, &due.name)?, due))).collect::<Result<Vec<_>, Fault>>()
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
        let read = spec.as_ref().map(|spec| spec_of(spec).and_then(|spec| Ok((timing(&spec)?, spec)))).transpose();
        let (schedule, spec) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return self.stop_ticking(name, state, None).await,
            Err(fault) => {
                tracing::warn!(namespace = %self.namespace(), name, %fault, "a schedule cannot be read; it stops");
                let still = ScheduleState { next_run_at: None, ..state.clone() };
                return self.stop_ticking(name, state, Some(still)).await;
            }
        };
        let Due { ticks, next } = plan::due(&schedule, spec.catch_up, time, now, state.anchor);
        let caller = self.own_caller(&format!("schedule:{name}"));
        let firing = Firing { name, spec, caller, now };
        let made = match ticks.first() {
            None => Ok(Vec::new()),
            Some(first) => match self.tick_ready(&firing, *first, state.run_count + 1).await {
                Ok(ready) => ticks.iter().map(|tick| self.tick(&firing, &ready, *tick)).collect(),
                Err(fault) => Err(fault),
            },
        };
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

    /// What a tick calls, whose payload it accepts.
    pub(super) async fn tick_ready(&self, firing: &Firing, tick: Tick, run: u64) -> Result<Ready, Fault> {
        let payload = payload(&firing.name, tick, firing.now, run);
        self.ready_handler(&firing.spec.handler, HandlerKind::Schedule, payload).await
    }

    /// The invocation that a tick is. Runs that may not overlap have a word that keeps them apart.
    pub(super) fn tick(&self, firing: &Firing, ready: &Ready, tick: Tick) -> Result<Accepting, Fault> {
        let serial = match firing.spec.overlap {
            Overlap::Skip | Overlap::Queue => Some(format!("schedule:{}", firing.name)),
            Overlap::Allow => None,
        };
        let options = InvokeOptions {
            durability: Durability::Do,
            retry: Some(Retry { max_attempts: firing.spec.max_retries.saturating_add(1), ..STANDARD_RETRY }),
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
    runs: Vec<Accepting>,
) -> Result<(), Fault> {
    let unfinished = turn.unfinished_of_schedule(&firing.name, super::UNFINISHED_MAX).map_err(|e| fault_of(&e))?;
    let skipped = runs.len() - plan::room(firing.spec.overlap, unfinished, runs.len());
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
    run: Accepting,
) -> Result<Id, Fault> {
    state.run_count += 1;
    let input = payload(&firing.name, tick, firing.now, state.run_count);
    let id = run.row.id;
    let row = Arc::new(InvocationRow { input: input.clone(), ..InvocationRow::clone(&run.row) });
    let at = turn.at();
    Accepting { row, ..run }.write(turn, at).map_err(|e| fault_of(&e))?;
    if firing.spec.emit {
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
        target: format!("{}/{}", crate::functions::NOUN, firing.spec.handler.function()),
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
