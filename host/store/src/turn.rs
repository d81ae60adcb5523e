//! Writing: turns as they happen, and records as they are applied.

use crate::read::Reader;
use crate::{Applied, Error, Store, rows, settle};
use std::ops::Deref;
use std::sync::Arc;
use types::{Record, Row, Timestamp};

/// What becomes one record: all of it is there, or nothing. It reads what it wrote.
pub struct Turn<'s> {
    store: &'s mut Store,
    epoch: u64,
    at: Timestamp,
    rows: Vec<Row>,
    has_failed: bool,
    /// It failed for want of room.
    is_full: bool,
    is_over: bool,
}

/// A turn that was put aside with its transaction open: whoever holds it keeps everybody else from the file.
pub struct Suspended {
    epoch: u64,
    at: Timestamp,
    rows: Vec<Row>,
    has_failed: bool,
}

impl Deref for Turn<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.store.reader
    }
}

impl<'s> Turn<'s> {
    pub(crate) fn begin(store: &'s mut Store, epoch: u64, at: Timestamp) -> Result<Self, Error> {
        settle::begin(store, epoch)?;
        let at = at.max(store.reader.state.last_at);
        Ok(Self { store, epoch, at, rows: Vec::new(), has_failed: false, is_full: false, is_over: false })
    }

    /// Puts the turn aside with what it wrote; [`Store::resume`] goes on with it, [`Store::abandon`] ends it. Until then
    /// what the store reads has its writes in it.
    pub fn suspend(mut self) -> Suspended {
        self.is_over = true;
        Suspended { epoch: self.epoch, at: self.at, rows: std::mem::take(&mut self.rows), has_failed: self.has_failed }
    }

    pub(crate) fn resume(store: &'s mut Store, suspended: Suspended) -> Self {
        let Suspended { epoch, at, rows, has_failed } = suspended;
        Self { store, epoch, at, rows, has_failed, is_full: false, is_over: false }
    }

    /// Writes something that may be refused half-way: then nothing of it stays, and the rest of the turn does. Parts do
    /// not nest.
    ///
    /// What is refused has hardly ever written by then. So SQLite is told of no savepoint, at which it would write its
    /// text index out: when it is needed, the transaction begins anew with the rows of the parts before.
    pub fn part<T, E>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let kept = self.rows.len();
        let written = write(self);
        if written.is_err() && !self.has_failed && self.rows.len() > kept {
            self.rows.truncate(kept);
            if let Err(error) = self.begin_anew() {
                tracing::error!(%error, "a part of a turn could not be taken back");
                self.has_failed = true;
                self.is_full = matches!(error, Error::Full);
            }
        }
        written
    }

    fn begin_anew(&mut self) -> Result<(), Error> {
        settle::roll_back(self.store)?;
        settle::begin(self.store, self.epoch)?;
        let reader = &mut self.store.reader;
        self.rows.iter().try_for_each(|row| rows::insert(&reader.connection, &mut reader.state, row))
    }

    /// The time of the turn, and of its record. It is never before that of an earlier version.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Adds a row. Versions and sequences are given by the caller, from [`Reader::next_version`] and
    /// [`Reader::next_sequence`], which count on with each row written.
    ///
    /// # Errors
    /// After any but [`Error::Number`] the turn cannot be committed any more.
    pub fn write(&mut self, row: Row) -> Result<(), Error> {
        if self.has_failed || settle::has_ended(self.store) {
            // A row written now would stay, without a record.
            self.has_failed = true;
            return Err(Error::TurnFailed);
        }
        let reader = &mut self.store.reader;
        let written = rows::insert(&reader.connection, &mut reader.state, &row);
        match written {
            Ok(()) => self.rows.push(row),
            Err(Error::Number { .. }) => return written,
            Err(ref error) => {
                self.has_failed = true;
                self.is_full = matches!(error, Error::Full);
            }
        }
        written
    }

    /// # Errors
    /// [`Error::Full`] or [`Error::TurnFailed`] when an earlier write failed, so that the turn cannot be committed.
    pub fn check(&self) -> Result<(), Error> {
        match (self.has_failed || settle::has_ended(self.store), self.is_full) {
            (false, _) => Ok(()),
            (true, true) => Err(Error::Full),
            (true, false) => Err(Error::TurnFailed),
        }
    }

    /// Whether anything was written.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Ends the turn. Its record is to be appended to the log; None when nothing was written: then no number is used.
    /// The file has it when it is settled ([`Store::settle`]).
    ///
    /// # Errors
    /// The turn was not then.
    pub fn commit(mut self) -> Result<Option<Arc<Record>>, Error> {
        if self.has_failed || settle::has_ended(self.store) {
            self.has_failed = true;
            return Err(Error::TurnFailed);
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        self.store.faults.hit("store.before-commit")?;
        let Reader { object, state, .. } = &self.store.reader;
        let (object, seq) = (*object, state.applied_seq + 1);
        let rows = std::mem::take(&mut self.rows);
        // Without its rows it would not be known to have written.
        self.has_failed = true;
        let record = Arc::new(Record { object, epoch: self.epoch, seq, at: self.at, rows });
        settle::keep(self.store, record.clone())?;
        self.is_over = true;
        self.store.faults.hit("store.after-commit")?;
        Ok(Some(record))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let has_written = self.has_failed || !self.rows.is_empty() || settle::has_ended(self.store);
        let ended = if has_written { settle::roll_back(self.store) } else { settle::leave(self.store) };
        if let Err(error) = ended {
            tracing::error!(%error, "a turn could not be taken back");
        }
    }
}

pub(crate) fn apply(store: &mut Store, record: &Record) -> Result<Applied, Error> {
    let reader = &store.reader;
    if record.object != reader.object {
        return Err(Error::WrongObject { expected: reader.object });
    }
    let expected = reader.state.applied_seq + 1;
    if record.seq < expected {
        return Ok(Applied::AlreadyThere);
    }
    if record.seq > expected {
        return Err(Error::Gap { expected, found: record.seq });
    }
    settle::begin(store, record.epoch)?;
    let reader = &mut store.reader;
    let applied = record
        .rows
        .iter()
        .try_for_each(|row| rows::insert(&reader.connection, &mut reader.state, row))
        .and_then(|()| Ok(store.faults.hit("store.before-commit")?))
        .and_then(|()| settle::keep(store, Arc::new(record.clone())));
    if let Err(error) = applied {
        settle::roll_back(store)?;
        return Err(error);
    }
    store.confirm(record.seq);
    store.faults.hit("store.after-commit")?;
    Ok(Applied::Applied)
}
