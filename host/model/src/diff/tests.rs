//! Operations lead from one side to the other; changes name what they touch.

use super::*;
use crate::patch::Patch;
use crate::testing::{content, nested, object, value};
use proptest::prelude::*;
use serde_json::json;
use types::Json;

/// Through the patch's own reader, as a client would.
fn apply(ops: &[Op], from: Value) -> Value {
    let patch = serde_json::to_value(ops).expect("it serialises");
    Patch::parse(&patch).expect("it is a patch").apply(from).expect("it applies")
}

fn thing(name: Option<&str>, data: Value) -> Content {
    Content { name: name.map(str::to_owned), data }
}

#[test]
fn objects_are_entered_and_lists_replaced() {
    let from = json!({"a":1,"b":{"c":1,"d/e":2},"l":[1,2],"same":[{}]});
    let to = json!({"b":{"c":1,"d/e":3,"f":{}},"l":[1],"same":[{}],"n":null});
    assert_eq!(
        serde_json::to_value(ops(&from, &to)).expect("it serialises"),
        json!([
            {"op":"remove","path":"/a"},
            {"op":"replace","path":"/b/d~1e","value":3},
            {"op":"add","path":"/b/f","value":{}},
            {"op":"replace","path":"/l","value":[1]},
            {"op":"add","path":"/n","value":null},
        ])
    );
    assert_eq!(ops(&from, &from), vec![]);
    assert_eq!(ops(&json!(1), &json!({})), vec![Op::Replace { path: String::new(), value: json!({}) }]);
}

#[test]
fn a_difference_is_never_more_than_a_patch_may_be() {
    let wide = |n: usize, v: u64| Value::Object((0..n).map(|i| (i.to_string(), json!(v))).collect());
    assert_eq!(ops(&wide(OPS_MAX, 1), &wide(OPS_MAX, 2)).len(), OPS_MAX);
    let whole = |to: Value| vec![Op::Replace { path: String::new(), value: to }];
    assert_eq!(ops(&wide(OPS_MAX + 1, 1), &wide(OPS_MAX + 1, 2)), whole(wide(OPS_MAX + 1, 2)));
    let deep = |v| nested(Json::DEPTH_MAX - 1, &"k".repeat(Json::KEY_BYTES_MAX), wide(500, v));
    assert_eq!(ops(&deep(1), &deep(2)), whole(deep(2)));
}

#[test]
fn changes_are_dotted_leaf_paths() {
    let from = thing(Some("n"), json!({"address":{"city":"X","zip":1},"tags":[1],"same":1,"a.b":1,"name":1}));
    let to = thing(
        Some("m"),
        json!({"address":{"city":"Y","zip":1},"tags":[2],"same":1,"new":{"x":{"y":1},"z":{}},"name":2}),
    );
    assert_eq!(changes(Some(&from), Some(&to)), ["name", "address.city", "tags", "a~1b", "~2name", "new.x.y", "new.z"]);
    assert_eq!(changes(Some(&from), Some(&from)), Vec::<String>::new());
    let small = thing(Some("n"), json!({"a":1,"b":{"c":2}}));
    assert_eq!(changes(None, Some(&small)), ["name", "a", "b.c"]);
    assert_eq!(changes(Some(&small), None), ["name", "a", "b.c"]);
    assert_eq!(changes(None, Some(&thing(None, json!({})))), Vec::<String>::new());
    assert_eq!(changes(Some(&thing(None, json!({"a":{"b":1}}))), Some(&thing(None, json!({"a":5})))), ["a"]);
}

#[test]
fn many_changes_are_cut_with_a_mark() {
    let wide = |n: usize| thing(Some("n"), Value::Object((0..n).map(|i| (i.to_string(), json!(1))).collect()));
    let exact = changes(None, Some(&wide(CHANGES_MAX - 1)));
    assert_eq!((exact.len(), exact.last().map(String::as_str)), (CHANGES_MAX, Some("198")));
    let cut = changes(None, Some(&wide(100_000)));
    assert_eq!((cut.len(), cut.last().map(String::as_str)), (CHANGES_MAX, Some(MORE)));
    let deep = thing(None, nested(Json::DEPTH_MAX - 1, &"k".repeat(Json::KEY_BYTES_MAX), wide(10_000).data));
    assert_eq!(changes(None, Some(&deep)), [MORE]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_the_difference_gives_the_other_side(from in prop_oneof![object(), value()], to in prop_oneof![object(), value()]) {
        prop_assert_eq!(apply(&ops(&from, &to), from), to);
    }

    #[test]
    fn there_are_changes_exactly_when_there_is_a_difference(from in content(), to in content()) {
        prop_assert_eq!(changes(Some(&from), Some(&to)).is_empty(), from == to);
    }
}
