//! The field notations of NOU-4: `"string?"`, `"->Person[]"`, `{"type": "number", "min": 0}`.

use super::schema::{COLUMNS, Columns, Direction, Marks, Relation, VIOLATIONS_MAX, target};
use super::{is_noun, json};
use crate::{FieldError, kind_name, path, quote};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// The fields of a noun.
#[derive(Debug)]
pub(super) struct Fields {
    fields: Vec<Field>,
    /// `additionalProperties: false`: the names that are accepted.
    closed: Option<HashSet<String>>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: Kind,
    list: bool,
    required: bool,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<(String, jsonschema::Validator)>,
    one_of: Option<OneOf>,
}

/// The accepted values as JSON text.
#[derive(Debug)]
struct OneOf {
    in_order: Vec<String>,
    known: HashSet<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    String,
    Number,
    Boolean,
    Date,
    Json,
    Relation,
}

const KINDS: [(&str, Kind); 5] = [
    ("string", Kind::String),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("date", Kind::Date),
    ("json", Kind::Json),
];

const OPERATORS: [(&str, Direction); 4] = [
    ("->", Direction::ForwardExact),
    ("<-", Direction::BackwardExact),
    ("~>", Direction::ForwardFuzzy),
    ("<~", Direction::BackwardFuzzy),
];

const LONG_KEYS: [&str; 13] = [
    "type",
    "required",
    "default",
    "reference",
    "unique",
    "indexed",
    "min",
    "max",
    "pattern",
    "enum",
    "secret",
    "searchable",
    "description",
];

/// What a short form says.
struct Short {
    kind: Kind,
    list: bool,
    optional: bool,
    relation: Option<(Direction, String, Option<String>)>,
}

impl Fields {
    pub(super) fn compile(map: &Map<String, Value>, marks: &mut Marks) -> Result<Self, Vec<FieldError>> {
        let (mut fields, mut errors) = (Vec::new(), Vec::new());
        let mut closed = false;
        for (name, given) in map {
            if name == "additionalProperties"
                && let Value::Bool(more) = given
            {
                closed = !more;
                continue;
            }
            if errors.len() >= VIOLATIONS_MAX {
                break;
            }
            match Field::read(name, given, marks) {
                Ok(field) => fields.push(field),
                Err((rule, message)) => {
                    let below = path::write([name.as_str()]);
                    errors.push(FieldError::new(format!("schema.{below}"), rule, message));
                }
            }
        }
        if fields.iter().filter(|f: &&Field| f.pattern.is_some()).count() > json::PATTERNS_MAX {
            let message = format!("a schema has at most {} patterns", json::PATTERNS_MAX);
            errors.push(FieldError::new("schema", "pattern", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let closed = closed.then(|| fields.iter().map(|f: &Field| f.name.clone()).collect());
        Ok(Self { fields, closed })
    }

    pub(super) fn validate(&self, columns: Columns<'_>, data: &Value) -> Vec<FieldError> {
        let Value::Object(map) = data else {
            return vec![FieldError::new("", "type", format!("must be an object, not {}", kind_name(data)))];
        };
        let mut found = Vec::new();
        for field in &self.fields {
            match (map.get(&field.name), columns.get(&field.name)) {
                (Some(value), _) => field.check(value, &mut found),
                (None, Some(column)) => field.check(&Value::from(column), &mut found),
                (None, None) if field.required => {
                    let message = format!("is missing: it must be {}", field.accepts());
                    found.push(FieldError::new(path::write([field.name.as_str()]), "required", message));
                }
                (None, None) => {}
            }
        }
        if let Some(known) = &self.closed {
            let unknown = map.keys().filter(|key| !known.contains(*key));
            found.extend(
                unknown
                    .take(VIOLATIONS_MAX)
                    .map(|key| FieldError::new(path::write([key.as_str()]), "additionalProperties", json::NO_FIELD)),
            );
        }
        found
    }
}

/// The rule that was broken, and how.
type Wrong = (&'static str, String);

impl Field {
    fn read(name: &str, given: &Value, marks: &mut Marks) -> Result<Self, Wrong> {
        match given {
            Value::String(text) => Ok(Self::short(name, short(text)?, marks)),
            Value::Array(one) => match one.as_slice() {
                [Value::String(text)] => {
                    let read = short(text)?;
                    Ok(Self::short(name, Short { list: true, ..read }, marks))
                }
                _ => Err(("type", "a list form has one text, the type of its items: [\"string\"]".to_owned())),
            },
            Value::Object(long) => Self::long(name, long, marks),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err((
                "type",
                format!("a field is a text such as \"string?\" or an object with type, not {}", kind_name(given)),
            )),
        }
    }

    fn short(name: &str, short: Short, marks: &mut Marks) -> Self {
        let required = !short.optional && short.relation.as_ref().is_none_or(|(direction, ..)| direction.is_forward());
        if let Some((direction, noun, prompt)) = short.relation {
            marks.relations.push(Relation { field: name.to_owned(), direction, noun, list: short.list, prompt });
        }
        let (kind, list) = (short.kind, short.list);
        Self { name: name.to_owned(), kind, list, required, min: None, max: None, pattern: None, one_of: None }
    }

    /// A field in the long form is optional unless it says `required`.
    fn long(name: &str, long: &Map<String, Value>, marks: &mut Marks) -> Result<Self, Wrong> {
        if let Some(unknown) = long.keys().find(|key| !LONG_KEYS.contains(&key.as_str())) {
            return Err(("unknown", format!("{} is none of {}", quote(unknown), LONG_KEYS.join(", "))));
        }
        let mut short = long_type(long)?;
        short.optional = !flag(long, "required")?;
        let mut field = Self::short(name, short, marks);
        (field.min, field.max) = (bound(long, "min", &field)?, bound(long, "max", &field)?);
        field.pattern = pattern(long, &field)?;
        field.one_of = one_of(long, &field)?;
        flag(long, "indexed")?;
        let path = || path::write([name]);
        if flag(long, "unique")? {
            if field.list || field.kind == Kind::Json {
                return Err(("unique", "a list or json field cannot be unique".to_owned()));
            }
            marks.unique.push(name.to_owned());
        }
        if flag(long, "secret")? {
            if COLUMNS.contains(&name) {
                return Err(("secret", format!("{name} is part of every event and cannot be secret")));
            }
            marks.secret.push(path());
        }
        if flag(long, "searchable")? {
            marks.searchable.push(path());
        }
        if let Some(default) = long.get("default") {
            field.default(default)?;
            marks.defaults.push((name.to_owned(), default.clone()));
        }
        Ok(field)
    }

    fn default(&self, default: &Value) -> Result<(), Wrong> {
        if COLUMNS.contains(&self.name.as_str()) {
            return Err(("default", format!("{} is given by the caller and has no default", self.name)));
        }
        let mut found = Vec::new();
        self.check(default, &mut found);
        match found.into_iter().next() {
            None => Ok(()),
            Some(first) => Err(("default", format!("the default does not fit the field: it {}", first.message))),
        }
    }

    fn check(&self, value: &Value, found: &mut Vec<FieldError>) {
        let place = path::write([self.name.as_str()]);
        if value.is_null() && !self.required && self.kind != Kind::Json {
            return;
        }
        if !self.list {
            return self.check_one(value, place, found);
        }
        let Value::Array(items) = value else {
            let message = format!("must be {}, not {}", self.accepts(), kind_name(value));
            return found.push(FieldError::new(place, "type", message));
        };
        self.check_bounds(items.len() as f64, " items", &place, found);
        for (at, item) in items.iter().enumerate() {
            if found.len() >= VIOLATIONS_MAX {
                return;
            }
            self.check_one(item, format!("{place}.{at}"), found);
        }
    }

    fn check_one(&self, value: &Value, place: String, found: &mut Vec<FieldError>) {
        let right = match (self.kind, value) {
            (Kind::String, Value::String(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::Json, _) => true,
            (Kind::Date, Value::String(text)) => is_date(text),
            (Kind::Relation, value) => target(value).is_some(),
            (Kind::String | Kind::Number | Kind::Boolean | Kind::Date, _) => false,
        };
        if !right {
            let what = match value {
                Value::String(text) => quote(text),
                other => kind_name(other).to_owned(),
            };
            return found.push(FieldError::new(place, "type", format!("must be {}, not {what}", self.one())));
        }
        match value {
            Value::Number(number) if !self.list => self.check_bounds(as_f64(number), "", &place, found),
            Value::String(text) if !self.list => {
                self.check_bounds(text.chars().count() as f64, " characters", &place, found);
            }
            Value::Number(_) | Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            }
        }
        if let Some((pattern, validator)) = &self.pattern
            && !validator.is_valid(value)
        {
            found.push(FieldError::new(place.clone(), "pattern", format!("must match the pattern {}", quote(pattern))));
        }
        if let Some(one_of) = &self.one_of
            && !one_of.known.contains(&value.to_string())
        {
            let accepted = one_of.in_order.join(", ");
            let accepted = &accepted[..accepted.floor_char_boundary(300)];
            found.push(FieldError::new(place, "enum", format!("must be one of {accepted}")));
        }
    }

    fn check_bounds(&self, found_value: f64, unit: &str, place: &str, found: &mut Vec<FieldError>) {
        if let Some(min) = self.min.filter(|min| found_value < *min) {
            found.push(FieldError::new(place, "min", format!("must be at least {min}{unit}")));
        }
        if let Some(max) = self.max.filter(|max| found_value > *max) {
            found.push(FieldError::new(place, "max", format!("must be at most {max}{unit}")));
        }
    }

    fn accepts(&self) -> String {
        if self.list { format!("a list, each item {}", self.one()) } else { self.one().to_owned() }
    }

    fn one(&self) -> &'static str {
        match self.kind {
            Kind::String => "a string",
            Kind::Number => "a number",
            Kind::Boolean => "true or false",
            Kind::Date => "a date (2026-01-31) or a time (2026-01-31T12:00:00Z)",
            Kind::Json => "any JSON value",
            Kind::Relation => "the id or URL of a thing",
        }
    }
}

fn short(text: &str) -> Result<Short, Wrong> {
    let mut word = text.trim();
    let (mut list, mut optional) = (false, false);
    loop {
        if let Some(rest) = word.strip_suffix('?').filter(|_| !optional) {
            (word, optional) = (rest, true);
        } else if let Some(rest) = word.strip_suffix("[]").filter(|_| !list) {
            (word, list) = (rest, true);
        } else {
            break;
        }
    }
    let operator =
        OPERATORS.iter().filter_map(|(sign, direction)| Some((word.rfind(sign)?, *direction))).max_by_key(|o| o.0);
    if let Some((at, direction)) = operator {
        let (prompt, noun) = (word[..at].trim(), word[at + 2..].trim());
        if !is_noun(noun) {
            let message = format!("{} is no noun: after the operator stands one, such as ->Person", quote(noun));
            return Err(("reference", message));
        }
        let prompt = (!prompt.is_empty()).then(|| prompt.to_owned());
        return Ok(Short {
            kind: Kind::Relation,
            list,
            optional,
            relation: Some((direction, noun.to_owned(), prompt)),
        });
    }
    match KINDS.iter().find(|(name, _)| *name == word) {
        Some((_, kind)) => Ok(Short { kind: *kind, list, optional, relation: None }),
        None => Err((
            "type",
            format!(
                "{} is no type: string, number, boolean, date, json, or a relation such as ->Person, with ? for optional \
                 and [] for a list",
                quote(text)
            ),
        )),
    }
}

fn long_type(long: &Map<String, Value>) -> Result<Short, Wrong> {
    let text = |key: &'static str| match long.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err((key, format!("{key} is a text, not {}", kind_name(other)))),
    };
    text("description")?;
    match (text("type")?, text("reference")?) {
        (None, None) => {
            Err(("type", "an object form has type or reference; for nested fields give a JSON Schema".to_owned()))
        }
        (Some(kind), None) => short(kind),
        (kind, Some(noun)) => {
            let relation = if OPERATORS.iter().any(|(sign, _)| noun.contains(sign)) {
                short(noun)?
            } else {
                short(&format!("->{noun}"))?
            };
            match kind.map(short).transpose()? {
                None => Ok(relation),
                Some(kind) if kind.kind == Kind::String => Ok(Short { list: relation.list || kind.list, ..relation }),
                Some(_) => Err(("reference", "a field with reference has the type string or string[]".to_owned())),
            }
        }
    }
}

fn flag(long: &Map<String, Value>, key: &'static str) -> Result<bool, Wrong> {
    match long.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err((key, format!("{key} is true or false, not {}", kind_name(other)))),
    }
}

/// Of numbers the value, of strings the characters, of lists the items.
fn bound(long: &Map<String, Value>, key: &'static str, field: &Field) -> Result<Option<f64>, Wrong> {
    match (long.get(key), field.kind) {
        (None, _) => Ok(None),
        (Some(Value::Number(number)), Kind::Number | Kind::String) => Ok(Some(as_f64(number))),
        (Some(Value::Number(number)), Kind::Boolean | Kind::Date | Kind::Json | Kind::Relation) if field.list => {
            Ok(Some(as_f64(number)))
        }
        (Some(Value::Number(_)), Kind::Boolean | Kind::Date | Kind::Json | Kind::Relation) => {
            Err((key, format!("{key} is for numbers, strings and lists")))
        }
        (Some(other), _) => Err((key, format!("{key} is a number, not {}", kind_name(other)))),
    }
}

fn pattern(long: &Map<String, Value>, field: &Field) -> Result<Option<(String, jsonschema::Validator)>, Wrong> {
    match long.get("pattern") {
        None => Ok(None),
        Some(Value::String(pattern)) if field.kind == Kind::String => match json::pattern(pattern) {
            Some(validator) => Ok(Some((pattern.clone(), validator))),
            None => Err((
                "pattern",
                format!(
                    "{} is no regular expression that can be used; look-around and back-references cannot",
                    quote(pattern)
                ),
            )),
        },
        Some(_) => Err(("pattern", "pattern is a text, for fields of strings".to_owned())),
    }
}

fn one_of(long: &Map<String, Value>, field: &Field) -> Result<Option<OneOf>, Wrong> {
    let Some(given) = long.get("enum") else { return Ok(None) };
    let values = given.as_array().filter(|values| !values.is_empty() && field.kind != Kind::Json);
    let Some(values) = values.filter(|values| !values.iter().any(|v| v.is_array() || v.is_object())) else {
        return Err(("enum", "enum is a list of at least one plain value, for fields that are not json".to_owned()));
    };
    let in_order: Vec<String> = values.iter().map(Value::to_string).collect();
    let known = in_order.iter().cloned().collect();
    Ok(Some(OneOf { in_order, known }))
}

/// What is beyond f64 is beyond every bound.
fn as_f64(number: &serde_json::Number) -> f64 {
    number.as_f64().unwrap_or(if number.to_string().starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY })
}

fn is_date(text: &str) -> bool {
    if text.len() == "2026-01-31".len() {
        text.parse::<jiff::civil::Date>().is_ok()
    } else {
        text.len() <= 64 && !text.contains('[') && text.parse::<jiff::Timestamp>().is_ok()
    }
}
