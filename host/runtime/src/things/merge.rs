//! Two lines of versions come together (spec 3.4): thing by thing, field by field, all or nothing.

use super::append::{Doing, Next, Scene};
use super::branches::end_branch;
use super::nouns::NounEntry;
use super::read::content_of;
use super::references::{Ahead, Sight};
use super::settings::NOUN as SETTINGS;
use super::uniques::value_at;
use super::view::{View, line_of};
use crate::Caller;
use crate::object::{Inner, Object, fault_of};
use model::Content;
use model::merge::{Conflict, ConflictKind, Decide, Outcome, Resolution, Strategy, three_way};
use model::noun::{NounDef, Schema};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{Line, PAGE_MAX, Reader, Turn};
use types::{BranchName, Fault, Id, Json, MergeRow, Noun, Row, ThingKey, ThingRow};

/// Things that one merge looks at: all of it is one transaction.
const THINGS_MAX: usize = 20_000;
/// The data of the things that one merge changes, before and after.
const BYTES_MAX: usize = 64 << 20;
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
                Merger { scene, lines, wanted, inner: &inner }.run(turn)
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
    /// The last merge between the two in either direction; 0: there was none.
    met: u64,
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
        let ancestor = if taken == 0 && given == 0 {
            theirs.common(&ours).ok_or_else(Fault::internal)?
        } else if taken >= given {
            theirs.clone().through(taken)
        } else {
            ours.clone().through(given)
        };
        Ok(Self { source: theirs, target: ours, ancestor, taken, met: taken.max(given) })
    }

    /// Whether nothing was written on the target since the common state.
    fn is_target_untouched(&self, reader: &Reader) -> Result<bool, Fault> {
        for span in self.target.beyond(&self.ancestor, self.met) {
            let newest = match &span.branch {
                None if span.is_whole => reader.main_head().map_err(|e| fault_of(&e))?,
                Some(branch) if span.is_whole => reader.branch_head(branch).map_err(|e| fault_of(&e))?.unwrap_or(0),
                branch => {
                    let page = reader.written_on(branch.as_ref(), span.after, span.through, 1);
                    page.map_err(|e| fault_of(&e))?.items.first().map_or(0, |(version, _)| *version)
                }
            };
            if newest > span.after {
                return Ok(false);
            }
        }
        Ok(true)
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

fn refuse_too_large(bytes: usize) -> Result<(), Fault> {
    if bytes <= BYTES_MAX {
        return Ok(());
    }
    let message =
        format!("the things to be merged have more than {BYTES_MAX} bytes; that is more than one transaction takes");
    Err(Fault::limit("MERGE_LIMIT", message))
}

fn name_of(branch: Option<&BranchName>) -> &str {
    branch.map_or("main", BranchName::as_str)
}

struct Merger<'a> {
    scene: Scene,
    lines: Lines,
    wanted: MergeWanted,
    inner: &'a Inner,
}

/// One thing that will change.
struct Step {
    key: ThingKey,
    before: Option<ThingRow>,
    after: Option<Content>,
}

impl Merger<'_> {
    fn run(self, turn: &mut Turn<'_>) -> Result<Merged, Fault> {
        let mut keys = self.lines.changed(turn)?;
        if let Some(things) = self.scene.only_things(turn)? {
            keys.retain(|key| things.contains(key));
        }
        keys.retain(|key| key.noun.as_str() != SETTINGS);
        let is_news = !keys.is_empty();
        let (mut steps, mut conflicts, mut bytes) = (Vec::new(), Vec::new(), 0);
        let fast_forward = self.lines.is_target_untouched(turn)?;
        for key in keys {
            let newest = |line: &Line| turn.newest(line, &key).map_err(|e| fault_of(&e));
            let (base, ours, theirs) =
                (newest(&self.lines.ancestor)?, newest(&self.lines.target)?, newest(&self.lines.source)?);
            let content = |row: &Option<ThingRow>| row.as_ref().filter(|row| !row.deleted).map(content_of);
            let (b, o, t) = (content(&base), content(&ours), content(&theirs));
            let decide =
                Decide { strategy: self.wanted.strategy, resolution: self.wanted.resolutions.get(&key).cloned() };
            match three_way(b.as_ref(), o.as_ref(), t.as_ref(), &decide) {
                Outcome::Keep => {}
                Outcome::Take(after) => {
                    bytes += [&ours, &theirs].into_iter().flatten().map(|row| row.data.as_str().len()).sum::<usize>();
                    refuse_too_large(bytes)?;
                    steps.push(Step { key, before: ours, after });
                }
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
        self.write(turn, fast_forward, steps, is_news)
    }

    /// What the merged things would break: their schemas as they are after the merge, targets that are not there then,
    /// and values that must be unique.
    fn broken_rules(&self, turn: &Turn<'_>, steps: &[Step]) -> Result<Vec<ThingConflicts>, Fault> {
        let mut found = Vec::new();
        let mut values: BTreeMap<(&Noun, String, String), &ThingKey> = BTreeMap::new();
        let (nouns, bad_nouns) = merged_nouns(steps);
        found.extend(bad_nouns.into_iter().map(|step| broken_fields(step, vec!["schema".to_owned()])));
        let things = steps.iter().map(|step| (&step.key, step.after.is_some())).collect();
        let mut sight = Sight::of(turn, &self.scene, self.inner);
        sight.ahead = Ahead { things, nouns };
        for step in steps {
            let Some(content) = &step.after else { continue };
            if step.key.noun.as_str() == "Relationship" {
                let broken: Vec<_> = sight.broken_stored_edge(content)?.into_iter().map(|error| error.field).collect();
                if !broken.is_empty() {
                    found.push(broken_fields(step, broken));
                }
                continue;
            }
            let Some(noun) = sight.noun(&step.key.noun)? else { continue };
            let Some(schema) = &noun.schema else { continue };
            let mut broken: Vec<String> =
                sight.broken(&step.key, &noun, content)?.into_iter().map(|error| error.field).collect();
            for field in schema.unique_fields() {
                let Some(value) = value_at(content, field) else { continue };
                let holder = self.scene.holder(turn, &step.key, field, &value)?;
                // One that changes too gives the value back; if it does not, the two meet in `values`.
                let changes = |id| sight.ahead.things.contains_key(&ThingKey::new(step.key.noun.clone(), id));
                let is_held = holder.is_some_and(|id| !changes(id));
                let is_shared = values.insert((&step.key.noun, field.clone(), value), &step.key).is_some();
                if is_held || is_shared {
                    broken.push(field.clone());
                }
            }
            if !broken.is_empty() {
                found.push(broken_fields(step, broken));
            }
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

    fn write(self, turn: &mut Turn<'_>, fast_forward: bool, steps: Vec<Step>, is_news: bool) -> Result<Merged, Fault> {
        let fault = |e: store::Error| fault_of(&e);
        let action = Id::new(turn.at(), rand::random());
        let mut versions = Vec::with_capacity(steps.len());
        for step in &steps {
            let noun = self.inner.nouns.entry(turn, &self.scene.line, &step.key.noun)?;
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
        for (step, content) in steps.iter().filter_map(|step| Some((step, step.after.as_ref()?))) {
            // What a noun's new schema asks of all its things.
            if let Some(def) = def_of(content).filter(|_| step.key.noun.as_str() == "Noun") {
                let noun = Noun::parse(&def.noun).map_err(|e| super::name_fault(&e))?;
                self.scene.index_uniques(turn, &noun, &def)?;
            }
        }
        let newest = turn.next_version() - 1;
        // Where nothing was new nothing is left, so that the same merge again is the same.
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

/// Nouns that the merge changes, as they are after it (None: without a schema), and those whose schema cannot be used.
fn merged_nouns(steps: &[Step]) -> (BTreeMap<&str, Option<Arc<NounEntry>>>, Vec<&Step>) {
    let (mut nouns, mut bad) = (BTreeMap::new(), Vec::new());
    for step in steps.iter().filter(|step| step.key.noun.as_str() == "Noun") {
        let compiled = step.after.as_ref().map(|content| match def_of(content)?.schema.as_ref().map(Schema::compile) {
            None => Some(None),
            Some(Ok(schema)) => Some(Some(schema)),
            Some(Err(_)) => None,
        });
        let entry = match compiled {
            None => None,
            Some(Some(schema)) => Some(Arc::new(NounEntry { schema })),
            Some(None) => {
                bad.push(step);
                None
            }
        };
        nouns.insert(step.key.id.as_str(), entry);
    }
    (nouns, bad)
}

fn def_of(content: &Content) -> Option<NounDef> {
    serde_json::from_value(content.data.clone()).ok()
}

fn broken_fields(step: &Step, mut fields: Vec<String>) -> ThingConflicts {
    fields.sort();
    fields.dedup();
    let ours = step.before.as_ref().map(|row| row.data.to_value());
    let value = |data: Option<&Value>, path: &str| data.and_then(|data| data.get(path)).cloned();
    let conflict = |path: String| Conflict {
        kind: ConflictKind::Constraint,
        base: None,
        ours: value(ours.as_ref(), &path),
        theirs: value(step.after.as_ref().map(|content| &content.data), &path),
        path,
    };
    ThingConflicts { key: step.key.clone(), conflicts: fields.into_iter().map(conflict).collect() }
}
