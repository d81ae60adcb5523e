//! Ending an invocation that does not run.

use super::begin::{cancelled, key_of, shown};
use super::rows::target_of;
use crate::commit::write_event;
use crate::object::{Object, fault_of};
use crate::running::event_of;
use crate::workflow::RunOf;
use store::{Invocation, Turn};
use types::exec::Entry;
use types::{ActionRow, ActionStatus, Fault, Id, InvocationState, Row, Standing, StepRow, Timestamp};

/// Writes that an invocation is over without a result. It does not run.
pub(crate) fn give_up(turn: &mut Turn<'_>, invocation: &Invocation, at: Timestamp) -> Result<ActionRow, store::Error> {
    let id = invocation.row.id;
    let mut action = match turn.action(id)? {
        Some(action) => action,
        None => shown(invocation, ActionStatus::Cancelled),
    };
    action.status = ActionStatus::Cancelled;
    action.error = Some(cancelled());
    action.completed_at = Some(at);
    let over = InvocationState { at: Standing::Done { output: None }, ..invocation.state.clone() };
    turn.write(Row::InvocationState(over))?;
    turn.write(Row::Action(action.clone()))?;
    if let Some(delivery) = crate::bus::given_up(&invocation.row) {
        turn.write(delivery)?;
    }
    let event = match RunOf::read(&invocation.row) {
        Some(of) => of.ended("cancelled", serde_json::json!({})),
        None => Some(event_of(&target_of(&invocation.row), "cancelled", "{}".to_owned())),
    };
    if let Some(event) = event {
        write_event(turn, event, id, at)?;
    }
    super::let_parents_go_on(turn, id)?;
    if let Entry::Work { .. } = invocation.row.entry {
        crate::workers::withdraw(turn, id, at)?;
    }
    give_up_parts(turn, id, at)?;
    Ok(action)
}

/// Ends what a run that was cancelled has asked of workers, and its own tools: nobody waits for their answers. What it
/// called by itself goes on (spec DUR-9). One that runs now is stopped by [`Object::stop_parts`].
pub(crate) fn give_up_parts(turn: &mut Turn<'_>, id: Id, at: Timestamp) -> Result<(), store::Error> {
    for part in parts_of(&turn.steps(id, 0, journal::STEPS_MAX)?, |child| turn.invocation(child), id)? {
        if !matches!(part.state.at, Standing::Running | Standing::Done { .. }) {
            give_up(turn, &part, at)?;
        }
    }
    Ok(())
}

/// The children of a run that are parts of it.
fn parts_of(
    steps: &[StepRow],
    find: impl Fn(Id) -> Result<Option<Invocation>, store::Error>,
    parent: Id,
) -> Result<Vec<Invocation>, store::Error> {
    let mut parts = Vec::new();
    for child in steps.iter().filter_map(|step| step.child) {
        let is_part = |found: &Invocation| {
            found.row.parent == Some(parent) && matches!(found.row.entry, Entry::Work { .. } | Entry::Part(_))
        };
        parts.extend(find(child)?.filter(is_part));
    }
    Ok(parts)
}

impl Object {
    /// Cancels an invocation that waits or is to be retried: at once (spec DUR-9). None: there is none, or it is over.
    pub(crate) async fn cancel_waiting(&self, id: Id) -> Result<Option<ActionRow>, Fault> {
        let now = self.node.now();
        let cancelled_row = self
            .change(256, move |turn| {
                let found = turn.invocation(id).map_err(|e| fault_of(&e))?;
                let Some(invocation) = found.filter(|i| !matches!(i.state.at, Standing::Done { .. })) else {
                    return Ok(None);
                };
                let action = give_up(turn, &invocation, now).map_err(|e| fault_of(&e))?;
                Ok(Some((action, invocation)))
            })
            .await?;
        let Some((action, invocation)) = cancelled_row else { return Ok(None) };
        self.inner.durable.ended(id, key_of(&invocation.row), &Err(cancelled()));
        self.tell_elsewhere(&invocation.row);
        self.let_next_go_on(&invocation.row);
        self.stop_parts(id).await?;
        Ok(Some(action))
    }

    /// Stops those parts of a run that was cancelled which run now, and tells who waits for the others.
    pub(crate) async fn stop_parts(&self, id: Id) -> Result<(), Fault> {
        let mut cancelled_runs = vec![id];
        while let Some(id) = cancelled_runs.pop() {
            let parts = self
                .peek(|store| {
                    let steps = store.steps(id, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?;
                    parts_of(&steps, |child| store.invocation(child), id).map_err(|e| fault_of(&e))
                })
                .await?;
            for part in parts {
                let part_id = part.row.id;
                match part.state.at {
                    Standing::Done { output: Some(_) } => {}
                    Standing::Done { output: None } => {
                        self.inner.durable.ended(part_id, key_of(&part.row), &Err(cancelled()));
                        cancelled_runs.push(part_id);
                    }
                    Standing::Ready
                    | Standing::Running
                    | Standing::Delayed { .. }
                    | Standing::Waiting { .. }
                    | Standing::Paused => drop(Box::pin(self.end_action(part_id)).await?),
                }
            }
        }
        Ok(())
    }
}
