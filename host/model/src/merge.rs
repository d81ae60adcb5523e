//! How two lines of versions come together: three-way, field by field (spec VER-10, VER-12).
//!
//! One thing at a time; which things changed, what is written and that all or nothing is, is the caller's. A conflict
//! of kind [`ConflictKind::Constraint`] is mostly the caller's too, who alone knows what is unique.

use crate::path::Tree;
use crate::{Content, FieldError, depth, path, quote};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Conflicts named for one thing. All of them count; naming more helps nobody, and each has a path as long as the data
/// is deep.
pub const CONFLICTS_MAX: usize = 200;

/// What becomes of the target's thing.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// It stays as it is: nothing is written.
    Keep,
    /// It becomes this, which differs from what it is; `None` deletes it.
    Take(Option<Content>),
    /// Somebody has to decide; never empty, at most [`CONFLICTS_MAX`].
    Conflicts(Vec<Conflict>),
}

/// Two changes that cannot both be.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Conflict {
    /// A [`path`]; empty for the whole thing.
    pub path: String,
    pub kind: ConflictKind,
    /// What each side has there; absent where it has nothing. For the whole thing an object `{name, data}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ours: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum ConflictKind {
    /// Both sides changed the same path to different values.
    #[serde(rename = "field")]
    Field,
    /// One side deleted what the other changed.
    #[serde(rename = "delete/modify")]
    DeleteModify,
    /// The result breaks a rule: a schema, a unique field, a limit.
    #[serde(rename = "constraint")]
    Constraint,
}

/// Which side wins where both changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    Ours,
    Theirs,
}

/// What somebody decided about one thing. It decides conflicts only: what merges by itself is merged.
#[derive(Clone, PartialEq, Debug)]
pub enum Resolution {
    Ours,
    Theirs,
    /// The thing goes, whatever the conflict was.
    Delete,
    /// A value for each conflicting path; a path that is not in conflict is ignored.
    Fields(BTreeMap<String, Value>),
}

impl Resolution {
    /// `"ours" | "theirs" | "delete" | {"path": value}`; `field` is where the caller found it.
    pub fn read(value: &Value, field: &str) -> Result<Self, FieldError> {
        match value {
            Value::String(word) if word == "ours" => Ok(Self::Ours),
            Value::String(word) if word == "theirs" => Ok(Self::Theirs),
            Value::String(word) if word == "delete" => Ok(Self::Delete),
            Value::Object(map) => match map.keys().find(|path| path::read(path).is_none()) {
                None => Ok(Self::Fields(map.iter().map(|(k, v)| (k.clone(), v.clone())).collect())),
                Some(bad) => Err(FieldError::new(
                    field,
                    "path",
                    format!("{} is no path: after ~ stands 0 (for ~), 1 (for .) or 2 (for nothing)", quote(bad)),
                )),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                let message = "a resolution is \"ours\", \"theirs\", \"delete\" or an object of values by path";
                Err(FieldError::new(field, "resolution", message))
            }
        }
    }
}

/// How conflicts of one thing are decided; a resolution goes before the strategy.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Decide {
    pub strategy: Option<Strategy>,
    pub resolution: Option<Resolution>,
}

/// The target's thing after the source's changes since `base`. `None` is a thing that is absent or deleted.
pub fn three_way(base: Option<&Content>, ours: Option<&Content>, theirs: Option<&Content>, decide: &Decide) -> Outcome {
    match (ours, theirs) {
        (None, None) => Outcome::Keep,
        (Some(ours), Some(theirs)) => by_field(base, ours, theirs, decide),
        (ours, theirs) if theirs == base || ours == theirs => Outcome::Keep,
        (ours, theirs) if ours == base => Outcome::Take(theirs.cloned()),
        (ours, theirs) => delete_modify(base, ours, theirs, decide),
    }
}

fn delete_modify(base: Option<&Content>, ours: Option<&Content>, theirs: Option<&Content>, decide: &Decide) -> Outcome {
    let take = |side: Option<&Content>| if side == ours { Outcome::Keep } else { Outcome::Take(side.cloned()) };
    match (&decide.resolution, decide.strategy) {
        (Some(Resolution::Delete), _) => take(None),
        (Some(Resolution::Ours), _) => take(ours),
        (Some(Resolution::Theirs), _) => take(theirs),
        (Some(Resolution::Fields(_)) | None, Some(Strategy::Ours)) => take(ours),
        (Some(Resolution::Fields(_)) | None, Some(Strategy::Theirs)) => take(theirs),
        (Some(Resolution::Fields(_)) | None, None) => {
            let value = |side: Option<&Content>| side.map(|c| serde_json::json!({ "name": c.name, "data": c.data }));
            Outcome::Conflicts(vec![Conflict {
                path: String::new(),
                kind: ConflictKind::DeleteModify,
                base: value(base),
                ours: value(ours),
                theirs: value(theirs),
            }])
        }
    }
}

fn by_field(base: Option<&Content>, ours: &Content, theirs: &Content, decide: &Decide) -> Outcome {
    let (name_decided, data_decided) = decided_values(decide);
    let mut run = Run { side: side(decide), keys: Vec::new(), found: Vec::new(), conflicted: false, changed: false };
    let name = run.name(base.and_then(|b| b.name.as_ref()), ours.name.as_ref(), theirs.name.as_ref(), name_decided);
    let sides = Sides { base: base.map(|b| &b.data), ours: Some(&ours.data), theirs: Some(&theirs.data) };
    let data = run.value(sides, data_decided.as_ref());
    if run.conflicted && matches!(decide.resolution, Some(Resolution::Delete)) {
        return Outcome::Take(None);
    }
    if !run.found.is_empty() {
        return Outcome::Conflicts(run.found);
    }
    if !run.changed {
        return Outcome::Keep;
    }
    Outcome::Take(Some(Content { name, data: data.unwrap_or_else(|| Value::Object(Map::new())) }))
}

/// The side that wins a conflict for which no value was given.
fn side(decide: &Decide) -> Option<Strategy> {
    match &decide.resolution {
        Some(Resolution::Ours) => Some(Strategy::Ours),
        Some(Resolution::Theirs) => Some(Strategy::Theirs),
        Some(Resolution::Delete | Resolution::Fields(_)) | None => decide.strategy,
    }
}

fn decided_values(decide: &Decide) -> (Option<&Value>, Option<Tree<&Value>>) {
    let Some(Resolution::Fields(fields)) = &decide.resolution else { return (None, None) };
    let mut tree = Tree::new();
    for (path, value) in fields.iter().filter(|(path, _)| *path != path::NAME) {
        tree.insert(path, value);
    }
    (fields.get(path::NAME), Some(tree))
}

#[derive(Clone, Copy)]
struct Sides<'a> {
    base: Option<&'a Value>,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
}

struct Run<'a> {
    side: Option<Strategy>,
    /// The keys that lead to where the walk is.
    keys: Vec<&'a str>,
    /// What nobody decided.
    found: Vec<Conflict>,
    /// Whether there was a conflict, decided or not.
    conflicted: bool,
    /// Whether the result differs from ours.
    changed: bool,
}

impl<'a> Run<'a> {
    /// Objects are entered before anything is compared, so that each value is looked at a fixed number of times however
    /// deep it lies.
    fn value(&mut self, sides: Sides<'a>, decided: Option<&Tree<&Value>>) -> Option<Value> {
        if let (None | Some(Value::Object(_)), Some(Value::Object(ours)), Some(Value::Object(theirs))) =
            (sides.base, sides.ours, sides.theirs)
        {
            return Some(Value::Object(self.object(sides.base.and_then(Value::as_object), ours, theirs, decided)));
        }
        if sides.ours == sides.theirs || sides.theirs == sides.base {
            return sides.ours.cloned();
        }
        if sides.ours == sides.base {
            self.changed = true;
            return sides.theirs.cloned();
        }
        self.conflicted = true;
        match decided.and_then(|tree| tree.value) {
            Some(value) if self.keys.len() + depth(value) > types::Json::DEPTH_MAX => {
                self.conflict(ConflictKind::Constraint, sides)
            }
            Some(value) => {
                self.changed |= sides.ours != Some(value);
                Some(value.clone())
            }
            None => match self.side {
                Some(Strategy::Ours) => sides.ours.cloned(),
                Some(Strategy::Theirs) => {
                    self.changed = true;
                    sides.theirs.cloned()
                }
                None => self.conflict(ConflictKind::Field, sides),
            },
        }
    }

    fn object(
        &mut self,
        base: Option<&'a Map<String, Value>>,
        ours: &'a Map<String, Value>,
        theirs: &'a Map<String, Value>,
        decided: Option<&Tree<&Value>>,
    ) -> Map<String, Value> {
        let mut merged = Map::new();
        let added = theirs.keys().filter(|key| !ours.contains_key(*key));
        for key in ours.keys().chain(added) {
            self.keys.push(key);
            let sides = Sides { base: base.and_then(|b| b.get(key)), ours: ours.get(key), theirs: theirs.get(key) };
            if let Some(value) = self.value(sides, decided.and_then(|tree| tree.get(key))) {
                merged.insert(key.clone(), value);
            }
            self.keys.pop();
        }
        merged
    }

    /// The name is a field like any other, but a column and either a text or absent.
    fn name(
        &mut self,
        base: Option<&String>,
        ours: Option<&String>,
        theirs: Option<&String>,
        decided: Option<&Value>,
    ) -> Option<String> {
        if ours == theirs || theirs == base {
            return ours.cloned();
        }
        if ours == base {
            self.changed = true;
            return theirs.cloned();
        }
        self.conflicted = true;
        let kind = match (decided, self.side) {
            (Some(Value::Null), _) => {
                self.changed |= ours.is_some();
                return None;
            }
            (Some(Value::String(name)), _) => {
                self.changed |= ours != Some(name);
                return Some(name.clone());
            }
            (Some(_), _) => ConflictKind::Constraint,
            (None, Some(Strategy::Ours)) => return ours.cloned(),
            (None, Some(Strategy::Theirs)) => {
                self.changed = true;
                return theirs.cloned();
            }
            (None, None) => ConflictKind::Field,
        };
        let value = |side: Option<&String>| side.map(|name| Value::from(name.as_str()));
        let (base, ours_value, theirs) = (value(base), value(ours), value(theirs));
        self.found.push(Conflict { path: path::NAME.to_owned(), kind, base, ours: ours_value, theirs });
        ours.cloned()
    }

    fn conflict(&mut self, kind: ConflictKind, sides: Sides<'_>) -> Option<Value> {
        if self.found.len() < CONFLICTS_MAX {
            self.found.push(Conflict {
                path: path::write(self.keys.iter().copied()),
                kind,
                base: sides.base.cloned(),
                ours: sides.ours.cloned(),
                theirs: sides.theirs.cloned(),
            });
        }
        sides.ours.cloned()
    }
}

#[cfg(test)]
mod tests;
