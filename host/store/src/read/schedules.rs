//! Schedules: which are due, how each stands, what its runs came to.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::rows::int;
use rusqlite::Row;
use types::{Id, LastTick, ScheduleState, TickOutcome, Timestamp};

/// A schedule and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scheduled {
    pub name: String,
    pub state: ScheduleState,
    /// Runs that ended without a result, by failing or by being cancelled.
    pub failed_count: u64,
}

const COLUMNS: &str = "name, id, canonical, timezone, paused, anchor, nextRunAt, lastRunAt, lastOutcome, runCount, \
                       refusedCount, skippedCount, failedCount";

impl Reader {
    pub fn schedule(&self, name: &str) -> Result<Option<Scheduled>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM schedules WHERE name = ?1"), &[&name], read)
    }

    /// By name, those behind `after`.
    pub fn schedules(&self, after: Option<&str>, limit: u32) -> Result<Page<Scheduled, String>, Error> {
        let limit = limited(limit);
        let sql = format!("SELECT {COLUMNS} FROM schedules WHERE name > ?1 ORDER BY name LIMIT ?2");
        let items = self.list(&sql, &[&after.unwrap_or_default(), &(limit + 1)], read)?;
        Ok(page(items, limit, |scheduled| scheduled.name.clone()))
    }

    /// Those whose next tick has come, earliest first.
    pub fn due_schedules(&self, now: Timestamp, limit: u32) -> Result<Vec<Scheduled>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM schedules WHERE nextRunAt <= ?1 ORDER BY nextRunAt LIMIT ?2");
        self.list(&sql, &[&int(now.as_millis()), &limited(limit)], read)
    }

    /// When the next schedule is due.
    pub(super) fn next_tick(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT nextRunAt FROM schedules WHERE nextRunAt IS NOT NULL ORDER BY nextRunAt LIMIT 1";
        self.first(sql, &[], |row| column::time(row, 0))
    }

    /// How many runs of a schedule have not ended; counted up to `max`.
    pub fn unfinished_of_schedule(&self, name: &str, max: u32) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM invocations INDEXED BY invocationsOfSchedule
                   WHERE trigger = 'schedule' AND standing <> 'done' AND name = ?1 LIMIT ?2)";
        Ok(self.first(sql, &[&name, &max], |row| Ok(row.get(0)?))?.unwrap_or(0))
    }

    /// The newest invocation that a schedule asked for.
    pub fn newest_of_schedule(&self, name: &str) -> Result<Option<Id>, Error> {
        let sql = "SELECT id FROM invocations INDEXED BY invocationsByName
                   WHERE trigger = 'schedule' AND name = ?1 ORDER BY number DESC LIMIT 1";
        self.first(sql, &[&name], |row| column::id(row, 0))
    }
}

fn read(row: &Row<'_>) -> Result<Scheduled, Error> {
    let last = match column::optional_time(row, 7)? {
        None => None,
        Some(at) => {
            let outcome = column::parsed(row, 8, "lastOutcome", |text: String| TickOutcome::parse(&text))?;
            Some(LastTick { at, outcome })
        }
    };
    Ok(Scheduled {
        name: row.get(0)?,
        state: ScheduleState {
            id: column::id(row, 1)?,
            canonical: row.get(2)?,
            timezone: row.get(3)?,
            paused: row.get(4)?,
            anchor: column::time(row, 5)?,
            next_run_at: column::optional_time(row, 6)?,
            last,
            run_count: column::number(row, 9)?,
            refused_count: column::number(row, 10)?,
            skipped_count: column::number(row, 11)?,
        },
        failed_count: column::number(row, 12)?,
    })
}
