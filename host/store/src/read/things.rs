//! Things and their versions, on main.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::rows::int;
use rusqlite::Row;
use types::{At, ThingRow};

const COLUMNS: &str = "version, type, id, branch, name, data, deleted, createdAt, actionId";

impl Reader {
    /// One version of a thing. The newest can be a delete marker; so can any other (spec ID-10).
    pub fn thing(&self, noun: &str, id: &str, at: At) -> Result<Option<ThingRow>, Error> {
        let of = "FROM things WHERE type = ?1 AND id = ?2 AND branch IS NULL";
        match at {
            At::Head => {
                self.first(&format!("SELECT {COLUMNS} {of} ORDER BY version DESC LIMIT 1"), &[&noun, &id], read)
            }
            At::Version(version) => {
                self.first(&format!("SELECT {COLUMNS} {of} AND version = ?3"), &[&noun, &id, &int(version)], read)
            }
            At::Back(back) => {
                let Ok(back) = i64::try_from(back) else { return Ok(None) };
                let sql = format!("SELECT {COLUMNS} {of} ORDER BY version DESC LIMIT 1 OFFSET ?3");
                self.first(&sql, &[&noun, &id, &back], read)
            }
        }
    }

    /// The newest version of each thing of a noun, by id; go on after `after`.
    pub fn things(
        &self,
        noun: &str,
        deleted: Deleted,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<ThingRow, String>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {COLUMNS} FROM things JOIN (
               SELECT max(version) AS newest FROM things
               WHERE type = ?1 AND branch IS NULL AND id > ?2 GROUP BY id ORDER BY id
             ) ON version = newest WHERE deleted <= ?3 LIMIT ?4"
        );
        let with_deleted = matches!(deleted, Deleted::Shown);
        let after = after.unwrap_or("");
        Ok(page(self.list(&sql, &[&noun, &after, &with_deleted, &(limit + 1)], read)?, limit, |t| t.id.clone()))
    }

    /// All versions of a thing, newest first; go on below `before`.
    pub fn versions(
        &self,
        noun: &str,
        id: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<ThingRow, u64>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {COLUMNS} FROM things WHERE type = ?1 AND id = ?2 AND branch IS NULL AND version < ?3
             ORDER BY version DESC LIMIT ?4"
        );
        let before = before.map_or(i64::MAX, int);
        Ok(page(self.list(&sql, &[&noun, &id, &before, &(limit + 1)], read)?, limit, |t| t.version))
    }
}

/// Whether a list has things whose newest version is a delete marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deleted {
    Hidden,
    Shown,
}

fn read(row: &Row<'_>) -> Result<ThingRow, Error> {
    Ok(ThingRow {
        version: column::number(row, 0)?,
        noun: row.get(1)?,
        id: row.get(2)?,
        branch: row.get(3)?,
        name: row.get(4)?,
        data: column::json(row, 5, "data")?,
        deleted: row.get(6)?,
        created_at: column::time(row, 7)?,
        action: column::id(row, 8)?,
    })
}
