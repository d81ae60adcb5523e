//! What is seen of an object: a branch, what it was made from, and up to which version of each.

use super::Reader;
use crate::Error;
use rusqlite::params;
use types::{BranchName, Timestamp};

/// A line of sight: the newest version of a thing is looked for on the first span, then on the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub(crate) spans: Vec<Span>,
}

/// The versions of one branch that count: those after one number and through another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// None is main.
    pub branch: Option<BranchName>,
    /// What an earlier branch of the same name wrote is not this one's.
    pub after: u64,
    pub through: u64,
}

/// A part of a line that another has not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Beyond {
    /// None is main.
    pub branch: Option<BranchName>,
    pub after: u64,
    pub through: u64,
    /// It reaches to the newest version of its branch.
    pub is_whole: bool,
}

impl Line {
    /// Everything on main.
    pub fn main() -> Self {
        Self { spans: vec![Span { branch: None, after: 0, through: u64::MAX }] }
    }

    /// The branch it shows; None is main.
    pub fn branch(&self) -> Option<&BranchName> {
        self.spans[0].branch.as_ref()
    }

    /// As it was when `version` was the newest of the object (spec VER-8).
    #[must_use]
    pub fn through(mut self, version: u64) -> Self {
        for span in &mut self.spans {
            span.through = span.through.min(version);
        }
        self
    }

    /// The branches it is made of, its own first; None is main.
    pub fn branches(&self) -> impl Iterator<Item = Option<&BranchName>> {
        self.spans.iter().map(|span| span.branch.as_ref())
    }

    /// Whether it shows the newest versions of its branch.
    pub fn is_newest(&self) -> bool {
        self.spans[0].through == u64::MAX
    }

    /// How many branches stand on each other in it; 0 is main.
    pub fn depth(&self) -> usize {
        self.spans.len() - 1
    }

    /// The highest version it could show.
    pub fn newest_version(&self) -> u64 {
        self.spans[0].through
    }

    /// What this line has on top of an earlier state that it has in common with another: the spans of versions, each
    /// after `taken` and after what that state shows.
    pub fn beyond(&self, common: &Self, taken: u64) -> Vec<Beyond> {
        let mut beyond = Vec::new();
        for span in &self.spans {
            let shared = common.spans.iter().find(|s| s.branch == span.branch && s.after == span.after);
            let after = shared.map_or(span.after, |shared| shared.through).max(taken);
            // Of a common state on this very line only what came later is news; deeper spans are all in it.
            if after < span.through {
                let (branch, through) = (span.branch.clone(), span.through);
                beyond.push(Beyond { branch, after, through, is_whole: span.through == u64::MAX });
            }
            if shared.is_some() {
                break;
            }
        }
        beyond
    }

    /// The newest span that two lines share, cut where both still agree; none of two that have only nothing in common.
    pub fn common(&self, other: &Self) -> Option<Line> {
        self.spans.iter().enumerate().find_map(|(at, span)| {
            let twin = other.spans.iter().find(|s| s.branch == span.branch && s.after == span.after)?;
            let through = span.through.min(twin.through);
            Some(Self { spans: self.spans[at..].to_vec() }.through(through))
        })
    }
}

impl Reader {
    /// How many branches may stand on each other.
    pub const BRANCH_DEPTH_MAX: usize = 16;

    /// What the newest of a branch shows; None: there is no such branch. `None` asked for is main.
    pub fn line(&self, branch: Option<&BranchName>) -> Result<Option<Line>, Error> {
        let mut spans = Vec::new();
        let (mut next, mut through) = (branch.cloned(), u64::MAX);
        while let Some(name) = next {
            let Some(row) = self.branch(&name)?.filter(|row| !row.deleted) else { return Ok(None) };
            spans.push(Span { branch: Some(name), after: row.since, through });
            through = through.min(row.base);
            next = row.parent;
            if spans.len() > Self::BRANCH_DEPTH_MAX {
                return Ok(None);
            }
        }
        spans.push(Span { branch: None, after: 0, through });
        Ok(Some(Line { spans }))
    }

    /// The highest version that was committed at `at` or before; 0 if none was. Times never fall from one version to the
    /// next, so this is a search by halves.
    pub fn version_at(&self, at: Timestamp) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.next_version() - 1);
        let mut at_or_after = self
            .connection
            .prepare_cached("SELECT version, createdAt FROM things WHERE version >= ?1 ORDER BY version LIMIT 1")?;
        // Invariant: version `low` is not after `at`; whatever stands above `high` is.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let mut rows = at_or_after.query(params![super::int(middle)])?;
            let found =
                rows.next()?.map(|row| Ok::<_, Error>((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).transpose()?;
            match found {
                Some((version, created)) if super::column::timestamp(created) <= at => low = version.cast_unsigned(),
                Some(_) | None => high = middle - 1,
            }
        }
        Ok(low)
    }
}
