//! Arbitrary contents for the property tests: few keys and few values, so that sides collide often.

use crate::Content;
use proptest::prelude::*;
use serde_json::{Map, Value};

pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        Just(serde_json::from_str("1.0").expect("a number")),
        prop_oneof!["", "x", "é"].prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from), map_of(inner)]
    })
}

/// Keys that need escapes in one notation or the other are among them.
fn map_of(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let key = prop_oneof![Just("a"), Just("b"), Just("name"), Just(""), Just("a.b"), Just("~1/")];
    proptest::collection::vec((key, inner), 0..4)
        .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>()))
}

pub(crate) fn object() -> impl Strategy<Value = Value> {
    map_of(value())
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    (proptest::option::of(prop_oneof!["x", "y"]), object()).prop_map(|(name, data)| Content { name, data })
}

/// `levels` objects inside each other, with `leaf` in the innermost under `key`.
pub(crate) fn nested(levels: usize, key: &str, leaf: Value) -> Value {
    (0..levels).fold(leaf, |inner, _| Value::Object(Map::from_iter([(key.to_owned(), inner)])))
}
