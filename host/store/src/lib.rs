//! One durable object's SQLite file: an index of what the commit log says, fast to ask.
//!
//! The only crate that knows SQLite and the only one with SQL. It keeps rows and counts; what a row means, who may see
//! it and when it is durable belongs to others. Rows enter by one path, `rows::insert`, from a [`Turn`] as from
//! [`Store::apply`], so that a file that was rebuilt from the log equals the one that was lost.
//!
//! # What a crash can do
//!
//! Between checkpoints nothing here is synced: the commit log makes a turn durable, the file follows when it may.
//! - The process dies: the operating system has every committed turn. The file may be *ahead* of the log; its
//!   `records` table holds what the log has not confirmed, and [`recover()`] hands it back to be appended.
//! - The power fails: frames of the WAL that did not reach the disk fail their checksums and are cut off by SQLite, so
//!   the file is as it was after an earlier turn, and the log has the rest. The main file changes only in
//!   [`Store::checkpoint`], which syncs the WAL before it copies and the file after it.
//! - A new file is not synced before its first checkpoint and can be torn. Until then its main part is byte for byte the
//!   template ([`mod@template`](self)), and its header says so; opening compares. The log has all of its records still,
//!   since it removes none that no checkpoint covers, and [`recover()`] builds it anew.
//!
//! Layout: `file` (open, check, checkpoint), `template` (a new file's bytes), `rows` (writing), `turn`, `read` (asking),
//! [`recover()`].

mod error;
pub use error::Error;
mod file;
mod rows;
mod template;
mod turn;
pub use turn::{Suspended, Turn};
mod read;
pub use read::{
    ActionFilter, Archived, Beyond, Comparison, Cuts, Deleted, Edge, EventFilter, Field, Invocation, InvocationFilter,
    Line, LogEntry, LogFilter, Origin, PAGE_MAX, Page, Reader, SCAN_MAX, Side, ThingFilter, ThingList, ThingPage,
    ThingSort, VersionHead, WorkflowRun, WorkflowRunFilter,
};
mod recover;
pub use recover::{Recovered, Retained, recover};

use read::State;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use types::{Faults, ObjectId, Record, Timestamp};

/// How a file is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Pages that SQLite keeps in memory for each open file, in KiB.
    pub cache_kib: u32,
    /// The largest file; a turn that would pass it fails with [`Error::Full`] (spec RUN-5).
    pub file_bytes_max: u64,
    pub faults: Faults,
}

impl Options {
    /// 10 GB is the platform's limit. 1 MiB holds what one batch of writes touches, so that none of it is written out
    /// before its end; an idle object gives it back ([`Store::shrink`]).
    pub const STANDARD: Self = Self { cache_kib: 1024, file_bytes_max: 10_000_000_000, faults: Faults::none() };
}

/// An open file. It belongs to one thread at a time; reading is by [`Reader`].
pub struct Store {
    reader: Reader,
    path: PathBuf,
    faults: Faults,
    /// The main file was never synced: it is the template still.
    is_new: bool,
    /// The log has every record through this.
    confirmed_seq: u64,
    /// `records` holds none through this.
    trimmed_seq: u64,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

/// What [`Store::apply`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    Applied,
    AlreadyThere,
}

impl Store {
    /// Opens a file, or makes it. It is migrated if it is older than this server.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Torn`] when it is damaged as far as can be seen at a look (see
    /// [`Reader::integrity_check`]), [`Error::Newer`], [`Error::WrongObject`], [`Error::Full`].
    pub fn open(path: &Path, object: ObjectId, options: &Options) -> Result<Self, Error> {
        let opened = file::open(path, options)?;
        let state = State::read(&opened.connection)?;
        if state.object.is_some_and(|found| found != object) {
            return Err(Error::WrongObject { expected: object });
        }
        Ok(Self {
            reader: Reader { connection: opened.connection, patience: opened.patience, object, state },
            path: path.to_path_buf(),
            faults: options.faults.clone(),
            is_new: opened.is_new,
            confirmed_seq: 0,
            trimmed_seq: 0,
        })
    }

    /// Begins a turn. It sees its own writes; it ends by [`Turn::commit`], or by being dropped as if it had not been.
    pub fn turn(&mut self, epoch: u64, at: Timestamp) -> Result<Turn<'_>, Error> {
        Turn::begin(self, epoch, at)
    }

    /// Goes on with a turn that was put aside.
    pub fn resume(&mut self, suspended: Suspended) -> Turn<'_> {
        Turn::resume(self, suspended)
    }

    /// Ends a turn that was put aside as if it had not been.
    pub fn abandon(&mut self, suspended: Suspended) {
        drop(Turn::resume(self, suspended));
    }

    /// Adds what a turn left, here or on another node.
    ///
    /// # Errors
    /// [`Error::Gap`] when a record before it is missing, [`Error::OldEpoch`] when a newer owner has written.
    pub fn apply(&mut self, record: &Record) -> Result<Applied, Error> {
        turn::apply(self, record)
    }

    /// The log has every record through `seq`; they need not be kept here. They are removed with a later turn.
    pub fn confirm(&mut self, seq: u64) {
        self.confirmed_seq = self.confirmed_seq.max(seq.min(self.reader.state.applied_seq));
    }

    /// The records that the log has not confirmed since the file was opened, oldest first. Right after opening some of
    /// them may be in the log already.
    pub fn undurable(&self) -> Result<Vec<Record>, Error> {
        self.reader.records_after(self.confirmed_seq)
    }

    /// Moves the WAL into the file and syncs it. The number of the last record that it then holds whatever happens.
    /// Costs two or three syncs; run it where blocking is allowed.
    ///
    /// # Errors
    /// [`Error::Busy`] when another program reads the file: try again later.
    pub fn checkpoint(&mut self) -> Result<u64, Error> {
        turn::trim(self)?;
        file::checkpoint(&self.reader.connection, &self.path, self.is_new, &self.faults)?;
        self.is_new = self.is_new && self.reader.state.applied_seq == 0;
        Ok(self.reader.state.applied_seq)
    }

    /// Gives back what SQLite keeps in memory for speed alone: for an object that has been idle for a while.
    pub fn shrink(&self) -> Result<(), Error> {
        Ok(self.reader.connection.execute_batch("PRAGMA shrink_memory")?)
    }

    /// What the WAL takes: reading slows down with it, and so does the start after a crash.
    pub fn wal_bytes(&self) -> u64 {
        std::fs::metadata(file::wal_path(&self.path)).map_or(0, |m| m.len())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
