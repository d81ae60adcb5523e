//! What left for an archive, and what may.

use super::things::{key, through};
use super::{Line, Page, Reader, actions, column, events, limited, page};
use crate::Error;
use crate::rows::{Blob, int, millis};
use rusqlite::Row;
use std::collections::HashMap;
use types::{ActionRow, BranchName, EventRow, Id, Noun, ThingKey, Timestamp};

/// A version that is not in the file any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archived {
    pub version: u64,
    pub key: ThingKey,
    pub branch: Option<BranchName>,
    /// None: nobody kept it.
    pub archive: Option<Id>,
}

/// A version without what it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VersionHead {
    pub version: u64,
    pub key: ThingKey,
    pub branch: Option<BranchName>,
    pub deleted: bool,
    pub created_at: Timestamp,
}

/// The past states that something stands on: branches on what they were made of, merges on what they compare with.
/// By branch, the highest version of it that counts, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cuts(HashMap<Option<BranchName>, Vec<u64>>);

impl Cuts {
    /// Whether one of these states shows a version that is followed by `next` on its branch.
    pub fn show(&self, branch: Option<&BranchName>, version: u64, next: Option<u64>) -> bool {
        let Some(cuts) = self.0.get(&branch.cloned()) else { return false };
        let first = cuts.partition_point(|cut| *cut < version);
        cuts.get(first).is_some_and(|cut| next.is_none_or(|next| *cut < next))
    }
}

const ARCHIVED: &str = "version, type, id, archive, branch";
const OF_SPAN: &str = "WHERE type = ?1 AND id = ?2 AND branch IS ?3 AND version > ?4 AND version <= ?5";

impl Reader {
    /// Whether a version was archived, and where.
    pub fn archived(&self, version: u64) -> Result<Option<Archived>, Error> {
        let Ok(version) = i64::try_from(version) else { return Ok(None) };
        self.first(&format!("SELECT {ARCHIVED} FROM archived WHERE version = ?1"), &[&version], read)
    }

    /// Whether a thing has lost a version to an archive; None: to nobody.
    pub fn lost_to(&self, key: &ThingKey, archive: Option<Id>) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM archived WHERE type = ?1 AND id = ?2 AND archive IS ?3 LIMIT 1";
        let values: [&dyn rusqlite::ToSql; 3] = [&key.noun.as_str(), &key.id.as_str(), &archive.map(Blob::of)];
        Ok(self.first(sql, &values, |_| Ok(()))?.is_some())
    }

    /// The number of the version so many before the newest, archived ones counted; 0 is the newest.
    pub fn back_number(&self, line: &Line, key: &ThingKey, back: u64) -> Result<Option<u64>, Error> {
        let Ok(mut back) = i64::try_from(back) else { return Ok(None) };
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        let union = format!("(SELECT version FROM things {OF_SPAN} UNION ALL SELECT version FROM archived {OF_SPAN})");
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let (after, end) = (int(span.after), through(span.through));
            let sql = format!("SELECT version FROM {union} ORDER BY version DESC LIMIT 1 OFFSET ?6");
            let found = self.first(&sql, &[&noun, &id, &branch, &after, &end, &back], |row| column::number(row, 0))?;
            if found.is_some() {
                return Ok(found);
            }
            let sql = format!("SELECT count(*) FROM {union}");
            let count = self.first(&sql, &[&noun, &id, &branch, &after, &end], |row| Ok(row.get::<_, i64>(0)?))?;
            back -= count.unwrap_or(0);
        }
        Ok(None)
    }

    /// The newest version of a thing that a line would show, if it was archived.
    pub fn newest_archived(&self, line: &Line, key: &ThingKey) -> Result<Option<Archived>, Error> {
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let (after, end) = (int(span.after), through(span.through));
            let sql = format!("SELECT {ARCHIVED} FROM archived {OF_SPAN} ORDER BY version DESC LIMIT 1");
            let archived = self.first(&sql, &[&noun, &id, &branch, &after, &end], read)?;
            let sql = format!("SELECT version FROM things {OF_SPAN} ORDER BY version DESC LIMIT 1");
            let kept = self.first(&sql, &[&noun, &id, &branch, &after, &end], |row| column::number(row, 0))?;
            match (archived, kept) {
                (Some(archived), kept) if kept.is_none_or(|kept| kept < archived.version) => return Ok(Some(archived)),
                (None, None) => {}
                (Some(_) | None, _) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// A thing of a noun that lived in the state a line shows, and whose version then was archived.
    ///
    /// # Errors
    /// [`Error::TooMuch`] when it would have to look at too much.
    pub fn lacks_some(&self, line: &Line, noun: &Noun) -> Result<Option<Archived>, Error> {
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let (after, end) = (int(span.after), through(span.through));
            let later = "type = a.type AND id = a.id AND branch IS ?2 AND version > a.version AND version <= ?4";
            let sql = format!(
                "SELECT {ARCHIVED} FROM archived a WHERE type = ?1 AND branch IS ?2 AND version > ?3 AND version <= ?4
                   AND deleted = 0 AND NOT EXISTS (SELECT 1 FROM things WHERE {later})
                   AND NOT EXISTS (SELECT 1 FROM archived WHERE {later}) LIMIT 1"
            );
            let found = self.bounded(|| self.first(&sql, &[&noun.as_str(), &branch, &after, &end], read))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The same of any noun: a state that is to be stood on must be whole.
    pub fn lacks_any(&self, line: &Line) -> Result<Option<Archived>, Error> {
        // One seek a noun, however many versions an archive has of it.
        let sql = "SELECT min(type) FROM archived WHERE type > ?1";
        let mut after = String::new();
        loop {
            let next = self.first(sql, &[&after], |row| {
                column::optional(row, 0, "type", |text: String| Noun::parse(&text).ok())
            })?;
            let Some(noun) = next.flatten() else { return Ok(None) };
            if let Some(gone) = self.lacks_some(line, &noun)? {
                return Ok(Some(gone));
            }
            noun.as_str().clone_into(&mut after);
        }
    }

    /// The version from which on the history of a thing is whole; None when nothing of it was archived.
    pub fn history_floor(&self, line: &Line, key: &ThingKey) -> Result<Option<u64>, Error> {
        let (noun, id) = (key.noun.as_str(), key.id.as_str());
        for span in &line.spans {
            let branch = span.branch.as_ref().map(BranchName::as_str);
            let (after, end) = (int(span.after), through(span.through));
            let sql = format!("SELECT max(version) FROM archived {OF_SPAN}");
            let highest = self
                .first(&sql, &[&noun, &id, &branch, &after, &end], |row| column::optional_number(row, 0))?
                .flatten();
            let Some(highest) = highest else { continue };
            let sql = "SELECT min(version) FROM things WHERE type = ?1 AND id = ?2 AND version > ?3";
            let floor = self.first(sql, &[&noun, &id, &int(highest)], |row| column::optional_number(row, 0))?;
            return Ok(Some(floor.flatten().unwrap_or(highest + 1)));
        }
        Ok(None)
    }

    /// Versions after one number and through another, in order, whatever branch they are on.
    pub fn version_heads(&self, after: u64, through_version: u64, limit: u32) -> Result<Vec<VersionHead>, Error> {
        let sql = "SELECT version, type, id, branch, deleted, createdAt FROM things
                   WHERE version > ?1 AND version <= ?2 ORDER BY version LIMIT ?3";
        self.list(sql, &[&int(after), &through(through_version), &limited(limit)], |row| {
            Ok(VersionHead {
                version: column::number(row, 0)?,
                key: key(row, 1, 2)?,
                branch: column::optional(row, 3, "branch", |text: String| BranchName::parse(&text).ok())?,
                deleted: row.get(4)?,
                created_at: column::time(row, 5)?,
            })
        })
    }

    /// The next version of the same thing on the same branch, archived or not.
    pub fn superseded_by(
        &self,
        key: &ThingKey,
        branch: Option<&BranchName>,
        version: u64,
    ) -> Result<Option<u64>, Error> {
        let next = "WHERE type = ?1 AND id = ?2 AND branch IS ?3 AND version > ?4";
        let sql = format!(
            "SELECT min(version) FROM (SELECT min(version) AS version FROM things {next}
             UNION ALL SELECT min(version) FROM archived {next})"
        );
        let branch = branch.map(BranchName::as_str);
        let found = self.first(&sql, &[&key.noun.as_str(), &key.id.as_str(), &branch, &int(version)], |row| {
            column::optional_number(row, 0)
        })?;
        Ok(found.flatten())
    }

    /// Whether some branch that is there has a version of its own of a thing, which is not a delete marker.
    pub fn lives_on_a_branch(&self, key: &ThingKey) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM things t JOIN heads h
                     ON h.branch = t.branch AND h.type = t.type AND h.id = t.id AND h.version = t.version
                   WHERE t.type = ?1 AND t.id = ?2 AND t.branch IS NOT NULL AND h.deleted = 0 LIMIT 1";
        Ok(self.first(sql, &[&key.noun.as_str(), &key.id.as_str()], |_| Ok(()))?.is_some())
    }

    /// How many versions of the same thing on the same branch come after one, counted up to `most`.
    pub fn newer_versions(
        &self,
        key: &ThingKey,
        branch: Option<&BranchName>,
        version: u64,
        most: u32,
    ) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM things
                   WHERE type = ?1 AND id = ?2 AND branch IS ?3 AND version > ?4 LIMIT ?5)";
        let branch = branch.map(BranchName::as_str);
        let count = self.first(sql, &[&key.noun.as_str(), &key.id.as_str(), &branch, &int(version), &most], |row| {
            Ok(row.get(0)?)
        })?;
        Ok(count.unwrap_or(0))
    }

    /// What branches and merges stand on now.
    pub fn cuts(&self) -> Result<Cuts, Error> {
        let mut cuts: HashMap<Option<BranchName>, Vec<u64>> = HashMap::new();
        let mut after: Option<BranchName> = None;
        loop {
            let page = self.branches(after.as_ref(), super::PAGE_MAX)?;
            for row in &page.items {
                let line = self.line(Some(&row.name))?;
                for span in line.iter().flat_map(|line| &line.spans[1..]) {
                    cuts.entry(span.branch.clone()).or_default().push(span.through);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let name = |text: String| if text.is_empty() { Some(None) } else { BranchName::parse(&text).ok().map(Some) };
        let merges = self.list("SELECT source, version FROM merges", &[], |row| {
            Ok((column::parsed(row, 0, "source", name)?, column::number(row, 1)?))
        })?;
        for (source, at) in merges {
            for span in self.line(source.as_ref())?.iter().flat_map(|line| &line.spans) {
                cuts.entry(span.branch.clone()).or_default().push(span.through.min(at));
            }
        }
        for versions in cuts.values_mut() {
            versions.sort_unstable();
            versions.dedup();
        }
        Ok(Cuts(cuts))
    }

    /// Actions that ended and began before a time, oldest first; go on after `after`.
    pub fn settled_actions(
        &self,
        before: Timestamp,
        after: Option<Id>,
        limit: u32,
    ) -> Result<Page<ActionRow, Id>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {} FROM actions WHERE id > ?1 AND createdAt < ?2
               AND status NOT IN ('pending', 'running', 'retrying') ORDER BY id LIMIT ?3",
            actions::COLUMNS
        );
        let after = Blob::of(after.unwrap_or(Id::from_u128(0)));
        Ok(page(self.list(&sql, &[&after, &millis(before), &(limit + 1)], actions::read)?, limit, |a| a.id))
    }

    /// Events before a time that the lake has, oldest first; go on after `after`.
    pub fn streamed_events(&self, before: Timestamp, after: u64, limit: u32) -> Result<Page<EventRow, u64>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {} FROM events WHERE sequence > ?1 AND createdAt < ?2 AND streamed = 1 ORDER BY sequence LIMIT ?3",
            events::COLUMNS
        );
        let found = self.list(&sql, &[&int(after), &millis(before), &(limit + 1)], events::read)?;
        Ok(page(found, limit, |e| e.sequence))
    }

    /// Whether the lake has an event; None: it is not in the file.
    pub fn is_streamed(&self, sequence: u64) -> Result<Option<bool>, Error> {
        self.first("SELECT streamed FROM events WHERE sequence = ?1", &[&int(sequence)], |row| Ok(row.get(0)?))
    }
}

fn read(row: &Row<'_>) -> Result<Archived, Error> {
    Ok(Archived {
        version: column::number(row, 0)?,
        key: key(row, 1, 2)?,
        branch: column::optional(row, 4, "branch", |text: String| BranchName::parse(&text).ok())?,
        archive: column::optional_id(row, 3)?,
    })
}
