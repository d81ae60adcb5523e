//! The commit path of this node: from what a turn wrote to "it is durable, you may answer".
//!
//! Writers queue at their object. One of a few threads takes all that has gathered there, writes it into the object's
//! file inside transactions, and hands the records to the commit log; the log syncs once for everybody. Two kinds of
//! writes queue:
//!
//! - a *note* cannot fail and nobody waits for it (an invocation that ended).
//! - a *change* may be refused by what the file says, and somebody waits: each is a part of the transaction that can be
//!   taken back by itself, and its writer is answered when the log says that it is durable. That wait is the output gate.

use crate::clock::Clock;
use crate::durable::Accepting;
use crate::object::Inner;
use commit_log::{CommitLog, Outcome};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::Turn;
use types::{ActionRow, Fault, FaultKind, LogRow, Record, Row, Timestamp};

/// Writes taken from one object before the next object has its turn.
const BATCH_MAX: usize = 256;
/// What they may weigh: a batch is one record.
const BATCH_BYTES_MAX: u32 = 4 << 20;
/// Records handed to the log and not yet durable; the committers wait above it.
const UNDURABLE_BYTES_MAX: u64 = 64 << 20;

/// An event that still lacks its sequence number and id.
pub(crate) struct NewEvent {
    pub(crate) verb: String,
    pub(crate) source: String,
    pub(crate) data: types::Json,
}

/// What an invocation leaves behind.
#[derive(Default)]
pub(crate) struct Note {
    pub(crate) action: Option<ActionRow>,
    /// Of whom the events are, when the action's row is not among what is written.
    pub(crate) cause: Option<types::Id>,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) logs: Vec<LogRow>,
    /// Durable invocations that are accepted with it.
    pub(crate) accepts: Vec<Accepting>,
    /// Steps, and where invocations stand from now on.
    pub(crate) rows: Vec<Row>,
    /// An invocation that is over: who waits for it may go on.
    pub(crate) ends: Option<types::Id>,
}

impl Note {
    pub(crate) fn of_rows(rows: Vec<Row>) -> Self {
        Self { rows, ..Self::default() }
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
        for row in self.rows {
            turn.write(row)?;
        }
        if let Some(id) = self.ends {
            crate::durable::let_parents_go_on(turn, id)?;
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
            Some(types::Reply::Json(json)) => 256 + json.as_str().len(),
            Some(types::Reply::Http(http)) => 256 + http.body.len(),
            None
            | Some(
                types::Reply::Text(_)
                | types::Reply::Version(_)
                | types::Reply::Bool(_)
                | types::Reply::Done
                | types::Reply::Fault(_)
                | types::Reply::Ready(_),
            ) => 256,
        },
        Row::InvocationState(state) => match &state.at {
            types::Standing::Done { output: Some(output) } => 128 + output.as_str().len(),
            types::Standing::Done { output: None }
            | types::Standing::Ready
            | types::Standing::Running
            | types::Standing::Delayed { .. }
            | types::Standing::Waiting { .. }
            | types::Standing::Paused => 128,
        },
        Row::FailedDelivery(failed) => 512 + failed.payload.as_str().len(),
        Row::Origin { .. }
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
        | Row::StepsCut { .. }
        | Row::Schedule { .. }
        | Row::Delivered { .. }
        | Row::DeliverySettled { .. }
        | Row::InvocationMoved { .. }
        | Row::WorkflowRun(_) => 128,
    }
}

pub(crate) fn write_event(
    turn: &mut Turn<'_>,
    event: NewEvent,
    action: types::Id,
    at: Timestamp,
) -> Result<(), store::Error> {
    let row = types::EventRow {
        sequence: turn.next_sequence(),
        id: types::Id::new(at, rand::random()),
        verb: event.verb,
        source: event.source,
        data: event.data,
        action,
        created_at: at,
    };
    crate::durable::wake_waiting(turn, &row)?;
    turn.write(Row::Event(row))
}

/// A write somebody waits for.
pub(crate) trait Change: Send {
    /// Reads and writes; a fault rolls back what it wrote.
    fn run(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault>;
    /// Durable, or why not.
    fn settle(self: Box<Self>, outcome: Result<(), Fault>);
}

pub(crate) enum Queued {
    Note(Box<Note>),
    Change(Box<dyn Change>),
}

impl Queued {
    fn change(self) -> Option<Box<dyn Change>> {
        match self {
            Self::Change(change) => Some(change),
            Self::Note(_) => None,
        }
    }
}

/// What waits at one object.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<(Queued, u32)>,
    /// Whether a committer knows of it.
    scheduled: bool,
}

impl Queue {
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.scheduled
    }
}

/// The committing threads.
pub(crate) struct Committers {
    shards: Vec<Arc<Shard>>,
    path: Arc<Path>,
    threads: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

struct Shard {
    flush_window: Duration,
    due: Mutex<Due>,
    wake: Condvar,
}

#[derive(Default)]
struct Due {
    now: VecDeque<Arc<Inner>>,
    /// In the order of their instants, since the window is the same for all.
    later: VecDeque<(Instant, Arc<Inner>)>,
    stopping: bool,
}

/// What a committing thread needs.
pub(crate) struct Path {
    pub(crate) log: Arc<dyn CommitLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) undurable: Arc<Undurable>,
    /// The folder whose disk the log is on.
    pub(crate) data_dir: std::path::PathBuf,
}

impl Path {
    /// Whether the disk has room for more than what recovery may need. Asked for each batch: it costs a microsecond.
    fn has_room(&self) -> bool {
        // A disk that does not say is not taken for full.
        let Ok(disk) = rustix::fs::statvfs(&self.data_dir) else { return true };
        let block = disk.f_frsize.max(1);
        disk.f_bavail.saturating_mul(block)
            >= (disk.f_blocks / DISK_KEPT_PART).saturating_mul(block).min(DISK_KEPT_BYTES_MAX)
    }
}

/// Of the disk so much stays free of new writes, so that what was acknowledged can be read, and recovered, on a full one.
const DISK_KEPT_BYTES_MAX: u64 = 16 << 20;
/// Or this part of a small one.
const DISK_KEPT_PART: u64 = 64;

impl Committers {
    /// # Errors
    /// `STORAGE_FULL`.
    pub(crate) fn check_room(&self) -> Result<(), Fault> {
        if self.path.has_room() { Ok(()) } else { Err(crate::object::fault_of(&store::Error::Full)) }
    }

    pub(crate) fn start(threads: usize, flush_window: Duration, path: &Arc<Path>) -> std::io::Result<Self> {
        let shards: Vec<_> = (0..threads.max(1)).map(|_| Arc::new(Shard::new(flush_window))).collect();
        let threads = shards
            .iter()
            .map(|shard| {
                let (shard, path) = (shard.clone(), path.clone());
                std::thread::Builder::new().name("commit".into()).spawn(move || shard.run(&path))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { shards, path: path.clone(), threads: Mutex::new(threads) })
    }

    /// Takes a write. The caller holds room for `bytes` in the object's queue; it is given back when it is written.
    pub(crate) fn queue(&self, object: &Arc<Inner>, write: Queued, bytes: u32) {
        let urgent = matches!(write, Queued::Change(_));
        let mut queue = lock(&object.queue);
        queue.waiting.push_back((write, bytes));
        if !urgent && queue.scheduled {
            return;
        }
        queue.scheduled = true;
        drop(queue);
        self.schedule(object, urgent);
    }

    fn schedule(&self, object: &Arc<Inner>, urgent: bool) {
        let shard = &self.shards[(object.id.as_u128() % self.shards.len() as u128) as usize];
        shard.add(object.clone(), urgent);
        shard.wake.notify_one();
    }

    /// Writes what waits at an object whose gate the caller holds: a turn that begins now comes after it. Bounded, since
    /// others may queue meanwhile.
    pub(crate) fn write_waiting(&self, object: &Arc<Inner>) {
        const BATCHES_MAX: u32 = 8;
        for _ in 0..BATCHES_MAX {
            if lock(&object.queue).waiting.is_empty() {
                return;
            }
            write_some(object, &self.path);
        }
    }

    /// Schedules an object whose queue could not be written before.
    pub(crate) fn call(&self, object: &Arc<Inner>) {
        self.schedule(object, true);
    }

    /// Writes all that waits, then ends the threads.
    pub(crate) fn stop(&self) {
        for shard in &self.shards {
            lock(&shard.due).stopping = true;
            shard.wake.notify_one();
        }
        for thread in lock(&self.threads).drain(..) {
            // A committer that panicked has said so on its way.
            let _ = thread.join();
        }
    }
}

impl Shard {
    fn new(flush_window: Duration) -> Self {
        Self { flush_window, due: Mutex::default(), wake: Condvar::new() }
    }

    fn add(&self, object: Arc<Inner>, urgent: bool) {
        let mut due = lock(&self.due);
        if urgent {
            due.now.push_back(object);
        } else {
            due.later.push_back((Instant::now() + self.flush_window, object));
        }
    }

    fn run(&self, path: &Path) {
        while let Some(object) = self.next() {
            // One object's trouble must not end the thread that serves a share of all: whoever waited for this batch
            // learns that the host failed, and the object is recovered before it is used again.
            let drained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drain(&object, path)));
            let left = drained.unwrap_or_else(|_| {
                object.retire("writing its rows panicked");
                Left::Batch
            });
            match left {
                Left::Nothing => {}
                Left::Arrived => self.add(object, false),
                Left::Batch => self.add(object, true),
            }
        }
    }

    /// The next object that is due; none when the node stops and nothing is left.
    fn next(&self) -> Option<Arc<Inner>> {
        let mut due = lock(&self.due);
        loop {
            if let Some(object) = due.now.pop_front() {
                return Some(object);
            }
            let wait = match due.later.front() {
                None if due.stopping => return None,
                None => None,
                Some((at, _)) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() || due.stopping {
                        return due.later.pop_front().map(|(_, object)| object);
                    }
                    Some(left)
                }
            };
            due = match wait {
                Some(left) => self.wake.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.wake.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// What waits at an object after a batch of it was written.
enum Left {
    Nothing,
    /// What came meanwhile: notes, which may gather as the ones before did. (A change has made itself heard.)
    Arrived,
    /// More than a batch may hold.
    Batch,
}

/// Writes one batch of one object.
fn drain(object: &Arc<Inner>, path: &Path) -> Left {
    // A guest's turn is open: it schedules the object again when it ends.
    let Some(_entry) = object.gate.enter_now() else { return Left::Nothing };
    write_some(object, path)
}

/// The same, by whoever holds the gate.
fn write_some(object: &Arc<Inner>, path: &Path) -> Left {
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

/// What these locks guard is whole between two statements: a panic while one was held has broken nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
