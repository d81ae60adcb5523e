//! One batch of one object: out of its queue, into its file, to the log.

use super::note::join;
use super::{Change, Path, Queued, lock};
use crate::object::Inner;
use commit_log::Outcome;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use types::{Fault, FaultKind, Record, Row};

/// Writes taken from one object before the next object has its turn.
const BATCH_MAX: usize = 256;
/// What they may weigh: a batch is one record.
const BATCH_BYTES_MAX: u32 = 4 << 20;
/// Records handed to the log and not yet durable; the committers wait above it.
const UNDURABLE_BYTES_MAX: u64 = 64 << 20;

/// One object's trouble must not end the thread that serves others: whoever waited for this batch learns that the host
/// failed, and the object is recovered before it is used again.
pub(super) fn guarded(object: &Inner, write: impl FnOnce() -> Left) -> Left {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).unwrap_or_else(|_| {
        object.retire("writing its rows panicked");
        Left::Batch
    })
}

/// What waits at an object after a batch of it was written.
pub(super) enum Left {
    Nothing,
    /// What came meanwhile: notes, which may gather as the ones before did. (A change has made itself heard.)
    Arrived,
    /// More than a batch may hold.
    Batch,
}

/// Writes one batch of one object.
pub(super) fn drain(object: &Arc<Inner>, path: &Path) -> Left {
    // A guest's turn is open: it schedules the object again when it ends.
    let Some(_entry) = object.gate.enter_now() else { return Left::Nothing };
    write_some(object, path)
}

/// The same, by whoever holds the gate.
pub(super) fn write_some(object: &Arc<Inner>, path: &Path) -> Left {
    let mut batch = Vec::new();
    let is_cut = {
        let mut queue = lock(&object.queue);
        let mut bytes = 0;
        while let Some((queued, cost)) =
            queue.waiting.pop_front_if(|_| batch.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX)
        {
            bytes += cost;
            batch.push((queued, cost));
        }
        if batch.is_empty() {
            queue.scheduled = false;
            return Left::Nothing;
        }
        !queue.waiting.is_empty()
    };
    if object.is_retired() {
        // Its file and the log may disagree: nothing is added until it was recovered.
        let freed = batch.iter().fold(0u32, |sum, (_, bytes)| sum.saturating_add(*bytes));
        object.free(freed);
        for (queued, _) in batch {
            if let Queued::Change(change) = queued {
                change.settle(Err(crate::object::retired()));
            }
        }
        return Left::Batch;
    }
    if batch.iter().any(|(queued, _)| matches!(queued, Queued::Change(_))) && !path.has_room() {
        batch = refuse_changes(object, batch);
    }
    let bytes: u64 = batch.iter().map(|(_, bytes)| u64::from(*bytes)).sum();
    path.undurable.enter(bytes);
    let written = write_batch(object, batch, path);
    let mut settling = written.settling;
    for refused in written.refused {
        refused.0.settle(Err(refused.1));
    }
    if written.records.is_empty() {
        path.undurable.leave(bytes);
        settling.drain(..).for_each(|change| change.settle(Ok(())));
    } else {
        let last = written.records.last().map_or(0, |r| r.seq);
        let (object, undurable) = (object.clone(), path.undurable.clone());
        path.log.append(
            written.records,
            Box::new(move |outcome| {
                let result = match outcome {
                    Outcome::Durable => {
                        object.confirm(last);
                        Ok(())
                    }
                    Outcome::Fenced | Outcome::Refused(_) | Outcome::Unknown(_) => {
                        object.refused(&format!("its records did not reach the log: {outcome:?}"));
                        Err(not_durable(outcome))
                    }
                };
                undurable.leave(bytes);
                settling.drain(..).for_each(|change| change.settle(result.clone()));
            }),
        );
    }
    let mut queue = lock(&object.queue);
    queue.scheduled = !queue.waiting.is_empty();
    match (queue.scheduled, is_cut) {
        (false, _) => Left::Nothing,
        (true, false) => Left::Arrived,
        (true, true) => Left::Batch,
    }
}

/// The disk is full: who asked for a change is told, what only notes what happened is left.
fn refuse_changes(object: &Inner, batch: Vec<(Queued, u32)>) -> Vec<(Queued, u32)> {
    let mut left = Vec::new();
    for (queued, bytes) in batch {
        match queued {
            Queued::Change(change) => {
                object.free(bytes);
                change.settle(Err(crate::object::fault_of(&store::Error::Full)));
            }
            note @ Queued::Note(_) => left.push((note, bytes)),
        }
    }
    left
}

#[derive(Default)]
struct Written {
    records: Vec<Arc<Record>>,
    settling: Vec<Box<dyn Change>>,
    refused: Vec<(Box<dyn Change>, Fault)>,
}

/// All of a batch is one transaction and one record. A change that is refused leaves nothing of itself and the rest
/// there; a transaction that fails takes what it held with it, and what follows has another.
fn write_batch(object: &Inner, batch: Vec<(Queued, u32)>, path: &Path) -> Written {
    let mut written = Written::default();
    let freed = batch.iter().fold(0u32, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let mut guard = object.store();
    let mut waiting: VecDeque<Queued> = batch.into_iter().map(|(queued, _)| queued).collect();
    if let Some(store) = guard.as_mut() {
        join(&mut waiting);
        while !waiting.is_empty() {
            write_turn(object, store, &mut waiting, path, &mut written);
        }
        if let Some(last) = written.records.iter().rfind(|record| can_be_seen(record)) {
            object.note_change(last.seq);
        }
    } else {
        let changes = waiting.into_iter().filter_map(Queued::change);
        written.refused.extend(changes.map(|change| (change, crate::object::retired())));
    }
    drop(guard);
    object.free(freed);
    object.tell_followers(&written.records);
    written
}

/// Whether a record has what others read before it is durable: things and what comes of them.
fn can_be_seen(record: &Record) -> bool {
    record.rows.iter().any(|row| !matches!(row, Row::Action(_) | Row::Log(_)))
}

/// One transaction, of as many writes as go well.
fn write_turn(
    object: &Inner,
    store: &mut store::Store,
    waiting: &mut VecDeque<Queued>,
    path: &Path,
    written: &mut Written,
) {
    let at = path.clock.now();
    let mut notes = 0;
    let mut done = Vec::new();
    let result = store.turn(object.epoch, at).and_then(|mut turn| {
        while let Some(queued) = waiting.pop_front() {
            match queued {
                Queued::Note(note) => {
                    notes += 1;
                    note.write(&mut turn, at)?;
                }
                Queued::Change(mut change) => match turn.part(|turn| change.run(turn)) {
                    Ok(()) => done.push(change),
                    Err(fault) => {
                        written.refused.push((change, fault));
                        turn.check()?;
                    }
                },
            }
        }
        turn.commit()
    });
    match result {
        Ok(record) => {
            written.records.extend(record);
            written.settling.extend(done);
        }
        Err(error) => {
            if notes > 0 {
                tracing::error!(namespace = %object.namespace, %error, notes, "invocations could not be written down");
            }
            if done.is_empty() && notes == 0 && written.refused.is_empty() {
                // The turn did not even begin: nobody in the queue is served by trying again.
                let fault = object.fault_of(&error);
                let changes = std::mem::take(waiting).into_iter().filter_map(Queued::change);
                written.refused.extend(changes.map(|change| (change, fault.clone())));
            }
            let fault = object.fault_of(&error);
            object.retire_on(&error);
            written.refused.extend(done.into_iter().map(|change| (change, fault.clone())));
        }
    }
}

pub(crate) fn not_durable(outcome: &Outcome) -> Fault {
    match outcome {
        Outcome::Durable => Fault::internal(),
        Outcome::Fenced => Fault::new(
            FaultKind::Unavailable,
            "NOT_OWNER",
            "another node owns this object now; the same request finds it there",
        ),
        Outcome::Refused(_) | Outcome::Unknown(_) => Fault::new(
            FaultKind::Unavailable,
            "STORAGE_FAILED",
            "the host could not make this durable (its disk is full or failing); it may or may not have happened",
        ),
    }
}

/// Bounds what is handed to the log and not yet durable.
#[derive(Default)]
pub(crate) struct Undurable {
    bytes: Mutex<u64>,
    less: Condvar,
}

impl Undurable {
    pub(super) fn is_empty(&self) -> bool {
        *lock(&self.bytes) == 0
    }

    fn enter(&self, bytes: u64) {
        let mut held = lock(&self.bytes);
        while *held > UNDURABLE_BYTES_MAX {
            held = self.less.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held += bytes;
    }

    fn leave(&self, bytes: u64) {
        let mut held = lock(&self.bytes);
        *held = held.saturating_sub(bytes);
        drop(held);
        self.less.notify_all();
    }
}
