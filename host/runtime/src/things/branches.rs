//! Branches: copies of a whole object that cost nothing until something is written on them (spec 3.1, 3.2).

use super::append::{Doing, Scene, empty};
use super::fields_fault;
use super::read::content_of;
use super::settings::refuse_default;
use super::view::{View, archived_fault, line_of};
use crate::Caller;
use crate::object::{Object, fault_of};
use model::FieldError;
use std::collections::HashSet;
use store::{Line, PAGE_MAX, Reader, Turn};
use types::{BranchName, BranchRow, Fault, Json, Ref, Row, ThingKey};

/// Branches of one object.
const BRANCHES_MAX: u64 = 10_000;
/// Things a branch can be made for.
const THINGS_MAX: usize = 1_000;
/// Branches that are looked at without letting others at the file.
const AT_ONCE: u32 = 16;
/// How far ahead or behind is counted.
const COUNTED_MAX: usize = 10_000;

/// A branch to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchWanted {
    pub name: BranchName,
    /// The only things that can be written on it; None: all.
    pub things: Option<Vec<ThingKey>>,
}

/// A branch as it is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchShown {
    /// `main` for main.
    pub name: String,
    /// None for main.
    pub row: Option<BranchRow>,
    /// The object's version it was made at, or was merged at last.
    pub base: u64,
    /// The newest version on it.
    pub head: u64,
    /// Things it has that its parent has not taken, and the other way round; counted up to 10,000.
    pub ahead: u64,
    pub behind: u64,
}

impl Object {
    /// Makes a branch of what a view shows. It does not switch anybody to it.
    pub async fn branch(&self, caller: &Caller, from: &View, wanted: BranchWanted) -> Result<BranchShown, Fault> {
        caller.may("branches", "create")?;
        if wanted.things.as_ref().is_some_and(|things| things.is_empty() || things.len() > THINGS_MAX) {
            let message = format!("a branch is made for 1 to {THINGS_MAX} things, or without a list for all");
            return Err(fields_fault(&[FieldError::new("things", "size", message)]));
        }
        let (caller, inner, from) = (caller.clone(), self.inner.clone(), from.clone());
        self.change(2048 + wanted.things.as_ref().map_or(0, |t| t.len() * 300), move |turn| {
            let fault = |e: store::Error| fault_of(&e);
            let line = from_line(turn, &from)?;
            let existing = turn.branch(&wanted.name).map_err(fault)?;
            if existing.is_some_and(|row| !row.deleted) {
                return Err(Fault::conflict("BRANCH_EXISTS", format!("the branch {} exists already", wanted.name)));
            }
            if turn.next_version() == 1 {
                return Err(Fault::conflict(
                    "NOTHING_TO_BRANCH",
                    "there is nothing to branch: this object has no things yet",
                ));
            }
            if turn.branch_count().map_err(fault)? >= BRANCHES_MAX {
                let message = format!("an object has {BRANCHES_MAX} branches at most; delete some");
                return Err(Fault::limit("BRANCHES_LIMIT", message));
            }
            if line.depth() >= Reader::BRANCH_DEPTH_MAX {
                let message = format!("branches stand on each other {} deep at most", Reader::BRANCH_DEPTH_MAX);
                return Err(Fault::limit("BRANCH_DEPTH_LIMIT", message));
            }
            let forked_from = forked_from(&from);
            if !line.is_newest()
                && let Some(gone) = turn.lacks_any(&line).map_err(fault)?
            {
                return Err(archived_fault(&gone));
            }
            let row = BranchRow {
                name: wanted.name.clone(),
                parent: line.branch().cloned(),
                base: line.newest_version().min(turn.next_version() - 1),
                since: turn.next_version() - 1,
                forked_from,
                things: wanted.things,
                created_at: turn.at(),
                created_by: caller.identity.actor.to_string(),
                deleted: false,
            };
            turn.write(Row::Branch(row.clone())).map_err(fault)?;
            let options = serde_json::json!({ "base": row.base, "forkedFrom": row.forked_from });
            let target = format!("Branch/{}", row.name);
            let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line };
            let doing = Doing { options: Json::from_value(&options), ..Doing::new("branch", "branch.created") };
            scene.note_action(turn, target, (None, None), doing)?;
            show(turn, row)
        })
        .await
    }

    /// All branches, main first, then by name.
    pub async fn branches(&self, caller: &Caller) -> Result<Vec<BranchShown>, Fault> {
        caller.may("branches", "read")?;
        let mut shown = vec![self.look(|store| show_main(store)).await?];
        let mut after: Option<BranchName> = None;
        loop {
            // Counting takes a while, and whoever writes meanwhile must not wait for all of it.
            let next = self
                .look(|store| {
                    let page = store.branches(after.as_ref(), AT_ONCE).map_err(|e| fault_of(&e))?;
                    for row in page.items {
                        shown.push(show(store, row)?);
                    }
                    Ok(page.next)
                })
                .await?;
            match next {
                Some(next) => after = Some(next),
                None => return Ok(shown),
            }
        }
    }

    /// One branch; None is main.
    pub async fn branch_named(&self, caller: &Caller, name: Option<&BranchName>) -> Result<BranchShown, Fault> {
        caller.may("branches", "read")?;
        self.look(|store| {
            let Some(name) = name else { return show_main(store) };
            let row = store.branch(name).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
            show(store, row.ok_or_else(|| unknown(name))?)
        })
        .await
    }

    /// Ends a branch. What was written there stays readable by its versions.
    ///
    /// # Errors
    /// `conflict` when it has what its parent has not taken, unless forced; or when another branch stands on it.
    pub async fn delete_branch(&self, caller: &Caller, name: &BranchName, force: bool) -> Result<(), Fault> {
        caller.may("branches", "delete")?;
        let (caller, inner, name) = (caller.clone(), self.inner.clone(), name.clone());
        self.change(1024, move |turn| {
            let row = turn.branch(&name).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
            let row = row.ok_or_else(|| unknown(&name))?;
            let ahead = show(turn, row.clone())?.ahead;
            if ahead > 0 && !force {
                let message = format!(
                    "{name} has {ahead} changed things that were not merged; merge it, or delete it with force"
                );
                return Err(Fault::conflict("BRANCH_UNMERGED", message));
            }
            let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line: Line::main() };
            end_branch(turn, &scene, row)
        })
        .await
    }

    /// Whether there is a state of the whole object that a ref names.
    pub(crate) async fn find_state(&self, caller: &Caller, to: &Ref) -> Result<(), Fault> {
        caller.may("branches", "read")?;
        let view = View { checkout: to.clone(), at: Ref::Head };
        self.look(|store| view.line(store).map(|_| ())).await
    }
}

pub(super) fn end_branch(turn: &mut Turn<'_>, scene: &Scene, row: BranchRow) -> Result<(), Fault> {
    if turn.has_children(&row.name).map_err(|e| fault_of(&e))? {
        let message = format!("another branch was made from {}; delete that one first", row.name);
        return Err(Fault::conflict("BRANCH_IN_USE", message));
    }
    refuse_default(turn, &row.name)?;
    let target = format!("Branch/{}", row.name);
    turn.write(Row::Branch(BranchRow { deleted: true, ..row })).map_err(|e| fault_of(&e))?;
    let doing = Doing { options: empty(), ..Doing::new("delete", "branch.deleted") };
    scene.note_action(turn, target, (None, None), doing)?;
    Ok(())
}

pub(super) fn unknown(name: &BranchName) -> Fault {
    Fault::not_found("BRANCH_NOT_FOUND", format!("there is no branch {name}"))
}

/// A branch is made from a branch, or from a past state of one.
fn from_line(turn: &Turn<'_>, from: &View) -> Result<Line, Fault> {
    match &from.at {
        // The version's own branch, as it was then.
        Ref::Version(_) => View { checkout: from.at.clone(), at: Ref::Head }.line(turn),
        Ref::Head | Ref::Branch(_) | Ref::Back(..) | Ref::At(_) => from.line(turn),
    }
}

fn forked_from(from: &View) -> String {
    let at = if from.at == Ref::Head { &from.checkout } else { &from.at };
    match at {
        Ref::Head => "main".to_owned(),
        named => named.to_string(),
    }
}

fn show_main(reader: &Reader) -> Result<BranchShown, Fault> {
    let head = reader.main_head().map_err(|e| fault_of(&e))?;
    Ok(BranchShown { name: "main".to_owned(), row: None, base: 0, head, ahead: 0, behind: 0 })
}

fn show(reader: &Reader, row: BranchRow) -> Result<BranchShown, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let merged = |source: Option<&BranchName>, into: Option<&BranchName>| {
        Ok::<_, Fault>(reader.last_merge(source, into).map_err(fault)?.map_or(0, |merge| merge.at))
    };
    let taken = merged(Some(&row.name), row.parent.as_ref())?;
    let given = merged(row.parent.as_ref(), Some(&row.name))?;
    let (own, parent) = (line_of(reader, Some(&row.name))?, line_of(reader, row.parent.as_ref())?);
    // What one side wrote when it took the other's is no news to that.
    let differ = |key: &ThingKey| {
        let state = |line: &Line| reader.newest(line, key).map(|row| row.filter(|row| !row.deleted)).map_err(fault);
        Ok::<_, Fault>(state(&own)?.as_ref().map(content_of) != state(&parent)?.as_ref().map(content_of))
    };
    let mut ahead = 0;
    let mut after: Option<ThingKey> = None;
    loop {
        let page = reader.changed_on(Some(&row.name), after.as_ref(), PAGE_MAX).map_err(fault)?;
        for (key, _) in page.items.iter().filter(|(_, version)| *version > taken) {
            ahead += usize::from(given == 0 || differ(key)?);
        }
        match page.next.filter(|_| ahead < COUNTED_MAX) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let mut keys = HashSet::new();
    let mut from = row.base.max(given);
    for _ in 0..COUNTED_MAX / PAGE_MAX as usize {
        let page = reader.written_on(parent.branch(), from, u64::MAX, PAGE_MAX).map_err(fault)?;
        keys.extend(page.items.into_iter().map(|(_, key)| key));
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    let mut behind = 0;
    for key in &keys {
        behind += u64::from(taken == 0 || differ(key)?);
    }
    Ok(BranchShown {
        name: row.name.to_string(),
        base: row.base.max(taken),
        head: reader.branch_head(&row.name).map_err(fault)?.unwrap_or(row.base),
        ahead: ahead as u64,
        behind,
        row: Some(row),
    })
}
