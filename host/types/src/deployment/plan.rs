//! What a deployment would change, compared with the one before.

use super::Deployment;
use crate::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What `POST /api/deployments?dryRun=1` answers.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// By kind, then by name.
    pub changes: Vec<Change>,
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One part of the application.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub kind: Subject,
    pub name: String,
    pub change: ChangeKind,
    /// What was there, of a change: the members that differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Json>,
    /// What will be there instead of `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Json>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Add,
    Change,
    Remove,
    Keep,
}

/// What a change is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Function,
    Subscription,
    Schedule,
    Workflow,
    Noun,
    Verb,
    Object,
    Migration,
    Class,
    Var,
    /// One that is required.
    Secret,
    Probe,
}

impl Plan {
    /// What stands between two deployments; `None` is before the first one.
    pub fn between(before: Option<&Deployment>, after: &Deployment) -> Self {
        let mut old = before.map(parts).unwrap_or_default();
        let mut changes: Vec<Change> = parts(after)
            .into_iter()
            .map(|((kind, name), new)| match old.remove(&(kind, name.clone())) {
                None => Change { kind, name, change: ChangeKind::Add, from: None, to: None },
                Some(old) if old == new => Change { kind, name, change: ChangeKind::Keep, from: None, to: None },
                Some(old) => {
                    let (from, to) = differing(old, new);
                    Change { kind, name, change: ChangeKind::Change, from: Some(from), to: Some(to) }
                }
            })
            .collect();
        let removed = |(kind, name)| Change { kind, name, change: ChangeKind::Remove, from: None, to: None };
        changes.extend(old.into_keys().map(removed));
        changes.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        Self { changes, warnings: Vec::new() }
    }

    /// Whether applying it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.change == ChangeKind::Keep)
    }
}

/// Every part by what it is and what it is called.
fn parts(of: &Deployment) -> BTreeMap<(Subject, String), Value> {
    let mut parts = BTreeMap::new();
    let mut add = |subject, key: String, part: Value| parts.insert((subject, key), part);
    for part in &of.functions {
        add(Subject::Function, part.name.to_string(), value(part));
    }
    for part in &of.subscriptions {
        add(Subject::Subscription, part.key(), value(part));
    }
    for part in &of.schedules {
        add(Subject::Schedule, part.key(), value(part));
    }
    for part in &of.workflows {
        add(Subject::Workflow, part.name.clone(), value(part));
    }
    for part in &of.nouns {
        add(Subject::Noun, part.noun.as_str().to_owned(), value(part));
    }
    for part in &of.verbs {
        add(Subject::Verb, part.action.clone(), value(part));
    }
    for part in &of.objects {
        add(Subject::Object, part.binding.clone(), value(part));
    }
    for part in &of.migrations {
        add(Subject::Migration, part.tag.clone(), value(part));
    }
    for part in &of.classes {
        add(Subject::Class, part.class.clone(), value(part));
    }
    for (name, part) in &of.vars {
        add(Subject::Var, name.clone(), value(part));
    }
    for name in &of.required_secrets {
        add(Subject::Secret, name.clone(), Value::Null);
    }
    if let Some(probe) = &of.probe {
        add(Subject::Probe, probe.handler.to_string(), value(probe));
    }
    parts
}

fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).expect("our own types serialise to JSON")
}

/// Of two objects the members that are not the same in both; of anything else all of it.
fn differing(old: Value, new: Value) -> (Json, Json) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let only = |of: &Map<String, Value>, other: &Map<String, Value>| {
                let differs = |(key, value): &(&String, &Value)| other.get(*key) != Some(*value);
                of.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect::<Map<_, _>>()
            };
            let (from, to) = (only(&old, &new), only(&new, &old));
            (Json::from_value(&Value::Object(from)), Json::from_value(&Value::Object(to)))
        }
        (old, new) => (Json::from_value(&old), Json::from_value(&new)),
    }
}
