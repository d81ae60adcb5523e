//! Nouns whose schema is a JSON Schema (draft 2020-12).
//!
//! Beside what the standard knows, a property may carry `secret`, `searchable`, `unique`, `reference` and `default` as
//! in the long form. The `regex` engine matches patterns, in time linear in the text, so it has no look-around.

use super::is_noun;
use super::recursion;
use super::schema::{COLUMNS, Columns, Direction, Marks, Relation, VIOLATIONS_MAX};
use crate::{FieldError, kind_name, nodes, path, quote};
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment;
use serde_json::{Map, Value};
use std::borrow::Cow;

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A message that another crate wrote, in bytes.
const MESSAGE_BYTES_MAX: usize = 300;

/// Failures of alternatives that one check may hold in memory (some hundred bytes each) to tell them.
const REMEMBERED_MAX: usize = 200_000;

/// One compiled pattern, in bytes: room for Unicode classes, not for thousands of them.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Patterns of one schema, which its compiled form keeps all.
pub(super) const PATTERNS_MAX: usize = 100;

pub(super) const NO_FIELD: &str = "is no field of this noun, which accepts no others";

/// The marks that are refused where they would have no effect.
const MARKS: [&str; 3] = ["secret", "unique", "searchable"];

#[derive(Debug)]
pub(super) struct JsonSchema {
    validator: jsonschema::Validator,
    /// The columns it speaks of as of fields.
    columns: Vec<&'static str>,
    cost: recursion::Cost,
}

impl JsonSchema {
    pub(super) fn compile(given: &Value, marks: &mut Marks) -> Result<Self, Vec<FieldError>> {
        let fail = |rule: &str, message: String| Err(vec![FieldError::new("schema", rule, message)]);
        if let Some(draft) = given.get("$schema")
            && draft.as_str().map(|d| d.trim_end_matches('#')) != Some(DRAFT)
        {
            return fail("$schema", format!("the dialect is {DRAFT}, or is left out"));
        }
        let cost = recursion::check(given).map_err(|message| vec![FieldError::new("schema", "$ref", message)])?;
        let mut errors = Vec::new();
        if count_patterns(given) > PATTERNS_MAX {
            return fail("pattern", format!("a schema has at most {PATTERNS_MAX} patterns"));
        }
        let found = find_marks(given, &mut Vec::new(), marks, &mut errors);
        if found < count_marks(given) {
            let message = "secret, unique and searchable stand on properties (the first two levels down: of properties and \
                           items), not behind $ref, allOf and the like; unique only on the outermost";
            errors.push(FieldError::new("schema", "mark", message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let validator = match options().build(&with_properties(given)) {
            Ok(validator) => validator,
            Err(error) => {
                let mut place = "schema".to_owned();
                error.instance_path().into_iter().for_each(|segment| push(&mut place, &segment));
                let message = format!("is no JSON Schema: {}", cut(error.masked_with("this").to_string()));
                return Err(vec![FieldError::new(place, "schema", message)]);
            }
        };
        let errors = wrong_defaults(&validator, marks);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mentions = |column: &str| {
            given.get("properties").and_then(|p| p.get(column)).is_some()
                || given.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|v| v == column))
        };
        Ok(Self { validator, cost, columns: COLUMNS.into_iter().filter(|column| mentions(column)).collect() })
    }

    pub(super) fn validate(&self, columns: Columns<'_>, data: &Value) -> Vec<FieldError> {
        let missing = self.columns.iter().filter(|column| data.get(**column).is_none());
        let add: Vec<_> = missing.filter_map(|column| Some((*column, columns.get(column)?))).collect();
        if add.is_empty() {
            return self.problems(data);
        }
        let mut whole = data.clone();
        if let Value::Object(map) = &mut whole {
            map.extend(add.into_iter().map(|(column, value)| (column.to_owned(), Value::from(value))));
        }
        self.problems(&whole)
    }

    fn problems(&self, data: &Value) -> Vec<FieldError> {
        if self.cost.alternatives && self.cost.applied.saturating_mul(nodes(data)) > REMEMBERED_MAX {
            let message =
                "does not satisfy the schema, which has too many alternatives to say where in data this large";
            let valid = self.validator.is_valid(data);
            return if valid { Vec::new() } else { vec![FieldError::new("", "schema", message)] };
        }
        self.validator.iter_errors(data).take(VIOLATIONS_MAX).flat_map(|error| problem(&error)).collect()
    }
}

/// Beside `properties`, `additionalProperties: false` tells every key it refuses; beside none, the validator stops at
/// the first and does not say which. So the outermost gets an empty one.
fn with_properties(given: &Value) -> Cow<'_, Value> {
    match given {
        Value::Object(map) if !map.contains_key("properties") && map.contains_key("additionalProperties") => {
            let mut map = map.clone();
            map.insert("properties".to_owned(), Value::Object(Map::new()));
            Cow::Owned(Value::Object(map))
        }
        other => Cow::Borrowed(other),
    }
}

fn options() -> jsonschema::ValidationOptions<'static> {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
}

/// A checker of strings against one pattern; `None` when it is none.
pub(super) fn pattern(pattern: &str) -> Option<jsonschema::Validator> {
    options().build(&serde_json::json!({ "pattern": pattern })).ok()
}

fn problem(error: &jsonschema::ValidationError<'_>) -> Vec<FieldError> {
    let mut place = String::new();
    error.instance_path().into_iter().for_each(|segment| push(&mut place, &segment));
    let rule = error.kind().keyword();
    let below = |key: &str| {
        let mut place = place.clone();
        path::push(&mut place, key);
        place
    };
    match error.kind() {
        Kind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            vec![FieldError::new(below(property), rule, "is missing")]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().take(VIOLATIONS_MAX).map(|key| FieldError::new(below(key), rule, NO_FIELD)).collect()
        }
        Kind::FalseSchema => vec![FieldError::new(place, rule, "is not allowed")],
        Kind::Type { kind } => {
            let accepted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(several) => several.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or "),
            };
            let message = format!("must be of type {accepted}, not {}", kind_name(error.instance()));
            vec![FieldError::new(place, rule, message)]
        }
        // The other crate's enum grows: what it says itself will do for the rest, without the value.
        _ => vec![FieldError::new(place, rule, cut(error.masked_with("it").to_string()))],
    }
}

fn cut(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
    message
}

fn push(path: &mut String, segment: &LocationSegment<'_>) {
    match segment {
        LocationSegment::Property(key) => path::push(path, key),
        LocationSegment::Index(at) => path::push(path, &at.to_string()),
    }
}

/// Collects the marks below `schema`, whose path is `keys`; the number of those that have an effect.
fn find_marks<'a>(
    schema: &'a Value,
    keys: &mut Vec<&'a str>,
    marks: &mut Marks,
    errors: &mut Vec<FieldError>,
) -> usize {
    let mut found = 0;
    if let Some(items) = schema.get("items").filter(|_| !keys.is_empty()) {
        found += find_marks(items, keys, marks, errors);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return found };
    for (key, property) in properties {
        keys.push(key);
        let place = || path::write(keys.iter().copied());
        let on = |mark: &str| property.get(mark) == Some(&Value::Bool(true));
        let column = keys.len() == 1 && COLUMNS.contains(&key.as_str());
        if on("secret") && column {
            errors.push(FieldError::new(
                place(),
                "secret",
                format!("{key} is part of every event and cannot be secret"),
            ));
        }
        if on("secret") {
            marks.secret.push(place());
            found += 1;
        }
        if on("searchable") {
            marks.searchable.push(place());
            found += 1;
        }
        if keys.len() == 1 {
            if on("unique") {
                marks.unique.push(key.clone());
                found += 1;
            }
            relation(key, property, marks, errors);
            if let Some(default) = property.get("default").filter(|_| !column) {
                marks.defaults.push((key.clone(), default.clone()));
            }
        }
        found += find_marks(property, keys, marks, errors);
        keys.pop();
    }
    found
}

fn relation(field: &str, property: &Value, marks: &mut Marks, errors: &mut Vec<FieldError>) {
    let on_items = property.get("items").and_then(|items| items.get("reference"));
    let Some(reference) = property.get("reference").or(on_items) else { return };
    match reference.as_str().filter(|noun| is_noun(noun)) {
        Some(noun) => marks.relations.push(Relation {
            field: field.to_owned(),
            direction: Direction::ForwardExact,
            noun: noun.to_owned(),
            list: property.get("type").and_then(Value::as_str) == Some("array") || on_items.is_some(),
            prompt: None,
        }),
        None => {
            let message = format!("reference is a noun, not {}", quote(&reference.to_string()));
            errors.push(FieldError::new(format!("schema.{}", path::write([field])), "reference", message));
        }
    }
}

/// Of what is wrong with a thing that has the defaults alone, what is about them.
fn wrong_defaults(validator: &jsonschema::Validator, marks: &Marks) -> Vec<FieldError> {
    if marks.defaults.is_empty() {
        return Vec::new();
    }
    let defaults = Value::Object(marks.defaults.iter().cloned().collect());
    let about = |error: &jsonschema::ValidationError<'_>| !error.instance_path().as_str().is_empty();
    let wrong = validator.iter_errors(&defaults).filter(about).take(VIOLATIONS_MAX).flat_map(|error| problem(&error));
    wrong
        .map(|error| {
            let message = format!("the default does not fit the field: it {}", error.message);
            FieldError::new(format!("schema.{}", error.field), "default", message)
        })
        .collect()
}

fn count_patterns(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(count_patterns).sum(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match (key.as_str(), value) {
                ("pattern", Value::String(_)) => 1,
                ("patternProperties", Value::Object(by_pattern)) => by_pattern.len() + count_patterns(value),
                (_, value) => count_patterns(value),
            })
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Every mark that is set, wherever it stands; what is data (`enum`, `default`…) or a map by name holds none itself.
fn count_marks(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => items.iter().map(count_marks).sum(),
        Value::Object(map) => {
            let set = MARKS.iter().filter(|mark| map.get(**mark) == Some(&Value::Bool(true))).count();
            set + map.iter().map(|(key, value)| below(key, value)).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn below(key: &str, value: &Value) -> usize {
    let by_name = |map: &Map<String, Value>| map.values().map(count_marks).sum();
    match (key, value) {
        ("enum" | "const" | "default" | "examples", _) => 0,
        ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(map)) => {
            by_name(map)
        }
        (_, value) => count_marks(value),
    }
}
