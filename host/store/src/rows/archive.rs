//! Rows leave for an archive and come back. Which ones may leave is the caller's to say; the newest version of a live
//! thing stays whatever is said.

use super::things::{RELATIONSHIP, branch_key, insert_edge, insert_version};
use super::{Blob, int, run};
use crate::Error;
use rusqlite::{Connection, OptionalExtension as _, params};
use types::{ArchivedRow, EventRow, ThingRow};

pub(crate) fn take(connection: &Connection, a: &ArchivedRow) -> Result<(), Error> {
    for version in &a.things {
        take_version(connection, int(*version), a.archive.map(Blob::of))?;
    }
    for id in &a.actions {
        run(connection, "DELETE FROM actions WHERE id = ?1", params![Blob::of(*id)])?;
    }
    for sequence in &a.events {
        run(connection, "DELETE FROM events WHERE sequence = ?1", params![int(*sequence)])?;
    }
    Ok(())
}

fn take_version(connection: &Connection, version: i64, archive: Option<Blob>) -> Result<(), Error> {
    let found: Option<(String, String, Option<String>, bool)> = connection
        .prepare_cached("SELECT type, id, branch, deleted FROM things WHERE version = ?1")?
        .query_row(params![version], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((noun, id, branch, deleted)) = found else { return Ok(()) };
    let head: Option<i64> = connection
        .prepare_cached("SELECT version FROM heads WHERE branch = ?1 AND type = ?2 AND id = ?3")?
        .query_row(params![branch.as_deref().unwrap_or(""), noun, id], |row| row.get(0))
        .optional()?;
    if head == Some(version) {
        if !deleted || branch.is_some() {
            return Ok(());
        }
        run(connection, "DELETE FROM heads WHERE branch = '' AND type = ?1 AND id = ?2", params![noun, id])?;
    }
    run(
        connection,
        "INSERT INTO archived (version, type, id, branch, deleted, archive) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![version, noun, id, branch, deleted, archive],
    )?;
    run(connection, "DELETE FROM things WHERE version = ?1", params![version])?;
    if noun == RELATIONSHIP {
        run(
            connection,
            "DELETE FROM edges WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM things WHERE type = ?2 AND id = ?1)",
            params![id, RELATIONSHIP],
        )?;
    }
    Ok(())
}

/// Heads stay as they are, but for a deleted thing that vanished whole: its marker is its head again.
pub(crate) fn put_back(connection: &Connection, t: &ThingRow) -> Result<(), Error> {
    let version = int(t.version);
    let is_archived: Option<i64> = connection
        .prepare_cached("SELECT version FROM archived WHERE version = ?1")?
        .query_row(params![version], |row| row.get(0))
        .optional()?;
    if is_archived.is_none() {
        return Ok(());
    }
    insert_version(connection, t)?;
    run(connection, "DELETE FROM archived WHERE version = ?1", params![version])?;
    let (noun, id) = (t.key.noun.as_str(), t.key.id.as_str());
    if t.deleted && t.branch.is_none() {
        run(
            connection,
            "INSERT INTO heads (branch, type, id, version, deleted) VALUES (?1, ?2, ?3, ?4, 1)
             ON CONFLICT (branch, type, id) DO UPDATE SET version = ?4 WHERE deleted = 1 AND version < ?4",
            params![branch_key(None), noun, id, version],
        )?;
    }
    if noun == RELATIONSHIP {
        insert_edge(connection, t)?;
    }
    Ok(())
}

pub(crate) fn put_back_event(connection: &Connection, e: &EventRow) -> Result<(), Error> {
    let is_there: Option<i64> = connection
        .prepare_cached("SELECT sequence FROM events WHERE sequence = ?1")?
        .query_row(params![int(e.sequence)], |row| row.get(0))
        .optional()?;
    if is_there.is_some() {
        return Ok(());
    }
    super::insert_event(connection, e)?;
    run(connection, "UPDATE events SET streamed = 1 WHERE sequence = ?1", params![int(e.sequence)])
}
