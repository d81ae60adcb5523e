//! Runs of workflows.

use super::{Blob, run};
use crate::Error;
use rusqlite::{Connection, params};
use types::WorkflowRunRow;

/// Its invocation is in the file already.
pub(crate) fn put(connection: &Connection, w: &WorkflowRunRow) -> Result<(), Error> {
    let body = postcard::to_stdvec(w).map_err(|e| Error::Io(std::io::Error::other(e.to_string())))?;
    run(
        connection,
        "INSERT INTO workflowRuns (id, run, number, workflow, name, whole, key, width, body)
         VALUES (?1, ?2, (SELECT number FROM invocations WHERE id = ?1), ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET key = ?6, body = ?8",
        params![Blob::of(w.id), Blob::of(w.run), w.workflow, w.name, w.branch.is_none(), w.key, w.width, body],
    )
}
