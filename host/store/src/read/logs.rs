//! What functions wrote.

use super::{Page, Reader, SCAN_MAX, column, limited};
use crate::Error;
use crate::rows::{Blob, int};
use rusqlite::Row;
use types::{Id, LogRow, LogStream};

/// Which lines. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogFilter {
    /// Of the actions on this target: `Function/pay`.
    pub target: Option<String>,
    /// Of this action.
    pub action: Option<Id>,
    /// Only those with a higher row.
    pub after: u64,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

/// A line and its place among all lines of the object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogEntry {
    pub row: u64,
    pub line: LogRow,
}

impl Reader {
    /// Lines in the order in which they were kept.
    pub fn logs(&self, filter: &LogFilter) -> Result<Page<LogEntry, u64>, Error> {
        let limit = limited(filter.limit);
        let last = self.first("SELECT coalesce(max(rowid), 0) FROM logs", &[], |row| column::number(row, 0))?;
        let last = last.unwrap_or(0);
        let (items, end) = match filter.action {
            Some(action) => (self.logs_of_action(action, filter, limit)?, last),
            None => {
                let end = last.min(filter.after.saturating_add(u64::from(SCAN_MAX)));
                (self.logs_of_target(filter, end, limit)?, end)
            }
        };
        let seen = items.last().filter(|_| items.len() == limit as usize).map_or(end, |e| e.row);
        Ok(Page { items, next: (seen < last).then_some(seen) })
    }

    fn logs_of_action(&self, action: Id, filter: &LogFilter, limit: u32) -> Result<Vec<LogEntry>, Error> {
        self.list(
            "SELECT l.rowid, l.actionId, l.ordinal, l.createdAt, l.stream, l.text FROM logs l
             WHERE l.actionId = ?1 AND l.rowid > ?2
               AND (?3 IS NULL OR ?3 = (SELECT target FROM actions WHERE id = ?1))
             ORDER BY l.rowid LIMIT ?4",
            &[&Blob(action), &int(filter.after), &filter.target, &limit],
            read,
        )
    }

    fn logs_of_target(&self, filter: &LogFilter, end: u64, limit: u32) -> Result<Vec<LogEntry>, Error> {
        self.list(
            "SELECT l.rowid, l.actionId, l.ordinal, l.createdAt, l.stream, l.text FROM logs l
             WHERE l.rowid > ?1 AND l.rowid <= ?2
               AND (?3 IS NULL OR ?3 = (SELECT target FROM actions WHERE id = l.actionId))
             ORDER BY l.rowid LIMIT ?4",
            &[&int(filter.after), &int(end), &filter.target, &limit],
            read,
        )
    }
}

fn read(row: &Row<'_>) -> Result<LogEntry, Error> {
    let line = LogRow {
        action: column::id(row, 1)?,
        ordinal: row.get(2)?,
        at: column::time(row, 3)?,
        stream: column::parsed(row, 4, "stream", |text: String| LogStream::parse(&text))?,
        text: row.get(5)?,
    };
    Ok(LogEntry { row: column::number(row, 0)?, line })
}
