//! Versions, branches and merges in their plainest form: a list of rows and what the spec says of them (spec 3). Nothing
//! is indexed and nothing is remembered beside the rows, so that there is little to be wrong.

mod merge;

use merge::{Met, meet};
use model::Content;
use model::merge::Strategy;
use std::collections::{BTreeMap, BTreeSet};
use types::{Id, ThingKey};

/// `None` is main.
pub type On = Option<&'static str>;

#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub version: u64,
    pub key: ThingKey,
    pub branch: On,
    pub content: Content,
    pub deleted: bool,
    /// An archive has it.
    pub gone: bool,
}

#[derive(Clone, Debug)]
struct Branch {
    parent: On,
    base: u64,
    since: u64,
}

/// Rows of one branch after a version and through another.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    branch: On,
    after: u64,
    through: u64,
}

/// What is seen: a thing's newest row is looked for in the first span, then in the next.
pub type Line = Vec<Span>;

#[derive(Clone, Debug)]
pub struct Action {
    pub id: Id,
    input: Option<u64>,
    pub output: u64,
    pub undone: bool,
}

/// What a write came to: the version, and whether it is a new one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Wrote {
    pub version: u64,
    pub is_new: bool,
}

/// What a merge came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Merged {
    pub merged: bool,
    pub fast_forward: bool,
    pub versions: Vec<u64>,
    pub conflicts: Vec<ThingKey>,
}

#[derive(Default, Debug)]
pub struct Plain {
    pub rows: Vec<Row>,
    pub events: u64,
    pub actions: Vec<Action>,
    /// Those that an archive has.
    shelved: Vec<Action>,
    branches: BTreeMap<&'static str, Branch>,
    merges: BTreeMap<(On, On), u64>,
}

type Refused<T> = Result<T, &'static str>;

impl Plain {
    pub fn newest_version(&self) -> u64 {
        self.rows.len() as u64
    }

    pub fn branches(&self) -> Vec<On> {
        std::iter::once(None).chain(self.branches.keys().map(|name| Some(*name))).collect()
    }

    /// What a branch shows: its own rows, and its parent's up to its base.
    pub fn line(&self, on: On) -> Refused<Line> {
        let (mut line, mut next, mut through) = (Vec::new(), on, u64::MAX);
        while let Some(name) = next {
            let branch = self.branches.get(name).ok_or("BRANCH_NOT_FOUND")?;
            line.push(Span { branch: next, after: branch.since, through });
            through = through.min(branch.base);
            next = branch.parent;
        }
        line.push(Span { branch: None, after: 0, through });
        Ok(line)
    }

    pub fn at(&self, on: On, version: u64) -> Refused<Line> {
        Ok(cut(self.line(on)?, version))
    }

    /// All that a line shows of a thing, newest first.
    pub fn history(&self, line: &Line, key: &ThingKey) -> Vec<&Row> {
        let of = |span: &Span| {
            self.rows.iter().rev().filter(|r| r.key == *key && span.has(r) && !r.gone).collect::<Vec<_>>()
        };
        line.iter().flat_map(of).collect()
    }

    pub fn newest(&self, line: &Line, key: &ThingKey) -> Option<&Row> {
        self.history(line, key).first().copied()
    }

    pub fn keys(&self) -> BTreeSet<ThingKey> {
        self.rows.iter().map(|row| row.key.clone()).collect()
    }

    fn append(&mut self, on: On, key: &ThingKey, content: Content, deleted: bool) -> u64 {
        let version = self.newest_version() + 1;
        self.rows.push(Row { version, key: key.clone(), branch: on, content, deleted, gone: false });
        version
    }

    /// `change` makes the next content and whether it is a delete marker from the newest row.
    pub fn write(
        &mut self,
        on: On,
        key: &ThingKey,
        change: impl FnOnce(Option<&Row>) -> Refused<(Content, bool)>,
    ) -> Refused<Wrote> {
        let line = self.line(on)?;
        let before = self.newest(&line, key).cloned();
        let (content, deleted) = change(before.as_ref())?;
        match before.filter(|row| !deleted && !row.deleted && row.content == content) {
            Some(row) => Ok(Wrote { version: row.version, is_new: false }),
            None => {
                self.events += 1;
                Ok(Wrote { version: self.append(on, key, content, deleted), is_new: true })
            }
        }
    }

    /// An action that `write` was.
    pub fn acted(&mut self, id: Id, before: Option<u64>, wrote: Wrote) {
        self.actions.push(Action { id, input: before, output: wrote.version, undone: false });
    }

    pub fn undo(&mut self, nth: usize, force: bool) -> Refused<u64> {
        let action = self.actions[nth].clone();
        if action.undone {
            return Err("ALREADY_UNDONE");
        }
        if action.input == Some(action.output) {
            return Err("NOT_UNDOABLE");
        }
        let row = |version: u64| self.rows[version as usize - 1].clone();
        let (was, became) = (action.input.map(row), row(action.output));
        let line = self.line(became.branch)?;
        let newest = self.newest(&line, &became.key).cloned();
        if newest.as_ref().map(|row| row.version) != Some(became.version) && !force {
            return Err("CHANGED_SINCE");
        }
        let (content, deleted) = match was.filter(|row| !row.deleted) {
            Some(row) => (row.content, false),
            None => (newest.as_ref().unwrap_or(&became).content.clone(), true),
        };
        self.actions[nth].undone = true;
        self.events += 1;
        Ok(self.append(became.branch, &became.key, content, deleted))
    }

    /// From the newest of a branch, or from the state in which a version was the newest.
    pub fn branch(&mut self, name: &'static str, from: Result<On, u64>) -> Refused<()> {
        let (parent, line) = match from {
            Ok(on) => (on, self.line(on)?),
            Err(version) => {
                let on = self.rows.get(version as usize - 1).and_then(|row| row.branch);
                let line = self.line(on)?;
                if version > self.newest_version() {
                    return Err("VERSION_NOT_FOUND");
                }
                (on, cut(line, version))
            }
        };
        if self.branches.contains_key(name) {
            return Err("BRANCH_EXISTS");
        }
        if self.rows.is_empty() {
            return Err("NOTHING_TO_BRANCH");
        }
        if from.is_err() && self.lacks_some(&line) {
            return Err("GONE");
        }
        let since = self.newest_version();
        self.branches.insert(name, Branch { parent, base: line[0].through.min(since), since });
        self.events += 1;
        Ok(())
    }

    pub fn delete_branch(&mut self, name: &'static str, force: bool) -> Refused<()> {
        let branch = self.branches.get(name).ok_or("BRANCH_NOT_FOUND")?;
        let taken = self.merged(Some(name), branch.parent);
        let given = self.merged(branch.parent, Some(name));
        let (own, parent) = (self.line(Some(name))?, self.line(branch.parent)?);
        let content = |line: &Line, key: &ThingKey| {
            self.newest(line, key).filter(|row| !row.deleted).map(|row| row.content.clone())
        };
        let is_news = |row: &Row| {
            let differs = given == 0 || content(&own, &row.key) != content(&parent, &row.key);
            row.branch == Some(name) && row.version > branch.since.max(taken) && differs
        };
        if !force && self.rows.iter().any(is_news) {
            return Err("BRANCH_UNMERGED");
        }
        if self.branches.values().any(|branch| branch.parent == Some(name)) {
            return Err("BRANCH_IN_USE");
        }
        self.branches.remove(name);
        self.merges.retain(|(source, into), _| *source != Some(name) && *into != Some(name));
        self.events += 1;
        Ok(())
    }

    /// Whether something that a line would show is in an archive.
    fn lacks_some(&self, line: &Line) -> bool {
        self.keys().iter().any(|key| {
            let of = |span: &Span| self.rows.iter().rev().find(|row| row.key == *key && span.has(row));
            line.iter().find_map(of).is_some_and(|row| row.gone && !row.deleted)
        })
    }

    /// What everybody stands on: what each branch shows, and what the next merge between two of them compares with.
    pub fn stood_on(&self) -> Vec<Option<Content>> {
        let on = self.branches();
        let lines = on.iter().filter_map(|on| self.line(*on).ok());
        let pairs = on.iter().flat_map(|source| on.iter().map(move |into| (*source, *into)));
        let ancestors = pairs.filter(|(source, into)| source != into).filter_map(|(source, into)| {
            Some(self.ancestor(source, into, &self.line(into).ok()?, &self.line(source).ok()?))
        });
        let shown = |line: Line| {
            let newest =
                |key: &ThingKey| self.newest(&line, key).filter(|row| !row.deleted).map(|row| row.content.clone());
            self.keys().iter().map(newest).collect::<Vec<_>>()
        };
        lines.chain(ancestors).flat_map(shown).collect()
    }

    /// Some rows, and all actions, are in an archive from now on.
    pub fn compacted(&mut self, gone: &[u64]) {
        gone.iter().for_each(|version| self.rows[*version as usize - 1].gone = true);
        self.shelved.append(&mut self.actions);
        self.events += 2;
    }

    /// They come back.
    pub fn restored(&mut self) {
        self.rows.iter_mut().for_each(|row| row.gone = false);
        self.shelved.append(&mut self.actions);
        self.actions = std::mem::take(&mut self.shelved);
    }

    /// While nobody has branched or merged, a compaction leaves the newest of what lives and nothing else.
    pub fn is_only_main(&self) -> bool {
        self.branches.is_empty() && self.merges.is_empty() && self.rows.iter().all(|row| row.branch.is_none())
    }

    /// The state that two branches had in common last.
    fn ancestor(&self, source: On, into: On, ours: &Line, theirs: &Line) -> Line {
        let (taken, given) = (self.merged(source, into), self.merged(into, source));
        match (taken, given) {
            (0, 0) => common(theirs, ours),
            _ if taken >= given => cut(theirs.clone(), taken),
            _ => cut(ours.clone(), given),
        }
    }

    fn merged(&self, source: On, into: On) -> u64 {
        self.merges.get(&(source, into)).copied().unwrap_or(0)
    }

    pub fn merge(&mut self, source: On, into: On, strategy: Option<Strategy>) -> Refused<Merged> {
        if source == into {
            return Err("MERGE_INTO_ITSELF");
        }
        let (ours, theirs) = (self.line(into)?, self.line(source)?);
        let (taken, given) = (self.merged(source, into), self.merged(into, source));
        let ancestor = self.ancestor(source, into, &ours, &theirs);
        let (mut steps, mut conflicts) = (Vec::new(), Vec::new());
        // All things there are: what did not change comes out as it is.
        for key in self.keys() {
            let content =
                |line: &Line| self.newest(line, &key).filter(|row| !row.deleted).map(|row| row.content.clone());
            match meet(content(&ancestor), content(&ours), content(&theirs), strategy) {
                Met::Keep => {}
                Met::Take(after) => steps.push((key, after)),
                Met::Conflict => conflicts.push(key),
            }
        }
        let fresh = |line: &Line, after: u64| {
            // What an archive has is no change that anybody could take.
            let is_fresh = |row: &Row| !row.gone && row.version > after && has(line, row) && !has(&ancestor, row);
            self.rows.iter().any(is_fresh)
        };
        let (fast_forward, is_news) = (!fresh(&ours, taken.max(given)), fresh(&theirs, taken));
        if !conflicts.is_empty() {
            self.events += 1;
            return Ok(Merged { merged: false, fast_forward, versions: Vec::new(), conflicts });
        }
        let mut versions = Vec::new();
        for (key, after) in steps {
            let before = self.newest(&ours, &key).map(|row| row.content.clone());
            let deleted = after.is_none();
            let content = after.or(before).expect("what is deleted was there");
            versions.push(self.append(into, &key, content, deleted));
        }
        if is_news {
            self.merges.insert((source, into), self.newest_version());
            self.events += 1;
        }
        Ok(Merged { merged: true, fast_forward, versions, conflicts })
    }
}

impl Span {
    fn has(&self, row: &Row) -> bool {
        row.branch == self.branch && row.version > self.after && row.version <= self.through
    }
}

fn has(line: &Line, row: &Row) -> bool {
    line.iter().any(|span| span.has(row))
}

fn cut(mut line: Line, through: u64) -> Line {
    line.iter_mut().for_each(|span| span.through = span.through.min(through));
    line
}

/// The newest branch that both stand on, as far as both see it.
fn common(a: &Line, b: &Line) -> Line {
    let same = |x: &Span, y: &Span| x.branch == y.branch && x.after == y.after;
    let (at, twin) = a
        .iter()
        .enumerate()
        .find_map(|(at, span)| Some((at, b.iter().find(|other| same(span, other))?)))
        .expect("all stand on main");
    cut(a[at..].to_vec(), twin.through)
}
