//! Durable invocations: what is ready, what is due, what waits, and what each has done so far.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::error::unreadable;
use crate::rows::{Blob, int};
use rusqlite::{Row, ToSql};
use types::{Awaited, Id, InvocationRow, InvocationState, Standing, StepRow, Timestamp};

/// An invocation and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Invocation {
    pub row: InvocationRow,
    pub state: InvocationState,
}

/// Which invocations. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InvocationFilter {
    /// `call`, `step`, `event`, `schedule`, `timer`, `workflow`.
    pub trigger: Option<&'static str>,
    /// Of the subscription, the schedule, the timer or the workflow.
    pub name: Option<String>,
    /// Only those that are not done, or only those that are.
    pub done: Option<bool>,
    /// Only those before this number: where the last page said to go on.
    pub before: Option<u64>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

const COLUMNS: &str = "id, body, input, attempt, interrupted, standing, until, waitStep, waitChild, waitNoun, \
                       waitVerb, waitFilter, output";
const STEPS: &str = "invocation, ordinal, attempt, name, stepId, fingerprint, call, reply, child, startedAt, endedAt";

impl Reader {
    /// What the next invocation row must have. It grows when one is written.
    pub fn next_invocation(&self) -> Result<u64, Error> {
        let last = self.first("SELECT max(number) FROM invocations", &[], |row| {
            Ok(row.get::<_, Option<i64>>(0)?.map_or(0, i64::cast_unsigned))
        })?;
        Ok(last.unwrap_or(0) + 1)
    }

    pub fn invocation(&self, id: Id) -> Result<Option<Invocation>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM invocations WHERE id = ?1"), &[&Blob::of(id)], read)
    }

    /// The newest of a function that was asked for with this key.
    pub fn invocation_by_key(&self, function: &str, key: &str) -> Result<Option<Invocation>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM invocations WHERE key = ?1 AND function = ?2 ORDER BY number DESC LIMIT 1");
        self.first(&sql, &[&key, &function], read)
    }

    /// Those that can run, in the order of acceptance: what has a serial word only when nothing of that word is before
    /// it, a handler of an event only when those before it have been tried.
    pub fn ready_invocations(&self, limit: u32) -> Result<Vec<Invocation>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invocations i INDEXED BY invocationsReady
             WHERE standing IN ('ready', 'running') AND standing = 'ready' AND {MAY_RUN} ORDER BY number LIMIT ?1"
        );
        self.list(&sql, &[&limited(limit)], read)
    }

    /// Those that ran when the file was last written to, behind `after`, in the order of acceptance.
    pub fn running_invocations(&self, after: u64, limit: u32) -> Result<Vec<Invocation>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invocations INDEXED BY invocationsReady
             WHERE standing IN ('ready', 'running') AND standing = 'running' AND number > ?1 ORDER BY number LIMIT ?2"
        );
        self.list(&sql, &[&int(after), &limited(limit)], read)
    }

    /// Whether any is ready or runs.
    pub fn has_ready_invocations(&self) -> Result<bool, Error> {
        let sql =
            "SELECT 1 FROM invocations INDEXED BY invocationsReady WHERE standing IN ('ready', 'running') LIMIT 1";
        Ok(self.first(sql, &[], |_| Ok(()))?.is_some())
    }

    /// Those that wait for the end of this one.
    pub fn waiting_for_child(&self, child: Id) -> Result<Vec<Invocation>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM invocations WHERE waitChild = ?1");
        self.list(&sql, &[&Blob::of(child)], read)
    }

    /// The unfinished timer of this name.
    pub fn timer(&self, name: &str) -> Result<Option<Invocation>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invocations WHERE trigger = 'timer' AND name = ?1 AND standing = 'delayed'
             ORDER BY number DESC LIMIT 1"
        );
        self.first(&sql, &[&name], read)
    }

    /// Those whose time has come, earliest first.
    pub fn due_invocations(&self, now: Timestamp, limit: u32) -> Result<Vec<Invocation>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM invocations WHERE until <= ?1 ORDER BY until LIMIT ?2");
        self.list(&sql, &[&int(now.as_millis()), &limited(limit)], read)
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.first("SELECT until FROM invocations WHERE until IS NOT NULL ORDER BY until LIMIT 1", &[], |row| {
            column::time(row, 0)
        })
    }

    /// Those that wait for such an event, whatever their filter says, in the order of acceptance.
    pub fn waiting_for(&self, noun: &str, verb: &str) -> Result<Vec<Invocation>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM invocations INDEXED BY invocationsWaiting WHERE waitVerb IN (?1, '*') AND waitNoun IN (?2, '*')
             ORDER BY number LIMIT {}",
            crate::SCAN_MAX
        );
        self.list(&sql, &[&verb, &noun], read)
    }

    /// Whether anything waits for events, as far as is known: asked at every event.
    pub fn may_await_events(&self) -> bool {
        self.state.awaits_events
    }

    /// Newest first.
    pub fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation, u64>, Error> {
        let limit = limited(filter.limit);
        let before = filter.before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let sql = format!(
            "SELECT {COLUMNS} FROM invocations WHERE number < ?1 AND (?2 IS NULL OR trigger = ?2)
               AND (?3 IS NULL OR name = ?3) AND (?4 IS NULL OR (standing = 'done') = ?4)
             ORDER BY number DESC LIMIT ?5"
        );
        let values: [&dyn ToSql; 5] = [&before, &filter.trigger, &filter.name, &filter.done, &(limit + 1)];
        Ok(page(self.list(&sql, &values, read)?, limit, |i| i.row.number))
    }

    /// The steps of an invocation in their order, from `from` on.
    pub fn steps(&self, invocation: Id, from: u32, limit: u32) -> Result<Vec<StepRow>, Error> {
        let sql =
            format!("SELECT {STEPS} FROM steps WHERE invocation = ?1 AND ordinal >= ?2 ORDER BY ordinal LIMIT ?3");
        self.list(&sql, &[&Blob::of(invocation), &from, &limit], read_step)
    }

    pub fn step(&self, invocation: Id, ordinal: u32) -> Result<Option<StepRow>, Error> {
        let sql = format!("SELECT {STEPS} FROM steps WHERE invocation = ?1 AND ordinal = ?2");
        self.first(&sql, &[&Blob::of(invocation), &ordinal], read_step)
    }
}

/// Of `i`: nothing of its serial word is unfinished before it (of the runs of a workflow: fewer than may be under way at
/// once), and no handler of its event that comes before it is
/// still to be tried for the first time.
const MAY_RUN: &str = "(i.serial IS NULL OR NOT EXISTS (SELECT 1 FROM invocations s WHERE s.serial = i.serial
               AND s.standing <> 'done' AND s.number < i.number)
               OR coalesce((SELECT w.width FROM workflowRuns w WHERE w.id = i.id), 1) > (SELECT count(*) FROM
                 (SELECT 1 FROM invocations s WHERE s.serial = i.serial AND s.standing <> 'done'
                  AND s.number < i.number LIMIT 10000)))
             AND (i.sequence IS NULL OR NOT EXISTS (SELECT 1 FROM invocations e WHERE e.sequence = i.sequence
               AND e.place < i.place AND e.standing IN ('ready', 'running') AND e.attempt = 1 AND e.standing <> 'done'))";

pub(super) fn read(row: &Row<'_>) -> Result<Invocation, Error> {
    let id = column::id(row, 0)?;
    let body: Vec<u8> = row.get(1)?;
    let body: InvocationRow = postcard::from_bytes(&body).map_err(|_| unreadable("invocation"))?;
    let until = column::optional_time(row, 6)?;
    let standing: String = row.get(5)?;
    let at = match standing.as_str() {
        "ready" => Standing::Ready,
        "running" => Standing::Running,
        "delayed" => Standing::Delayed { until: until.ok_or_else(|| unreadable("until"))? },
        "waiting" => Standing::Waiting { on: awaited(row)?, until },
        "paused" => Standing::Paused,
        "done" => Standing::Done {
            output: match row.get_ref(12)? {
                rusqlite::types::ValueRef::Null => None,
                _ => Some(column::json(row, 12, "output")?),
            },
        },
        _ => return Err(unreadable("standing")),
    };
    Ok(Invocation {
        row: InvocationRow { input: column::json(row, 2, "input")?, ..body },
        state: InvocationState { id, attempt: row.get(3)?, interrupted: row.get(4)?, at },
    })
}

fn awaited(row: &Row<'_>) -> Result<Awaited, Error> {
    let ordinal = row.get(7)?;
    let (noun, verb): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
    Ok(match (column::optional_id(row, 8)?, noun.zip(verb)) {
        (Some(child), _) => Awaited::Child { ordinal, child },
        (None, Some((noun, verb))) => Awaited::Event { ordinal, noun, verb, filter: row.get(11)? },
        (None, None) => Awaited::Time { ordinal },
    })
}

fn read_step(row: &Row<'_>) -> Result<StepRow, Error> {
    let reply: Option<Vec<u8>> = row.get(7)?;
    let reply = reply.map(|bytes| postcard::from_bytes(&bytes)).transpose().map_err(|_| unreadable("reply"))?;
    Ok(StepRow {
        invocation: column::id(row, 0)?,
        ordinal: row.get(1)?,
        attempt: row.get(2)?,
        name: row.get(3)?,
        step_id: row.get(4)?,
        fingerprint: column::number(row, 5)?,
        call: row.get(6)?,
        reply,
        child: column::optional_id(row, 8)?,
        started_at: column::time(row, 9)?,
        ended_at: column::optional_time(row, 10)?,
    })
}
