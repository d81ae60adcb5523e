//! The rules of the data model as pure functions: data in, data out.
//!
//! What a write means (which input forms there are, what a patch does, what differs between two versions, how two
//! branches come together, what a noun's schema accepts, how a verb is inflected, which events a subscription is for) is
//! decided here, without rows, clock or I/O, so that each rule is one function with a table of tests. `runtime` reads
//! and writes the versions and asks this crate what the next one is.
//!
//! Values come from [`types::Json`], hence are at most [`types::Json::DEPTH_MAX`] deep, and everything here recurses at
//! most as deep as they are. Work and output are linear in what came in, or bounded by a named constant.

pub mod diff;
pub mod filter;
pub mod flat;
pub mod merge;
pub mod noun;
pub mod patch;
pub mod path;
pub mod pattern;
pub mod verb;

use serde::{Deserialize, Serialize};

/// What a version of a thing holds: its name and its fields.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Content {
    pub name: Option<String>,
    /// An object.
    pub data: serde_json::Value,
}

/// One reason why an input was not accepted; an answer lists all of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FieldError {
    /// Where, as a [`path`]; empty for the whole.
    pub field: String,
    /// The rule's short name, for programs: `required`, `type`, `pattern`…
    pub rule: String,
    /// What was wrong and what would be accepted, for people.
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, rule: &str, message: impl Into<String>) -> Self {
        Self { field: field.into(), rule: rule.to_owned(), message: message.into() }
    }
}

/// The most of a caller's text that is repeated in a message, in bytes.
const QUOTE_BYTES_MAX: usize = 80;

/// A caller's text as a message may repeat it: not longer than one line.
fn quote(text: &str) -> String {
    let cut = text.floor_char_boundary(QUOTE_BYTES_MAX);
    if cut == text.len() { format!("{text:?}") } else { format!("{:?}…", &text[..cut]) }
}

/// What a value is, as messages call it.
fn kind_name(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "a number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "a list",
        serde_json::Value::Object(_) => "an object",
    }
}

/// How many levels of lists and objects a value has: 0 for a scalar, 1 for `[]`.
fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 0,
    }
}

/// How many values a value is made of, itself included.
fn nodes(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        serde_json::Value::Object(map) => 1 + map.values().map(nodes).sum::<usize>(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 1,
    }
}

#[cfg(test)]
mod testing;
