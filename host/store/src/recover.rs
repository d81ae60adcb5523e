//! One object after a start: its file and what the log retains of it, made one again.

use crate::{Applied, Error, Options, Store, file};
use std::path::Path;
use types::{ObjectId, Record};

/// What the commit log retains of one object.
pub struct Retained<'l> {
    /// The lowest and the highest durable record; None when the log has none.
    pub tail: Option<u64>,
    pub head: Option<u64>,
    /// The records after a number, in order.
    pub replay: &'l mut dyn FnMut(u64) -> Result<Vec<Record>, Box<dyn std::error::Error + Send + Sync>>,
}

/// An object that may be used once `undurable` is durable.
pub struct Recovered {
    pub store: Store,
    /// Records that the file has and the log has not: append them, in this order and before anything else of this
    /// object, and confirm them. Nothing may leave the host before that: they are turns that nobody was told of.
    pub undurable: Vec<Record>,
    /// How many records the file lacked.
    pub applied: usize,
    /// The file was damaged or gone, and was built anew from the log.
    pub was_rebuilt: bool,
}

/// Files up to this are checked whole at a start; a larger one is checked as it is read. Some 10 ms.
const CHECK_BYTES_MAX: u64 = 8 << 20;

/// A WAL that has grown to this while records were applied is moved into the file before going on.
const WAL_BYTES_MAX: u64 = 16 << 20;

/// Opens one object's file after a start, whatever the end before it was.
///
/// 1. Open the file and check it. One that is damaged or gone is thrown away if the log retains every record from the
///    first on: an index is built anew. Otherwise nothing is touched.
/// 2. Apply what the log has and the file has not.
/// 3. Hand back what the file has and the log has not.
///
/// # Errors
/// [`Error::Corrupt`] or [`Error::Torn`] when the file is damaged and the log alone cannot rebuild it; nothing is removed then.
/// [`Error::Gap`] when the file is older than what the log retains.
pub fn recover(path: &Path, object: ObjectId, options: &Options, log: Retained<'_>) -> Result<Recovered, Error> {
    let is_whole_in_log = log.tail == Some(1);
    let exists = path.exists();
    if !exists && log.tail.is_some() && !is_whole_in_log {
        return Err(Error::Corrupt("it is gone, and the log no longer has its first records".into()));
    }
    // A file that is made here and now has nothing in it to check.
    let opened = if exists { open_checked(path, object, options) } else { Store::open(path, object, options) };
    let (mut store, was_rebuilt) = match opened {
        Ok(store) => (store, false),
        Err(error) => {
            let can_be_rebuilt = match &error {
                // Without a record in the log there never was one.
                Error::Torn => is_whole_in_log || log.tail.is_none(),
                Error::Corrupt(_) => is_whole_in_log,
                Error::Full
                | Error::Newer { .. }
                | Error::Busy
                | Error::WrongObject { .. }
                | Error::Gap { .. }
                | Error::OldEpoch { .. }
                | Error::Number { .. }
                | Error::TurnFailed
                | Error::InTurn
                | Error::Lost
                | Error::TooMuch
                | Error::Log(_)
                | Error::Io(_)
                | Error::Sqlite(_) => false,
            };
            if !can_be_rebuilt {
                return Err(error);
            }
            tracing::warn!(%object, %error, "an object's file is built anew from the log");
            file::remove(path)?;
            (Store::open(path, object, options)?, true)
        }
    };
    let missing = if log.head.is_some_and(|head| head > store.applied_seq()) {
        (log.replay)(store.applied_seq()).map_err(Error::Log)?
    } else {
        Vec::new()
    };
    let mut applied = 0;
    for record in &missing {
        applied += usize::from(store.apply(record)? == Applied::Applied);
        if store.wal_bytes() > WAL_BYTES_MAX {
            store.checkpoint()?;
        }
    }
    store.confirm(log.head.unwrap_or(0));
    store.settle()?;
    let undurable = store.undurable()?;
    Ok(Recovered { store, undurable, applied, was_rebuilt })
}

fn open_checked(path: &Path, object: ObjectId, options: &Options) -> Result<Store, Error> {
    let store = Store::open(path, object, options)?;
    let bytes = std::fs::metadata(path)?.len() + store.wal_bytes();
    if bytes <= CHECK_BYTES_MAX {
        store.integrity_check()?;
    }
    Ok(store)
}
