//! What happened, in order.

use super::{Page, Reader, SCAN_MAX, column, limited};
use crate::Error;
use crate::rows::int;
use rusqlite::Row;
use types::EventRow;

/// Which events (spec EVT-4). What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EventFilter {
    /// Only those with a higher sequence.
    pub after: u64,
    pub verb: Option<String>,
    pub source: Option<String>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

pub(super) const COLUMNS: &str = "sequence, id, verb, source, data, actionId, createdAt";

impl Reader {
    /// Events, oldest first.
    pub fn events(&self, filter: &EventFilter) -> Result<Page<EventRow, u64>, Error> {
        let limit = limited(filter.limit);
        let last = self.next_sequence() - 1;
        // What is past the end has no number of its own in the file.
        let after = filter.after.min(last);
        let end = last.min(after.saturating_add(u64::from(SCAN_MAX)));
        let items = self.list(
            &format!(
                "SELECT {COLUMNS} FROM events
             WHERE sequence > ?1 AND sequence <= ?2 AND (?3 IS NULL OR verb = ?3) AND (?4 IS NULL OR source = ?4)
             ORDER BY sequence LIMIT ?5"
            ),
            &[&int(after), &int(end), &filter.verb, &filter.source, &limit],
            read,
        )?;
        let seen = items.last().filter(|_| items.len() == limit as usize).map_or(end, |e| e.sequence);
        Ok(Page { items, next: (seen < last).then_some(seen) })
    }
}

pub(super) fn read(row: &Row<'_>) -> Result<EventRow, Error> {
    Ok(EventRow {
        sequence: column::number(row, 0)?,
        id: column::id(row, 1)?,
        verb: row.get(2)?,
        source: row.get(3)?,
        data: column::json(row, 4, "data")?,
        action: column::id(row, 5)?,
        created_at: column::time(row, 6)?,
    })
}
