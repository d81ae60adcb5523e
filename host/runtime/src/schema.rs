//! The schemas an author gave for input and result.

use std::sync::OnceLock;
use types::{Fault, FaultKind, Json, Manifest};

/// Problems told at once.
const PROBLEMS_MAX: usize = 20;

/// Compiled at their first use: most functions have none.
pub(crate) struct Schemas {
    input: Option<(Json, OnceLock<Result<jsonschema::Validator, String>>)>,
    output: Option<(Json, OnceLock<Result<jsonschema::Validator, String>>)>,
}

impl std::fmt::Debug for Schemas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Schemas")
    }
}

impl Schemas {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let lazily = |schema: &Option<Json>| schema.clone().map(|s| (s, OnceLock::new()));
        Self { input: lazily(&manifest.input), output: lazily(&manifest.output) }
    }

    /// At deploy: a schema that is none is the author's mistake.
    pub(crate) fn check(manifest: &Manifest) -> Result<(), Fault> {
        for (name, schema) in [("input", &manifest.input), ("output", &manifest.output)] {
            if let Some(schema) = schema {
                jsonschema::validator_for(&schema.to_value()).map_err(|e| {
                    Fault::invalid("MANIFEST_INVALID", format!("manifest.{name} is no JSON Schema: {e}"))
                })?;
            }
        }
        Ok(())
    }

    pub(crate) fn check_input(&self, input: &Json) -> Result<(), Fault> {
        problems(&self.input, input, "input").map_or(Ok(()), |found| {
            Err(Fault::invalid("INPUT_INVALID", summary("the input", &found)).with_details(&found.into()))
        })
    }

    pub(crate) fn check_output(&self, output: &Json) -> Result<(), Fault> {
        problems(&self.output, output, "output").map_or(Ok(()), |found| {
            Err(Fault::new(FaultKind::Failed, "OUTPUT_INVALID", summary("the function's result", &found))
                .with_details(&found.into()))
        })
    }
}

fn summary(what: &str, found: &[serde_json::Value]) -> String {
    let first = found.first().and_then(|p| p["message"].as_str()).unwrap_or_default();
    let field = found.first().and_then(|p| p["field"].as_str()).unwrap_or_default();
    let more = if found.len() > 1 { format!(" (and {} more)", found.len() - 1) } else { String::new() };
    format!("{what} does not satisfy the function's schema: {field}: {first}{more}")
}

fn problems(
    schema: &Option<(Json, OnceLock<Result<jsonschema::Validator, String>>)>,
    value: &Json,
    root: &str,
) -> Option<Vec<serde_json::Value>> {
    let (schema, compiled) = schema.as_ref()?;
    let validator =
        compiled.get_or_init(|| jsonschema::validator_for(&schema.to_value()).map_err(|e| e.to_string())).as_ref();
    let validator = match validator {
        Ok(validator) => validator,
        Err(error) => {
            tracing::error!(error, "a deployed schema does not compile");
            return None;
        }
    };
    let value = value.to_value();
    let found: Vec<_> = validator
        .iter_errors(&value)
        .take(PROBLEMS_MAX)
        .map(|e| {
            let field = format!("{root}{}", e.instance_path().as_str().replace('/', "."));
            serde_json::json!({ "field": field, "message": e.to_string() })
        })
        .collect();
    (!found.is_empty()).then_some(found)
}
