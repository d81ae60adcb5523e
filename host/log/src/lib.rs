//! The node's commit log: what makes a turn durable.
//!
//! All objects of a node share one log, so that one sync of the disk serves every turn that ended meanwhile. This crate
//! knows records and objects, nothing of SQLite or of what a record means. [`CommitLog`] is the seam: [`LocalLog`]
//! keeps segments in a folder, [`MemoryLog`] stands in for it in tests.
//!
//! Layout: `frame` (the bytes), `segment` (one file), `scan` (what a folder holds), `index` (which record lies where),
//! `flusher` (the thread that writes), `local` (opening and reading), `memory`.

mod error;
pub use error::Error;
mod flusher;
mod frame;
mod index;
mod local;
mod scan;
mod segment;
pub use local::{Config, LocalLog};
mod memory;
pub use memory::MemoryLog;

use std::sync::Arc;
use types::{ObjectId, Record};

/// What became of a batch.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Every record of it survives a power cut.
    Durable,
    /// Another owner of one of its objects has written with a higher epoch. Nothing of it was kept.
    Fenced,
    /// Nothing of it was kept, and nothing of it will appear later. The same records may be appended again once the
    /// reason is gone, before any later record of their objects.
    Refused(Arc<Error>),
    /// The disk failed in the middle: whether it is there is known only after the log was opened anew. The log refuses
    /// everything from then on.
    Unknown(Arc<Error>),
}

impl Outcome {
    pub fn is_durable(&self) -> bool {
        matches!(self, Self::Durable)
    }
}

/// Told once for each batch.
pub type Done = Box<dyn FnOnce(&Outcome) + Send>;

/// Where records become durable.
pub trait CommitLog: Send + Sync + 'static {
    /// Queues the batch; never waits for the disk. `done` runs on the log's thread (or, when the batch is refused at
    /// once, on the caller's) and must not block. After a crash the whole batch is there or nothing of it.
    ///
    /// The records of one object come in the order of their `seq`, without gaps; what does not follow is refused.
    fn append(&self, batch: Vec<Arc<Record>>, done: Done);

    /// The retained records of one object after `after_seq`, in order, without gaps.
    fn replay(&self, object: ObjectId, after_seq: u64) -> Result<Vec<Record>, Error>;

    /// The highest durable `seq` of an object, as far as its records are retained.
    fn head(&self, object: ObjectId) -> Option<u64>;

    /// The lowest retained `seq` of an object: 1 as long as nothing of it was removed.
    fn tail(&self, object: ObjectId) -> Option<u64>;

    /// The objects with retained records.
    fn objects(&self) -> Vec<ObjectId>;

    /// The object's file is synced through `seq`. A segment of which every record is covered so is removed, the oldest
    /// first. For an object that is gone: `u64::MAX`.
    fn checkpointed(&self, object: ObjectId, seq: u64);

    /// The objects whose uncovered records keep the oldest segment, at most `limit`: who to checkpoint next when
    /// [`retained_bytes`](Self::retained_bytes) is more than one wants to read after a crash.
    fn oldest_holders(&self, limit: usize) -> Vec<ObjectId>;

    /// What the log takes on the disk.
    fn retained_bytes(&self) -> u64;

    /// Writes what is queued, syncs, and ends the log's thread. Later batches are refused. Idempotent.
    fn close(&self);
}
