//! Durable invocations and their steps.

use super::{Blob, Text, int, millis, run};
use crate::Error;
use crate::read::State;
use rusqlite::{Connection, params};
use types::{Awaited, Id, InvocationRow, InvocationState, Json, Standing, StepRow, Timestamp, Trigger};

/// One that is accepted; `over` has its output when it is over as well.
pub(crate) fn insert(
    connection: &Connection,
    state: &mut State,
    i: &InvocationRow,
    over: Option<Option<&Json>>,
) -> Result<(), Error> {
    let body = encode(i)?;
    let (trigger, name, sequence, place) = columns_of(&i.trigger);
    let standing = match over {
        Some(_) => "done",
        None if i.began => "running",
        None => "ready",
    };
    state.next_invocation = state.next_invocation.max(i.number + 1);
    run(
        connection,
        "INSERT INTO invocations (number, id, function, version, trigger, name, sequence, place, parent, key, serial,
           input, body, attempt, interrupted, standing, output)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 1, 0, ?14, ?15)",
        params![
            int(i.number),
            Blob::of(i.id),
            i.function.as_str(),
            int(i.version),
            trigger,
            name,
            sequence,
            place,
            i.parent.map(Blob::of),
            i.key,
            i.serial,
            Text(&i.input),
            body,
            standing,
            over.flatten().map(Text),
        ],
    )?;
    if over == Some(None) { super::schedules::count_failed(connection, i.id) } else { Ok(()) }
}

pub(crate) fn wish(connection: &Connection, id: Id, priority: i8, retry_on: &[String]) -> Result<(), Error> {
    let codes = (!retry_on.is_empty()).then(|| types::Json::of(&retry_on));
    let sql = "UPDATE invocations SET priority = ?2, retryOn = ?3 WHERE id = ?1";
    run(connection, sql, params![Blob::of(id), priority, codes.as_ref().map(Text)])
}

type Columns<'a> = (&'static str, Option<&'a str>, Option<i64>, Option<u32>);

fn columns_of(trigger: &Trigger) -> Columns<'_> {
    match trigger {
        Trigger::Call => ("call", None, None, None),
        Trigger::Step { ordinal } => ("step", None, None, Some(*ordinal)),
        Trigger::Event { subscription, sequence, order } => {
            ("event", Some(subscription), Some(int(*sequence)), Some(*order))
        }
        Trigger::Schedule { name, at: _ } => ("schedule", Some(name), None, None),
        Trigger::Timer { name } => ("timer", Some(name), None, None),
        Trigger::Workflow { name } => ("workflow", Some(name), None, None),
        Trigger::Object { namespace, ordinal } => ("object", Some(namespace.as_str()), None, Some(*ordinal)),
    }
}

/// The input has a column of its own; it is not kept twice.
fn encode(i: &InvocationRow) -> Result<Vec<u8>, Error> {
    let body = InvocationRow { input: Json::null(), ..i.clone() };
    postcard::to_stdvec(&body).map_err(|e| Error::Io(std::io::Error::other(e.to_string())))
}

pub(crate) fn stand(connection: &Connection, state: &mut State, s: &InvocationState) -> Result<(), Error> {
    let (standing, until, on, output) = match &s.at {
        Standing::Ready => ("ready", None, None, None),
        Standing::Running => ("running", None, None, None),
        Standing::Delayed { until } => ("delayed", Some(*until), None, None),
        Standing::Waiting { on, until } => ("waiting", *until, Some(on), None),
        Standing::Paused => ("paused", None, None, None),
        Standing::Done { output } => ("done", None, None, output.as_ref()),
    };
    state.awaits_events |= matches!(on, Some(Awaited::Event { .. }));
    let (child, event) = match on {
        Some(Awaited::Child { child, ordinal: _ }) => (Some(Blob::of(*child)), None),
        // Who waits for itself waits for the request that it is.
        Some(Awaited::Request { ordinal: _ }) => (Some(Blob::of(s.id)), None),
        Some(Awaited::Event { noun, verb, filter, ordinal: _ }) => (None, Some((noun, verb, filter))),
        Some(Awaited::Time { ordinal: _ }) | None => (None, None),
    };
    run(
        connection,
        "UPDATE invocations SET attempt = ?2, interrupted = ?3, standing = ?4, until = ?5, waitStep = ?6,
           waitChild = ?7, waitNoun = ?8, waitVerb = ?9, waitFilter = ?10, output = ?11
         WHERE id = ?1",
        params![
            Blob::of(s.id),
            s.attempt,
            s.interrupted,
            standing,
            until.map(millis),
            on.map(Awaited::ordinal),
            child,
            event.map(|(noun, _, _)| noun),
            event.map(|(_, verb, _)| verb),
            event.and_then(|(_, _, filter)| filter.as_ref()),
            output.map(Text),
        ],
    )?;
    match &s.at {
        Standing::Done { output: None } => super::schedules::count_failed(connection, s.id),
        Standing::Done { output: Some(_) }
        | Standing::Ready
        | Standing::Running
        | Standing::Delayed { .. }
        | Standing::Waiting { .. }
        | Standing::Paused => Ok(()),
    }
}

/// The version in its column is the one it is pinned to; that of the body is the one it was accepted with.
pub(crate) fn move_to(connection: &Connection, id: Id, version: u64) -> Result<(), Error> {
    run(connection, "UPDATE invocations SET version = ?2 WHERE id = ?1", params![Blob::of(id), int(version)])
}

pub(crate) fn put_step(connection: &Connection, s: &StepRow) -> Result<(), Error> {
    let reply = s.reply.as_ref().map(postcard::to_stdvec).transpose();
    let reply = reply.map_err(|e| Error::Io(std::io::Error::other(e.to_string())))?;
    run(
        connection,
        "INSERT INTO steps (invocation, ordinal, attempt, name, stepId, fingerprint, call, reply, child, startedAt, endedAt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (invocation, ordinal) DO UPDATE SET attempt = ?3, name = ?4, stepId = ?5, fingerprint = ?6,
           call = ?7, reply = ?8, child = ?9, startedAt = ?10, endedAt = ?11",
        params![
            Blob::of(s.invocation),
            s.ordinal,
            s.attempt,
            s.name,
            s.step_id,
            int(s.fingerprint),
            s.call,
            reply,
            s.child.map(Blob::of),
            millis(s.started_at),
            s.ended_at.map(millis),
        ],
    )
}

pub(crate) fn cut_steps(connection: &Connection, invocation: Id, from: u32) -> Result<(), Error> {
    run(connection, "DELETE FROM steps WHERE invocation = ?1 AND ordinal >= ?2", params![Blob::of(invocation), from])
}

/// They leave with their steps, and with what they are beside an invocation.
pub(crate) fn forget(connection: &Connection, runs: &[Id], through: u64, at: Timestamp) -> Result<(), Error> {
    for id in runs {
        for sql in [
            "DELETE FROM steps WHERE invocation = ?1",
            "DELETE FROM workflowRuns WHERE id = ?1",
            "DELETE FROM requestAssignees WHERE request = ?1",
            "DELETE FROM requests WHERE id = ?1",
            "DELETE FROM invocations WHERE id = ?1",
        ] {
            run(connection, sql, params![Blob::of(*id)])?;
        }
    }
    let ended = (through == 0).then(|| millis(at));
    let sql = "UPDATE meta SET forgetThrough = ?1, forgottenAt = coalesce(?2, forgottenAt)";
    run(connection, sql, params![int(through), ended])
}
