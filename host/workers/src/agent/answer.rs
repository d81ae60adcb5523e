//! The answer of a model that is to be a value: found in its text, looked at by its schema.

use serde_json::Value;
use types::{Fault, Json};

/// Problems told at once.
const PROBLEMS_MAX: usize = 5;

/// Whether a schema is one.
///
/// # Errors
/// `invalid` (`SCHEMA_INVALID`), with the reason.
pub fn check(schema: &Json) -> Result<(), Fault> {
    jsonschema::validator_for(&schema.to_value())
        .map(|_| ())
        .map_err(|e| Fault::invalid("SCHEMA_INVALID", format!("`schema` is no JSON Schema: {e}")))
}

/// The value that an answer has, if it fits the schema. A fence around it is no part of it.
///
/// # Errors
/// What is wrong with it, for the model.
pub fn fitting(schema: &Json, text: &str) -> Result<Json, String> {
    let json = Json::parse(unfenced(text)).map_err(|e| e.to_string())?;
    let problems = problems(&schema.to_value(), &json.to_value());
    if problems.is_empty() { Ok(json) } else { Err(problems) }
}

/// What a value has that its schema does not want; empty: nothing.
pub(super) fn problems(schema: &Value, value: &Value) -> String {
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => return format!("the schema itself is none: {error}"),
    };
    let told = validator.iter_errors(value).take(PROBLEMS_MAX).map(|error| match error.instance_path().as_str() {
        "" => error.to_string(),
        path => format!("{path}: {error}"),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inside) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    // The first line may name the language.
    match inside.split_once('\n') {
        Some((first, rest)) if first.trim().bytes().all(|b| b.is_ascii_alphanumeric()) => rest.trim(),
        _ => inside.trim(),
    }
}
