//! What a patch makes of a thing: RFC 7396 in both input forms, RFC 6902 on name and data.

use super::fields_fault;
use model::flat::Input;
use model::{Content, FieldError, patch};
use serde_json::Value;
use types::{Fault, ThingKey, ThingRow};

/// Which kind of patch.
#[derive(Clone, Debug)]
pub enum PatchOf {
    /// RFC 7396, of an envelope or of the data: null removes.
    Merge { patch: Value, if_version: Option<u64> },
    /// RFC 6902; its paths begin at the envelope (`/name`, `/data/city`).
    Json(patch::Patch),
}

/// The content after a patch. A merge patch of envelope keys alone patches name and data; any other patches the data,
/// where `name` is the name.
pub(super) fn patched(key: &ThingKey, before: &ThingRow, patch: PatchOf) -> Result<Content, Fault> {
    match patch {
        PatchOf::Merge { patch, .. } => {
            let Value::Object(mut map) = patch else {
                let error = FieldError::new("", "type", "a merge patch of a thing is an object");
                return Err(fields_fault(&[error]));
            };
            // As a whole thing's, so that both forms mean the same here and there.
            Input::read(Value::Object(map.clone())).map_err(|errors| fields_fault(&errors))?;
            let is_of_envelope = |key: &String| key == "_version" || model::flat::ENVELOPE_KEYS.contains(&key.as_str());
            let envelope = (map.contains_key("data") || map.contains_key("name")) && map.keys().all(is_of_envelope);
            let name = match map.shift_remove("name") {
                Some(Value::String(name)) => Some(name),
                Some(Value::Null) => None,
                Some(_) => return Err(fields_fault(&[FieldError::new("name", "type", "name is a string, or null")])),
                None => before.name.clone(),
            };
            let of_data = if envelope {
                map.shift_remove("data").unwrap_or(Value::Object(serde_json::Map::new()))
            } else {
                for key in ["id", "$id", "$type", "_version"] {
                    map.shift_remove(key);
                }
                Value::Object(map)
            };
            Ok(Content { name, data: patch::merge(before.data.to_value(), &of_data) })
        }
        PatchOf::Json(patch) => {
            let whole = serde_json::json!({ "name": before.name, "data": before.data.to_value() });
            let after = patch.apply(whole).map_err(|error| {
                let code = match error.kind {
                    patch::PatchErrorKind::TestFailed => {
                        return Fault::conflict("PATCH_TEST_FAILED", error.to_string());
                    }
                    patch::PatchErrorKind::Malformed => "PATCH_MALFORMED",
                    patch::PatchErrorKind::Unappliable => "PATCH_UNAPPLIABLE",
                };
                Fault::invalid(code, format!("{key}: {error}"))
            })?;
            let is_whole = |map: &serde_json::Map<String, Value>| {
                map.get("data").is_some_and(Value::is_object) && map.keys().all(|key| key == "name" || key == "data")
            };
            if !after.as_object().is_some_and(is_whole) {
                return Err(only_name_and_data());
            }
            // What came of it must be what could have been sent.
            let input = Input::read(after).map_err(|errors| fields_fault(&errors))?;
            Ok(Content { name: input.name, data: Value::Object(input.data) })
        }
    }
}

fn only_name_and_data() -> Fault {
    fields_fault(&[FieldError::new(
        "",
        "type",
        "a thing is {name: string or null, data: object} after a patch, and no more",
    )])
}
