//! Changes that callers describe: merge patches (RFC 7396) and JSON patches (RFC 6902).

use crate::{depth, kind_name, nodes, quote};
use serde_json::{Map, Value};
use types::Json;

/// Operations in one JSON patch.
pub const OPS_MAX: usize = 1000;

/// What the copies of one patch may add, in bytes of JSON: a copy of a copy doubles, so a few dozen operations could
/// fill any memory.
pub const COPIED_BYTES_MAX: usize = 1024 * 1024;

/// Values that one patch may move aside to make room in lists, or look at in what it moves. A thousand insertions
/// into a list of ten thousand items are half of it.
pub const WORK_MAX: usize = 20_000_000;

/// The target with a merge patch applied: `null` removes, objects merge, everything else replaces (RFC 7396). The
/// result is no deeper than the deeper of the two.
pub fn merge(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = match target {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    for (key, value) in patch.iter().filter(|(_, value)| !value.is_null()) {
        let merged = merge(target.get_mut(key).map(Value::take).unwrap_or_default(), value);
        target.insert(key.clone(), merged);
    }
    // In one pass: removing key by key would move the others each time.
    target.retain(|key, _| !patch.get(key).is_some_and(Value::is_null));
    Value::Object(target)
}

/// Why a JSON patch was not applied.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{why}", place(*index, path))]
pub struct PatchError {
    pub kind: PatchErrorKind,
    /// Which operation, from 0; none when it is the patch as a whole.
    pub index: Option<usize>,
    /// The JSON Pointer it failed at, shortened when it is very long; empty for the whole document.
    pub path: String,
    pub why: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchErrorKind {
    /// It is no JSON patch (RFC 5789: 400).
    Malformed,
    /// A `test` did not hold: the document is not what the caller took it for (409).
    TestFailed,
    /// The document has no such place, or would become too large (422).
    Unappliable,
}

fn place(index: Option<usize>, path: &str) -> String {
    match index {
        Some(index) => format!("operation {index} at {}: ", quote(path)),
        None => String::new(),
    }
}

/// The longest pointer an error repeats, in bytes.
const ERROR_PATH_BYTES_MAX: usize = 256;

/// A JSON patch that is well-formed.
#[derive(Clone, PartialEq, Debug)]
pub struct Patch(Vec<Step>);

#[derive(Clone, PartialEq, Debug)]
struct Step {
    action: Action,
    path: Pointer,
}

#[derive(Clone, PartialEq, Debug)]
enum Action {
    Add(Value),
    Remove,
    Replace(Value),
    Move(Pointer),
    Copy(Pointer),
    Test(Value),
}

/// Unescaped.
#[derive(Clone, PartialEq, Debug)]
struct Pointer(Vec<String>);

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err("a JSON Pointer is empty or begins with /".to_owned());
        };
        let tokens = rest.split('/').map(|token| {
            let mut escapes = token.split('~').skip(1);
            if escapes.all(|after| after.starts_with(['0', '1'])) {
                Ok(token.replace("~1", "/").replace("~0", "~"))
            } else {
                Err("after ~ in a JSON Pointer stands 0 (for ~) or 1 (for /)".to_owned())
            }
        });
        tokens.collect::<Result<_, _>>().map(Self)
    }

    /// The holder's tokens and the last one; `None` for the whole document.
    fn split(&self) -> Option<(&[String], &str)> {
        self.0.split_last().map(|(last, holder)| (holder, last.as_str()))
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for token in &self.0 {
            if text.len() > ERROR_PATH_BYTES_MAX {
                break;
            }
            push_token(&mut text, token);
        }
        shorten(&text)
    }
}

/// Appends a token to a JSON Pointer.
pub(crate) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

fn shorten(path: &str) -> String {
    let cut = path.floor_char_boundary(ERROR_PATH_BYTES_MAX);
    if cut == path.len() { path.to_owned() } else { format!("{}…", &path[..cut]) }
}

impl Patch {
    /// Reads a JSON patch; what is wrong with the first bad operation is the error.
    pub fn parse(patch: &Value) -> Result<Self, PatchError> {
        let malformed = |index, path: &str, why: String| PatchError {
            kind: PatchErrorKind::Malformed,
            index,
            path: shorten(path),
            why,
        };
        let Value::Array(steps) = patch else {
            return Err(malformed(None, "", format!("a JSON patch is a list of operations, not {}", kind_name(patch))));
        };
        if steps.len() > OPS_MAX {
            let why = format!("a JSON patch has at most {OPS_MAX} operations, this one has {}", steps.len());
            return Err(malformed(None, "", why));
        }
        let read = steps.iter().enumerate().map(|(index, step)| {
            let path = step.get("path").and_then(Value::as_str).unwrap_or_default();
            Step::parse(step).map_err(|why| malformed(Some(index), path, why))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// The document after all operations, or why there is none.
    pub fn apply(&self, document: Value) -> Result<Value, PatchError> {
        let mut run = Run { document, copied_bytes: 0, work: 0 };
        for (index, step) in self.0.iter().enumerate() {
            run.step(step).map_err(|(kind, why)| PatchError {
                kind,
                index: Some(index),
                path: step.path.text(),
                why,
            })?;
        }
        Ok(run.document)
    }
}

impl Step {
    fn parse(step: &Value) -> Result<Self, String> {
        let Value::Object(step) = step else {
            return Err(format!("an operation is an object, not {}", kind_name(step)));
        };
        let text = |key: &str| match step.get(key) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(format!("{key} is a text, not {}", kind_name(other))),
            None => Err(format!("{key} is missing")),
        };
        let value = || step.get("value").cloned().ok_or_else(|| "value is missing".to_owned());
        let action = match text("op")? {
            "add" => Action::Add(value()?),
            "remove" => Action::Remove,
            "replace" => Action::Replace(value()?),
            "move" => Action::Move(Pointer::parse(text("from")?)?),
            "copy" => Action::Copy(Pointer::parse(text("from")?)?),
            "test" => Action::Test(value()?),
            other => return Err(format!("{} is none of add, remove, replace, move, copy, test", quote(other))),
        };
        let path = Pointer::parse(text("path")?)?;
        if let Action::Move(from) = &action
            && path.0.len() > from.0.len()
            && path.0.starts_with(&from.0)
        {
            return Err("a value cannot be moved into itself".to_owned());
        }
        Ok(Self { action, path })
    }
}

type Why = (PatchErrorKind, String);

fn unappliable<T>(why: impl Into<String>) -> Result<T, Why> {
    Err((PatchErrorKind::Unappliable, why.into()))
}

struct Run {
    document: Value,
    copied_bytes: usize,
    work: usize,
}

impl Run {
    fn step(&mut self, step: &Step) -> Result<(), Why> {
        match &step.action {
            Action::Add(value) => self.add(&step.path, value.clone()),
            Action::Remove => self.remove(&step.path).map(drop),
            Action::Replace(value) => {
                check_depth(&step.path, value)?;
                *at(&mut self.document, &step.path.0)? = value.clone();
                Ok(())
            }
            Action::Move(from) => {
                if *from == step.path {
                    return at(&mut self.document, &from.0).map(drop);
                }
                let value = self.remove(from)?;
                self.spend(nodes(&value))?;
                self.add(&step.path, value)
            }
            Action::Copy(from) => {
                let value = at(&mut self.document, &from.0)?;
                self.copied_bytes += bytes(value);
                if self.copied_bytes > COPIED_BYTES_MAX {
                    return unappliable(format!("the patch copies more than {COPIED_BYTES_MAX} bytes"));
                }
                let value = value.clone();
                self.add(&step.path, value)
            }
            Action::Test(expected) => {
                if at(&mut self.document, &step.path.0)? == expected {
                    Ok(())
                } else {
                    Err((PatchErrorKind::TestFailed, "the value is not what the test expects".to_owned()))
                }
            }
        }
    }

    fn add(&mut self, path: &Pointer, value: Value) -> Result<(), Why> {
        check_depth(path, &value)?;
        let Some((holder, last)) = path.split() else {
            self.document = value;
            return Ok(());
        };
        match at(&mut self.document, holder)? {
            Value::Object(map) => {
                map.insert(last.to_owned(), value);
                Ok(())
            }
            Value::Array(items) => {
                let index = if last == "-" { items.len() } else { index(last, items.len())? };
                let moved = items.len() - index;
                items.insert(index, value);
                self.spend(moved)
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => holds_nothing(scalar),
        }
    }

    fn remove(&mut self, path: &Pointer) -> Result<Value, Why> {
        let Some((holder, last)) = path.split() else {
            return Ok(self.document.take());
        };
        let spent = self.work;
        let (value, moved) = match at(&mut self.document, holder)? {
            Value::Object(map) => {
                // The order of keys says nothing; it is kept while that is cheap.
                let cheap = spent + map.len() < WORK_MAX;
                let moved = if cheap { map.len() } else { 0 };
                let value = if cheap { map.shift_remove(last) } else { map.swap_remove(last) };
                (value.map_or_else(|| missing(last), Ok)?, moved)
            }
            Value::Array(items) => match items.len().checked_sub(1) {
                Some(max) => {
                    let index = index(last, max)?;
                    (items.remove(index), max - index)
                }
                None => return missing(last),
            },
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return holds_nothing(scalar);
            }
        };
        self.spend(moved)?;
        Ok(value)
    }

    fn spend(&mut self, work: usize) -> Result<(), Why> {
        self.work += work;
        if self.work > WORK_MAX {
            return unappliable("the patch moves too many values; replace the list or object as a whole");
        }
        Ok(())
    }
}

fn missing<T>(key: &str) -> Result<T, Why> {
    unappliable(format!("there is no {}", quote(key)))
}

fn holds_nothing<T>(scalar: &Value) -> Result<T, Why> {
    unappliable(format!("the place lies in {}, which holds nothing", kind_name(scalar)))
}

fn at<'a>(document: &'a mut Value, tokens: &[String]) -> Result<&'a mut Value, Why> {
    let mut place = document;
    for token in tokens {
        place = match place {
            Value::Object(map) => map.get_mut(token).map_or_else(|| missing(token), Ok)?,
            Value::Array(items) => {
                let found = index(token, usize::MAX).ok().and_then(|index| items.get_mut(index));
                found.map_or_else(|| missing(token), Ok)?
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                return holds_nothing(scalar);
            }
        };
    }
    Ok(place)
}

/// An index as RFC 6901 writes it: digits, without leading zeros.
fn index(token: &str, max: usize) -> Result<usize, Why> {
    let canonical = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    match token.parse::<usize>().ok().filter(|index| canonical && *index <= max) {
        Some(index) => Ok(index),
        None => unappliable(format!("{} is no index of the list", quote(token))),
    }
}

fn check_depth(path: &Pointer, value: &Value) -> Result<(), Why> {
    if path.0.len() + depth(value) > Json::DEPTH_MAX {
        return unappliable(format!("the result would be nested deeper than {} levels", Json::DEPTH_MAX));
    }
    Ok(())
}

/// About the bytes of a value as JSON, and at least a few for each part of it.
fn bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => 2 + text.len(),
        Value::Array(items) => 2 + items.iter().map(|item| 1 + bytes(item)).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(key, value)| 4 + key.len() + bytes(value)).sum::<usize>(),
    }
}

#[cfg(test)]
mod tests;
