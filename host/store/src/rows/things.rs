//! Versions of things, and what is derived from them: heads, tallies, edges, the text index.

use super::{Blob, Text, int, millis, run};
use crate::Error;
use crate::read::State;
use rusqlite::{Connection, OptionalExtension as _, params};
use types::{BranchName, BranchRow, MergeRow, ThingRow, UniqueRow};

/// The noun whose things are edges between others.
pub(super) const RELATIONSHIP: &str = "Relationship";

/// How main is written where NULL cannot stand.
pub(crate) fn branch_key(branch: Option<&BranchName>) -> &str {
    branch.map_or("", BranchName::as_str)
}

/// The version itself, without what is derived from it.
pub(super) fn insert_version(connection: &Connection, t: &ThingRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO things (version, type, id, branch, name, data, deleted, createdAt, actionId, actor, bornAt, bornBy)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            int(t.version),
            t.key.noun.as_str(),
            t.key.id.as_str(),
            t.branch.as_ref().map(BranchName::as_str),
            t.name,
            Text(&t.data),
            t.deleted,
            millis(t.created_at),
            Blob::of(t.action),
            t.actor,
            t.born.as_ref().map(|b| millis(b.at)),
            t.born.as_ref().map(|b| b.by.as_str()),
        ],
    )
}

/// Makes the version the newest of its thing; answers which was, and whether that was a delete marker.
fn put_head(connection: &Connection, branch: &str, t: &ThingRow) -> Result<Option<(i64, bool)>, Error> {
    let (noun, id) = (t.key.noun.as_str(), t.key.id.as_str());
    let values = params![branch, noun, id, int(t.version), t.deleted];
    if t.born.is_none() {
        // The first of its thing: there is none before it, unless somebody says so who does not know.
        let sql =
            "INSERT INTO heads (branch, type, id, version, deleted) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
        if connection.prepare_cached(sql)?.execute(values)? == 1 {
            return Ok(None);
        }
    }
    let before = connection
        .prepare_cached("SELECT version, deleted FROM heads WHERE branch = ?1 AND type = ?2 AND id = ?3")?
        .query_row(params![branch, noun, id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    run(
        connection,
        "INSERT INTO heads (branch, type, id, version, deleted) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET version = ?4, deleted = ?5",
        values,
    )?;
    Ok(before)
}

/// Texts that enter the index together.
const PENDING_MAX: u32 = 64;

pub(crate) fn insert(connection: &Connection, state: &mut State, t: &ThingRow) -> Result<(), Error> {
    insert_version(connection, t)?;
    let noun = t.key.noun.as_str();
    let branch = branch_key(t.branch.as_ref());
    let before = put_head(connection, branch, t)?;
    if noun == RELATIONSHIP && before.is_none() {
        insert_edge(connection, t)?;
    }
    if t.branch.is_some() {
        return run(connection, "UPDATE branches SET head = ?2 WHERE name = ?1", params![branch, int(t.version)]);
    }
    let was_live = before.is_some_and(|(_, deleted)| !deleted);
    if let (Some((version, _)), true) = (before, was_live) {
        forget(connection, state, version)?;
    }
    let change = i64::from(!t.deleted) - i64::from(was_live);
    if before.is_none() || change != 0 {
        run(
            connection,
            "INSERT INTO tallies (type, live) VALUES (?1, ?2) ON CONFLICT (type) DO UPDATE SET live = live + ?2",
            params![noun, change],
        )?;
    }
    Ok(())
}

/// What a search finds a version by. The index is filled at the same rows whoever writes them, so that a file that was
/// rebuilt has the same one.
pub(crate) fn index(connection: &Connection, state: &mut State, version: u64, text: &str) -> Result<(), Error> {
    let sql = "INSERT INTO searchPending (version, content) VALUES (?1, ?2)";
    run(connection, sql, params![int(version), text])?;
    state.pending_texts += 1;
    if state.pending_texts < PENDING_MAX {
        return Ok(());
    }
    run(connection, "INSERT INTO search (rowid, content) SELECT version, content FROM searchPending", params![])?;
    run(connection, "DELETE FROM searchPending", params![])?;
    state.pending_texts = 0;
    Ok(())
}

/// A version is not what a search finds any more.
fn forget(connection: &Connection, state: &mut State, version: i64) -> Result<(), Error> {
    if state.pending_texts > 0 {
        let sql = "DELETE FROM searchPending WHERE version = ?1";
        if connection.prepare_cached(sql)?.execute(params![version])? > 0 {
            state.pending_texts -= 1;
            return Ok(());
        }
    }
    run(connection, "DELETE FROM search WHERE rowid = ?1", params![version])
}

/// An edge's ends are the same in all of its versions: its id is made of them.
pub(super) fn insert_edge(connection: &Connection, t: &ThingRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO edges (id, verb, source, target) VALUES (?1, ?2 ->> 'verb', ?2 ->> 'from', ?2 ->> 'to')
         ON CONFLICT (id) DO NOTHING",
        params![t.key.id.as_str(), Text(&t.data)],
    )
}

pub(crate) fn put_branch(connection: &Connection, b: &BranchRow) -> Result<(), Error> {
    let things = b.things.as_ref().map(|keys| serde_json::to_string(keys).expect("keys are JSON"));
    run(
        connection,
        "INSERT INTO branches (name, thingId, parent, base, since, head, forkedFrom, createdAt, createdBy, deleted)
         VALUES (?1, ?2, ?3, ?4, ?9, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (name) DO UPDATE SET thingId = ?2, parent = ?3, head = CASE WHEN deleted THEN ?4 ELSE head END,
           base = ?4, since = ?9, forkedFrom = ?5, createdAt = ?6, createdBy = ?7, deleted = ?8",
        params![
            b.name.as_str(),
            things,
            b.parent.as_ref().map(BranchName::as_str),
            int(b.base),
            b.forked_from,
            millis(b.created_at),
            b.created_by,
            b.deleted,
            int(b.since),
        ],
    )?;
    if b.deleted {
        // What was written there stays readable by its number; another branch of this name begins with nothing.
        run(connection, "DELETE FROM heads WHERE branch = ?1", params![b.name.as_str()])?;
        run(connection, "DELETE FROM uniques WHERE branch = ?1", params![b.name.as_str()])?;
        run(connection, "DELETE FROM merges WHERE source = ?1 OR \"into\" = ?1", params![b.name.as_str()])?;
    }
    Ok(())
}

pub(crate) fn put_merge(connection: &Connection, m: &MergeRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO merges (source, \"into\", version) VALUES (?1, ?2, ?3)
         ON CONFLICT (source, \"into\") DO UPDATE SET version = ?3",
        params![branch_key(m.source.as_ref()), branch_key(m.into.as_ref()), int(m.at)],
    )
}

pub(crate) fn put_unique(connection: &Connection, u: &UniqueRow) -> Result<(), Error> {
    let sql = if u.held {
        "INSERT INTO uniques (branch, type, field, value, id, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET until = NULL"
    } else {
        "UPDATE uniques SET until = ?6
         WHERE branch = ?1 AND type = ?2 AND field = ?3 AND value = ?4 AND id = ?5 AND until IS NULL"
    };
    let branch = branch_key(u.branch.as_ref());
    run(connection, sql, params![branch, u.noun.as_str(), u.field, u.value, u.id.as_str(), int(u.version)])
}
