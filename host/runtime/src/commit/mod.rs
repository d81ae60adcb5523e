//! The commit path of this node: from what a turn wrote to "it is durable, you may answer".
//!
//! Writers queue at their object. One of a few threads, or who writes while nobody else does, takes all that has gathered
//! there, writes it into the object's file inside transactions, and hands the records to the commit log; the log syncs
//! once for everybody. Two kinds of writes queue:
//!
//! - a *note* cannot fail and nobody waits for it (an invocation that ended).
//! - a *change* may be refused by what the file says, and somebody waits: each is a part of the transaction that can be
//!   taken back by itself, and its writer is answered when the log says that it is durable. That wait is the output gate.

mod batch;
mod note;
mod queueing;
pub(crate) use batch::{Undurable, not_durable};
pub(crate) use note::{NewEvent, Note, write_event};

use crate::clock::Clock;
use crate::object::Inner;
use batch::{Left, drain, guarded, write_some};
use commit_log::CommitLog;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use store::Turn;
use types::Fault;

/// A write somebody waits for.
pub(crate) trait Change: Send {
    /// Reads and writes; a fault rolls back what it wrote.
    fn run(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault>;
    /// Durable, or why not.
    fn settle(self: Box<Self>, outcome: Result<(), Fault>);
    /// The note that it is, if it is one that somebody waits for.
    fn note(&mut self) -> Option<&mut Note> {
        None
    }
}

pub(crate) enum Queued {
    Note(Box<Note>),
    Change(Box<dyn Change>),
}

impl Queued {
    fn note(&mut self) -> Option<&mut Note> {
        match self {
            Self::Note(note) => Some(note),
            Self::Change(change) => change.note(),
        }
    }

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
    began: Instant,
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
    pub(crate) room: Room,
}

impl Path {
    /// Whether the disk has room for more than what recovery may need.
    fn has_room(&self) -> bool {
        self.room.is_there(&self.data_dir)
    }
}

/// What is known of the disk's free room: asked for anew after [`LOOKED_AT_EVERY`], in which little can be written.
#[derive(Default)]
pub(crate) struct Room {
    looked_at: Mutex<Option<(Instant, bool)>>,
}

/// Asking the disk costs some microseconds, as much as a small write.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(5);

impl Room {
    fn is_there(&self, folder: &std::path::Path) -> bool {
        let mut looked_at = lock(&self.looked_at);
        if let Some((at, is_there)) = *looked_at
            && is_there
            && at.elapsed() < LOOKED_AT_EVERY
        {
            return true;
        }
        let is_there = has_room(folder);
        *looked_at = Some((Instant::now(), is_there));
        is_there
    }
}

fn has_room(folder: &std::path::Path) -> bool {
    // A disk that does not say is not taken for full.
    let Ok(disk) = rustix::fs::statvfs(folder) else { return true };
    let block = disk.f_frsize.max(1);
    disk.f_bavail.saturating_mul(block)
        >= (disk.f_blocks / DISK_KEPT_PART).saturating_mul(block).min(DISK_KEPT_BYTES_MAX)
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
    ///
    /// A change that comes while no record is on its way to the log is written at once, by who asks: handing it to another
    /// thread would cost more than writing it. Where others are, it is cheaper to write them together.
    pub(crate) fn queue(&self, object: &Arc<Inner>, write: Queued, bytes: u32) {
        let urgent = matches!(write, Queued::Change(_));
        {
            let mut queue = lock(&object.queue);
            queue.waiting.push_back((write, bytes));
            if !urgent && queue.scheduled {
                return;
            }
            queue.scheduled = true;
        }
        if !(urgent && self.path.undurable.is_empty() && self.write_here(object)) {
            self.schedule(object, urgent);
        }
    }

    /// Whether it could be done: nobody else writes to the object now.
    fn write_here(&self, object: &Arc<Inner>) -> bool {
        let Some(entry) = object.gate.enter_if_free() else { return false };
        let left = guarded(object, || write_some(object, &self.path));
        object.gate.leave(entry, || self.call(object));
        match left {
            Left::Nothing => {}
            Left::Arrived => self.schedule(object, false),
            Left::Batch => self.schedule(object, true),
        }
        true
    }

    fn schedule(&self, object: &Arc<Inner>, urgent: bool) {
        let shard = &self.shards[(object.id.as_u128() % self.shards.len() as u128) as usize];
        shard.add(object.clone(), urgent);
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
        Self { flush_window, began: Instant::now(), due: Mutex::default(), wake: Condvar::new() }
    }

    fn add(&self, object: Arc<Inner>, urgent: bool) {
        let mut due = lock(&self.due);
        let is_news = if urgent {
            due.now.push_back(object);
            true
        } else {
            due.later.push_back((self.next_look(), object));
            due.later.len() == 1
        };
        drop(due);
        // Who waits for the first of those that come later comes to the others by himself.
        if is_news {
            self.wake.notify_one();
        }
    }

    /// When notes that come now are written: together with those of other objects, not each at an instant of its own.
    fn next_look(&self) -> Instant {
        let nanos = self.flush_window.as_nanos();
        if nanos == 0 {
            return Instant::now();
        }
        let looks = self.began.elapsed().as_nanos() / nanos + 1;
        self.began + Duration::from_nanos(u64::try_from(looks * nanos).unwrap_or(u64::MAX))
    }

    fn run(&self, path: &Path) {
        while let Some(object) = self.next() {
            match guarded(&object, || drain(&object, path)) {
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

/// What these locks guard is whole between two statements: a panic while one was held has broken nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
