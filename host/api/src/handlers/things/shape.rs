//! How things are shown other than whole: flat (spec THG-6), and only some fields of them (spec 16.2).

use super::list::field_path;
use crate::problem::Problem;
use crate::query::Fields;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

const DO_SHADOWED: HeaderName = HeaderName::from_static("do-shadowed");
/// Fields that one request can pick.
const PICKED_MAX: usize = 100;
/// What tells a thing from others: in every answer.
const ALWAYS: [&str; 5] = ["$id", "$type", "id", "type", "version"];

/// What is shown of a thing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Shape {
    flat: bool,
    /// None: everything.
    picked: Option<Vec<Vec<String>>>,
}

impl Shape {
    /// `shape` and `fields` of a query.
    ///
    /// # Errors
    /// 400 for another shape, and for what names no field.
    pub(crate) fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let flat = match fields.take("shape").as_deref() {
            None | Some("envelope") => false,
            Some("flat") => true,
            Some(_) => return Err(Problem::bad_request("shape must be flat or envelope")),
        };
        let Some(text) = fields.take("fields") else { return Ok(Self { flat, picked: None }) };
        let picked = text.split(',').map(|name| field_path("fields", name)).collect::<Result<Vec<_>, _>>()?;
        if picked.len() > PICKED_MAX {
            return Err(Problem::bad_request(format!("fields names {} fields; at most {PICKED_MAX}", picked.len())));
        }
        Ok(Self { flat, picked: Some(picked) })
    }

    /// The thing in this shape, and the keys of its data that could not be shown in it.
    pub(crate) fn apply(&self, text: String) -> (String, Vec<String>) {
        if *self == Self::default() {
            return (text, Vec::new());
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return (text, Vec::new()) };
        if let (Some(picked), Value::Object(map)) = (&self.picked, &value) {
            value = Value::Object(pick(map, picked));
        }
        let (value, shadowed) = if self.flat { model::flat::flatten(value) } else { (value, Vec::new()) };
        (value.to_string(), shadowed)
    }
}

/// Names of the envelope stand for themselves, all others for fields of the data.
fn pick(whole: &Map<String, Value>, picked: &[Vec<String>]) -> Map<String, Value> {
    let wanted = |key: &String| {
        ALWAYS.contains(&key.as_str()) || (key != "data" && picked.iter().any(|path| path.as_slice() == [key.clone()]))
    };
    let mut out: Map<_, _> = whole.iter().filter(|(key, _)| wanted(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let Some(data) = whole.get("data") else { return out };
    if picked.iter().any(|path| path.as_slice() == ["data"]) {
        out.insert("data".to_owned(), data.clone());
        return out;
    }
    let mut kept = Value::Object(Map::new());
    for path in picked.iter().filter(|path| path.len() > 1 || !model::flat::ENVELOPE_KEYS.contains(&path[0].as_str())) {
        let found = path.iter().try_fold(data, |value, key| value.as_object()?.get(key));
        let Some(found) = found else { continue };
        let place = path.iter().try_fold(&mut kept, |place, key| {
            Some(place.as_object_mut()?.entry(key.clone()).or_insert_with(|| Value::Object(Map::new())))
        });
        if let Some(place) = place {
            *place = found.clone();
        }
    }
    out.insert("data".to_owned(), kept);
    out
}

/// Which keys of the data a flat thing does not show. They are keys of the envelope, hence few and ASCII.
pub(crate) fn tell_shadowed(headers: &mut HeaderMap, shadowed: &[String]) {
    if shadowed.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::try_from(shadowed.join(", ")) {
        headers.insert(DO_SHADOWED, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THING: &str = r#"{"$id":"u","$type":"t","id":"a","type":"T","name":"N","data":{"city":"Bonn","name":"shadow","at":{"x":1,"y":2}},"version":3,"branch":"main"}"#;

    fn shape(query: &str) -> Option<Shape> {
        let uri = format!("/x?{query}").parse().unwrap();
        Shape::read(&mut Fields::read(&uri, &["shape", "fields"]).ok().unwrap()).ok()
    }

    #[test]
    fn a_thing_is_shown_whole_flat_or_in_part() {
        let check = |query: &str, expected: &str, hidden: &[&str]| {
            let (text, shadowed) = shape(query).unwrap().apply(THING.to_owned());
            assert_eq!(
                (text.as_str(), shadowed),
                (expected, hidden.iter().map(|s| (*s).to_owned()).collect()),
                "{query}"
            );
        };
        check("", THING, &[]);
        check(
            "shape=flat",
            r#"{"$id":"u","$type":"t","id":"a","type":"T","name":"N","version":3,"branch":"main","city":"Bonn","at":{"x":1,"y":2}}"#,
            &["name"],
        );
        check(
            "fields=branch,at.y,nothing",
            r#"{"$id":"u","$type":"t","id":"a","type":"T","version":3,"branch":"main","data":{"at":{"y":2}}}"#,
            &[],
        );
        check("fields=name", r#"{"$id":"u","$type":"t","id":"a","type":"T","name":"N","version":3,"data":{}}"#, &[]);
        check(
            "fields=at.x,at.y",
            r#"{"$id":"u","$type":"t","id":"a","type":"T","version":3,"data":{"at":{"x":1,"y":2}}}"#,
            &[],
        );
        for bad in [
            "shape=round",
            "fields=",
            "fields=a,,b",
            "fields=a..b",
            "fields=a%22",
            &format!("fields=a{}", ",a".repeat(100)),
        ] {
            assert_eq!(shape(bad), None, "{bad}");
        }
    }
}
