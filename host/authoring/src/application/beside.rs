//! The steps of a workflow in a file of their own, beside the `do.toml`: `steps` as the `do.toml` has them, as TOML or as
//! JSON, with the same keys.
//!
//! JSON is held against the same table of keys: its text is rewritten to TOML byte for byte, so that what is found wrong
//! stands at the same place in both.

use super::read::{At, Reader};
use super::{Application, Files, keys};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::DeTable;

/// The member that a JSON file is in the TOML that it becomes.
const WRAPPED: &str = "file=";

/// The steps that a file has for the workflow at a path (`workflows[2]`). What is wrong with the file is told with its
/// name and line, and what is wrong with the name at the line that names it.
pub(super) fn steps(workflow: &str, file: &str, files: Files<'_>, reader: &mut Reader) -> Option<Value> {
    let place = reader.places.get(&format!("{workflow}.file")).cloned().unwrap_or((1, String::new()));
    let mut refuse = |message: String| reader.complain_on(place.0, place.1.clone(), format!("file: {message}"));
    let is_json = match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("toml") => false,
        Some("json") => true,
        Some(_) | None => {
            refuse(format!("{file:?} is neither .toml nor .json"));
            return None;
        }
    };
    let text = match files(Path::new(file)) {
        Ok(text) if text.len() <= Application::BYTES_MAX => text,
        Ok(_) => {
            refuse(format!("{file} is over its limit of {} KiB", Application::BYTES_MAX >> 10));
            return None;
        }
        Err(why) => {
            refuse(why);
            return None;
        }
    };
    let inner = format!("{workflow}.run");
    reader.files.insert(inner.clone(), file.to_owned());
    reader.beside(file, &text, |reader| {
        let toml = if is_json { Cow::Owned(as_toml(&text, reader)?) } else { Cow::Borrowed(&*text) };
        let shift = if is_json { WRAPPED.len() } else { 0 };
        read(&toml, shift, &inner, reader)
    })
}

/// `shift` bytes stand before the file's own text.
fn read(text: &str, shift: usize, inner: &str, reader: &mut Reader) -> Option<Value> {
    reader.shift_lines(shift);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        reader.complain_on(line, String::new(), error.message().trim());
    }
    if !errors.is_empty() {
        return None;
    }
    let at = At::new(inner, "");
    let root = root.into_inner();
    let table = match root.get("file").filter(|_| shift > 0) {
        Some(file) => file.get_ref().as_table(),
        None => Some(&root),
    };
    let Some(table) = table else {
        reader.complain_on(1, String::new(), "expected an object, like {\"steps\": [{\"do\": {…}}]}");
        return None;
    };
    reader.table(table, keys::WORKFLOW_FILE, &at, 0).shift_remove("steps")
}

/// JSON as an inline table of TOML whose bytes stand where they stood, behind [`WRAPPED`].
fn as_toml(text: &str, reader: &mut Reader) -> Option<String> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        reader.complain_on(error.line(), String::new(), error.to_string());
        return None;
    }
    let mut toml = String::with_capacity(WRAPPED.len() + text.len());
    toml.push_str(WRAPPED);
    let (mut in_string, mut rest) = (false, text.char_indices());
    while let Some((at, c)) = rest.next() {
        let refused = match c {
            '\\' => {
                let next = rest.next().map_or(c, |(_, next)| next);
                toml.extend([c, next]);
                let is_half = next == 'u'
                    && text[at..].get(2..4).is_some_and(|hex| {
                        hex.starts_with(['d', 'D'])
                            && hex.ends_with(['8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'A', 'B', 'C', 'D', 'E', 'F'])
                    });
                match next {
                    '/' => Some("\\/ is not read here: write / without the backslash"),
                    'u' if is_half => Some("characters in two escapes are not read here: write the character itself"),
                    _ => None,
                }
            }
            '"' => {
                in_string = !in_string;
                toml.push(c);
                None
            }
            'n' if !in_string => Some("null is not read here: leave the key out"),
            ':' if !in_string => {
                toml.push('=');
                None
            }
            '\n' | '\r' if !in_string => {
                toml.push(' ');
                None
            }
            other => {
                toml.push(other);
                None
            }
        };
        if let Some(message) = refused {
            reader.complain_on(reader.line(at), String::new(), message);
            return None;
        }
    }
    Some(toml)
}

/// The file that a path of the deployment was read from.
pub(super) fn file_of<'a>(files: &'a BTreeMap<String, String>, path: &str) -> Option<&'a str> {
    let holds =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    files.iter().find(|(prefix, _)| holds(prefix)).map(|(_, file)| file.as_str())
}
