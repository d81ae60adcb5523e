//! The two forms in which a thing comes in and goes out (spec THG-6), and its text for the search index (SEA-1).

use crate::path::{NAME, Tree};
use crate::{FieldError, kind_name, quote};
use serde_json::{Map, Value};

/// The keys of the envelope, which `data` keys never stand in for. `_version` is a condition, not part of a thing, but
/// may stand beside them.
pub const ENVELOPE_KEYS: [&str; 14] = [
    "$id",
    "$type",
    "id",
    "type",
    "name",
    "data",
    "version",
    "branch",
    "deleted",
    "createdAt",
    "updatedAt",
    "createdBy",
    "updatedBy",
    "isDO",
];

/// The `$`-keys that are accepted; `$ref` is data.
const DOLLAR_KEYS: [&str; 3] = ["$id", "$type", "$ref"];

/// Text of one thing in the index, in bytes.
pub const SEARCH_TEXT_BYTES_MAX: usize = 32 * 1024;

/// What a caller sent as a thing, in whichever form.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// `id`, else the last segment of `$id`, decoded.
    pub id: Option<String>,
    /// `type`, else the last segment of `$type`, else the one before the last of `$id`. In the flat form `type` is data.
    pub type_: Option<String>,
    /// `$id` as it was sent, for who knows which namespace it must lie in.
    pub url: Option<String>,
    pub name: Option<String>,
    /// Whether a name was sent at all: `null` removes one, a missing key does not.
    pub name_given: bool,
    pub data: Map<String, Value>,
    /// `_version`: write only if this is the newest.
    pub if_version: Option<u64>,
}

impl Input {
    /// Reads both forms. An object is an envelope when it has `data` or `name`, and no key that is none of the
    /// envelope's; any other object is flat.
    pub fn read(body: Value) -> Result<Self, Vec<FieldError>> {
        let Value::Object(mut map) = body else {
            let message = format!("a thing is an object, not {}", kind_name(&body));
            return Err(vec![FieldError::new("", "type", message)]);
        };
        let mut errors = Vec::new();
        let envelope = (map.contains_key("data") || map.contains_key(NAME))
            && map.keys().all(|key| key == "_version" || ENVELOPE_KEYS.contains(&key.as_str()));
        refuse_dollar_keys(&map, &mut errors);
        let if_version = version(map.shift_remove("_version"), &mut errors);
        let url = text(&mut map, "$id", &mut errors);
        let type_url = text(&mut map, "$type", &mut errors);
        let id = text(&mut map, "id", &mut errors);
        let name_given = map.contains_key(NAME);
        let name = text(&mut map, NAME, &mut errors);
        let type_ = if envelope { text(&mut map, "type", &mut errors) } else { None };
        let data = if envelope { envelope_data(map.shift_remove("data"), &mut errors) } else { map };
        let url_id = url.as_deref().map(|url| segment(url, 0));
        let url_type = type_url
            .as_deref()
            .map(|url| segment(url, 0))
            .or_else(|| url.as_deref().filter(|url| url.contains('/')).map(|url| segment(url, 1)));
        let id = agree("id", id, url_id.flatten(), &mut errors);
        let type_ = agree("type", type_, url_type.flatten(), &mut errors);
        if errors.is_empty() { Ok(Self { id, type_, url, name, name_given, data, if_version }) } else { Err(errors) }
    }
}

/// Most errors of one kind that are worth telling.
const DOLLAR_ERRORS_MAX: usize = 20;

fn refuse_dollar_keys(map: &Map<String, Value>, errors: &mut Vec<FieldError>) {
    let bad = map.keys().filter(|key| key.starts_with('$') && !DOLLAR_KEYS.contains(&key.as_str()));
    for key in bad.take(DOLLAR_ERRORS_MAX) {
        let message =
            format!("{} is reserved: of the keys that begin with $ only $id, $type and $ref are known", quote(key));
        errors.push(FieldError::new(crate::path::write([key.as_str()]), "reserved", message));
    }
}

fn envelope_data(data: Option<Value>, errors: &mut Vec<FieldError>) -> Map<String, Value> {
    match data {
        None => Map::new(),
        Some(Value::Object(data)) => {
            refuse_dollar_keys(&data, errors);
            data
        }
        Some(other) => {
            errors.push(FieldError::new("data", "type", format!("data is an object, not {}", kind_name(&other))));
            Map::new()
        }
    }
}

fn text(map: &mut Map<String, Value>, key: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    match map.shift_remove(key)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => {
            errors.push(FieldError::new(key, "type", format!("{key} is a string, not {}", kind_name(&other))));
            None
        }
    }
}

fn version(value: Option<Value>, errors: &mut Vec<FieldError>) -> Option<u64> {
    let value = value?;
    let number = value.as_u64().filter(|n| *n > 0);
    if number.is_none() {
        errors.push(FieldError::new("_version", "type", "_version is the number of a version, 1 or more"));
    }
    number
}

/// The `back`-th segment from the end, percent-decoded as far as that is UTF-8.
fn segment(url: &str, back: usize) -> Option<String> {
    let segment = url.rsplit('/').nth(back).filter(|s| !s.is_empty())?;
    Some(decode(segment).unwrap_or_else(|| segment.to_owned()))
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.filter(|two| first == b'%' && two.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(two) => {
                bytes.push(u8::from_str_radix(two, 16).ok()?);
                rest = after.get(2..)?;
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn agree(key: &str, plain: Option<String>, by_url: Option<String>, errors: &mut Vec<FieldError>) -> Option<String> {
    if let (Some(plain), Some(by_url)) = (&plain, &by_url)
        && plain != by_url
    {
        let message = format!("{key} says {} but the thing's URL says {}", quote(plain), quote(by_url));
        errors.push(FieldError::new(key, "agree", message));
    }
    plain.or(by_url)
}

/// A representation with its `data` merged upward (`?shape=flat`), and the data keys that could not be, because a key
/// of the envelope has their name. A value without an object in `data` stays as it is.
pub fn flatten(representation: Value) -> (Value, Vec<String>) {
    let Value::Object(mut map) = representation else { return (representation, Vec::new()) };
    if !map.get("data").is_some_and(Value::is_object) {
        return (Value::Object(map), Vec::new());
    }
    let Some(Value::Object(data)) = map.shift_remove("data") else { return (Value::Object(map), Vec::new()) };
    let mut shadowed = Vec::new();
    for (key, value) in data {
        if ENVELOPE_KEYS.contains(&key.as_str()) || map.contains_key(&key) {
            shadowed.push(key);
        } else {
            map.insert(key, value);
        }
    }
    (Value::Object(map), shadowed)
}

/// A thing's text for the index: its name and the strings of its data, in the order of the (sorted) keys, a line each.
/// `searchable` (which limits the data, not the name) and `secret` are [`crate::path`]s, which name a field with
/// everything below it, and lead through lists.
pub fn search_text(name: Option<&str>, data: &Value, searchable: Option<&[String]>, secret: &[String]) -> String {
    let mut text = Text { text: String::new() };
    let (only, without) = (searchable.map(tree), tree(secret));
    if let Some(name) = name.filter(|_| !secret.iter().any(|path| path == NAME)) {
        text.line(name);
    }
    text.value(data, only.as_ref(), Some(&without));
    text.text
}

/// The name is a column: its path names no field of `data`.
fn tree(paths: &[String]) -> Tree<()> {
    let mut tree = Tree::new();
    paths.iter().filter(|path| *path != NAME).for_each(|path| tree.insert(path, ()));
    tree
}

struct Text {
    text: String,
}

impl Text {
    fn full(&self) -> bool {
        self.text.len() >= SEARCH_TEXT_BYTES_MAX
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() || self.full() {
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let cut = line.floor_char_boundary(SEARCH_TEXT_BYTES_MAX - self.text.len());
        self.text.push_str(&line[..cut]);
    }

    /// `only` is `None` where everything is wanted, `without` where nothing is secret.
    fn value(&mut self, value: &Value, only: Option<&Tree<()>>, without: Option<&Tree<()>>) {
        if self.full() || without.is_some_and(|tree| tree.value.is_some()) {
            return;
        }
        let only = only.filter(|tree| tree.value.is_none());
        match value {
            Value::String(line) if only.is_none() => self.line(line),
            Value::Array(items) => items.iter().for_each(|item| self.value(item, only, without)),
            Value::Object(map) => {
                let mut sorted: Vec<_> = map.iter().collect();
                sorted.sort_unstable_by_key(|(key, _)| *key);
                for (key, inner) in sorted {
                    let without = without.and_then(|tree| tree.get(key));
                    match only {
                        None => self.value(inner, None, without),
                        Some(tree) => {
                            if let Some(below) = tree.get(key) {
                                self.value(inner, Some(below), without);
                            }
                        }
                    }
                }
            }
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// The data without its secret fields, for what leaves the object (events). Paths as in [`search_text`].
pub fn without_secrets(data: &Value, secret: &[String]) -> Value {
    prune(data, &tree(secret))
}

fn prune(value: &Value, secret: &Tree<()>) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| prune(item, secret)).collect(),
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(key, inner)| match secret.get(key) {
                None => Some((key.clone(), inner.clone())),
                Some(below) if below.value.is_some() => None,
                Some(below) => Some((key.clone(), prune(inner, below))),
            });
            Value::Object(kept.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests;
