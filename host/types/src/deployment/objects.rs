//! Classes of an application's own objects, and how they change from one deployment to the next (spec CFG-3).

use super::{Problem, is_default};
use crate::Class;
use serde::{Deserialize, Serialize};

/// Objects that the application knows by a name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSpec {
    /// What code calls them by.
    pub binding: String,
    pub class: String,
    /// The built-in class that it extends; [`Class::Do`] unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extends: Option<String>,
    /// The pattern of their namespaces, like `https://*.acme.example`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ns: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub create: Create,
}

impl ObjectSpec {
    /// The built-in class that it is one of: its own, or the one that it extends.
    pub fn base(&self) -> Class {
        let base = Class::parse(&self.class).or_else(|| self.extends.as_deref().and_then(Class::parse));
        base.unwrap_or(Class::Do)
    }
}

/// When an object of a class comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Create {
    /// When it is first spoken to.
    OnDemand,
    /// When somebody asks for it.
    #[default]
    Explicit,
}

/// One step in the history of the classes, applied once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Migration {
    /// What it is known to be applied by.
    pub tag: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_classes: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Rename>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transferred: Vec<Transfer>,
}

/// A class gets another name and keeps its objects.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rename {
    pub from: String,
    pub to: String,
}

/// A class comes from another application with its objects.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transfer {
    pub from: String,
    /// The application that it comes from.
    pub from_app: String,
    pub to: String,
}

/// A class and where it stands: the declarative form of a migration.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassState {
    pub class: String,
    pub state: ClassStep,
    /// What a renamed or transferred class was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The application that a transferred class comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_app: Option<String>,
}

/// How a class came to be where it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassStep {
    Created,
    Deleted,
    Renamed,
    Transferred,
}

/// The migrations that are not applied yet. What is applied must stand first in `wanted`, in its order and unchanged.
///
/// # Errors
/// Which applied migration was edited, moved or left out.
pub fn pending<'a>(applied: &[Migration], wanted: &'a [Migration]) -> Result<&'a [Migration], Problem> {
    for (n, done) in applied.iter().enumerate() {
        let path = format!("migrations[{n}]");
        let tag = &done.tag;
        match wanted.get(n) {
            Some(same) if same == done => {}
            Some(other) if other.tag == *tag => {
                let message = format!("migration {tag:?} is applied and cannot be edited; add another one behind it");
                return Err(Problem::new(path, message));
            }
            Some(_) | None => {
                let message = format!("migration {tag:?} is applied and must stay in its place, which is {}", n + 1);
                return Err(Problem::new(path, message));
            }
        }
    }
    Ok(&wanted[applied.len()..])
}
