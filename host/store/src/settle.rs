//! One SQLite transaction over many turns: when it is opened, how it ends, and how it is made again.
//!
//! A commit costs more than the rows of a small turn: each page it touched goes into the WAL whole. The log makes a turn
//! durable, so the file need not have it at once; what it must never have is a turn whose record neither the log has
//! nor its own table `records`. So turns stay in an open transaction, with their records in memory, until the log
//! has them, and are committed many at a time.

use crate::read::{Reader, State};
use crate::rows::{self, int, run};
use crate::template::{MARK, MARK_NEW};
use crate::{Error, Store};
use rusqlite::params;
use std::sync::Arc;
use types::Record;

/// What turns in the open transaction may weigh before they are settled. They are kept in memory beside it, and the pages
/// that they touch are more than the page cache holds soon after: then some go into the WAL twice.
const SETTLE_BYTES: usize = 1 << 20;

/// Turns whose records the log has need no row in `records`. For that they may become so many times as many, and as
/// heavy, as they would otherwise.
const PATIENCE: usize = 4;

/// Of `records.record`: which encoding of `types::Record` follows.
pub(crate) const RECORD_FORMAT: u8 = 2;

/// What a file's open transaction holds, and the file does not.
pub(crate) struct Unsettled {
    /// What the file says without it.
    settled: State,
    /// The turns since then, oldest first: with them the transaction is made again.
    records: Vec<Arc<Record>>,
    /// What they weigh, encoded.
    bytes: usize,
    is_begun: bool,
    /// A turn is under way, or was put aside.
    in_turn: bool,
    /// The transaction ended and could not be made again.
    is_lost: bool,
    /// `records` has none after this …
    kept_through: u64,
    /// … and none through this.
    trimmed_through: u64,
}

impl Unsettled {
    /// Of a file that was opened now: which records it keeps is not known.
    pub(crate) fn new(settled: State) -> Self {
        let kept_through = settled.applied_seq;
        Self {
            settled,
            records: Vec::new(),
            bytes: 0,
            is_begun: false,
            in_turn: false,
            is_lost: false,
            kept_through,
            trimmed_through: 0,
        }
    }

    /// Those after a number.
    pub(crate) fn after(&self, seq: u64) -> impl Iterator<Item = &Arc<Record>> {
        self.records.iter().filter(move |record| record.seq > seq)
    }

    pub(crate) fn is_in_turn(&self) -> bool {
        self.in_turn
    }

    fn weigh(&self, times: usize, every: usize) -> bool {
        self.records.len() >= every.saturating_mul(times) || self.bytes >= SETTLE_BYTES * times
    }
}

/// Whether SQLite ended the transaction by itself, as it does when the disk is full or fails, be it at a read.
pub(crate) fn has_ended(store: &Store) -> bool {
    store.unsettled.is_begun && store.reader.connection.is_autocommit()
}

/// The last turn of those that the file should have and has not, when that cannot be mended.
pub(crate) fn lost(store: &Store) -> Option<u64> {
    let unsettled = &store.unsettled;
    (unsettled.is_lost || has_ended(store))
        .then(|| unsettled.records.last().map_or(unsettled.settled.applied_seq, |record| record.seq))
}

/// A turn begins, here in a transaction that may hold others.
pub(crate) fn begin(store: &mut Store, epoch: u64) -> Result<(), Error> {
    let newest = store.reader.state.epoch;
    if epoch < newest {
        return Err(Error::OldEpoch { newest, found: epoch });
    }
    ready(store)?;
    let is_confirmed = store.confirmed_seq >= store.reader.state.applied_seq;
    if store.unsettled.weigh(if is_confirmed { 1 } else { PATIENCE }, store.settle_every) {
        settle(store)?;
    }
    open(store)?;
    store.unsettled.in_turn = true;
    Ok(())
}

/// A turn ended well.
pub(crate) fn keep(store: &mut Store, record: Arc<Record>) -> Result<(), Error> {
    store.unsettled.bytes += postcard::experimental::serialized_size(&*record).map_err(unencodable)?;
    stand(&mut store.reader, &record);
    store.unsettled.records.push(record);
    store.unsettled.in_turn = false;
    Ok(())
}

/// What a turn leaves in the state beside what its rows do.
fn stand(reader: &mut Reader, record: &Record) {
    reader.state.applied_seq = record.seq;
    reader.state.epoch = record.epoch;
    reader.state.object = Some(record.object);
}

/// A turn ended without having written anything.
pub(crate) fn leave(store: &mut Store) -> Result<(), Error> {
    if store.unsettled.records.is_empty() {
        return roll_back(store);
    }
    store.unsettled.in_turn = false;
    Ok(())
}

/// Takes back what the turn under way wrote. The turns before it were in the same transaction: they are written again,
/// and settled, so that no turn is written again a second time however many are taken back after it.
///
/// # Errors
/// The store has lost turns then.
pub(crate) fn roll_back(store: &mut Store) -> Result<(), Error> {
    store.unsettled.in_turn = false;
    if store.unsettled.is_lost {
        return Err(Error::Lost);
    }
    let made = make_again(store);
    if made.is_err() {
        lose(store);
    }
    made
}

fn make_again(store: &mut Store) -> Result<(), Error> {
    end(store)?;
    store.reader.state = store.unsettled.settled.clone();
    if store.unsettled.records.is_empty() {
        return Ok(());
    }
    open(store)?;
    for record in &store.unsettled.records {
        let reader = &mut store.reader;
        record.rows.iter().try_for_each(|row| rows::insert(&reader.connection, &mut reader.state, row))?;
        stand(reader, record);
    }
    write_down(store)
}

/// Commits what is in the open transaction.
///
/// # Errors
/// The store has lost turns then, unless it is [`Error::InTurn`].
pub(crate) fn settle(store: &mut Store) -> Result<(), Error> {
    ready(store)?;
    if !store.unsettled.is_begun {
        return Ok(());
    }
    let written = if store.unsettled.records.is_empty() { end(store) } else { write_down(store) };
    if written.is_err() {
        lose(store);
    }
    written
}

fn ready(store: &Store) -> Result<(), Error> {
    if store.unsettled.in_turn {
        return Err(Error::InTurn);
    }
    if lost(store).is_some() { Err(Error::Lost) } else { Ok(()) }
}

fn open(store: &mut Store) -> Result<(), Error> {
    if !store.unsettled.is_begun {
        run(&store.reader.connection, "BEGIN IMMEDIATE", params![])?;
        store.unsettled.is_begun = true;
    }
    Ok(())
}

/// Ends the transaction without its rows, if SQLite has not.
fn end(store: &mut Store) -> Result<(), Error> {
    if !store.reader.connection.is_autocommit() {
        run(&store.reader.connection, "ROLLBACK", params![])?;
    }
    store.unsettled.is_begun = false;
    Ok(())
}

/// From here on the file is behind what was said of it.
fn lose(store: &mut Store) {
    store.unsettled.is_lost = true;
    store.reader.state = store.unsettled.settled.clone();
    if let Err(error) = end(store) {
        tracing::error!(object = %store.reader.object, %error, "a transaction that failed could not be rolled back");
    }
}

fn write_down(store: &mut Store) -> Result<(), Error> {
    let connection = &store.reader.connection;
    write_meta(store)?;
    let mut kept_through = store.unsettled.kept_through;
    for record in store.unsettled.after(store.confirmed_seq) {
        let encoded = postcard::to_extend(&**record, vec![RECORD_FORMAT]).map_err(unencodable)?;
        run(connection, "INSERT INTO records (seq, record) VALUES (?1, ?2)", params![int(record.seq), encoded])?;
        kept_through = record.seq;
    }
    let trimmed = remove_confirmed(store)?;
    store.faults.hit("store.before-settle")?;
    run(connection, "COMMIT", params![])?;
    let unsettled = &mut store.unsettled;
    (unsettled.trimmed_through, unsettled.kept_through) = (trimmed, kept_through);
    unsettled.settled = store.reader.state.clone();
    unsettled.is_begun = false;
    unsettled.bytes = 0;
    unsettled.records.clear();
    Ok(store.faults.hit("store.after-settle")?)
}

fn write_meta(store: &Store) -> Result<(), Error> {
    let Reader { connection, object, state, patience: _ } = &store.reader;
    if store.unsettled.settled.applied_seq == 0 {
        run(connection, "UPDATE meta SET object = ?1", params![&object.as_u128().to_be_bytes()[..]])?;
        let mark: u32 = connection.query_row("PRAGMA application_id", (), |r| r.get(0))?;
        if mark == MARK_NEW {
            connection.execute_batch(&format!("PRAGMA application_id={MARK}"))?;
        }
    }
    run(
        connection,
        "UPDATE meta SET appliedSeq = ?1, epoch = ?2, nextVersion = ?3, nextSequence = ?4",
        params![int(state.applied_seq), int(state.epoch), int(state.next_version), int(state.next_sequence)],
    )
}

/// Removes what the log has from `records`, where nothing else is settled with it.
pub(crate) fn trim(store: &mut Store) -> Result<(), Error> {
    store.unsettled.trimmed_through = remove_confirmed(store)?;
    Ok(())
}

/// Through where `records` has none then.
fn remove_confirmed(store: &Store) -> Result<u64, Error> {
    let (confirmed, unsettled) = (store.confirmed_seq, &store.unsettled);
    if confirmed <= unsettled.trimmed_through {
        return Ok(unsettled.trimmed_through);
    }
    if unsettled.kept_through > unsettled.trimmed_through {
        run(&store.reader.connection, "DELETE FROM records WHERE seq <= ?1", params![int(confirmed)])?;
    }
    Ok(confirmed)
}

fn unencodable(error: postcard::Error) -> Error {
    Error::Io(std::io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use types::{Id, LogRow, LogStream, ObjectId, Row, Timestamp};

    const AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn line(ordinal: u32) -> Row {
        let text = "hello".to_owned();
        Row::Log(LogRow { action: Id::from_u128(1), ordinal, at: AT, stream: LogStream::Stdout, text })
    }

    /// With one turn in its transaction.
    fn written(folder: &std::path::Path) -> Store {
        let mut store =
            Store::open(&folder.join("a.sqlite"), ObjectId::from_u128(1), &Options::STANDARD).expect("a file");
        let mut turn = store.turn(1, AT).expect("a turn");
        turn.write(line(0)).expect("a row");
        turn.commit().expect("it ends");
        store
    }

    /// What SQLite does at any statement, a read too, when the disk fails under it.
    fn fail(reader: &Reader) {
        reader.connection.execute_batch("ROLLBACK").expect("a transaction is open");
    }

    fn lines(store: &Store) -> u32 {
        store.connection.query_row("SELECT count(*) FROM logs", (), |row| row.get(0)).expect("a number")
    }

    #[test]
    fn a_transaction_that_ended_by_itself_between_turns_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = written(folder.path());
        assert_eq!(store.lost(), None);
        fail(&store);
        assert_eq!(store.lost(), Some(1));
        assert!(matches!(store.turn(1, AT).err(), Some(Error::Lost)));
        assert!(matches!(store.close(), Err(Error::Lost)));
    }

    #[test]
    fn a_transaction_that_ended_by_itself_in_a_turn_takes_the_turn_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = written(folder.path());
        let mut turn = store.turn(1, AT).expect("a turn");
        turn.write(line(1)).expect("a row");
        fail(&turn);
        assert!(matches!(turn.check(), Err(Error::TurnFailed)));
        assert!(matches!(turn.write(line(2)), Err(Error::TurnFailed)), "it would stay, without a record");
        assert!(matches!(turn.commit(), Err(Error::TurnFailed)));
        assert_eq!((store.lost(), store.applied_seq(), lines(&store)), (None, 1, 1));
    }
}
