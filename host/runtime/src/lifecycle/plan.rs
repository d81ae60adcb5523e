//! Which rows a compaction may take: everything that nobody stands on any more (spec LIF-3).

use super::archive::Entry;
use super::is_operation;
use crate::things::REMEMBERED;
use std::collections::{HashMap, HashSet};
use store::{Cuts, Error, Line, PAGE_MAX, Reader, VersionHead};
use types::{ActionRow, Id, ThingKey, Timestamp};

/// Rows looked at in one go: the object's file is held meanwhile.
const PAGE_ROWS: u32 = 500;
/// Deleted things whose fate is remembered while a plan is made.
const FATES_MAX: usize = 100_000;

/// What a plan is made by.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Versions above this were written after the compaction began.
    pub(super) ceiling: u64,
    /// Only what is older than this may go.
    pub(super) before: Timestamp,
    pub(super) now: Timestamp,
    /// So many of the newest versions of each thing stay.
    pub(super) keep: u32,
    pub(super) versions: HashSet<u64>,
    pub(super) things: HashSet<ThingKey>,
}

/// Goes through an object's rows, page by page.
pub(super) struct Plan {
    rules: Rules,
    at: Stage,
    /// Whether a deleted thing leaves nothing behind.
    vanishes: HashMap<ThingKey, bool>,
}

enum Stage {
    Things(u64),
    Actions(Option<Id>),
    Events(u64),
    Over,
}

impl Plan {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, at: Stage::Things(0), vanishes: HashMap::new() }
    }

    /// The next rows that may go; an empty page is not the end, None is.
    pub(super) fn next(&mut self, reader: &Reader) -> Result<Option<Vec<Entry>>, Error> {
        match self.at {
            Stage::Things(after) => self.things(reader, after).map(Some),
            Stage::Actions(after) => {
                let page = reader.settled_actions(self.rules.before, after, PAGE_ROWS)?;
                self.at = page.next.map_or(Stage::Events(0), |next| Stage::Actions(Some(next)));
                let may_go = |row: &ActionRow| action_may_go(row, self.rules.now);
                Ok(Some(page.items.into_iter().filter(may_go).map(Entry::Action).collect()))
            }
            Stage::Events(after) => {
                let page = reader.streamed_events(self.rules.before, after, PAGE_ROWS)?;
                self.at = page.next.map_or(Stage::Over, Stage::Events);
                Ok(Some(page.items.into_iter().map(Entry::Event).collect()))
            }
            Stage::Over => Ok(None),
        }
    }

    fn things(&mut self, reader: &Reader, after: u64) -> Result<Vec<Entry>, Error> {
        let heads = reader.version_heads(after, self.rules.ceiling, PAGE_ROWS)?;
        self.at = heads.last().map_or(Stage::Actions(None), |head| Stage::Things(head.version));
        let needed = Needed::read(reader)?;
        let mut found = Vec::new();
        for head in heads {
            if self.may_go(reader, &needed, &head)? {
                found.extend(reader.version(head.version)?.map(Entry::Thing));
            }
        }
        Ok(found)
    }

    fn may_go(&mut self, reader: &Reader, needed: &Needed, head: &VersionHead) -> Result<bool, Error> {
        let rules = &self.rules;
        if head.created_at >= rules.before || rules.versions.contains(&head.version) || rules.things.contains(&head.key)
        {
            return Ok(false);
        }
        if !needed.lets_go(reader, head)? {
            return Ok(false);
        }
        let newer = reader.newer_versions(&head.key, head.branch.as_ref(), head.version, rules.keep)?;
        if newer >= rules.keep {
            return Ok(true);
        }
        // Of what was deleted nothing stays, however many versions are kept of the others.
        if head.branch.is_some() {
            return Ok(false);
        }
        if let Some(vanishes) = self.vanishes.get(&head.key) {
            return Ok(*vanishes);
        }
        let vanishes = self.leaves_nothing(reader, needed, &head.key)?;
        if self.vanishes.len() < FATES_MAX {
            self.vanishes.insert(head.key.clone(), vanishes);
        }
        Ok(vanishes)
    }

    /// Whether a thing is deleted on main, and no version of it is needed by anybody.
    fn leaves_nothing(&self, reader: &Reader, needed: &Needed, key: &ThingKey) -> Result<bool, Error> {
        let mut before = None;
        loop {
            let page = reader.versions(&Line::main(), key, before, PAGE_MAX)?;
            let newest = page.items.first().filter(|_| before.is_none());
            if newest.is_some_and(|row| !row.deleted) {
                return Ok(false);
            }
            for row in &page.items {
                let (version, created_at, deleted) = (row.version, row.created_at, row.deleted);
                let head = VersionHead { version, key: key.clone(), branch: None, deleted, created_at };
                let is_wanted = created_at >= self.rules.before
                    || version > self.rules.ceiling
                    || self.rules.versions.contains(&version);
                if is_wanted || !needed.lets_go(reader, &head)? {
                    return Ok(false);
                }
            }
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok(true),
            }
        }
    }
}

/// A key that is remembered still does what it is for; what happened to the object as a whole stays written down.
pub(super) fn action_may_go(row: &ActionRow, now: Timestamp) -> bool {
    let is_remembered = row.idempotency_key.is_some() && row.created_at.plus(REMEMBERED) > now;
    !is_remembered && !is_operation(row)
}

/// Who stands on past versions at this moment. It is read again in every turn that removes some: a branch can be made,
/// and an action begin, at any time.
pub(super) struct Needed {
    cuts: Cuts,
    /// Of actions that are not over.
    inputs: HashSet<u64>,
}

impl Needed {
    pub(super) fn read(reader: &Reader) -> Result<Self, Error> {
        let mut inputs = HashSet::new();
        let mut after = None;
        loop {
            let page = reader.unfinished_actions(after, PAGE_MAX)?;
            inputs.extend(page.items.iter().flat_map(|row| [row.input, row.output]).flatten());
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(Self { cuts: reader.cuts()?, inputs })
    }

    /// Whether nobody would miss it: it is superseded, or the marker of a thing that is gone.
    pub(super) fn lets_go(&self, reader: &Reader, head: &VersionHead) -> Result<bool, Error> {
        if self.inputs.contains(&head.version) {
            return Ok(false);
        }
        // An unfinished run is pinned to its version, and may be one of an object below: nobody sees from here.
        if head.key.noun.as_str() == crate::functions::NOUN {
            return Ok(false);
        }
        let branch = head.branch.as_ref();
        match reader.superseded_by(&head.key, branch, head.version)? {
            Some(next) => Ok(!self.cuts.show(branch, head.version, Some(next))),
            // A branch that has the thing has still to learn, by a merge, that it was deleted.
            None => Ok(head.deleted && branch.is_none() && !reader.lives_on_a_branch(&head.key)?),
        }
    }
}
