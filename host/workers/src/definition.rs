//! Functions without a component: what theirs would have said, as a document (spec FUN-5, FUN-7, FUN-8).

use crate::template::{Scope, Template, TemplateError, fill};
use serde_json::{Map, Value};
use std::fmt;
use std::time::Duration;
use types::{FunctionKind, Json, parse_duration};

/// A declared function, looked at.
#[derive(Clone, PartialEq, Debug)]
pub struct Definition {
    pub kind: FunctionKind,
    pub description: Option<String>,
    /// The JSON Schema of its input.
    pub input: Option<Json>,
    /// The JSON Schema of what comes out.
    pub schema: Option<Json>,
    /// What it may take: of a generative function one request, of an agentic one the whole loop, of a human one the wait.
    pub timeout: Option<Duration>,
    /// The same text for all documents that mean the same: keys in their order, durations in milliseconds.
    pub text: Json,
}

/// What is wrong with a definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefinitionError(String);

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DefinitionError {}

/// What stands behind a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    /// Text with places.
    Template,
    /// Texts with places, anywhere in it.
    Templates,
    /// From … to, both included.
    Count(u64, u64),
    /// From 0 to this.
    Number(u32),
    Flag,
    /// `30s`, or milliseconds; kept as milliseconds.
    Span,
    Schema,
    OneOf(&'static [&'static str]),
    /// A list of texts, or one text.
    Texts,
    /// Texts with places; a single one is a list of one.
    TextTemplates,
    /// Tools: names, or objects.
    List,
}

struct Key {
    name: &'static str,
    /// Another way to write it.
    alias: Option<&'static str>,
    holds: Holds,
}

const fn key(name: &'static str, holds: Holds) -> Key {
    Key { name, alias: None, holds }
}

const fn also(name: &'static str, alias: &'static str, holds: Holds) -> Key {
    Key { name, alias: Some(alias), holds }
}

/// Of each kind.
const COMMON: &[Key] = &[
    key("type", Holds::OneOf(&["generative", "agentic", "human"])),
    key("description", Holds::Text),
    key("input", Holds::Schema),
    also("schema", "output", Holds::Schema),
    also("timeoutMs", "timeout", Holds::Span),
];

const GENERATIVE: &[Key] = &[
    key("model", Holds::Text),
    key("prompt", Holds::Template),
    key("system", Holds::Template),
    key("temperature", Holds::Number(2)),
    key("maxTokens", Holds::Count(1, 1_000_000)),
    key("schemaRetries", Holds::Count(0, 5)),
    key("stream", Holds::Flag),
];

const AGENTIC: &[Key] = &[
    key("model", Holds::Text),
    key("prompt", Holds::Template),
    also("system", "instructions", Holds::Template),
    key("tools", Holds::List),
    key("constraints", Holds::TextTemplates),
    also("maxIterations", "maxSteps", Holds::Count(1, 1_000)),
    also("stepTimeoutMs", "stepTimeout", Holds::Span),
    key("temperature", Holds::Number(2)),
    key("maxTokens", Holds::Count(1, 1_000_000)),
    key("budget", Holds::Templates),
    key("mode", Holds::OneOf(&["autonomous", "supervised", "manual"])),
    key("supervisor", Holds::Template),
];

const HUMAN: &[Key] = &[
    key("prompt", Holds::Template),
    key("title", Holds::Template),
    key("assignee", Holds::Template),
    key("role", Holds::Template),
    also("channels", "channel", Holds::Texts),
    key("options", Holds::Templates),
    key("escalate", Holds::Templates),
    key("onTimeout", Holds::OneOf(&["fail", "default", "escalate"])),
    key("default", Holds::Templates),
    key("priority", Holds::OneOf(&["low", "normal", "high", "urgent"])),
];

/// How long a person has when a definition does not say.
const HUMAN_TIMEOUT_MS: u64 = 24 * 3600 * 1000;
/// The longest definition.
const BYTES_MAX: usize = 256 << 10;

fn keys(kind: FunctionKind) -> Option<impl Iterator<Item = &'static Key>> {
    let own = match kind {
        FunctionKind::Generative => GENERATIVE,
        FunctionKind::Agentic => AGENTIC,
        FunctionKind::Human => HUMAN,
        FunctionKind::Code | FunctionKind::App | FunctionKind::Site | FunctionKind::ToolBox => return None,
    };
    Some(COMMON.iter().chain(own))
}

impl Definition {
    /// Reads a document.
    ///
    /// # Errors
    /// Which key is wrong, and what would be accepted.
    pub fn parse(document: &Value) -> Result<Self, DefinitionError> {
        let map =
            document.as_object().ok_or_else(|| refuse("a definition is an object: {\"type\": \"generative\", …}"))?;
        let kind = match map.get("type").and_then(Value::as_str) {
            Some("generative") => FunctionKind::Generative,
            Some("agentic") => FunctionKind::Agentic,
            Some("human") => FunctionKind::Human,
            Some(other) => {
                return Err(refuse(format!(
                    "type is {other:?}; without a component it is generative, agentic or human"
                )));
            }
            None => return Err(refuse("type is missing: generative, agentic or human")),
        };
        let known: Vec<_> = keys(kind).into_iter().flatten().collect();
        if let Some(unknown) = map.keys().find(|name| !known.iter().any(|key| key.answers_to(name))) {
            return Err(unknown_key(unknown, kind, &known));
        }
        let mut read = Map::new();
        for key in &known {
            let mut given = map.iter().filter(|(name, _)| key.answers_to(name));
            let Some((name, value)) = given.next() else { continue };
            if given.next().is_some() {
                return Err(refuse(format!(
                    "{} and {} are the same; write one",
                    key.name,
                    key.alias.unwrap_or_default()
                )));
            }
            read.insert(key.name.to_owned(), key.holds.read(name, value)?);
        }
        whole(kind, &mut read)?;
        let text = Json::from_value(&Value::Object(read.clone()));
        if text.as_str().len() > BYTES_MAX {
            return Err(refuse(format!("a definition has {BYTES_MAX} bytes at most")));
        }
        let schema = |name: &str| read.get(name).map(Json::from_value);
        Ok(Self {
            kind,
            description: read.get("description").and_then(Value::as_str).map(str::to_owned),
            input: schema("input"),
            schema: schema("schema"),
            timeout: read.get("timeoutMs").and_then(Value::as_u64).map(Duration::from_millis),
            text,
        })
    }

    /// What a component would have said for this input: the declared document (as [`Self::text`] has it) with its places
    /// filled in.
    ///
    /// # Errors
    /// A place for which there is nothing.
    pub fn filled(kind: FunctionKind, declared: &Value, scope: Scope<'_>) -> Result<Value, TemplateError> {
        let known: Vec<_> = keys(kind).into_iter().flatten().collect();
        let Some(map) = declared.as_object() else { return Ok(declared.clone()) };
        let filled = map.iter().map(|(name, value)| {
            let has_places = known.iter().any(|key| key.name == name && key.holds.has_places());
            Ok((name.clone(), if has_places { fill(value, scope)? } else { value.clone() }))
        });
        Ok(Value::Object(filled.collect::<Result<_, TemplateError>>()?))
    }
}

/// What is asked of a definition as a whole.
fn whole(kind: FunctionKind, read: &mut Map<String, Value>) -> Result<(), DefinitionError> {
    let missing = |name: &str| refuse(format!("{name} is missing"));
    if !read.contains_key("prompt") {
        return Err(missing("prompt"));
    }
    if kind == FunctionKind::Human {
        match (read.contains_key("assignee"), read.contains_key("role")) {
            (true, true) => return Err(refuse("assignee and role name two; give one")),
            (false, false) => return Err(refuse("who answers is missing: assignee (Human/ann) or role (finance)")),
            (true, false) | (false, true) => {}
        }
        if read.get("onTimeout").and_then(Value::as_str) == Some("default") && !read.contains_key("default") {
            return Err(refuse("onTimeout is \"default\", and default is missing"));
        }
        read.entry("timeoutMs").or_insert_with(|| HUMAN_TIMEOUT_MS.into());
    }
    Ok(())
}

impl Key {
    fn answers_to(&self, name: &str) -> bool {
        self.name == name || self.alias == Some(name)
    }
}

impl Holds {
    fn has_places(self) -> bool {
        matches!(self, Self::Template | Self::Templates | Self::TextTemplates)
    }

    /// The value, as it is kept.
    fn read(self, name: &str, value: &Value) -> Result<Value, DefinitionError> {
        let wants = |what: &str| refuse(format!("{name} is {}; {what} is wanted", short(value)));
        let places = |value: &Value| check_places(value).map_err(|e| refuse(format!("{name}: {e}")));
        match self {
            Self::Text => value.as_str().map(|_| value.clone()).ok_or_else(|| wants("a text")),
            Self::Template => {
                value
                    .as_str()
                    .filter(|text| !text.trim().is_empty())
                    .ok_or_else(|| wants("a text that says something"))?;
                places(value)?;
                Ok(value.clone())
            }
            Self::Templates => {
                places(value)?;
                Ok(value.clone())
            }
            Self::Count(least, most) => match value.as_u64() {
                Some(n) if (least..=most).contains(&n) => Ok(value.clone()),
                Some(_) | None => Err(wants(&format!("a whole number from {least} to {most}"))),
            },
            Self::Number(most) => match value.as_f64() {
                Some(n) if (0.0..=f64::from(most)).contains(&n) => Ok(value.clone()),
                Some(_) | None => Err(wants(&format!("a number from 0 to {most}"))),
            },
            Self::Flag => value.as_bool().map(Value::from).ok_or_else(|| wants("true or false")),
            Self::Span => {
                let text = value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|ms| ms.to_string()));
                let span = parse_duration(&text.ok_or_else(|| wants("a duration like \"30s\", or milliseconds"))?);
                let span = span.map_err(|e| refuse(format!("{name}: {e}")))?;
                Ok(u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into())
            }
            Self::Schema => match value {
                Value::Object(_) | Value::Bool(_) => Ok(value.clone()),
                Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(wants("a JSON Schema")),
            },
            Self::OneOf(words) => match value.as_str().filter(|text| words.contains(text)) {
                Some(_) => Ok(value.clone()),
                None => Err(wants(&format!("one of {}", words.join(", ")))),
            },
            Self::Texts | Self::TextTemplates => {
                let list = match value {
                    Value::String(_) => Value::Array(vec![value.clone()]),
                    Value::Array(items) if items.iter().all(Value::is_string) => value.clone(),
                    Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                        return Err(wants("a text or a list of texts"));
                    }
                };
                if self.has_places() {
                    places(&list)?;
                }
                Ok(list)
            }
            Self::List => value.as_array().map(|_| value.clone()).ok_or_else(|| wants("a list")),
        }
    }
}

/// That each text in it is a template.
fn check_places(value: &Value) -> Result<(), TemplateError> {
    match value {
        Value::String(text) => Template::parse(text).map(|_| ()),
        Value::Array(items) => items.iter().try_for_each(check_places),
        Value::Object(map) => map.values().try_for_each(check_places),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn unknown_key(unknown: &str, kind: FunctionKind, known: &[&Key]) -> DefinitionError {
    let near = known.iter().max_by(|a, b| strsim::jaro(a.name, unknown).total_cmp(&strsim::jaro(b.name, unknown)));
    let near = near.map(|key| format!("; did you mean {:?}?", key.name)).unwrap_or_default();
    refuse(format!("unknown key {unknown:?} of a function of type {}{near}", kind.as_str()))
}

fn refuse(message: impl Into<String>) -> DefinitionError {
    DefinitionError(message.into())
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_that_mean_the_same_are_the_same_text() {
        let one = json!({ "prompt": "p {{input.a}}", "type": "generative", "timeout": "30s", "output": { "type": "string" } });
        let two = json!({ "type": "generative", "schema": { "type": "string" }, "timeoutMs": 30_000, "prompt": "p {{input.a}}" });
        let (one, two) = (Definition::parse(&one).unwrap(), Definition::parse(&two).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.timeout, Some(Duration::from_secs(30)));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (document, message) in [
            (json!([]), "a definition is an object: {\"type\": \"generative\", …}"),
            (json!({ "type": "code" }), "type is \"code\"; without a component it is generative, agentic or human"),
            (json!({ "type": "generative" }), "prompt is missing"),
            (
                json!({ "type": "generative", "prompt": "p", "modle": "x" }),
                "unknown key \"modle\" of a function of type generative; did you mean \"model\"?",
            ),
            (json!({ "type": "generative", "prompt": "{{input.a" }), "prompt: \"{{input.a\" has no }} behind it"),
            (
                json!({ "type": "generative", "prompt": "p", "temperature": 3 }),
                "temperature is 3; a number from 0 to 2 is wanted",
            ),
            (
                json!({ "type": "human", "prompt": "p" }),
                "who answers is missing: assignee (Human/ann) or role (finance)",
            ),
            (
                json!({ "type": "human", "prompt": "p", "role": "x", "onTimeout": "default" }),
                "onTimeout is \"default\", and default is missing",
            ),
            (
                json!({ "type": "agentic", "prompt": "p", "maxSteps": 1, "maxIterations": 2 }),
                "maxIterations and maxSteps are the same; write one",
            ),
        ] {
            assert_eq!(Definition::parse(&document).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_person_has_a_day_unless_the_definition_says_so() {
        let definition = Definition::parse(&json!({ "type": "human", "prompt": "p", "role": "x" })).unwrap();
        assert_eq!(definition.timeout, Some(Duration::from_secs(86_400)));
    }

    #[test]
    fn only_what_has_places_is_filled_in() {
        let document = json!({
            "type": "human", "prompt": "{{input.q}}?", "role": "x", "options": [{ "label": "{{input.q}}" }],
            "schema": { "const": "{{input.q}}" },
        });
        let declared = Definition::parse(&document).unwrap().text.to_value();
        let scope = Scope { input: &json!({ "q": "{{input.z}}" }), context: &json!({}) };
        let filled = Definition::filled(FunctionKind::Human, &declared, scope).unwrap();
        assert_eq!(filled["prompt"], "{{input.z}}?");
        assert_eq!(filled["options"][0]["label"], "{{input.z}}");
        assert_eq!(filled["schema"]["const"], "{{input.q}}");
    }
}
