//! The file against its table of keys: every value checked and turned into JSON, everything wrong told with its line.

use super::Complaint;
use super::keys::{self, Key, Kind};
use crate::keys::nearest;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use types::deployment::{Handler, check_event};
use types::{FunctionName, Json, Noun, Timestamp, parse_duration};

/// Told at most; who has more repairs these first.
const COMPLAINTS_MAX: usize = 100;

/// Where something stands: the path in the deployment's JSON, and the one in the file.
#[derive(Clone)]
pub(super) struct At {
    json: String,
    file: String,
}

impl At {
    pub(super) fn new(json: &str, file: &str) -> Self {
        Self { json: json.to_owned(), file: file.to_owned() }
    }

    fn member(&self, json: &str, file: &str) -> Self {
        let join = |base: &str, name: &str| if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") };
        Self { json: join(&self.json, json), file: join(&self.file, file) }
    }

    fn item(&self, n: usize) -> Self {
        Self { json: format!("{}[{n}]", self.json), file: format!("{}[{n}]", self.file) }
    }
}

/// What is read so far.
pub(super) struct Reader {
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    pub(super) complaints: Vec<Complaint>,
    /// By path in the deployment's JSON: the line, and the path in the file.
    pub(super) places: BTreeMap<String, (usize, String)>,
    /// The function that `main` becomes.
    pub(super) main: Option<FunctionName>,
    /// The functions that the file names.
    pub(super) functions: BTreeSet<String>,
    /// The file beside the `do.toml` that is read at the moment.
    file: Option<String>,
    /// By path in the deployment's JSON: which such file it was read from.
    pub(super) files: BTreeMap<String, String>,
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self {
            lines: lines_of(text),
            complaints: Vec::new(),
            places: BTreeMap::new(),
            main: None,
            functions: BTreeSet::new(),
            file: None,
            files: BTreeMap::new(),
        }
    }

    /// Reads something of another file: lines are its lines meanwhile.
    pub(super) fn beside<T>(&mut self, file: &str, text: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let lines = std::mem::replace(&mut self.lines, lines_of(text));
        self.file = Some(file.to_owned());
        let done = read(self);
        self.file = None;
        self.lines = lines;
        done
    }

    /// What is read has so many bytes before those that its lines are counted in.
    pub(super) fn shift_lines(&mut self, bytes: usize) {
        self.lines.iter_mut().skip(1).for_each(|begin| *begin += bytes);
    }

    pub(super) fn line(&self, byte: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= byte)
    }

    fn complain(&mut self, byte: usize, at: &At, message: impl Into<String>) {
        self.complain_on(self.line(byte), at.file.clone(), message);
    }

    pub(super) fn complain_on(&mut self, line: usize, path: String, message: impl Into<String>) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(Complaint { file: self.file.clone(), line, path, message: message.into() });
        }
    }

    /// Of a place in another file than the one that is read.
    pub(super) fn complain_in(&mut self, file: Option<String>, line: usize, path: String, message: String) {
        let reading = std::mem::replace(&mut self.file, file);
        self.complain_on(line, path, message);
        self.file = reading;
    }

    /// A table whose own place is `byte`.
    pub(super) fn table(
        &mut self,
        table: &DeTable<'_>,
        keys: &'static [Key],
        at: &At,
        byte: usize,
    ) -> Map<String, Value> {
        self.places.insert(at.json.clone(), (self.line(byte), at.file.clone()));
        let mut members = Map::new();
        for (name, value) in table {
            let byte = name.span().start;
            let name = name.get_ref().as_ref();
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                self.unknown(name, keys, at, byte);
                continue;
            };
            let json = key.json();
            let at = at.member(&json, key.name);
            self.places.insert(at.json.clone(), (self.line(byte), at.file.clone()));
            if let Some(value) = self.value(value, key.kind, &at)
                && members.insert(json, value).is_some()
            {
                let message = format!("{name:?} says again what another key here says already");
                self.complain(byte, &at, message);
            }
        }
        for key in keys.iter().filter(|key| key.is_required && !table.contains_key(key.name)) {
            self.complain(byte, at, format!("{:?} is missing{}", key.name, within(&at.file)));
        }
        members
    }

    fn unknown(&mut self, name: &str, keys: &[Key], at: &At, byte: usize) {
        let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
        let what = if at.file.is_empty() { "section or key" } else { "key" };
        let shown: String = name.chars().take(80).collect();
        let message = match nearest(name, &known) {
            _ if at.file == "secrets" || at.file.ends_with(".secrets") => format!(
                "unknown key {shown:?} in [secrets]; a secret's value never stands in the file: write required = [{shown:?}] \
                 and store it with `org.ai secrets set`"
            ),
            Some(near) => format!("unknown {what} {shown:?}{}; did you mean {near:?}?", within(&at.file)),
            None => format!("unknown {what} {shown:?}{}; known are {}", within(&at.file), known.join(", ")),
        };
        let at = at.member(&shown, &shown);
        self.complain(byte, &at, message);
    }

    /// The value as JSON, or a complaint.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, kind: Kind, at: &At) -> Option<Value> {
        let byte = value.span().start;
        let read = match kind {
            Kind::Table(keys) => {
                let table = self.as_table(value, at)?;
                return Some(Value::Object(self.table(table, keys, at, byte)));
            }
            Kind::Tables(keys) => return self.tables(value, keys, at),
            Kind::Named(name, keys) => return self.named(value, name, keys, at),
            Kind::Steps => return self.steps(value, at),
            Kind::Branches => return self.branches(value, at),
            Kind::Trigger => return self.trigger(value, at),
            Kind::Texts => return self.texts(value, at, text),
            Kind::EnvNames => return self.texts(value, at, env_name),
            Kind::Vars => return self.vars(value, at),
            Kind::Text => text(value.get_ref()),
            Kind::Bool => value.get_ref().as_bool().map(Value::Bool).ok_or_else(|| expected("true or false", value)),
            Kind::Int(min, max) => int(value.get_ref(), min, max),
            Kind::Number => number(value.get_ref()),
            Kind::OneOf(known) => one_of(value.get_ref(), known),
            Kind::Date => date(value.get_ref()),
            Kind::Duration => duration(value.get_ref()),
            Kind::Function => string(value.get_ref())
                .and_then(|name| FunctionName::parse(name).map_err(|e| e.to_string()))
                .map(|name| Value::from(name.as_str())),
            Kind::Handler => {
                string(value.get_ref()).and_then(|text| self.handler(text, &self.functions)).map(Value::from)
            }
            Kind::OwnHandler => {
                string(value.get_ref()).and_then(|text| self.handler(text, &BTreeSet::new())).map(Value::from)
            }
            Kind::Event => string(value.get_ref()).and_then(|text| check_event(text).map(|()| Value::from(text))),
            Kind::Path => string(value.get_ref()).and_then(path),
            Kind::EnvName => env_name(value.get_ref()),
            Kind::Json => json(value.get_ref()).and_then(|value| {
                let text = value.to_string();
                Json::parse(text).map(|_| value).map_err(|e| e.to_string())
            }),
            Kind::Any => Ok(Value::Null),
        };
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                let name = at.file.rsplit('.').next().unwrap_or_default().to_owned();
                self.complain(byte, at, format!("{name}: {message}"));
                None
            }
        }
    }

    fn as_table<'v, 'i>(&mut self, value: &'v Spanned<DeValue<'i>>, at: &At) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let message = format!("{0}: {1}", at.file, expected(&format!("a table, like [{}]", at.file), value));
            self.complain(value.span().start, at, message);
        }
        table
    }

    fn as_list<'v, 'i>(
        &mut self,
        value: &'v Spanned<DeValue<'i>>,
        at: &At,
        like: &str,
    ) -> Option<&'v [Spanned<DeValue<'i>>]> {
        let list = value.get_ref().as_array();
        if list.is_none() {
            let message = format!("{}: {}", at.file, expected(&format!("a list, like {like}"), value));
            self.complain(value.span().start, at, message);
        }
        list.map(|list| &list[..])
    }

    fn tables(&mut self, value: &Spanned<DeValue<'_>>, keys: &'static [Key], at: &At) -> Option<Value> {
        let items = self.as_list(value, at, &format!("[[{}]]", at.file))?;
        let mut tables = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let at = at.item(n);
            // One that is wrong keeps its place, so that the ones behind it keep theirs.
            let table = self.as_table(item, &at).map(|table| self.table(table, keys, &at, item.span().start));
            tables.push(Value::Object(table.unwrap_or_default()));
        }
        Some(Value::Array(tables))
    }

    fn named(&mut self, value: &Spanned<DeValue<'_>>, member: &str, keys: &'static [Key], at: &At) -> Option<Value> {
        let table = self.as_table(value, at)?;
        let mut items = Vec::new();
        for (n, (name, value)) in table.iter().enumerate() {
            let (byte, name) = (name.span().start, name.get_ref().as_ref());
            let at = At { json: format!("{}[{n}]", at.json), file: format!("{}.{name}", at.file) };
            let Some(table) = self.as_table(value, &at) else { continue };
            if member == "noun"
                && let Err(error) = Noun::parse(name)
            {
                self.complain(byte, &at, format!("{}: {:?} {}", at.file, error.text, error.reason));
            }
            let mut item = Map::new();
            item.insert(member.to_owned(), name.into());
            item.extend(self.table(table, keys, &at, byte));
            items.push(Value::Object(item));
        }
        Some(Value::Array(items))
    }

    fn texts(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        at: &At,
        read: fn(&DeValue<'_>) -> Result<Value, String>,
    ) -> Option<Value> {
        let items = self.as_list(value, at, "[\"a\", \"b\"]")?;
        let mut texts = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let at = at.item(n);
            self.places.insert(at.json.clone(), (self.line(item.span().start), at.file.clone()));
            match read(item.get_ref()) {
                Ok(text) => texts.push(text),
                Err(message) => self.complain(item.span().start, &at, format!("{}: {message}", at.file)),
            }
        }
        Some(Value::Array(texts))
    }

    fn vars(&mut self, value: &Spanned<DeValue<'_>>, at: &At) -> Option<Value> {
        let table = self.as_table(value, at)?;
        let mut vars = Map::new();
        for (name, value) in table {
            let (byte, name) = (name.span().start, name.get_ref().as_ref());
            let at = at.member(name, name);
            self.places.insert(at.json.clone(), (self.line(byte), at.file.clone()));
            let text = match value.get_ref() {
                DeValue::Boolean(value) => Ok(Value::from(value.to_string())),
                number @ (DeValue::Integer(_) | DeValue::Float(_)) => json(number).map(|n| Value::from(n.to_string())),
                other => text(other),
            };
            match text {
                Ok(text) => drop(vars.insert(name.to_owned(), text)),
                Err(message) => self.complain(value.span().start, &at, format!("{}: {message}", at.file)),
            }
        }
        Some(Value::Object(vars))
    }

    fn steps(&mut self, value: &Spanned<DeValue<'_>>, at: &At) -> Option<Value> {
        let items = self.as_list(value, at, "[[workflows.steps]]")?;
        let mut steps = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let (at, byte) = (at.item(n), item.span().start);
            let Some(table) = self.as_table(item, &at) else { continue };
            if table.len() != 1 {
                let known: Vec<&str> = keys::STEP.iter().map(|key| key.name).collect();
                self.complain(byte, &at, format!("{}: a step is a table with one of {}", at.file, known.join(", ")));
                continue;
            }
            steps.push(Value::Object(self.table(table, keys::STEP, &at, byte)));
        }
        Some(Value::Array(steps))
    }

    fn branches(&mut self, value: &Spanned<DeValue<'_>>, at: &At) -> Option<Value> {
        let items = self.as_list(value, at, "[[{ do = { … } }], [{ do = { … } }]]")?;
        let branches = items.iter().enumerate().map(|(n, item)| self.steps(item, &at.item(n)).unwrap_or_default());
        Some(Value::Array(branches.collect()))
    }

    fn trigger(&mut self, value: &Spanned<DeValue<'_>>, at: &At) -> Option<Value> {
        let byte = value.span().start;
        let (tag, keys) = match value.get_ref() {
            DeValue::String(text) if text.as_ref() == "manual" => return Some("manual".into()),
            DeValue::Table(table) if table.contains_key("event") => ("event", keys::EVENT_TRIGGER),
            DeValue::Table(table) if table.contains_key("schedule") => ("schedule", keys::SCHEDULE_TRIGGER),
            _ => {
                let message =
                    "trigger: write \"manual\", { event = \"Order.created\" } or { schedule = \"daily at 6am\" }";
                self.complain(byte, at, message);
                return None;
            }
        };
        let table = self.as_table(value, at)?;
        let at = At { json: format!("{}.{tag}", at.json), file: at.file.clone() };
        let members = self.table(table, keys, &at, byte);
        Some(Value::Object(Map::from_iter([(tag.to_owned(), Value::Object(members))])))
    }

    /// A handler, with the app that it belongs to. A bare word is one of `functions`; else, where there is a `main`, one
    /// of its handlers.
    fn handler(&self, text: &str, functions: &BTreeSet<String>) -> Result<String, String> {
        let written = match (text.strip_prefix('#'), &self.main) {
            (Some(name), Some(main)) => format!("{main}#{name}"),
            (Some(_), None) => return Err(format!("{text:?} is a handler of main, and the file has no main")),
            (None, Some(main)) if !text.contains(['#', '.']) && !functions.contains(text) => format!("{main}#{text}"),
            (None, _) => text.to_owned(),
        };
        written.parse::<Handler>().map(|handler| handler.to_string()).map_err(|_| {
            let none = if self.main.is_none() { "; a file with main may name its handlers alone" } else { "" };
            format!("{}{none}", types::deployment::HandlerError(text.to_owned()))
        })
    }
}

/// Where each line begins, in bytes.
pub(super) fn lines_of(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in [{path}]") }
}

fn expected(what: &str, found: &Spanned<DeValue<'_>>) -> String {
    not(what, found.get_ref())
}

fn not(what: &str, found: &DeValue<'_>) -> String {
    let article = if matches!(found, DeValue::Integer(_) | DeValue::Array(_)) { "an" } else { "a" };
    format!("expected {what}, found {article} {}", found.type_str())
}

/// A text that is not meant to be something of the environment, which the file does not read (spec CFG-2).
fn string<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    let text = value.as_str().ok_or_else(|| not("a text in quotes", value))?;
    if text.starts_with("${") && text.ends_with('}') {
        return Err(format!("{text:?} is not filled in here: only keys that end in _env name a variable"));
    }
    Ok(text)
}

fn text(value: &DeValue<'_>) -> Result<Value, String> {
    string(value).map(Value::from)
}

fn env_name(value: &DeValue<'_>) -> Result<Value, String> {
    let text = value.as_str().ok_or_else(|| not("the name of a variable in quotes", value))?;
    let name = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')).unwrap_or(text);
    let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if well_formed {
        return Ok(name.into());
    }
    Err("expected the name of an environment variable, like GITHUB_SECRET; the secret itself never stands in the file"
        .to_owned())
}

fn int(value: &DeValue<'_>, min: i64, max: i64) -> Result<Value, String> {
    let what = if max == i64::from(u32::MAX) || max == i64::from(i32::MAX) {
        "a whole number".to_owned()
    } else {
        format!("a whole number from {min} to {max}")
    };
    let number = json(value)?.as_i64().filter(|_| value.is_integer()).ok_or_else(|| not(&what, value))?;
    if !(min..=max).contains(&number) {
        return Err(format!("{number} is out of range: {min} to {max}"));
    }
    Ok(number.into())
}

fn number(value: &DeValue<'_>) -> Result<Value, String> {
    if value.is_integer() || value.is_float() { json(value) } else { Err(not("a number", value)) }
}

fn one_of(value: &DeValue<'_>, known: &[&str]) -> Result<Value, String> {
    let text = string(value)?;
    if known.contains(&text) {
        return Ok(text.into());
    }
    match nearest(text, known) {
        Some(near) => Err(format!("unknown {text:?}; did you mean {near:?}?")),
        None => Err(format!("unknown {text:?}; it is one of {}", known.join(", "))),
    }
}

fn date(value: &DeValue<'_>) -> Result<Value, String> {
    let text = match value {
        DeValue::Datetime(date) => date.to_string(),
        other => string(other)?.to_owned(),
    };
    match Timestamp::parse_date(&text) {
        Some(_) => Ok(text.into()),
        None => Err(format!("{text:?} is no date: write one like 2024-01-08")),
    }
}

fn duration(value: &DeValue<'_>) -> Result<Value, String> {
    let text = if value.is_integer() { json(value)?.to_string() } else { string(value)?.to_owned() };
    let duration = parse_duration(&text)?;
    let ms = u64::try_from(duration.as_millis()).map_err(|_| format!("{text:?} is out of range"))?;
    if ms == 0 { Err(format!("{text:?} is less than a millisecond")) } else { Ok(ms.into()) }
}

fn path(text: &str) -> Result<Value, String> {
    let is_inside =
        !text.is_empty() && Path::new(text).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if is_inside {
        return Ok(text.into());
    }
    Err(format!("{text:?} must be a relative path that stays below the file's folder"))
}

/// Any value as JSON; a time becomes its text.
fn json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Value::from(parsed.map_err(|_| format!("{} is no number of 64 bits", number.as_str()))?)
        }
        DeValue::Float(number) => {
            let parsed = number.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            Value::Number(parsed.ok_or_else(|| format!("{} cannot be written as JSON", number.as_str()))?)
        }
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect::<Result<_, _>>()?,
        DeValue::Table(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| Ok((key.get_ref().as_ref().to_owned(), json(value.get_ref())?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}
