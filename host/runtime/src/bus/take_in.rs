//! Taking in events of an object that this one follows: written down here like events of its own, each once.
//!
//! A source sends its events in their order, so its highest number that was taken in tells what of a batch is new. An
//! event that comes by two ways is known by its id, which it keeps: so no ring of followers goes on.

use super::hand_on::Cause;
use crate::durable::wake_waiting;
use crate::object::{Object, fault_of};
use types::{EventOrigin, EventRow, Fault, Namespace, ObjectId, Row};

/// An event on its way to a follower.
pub(super) struct Forwarded {
    /// As the sender has it, with the thing that it is about in its data.
    event: EventRow,
    /// Where it happened; the number here is the sender's still.
    origin: EventOrigin,
}

impl Forwarded {
    pub(super) fn of(sender: &Namespace, event: EventRow, cause: Cause) -> Self {
        let origin = cause.origin.unwrap_or_else(|| EventOrigin {
            sequence: event.sequence,
            id: event.id,
            namespace: sender.clone(),
            number: event.sequence,
            depth: cause.depth,
            actor: cause.actor,
        });
        Self { event, origin }
    }
}

impl Object {
    /// Writes down what is new of a batch, and that this object has everything of `source` through `through`.
    pub(super) async fn take_in(&self, source: ObjectId, batch: Vec<Forwarded>, through: u64) -> Result<(), Fault> {
        let bytes = batch.iter().map(|forwarded| 512 + forwarded.event.data.as_str().len()).sum();
        let own = self.namespace().clone();
        self.change(bytes, move |turn| {
            let known = turn.taken_in(source).map_err(|e| fault_of(&e))?;
            if through <= known {
                return Ok(());
            }
            for Forwarded { event, origin } in batch {
                let is_known = event.sequence <= known || origin.namespace == own;
                if is_known || turn.has_taken_in(origin.id).map_err(|e| fault_of(&e))? {
                    continue;
                }
                let sequence = turn.next_sequence();
                let event = EventRow { sequence, ..event };
                wake_waiting(turn, &event).map_err(|e| fault_of(&e))?;
                turn.write(Row::Event(event)).map_err(|e| fault_of(&e))?;
                let origin = EventOrigin { sequence, ..origin };
                turn.write(Row::EventOrigin(Box::new(origin))).map_err(|e| fault_of(&e))?;
            }
            turn.write(Row::TakenIn { source, through }).map_err(|e| fault_of(&e))
        })
        .await
    }
}
