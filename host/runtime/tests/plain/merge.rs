//! How one thing of two branches comes together, as the table of VER-10 says it: written a second time, so that what is
//! tested is not asked whether it is right.

use model::Content;
use model::merge::Strategy;
use serde_json::{Map, Value};

/// What becomes of the target's thing.
pub enum Met {
    Keep,
    /// `None` deletes it.
    Take(Option<Content>),
    Conflict,
}

/// A thing in the common state, on the target and on the source; `None` is absent or deleted.
pub fn meet(base: Option<Content>, ours: Option<Content>, theirs: Option<Content>, strategy: Option<Strategy>) -> Met {
    if theirs == base || ours == theirs {
        return Met::Keep;
    }
    if ours == base {
        return Met::Take(theirs);
    }
    let (Some(mine), Some(other)) = (&ours, &theirs) else {
        return match strategy {
            Some(Strategy::Ours) => Met::Keep,
            Some(Strategy::Theirs) => Met::Take(theirs),
            None => Met::Conflict,
        };
    };
    // The name is a field, which here lies beside the data.
    let whole = |content: &Content| {
        let name = content.name.clone().map(|name| ("name".to_owned(), Value::from(name)));
        Value::Object(name.into_iter().chain([("data".to_owned(), content.data.clone())]).collect::<Map<_, _>>())
    };
    match field(base.as_ref().map(whole).as_ref(), Some(&whole(mine)), Some(&whole(other)), strategy) {
        Err(Clash) => Met::Conflict,
        Ok(merged) => {
            let merged = merged.unwrap_or_default();
            let content = Content { name: merged["name"].as_str().map(str::to_owned), data: merged["data"].clone() };
            if Some(&content) == ours.as_ref() { Met::Keep } else { Met::Take(Some(content)) }
        }
    }
}

/// Nobody decided.
struct Clash;

fn field(
    base: Option<&Value>,
    ours: Option<&Value>,
    theirs: Option<&Value>,
    strategy: Option<Strategy>,
) -> Result<Option<Value>, Clash> {
    if theirs == base || ours == theirs {
        return Ok(ours.cloned());
    }
    if ours == base {
        return Ok(theirs.cloned());
    }
    let is_new_or_object = base.is_none_or(Value::is_object);
    if let (true, Some(Value::Object(mine)), Some(Value::Object(other))) = (is_new_or_object, ours, theirs) {
        let mut merged = Map::new();
        let added = other.keys().filter(|key| !mine.contains_key(*key));
        for key in mine.keys().chain(added) {
            let before = base.and_then(|base| base.get(key));
            if let Some(value) = field(before, mine.get(key), other.get(key), strategy)? {
                merged.insert(key.clone(), value);
            }
        }
        return Ok(Some(Value::Object(merged)));
    }
    match strategy {
        Some(Strategy::Ours) => Ok(ours.cloned()),
        Some(Strategy::Theirs) => Ok(theirs.cloned()),
        None => Err(Clash),
    }
}
