//! A form for a JSON Schema, and the value that was filled in.
//!
//! What a browser can ask for is asked for by its own controls; what it cannot is JSON text. Whether a value fits the
//! whole schema is said by who takes it: here only texts become values.

use serde_json::{Map, Value};

/// The most fields that one form has; what is beyond is asked for as one JSON text.
const FIELDS_MAX: usize = 64;
/// A text of the schema that is longer than this wants several lines.
const LINE_CHARS_MAX: u64 = 120;
/// What the only field of a form is called whose schema is no object.
const WHOLE: &str = "value";

/// One control of a form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field {
    pub name: String,
    pub label: String,
    pub help: Option<String>,
    pub required: bool,
    pub input: Input,
    /// What stands in it.
    pub value: String,
    pub error: Option<String>,
}

/// How something is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// One line; the type of its `<input>`.
    Line(&'static str),
    Long,
    Flag,
    Choice(Vec<Choice>),
    Json,
}

/// One of several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub help: Option<String>,
}

/// Why what was filled in is no value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldError {
    pub name: String,
    pub message: String,
}

/// The controls for a schema.
pub fn fields(schema: &Value) -> Vec<Field> {
    let Some(properties) = properties(schema) else {
        return vec![field(WHOLE, schema, true)];
    };
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    properties.iter().map(|(name, of)| field(name, of, required(name))).collect()
}

/// The members of an object that a form can have a control each for.
fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    let properties = schema.get("properties")?.as_object()?;
    let is_object = schema.get("type").is_none_or(|of| of == "object");
    (is_object && (1..=FIELDS_MAX).contains(&properties.len())).then_some(properties)
}

fn field(name: &str, schema: &Value, required: bool) -> Field {
    let text = |key: &str| schema[key].as_str().map(str::to_owned);
    let value = match &schema["default"] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let label = text("title").unwrap_or_else(|| words(name));
    Field {
        name: name.to_owned(),
        label,
        help: text("description"),
        required,
        input: input(schema),
        value,
        error: None,
    }
}

fn input(schema: &Value) -> Input {
    if let Some(values) = schema["enum"].as_array().filter(|values| (1..=FIELDS_MAX).contains(&values.len())) {
        return Input::Choice(values.iter().map(|value| choice(value, &Value::Null)).collect());
    }
    let each =
        schema["oneOf"].as_array().filter(|all| !all.is_empty() && all.iter().all(|one| one.get("const").is_some()));
    if let Some(all) = each {
        return Input::Choice(all.iter().map(|one| choice(&one["const"], one)).collect());
    }
    match schema["type"].as_str() {
        Some("boolean") => Input::Flag,
        Some("integer" | "number") => Input::Line("number"),
        Some("string") => match schema["format"].as_str() {
            Some("date") => Input::Line("date"),
            Some("email") => Input::Line("email"),
            Some("uri") => Input::Line("url"),
            _ if schema["maxLength"].as_u64().is_none_or(|max| max > LINE_CHARS_MAX) && schema["format"].is_null() => {
                Input::Long
            }
            _ => Input::Line("text"),
        },
        _ => Input::Json,
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn choice(value: &Value, of: &Value) -> Choice {
    let shown = shown(value);
    Choice {
        label: of["title"].as_str().map_or_else(|| shown.clone(), str::to_owned),
        help: of["description"].as_str().map(str::to_owned),
        value: shown,
    }
}

/// `unitPrice` and `unit_price` read `unit price`.
fn words(name: &str) -> String {
    let mut label = String::new();
    for c in name.chars() {
        match c {
            '_' | '-' => label.push(' '),
            c if c.is_uppercase() && !label.is_empty() && !label.ends_with(' ') => {
                label.push(' ');
                label.extend(c.to_lowercase());
            }
            c => label.push(c),
        }
    }
    label
}

/// The value that was filled in: `filled` has what a browser sends, by the names of the controls.
///
/// # Errors
/// For each control that holds no value of its kind.
pub fn value_of(schema: &Value, filled: &[(String, String)]) -> Result<Value, Vec<FieldError>> {
    let text = |name: &str| filled.iter().find(|(n, _)| n == name).map(|(_, text)| text.as_str());
    let Some(properties) = properties(schema) else {
        return read(WHOLE, schema, text(WHOLE).unwrap_or_default()).map_err(|error| vec![error]);
    };
    let (mut value, mut errors) = (Map::new(), Vec::new());
    for (name, of) in properties {
        match text(name) {
            // What was left empty is not there; whether it may be missing is the schema's to say.
            None | Some("") => {}
            Some(text) => match read(name, of, text) {
                Ok(read) => {
                    value.insert(name.clone(), read);
                }
                Err(error) => errors.push(error),
            },
        }
    }
    if errors.is_empty() { Ok(Value::Object(value)) } else { Err(errors) }
}

fn read(name: &str, schema: &Value, text: &str) -> Result<Value, FieldError> {
    let wrong = |message: &str| Err(FieldError { name: name.to_owned(), message: message.to_owned() });
    let one_of = |mut values: Box<dyn Iterator<Item = &Value> + '_>| values.find(|value| shown(value) == text).cloned();
    match input(schema) {
        Input::Choice(_) => {
            let found = match (schema["enum"].as_array(), schema["oneOf"].as_array()) {
                (Some(values), _) => one_of(Box::new(values.iter())),
                (None, Some(all)) => one_of(Box::new(all.iter().map(|one| &one["const"]))),
                (None, None) => None,
            };
            found.map_or_else(|| wrong("choose one of the options"), Ok)
        }
        Input::Flag => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => wrong("choose yes or no"),
        },
        Input::Line("number") => match serde_json::from_str::<Value>(text.trim()) {
            Ok(number @ Value::Number(_)) => Ok(number),
            Ok(_) | Err(_) => wrong("write a number, like 12 or 3.5"),
        },
        Input::Line(_) => Ok(Value::String(text.to_owned())),
        // Browsers send line ends as CR LF.
        Input::Long => Ok(Value::String(text.replace("\r\n", "\n"))),
        Input::Json => serde_json::from_str(text).or_else(|e| wrong(&format!("write JSON: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["amount", "ok"],
            "properties": {
                "amount": { "type": "number", "title": "Amount in EUR" },
                "ok": { "type": "boolean" },
                "costCenter": { "enum": ["sales", "ops", 7] },
                "note": { "type": "string" },
                "day": { "type": "string", "format": "date" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "how": { "oneOf": [{ "const": "a", "title": "By air" }, { "const": "s", "title": "By sea" }] }
            }
        })
    }

    #[test]
    fn each_kind_of_value_has_its_control() {
        let found = fields(&schema());
        let of = |name: &str| found.iter().find(|f| f.name == name).expect("it is there").clone();
        assert_eq!((of("amount").label.as_str(), of("amount").required), ("Amount in EUR", true));
        assert_eq!(of("costCenter").label, "cost center");
        assert_eq!(of("amount").input, Input::Line("number"));
        assert_eq!((of("ok").input, of("note").input), (Input::Flag, Input::Long));
        assert_eq!((of("day").input, of("tags").input), (Input::Line("date"), Input::Json));
        assert!(matches!(of("how").input, Input::Choice(options) if options[1].label == "By sea"));
    }

    #[test]
    fn what_is_filled_in_becomes_a_value_of_the_schemas_kinds() {
        let filled = [
            ("amount", "12.50"),
            ("ok", "false"),
            ("costCenter", "7"),
            ("note", "one\r\ntwo"),
            ("day", ""),
            ("tags", "[\"x\"]"),
            ("how", "s"),
            ("extra", "is not asked for"),
        ];
        let filled: Vec<_> = filled.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let value = value_of(&schema(), &filled).expect("all of it is right");
        assert_eq!(
            value,
            json!({ "amount": serde_json::from_str::<Value>("12.50").unwrap(), "ok": false, "costCenter": 7,
                    "note": "one\ntwo", "tags": ["x"], "how": "s" })
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let filled = [("amount", "much"), ("ok", "maybe"), ("costCenter", "none"), ("tags", "[")];
        let filled: Vec<_> = filled.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let errors = value_of(&schema(), &filled).expect_err("all of it is wrong");
        let names: Vec<_> = errors.iter().map(|error| error.name.as_str()).collect();
        assert_eq!(names, ["amount", "ok", "costCenter", "tags"]);
    }

    #[test]
    fn a_schema_that_is_no_object_has_one_control() {
        assert_eq!(fields(&json!({ "type": "integer" }))[0].name, WHOLE);
        assert_eq!(value_of(&json!({ "type": "integer" }), &[(WHOLE.to_owned(), "3".to_owned())]), Ok(json!(3)));
        assert_eq!(fields(&json!(true))[0].input, Input::Json);
    }
}
