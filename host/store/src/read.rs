//! Asking a file. Every list comes in pages of at most [`PAGE_MAX`], and looks at no more than [`SCAN_MAX`] rows for
//! one: a filter that fits nothing must not hold the object's thread.

mod actions;
mod archive;
pub use actions::ActionFilter;
pub use archive::{Archived, Cuts, VersionHead};
mod column;
mod deliveries;
pub use deliveries::{FailedDelivery, FailedFilter};
mod events;
pub use events::EventFilter;
mod followers;
pub use followers::Follower;
mod forgetting;
pub use forgetting::Forgettable;
mod invocations;
pub use invocations::{Invocation, InvocationFilter, InvocationStatus};
mod logs;
pub use logs::{LogEntry, LogFilter};
mod branches;
mod line;
mod owned;
pub use line::{Beyond, Line};
mod list;
pub use list::{Comparison, Field, ThingFilter, ThingList, ThingPage, ThingSort};
mod relations;
pub use relations::{Edge, Side};
mod requests;
pub use requests::RequestFilter;
mod schedules;
pub use schedules::Scheduled;
mod things;
pub use things::Deleted;
mod usage;
mod workflows;
pub use workflows::{WorkflowRun, WorkflowRunFilter};

use crate::Error;
use crate::error::unreadable;
use crate::rows::int;
use crate::settle::RECORD_FORMAT;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use types::{Namespace, ObjectId, Record, Timestamp};

/// The longest page.
pub const PAGE_MAX: u32 = 1000;

/// The most rows that are looked at for one page: some milliseconds.
pub const SCAN_MAX: u32 = 10_000;

/// Reads a file; a [`Store`](crate::Store) and a [`Turn`](crate::Turn) are both one. A turn sees its own writes.
pub struct Reader {
    pub(crate) connection: Connection,
    pub(crate) patience: crate::file::Patience,
    pub(crate) object: ObjectId,
    pub(crate) state: State,
}

/// A part of a list. `next` is what to give as the place to go on from; `None`: that was all. A page can be shorter than
/// asked for, or empty, and have a next one.
#[derive(Clone, PartialEq, Debug)]
pub struct Page<T, C> {
    pub items: Vec<T>,
    pub next: Option<C>,
}

/// What an object is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    pub namespace: Namespace,
    pub created_at: Timestamp,
}

/// The row of `meta`, kept in memory.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub object: Option<ObjectId>,
    pub origin: Option<Origin>,
    pub applied_seq: u64,
    pub epoch: u64,
    pub next_version: u64,
    pub next_sequence: u64,
    /// The commit time of the newest version: a clock that was set back must not make the next one older.
    pub last_at: Timestamp,
    /// Texts that are not in the index yet.
    pub pending_texts: u32,
    /// An invocation waits for events, or did.
    pub awaits_events: bool,
    pub next_invocation: u64,
}

impl State {
    pub fn read(connection: &Connection) -> Result<Self, Error> {
        let sql = "SELECT object, namespace, createdAt, appliedSeq, epoch, nextVersion, nextSequence, \
                   (SELECT createdAt FROM things ORDER BY version DESC LIMIT 1), (SELECT count(*) FROM searchPending), \
                   EXISTS (SELECT 1 FROM invocations WHERE waitVerb IS NOT NULL), \
                   (SELECT max(number) FROM invocations) FROM meta";
        let read = |row: &Row<'_>| {
            Ok((|| {
                let namespace = column::optional(row, 1, "namespace", |text: String| Namespace::parse(&text).ok())?;
                let created_at = row.get::<_, Option<i64>>(2)?.map(column::timestamp);
                Ok(Self {
                    object: column::optional(row, 0, "object", |b: [u8; 16]| {
                        Some(ObjectId::from_u128(u128::from_be_bytes(b)))
                    })?,
                    origin: namespace.zip(created_at).map(|(namespace, created_at)| Origin { namespace, created_at }),
                    applied_seq: column::number(row, 3)?,
                    epoch: column::number(row, 4)?,
                    next_version: column::number(row, 5)?,
                    next_sequence: column::number(row, 6)?,
                    last_at: row.get::<_, Option<i64>>(7)?.map_or(Timestamp::from_millis(0), column::timestamp),
                    pending_texts: row.get(8)?,
                    awaits_events: row.get(9)?,
                    next_invocation: row.get::<_, Option<i64>>(10)?.map_or(0, i64::cast_unsigned) + 1,
                })
            })())
        };
        connection.query_row(sql, (), read).optional()?.ok_or_else(|| unreadable("meta"))?
    }
}

impl Reader {
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// What this object is; none before its first record.
    pub fn origin(&self) -> Option<&Origin> {
        self.state.origin.as_ref()
    }

    /// The number of the last record in this file; 0: none.
    pub fn applied_seq(&self) -> u64 {
        self.state.applied_seq
    }

    /// The epoch of the last record.
    pub fn epoch(&self) -> u64 {
        self.state.epoch
    }

    /// What the next thing row must have at least. It grows when one is written, not by asking.
    pub fn next_version(&self) -> u64 {
        self.state.next_version
    }

    /// What the next event row must have. It grows when one is written, not by asking.
    pub fn next_sequence(&self) -> u64 {
        self.state.next_sequence
    }

    /// Reads every page and index entry.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first thing that is wrong.
    pub fn integrity_check(&self) -> Result<(), Error> {
        let found: String = self.connection.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
        if found == "ok" { Ok(()) } else { Err(Error::Corrupt(found)) }
    }

    pub(crate) fn records_after(&self, seq: u64) -> Result<Vec<Record>, Error> {
        self.list("SELECT record FROM records WHERE seq > ?1 ORDER BY seq", &[&int(seq)], |row| {
            let bytes: Vec<u8> = row.get(0)?;
            let record = bytes.strip_prefix(&[RECORD_FORMAT]).and_then(|b| postcard::from_bytes(b).ok());
            record.ok_or_else(|| unreadable("record"))
        })
    }

    fn list<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(read(row)?);
        }
        Ok(items)
    }

    fn first<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(read).transpose()
    }
}

/// How many rows to ask for.
fn limited(limit: u32) -> u32 {
    limit.clamp(1, PAGE_MAX)
}

/// A page of a list that was asked for one row more than `limit`.
fn page<T, C>(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> C) -> Page<T, C> {
    let is_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = if is_more { items.last().map(place) } else { None };
    Page { items, next }
}
