//! Things and their versions, on a line of sight.

use super::line::Span;
use super::{Line, Page, Reader, column, limited};
use crate::Error;
use crate::rows::{branch_key, int};
use rusqlite::{Row, ToSql};
use types::{Born, BranchName, Noun, ThingId, ThingKey, ThingRow};

pub(super) const COLUMNS: &str = "t.version, t.type, t.id, t.branch, t.name, t.data, t.deleted, t.createdAt, t.actionId, \
                                  t.actor, t.bornAt, t.bornBy";

/// Whether a list has things whose newest version is a delete marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deleted {
    Hidden,
    Shown,
}

impl Reader {
    /// The newest version of a thing that a line shows. It can be a delete marker.
    pub fn newest(&self, line: &Line, key: &ThingKey) -> Result<Option<ThingRow>, Error> {
        for span in &line.spans {
            if let Some(row) = self.newest_of(span, key)? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    fn newest_of(&self, span: &Span, key: &ThingKey) -> Result<Option<ThingRow>, Error> {
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        if span.through == u64::MAX {
            let sql = format!(
                "SELECT {COLUMNS} FROM heads h JOIN things t ON t.version = h.version
                 WHERE h.branch = ?1 AND h.type = ?2 AND h.id = ?3"
            );
            return self.first(&sql, &[&branch_key(span.branch.as_ref()), &noun, &id], read);
        }
        let sql = format!("SELECT {COLUMNS} {OF_SPAN} ORDER BY version DESC LIMIT 1");
        let branch = span.branch.as_ref().map(BranchName::as_str);
        self.first(&sql, &[&noun, &id, &branch, &int(span.after), &through(span.through)], read)
    }

    /// So many versions before the newest; 0 is the newest. Delete markers count (spec ID-11), archived versions count
    /// and are not found.
    pub fn back(&self, line: &Line, key: &ThingKey, back: u64) -> Result<Option<ThingRow>, Error> {
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        let sql = "SELECT 1 FROM archived WHERE type = ?1 AND id = ?2 LIMIT 1";
        if self.first(sql, &[&noun, &id], |_| Ok(()))?.is_some() {
            let number = self.back_number(line, key, back)?;
            return Ok(number.map(|number| self.version(number)).transpose()?.flatten());
        }
        let Ok(mut back) = i64::try_from(back) else { return Ok(None) };
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let place: [&dyn ToSql; 5] = [&noun, &id, &branch, &int(span.after), &through(span.through)];
            let sql = format!("SELECT {COLUMNS} {OF_SPAN} ORDER BY version DESC LIMIT 1 OFFSET ?6");
            let found = self.first(&sql, &[place[0], place[1], place[2], place[3], place[4], &back], read)?;
            if found.is_some() {
                return Ok(found);
            }
            let count = self.first(&format!("SELECT count(*) {OF_SPAN}"), &place, |row| Ok(row.get::<_, i64>(0)?))?;
            back -= count.unwrap_or(0);
        }
        Ok(None)
    }

    /// The row of a version number, whatever thing and branch it is of.
    pub fn version(&self, version: u64) -> Result<Option<ThingRow>, Error> {
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        self.first(&format!("SELECT {COLUMNS} FROM things t WHERE version = ?1"), &[&version], read)
    }

    /// All versions of a thing that a line shows, newest first; go on below `before`.
    pub fn versions(
        &self,
        line: &Line,
        key: &ThingKey,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<ThingRow, u64>, Error> {
        let limit = limited(limit) as usize;
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        let before = before.map_or(u64::MAX, |before| before.saturating_sub(1));
        let mut items: Vec<ThingRow> = Vec::new();
        // What a branch has is newer than all that it shows of its parent.
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let end = through(span.through.min(before));
            let sql = format!("SELECT {COLUMNS} {OF_SPAN} ORDER BY version DESC LIMIT ?6");
            let wanted = (limit + 1 - items.len()) as i64;
            items.extend(self.list(&sql, &[&noun, &id, &branch, &int(span.after), &end, &wanted], read)?);
            if items.len() > limit {
                items.truncate(limit);
                return Ok(Page { next: items.last().map(|row| row.version), items });
            }
        }
        Ok(Page { items, next: None })
    }

    /// Things that have a version of their own on a branch, with it, by noun and id; go on after `after`. `None` is
    /// main.
    pub fn changed_on(
        &self,
        branch: Option<&BranchName>,
        after: Option<&ThingKey>,
        limit: u32,
    ) -> Result<Page<(ThingKey, u64), ThingKey>, Error> {
        let limit = limited(limit);
        let (noun, id) = after.map_or(("", ""), |key| (key.noun.as_str(), key.id.as_str()));
        let sql = "SELECT type, id, version FROM heads WHERE branch = ?1 AND (type, id) > (?2, ?3)
                   ORDER BY type, id LIMIT ?4";
        let found = self.list(sql, &[&branch_key(branch), &noun, &id, &(limit + 1)], |row| {
            Ok((key(row, 0, 1)?, column::number(row, 2)?))
        })?;
        Ok(super::page(found, limit, |(key, _)| key.clone()))
    }

    /// Which things got a version on a branch after one version number and through another, by version: each as often
    /// as it was written. Go on after the last number.
    pub fn written_on(
        &self,
        branch: Option<&BranchName>,
        after: u64,
        through_version: u64,
        limit: u32,
    ) -> Result<Page<(u64, ThingKey), u64>, Error> {
        let limit = limited(limit);
        let sql = "SELECT version, type, id FROM things WHERE version > ?1 AND version <= ?2 AND branch IS ?3
                   ORDER BY version LIMIT ?4";
        let branch = branch.map(BranchName::as_str);
        let found = self.list(sql, &[&int(after), &through(through_version), &branch, &(limit + 1)], |row| {
            Ok((column::number(row, 0)?, key(row, 1, 2)?))
        })?;
        Ok(super::page(found, limit, |(version, _)| *version))
    }

    /// How many things of a noun live on main, and None when main never had one.
    pub fn tally(&self, noun: &Noun) -> Result<Option<u64>, Error> {
        self.first("SELECT live FROM tallies WHERE type = ?1", &[&noun.as_str()], |row| column::number(row, 0))
    }

    /// Every type that main ever had, and how many of it live there now; by name.
    pub fn tallies(&self) -> Result<Vec<(Noun, u64)>, Error> {
        self.list("SELECT type, live FROM tallies ORDER BY type", &[], |row| {
            Ok((column::parsed(row, 0, "type", |text: String| Noun::parse(&text).ok())?, column::number(row, 1)?))
        })
    }

    /// Every noun that a branch ever had a thing of, by name; None is main.
    pub fn nouns_on(&self, branch: Option<&BranchName>) -> Result<Vec<Noun>, Error> {
        // One seek a noun, however many things it has.
        let sql = "SELECT min(type) FROM heads WHERE branch = ?1 AND type > ?2";
        let mut found: Vec<Noun> = Vec::new();
        loop {
            let after = found.last().map_or("", Noun::as_str);
            let next = self.first(sql, &[&branch_key(branch), &after], |row| {
                column::optional(row, 0, "type", |text: String| Noun::parse(&text).ok())
            })?;
            match next.flatten() {
                Some(noun) => found.push(noun),
                None => return Ok(found),
            }
        }
    }

    /// The numbers of a thing's versions on main after one, in order.
    pub fn version_numbers(&self, of: &ThingKey, after: u64, limit: u32) -> Result<Vec<u64>, Error> {
        let sql = "SELECT version FROM things WHERE type = ?1 AND id = ?2 AND branch IS NULL AND version > ?3
                   ORDER BY version LIMIT ?4";
        self.list(sql, &[&of.noun.as_str(), &of.id.as_str(), &int(after), &limited(limit)], |row| {
            column::number(row, 0)
        })
    }

    /// Whether any branch of a line has a thing of this noun, live or deleted.
    pub fn has_noun_on(&self, line: &Line, noun: &Noun) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM heads WHERE branch = ?1 AND type = ?2 LIMIT 1";
        for span in &line.spans {
            let branch = branch_key(span.branch.as_ref());
            if self.first(sql, &[&branch, &noun.as_str()], |_| Ok(()))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a thing of this noun was ever written, on whatever branch.
    pub fn has_noun(&self, noun: &Noun) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM things WHERE type = ?1 LIMIT 1";
        Ok(self.first(sql, &[&noun.as_str()], |_| Ok(()))?.is_some())
    }

    /// The next noun by name of which a thing was ever written, on whatever branch.
    pub fn noun_after(&self, after: &str) -> Result<Option<Noun>, Error> {
        let sql = "SELECT type FROM things WHERE type > ?1 ORDER BY type LIMIT 1";
        self.first(sql, &[&after], |row| column::parsed(row, 0, "type", |text: String| Noun::parse(&text).ok()))
    }

    /// Who may hold a value that must be unique: everybody who held it in a part of the line. Whether one of them still
    /// does there, its newest version says.
    pub fn holders(&self, line: &Line, noun: &Noun, field: &str, value: &str) -> Result<Vec<ThingId>, Error> {
        let sql = "SELECT id FROM uniques WHERE branch = ?1 AND type = ?2 AND field = ?3 AND value = ?4
                   AND since <= ?5 AND (until IS NULL OR until > ?5)";
        let mut holders = Vec::new();
        for span in &line.spans {
            let branch = branch_key(span.branch.as_ref());
            let values: [&dyn ToSql; 5] = [&branch, &noun.as_str(), &field, &value, &through(span.through)];
            holders.extend(
                self.list(sql, &values, |row| column::parsed(row, 0, "id", |text: String| ThingId::parse(&text).ok()))?,
            );
        }
        Ok(holders)
    }
}

const OF_SPAN: &str = "FROM things t WHERE type = ?1 AND id = ?2 AND branch IS ?3 AND version > ?4 AND version <= ?5";

/// SQLite's numbers end at 2^63.
pub(super) fn through(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

pub(super) fn key(row: &Row<'_>, noun: usize, id: usize) -> Result<ThingKey, Error> {
    Ok(ThingKey::new(
        column::parsed(row, noun, "type", |text: String| Noun::parse(&text).ok())?,
        column::parsed(row, id, "id", |text: String| ThingId::parse(&text).ok())?,
    ))
}

pub(super) fn read(row: &Row<'_>) -> Result<ThingRow, Error> {
    let born_at = column::optional_time(row, 10)?;
    let born_by: Option<String> = row.get(11)?;
    Ok(ThingRow {
        version: column::number(row, 0)?,
        key: key(row, 1, 2)?,
        branch: column::optional(row, 3, "branch", |text: String| BranchName::parse(&text).ok())?,
        name: row.get(4)?,
        data: column::json(row, 5, "data")?,
        deleted: row.get(6)?,
        created_at: column::time(row, 7)?,
        action: column::id(row, 8)?,
        actor: row.get(9)?,
        born: born_at.zip(born_by).map(|(at, by)| Born { at, by }),
    })
}
