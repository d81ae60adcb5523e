//! What an invocation leaves behind, and how it enters the file.

use super::Queued;
use crate::durable::Accepting;
use std::collections::{HashMap, VecDeque};
use store::Turn;
use types::{ActionRow, EventRow, Id, InvocationState, Json, LogRow, Reply, Row, Standing, Timestamp};

/// An event that still lacks its sequence number and id.
pub(crate) struct NewEvent {
    pub(crate) verb: String,
    pub(crate) source: String,
    pub(crate) data: Json,
}

/// What an invocation leaves behind.
#[derive(Default)]
pub(crate) struct Note {
    pub(crate) action: Option<ActionRow>,
    /// Of whom the events are, when the action's row is not among what is written.
    pub(crate) cause: Option<Id>,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) logs: Vec<LogRow>,
    /// Durable invocations that are accepted with it.
    pub(crate) accepts: Vec<Accepting>,
    /// Steps, and where invocations stand from now on.
    pub(crate) rows: Vec<Row>,
    /// An invocation that is over: who waits for it may go on.
    pub(crate) ends: Option<Id>,
    /// Work that ended without an answer: who is asked is asked no more.
    pub(crate) withdraws: Option<Id>,
    /// A run that was cancelled: nor is who it asked.
    pub(crate) gives_up: Option<Id>,
    /// The acceptance of the invocation whose end this is, when neither was written yet.
    pub(crate) begun: Option<Accepting>,
}

impl Note {
    pub(crate) fn of_rows(rows: Vec<Row>) -> Self {
        Self { rows, ..Self::default() }
    }

    fn take_begun(&mut self, id: Id) -> Option<Accepting> {
        let at = self.accepts.iter().position(|accepting| accepting.row.id == id)?;
        Some(self.accepts.remove(at))
    }

    /// The invocation that comes to its end with this, at its first attempt and with no stop of the host before it.
    fn over(&self) -> Option<Id> {
        self.rows.iter().find_map(|row| match row {
            Row::InvocationState(InvocationState { id, attempt: 1, interrupted: 0, at: Standing::Done { .. } }) => {
                Some(*id)
            }
            _ => None,
        })
    }

    /// What it costs while it waits; an estimate that grows with its payload.
    pub(crate) fn bytes(&self) -> u32 {
        let action = self.action.as_ref().map_or(0, |a| 256 + a.options.as_str().len());
        let events: usize = self.events.iter().map(|e| 128 + e.data.as_str().len()).sum();
        let logs: usize = self.logs.iter().map(|l| 64 + l.text.len()).sum();
        let accepts: usize = self.accepts.iter().map(Accepting::bytes).sum();
        let rows: usize = self.rows.iter().map(bytes_of).sum();
        u32::try_from(action + events + logs + accepts + rows).unwrap_or(u32::MAX)
    }

    /// Into the file, with sequence numbers.
    pub(crate) fn write(self, turn: &mut Turn<'_>, at: Timestamp) -> Result<(), store::Error> {
        let action_id = self.action.as_ref().map(|a| a.id).or(self.cause);
        for accepting in self.accepts {
            accepting.write(turn, at)?;
        }
        let mut begun = self.begun;
        for row in self.rows {
            match row {
                Row::InvocationState(InvocationState { id, at: Standing::Done { output }, .. })
                    if begun.as_ref().is_some_and(|accepting| accepting.row.id == id) =>
                {
                    let accepting = begun.take().expect("it was looked at");
                    turn.write(Row::InvocationOver { invocation: Box::new(accepting.numbered(turn)), output })?;
                }
                row => turn.write(row)?,
            }
        }
        if let Some(id) = self.ends {
            crate::durable::let_parents_go_on(turn, id)?;
        }
        if let Some(id) = self.withdraws {
            crate::workers::withdraw(turn, id, at)?;
        }
        if let Some(id) = self.gives_up {
            crate::durable::give_up_parts(turn, id, at)?;
        }
        for log in self.logs {
            turn.write(Row::Log(log))?;
        }
        if let Some(action) = self.action {
            turn.write(Row::Action(action))?;
        }
        for event in self.events {
            let action = action_id.expect("events are noted with the action that caused them");
            write_event(turn, event, action, at)?;
        }
        Ok(())
    }
}

/// What a row of an invocation weighs; an estimate that grows with its payload.
fn bytes_of(row: &Row) -> usize {
    match row {
        Row::Step(step) => match &step.reply {
            Some(Reply::Json(json)) => 256 + json.as_str().len(),
            Some(Reply::Text(text)) => 256 + text.len(),
            Some(Reply::Http(http)) => 256 + http.body.len(),
            None | Some(Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Fault(_) | Reply::Ready(_)) => 256,
        },
        Row::InvocationState(state) => match &state.at {
            Standing::Done { output: Some(output) } => 128 + output.as_str().len(),
            Standing::Done { output: None }
            | Standing::Ready
            | Standing::Running
            | Standing::Delayed { .. }
            | Standing::Waiting { .. }
            | Standing::Paused => 128,
        },
        Row::FailedDelivery(failed) => 512 + failed.payload.as_str().len(),
        Row::Request(request) => 1024 + request.data.as_ref().map_or(0, |data| data.as_str().len()),
        Row::KeySubject { .. }
        | Row::Origin { .. }
        | Row::Thing(_)
        | Row::Action(_)
        | Row::Event(_)
        | Row::Log(_)
        | Row::Object(_)
        | Row::Key(_)
        | Row::Secret { .. }
        | Row::Branch(_)
        | Row::Merge(_)
        | Row::Search { .. }
        | Row::Unique(_)
        | Row::Archived(_)
        | Row::Unarchived(_)
        | Row::UnarchivedEvent(_)
        | Row::Forked { .. }
        | Row::Destroyed { .. }
        | Row::Invocation(_)
        | Row::InvocationOver { .. }
        | Row::StepsCut { .. }
        | Row::Schedule { .. }
        | Row::Delivered { .. }
        | Row::DeliverySettled { .. }
        | Row::InvocationMoved { .. }
        | Row::Follower { .. }
        | Row::TakenIn { .. }
        | Row::EventOrigin(_)
        | Row::RunsForgotten { .. }
        | Row::InvocationWish { .. }
        | Row::ModelUsage(_)
        | Row::WorkflowRun(_) => 128,
    }
}

pub(crate) fn write_event(turn: &mut Turn<'_>, event: NewEvent, action: Id, at: Timestamp) -> Result<(), store::Error> {
    let row = EventRow {
        sequence: turn.next_sequence(),
        id: Id::new(at, rand::random()),
        verb: event.verb,
        source: event.source,
        data: event.data,
        action,
        created_at: at,
    };
    crate::durable::wake_waiting(turn, &row)?;
    turn.write(Row::Event(row))
}

/// Puts the acceptance of an invocation to its end, where both are to be written together: it is one row then, and its
/// action another. Not where a change comes between the two, which may ask for it.
pub(super) fn join(waiting: &mut VecDeque<Queued>) {
    let mut begun = HashMap::new();
    for at in 0..waiting.len() {
        if waiting[at].note().is_none() {
            begun.clear();
            continue;
        }
        let over = waiting[at].note().and_then(|note| note.over());
        if let Some((id, from)) = over.and_then(|id| begun.remove_entry(&id)) {
            let accepting = waiting[from].note().and_then(|note| note.take_begun(id));
            if let Some(note) = waiting[at].note() {
                note.begun = accepting;
            }
        }
        let accepts = waiting[at].note().map(|note| &note.accepts);
        begun.extend(accepts.into_iter().flatten().filter(|a| a.can_be_joined()).map(|a| (a.row.id, at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::Change;
    use std::sync::Arc;
    use types::exec::Entry;
    use types::{Fault, FunctionName, Identity, IdentityKind, InvocationRow, Scopes, Trigger};

    fn accepting(id: u128) -> Accepting {
        let row = InvocationRow {
            id: Id::from_u128(id),
            number: 0,
            function: FunctionName::parse("f").expect("a name"),
            version: 1,
            entry: Entry::Run,
            input: Json::null(),
            caller: Identity { actor: "a".into(), kind: IdentityKind::Service, key: None, scopes: Scopes::all() },
            request_id: String::new(),
            seed: [0; 16],
            accepted_at: Timestamp::from_millis(0),
            began: true,
            trigger: Trigger::Call,
            depth: 0,
            key: None,
            serial: None,
            retry: crate::durable::STANDARD_RETRY,
            timeout_ms: 1,
            deadline: None,
            events_after: 0,
            parent: None,
            priority: 0,
            retry_on: Vec::new(),
        };
        Accepting { row: Arc::new(row), until: None }
    }

    fn beginning(id: u128) -> Queued {
        Queued::Note(Box::new(Note { accepts: vec![accepting(id)], ..Note::default() }))
    }

    fn ending(id: u128, attempt: u32) -> Queued {
        let at = Standing::Done { output: None };
        let over = Row::InvocationState(InvocationState { id: Id::from_u128(id), attempt, interrupted: 0, at });
        Queued::Note(Box::new(Note::of_rows(vec![over])))
    }

    struct Looking;

    impl Change for Looking {
        fn run(&mut self, _: &mut Turn<'_>) -> Result<(), Fault> {
            Ok(())
        }

        fn settle(self: Box<Self>, _: Result<(), Fault>) {}
    }

    /// Which of them are written with their acceptance.
    fn joined(writes: Vec<Queued>) -> Vec<bool> {
        let mut waiting = VecDeque::from(writes);
        join(&mut waiting);
        waiting.iter_mut().filter_map(|w| w.note().map(|note| note.begun.is_some())).collect()
    }

    #[test]
    fn what_begins_and_ends_in_one_batch_is_written_once() {
        let writes = vec![beginning(1), beginning(2), ending(2, 1), ending(3, 1), ending(1, 1)];
        assert_eq!(joined(writes), [false, false, true, false, true]);
    }

    #[test]
    fn nothing_is_put_together_over_somebody_who_may_look() {
        let writes = vec![beginning(1), Queued::Change(Box::new(Looking)), ending(1, 1)];
        assert_eq!(joined(writes), [false, false]);
    }

    #[test]
    fn what_ends_at_a_later_attempt_was_written_before() {
        assert_eq!(joined(vec![beginning(1), ending(1, 2)]), [false, false]);
    }
}
