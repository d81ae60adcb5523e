//! What differs between two versions: as operations that can be applied, and as the paths that changed.

use crate::patch::{OPS_MAX, push_token};
use crate::{Content, path};
use serde::Serialize;
use serde_json::{Map, Value};

/// Paths told of one change; what is more ends the list with [`MORE`].
pub const CHANGES_MAX: usize = 200;

/// The bytes of these paths together: deep data with long keys has paths far longer than itself.
pub const CHANGES_BYTES_MAX: usize = 16 * 1024;

/// The last entry of a list of changes that was cut.
pub const MORE: &str = "…";

/// The bytes of the pointers of one difference together, for the same reason.
pub const POINTERS_BYTES_MAX: usize = 1024 * 1024;

/// One operation of RFC 6902; `path` is a JSON Pointer.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    Add { path: String, value: Value },
    Remove { path: String },
    Replace { path: String, value: Value },
}

/// What makes `from` to `to`, as a JSON patch: objects are entered, lists and everything else are replaced whole. When
/// that would be more than a patch may have (or would have too long pointers) it is one replacement of everything.
pub fn ops(from: &Value, to: &Value) -> Vec<Op> {
    let mut diff = Diff { ops: Vec::new(), pointer: String::new(), pointers_bytes: 0 };
    match diff.value(from, to) {
        Some(()) => diff.ops,
        None => vec![Op::Replace { path: String::new(), value: to.clone() }],
    }
}

struct Diff {
    ops: Vec<Op>,
    pointer: String,
    pointers_bytes: usize,
}

impl Diff {
    /// `None` when there is too much to tell.
    fn value(&mut self, from: &Value, to: &Value) -> Option<()> {
        match (from, to) {
            (Value::Object(from), Value::Object(to)) => self.object(from, to),
            (from, to) if from == to => Some(()),
            (_, to) => self.push(|path| Op::Replace { path, value: to.clone() }),
        }
    }

    fn object(&mut self, from: &Map<String, Value>, to: &Map<String, Value>) -> Option<()> {
        let added = to.keys().filter(|key| !from.contains_key(*key));
        for key in from.keys().chain(added) {
            let length = self.pointer.len();
            push_token(&mut self.pointer, key);
            match (from.get(key), to.get(key)) {
                (Some(from), Some(to)) => self.value(from, to)?,
                (Some(_), None) => self.push(|path| Op::Remove { path })?,
                (None, Some(to)) => self.push(|path| Op::Add { path, value: to.clone() })?,
                (None, None) => {}
            }
            self.pointer.truncate(length);
        }
        Some(())
    }

    fn push(&mut self, op: impl FnOnce(String) -> Op) -> Option<()> {
        self.pointers_bytes += self.pointer.len();
        if self.ops.len() == OPS_MAX || self.pointers_bytes > POINTERS_BYTES_MAX {
            return None;
        }
        self.ops.push(op(self.pointer.clone()));
        Some(())
    }
}

/// The [`path`]s that differ, leaf by leaf: lists count as one, and of an object that came or went whole each leaf is
/// told. `None` is a thing that is absent or deleted.
pub fn changes(from: Option<&Content>, to: Option<&Content>) -> Vec<String> {
    let mut changes = Changes { paths: Vec::new(), at: String::new(), bytes: 0 };
    if from.and_then(|content| content.name.as_ref()) != to.and_then(|content| content.name.as_ref()) {
        changes.paths.push(path::NAME.to_owned());
    }
    if changes.value(data(from), data(to)).is_none() {
        changes.paths.truncate(CHANGES_MAX - 1);
        changes.paths.push(MORE.to_owned());
    }
    changes.paths
}

/// Empty data is none: a thing without fields is no leaf.
fn data(side: Option<&Content>) -> Option<&Value> {
    side.map(|content| &content.data).filter(|data| !matches!(data, Value::Object(map) if map.is_empty()))
}

struct Changes {
    paths: Vec<String>,
    at: String,
    bytes: usize,
}

impl Changes {
    /// `None` when the list is full.
    fn value(&mut self, from: Option<&Value>, to: Option<&Value>) -> Option<()> {
        let object = |side: Option<&Value>| matches!(side, Some(Value::Object(map)) if !map.is_empty());
        match (from, to) {
            (Some(Value::Object(from)), Some(Value::Object(to))) => {
                let added = to.keys().filter(|key| !from.contains_key(*key));
                from.keys().chain(added).try_for_each(|key| self.below(key, from.get(key), to.get(key)))
            }
            (Some(Value::Object(map)), None) if object(from) => {
                map.iter().try_for_each(|(key, value)| self.below(key, Some(value), None))
            }
            (None, Some(Value::Object(map))) if object(to) => {
                map.iter().try_for_each(|(key, value)| self.below(key, None, Some(value)))
            }
            (from, to) if from == to => Some(()),
            _ => {
                self.bytes += self.at.len();
                if self.paths.len() == CHANGES_MAX || self.bytes > CHANGES_BYTES_MAX {
                    return None;
                }
                self.paths.push(self.at.clone());
                Some(())
            }
        }
    }

    fn below(&mut self, key: &str, from: Option<&Value>, to: Option<&Value>) -> Option<()> {
        let length = self.at.len();
        path::push(&mut self.at, key);
        self.value(from, to)?;
        self.at.truncate(length);
        Some(())
    }
}

#[cfg(test)]
mod tests;
