//! Writing: turns as they happen, and records as they are applied.

use crate::read::{Reader, State};
use crate::rows::{self, int, run};
use crate::template::{MARK, MARK_NEW};
use crate::{Applied, Error, Store};
use rusqlite::params;
use std::ops::Deref;
use types::{Record, Row, Timestamp};

/// A transaction that becomes one record. It reads what it wrote.
pub struct Turn<'s> {
    store: &'s mut Store,
    /// As it was before the turn.
    before: State,
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
    before: State,
    epoch: u64,
    at: Timestamp,
    rows: Vec<Row>,
    has_failed: bool,
}

/// Confirmed records are removed in such groups: removing one costs nearly as much as removing many.
const TRIM_EVERY: u64 = 16;

/// Of `records.record`: which encoding of `types::Record` follows.
pub(crate) const RECORD_FORMAT: u8 = 2;

impl Deref for Turn<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.store.reader
    }
}

impl<'s> Turn<'s> {
    pub(crate) fn begin(store: &'s mut Store, epoch: u64, at: Timestamp) -> Result<Self, Error> {
        let before = begin(store, epoch)?;
        let at = at.max(before.last_at);
        Ok(Self { store, before, epoch, at, rows: Vec::new(), has_failed: false, is_full: false, is_over: false })
    }

    /// Puts the turn aside with what it wrote; [`Store::resume`] goes on with it, [`Store::abandon`] ends it. Until then
    /// what the store reads has its writes in it.
    pub fn suspend(mut self) -> Suspended {
        self.is_over = true;
        Suspended {
            before: self.before.clone(),
            epoch: self.epoch,
            at: self.at,
            rows: std::mem::take(&mut self.rows),
            has_failed: self.has_failed,
        }
    }

    pub(crate) fn resume(store: &'s mut Store, suspended: Suspended) -> Self {
        let Suspended { before, epoch, at, rows, has_failed } = suspended;
        Self { store, before, epoch, at, rows, has_failed, is_full: false, is_over: false }
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
        roll_back(self.store, &self.before);
        begin(self.store, self.epoch)?;
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
        if self.has_failed {
            // A full disk can have ended the transaction: a row written now would stay, without a record.
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
        match (self.has_failed, self.is_full) {
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
    ///
    /// # Errors
    /// Nothing of the turn is in the file then.
    pub fn commit(mut self) -> Result<Option<Record>, Error> {
        if self.has_failed {
            return Err(Error::TurnFailed);
        }
        if self.rows.is_empty() {
            return Ok(None);
        }
        let seq = self.before.applied_seq + 1;
        let object = self.store.reader.object;
        let rows = std::mem::take(&mut self.rows);
        let record = Record { object, epoch: self.epoch, seq, at: self.at, rows };
        let encoded = postcard::to_extend(&record, vec![RECORD_FORMAT])
            .map_err(|e| Error::Io(std::io::Error::other(e.to_string())))?;
        let connection = &self.store.reader.connection;
        run(connection, "INSERT INTO records (seq, record) VALUES (?1, ?2)", params![int(seq), encoded])?;
        let due = self.store.confirmed_seq >= self.store.trimmed_seq + TRIM_EVERY;
        if due {
            remove_confirmed(self.store)?;
        }
        commit(self.store, self.epoch, seq)?;
        self.is_over = true;
        if due {
            self.store.trimmed_seq = self.store.confirmed_seq;
        }
        self.store.faults.hit("store.after-commit")?;
        Ok(Some(record))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            roll_back(self.store, &self.before);
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
    let before = begin(store, record.epoch)?;
    let applied = record
        .rows
        .iter()
        .try_for_each(|row| rows::insert(&store.reader.connection, &mut store.reader.state, row))
        .and_then(|()| commit(store, record.epoch, record.seq));
    match applied {
        Ok(()) => {
            store.faults.hit("store.after-commit")?;
            Ok(Applied::Applied)
        }
        Err(error) => {
            roll_back(store, &before);
            Err(error)
        }
    }
}

/// Removes what the log has from `records`.
pub(crate) fn trim(store: &mut Store) -> Result<(), Error> {
    if store.confirmed_seq > store.trimmed_seq {
        remove_confirmed(store)?;
        store.trimmed_seq = store.confirmed_seq;
    }
    Ok(())
}

fn remove_confirmed(store: &Store) -> Result<(), Error> {
    run(&store.reader.connection, "DELETE FROM records WHERE seq <= ?1", params![int(store.confirmed_seq)])
}

fn begin(store: &mut Store, epoch: u64) -> Result<State, Error> {
    let newest = store.reader.state.epoch;
    if epoch < newest {
        return Err(Error::OldEpoch { newest, found: epoch });
    }
    run(&store.reader.connection, "BEGIN IMMEDIATE", params![])?;
    Ok(store.reader.state.clone())
}

fn commit(store: &mut Store, epoch: u64, seq: u64) -> Result<(), Error> {
    let Reader { connection, object, state, patience: _ } = &mut store.reader;
    if state.applied_seq == 0 {
        run(connection, "UPDATE meta SET object = ?1", params![&object.as_u128().to_be_bytes()[..]])?;
        let mark: u32 = connection.query_row("PRAGMA application_id", (), |r| r.get(0))?;
        if mark == MARK_NEW {
            connection.execute_batch(&format!("PRAGMA application_id={MARK}"))?;
        }
    }
    run(
        connection,
        "UPDATE meta SET appliedSeq = ?1, epoch = ?2, nextVersion = ?3, nextSequence = ?4",
        params![int(seq), int(epoch), int(state.next_version), int(state.next_sequence)],
    )?;
    store.faults.hit("store.before-commit")?;
    run(connection, "COMMIT", params![])?;
    state.applied_seq = seq;
    state.epoch = epoch;
    state.object = Some(*object);
    Ok(())
}

/// SQLite may have rolled back by itself, when the disk was full.
fn roll_back(store: &mut Store, before: &State) {
    store.reader.state = before.clone();
    if !store.reader.connection.is_autocommit()
        && let Err(error) = run(&store.reader.connection, "ROLLBACK", params![])
    {
        tracing::error!(%error, "a turn could not be rolled back");
    }
}
