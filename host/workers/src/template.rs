//! Texts with places to be filled in: `Classify {{input.ticket.text}}`. There is no code in them, and what was filled in
//! is never looked at again.

use serde_json::Value;
use std::fmt;

/// Where the values come from.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub input: &'a Value,
    /// What is known of the run: its function, version, namespace, actor, action and time.
    pub context: &'a Value,
}

/// A text that was read once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Place { root: Root, path: Vec<String> },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    Input,
    Context,
}

/// What is wrong with a template, or with the values for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TemplateError {
    /// `{{` without its `}}`.
    Open(String),
    /// Something other than a path of `input` or `context`.
    NoPath(String),
    /// The values have nothing there.
    Missing(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(text) => write!(f, "{text:?} has no }}}} behind it"),
            Self::NoPath(text) => {
                write!(f, "{{{{{text}}}}} is no place; write {{{{input.name}}}} or {{{{context.function}}}}")
            }
            Self::Missing(path) => write!(f, "there is no {path}, which {{{{{path}}}}} wants"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// # Errors
    /// Which place cannot be meant so.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("{{") {
            let open = || TemplateError::Open(format!("{{{{{}", behind.chars().take(40).collect::<String>()));
            let (inner, after) = behind.split_once("}}").ok_or_else(open)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(place(inner)?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The text with its places filled in: texts as they are, everything else as JSON.
    ///
    /// # Errors
    /// `Missing`.
    pub fn fill(&self, scope: Scope<'_>) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place { root, path } => match find(scope, *root, path)? {
                    Value::String(text) => filled.push_str(text),
                    other => filled.push_str(&other.to_string()),
                },
            }
        }
        Ok(filled)
    }
}

/// Fills in every text of a value.
///
/// # Errors
/// What is wrong with one of them.
pub fn fill(value: &Value, scope: Scope<'_>) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::String(text) => Value::String(Template::parse(text)?.fill(scope)?),
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, scope)).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            let filled = map.iter().map(|(key, item)| Ok((key.clone(), fill(item, scope)?)));
            Value::Object(filled.collect::<Result<_, TemplateError>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn place(inner: &str) -> Result<Piece, TemplateError> {
    let refuse = || TemplateError::NoPath(inner.chars().take(80).collect());
    let mut segments = inner.trim().split('.');
    let root = match segments.next() {
        Some("input") => Root::Input,
        Some("context") => Root::Context,
        Some(_) | None => return Err(refuse()),
    };
    let path: Vec<_> = segments.map(str::to_owned).collect();
    let is_name =
        |s: &String| !s.is_empty() && !s.chars().any(|c| c.is_whitespace() || matches!(c, '{' | '}' | '|' | '('));
    if path.iter().all(is_name) { Ok(Piece::Place { root, path }) } else { Err(refuse()) }
}

fn find<'a>(scope: Scope<'a>, root: Root, path: &[String]) -> Result<&'a Value, TemplateError> {
    let (mut value, name) = match root {
        Root::Input => (scope.input, "input"),
        Root::Context => (scope.context, "context"),
    };
    for segment in path {
        let next = match value {
            Value::Object(map) => map.get(segment),
            Value::Array(items) => segment.parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        value = next.ok_or_else(|| TemplateError::Missing(format!("{name}.{}", path.join("."))))?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(text: &str) -> Result<String, TemplateError> {
        let input = json!({ "a": { "b": "x", "n": 1.50, "list": [1, { "k": true }] }, "evil": "{{context.actor}}", "nil": null });
        let context = json!({ "actor": "ann" });
        Template::parse(text)?.fill(Scope { input: &input, context: &context })
    }

    #[test]
    fn places_are_filled_in_and_not_looked_at_again() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("{{input.a.b}} {{ context.actor }}!", "x ann!"),
            ("{{input.a.list}}", r#"[1,{"k":true}]"#),
            ("{{input.a.list.1.k}}{{input.nil}}", "truenull"),
            ("{{input.evil}}", "{{context.actor}}"),
            ("a } b {c} }}", "a } b {c} }}"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_place_that_is_none_or_has_nothing_is_an_error() {
        let missing = TemplateError::Missing("input.a.c".into());
        assert_eq!(filled("{{input.a.c}}"), Err(missing));
        assert_eq!(filled("{{input.a.list.7}}"), Err(TemplateError::Missing("input.a.list.7".into())));
        for text in [
            "{{input.a",
            "{{}}",
            "{{env.HOME}}",
            "{{input..a}}",
            "{{input.a | upper}}",
            "{{secret:KEY}}",
            "{{{{input.a}}}}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
