//! Objects that follow this one, and events that were taken in from those that it follows.

use super::{Reader, column};
use crate::Error;
use crate::rows::{Blob, int};
use rusqlite::Row;
use types::{EventOrigin, FollowerState, Id, Namespace, ObjectId, Timestamp};

/// An object that follows this one.
#[derive(Clone, PartialEq, Debug)]
pub struct Follower {
    pub namespace: Namespace,
    pub state: FollowerState,
}

const FOLLOWER: &str = "ns, event, filter, through, failed, retryAt, error";
const ORIGIN: &str = "sequence, id, ns, number, depth, actor";

impl Reader {
    /// All of them, by namespace; the caller keeps their number small.
    pub fn followers(&self) -> Result<Vec<Follower>, Error> {
        self.list(&format!("SELECT {FOLLOWER} FROM followers ORDER BY ns"), &[], read_follower)
    }

    pub fn follower(&self, namespace: &Namespace) -> Result<Option<Follower>, Error> {
        self.first(&format!("SELECT {FOLLOWER} FROM followers WHERE ns = ?1"), &[&namespace.as_str()], read_follower)
    }

    /// When a follower that could not be told is to be told again, the earliest.
    pub fn next_forward(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT retryAt FROM followers WHERE retryAt IS NOT NULL ORDER BY retryAt LIMIT 1";
        self.first(sql, &[], |row| column::time(row, 0))
    }

    /// Whether a follower that can be told lacks events, or has perhaps not been looked for any.
    pub fn has_unforwarded(&self) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM followers WHERE retryAt IS NULL AND through < ?1 LIMIT 1";
        Ok(self.first(sql, &[&int(self.next_sequence() - 1)], |_| Ok(()))?.is_some())
    }

    /// The last event of another object that was taken in, by its number there; 0: none.
    pub fn taken_in(&self, source: ObjectId) -> Result<u64, Error> {
        let sql = "SELECT through FROM takenIn WHERE source = ?1";
        let through = self.first(sql, &[&&source.as_u128().to_be_bytes()[..]], |row| column::number(row, 0))?;
        Ok(through.unwrap_or(0))
    }

    /// Whether an event of another object was taken in, whoever it came from.
    pub fn has_taken_in(&self, event: Id) -> Result<bool, Error> {
        Ok(self.first("SELECT 1 FROM eventOrigins WHERE id = ?1", &[&Blob::of(event)], |_| Ok(()))?.is_some())
    }

    /// Where an event happened; None: here.
    pub fn event_origin(&self, sequence: u64) -> Result<Option<EventOrigin>, Error> {
        self.first(&format!("SELECT {ORIGIN} FROM eventOrigins WHERE sequence = ?1"), &[&int(sequence)], read_origin)
    }

    /// Of those from `first` to `last` that happened elsewhere, in their order; at most [`PAGE_MAX`](crate::PAGE_MAX).
    pub fn event_origins(&self, first: u64, last: u64) -> Result<Vec<EventOrigin>, Error> {
        let sql = format!(
            "SELECT {ORIGIN} FROM eventOrigins WHERE sequence >= ?1 AND sequence <= ?2 ORDER BY sequence LIMIT {}",
            crate::PAGE_MAX
        );
        self.list(&sql, &[&int(first), &int(last)], read_origin)
    }
}

fn read_follower(row: &Row<'_>) -> Result<Follower, Error> {
    let error = match row.get_ref(6)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(column::parsed(row, 6, "error", |text: String| serde_json::from_str(&text).ok())?),
    };
    let state = FollowerState {
        event: row.get(1)?,
        filter: row.get(2)?,
        through: column::number(row, 3)?,
        failed: row.get(4)?,
        retry_at: column::optional_time(row, 5)?,
        error,
    };
    let namespace = column::parsed(row, 0, "ns", |text: String| Namespace::parse(&text).ok())?;
    Ok(Follower { namespace, state })
}

fn read_origin(row: &Row<'_>) -> Result<EventOrigin, Error> {
    Ok(EventOrigin {
        sequence: column::number(row, 0)?,
        id: column::id(row, 1)?,
        namespace: column::parsed(row, 2, "ns", |text: String| Namespace::parse(&text).ok())?,
        number: column::number(row, 3)?,
        depth: row.get(4)?,
        actor: row.get(5)?,
    })
}
