//! Inputs of steps with holes in them: `{{input.customer.id}}`, `{{steps.charge.output.lines[0]}}`.
//!
//! A text that is one hole and nothing else becomes the value itself, with its type; in a longer text a value stands as
//! text (a string as it is, anything else as JSON). `\{{` is two braces. `{{secret:NAME}}` is not a hole of ours: it
//! stays for the way out of the host, which is the only place where secrets are put in.

use serde_json::Value;

/// The largest that an input may become by what is put into it (spec DUR-14).
const RENDERED_BYTES_MAX: usize = 1 << 20;
/// The longest text between two braces.
const PATH_BYTES_MAX: usize = 512;

/// Why a template cannot be filled in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    #[error(
        "{{{{{0}}}}} is no path: write {{{{input.a.b}}}} or {{{{steps.NAME.output.a[0]}}}}; \\{{{{ stands for two braces"
    )]
    Malformed(String),
    #[error("{0:?} opens a template that is not closed: add }}}}, or write \\{{{{ for two braces")]
    Unclosed(String),
    /// `known` is what stands beside it.
    #[error("{{{{{path}}}}}: there is no {missing:?} in {inside}{}", listed(.known))]
    Missing { path: String, missing: String, inside: String, known: Vec<String> },
    #[error("what the templates give is over its limit of {} KiB", RENDERED_BYTES_MAX >> 10)]
    TooLarge,
}

fn listed(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(", which has {}", known.join(", ")) }
}

/// A stretch of a text.
#[derive(PartialEq, Eq, Debug)]
enum Part<'a> {
    Text(&'a str),
    /// Its path, in parts: names and indexes alike.
    Hole(&'a str, Vec<&'a str>),
}

/// The value with every hole filled in from `scope`, an object with the members `input` and `steps`.
///
/// # Errors
/// A malformed template, a path that leads nowhere, or a result over a mebibyte.
pub fn render(template: &Value, scope: &Value) -> Result<Value, TemplateError> {
    let mut room = RENDERED_BYTES_MAX;
    fill(template, scope, &mut room)
}

fn fill(template: &Value, scope: &Value, room: &mut usize) -> Result<Value, TemplateError> {
    match template {
        Value::String(text) => fill_text(text, scope, room),
        Value::Array(items) => {
            items.iter().map(|item| fill(item, scope, room)).collect::<Result<_, _>>().map(Value::Array)
        }
        Value::Object(members) => {
            let filled = members.iter().map(|(key, value)| Ok((key.clone(), fill(value, scope, room)?)));
            filled.collect::<Result<_, _>>().map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(template.clone()),
    }
}

fn fill_text(text: &str, scope: &Value, room: &mut usize) -> Result<Value, TemplateError> {
    let parts = parts(text)?;
    if let [Part::Hole(path, names)] = &parts[..] {
        let value = find(path, names, scope)?;
        take(room, value.to_string().len())?;
        return Ok(value.clone());
    }
    let mut filled = String::new();
    for part in &parts {
        let length = filled.len();
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Hole(path, names) => match find(path, names, scope)? {
                Value::String(text) => filled.push_str(text),
                other => filled.push_str(&other.to_string()),
            },
        }
        take(room, filled.len() - length)?;
    }
    Ok(Value::String(filled))
}

fn take(room: &mut usize, bytes: usize) -> Result<(), TemplateError> {
    *room = room.checked_sub(bytes).ok_or(TemplateError::TooLarge)?;
    Ok(())
}

fn find<'s>(path: &str, names: &[&str], scope: &'s Value) -> Result<&'s Value, TemplateError> {
    /// Enough to see what was meant.
    const KNOWN_MAX: usize = 10;
    let mut value = scope;
    for (n, name) in names.iter().enumerate() {
        let next = match value {
            Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Object(members) => members.get(*name),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        let Some(next) = next else {
            let inside = if n == 0 { "a template".to_owned() } else { names[..n].join(".") };
            let known = value.as_object().into_iter().flat_map(|o| o.keys().take(KNOWN_MAX).cloned()).collect();
            return Err(TemplateError::Missing { path: path.to_owned(), missing: (*name).to_owned(), inside, known });
        };
        value = next;
    }
    Ok(value)
}

/// The paths of all holes, as their names: what a template depends on.
///
/// # Errors
/// A malformed template.
pub fn references(template: &Value) -> Result<Vec<Vec<String>>, TemplateError> {
    let mut found = Vec::new();
    collect(template, &mut found)?;
    Ok(found)
}

fn collect(template: &Value, found: &mut Vec<Vec<String>>) -> Result<(), TemplateError> {
    match template {
        Value::String(text) => {
            for part in parts(text)? {
                if let Part::Hole(_, names) = part {
                    found.push(names.into_iter().map(str::to_owned).collect());
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, found)),
        Value::Object(members) => members.values().try_for_each(|value| collect(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A text cut at its holes.
fn parts(text: &str) -> Result<Vec<Part<'_>>, TemplateError> {
    let shown = |text: &str| text.chars().take(80).collect::<String>();
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("{{") {
        let (before, open) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            parts.push(Part::Text(before));
            parts.push(Part::Text("{{"));
            rest = &open[2..];
            continue;
        }
        let end = open.find("}}").ok_or_else(|| TemplateError::Unclosed(shown(open)))?;
        let (hole, after) = (&open[2..end], &open[end + 2..]);
        if hole.starts_with("secret:") {
            parts.push(Part::Text(&rest[..at + end + 2]));
        } else {
            if !before.is_empty() {
                parts.push(Part::Text(before));
            }
            let path = hole.trim();
            let names = names(path).ok_or_else(|| TemplateError::Malformed(shown(path)))?;
            parts.push(Part::Hole(path, names));
        }
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// `a.b[0].c` as `a`, `b`, `0`, `c`; none when it is no path.
fn names(path: &str) -> Option<Vec<&str>> {
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-$".contains(&b));
    let is_index = |index: &str| !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit());
    let mut names = Vec::new();
    for step in path.split('.') {
        let (name, indexes) = step.split_once('[').map_or((step, None), |(name, indexes)| (name, Some(indexes)));
        if !is_name(name) {
            return None;
        }
        names.push(name);
        for index in indexes.map(|i| i.strip_suffix(']').unwrap_or("?")).into_iter().flat_map(|i| i.split("][")) {
            if !is_index(index) {
                return None;
            }
            names.push(index);
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Value {
        json!({
            "input": {"a": 1, "name": "Ann", "list": [10, {"x": true}], "0": "zero"},
            "steps": {"sum": {"output": {"b": {"c": null}}}},
        })
    }

    #[test]
    fn a_hole_alone_keeps_its_type_and_in_a_text_it_is_text() {
        for (template, rendered) in [
            (json!("{{input.a}}"), json!(1)),
            (json!("{{ input.list }}"), json!([10, {"x": true}])),
            (json!("{{input.list[1].x}}"), json!(true)),
            (json!("{{input.list.0}}"), json!(10)),
            (json!("{{input.0}}"), json!("zero")),
            (json!("{{steps.sum.output.b.c}}"), json!(null)),
            (json!("Hello {{input.name}}, {{input.a}}!"), json!("Hello Ann, 1!")),
            (json!(" {{input.list}}"), json!(" [10,{\"x\":true}]")),
            (json!(r"\{{input.a}}"), json!("{{input.a}}")),
            (json!("Bearer {{secret:TOKEN}} {{input.a}}"), json!("Bearer {{secret:TOKEN}} 1")),
            (json!("{{secret:TOKEN}}"), json!("{{secret:TOKEN}}")),
            (json!("{ {a} }}"), json!("{ {a} }}")),
            (json!({"k": ["{{input.a}}", 2, null]}), json!({"k": [1, 2, null]})),
        ] {
            assert_eq!(render(&template, &scope()), Ok(rendered), "{template}");
        }
    }

    #[test]
    fn numbers_are_put_in_as_they_were_sent() {
        let scope: Value = serde_json::from_str(r#"{"input":{"n":12345678901234567890.10}}"#).unwrap();
        assert_eq!(render(&json!("{{input.n}}"), &scope).unwrap().to_string(), "12345678901234567890.10");
    }

    #[test]
    fn a_path_that_leads_nowhere_is_named_with_what_is_there() {
        for (template, message) in [
            ("{{steps.sum.output.d}}", r#"{{steps.sum.output.d}}: there is no "d" in steps.sum.output, which has b"#),
            ("x {{inptu.a}}", r#"{{inptu.a}}: there is no "inptu" in a template, which has input, steps"#),
            ("{{input.list[2]}}", r#"{{input.list[2]}}: there is no "2" in input.list"#),
            ("{{input.a.b}}", r#"{{input.a.b}}: there is no "b" in input.a"#),
        ] {
            assert_eq!(render(&json!(template), &scope()).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["{{}}", "{{a b}}", "{{a..b}}", "{{a[x]}}", "{{a[0}}", "{{a[]}}", "{{[0]}}", "{{a]}}", "{{é}}"] {
            let error = render(&json!(text), &scope()).unwrap_err();
            assert!(matches!(error, TemplateError::Malformed(_)), "{text} {error:?}");
        }
        let error = render(&json!("a {{b"), &scope()).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""{{b" opens a template that is not closed: add }}, or write \{{ for two braces"#
        );
        let error = references(&json!("{{a b}}")).unwrap_err().to_string();
        assert!(error.starts_with("{{a b}} is no path: write {{input.a.b}}"), "{error}");
    }

    #[test]
    fn a_small_template_gives_no_huge_input() {
        let scope = json!({"input": {"big": "x".repeat(100_000)}});
        let template = |holes: usize| Value::Array(vec![json!("{{input.big}}"); holes]);
        assert!(render(&template(10), &scope).is_ok());
        assert_eq!(render(&template(11), &scope), Err(TemplateError::TooLarge));
        assert_eq!(render(&json!("{{input.big}} ".repeat(11)), &scope), Err(TemplateError::TooLarge));
    }

    #[test]
    fn what_a_template_depends_on_is_told() {
        let found = references(&json!({"a": "{{input.x}} {{steps.s.output[1]}}", "b": ["{{secret:K}}"]})).unwrap();
        assert_eq!(found, [vec!["input", "x"], vec!["steps", "s", "output", "1"]]);
    }
}
