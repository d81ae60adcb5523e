//! One durable object's SQLite file: an index of what the commit log says, fast to ask.
//!
//! The only crate that knows SQLite and the only one with SQL. It keeps rows and counts; what a row means, who may see
//! it and when it is durable belongs to others. Rows enter by one path, `rows::insert`, from a [`Turn`] as from
//! [`Store::apply`], so that a file that was rebuilt from the log equals the one that was lost.
//!
//! # When the file has a turn
//!
//! A turn ends in memory: its rows are in an open SQLite transaction that holds the turns before it too, its record goes
//! to the log. [`Store::settle`] commits many at once. So the file is behind the log, by at most the turns of one
//! transaction; what of them the log has not confirmed by then goes into the table `records` with them.
//!
//! # What a crash can do
//!
//! Between checkpoints nothing here is synced: the commit log makes a turn durable, the file follows when it may.
//! - The process dies: the operating system has every settled turn, the log those since that anybody was told of, and
//!   [`recover()`] applies them. The file may be *ahead* of the log; its `records` table holds what the log had not
//!   confirmed, and [`recover()`] hands it back to be appended.
//! - The power fails: frames of the WAL that did not reach the disk fail their checksums and are cut off by SQLite, so
//!   the file is as it was when it was settled earlier, and the log has the rest. The main file changes only in
//!   [`Store::checkpoint`], which settles, syncs the WAL before it copies and the file after it.
//! - A new file is not synced before its first checkpoint and can be torn. Until then its main part is byte for byte the
//!   template ([`mod@template`](self)), and its header says so; opening compares. The log has all of its records still,
//!   since it removes none that no checkpoint covers, and [`recover()`] builds it anew.
//! - The disk is full or fails while turns are in the open transaction: SQLite takes them back, and they are written
//!   again from their records. If that fails too, the store says that it has [lost](Store::lost) them and serves nobody.
//!
//! Layout: `file` (open, check, checkpoint), `template` (a new file's bytes), `rows` (writing), `turn`, `settle` (one
//! transaction over many turns), `read` (asking), [`recover()`].

mod error;
pub use error::Error;
mod file;
mod rows;
mod settle;
mod template;
mod turn;
pub use turn::{Suspended, Turn};
mod read;
pub use read::{
    ActionFilter, Archived, Beyond, Comparison, Cuts, Deleted, Edge, EventFilter, FailedDelivery, FailedFilter, Field,
    Follower, Forgettable, Invocation, InvocationFilter, InvocationStatus, Line, LogEntry, LogFilter, Origin, PAGE_MAX,
    Page, Reader, RequestFilter, SCAN_MAX, Scheduled, Side, ThingFilter, ThingList, ThingPage, ThingSort, VersionHead,
    WorkflowRun, WorkflowRunFilter,
};
mod wakes;
pub use wakes::WakeTable;
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
    /// Turns that stay in one transaction before it is committed. It may become four times as many, and it is fewer when
    /// they weigh much.
    pub settle_every: usize,
    pub faults: Faults,
}

impl Options {
    /// 10 GB is the platform's limit. 1 MiB holds what one batch of writes touches, so that none of it is written out
    /// before its end; an idle object gives it back ([`Store::shrink`]).
    /// Of 64 turns a commit is a small part.
    pub const STANDARD: Self =
        Self { cache_kib: 1024, file_bytes_max: 10_000_000_000, settle_every: 64, faults: Faults::none() };
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
    settle_every: usize,
    unsettled: settle::Unsettled,
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
        let unsettled = settle::Unsettled::new(state.clone());
        Ok(Self {
            reader: Reader { connection: opened.connection, patience: opened.patience, object, state },
            path: path.to_path_buf(),
            faults: options.faults.clone(),
            is_new: opened.is_new,
            confirmed_seq: 0,
            settle_every: options.settle_every,
            unsettled,
        })
    }

    /// Begins a turn. It sees its own writes; it ends by [`Turn::commit`], or by being dropped as if it had not been.
    ///
    /// # Errors
    /// [`Error::OldEpoch`], [`Error::InTurn`], [`Error::Lost`], and what settling earlier turns may fail with.
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

    /// Adds what a turn left, here or on another node. The log has the record.
    ///
    /// # Errors
    /// [`Error::Gap`] when a record before it is missing, [`Error::OldEpoch`] when a newer owner has written.
    pub fn apply(&mut self, record: &Record) -> Result<Applied, Error> {
        turn::apply(self, record)
    }

    /// The log has every record through `seq`; they need not be kept here.
    pub fn confirm(&mut self, seq: u64) {
        self.confirmed_seq = self.confirmed_seq.max(seq.min(self.reader.state.applied_seq));
    }

    /// The records that the log has not confirmed since the file was opened, oldest first. Right after opening some of
    /// them may be in the log already.
    pub fn undurable(&self) -> Result<Vec<Record>, Error> {
        let mut records = self.reader.records_after(self.confirmed_seq)?;
        records.extend(self.unsettled.after(self.confirmed_seq).map(|record| Record::clone(record)));
        Ok(records)
    }

    /// Commits the turns that are in the open transaction only, so that other connections see them and a kill cannot
    /// take them. It happens by itself when they are many, at a checkpoint, and when the store is dropped.
    ///
    /// # Errors
    /// [`Error::InTurn`] while one is open. After any other the store has lost turns: see [`Store::lost`].
    pub fn settle(&mut self) -> Result<(), Error> {
        settle::settle(self)
    }

    /// Settles, and takes back a turn that was put aside: what dropping the store does too, for who has to know whether
    /// it went well.
    ///
    /// # Errors
    /// The store has lost turns: see [`Store::lost`].
    pub fn close(&mut self) -> Result<(), Error> {
        if settle::lost(self).is_none() && self.unsettled.is_in_turn() {
            settle::roll_back(self)?;
        }
        settle::settle(self)
    }

    /// Whether the file failed so that it lacks turns which were reported as written: the number of the last of them.
    /// Nothing that is read here is to be believed then. Drop the store; once the log has answered for all of them,
    /// [`recover()`] makes the file whole.
    pub fn lost(&self) -> Option<u64> {
        settle::lost(self)
    }

    /// Moves the WAL into the file and syncs it. The number of the last record that it then holds whatever happens.
    /// Costs two or three syncs; run it where blocking is allowed.
    ///
    /// # Errors
    /// [`Error::Busy`] when another program reads the file, [`Error::InTurn`] while a turn is open: try again later.
    pub fn checkpoint(&mut self) -> Result<u64, Error> {
        settle::settle(self)?;
        settle::trim(self)?;
        file::checkpoint(&self.reader.connection, &self.path, self.is_new, &self.faults)?;
        self.is_new = self.is_new && self.reader.state.applied_seq == 0;
        Ok(self.reader.state.applied_seq)
    }

    /// Settles, and gives back what SQLite keeps in memory for speed alone: for an object that has been idle for a while.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub fn shrink(&mut self) -> Result<(), Error> {
        settle::settle(self)?;
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

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(object = %self.reader.object, %error, "an object's last turns are left to the log");
        }
    }
}
