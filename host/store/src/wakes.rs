//! Which objects of a node have something to do, and when: known at a start without opening any of them.
//!
//! One small file beside the objects' own. It is as old as each object's last checkpoint; the objects that did something
//! since are those whose records the log retains, so both together know every object that is to be woken.

use crate::Error;
use crate::rows::millis;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use types::{ObjectId, Timestamp};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS wakes (object BLOB PRIMARY KEY, due INTEGER NOT NULL) STRICT, \
                      WITHOUT ROWID";

/// `PRAGMA user_version` of a table that has every object.
const FILLED: u32 = 1;

/// How long a write waits for whoever reads the file with a tool.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// The table of a node. Shared by threads; each call blocks for about one sync.
#[derive(Debug)]
pub struct WakeTable(Mutex<Connection>);

impl WakeTable {
    /// Opens the file, or makes it. What cannot be read as one is [`Error::Corrupt`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_WAIT)?;
        // FULL: what was set is there after a power cut, for the log forgets on the strength of it.
        connection.execute_batch(&format!("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {SCHEMA}"))?;
        crate::file::sync_folder(path)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// From now on an object has something to do then; None: nothing. Durable when this returns. What is there already
    /// costs no write.
    pub fn set(&self, object: ObjectId, due: Option<Timestamp>) -> Result<(), Error> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = object.as_u128().to_be_bytes();
        let known: Option<i64> = connection
            .prepare_cached("SELECT due FROM wakes WHERE object = ?1")?
            .query_row(params![&key[..]], |row| row.get(0))
            .optional()?;
        if known == due.map(millis) {
            return Ok(());
        }
        match due {
            Some(due) => connection
                .prepare_cached("INSERT OR REPLACE INTO wakes (object, due) VALUES (?1, ?2)")?
                .execute(params![&key[..], millis(due)])?,
            None => connection.prepare_cached("DELETE FROM wakes WHERE object = ?1")?.execute(params![&key[..]])?,
        };
        Ok(())
    }

    /// Whether it was ever filled: a new one knows nothing of objects that are there already.
    pub fn is_filled(&self) -> Result<bool, Error> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version: u32 = connection.query_row("PRAGMA user_version", (), |row| row.get(0))?;
        Ok(version == FILLED)
    }

    /// That it has every object now whose records the log does not retain.
    pub fn set_filled(&self) -> Result<(), Error> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(connection.pragma_update(None, "user_version", FILLED)?)
    }

    /// Tells every object that has something to do.
    pub fn each(&self, mut tell: impl FnMut(ObjectId, Timestamp)) -> Result<(), Error> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare("SELECT object, due FROM wakes")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (object, due): ([u8; 16], i64) = (row.get(0)?, row.get(1)?);
            tell(ObjectId::from_u128(u128::from_be_bytes(object)), Timestamp::from_millis(due.cast_unsigned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(table: &WakeTable) -> Vec<(u128, u64)> {
        let mut found = Vec::new();
        table.each(|object, due| found.push((object.as_u128(), due.as_millis()))).expect("it can be read");
        found
    }

    #[test]
    fn what_was_set_last_is_there_when_it_is_opened_again() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let path = folder.path().join("wakes.sqlite");
        let (one, two) = (ObjectId::from_u128(1), ObjectId::from_u128(u128::MAX));
        let table = WakeTable::open(&path).expect("it is made");
        assert!(!table.is_filled().unwrap());
        for (object, due) in [(one, Some(7)), (two, Some(0)), (one, Some(9)), (one, Some(9))] {
            table.set(object, due.map(Timestamp::from_millis)).expect("it is written");
        }
        table.set_filled().expect("it is written");
        assert_eq!(all(&table), [(1, 9), (u128::MAX, 0)]);
        table.set(two, None).expect("it is removed");
        table.set(two, None).expect("there is nothing to be removed");
        drop(table);
        let table = WakeTable::open(&path).expect("it is there");
        assert!(table.is_filled().unwrap());
        assert_eq!(all(&table), [(1, 9)]);
    }

    #[test]
    fn what_is_no_table_is_damage() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let path = folder.path().join("wakes.sqlite");
        std::fs::write(&path, "x".repeat(4096)).expect("it is written");
        assert!(matches!(WakeTable::open(&path), Err(Error::Corrupt(_))));
    }
}
