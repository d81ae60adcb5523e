//! Runs of workflows and their branches.

use super::invocations::{Invocation, read as read_invocation};
use super::{Page, Reader, limited, page};
use crate::Error;
use crate::error::unreadable;
use crate::rows::Blob;
use rusqlite::{Row, ToSql};
use types::{Id, WorkflowRunRow};

/// A run and its invocation.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkflowRun {
    pub row: WorkflowRunRow,
    pub invocation: Invocation,
}

/// Which runs of a workflow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkflowRunFilter {
    pub workflow: String,
    /// Only those before this number: where the last page said to go on.
    pub before: Option<u64>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

/// Behind the columns of an invocation.
const BODY: usize = 16;

impl Reader {
    pub fn workflow_run(&self, id: Id) -> Result<Option<WorkflowRun>, Error> {
        self.first(&sql("w.id = ?1", ""), &[&Blob::of(id)], read)
    }

    /// The run that is called so outside.
    pub fn workflow_run_named(&self, workflow: &str, name: &str) -> Result<Option<WorkflowRun>, Error> {
        self.first(&sql("w.whole = 1 AND w.workflow = ?1 AND w.name = ?2", ""), &[&workflow, &name], read)
    }

    /// The run that was begun for this.
    pub fn workflow_run_by_key(&self, workflow: &str, key: &str) -> Result<Option<WorkflowRun>, Error> {
        self.first(&sql("w.key IS NOT NULL AND w.workflow = ?1 AND w.key = ?2", ""), &[&workflow, &key], read)
    }

    /// A run and all of its branches, in the order in which they began.
    pub fn workflow_family(&self, run: Id) -> Result<Vec<WorkflowRun>, Error> {
        self.list(&sql("w.run = ?1", "ORDER BY w.number LIMIT 10000"), &[&Blob::of(run)], read)
    }

    /// Newest first, without branches.
    pub fn workflow_runs(&self, filter: &WorkflowRunFilter) -> Result<Page<WorkflowRun, u64>, Error> {
        let limit = limited(filter.limit);
        let before = filter.before.map_or(i64::MAX, |n| i64::try_from(n).unwrap_or(i64::MAX));
        let values: [&dyn ToSql; 3] = [&filter.workflow, &before, &(limit + 1)];
        let sql = sql("w.whole = 1 AND w.workflow = ?1 AND w.number < ?2", "ORDER BY w.number DESC LIMIT ?3");
        Ok(page(self.list(&sql, &values, read)?, limit, |w| w.invocation.row.number))
    }
}

fn sql(which: &str, rest: &str) -> String {
    format!(
        "SELECT i.id, i.body, i.input, i.attempt, i.interrupted, i.standing, i.until, i.waitStep, i.waitChild, \
         i.waitNoun, i.waitVerb, i.waitFilter, i.output, i.version, i.priority, i.retryOn, w.body FROM workflowRuns w JOIN invocations i ON i.id = w.id \
         WHERE {which} {rest}"
    )
}

fn read(row: &Row<'_>) -> Result<WorkflowRun, Error> {
    let body: Vec<u8> = row.get(BODY)?;
    let known = postcard::from_bytes(&body).map_err(|_| unreadable("workflow run"))?;
    Ok(WorkflowRun { row: known, invocation: read_invocation(row)? })
}
