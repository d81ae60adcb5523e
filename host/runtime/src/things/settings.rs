//! What an admin sets for everybody who uses an object: the branch that is meant where nobody names one (spec VER-6).
//!
//! It is a thing on main, so it has versions, an action and an event like any other; it is no part of any branch, and
//! what is forked or merged takes none of it along.

use super::append::{Doing, Next, Scene};
use super::branches::unknown;
use crate::Caller;
use crate::object::{Object, fault_of};
use model::Content;
use serde_json::json;
use std::sync::{PoisonError, RwLock};
use store::{Line, Reader, Turn};
use types::{BranchName, Fault, Noun, Ref, ThingId, ThingKey};

/// The noun of the thing that has them.
pub(crate) const NOUN: &str = "ObjectSettings";

/// What an open object remembers of them.
#[derive(Default)]
pub(crate) struct Settings {
    /// None is main.
    default_branch: RwLock<Option<BranchName>>,
}

impl Settings {
    pub(crate) fn new(default_branch: Option<BranchName>) -> Self {
        Self { default_branch: RwLock::new(default_branch) }
    }

    /// What a request without a ref is about: the default branch, or [`Ref::Head`] when that is main.
    pub(crate) fn in_effect(&self) -> Ref {
        let branch = self.default_branch.read().unwrap_or_else(PoisonError::into_inner);
        branch.clone().map_or(Ref::Head, |branch| Ref::Branch(Some(branch)))
    }

    fn set(&self, branch: Option<BranchName>) {
        *self.default_branch.write().unwrap_or_else(PoisonError::into_inner) = branch;
    }
}

/// The default branch as a file has it; None is main.
pub(crate) fn default_branch(reader: &Reader) -> Result<Option<BranchName>, store::Error> {
    let row = reader.newest(&Line::main(), &key())?.filter(|row| !row.deleted);
    let name = row.and_then(|row| row.data.to_value()["defaultBranch"].as_str().map(str::to_owned));
    Ok(name.and_then(|name| BranchName::parse(&name).ok()))
}

fn key() -> ThingKey {
    let id = ThingId::parse("object").expect("it is an id");
    ThingKey::new(Noun::parse(NOUN).expect("it is PascalCase"), id)
}

impl Object {
    /// The state that is meant where a request, or a guest, names none.
    pub fn in_effect(&self) -> Ref {
        self.inner.settings.in_effect()
    }

    /// Makes a branch the one that everybody means who names none; None is main.
    ///
    /// # Errors
    /// `not-found` for a branch that is not there.
    pub async fn set_default_branch(&self, caller: &Caller, branch: Option<BranchName>) -> Result<(), Fault> {
        caller.may("objects", "update")?;
        let (caller, inner, after) = (caller.clone(), self.inner.clone(), self.inner.clone());
        let wanted = branch.clone();
        self.change_then(
            1024,
            move |turn| {
                let line = Line::main();
                let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line };
                store_default(turn, &scene, wanted.as_ref())
            },
            move |()| after.settings.set(branch),
        )
        .await
    }
}

fn store_default(turn: &mut Turn<'_>, scene: &Scene, branch: Option<&BranchName>) -> Result<(), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    if let Some(name) = branch {
        turn.branch(name).map_err(fault)?.filter(|row| !row.deleted).ok_or_else(|| unknown(name))?;
    }
    let before = turn.newest(&scene.line, &key()).map_err(fault)?;
    if default_branch(turn).map_err(fault)?.as_ref() == branch {
        return Ok(());
    }
    let data = json!({ "defaultBranch": branch.map_or("main", BranchName::as_str) });
    let doing = if before.is_some() { Doing::new("update", "updated") } else { Doing::new("create", "created") };
    let content = Content { name: None, data };
    let next = Next { key: &key(), before: before.as_ref(), content, deleted: false, noun: None };
    scene.append(turn, next, doing)?;
    Ok(())
}

/// Whoever names no branch is on this one: it stays while that is so.
pub(super) fn refuse_default(reader: &Reader, name: &BranchName) -> Result<(), Fault> {
    if default_branch(reader).map_err(|e| fault_of(&e))?.as_ref() != Some(name) {
        return Ok(());
    }
    let message = format!("{name} is the default branch; make another one the default first");
    Err(Fault::conflict("BRANCH_IS_DEFAULT", message))
}
