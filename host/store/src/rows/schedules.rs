//! Where schedules stand.

use super::{Blob, int, millis, run};
use crate::Error;
use rusqlite::{Connection, params};
use types::{Id, ScheduleState};

/// Inserts it, moves it on, or removes it. What its runs came to stays.
pub(crate) fn put(connection: &Connection, name: &str, state: Option<&ScheduleState>) -> Result<(), Error> {
    let Some(s) = state else {
        return run(connection, "DELETE FROM schedules WHERE name = ?1", params![name]);
    };
    run(
        connection,
        "INSERT INTO schedules (name, id, canonical, timezone, paused, anchor, nextRunAt, lastRunAt, lastOutcome,
           runCount, refusedCount, skippedCount)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (name) DO UPDATE SET id = ?2, canonical = ?3, timezone = ?4, paused = ?5, anchor = ?6,
           nextRunAt = ?7, lastRunAt = ?8, lastOutcome = ?9, runCount = ?10, refusedCount = ?11, skippedCount = ?12",
        params![
            name,
            Blob::of(s.id),
            s.canonical,
            s.timezone,
            s.paused,
            millis(s.anchor),
            s.next_run_at.map(millis),
            s.last.map(|last| millis(last.at)),
            s.last.map(|last| last.outcome.as_str()),
            int(s.run_count),
            int(s.refused_count),
            int(s.skipped_count),
        ],
    )
}

/// An invocation ended without a result: if a schedule asked for it, that counts there.
pub(crate) fn count_failed(connection: &Connection, invocation: Id) -> Result<(), Error> {
    run(
        connection,
        "UPDATE schedules SET failedCount = failedCount + 1
         WHERE name = (SELECT name FROM invocations WHERE id = ?1 AND trigger = 'schedule')",
        params![Blob::of(invocation)],
    )
}
