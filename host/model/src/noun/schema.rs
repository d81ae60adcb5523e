//! A noun's schema, in whichever of its notations, and what it says about data.

use super::fields::Fields;
use super::json::JsonSchema;
use crate::{FieldError, kind_name, path};
use serde::Serialize;
use serde_json::{Map, Value};

/// A schema as JSON text, in bytes. A check costs at most about schema times data.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;

/// Violations told at once; who has more has the wrong schema or the wrong data.
pub const VIOLATIONS_MAX: usize = 100;

/// What the things of a noun must look like.
#[derive(Debug)]
pub struct Schema {
    form: Form,
    pub(super) marks: Marks,
}

#[derive(Debug)]
enum Form {
    Fields(Fields),
    Json(Box<JsonSchema>),
}

/// What a schema says beside what is valid.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) unique: Vec<String>,
    pub(super) secret: Vec<String>,
    pub(super) searchable: Vec<String>,
    pub(super) relations: Vec<Relation>,
    pub(super) defaults: Vec<(String, Value)>,
}

/// A field that points at things of another noun.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Relation {
    pub field: String,
    pub direction: Direction,
    /// The noun that is pointed at.
    pub noun: String,
    /// Whether the field holds several.
    pub list: bool,
    /// What to ask for when the value is to be generated: the text before the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// Which way a relation points, and whether its target is named or looked for by meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Direction {
    #[serde(rename = "->")]
    ForwardExact,
    #[serde(rename = "<-")]
    BackwardExact,
    #[serde(rename = "~>")]
    ForwardFuzzy,
    #[serde(rename = "<~")]
    BackwardFuzzy,
}

impl Direction {
    /// Whether the field's value is written by the thing that has it; a backward one is what others point with.
    pub fn is_forward(self) -> bool {
        match self {
            Self::ForwardExact | Self::ForwardFuzzy => true,
            Self::BackwardExact | Self::BackwardFuzzy => false,
        }
    }
}

impl Relation {
    /// The ids or URLs that the field holds in this (valid) data.
    pub fn targets<'a>(&self, data: &'a Value) -> Vec<&'a str> {
        match data.get(&self.field) {
            Some(Value::Array(items)) => items.iter().filter_map(target).collect(),
            Some(one) => target(one).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

/// A target is written as its id or URL, or as `{"$ref": …}` of it.
pub(super) fn target(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text.as_str()),
        Value::Object(map) if map.len() == 1 => map.get("$ref").and_then(Value::as_str),
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
    .filter(|text| !text.is_empty())
}

/// What a thing has beside its data; a schema may speak of these as of fields.
#[derive(Clone, Copy, Default, Debug)]
pub struct Columns<'a> {
    pub id: Option<&'a str>,
    pub name: Option<&'a str>,
}

impl<'a> Columns<'a> {
    pub(super) fn get(self, field: &str) -> Option<&'a str> {
        match field {
            "id" => self.id,
            "name" => self.name,
            _ => None,
        }
    }
}

pub(super) const COLUMNS: [&str; 2] = ["id", "name"];

impl Schema {
    /// Reads the short form (`{"email": "string", "owner": "->Person?"}`), the long form
    /// (`{"email": {"type": "string", "unique": true}}`), mixtures of the two, and JSON Schema 2020-12, which is what an
    /// object with `$schema`, another `$`-key, `"type": "object"`, an object of schemas in `properties`, or a
    /// combination (`allOf`…) is. The errors' fields begin with `schema`.
    pub fn compile(given: &Value) -> Result<Self, Vec<FieldError>> {
        let fail = |rule: &str, message: String| Err(vec![FieldError::new("schema", rule, message)]);
        let Value::Object(map) = given else {
            return fail("type", format!("a schema is an object, not {}", kind_name(given)));
        };
        if given.to_string().len() > SCHEMA_BYTES_MAX {
            return fail("size", format!("a schema has at most {SCHEMA_BYTES_MAX} bytes"));
        }
        let mut marks = Marks::default();
        let form = if is_json_schema(map) {
            JsonSchema::compile(given, &mut marks).map(|schema| Form::Json(Box::new(schema)))
        } else {
            Fields::compile(map, &mut marks).map(Form::Fields)
        };
        Ok(Self { form: form.map_err(plain_name)?, marks })
    }

    /// Everything in `data` that the schema does not allow, up to [`VIOLATIONS_MAX`]; a list that is full may have lost
    /// some. Fields are [`crate::path`]s, list items by number.
    pub fn validate(&self, data: &Value) -> Vec<FieldError> {
        self.validate_with(Columns::default(), data)
    }

    /// The same, with what the thing's columns hold where the schema has fields `id` or `name`.
    pub fn validate_with(&self, columns: Columns<'_>, data: &Value) -> Vec<FieldError> {
        let mut found = match &self.form {
            Form::Fields(fields) => fields.validate(columns, data),
            Form::Json(schema) => schema.validate(columns, data),
        };
        found.truncate(VIOLATIONS_MAX);
        plain_name(found)
    }

    /// Puts in the defaults of fields that are missing. For new things only.
    pub fn fill_defaults(&self, data: &mut Value) {
        let Value::Object(map) = data else { return };
        for (field, default) in &self.marks.defaults {
            if !map.contains_key(field) {
                map.insert(field.clone(), default.clone());
            }
        }
    }

    /// Keys of `data` that no two live things share; `name` is the thing's name.
    pub fn unique_fields(&self) -> &[String] {
        &self.marks.unique
    }

    pub fn relations(&self) -> &[Relation] {
        &self.marks.relations
    }

    /// [`crate::path`]s of what must not leave the object, as [`crate::flat::without_secrets`] takes them.
    pub fn secret_fields(&self) -> &[String] {
        &self.marks.secret
    }

    /// [`crate::path`]s of what the search index is limited to; `None` when the schema says nothing of it.
    pub fn searchable_fields(&self) -> Option<&[String]> {
        (!self.marks.searchable.is_empty()).then_some(self.marks.searchable.as_slice())
    }
}

/// A schema that speaks of `name` means the thing's, and so do its errors.
fn plain_name(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    let escaped = path::write([path::NAME]);
    for error in &mut errors {
        let (before, rest) = match error.field.strip_prefix("schema.") {
            Some(rest) => ("schema.", rest),
            None => ("", error.field.as_str()),
        };
        if let Some(after) =
            rest.strip_prefix(escaped.as_str()).filter(|after| after.is_empty() || after.starts_with('.'))
        {
            error.field = format!("{before}{}{after}", path::NAME);
        }
    }
    errors
}

/// A field's definition is a text, a list of one text, or an object with `type` or `reference`; none of the marks here
/// is, so that fields may be called `type`, `properties` or `required`.
fn is_json_schema(map: &Map<String, Value>) -> bool {
    const COMBINATIONS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
    let schemas = |value: &Value| match value {
        Value::Object(inner) => inner.values().all(|v| v.is_object() || v.is_boolean()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => false,
    };
    map.keys().any(|key| key.starts_with('$'))
        || map.get("type").and_then(Value::as_str) == Some("object")
        || map.get("properties").is_some_and(schemas)
        || COMBINATIONS.iter().any(|key| {
            map.get(*key)
                .and_then(Value::as_array)
                .is_some_and(|all| all.iter().any(|v| v.is_object() || v.is_boolean()))
        })
}
