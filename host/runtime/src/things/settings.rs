//! What an admin sets for everybody who uses an object: the branch that is meant where nobody names one (spec VER-6),
//! and what is asked of those who write (spec 16.2, NOU-3).
//!
//! It is a thing on main, so it has versions, an action and an event like any other; it is no part of any branch, and
//! what is forked or merged takes none of it along.

use super::append::{Doing, Next, Scene};
use super::branches::unknown;
use super::patched::PatchOf;
use super::write::{Expect, Op, Write};
use crate::Caller;
use crate::object::{Object, fault_of};
use model::Content;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, PoisonError, RwLock};
use store::{Line, Reader, Turn};
use types::{BranchName, Fault, ModelBudget, Noun, Ref, ThingId, ThingKey};

/// The noun of the thing that has them.
pub(crate) const NOUN: &str = "ObjectSettings";

/// What is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// None is main.
    pub default_branch: Option<BranchName>,
    /// Whether a request that replaces, patches, deletes or restores a thing must say which version it is about.
    pub require_if_match: bool,
    /// Whether a `PUT` makes a thing where there is none.
    pub put_creates: bool,
    /// Whether things are of registered nouns only.
    pub strict_types: bool,
    /// What it may spend on models; None: what the nearest object above with a budget may.
    pub model_budget: Option<ModelBudget>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            default_branch: None,
            require_if_match: false,
            put_creates: true,
            strict_types: false,
            model_budget: None,
        }
    }
}

/// What of it is to be set; what is None stays.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RulesChange {
    /// `Some(None)` is main.
    pub default_branch: Option<Option<BranchName>>,
    pub require_if_match: Option<bool>,
    pub put_creates: Option<bool>,
    pub strict_types: Option<bool>,
    /// `Some(None)` takes it away.
    pub model_budget: Option<Option<ModelBudget>>,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kept {
    default_branch: String,
    require_if_match: bool,
    put_creates: bool,
    strict_types: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_budget: Option<ModelBudget>,
}

impl Default for Kept {
    fn default() -> Self {
        Self::of(&Rules::default())
    }
}

impl Kept {
    fn of(rules: &Rules) -> Self {
        Self {
            default_branch: rules.default_branch.as_ref().map_or("main", BranchName::as_str).to_owned(),
            require_if_match: rules.require_if_match,
            put_creates: rules.put_creates,
            strict_types: rules.strict_types,
            model_budget: rules.model_budget,
        }
    }

    fn rules(self) -> Rules {
        Rules {
            // What is no name of a branch is main.
            default_branch: BranchName::parse(&self.default_branch).ok(),
            require_if_match: self.require_if_match,
            put_creates: self.put_creates,
            strict_types: self.strict_types,
            model_budget: self.model_budget,
        }
    }
}

impl Rules {
    /// As a file has them.
    pub(crate) fn read(reader: &Reader) -> Result<Self, store::Error> {
        let row = reader.newest(&Line::main(), &key())?.filter(|row| !row.deleted);
        let kept = row.and_then(|row| serde_json::from_str::<Kept>(row.data.as_str()).ok());
        Ok(kept.unwrap_or_default().rules())
    }

    fn with(self, change: &RulesChange) -> Self {
        Self {
            default_branch: change.default_branch.clone().unwrap_or(self.default_branch),
            require_if_match: change.require_if_match.unwrap_or(self.require_if_match),
            put_creates: change.put_creates.unwrap_or(self.put_creates),
            strict_types: change.strict_types.unwrap_or(self.strict_types),
            model_budget: change.model_budget.unwrap_or(self.model_budget),
        }
    }

    /// A request's write, as it may be done. A guest needs no condition: its turn has the object to itself.
    ///
    /// # Errors
    /// `PRECONDITION_REQUIRED` for one that does not say which version it is about, where that is asked.
    pub(super) fn apply(&self, mut write: Write) -> Result<Write, Fault> {
        let said = match &write.op {
            Op::Create { .. } => true,
            Op::Put { input, .. } => input.if_version.is_some(),
            Op::Patch { patch: PatchOf::Merge { if_version, .. }, .. } => if_version.is_some(),
            Op::Patch { patch: PatchOf::Json(_), .. } | Op::Delete { .. } | Op::Restore { .. } => false,
        };
        if self.require_if_match && !said && write.expect == Expect::Anything {
            let message = "this object takes only writes that say which version they are about: send If-Match with the \
                           ETag of what you read (or If-None-Match: * to create; in a batch, ifVersion)";
            return Err(Fault::conflict("PRECONDITION_REQUIRED", message));
        }
        if let Op::Put { upsert, .. } = &mut write.op {
            *upsert &= self.put_creates;
        }
        Ok(write)
    }
}

/// What an open object remembers of them.
#[derive(Default)]
pub(crate) struct Settings(RwLock<Arc<Rules>>);

impl Settings {
    pub(crate) fn new(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    pub(crate) fn get(&self) -> Arc<Rules> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

fn key() -> ThingKey {
    let id = ThingId::parse("object").expect("it is an id");
    ThingKey::new(Noun::parse(NOUN).expect("it is PascalCase"), id)
}

impl Object {
    /// The state that is meant where a request, or a guest, names none: the default branch, or [`Ref::Head`] when that
    /// is main.
    pub fn in_effect(&self) -> Ref {
        self.inner.settings.get().default_branch.clone().map_or(Ref::Head, |branch| Ref::Branch(Some(branch)))
    }

    /// Sets something for everybody who uses the object.
    ///
    /// # Errors
    /// `not-found` for a branch that is not there.
    pub async fn set_rules(&self, caller: &Caller, change: RulesChange) -> Result<(), Fault> {
        caller.may("objects", "update")?;
        let (caller, inner, after) = (caller.clone(), self.inner.clone(), self.inner.clone());
        self.change_then(
            1024,
            move |turn| {
                let line = Line::main();
                let scene = Scene { caller, namespace: inner.namespace.clone(), branch: None, line };
                store_rules(turn, &scene, &change)
            },
            move |rules: &Rules| after.settings.set(rules.clone()),
        )
        .await
        .map(|_| ())
    }
}

fn store_rules(turn: &mut Turn<'_>, scene: &Scene, change: &RulesChange) -> Result<Rules, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    if let Some(Some(name)) = &change.default_branch {
        turn.branch(name).map_err(fault)?.filter(|row| !row.deleted).ok_or_else(|| unknown(name))?;
    }
    let before = turn.newest(&scene.line, &key()).map_err(fault)?;
    let known = Rules::read(turn).map_err(fault)?;
    let rules = known.clone().with(change);
    if rules == known {
        return Ok(rules);
    }
    let data = serde_json::to_value(Kept::of(&rules)).map_err(|_| Fault::internal())?;
    let doing = if before.is_some() { Doing::new("update", "updated") } else { Doing::new("create", "created") };
    let content = Content { name: None, data };
    let next = Next { key: &key(), before: before.as_ref(), content, deleted: false, noun: None };
    scene.append(turn, next, doing)?;
    Ok(rules)
}

/// Whoever names no branch is on this one: it stays while that is so.
pub(super) fn refuse_default(reader: &Reader, name: &BranchName) -> Result<(), Fault> {
    if Rules::read(reader).map_err(|e| fault_of(&e))?.default_branch.as_ref() != Some(name) {
        return Ok(());
    }
    let message = format!("{name} is the default branch; make another one the default first");
    Err(Fault::conflict("BRANCH_IS_DEFAULT", message))
}
