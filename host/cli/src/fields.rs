//! What is to be written, as it is typed: `--data` whole, `--set a.b=1` field by field, `--name`.

use crate::context::Context;
use crate::failure::{Failure, Result};
use model::flat::ENVELOPE_KEYS;
use serde_json::{Map, Value};
use std::path::Path;
use types::Json;

/// How deep `--set` may go: as deep as the server takes data (spec THG-5).
const DEPTH_MAX: usize = 64;
// What is to be written.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// The fields as one JSON object: JSON, or @file, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    pub(crate) data: Option<String>,
    /// One field, like city=Oslo, age=41 or address.zip='"0150"'; the value is JSON if it reads as such, else text
    #[arg(long = "set", short, value_name = "FIELD=VALUE")]
    pub(crate) sets: Vec<String>,
    /// The thing's name
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// What was given, put together.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub(crate) id: Option<Value>,
    pub(crate) name: Option<Value>,
    pub(crate) data: Map<String, Value>,
}

impl Fields {
    /// `document` is what [`document`] read, if anything.
    pub(crate) fn of(document: Option<Value>, given: &Given) -> Result<Self> {
        let mut fields = match document {
            None => Self::default(),
            Some(Value::Object(map)) => Self::of_map(map)?,
            Some(_) => return Err(Failure::new("BAD_JSON", "--data is no object: the fields of a thing are one, {…}")),
        };
        for set in &given.sets {
            fields.set(set)?;
        }
        if let Some(name) = &given.name {
            fields.name = Some(name.as_str().into());
        }
        Ok(fields)
    }

    /// A whole representation, or the fields alone with `id` and `name` among them.
    fn of_map(mut map: Map<String, Value>) -> Result<Self> {
        let is_whole = map.contains_key("data") && map.keys().all(|key| ENVELOPE_KEYS.contains(&key.as_str()));
        let (id, name) = (map.shift_remove("id"), map.shift_remove("name"));
        let data = match is_whole.then(|| map.shift_remove("data")).flatten() {
            None => map,
            Some(Value::Object(data)) => data,
            Some(_) => return Err(Failure::new("BAD_JSON", "\"data\" in --data is no object")),
        };
        Ok(Self { id, name, data })
    }

    fn set(&mut self, text: &str) -> Result<()> {
        let (path, value) = text.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--set {text:?} has no =: write field=value, like city=Oslo or age=41"))
        })?;
        self.put(path, value_of(value))
    }

    /// Takes a field away when it is sent as a merge patch.
    pub(crate) fn unset(&mut self, path: &str) -> Result<()> {
        self.put(path, Value::Null)
    }

    fn put(&mut self, path: &str, value: Value) -> Result<()> {
        if path == "name" {
            self.name = Some(value);
            return Ok(());
        }
        let keys = keys_of(path)?;
        let (last, holders) = keys.split_last().expect("a split gives at least one piece");
        let mut map = &mut self.data;
        for key in holders {
            let inner = map.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new()));
            map = inner.as_object_mut().ok_or_else(|| {
                Failure::usage(format!("{path} cannot be set: {key} was given already, and is no object"))
            })?;
        }
        map.insert(last.clone(), value);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.data.is_empty()
    }

    /// The representation to send: only what was given. As a whole one also without any field.
    pub(crate) fn into_body(self, with_data: WithData) -> Value {
        let mut body = Map::new();
        body.extend(self.id.map(|id| ("id".to_owned(), id)));
        body.extend(self.name.map(|name| ("name".to_owned(), name)));
        if with_data == WithData::Always || !self.data.is_empty() {
            body.insert("data".to_owned(), Value::Object(self.data));
        }
        Value::Object(body)
    }
}

/// Whether a body names the data when there are none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WithData {
    Always,
    IfAny,
}

/// The JSON of a flag that takes JSON, `@FILE` or `-`.
pub(crate) fn document(text: &str, flag: &str, context: &mut Context) -> Result<Value> {
    let (text, place) = match text {
        "-" => (context.read_stdin()?, "standard input".to_owned()),
        text => match text.strip_prefix('@') {
            Some(file) => (context.read_file(Path::new(file))?, file.to_owned()),
            None => (text.to_owned(), flag.to_owned()),
        },
    };
    let refuse = |error: &dyn std::fmt::Display| Failure::new("BAD_JSON", format!("{place} is not usable: {error}"));
    let json = Json::parse(text.trim()).map_err(|e| refuse(&e))?;
    serde_json::from_str(json.as_str()).map_err(|e| refuse(&e))
}

/// JSON if it reads as such, else the text itself.
pub(crate) fn value_of(text: &str) -> Value {
    let json = Json::parse(text).ok().and_then(|json| serde_json::from_str(json.as_str()).ok());
    json.unwrap_or_else(|| text.into())
}

/// `a.b` is `b` in `a`; `\.` is a dot that belongs to the field.
fn keys_of(path: &str) -> Result<Vec<String>> {
    let mut keys = vec![String::new()];
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        let key = keys.last_mut().expect("one is there from the start");
        match c {
            '.' => keys.push(String::new()),
            '\\' => key.push(chars.next().unwrap_or('\\')),
            other => key.push(other),
        }
    }
    if keys.iter().any(String::is_empty) {
        return Err(Failure::usage(format!(
            "{path:?} names no field: write one like city, or address.city for one inside"
        )));
    }
    if keys.len() > DEPTH_MAX {
        return Err(Failure::usage(format!("a field is at most {DEPTH_MAX} levels deep, this one {}", keys.len())));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(sets: &[&str], name: Option<&str>) -> Given {
        Given { data: None, sets: sets.iter().map(|s| (*s).to_owned()).collect(), name: name.map(str::to_owned) }
    }

    #[test]
    fn a_value_is_json_if_it_reads_as_such() {
        let sets = [
            "n=41",
            "big=12345678901234567890.10",
            "t=true",
            "none=null",
            "l=[1,2]",
            "s=Oslo",
            "zip=0150",
            "q=\"7\"",
            "e=",
            "eq=a=b",
        ];
        let fields = Fields::of(None, &given(&sets, None)).unwrap();
        let text = r#"{"n":41,"big":12345678901234567890.10,"t":true,"none":null,"l":[1,2],"s":"Oslo","zip":"0150","q":"7","e":"","eq":"a=b"}"#;
        assert_eq!(Value::Object(fields.data).to_string(), text);
    }

    #[test]
    fn a_dotted_field_goes_inside_and_the_name_is_the_things_own() {
        let document = json!({"name": "Old", "address": {"zip": "0150"}});
        let fields =
            Fields::of(Some(document), &given(&["address.city=Oslo", "a.b.c=1", "x\\.y=2", "name=Acme"], None))
                .unwrap();
        assert_eq!(fields.name, Some(json!("Acme")));
        let data = json!({"address": {"zip": "0150", "city": "Oslo"}, "a": {"b": {"c": 1}}, "x.y": 2});
        assert_eq!(Value::Object(fields.data), data);
    }

    #[test]
    fn a_whole_representation_and_bare_fields_mean_the_same() {
        let whole = json!({"$id": "https://a/S/acme", "id": "acme", "name": "Acme", "data": {"x": 1}, "version": 3});
        let bare = json!({"id": "acme", "name": "Acme", "x": 1});
        let body = json!({"id": "acme", "name": "Acme", "data": {"x": 1}});
        for document in [whole, bare] {
            let fields = Fields::of(Some(document), &Given::default()).unwrap();
            assert_eq!(fields.into_body(WithData::Always), body);
        }
        // `data` beside other fields is a field like any other.
        let fields = Fields::of(Some(json!({"data": 1, "x": 2})), &Given::default()).unwrap();
        assert_eq!(fields.into_body(WithData::Always), json!({"data": {"data": 1, "x": 2}}));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let deep = format!("{}=1", vec!["a"; DEPTH_MAX + 1].join("."));
        for sets in [&["city"][..], &["=1"], &["a..b=1"], &["a=1", "a.b=2"], &[&deep]] {
            assert_eq!(Fields::of(None, &given(sets, None)).unwrap_err().exit as u8, 2, "{sets:?}");
        }
        for document in [json!([1]), json!("x"), json!({"id": "a", "data": 1})] {
            assert_eq!(Fields::of(Some(document), &Given::default()).unwrap_err().exit as u8, 2);
        }
    }
}
