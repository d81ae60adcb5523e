//! Runs that are over and old: which may leave the file (spec WFL-9), a bounded look at a time.

use super::{Reader, column};
use crate::Error;
use crate::rows::int;
use std::collections::HashSet;
use std::time::Duration;
use types::{Id, Timestamp};

/// From the end of one look through all runs to the next.
const LOOK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What one look found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forgettable {
    /// In the order of acceptance.
    pub runs: Vec<Id>,
    /// Behind which number the look goes on; 0: it has come to runs that are too young.
    pub through: u64,
}

/// One invocation that was looked at.
struct Candidate {
    number: u64,
    id: Id,
    /// When it ended, as far as its action is still kept; None: it is not over, or nobody knows.
    ended_at: Option<Timestamp>,
    is_over: bool,
    /// What called it and is still there.
    parent: Option<Id>,
    /// It is the last that a schedule did, which is told of that.
    is_last_of_schedule: bool,
}

impl Reader {
    /// When runs are to be looked through next, which are kept for `kept` after their end; None: there are none
    /// that could leave.
    pub fn next_forget(&self, kept: Duration) -> Result<Option<Timestamp>, Error> {
        let (through, last) = self.forgetting()?;
        if through > 0 {
            return Ok(Some(Timestamp::from_millis(0)));
        }
        let sql =
            "SELECT id FROM invocations WHERE number < (SELECT max(number) FROM invocations) ORDER BY number LIMIT 1";
        let oldest = self.first(sql, &[], |row| column::id(row, 0))?;
        Ok(oldest.map(|id| {
            let first = id.time().plus(kept);
            last.map_or(first, |last| first.max(last.plus(LOOK_EVERY)))
        }))
    }

    /// Of the next `look_max` runs those that ended before `before`, `leave_max` at most. A run stays as long as the one
    /// that called it: that one may be run again. The newest stays, so that its number is not given twice.
    pub fn forgettable(&self, before: Timestamp, look_max: u32, leave_max: usize) -> Result<Forgettable, Error> {
        let (from, _) = self.forgetting()?;
        let newest = self.next_invocation() - 1;
        let looked = self.list(LOOK, &[&int(from), &look_max], candidate)?;
        let is_end = looked.len() < look_max as usize;
        let (mut found, mut leaving) = (Forgettable::default(), HashSet::new());
        for run in looked {
            // All that follow are younger still.
            if run.id.time() >= before {
                return Ok(Forgettable { through: 0, ..found });
            }
            let is_old = run.is_over && run.ended_at.unwrap_or(run.id.time()) < before;
            let is_called = run.parent.is_some_and(|parent| !leaving.contains(&parent));
            if is_old && !is_called && !run.is_last_of_schedule && run.number != newest {
                leaving.insert(run.id);
                found.runs.push(run.id);
            }
            found.through = run.number;
            if found.runs.len() == leave_max {
                return Ok(found);
            }
        }
        Ok(if is_end { Forgettable { through: 0, ..found } } else { found })
    }

    /// Behind which number a look goes on, and when the last one ended.
    fn forgetting(&self) -> Result<(u64, Option<Timestamp>), Error> {
        let sql = "SELECT forgetThrough, forgottenAt FROM meta";
        let read = |row: &rusqlite::Row<'_>| Ok((column::number(row, 0)?, column::optional_time(row, 1)?));
        Ok(self.first(sql, &[], read)?.unwrap_or((0, None)))
    }
}

const LOOK: &str = "SELECT i.number, i.id, a.completedAt, i.standing = 'done',
       (SELECT p.id FROM invocations p WHERE p.id = i.parent),
       i.trigger = 'schedule' AND EXISTS (SELECT 1 FROM schedules s WHERE s.name = i.name)
         AND NOT EXISTS (SELECT 1 FROM invocations n INDEXED BY invocationsByName
           WHERE n.trigger = 'schedule' AND n.name = i.name AND n.number > i.number)
     FROM (SELECT * FROM invocations WHERE number > ?1 ORDER BY number LIMIT ?2) i
     LEFT JOIN actions a ON a.id = i.id ORDER BY i.number";

fn candidate(row: &rusqlite::Row<'_>) -> Result<Candidate, Error> {
    Ok(Candidate {
        number: column::number(row, 0)?,
        id: column::id(row, 1)?,
        ended_at: column::optional_time(row, 2)?,
        is_over: row.get(3)?,
        parent: column::optional_id(row, 4)?,
        is_last_of_schedule: row.get(5)?,
    })
}
