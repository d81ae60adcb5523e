//! What people are asked for.

use super::{Blob, millis, run};
use crate::Error;
use rusqlite::{Connection, params};
use types::RequestRow;

pub(crate) fn put(connection: &Connection, r: &RequestRow) -> Result<(), Error> {
    let body = postcard::to_stdvec(r).map_err(|e| Error::Io(std::io::Error::other(e.to_string())))?;
    run(
        connection,
        "INSERT INTO requests (id, key, parent, method, type, worker, requester, status, urgency, level, createdAt,
           expiresAt, nextAt, resolvedAt, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (id) DO UPDATE SET status = ?8, urgency = ?9, level = ?10, expiresAt = ?12, nextAt = ?13,
           resolvedAt = ?14, body = ?15",
        params![
            Blob::of(r.id),
            r.key,
            r.parent.map(Blob::of),
            r.method.as_str(),
            r.kind,
            r.worker.to_string(),
            r.requester,
            r.status.as_str(),
            r.urgency.as_str(),
            r.level,
            millis(r.created_at),
            millis(r.expires_at),
            r.next.as_ref().map(|next| millis(next.at)),
            r.resolved_at.map(millis),
            body,
        ],
    )?;
    for assignee in &r.assignees {
        run(
            connection,
            "INSERT INTO requestAssignees (person, request, status) VALUES (?1, ?2, ?3)
             ON CONFLICT (person, request) DO UPDATE SET status = ?3",
            params![assignee.id, Blob::of(r.id), r.status.as_str()],
        )?;
    }
    Ok(())
}
