//! A form from what is asked, and the answer from the form: one field for each property that a schema names, a text where
//! it has none.

use serde_json::{Map, Value};
use types::RequestRow;

/// Before the names of fields that are part of the answer, so that none is mistaken for another.
const PREFIX: &str = "answer.";
/// The field of an answer that is no object.
const WHOLE: &str = "answer";

/// One thing to fill in.
pub(super) struct Field {
    /// As labels refer to it.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) label: String,
    pub(super) is_required: bool,
    pub(super) is_long: bool,
    /// Empty: anything.
    pub(super) choices: Vec<Pick>,
}

/// One of the things that can be chosen.
pub(super) struct Pick {
    pub(super) value: String,
    pub(super) label: String,
}

/// What there is to fill in.
pub(super) fn fields(row: &RequestRow) -> Vec<Field> {
    if !row.options.is_empty() {
        let option = |option: &types::RequestOption| Pick { value: option.id.clone(), label: option.label.clone() };
        let choices = row.options.iter().map(option).collect();
        return vec![Field { choices, ..text(WHOLE, "Your choice", true) }];
    }
    let schema = row.form.as_ref().map(types::Json::to_value).unwrap_or_default();
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return vec![Field { is_long: true, ..text(WHOLE, "Your answer", true) }];
    };
    properties.iter().map(|(name, property)| of_property(name, property, is_required(&schema, name))).collect()
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|own| own == name))
}

fn of_property(name: &str, property: &Value, is_required: bool) -> Field {
    let label = property["title"].as_str().or(property["description"].as_str()).unwrap_or(name);
    let field = text(&format!("{PREFIX}{name}"), label, is_required);
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut choices: Vec<String> = match (property["enum"].as_array(), property["type"].as_str()) {
        (Some(values), _) => values.iter().map(shown).collect(),
        (None, Some("boolean")) => vec!["true".to_owned(), "false".to_owned()],
        (None, _) => return Field { is_long: matches!(property["type"].as_str(), Some("array" | "object")), ..field },
    };
    if !is_required {
        choices.insert(0, String::new());
    }
    let choices = choices.into_iter().map(|value| Pick { label: value.clone(), value }).collect();
    Field { choices, ..field }
}

fn text(name: &str, label: &str, is_required: bool) -> Field {
    let id = format!("field-{name}");
    Field { id, name: name.to_owned(), label: label.to_owned(), is_required, is_long: false, choices: Vec::new() }
}

/// The answer that was filled in. Whether it fits the schema is looked at where it counts.
pub(super) fn answer(row: &RequestRow, filled: &[(String, String)]) -> Value {
    let schema = row.form.as_ref().map(types::Json::to_value).unwrap_or_default();
    let has_fields = row.options.is_empty() && schema["properties"].as_object().is_some_and(|p| !p.is_empty());
    if !has_fields {
        let whole = super::field(filled, WHOLE).unwrap_or_default();
        let of = if row.options.is_empty() { &schema } else { &Value::Null };
        return value(of, whole);
    }
    let mut answer = Map::new();
    for (name, text) in filled {
        let Some(name) = name.strip_prefix(PREFIX) else { continue };
        let property = &schema["properties"][name];
        // What was left empty is not there, unless it must be.
        if !text.is_empty() || is_required(&schema, name) && property["type"] == "string" {
            answer.insert(name.to_owned(), value(property, text));
        }
    }
    Value::Object(answer)
}

/// A text as the type that its schema asks for; what is none stays a text, and is refused with the reason.
fn value(schema: &Value, text: &str) -> Value {
    let read = || serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    match schema["type"].as_str() {
        Some("string") => Value::String(text.to_owned()),
        Some(_) => read(),
        None => match schema["enum"].as_array() {
            Some(values) if !values.iter().any(|value| value == text) => read(),
            Some(_) | None => Value::String(text.to_owned()),
        },
    }
}
