//! Branches, and when they were merged.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::rows::branch_key;
use rusqlite::Row;
use types::{BranchName, BranchRow, MergeRow};

const COLUMNS: &str = "name, thingId, parent, base, forkedFrom, createdAt, createdBy, deleted, since";

impl Reader {
    /// A branch, also one that was deleted.
    pub fn branch(&self, name: &BranchName) -> Result<Option<BranchRow>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM branches WHERE name = ?1"), &[&name.as_str()], read)
    }

    /// The newest version on a branch; its base while nothing was written there.
    pub fn branch_head(&self, name: &BranchName) -> Result<Option<u64>, Error> {
        self.first("SELECT head FROM branches WHERE name = ?1", &[&name.as_str()], |row| column::number(row, 0))
    }

    /// The newest version on main; 0 when nothing was written there.
    pub fn main_head(&self) -> Result<u64, Error> {
        let sql = "SELECT version FROM things WHERE branch IS NULL ORDER BY version DESC LIMIT 1";
        Ok(self.first(sql, &[], |row| column::number(row, 0))?.unwrap_or(0))
    }

    /// Branches that were not deleted, by name; go on after `after`.
    pub fn branches(&self, after: Option<&BranchName>, limit: u32) -> Result<Page<BranchRow, BranchName>, Error> {
        let limit = limited(limit);
        let sql = format!("SELECT {COLUMNS} FROM branches WHERE name > ?1 AND deleted = 0 ORDER BY name LIMIT ?2");
        let after = after.map_or("", BranchName::as_str);
        Ok(page(self.list(&sql, &[&after, &(limit + 1)], read)?, limit, |b| b.name.clone()))
    }

    /// How many branches there are.
    pub fn branch_count(&self) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM branches WHERE deleted = 0";
        Ok(self.first(sql, &[], |row| column::number(row, 0))?.unwrap_or(0))
    }

    /// Whether a branch was made from this one.
    pub fn has_children(&self, name: &BranchName) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM branches WHERE parent = ?1 AND deleted = 0 LIMIT 1";
        Ok(self.first(sql, &[&name.as_str()], |_| Ok(()))?.is_some())
    }

    /// The last merge of one branch into another.
    pub fn last_merge(
        &self,
        source: Option<&BranchName>,
        into: Option<&BranchName>,
    ) -> Result<Option<MergeRow>, Error> {
        let sql = "SELECT version FROM merges WHERE source = ?1 AND \"into\" = ?2";
        let at = self.first(sql, &[&branch_key(source), &branch_key(into)], |row| column::number(row, 0))?;
        Ok(at.map(|at| MergeRow { source: source.cloned(), into: into.cloned(), at }))
    }
}

fn read(row: &Row<'_>) -> Result<BranchRow, Error> {
    let name = |text: String| BranchName::parse(&text).ok();
    Ok(BranchRow {
        name: column::parsed(row, 0, "name", name)?,
        things: column::optional(row, 1, "thingId", |text: String| serde_json::from_str(&text).ok())?,
        parent: column::optional(row, 2, "parent", name)?,
        base: column::number(row, 3)?,
        since: column::number(row, 8)?,
        forked_from: row.get(4)?,
        created_at: column::time(row, 5)?,
        created_by: row.get(6)?,
        deleted: row.get(7)?,
    })
}
