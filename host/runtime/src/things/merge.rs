//! Two lines of versions come together (spec 3.4): thing by thing, field by field, all or nothing.

use super::append::{Doing, Next, Scene};
use super::branches::end_branch;
use super::nouns::Nouns;
use super::read::content_of;
use super::view::{View, line_of};
use crate::Caller;
use crate::object::{Object, fault_of};
use model::Content;
use model::merge::{Conflict, ConflictKind, Decide, Outcome, Resolution, Strategy, three_way};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use store::{Line, PAGE_MAX, Reader, Turn};
use types::{BranchName, Fault, Id, Json, MergeRow, Row, ThingKey, ThingRow};

/// Things that one merge looks at: all of it is one transaction.
const THINGS_MAX: usize = 20_000;
/// Things with conflicts that are told.
const CONFLICTS_TOLD_MAX: usize = 1_000;
/// Versions that the event of a merge names; the answer names all.
const VERSIONS_TOLD_MAX: usize = 1_000;

/// A merge to be made.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MergeWanted {
    /// None is main.
    pub source: Option<BranchName>,
    pub strategy: Option<Strategy>,
    /// By thing.
    pub resolutions: BTreeMap<ThingKey, Resolution>,
    pub message: Option<String>,
    pub delete_branch: bool,
    /// Looks, and writes nothing.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Merged {
    pub merged: bool,
    /// The target had not changed since the base.
    pub fast_forward: bool,
    /// The versions that were written; in a dry run none.
    pub versions: Vec<u64>,
    /// How many things would change, in a dry run.
    pub changes: usize,
    pub conflicts: Vec<ThingConflicts>,
    pub action: Option<Id>,
}

/// Why one thing could not be merged.
#[derive(Clone, PartialEq, Debug)]
pub struct ThingConflicts {
    pub key: ThingKey,
    pub conflicts: Vec<Conflict>,
}

impl Object {
    /// Merges a branch into the one a view writes to.
    pub async fn merge(&self, caller: &Caller, into: &View, wanted: MergeWanted) -> Result<Merged, Fault> {
        caller.may("branches", "merge")?;
        let target = into.writes_to()?;
        if target == wanted.source {
            let name = name_of(target.as_ref());
            return Err(Fault::invalid("MERGE_INTO_ITSELF", format!("{name} cannot be merged into itself")));
        }
        let (caller, inner) = (caller.clone(), self.inner.clone());
        let after = inner.clone();
        self.change_then(
            64 << 10,
            move |turn| {
                let lines = Lines::read(turn, wanted.source.as_ref(), target.as_ref())?;
                let line = lines.target.clone();
                let scene = Scene { caller, namespace: inner.namespace.clone(), branch: target, line };
                Merger { scene, lines, wanted, nouns: &inner.nouns }.run(turn)
            },
            move |_| after.nouns.changed(),
        )
        .await
    }
}

/// What is compared.
struct Lines {
    source: Line,
    target: Line,
    /// The last state that both had in common.
    ancestor: Line,
    /// What the source wrote at or before this was taken by the target already; 0: it never merged.
    taken: u64,
}

impl Lines {
    /// The common state is what the last merge between the two, in either direction, took whole; before any it is where
    /// one was made from the other.
    fn read(reader: &Reader, source: Option<&BranchName>, target: Option<&BranchName>) -> Result<Self, Fault> {
        let fault = |e: store::Error| fault_of(&e);
        let (ours, theirs) = (line_of(reader, target)?, line_of(reader, source)?);
        let at = |merge: Option<MergeRow>| merge.map_or(0, |merge| merge.at);
        let taken = at(reader.last_merge(source, target).map_err(fault)?);
        let given = at(reader.last_merge(target, source).map_err(fault)?);
        let ancestor = match taken.cmp(&given) {
            std::cmp::Ordering::Greater => theirs.clone().through(taken),
            std::cmp::Ordering::Less => ours.clone().through(given),
            std::cmp::Ordering::Equal => theirs.common(&ours).ok_or_else(Fault::internal)?,
        };
        Ok(Self { source: theirs, target: ours, ancestor, taken })
    }

    /// Every thing that the source may have changed since: what was written on it, and on what it stands on down to
    /// where the target stands too.
    fn changed(&self, reader: &Reader) -> Result<BTreeSet<ThingKey>, Fault> {
        let mut keys = BTreeSet::new();
        for span in self.source.beyond(&self.ancestor, self.taken) {
            // A branch's own heads are its changes; main's are the whole object, so there the versions are gone through.
            match &span.branch {
                Some(branch) if span.is_whole => {
                    let mut after: Option<ThingKey> = None;
                    loop {
                        let page =
                            reader.changed_on(Some(branch), after.as_ref(), PAGE_MAX).map_err(|e| fault_of(&e))?;
                        keys.extend(page.items.into_iter().filter(|(_, v)| *v > span.after).map(|(key, _)| key));
                        refuse_too_many(keys.len())?;
                        match page.next {
                            Some(next) => after = Some(next),
                            None => break,
                        }
                    }
                }
                branch => {
                    let mut from = span.after;
                    loop {
                        let page = reader
                            .written_on(branch.as_ref(), from, span.through, PAGE_MAX)
                            .map_err(|e| fault_of(&e))?;
                        keys.extend(page.items.into_iter().map(|(_, key)| key));
                        refuse_too_many(keys.len())?;
                        match page.next {
                            Some(next) => from = next,
                            None => break,
                        }
                    }
                }
            }
        }
        Ok(keys)
    }
}

fn refuse_too_many(things: usize) -> Result<(), Fault> {
    if things <= THINGS_MAX {
        return Ok(());
    }
    let message =
        format!("more than {THINGS_MAX} things changed since the last merge; that is more than one transaction takes");
    Err(Fault::limit("MERGE_LIMIT", message))
}

fn name_of(branch: Option<&BranchName>) -> &str {
    branch.map_or("main", BranchName::as_str)
}

struct Merger<'a> {
    scene: Scene,
    lines: Lines,
    wanted: MergeWanted,
    nouns: &'a Nouns,
}

/// One thing that will change.
struct Step {
    key: ThingKey,
    before: Option<ThingRow>,
    after: Option<Content>,
}

impl Merger<'_> {
    fn run(self, turn: &mut Turn<'_>) -> Result<Merged, Fault> {
        let keys = self.lines.changed(turn)?;
        let mut steps = Vec::new();
        let mut conflicts = Vec::new();
        let mut fast_forward = true;
        for key in keys {
            let newest = |line: &Line| turn.newest(line, &key).map_err(|e| fault_of(&e));
            let (base, ours, theirs) =
                (newest(&self.lines.ancestor)?, newest(&self.lines.target)?, newest(&self.lines.source)?);
            let content = |row: &Option<ThingRow>| row.as_ref().filter(|row| !row.deleted).map(content_of);
            let (b, o, t) = (content(&base), content(&ours), content(&theirs));
            fast_forward &= b == o;
            let decide =
                Decide { strategy: self.wanted.strategy, resolution: self.wanted.resolutions.get(&key).cloned() };
            match three_way(b.as_ref(), o.as_ref(), t.as_ref(), &decide) {
                Outcome::Keep => {}
                Outcome::Take(after) => steps.push(Step { key, before: ours, after }),
                Outcome::Conflicts(found) => conflicts.push(ThingConflicts { key, conflicts: found }),
            }
        }
        if conflicts.is_empty() {
            conflicts = self.broken_rules(turn, &steps)?;
        }
        let changes = steps.len();
        if !conflicts.is_empty() {
            return self.refuse(turn, fast_forward, changes, conflicts);
        }
        if self.wanted.dry_run {
            return Ok(Merged { merged: true, fast_forward, changes, ..Merged::default() });
        }
        self.write(turn, fast_forward, steps)
    }

    /// What the merged things would break: their schemas, and values that must be unique.
    fn broken_rules(&self, turn: &Turn<'_>, steps: &[Step]) -> Result<Vec<ThingConflicts>, Fault> {
        let mut found = Vec::new();
        let mut values: BTreeMap<(String, String, String), ThingKey> = BTreeMap::new();
        for step in steps {
            let (Some(content), Some(noun)) = (&step.after, self.nouns.entry(turn, &self.scene.line, &step.key.noun)?)
            else {
                continue;
            };
            let Some(schema) = &noun.schema else { continue };
            let columns = model::noun::Columns { id: Some(step.key.id.as_str()), name: content.name.as_deref() };
            let mut broken: Vec<String> =
                schema.validate_with(columns, &content.data).into_iter().map(|error| error.field).collect();
            for field in schema.unique_fields() {
                let Some(value) = content.data.get(field).filter(|value| !value.is_null()) else { continue };
                let place = (step.key.noun.to_string(), field.clone(), value.to_string());
                if values.insert(place, step.key.clone()).is_some() {
                    broken.push(field.clone());
                }
            }
            if let Err(fault) = self.scene.refuse_taken(turn, &step.key, &content.data, Some(&noun)) {
                let still = taken_by_one_that_changes(&fault, steps);
                if !still {
                    let details = fault.details.as_ref().map(Json::to_value).unwrap_or_default();
                    broken.push(details[0]["field"].as_str().unwrap_or_default().to_owned());
                }
            }
            broken.sort();
            broken.dedup();
            if broken.is_empty() {
                continue;
            }
            let theirs = |path: &str| content.data.get(path).cloned();
            let conflict = |path: String| Conflict {
                kind: ConflictKind::Constraint,
                base: None,
                ours: step.before.as_ref().and_then(|row| row.data.to_value().get(&path).cloned()),
                theirs: theirs(&path),
                path,
            };
            let conflicts = broken.into_iter().map(conflict).collect();
            found.push(ThingConflicts { key: step.key.clone(), conflicts });
        }
        Ok(found)
    }

    /// No thing is written; that there was a conflict is.
    fn refuse(
        &self,
        turn: &mut Turn<'_>,
        fast_forward: bool,
        changes: usize,
        mut conflicts: Vec<ThingConflicts>,
    ) -> Result<Merged, Fault> {
        let count = conflicts.len();
        conflicts.truncate(CONFLICTS_TOLD_MAX);
        let mut merged = Merged { fast_forward, changes, conflicts, ..Merged::default() };
        if !self.wanted.dry_run {
            let options = json!({ "source": self.source(), "into": self.target(), "conflicts": count });
            let doing = Doing { options: Json::from_value(&options), ..Doing::new("merge", "merge.conflict") };
            let id = self.scene.note_action(turn, format!("Branch/{}", self.target()), (None, None), doing)?;
            merged.action = Some(id);
        }
        Ok(merged)
    }

    fn write(self, turn: &mut Turn<'_>, fast_forward: bool, steps: Vec<Step>) -> Result<Merged, Fault> {
        let fault = |e: store::Error| fault_of(&e);
        let action = Id::new(turn.at(), rand::random());
        let mut versions = Vec::with_capacity(steps.len());
        for step in &steps {
            let noun = self.nouns.entry(turn, &self.scene.line, &step.key.noun)?;
            let (content, deleted) = match (&step.after, &step.before) {
                (Some(content), _) => (content.clone(), false),
                (None, Some(before)) => (content_of(before), true),
                (None, None) => continue,
            };
            let before = step.before.as_ref();
            let next = Next { key: &step.key, before, content, deleted, noun: noun.as_deref() };
            let doing = Doing { event: None, action: Some(action), ..Doing::new("merge", "") };
            let (row, _) = self.scene.append(turn, next, doing)?;
            versions.push(row.version);
        }
        let newest = turn.next_version() - 1;
        // A merge that found nothing new leaves nothing, so that the same one again is the same.
        let is_news = !versions.is_empty() || newest > self.lines.taken && self.lines.taken == 0;
        let mut merged = Merged { merged: true, fast_forward, changes: versions.len(), versions, ..Merged::default() };
        if is_news {
            let row = MergeRow { source: self.wanted.source.clone(), into: self.scene.branch.clone(), at: newest };
            turn.write(Row::Merge(row)).map_err(fault)?;
            let told = &merged.versions[..merged.versions.len().min(VERSIONS_TOLD_MAX)];
            let options = json!({
                "source": self.source(), "into": self.target(), "versions": told, "changes": merged.versions.len(),
                "message": self.wanted.message,
            });
            let output = merged.versions.last().copied();
            let doing = Doing {
                options: Json::from_value(&options),
                action: Some(action),
                ..Doing::new("merge", "merge.completed")
            };
            merged.action =
                Some(self.scene.note_action(turn, format!("Branch/{}", self.target()), (None, output), doing)?);
        }
        if let Some(name) = self.wanted.source.as_ref().filter(|_| self.wanted.delete_branch)
            && let Some(row) = turn.branch(name).map_err(fault)?
        {
            end_branch(turn, &self.scene, row)?;
        }
        Ok(merged)
    }

    fn source(&self) -> &str {
        name_of(self.wanted.source.as_ref())
    }

    fn target(&self) -> &str {
        name_of(self.scene.branch.as_ref())
    }
}

/// A value may be taken by a thing that gives it back in the same merge; if it does not, two steps share the value and
/// that is found there.
fn taken_by_one_that_changes(fault: &Fault, steps: &[Step]) -> bool {
    steps.iter().any(|step| fault.message.contains(&format!("is taken by {}/{};", step.key.noun, step.key.id)))
}
