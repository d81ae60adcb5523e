//! Durable invocations: what is ready, what is due, what waits, and what each has done so far.

use super::{Page, Reader, SCAN_MAX, column, limited};
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
    /// Of this function.
    pub function: Option<String>,
    pub status: Option<InvocationStatus>,
    /// Only those that are not done, or only those that are.
    pub done: Option<bool>,
    /// Only those before this number: where the last page said to go on.
    pub before: Option<u64>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

/// Where an invocation stands, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvocationStatus {
    /// Accepted, and no attempt began; or ready to go on, with no place to run in yet.
    Pending,
    Running,
    /// For the time, an event, another invocation.
    Waiting,
    /// Between two attempts.
    Retrying,
    Paused,
    Completed,
    Failed,
    Cancelled,
}

impl InvocationStatus {
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Retrying,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Of one that is as its state says; how it failed is in its action's row.
    pub fn of(state: &InvocationState, was_cancelled: bool) -> Self {
        match &state.at {
            Standing::Ready => Self::Pending,
            Standing::Running => Self::Running,
            Standing::Delayed { .. } if state.attempt > 1 => Self::Retrying,
            Standing::Delayed { .. } => Self::Pending,
            Standing::Waiting { .. } => Self::Waiting,
            Standing::Paused => Self::Paused,
            Standing::Done { output: Some(_) } => Self::Completed,
            Standing::Done { output: None } if was_cancelled => Self::Cancelled,
            Standing::Done { output: None } => Self::Failed,
        }
    }

    /// The same as a condition on the row `i`.
    fn condition(self) -> &'static str {
        match self {
            Self::Pending => "(standing = 'ready' OR (standing = 'delayed' AND attempt = 1))",
            Self::Running => "standing = 'running'",
            Self::Waiting => "standing = 'waiting'",
            Self::Retrying => "standing = 'delayed' AND attempt > 1",
            Self::Paused => "standing = 'paused'",
            Self::Completed => "standing = 'done' AND output IS NOT NULL",
            Self::Failed => {
                "standing = 'done' AND output IS NULL
                 AND (SELECT status FROM actions a WHERE a.id = i.id) IS NOT 'cancelled'"
            }
            Self::Cancelled => {
                "standing = 'done' AND output IS NULL
                 AND (SELECT status FROM actions a WHERE a.id = i.id) IS 'cancelled'"
            }
        }
    }
}

const COLUMNS: &str = "id, body, input, attempt, interrupted, standing, until, waitStep, waitChild, waitNoun, \
                       waitVerb, waitFilter, output, version, priority, retryOn";
const STEPS: &str = "invocation, ordinal, attempt, name, stepId, fingerprint, call, reply, child, startedAt, endedAt";

/// Of the delivery `name`: it is to be tried for the first time, and nothing keeps it from that but its turn. What is
/// held back by an earlier event of its thing, which is retried or waits, holds nobody back itself.
macro_rules! untried {
    ($name:literal) => {
        concat!(
            $name,
            ".sequence IS NOT NULL AND ",
            $name,
            ".standing <> 'done' AND ",
            $name,
            ".standing IN ('ready', 'running') AND ",
            $name,
            ".attempt = 1
             AND NOT EXISTS (SELECT 1 FROM invocations h WHERE h.serial = ",
            $name,
            ".serial AND h.standing <> 'done'
               AND h.number < ",
            $name,
            ".number AND (h.attempt > 1 OR h.standing NOT IN ('ready', 'running')))"
        )
    };
}

impl Reader {
    /// What the next invocation row must have. It grows when one is written.
    pub fn next_invocation(&self) -> u64 {
        self.state.next_invocation
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

    /// Those that can run, the highest priority first, and in the order of acceptance: what has a serial word only when
    /// nothing of that word is before it, a handler of an event only when those before it have been tried.
    pub fn ready_invocations(&self, limit: u32) -> Result<Vec<Invocation>, Error> {
        let limit = limited(limit);
        let mut found = Vec::new();
        // What has no priority of its own, which is nearly all, is not sorted, and has no row in the other index.
        for (index, which, order) in [
            ("invocationsByPriority", "priority <> 0 AND priority > 0", "priority DESC, number"),
            ("invocationsReady", "priority = 0", "number"),
            ("invocationsByPriority", "priority <> 0 AND priority < 0", "priority DESC, number"),
        ] {
            let left = limit - u32::try_from(found.len()).unwrap_or(limit).min(limit);
            if left == 0 {
                break;
            }
            let sql = format!(
                "SELECT {COLUMNS} FROM invocations i INDEXED BY {index}
                 WHERE standing IN ('ready', 'running') AND standing = 'ready' AND {which} AND {MAY_RUN}
                 ORDER BY {order} LIMIT ?1"
            );
            found.extend(self.list(&sql, &[&left], read)?);
        }
        Ok(found)
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

    /// Deliveries of events that are to be tried for the first time and could be, counted up to `max`.
    pub fn untried_deliveries(&self, max: u32) -> Result<u32, Error> {
        let sql = concat!(
            "SELECT count(*) FROM (SELECT 1 FROM invocations d INDEXED BY invocationsDelivering WHERE ",
            untried!("d"),
            " LIMIT ?1)"
        );
        Ok(self.first(sql, &[&max], |row| Ok(row.get(0)?))?.unwrap_or(0))
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

    /// When the next thing is due, an invocation or a schedule.
    pub fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT until FROM invocations WHERE until IS NOT NULL ORDER BY until LIMIT 1";
        let invocation = self.first(sql, &[], |row| column::time(row, 0))?;
        Ok(invocation.into_iter().chain(self.next_tick()?).min())
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

    /// Newest first. One look is bounded in rows, so a page may be short, or empty, and not be the last.
    pub fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation, u64>, Error> {
        let limit = limited(filter.limit);
        let before = filter.before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let status = filter.status.map_or("1", InvocationStatus::condition);
        // The inner query makes the bound on the work, the outer one stops as soon as it has enough.
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM invocations WHERE number < ?1 ORDER BY number DESC LIMIT ?2) i
             WHERE (?3 IS NULL OR trigger = ?3) AND (?4 IS NULL OR name = ?4) AND (?5 IS NULL OR function = ?5)
               AND (?6 IS NULL OR (standing = 'done') = ?6) AND {status}
             ORDER BY number DESC LIMIT ?7"
        );
        let values: [&dyn ToSql; 7] =
            [&before, &SCAN_MAX, &filter.trigger, &filter.name, &filter.function, &filter.done, &limit];
        let items = self.list(&sql, &values, read)?;
        let next = if items.len() == limit as usize {
            items.last().map(|i| i.row.number).filter(|number| *number > 1)
        } else {
            let sql = "SELECT number FROM invocations WHERE number < ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2";
            self.first(sql, &[&before, &(SCAN_MAX - 1)], |row| column::number(row, 0))?.filter(|number| *number > 1)
        };
        Ok(Page { items, next })
    }

    /// Of a function, those that are not done and pinned to another version than this: their ids, in the order of
    /// acceptance, behind the number `after`. It looks at a bounded number of rows: `next` is behind what number to go
    /// on, None at the end.
    pub fn pinned_elsewhere(&self, function: &str, version: u64, after: u64) -> Result<Page<(u64, Id), u64>, Error> {
        let end = after.saturating_add(u64::from(SCAN_MAX));
        let items = self.list(
            "SELECT number, id FROM invocations WHERE number > ?1 AND number <= ?2 AND function = ?3
               AND standing <> 'done' AND version <> ?4 ORDER BY number",
            &[&int(after), &int(end), &function, &int(version)],
            |row| Ok((column::number(row, 0)?, column::id(row, 1)?)),
        )?;
        let last = self.next_invocation() - 1;
        Ok(Page { items, next: (end < last).then_some(end) })
    }

    /// The steps of an invocation in their order, from `from` on.
    pub fn steps(&self, invocation: Id, from: u32, limit: u32) -> Result<Vec<StepRow>, Error> {
        let sql =
            format!("SELECT {STEPS} FROM steps WHERE invocation = ?1 AND ordinal >= ?2 ORDER BY ordinal LIMIT ?3");
        self.list(&sql, &[&Blob::of(invocation), &from, &limit], read_step)
    }

    /// Whether the last call that is recorded of it awaits another invocation that is not over, as far as is known here:
    /// one of another object is not.
    pub fn awaits_unfinished(&self, invocation: Id) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM (SELECT child FROM steps WHERE invocation = ?1 AND ordinal =
                     (SELECT max(ordinal) FROM steps WHERE invocation = ?1) AND reply IS NULL) s
                   LEFT JOIN invocations i ON i.id = s.child
                   WHERE s.child IS NOT NULL AND coalesce(i.standing, '') <> 'done'";
        Ok(self.first(sql, &[&Blob::of(invocation)], |_| Ok(()))?.is_some())
    }

    pub fn step(&self, invocation: Id, ordinal: u32) -> Result<Option<StepRow>, Error> {
        let sql = format!("SELECT {STEPS} FROM steps WHERE invocation = ?1 AND ordinal = ?2");
        self.first(&sql, &[&Blob::of(invocation), &ordinal], read_step)
    }
}

/// Of `i`: nothing of its serial word is unfinished before it (of the runs of a workflow: fewer than may be under way at
/// once). Of a delivery also: every handler of its event that comes
/// before it was tried, and so was every earlier event of its subscription (spec ON-2, ON-4).
const MAY_RUN: &str = concat!(
    "(i.serial IS NULL OR NOT EXISTS (SELECT 1 FROM invocations s WHERE s.serial = i.serial
        AND s.standing <> 'done' AND s.number < i.number)
      OR coalesce((SELECT w.width FROM workflowRuns w WHERE w.id = i.id), 1) > (SELECT count(*) FROM
        (SELECT 1 FROM invocations s WHERE s.serial = i.serial AND s.standing <> 'done'
         AND s.number < i.number LIMIT 10000)))
     AND (i.sequence IS NULL OR NOT EXISTS (SELECT 1 FROM invocations e WHERE e.sequence = i.sequence
        AND e.place < i.place AND e.parent IS NULL AND ",
    untried!("e"),
    "))
     AND (i.sequence IS NULL OR NOT EXISTS (SELECT 1 FROM invocations p INDEXED BY invocationsDelivering
        WHERE p.name = i.name AND p.number < i.number AND ",
    untried!("p"),
    "))"
);

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
        row: InvocationRow {
            input: column::json(row, 2, "input")?,
            version: column::number(row, 13)?,
            priority: row.get(14)?,
            retry_on: match row.get::<_, Option<String>>(15)? {
                Some(codes) => serde_json::from_str(&codes).map_err(|_| unreadable("retryOn"))?,
                None => Vec::new(),
            },
            ..body
        },
        state: InvocationState { id, attempt: row.get(3)?, interrupted: row.get(4)?, at },
    })
}

fn awaited(row: &Row<'_>) -> Result<Awaited, Error> {
    let ordinal = row.get(7)?;
    let (noun, verb): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
    Ok(match (column::optional_id(row, 8)?, noun.zip(verb)) {
        (Some(own), _) if own == column::id(row, 0)? => Awaited::Request { ordinal },
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
