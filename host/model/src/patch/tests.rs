//! The cases of both RFCs, what each error says, and patches meant to cost much.

use super::*;
use crate::testing::{nested, value};
use proptest::prelude::*;
use serde_json::json;

fn apply(document: Value, patch: Value) -> Result<Value, PatchError> {
    Patch::parse(&patch)?.apply(document)
}

fn fails(document: Value, patch: Value) -> (PatchErrorKind, Option<usize>, String) {
    let error = apply(document, patch.clone()).expect_err(&patch.to_string());
    assert!(!error.why.is_empty() && error.to_string().contains(&error.why));
    (error.kind, error.index, error.path)
}

#[test]
fn merge_patches_do_what_rfc_7396_lists() {
    for (target, patch, result) in [
        (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
        (json!({"a":"b"}), json!({"a":null}), json!({})),
        (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
        (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
        (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
        (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
        (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a":"b"}), json!(["c"]), json!(["c"])),
        (json!({"a":"foo"}), json!(null), json!(null)),
        (json!({"a":"foo"}), json!("bar"), json!("bar")),
        (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
        (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
        (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
    ] {
        assert_eq!(merge(target.clone(), &patch), result, "{target} {patch}");
    }
    let numbers: Value = serde_json::from_str(r#"{"n":1.10,"m":12345678901234567890.5}"#).expect("JSON");
    assert_eq!(merge(json!({}), &numbers).to_string(), numbers.to_string());
}

#[test]
fn a_merge_patch_of_many_keys_is_linear() {
    let of = |value: Value| Value::Object((0..100_000).map(|n| (n.to_string(), value.clone())).collect());
    assert_eq!(merge(of(json!(1)), &of(json!(null))), json!({}));
    let deep = nested(Json::DEPTH_MAX, "k", json!(1));
    assert_eq!(merge(deep.clone(), &deep), deep);
}

#[test]
fn json_patches_do_what_rfc_6902_lists() {
    let one = |op: Value| Value::Array(vec![op]);
    for (document, patch, result) in [
        (json!({"foo":"bar"}), one(json!({"op":"add","path":"/baz","value":"qux"})), json!({"baz":"qux","foo":"bar"})),
        (
            json!({"foo":["bar","baz"]}),
            one(json!({"op":"add","path":"/foo/1","value":"qux"})),
            json!({"foo":["bar","qux","baz"]}),
        ),
        (
            json!({"foo":["bar"]}),
            one(json!({"op":"add","path":"/foo/-","value":["abc"]})),
            json!({"foo":["bar",["abc"]]}),
        ),
        (json!({"foo":["bar"]}), one(json!({"op":"add","path":"/foo/1","value":2})), json!({"foo":["bar",2]})),
        (json!({"baz":"qux","foo":"bar"}), one(json!({"op":"remove","path":"/baz"})), json!({"foo":"bar"})),
        (json!({"foo":["bar","qux","baz"]}), one(json!({"op":"remove","path":"/foo/1"})), json!({"foo":["bar","baz"]})),
        (json!({"baz":"qux"}), one(json!({"op":"replace","path":"/baz","value":"boo"})), json!({"baz":"boo"})),
        (json!({"a":[1,2]}), one(json!({"op":"replace","path":"/a/1","value":3})), json!({"a":[1,3]})),
        (
            json!({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}),
            one(json!({"op":"move","from":"/foo/waldo","path":"/qux/thud"})),
            json!({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}),
        ),
        (
            json!({"foo":["all","grass","cows","eat"]}),
            one(json!({"op":"move","from":"/foo/1","path":"/foo/3"})),
            json!({"foo":["all","cows","eat","grass"]}),
        ),
        (json!({"a":1}), one(json!({"op":"move","from":"/a","path":"/a"})), json!({"a":1})),
        (json!({"a":{"b":1}}), one(json!({"op":"copy","from":"/a","path":"/a/c"})), json!({"a":{"b":1,"c":{"b":1}}})),
        (
            json!({"baz":"qux","foo":["a",2,"c"]}),
            json!([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]),
            json!({"baz":"qux","foo":["a",2,"c"]}),
        ),
        (
            json!({"/":9,"~1":10}),
            json!([{"op":"test","path":"/~01","value":10},{"op":"remove","path":"/~1"}]),
            json!({"~1":10}),
        ),
        (json!({"a":1}), one(json!({"op":"replace","path":"","value":[1]})), json!([1])),
        (json!({"a":1}), one(json!({"op":"add","path":"/","value":2,"xyz":123})), json!({"a":1,"":2})),
        (
            json!({"a":{"x":1,"y":2}}),
            one(json!({"op":"test","path":"/a","value":{"y":2,"x":1}})),
            json!({"a":{"x":1,"y":2}}),
        ),
        (json!({"a":1}), json!([]), json!({"a":1})),
    ] {
        assert_eq!(apply(document.clone(), patch.clone()), Ok(result), "{document} {patch}");
    }
}

#[test]
fn an_error_tells_its_kind_its_operation_and_its_path() {
    use PatchErrorKind::{Malformed, TestFailed, Unappliable};
    let fine = json!({"op":"test","path":"/a","value":1});
    for (bad, kind, path) in [
        (json!({"op":"test","path":"/a","value":2}), TestFailed, "/a"),
        (json!({"op":"test","path":"/a","value":"1"}), TestFailed, "/a"),
        (json!({"op":"test","path":"/none","value":null}), Unappliable, "/none"),
        (json!({"op":"remove","path":"/none"}), Unappliable, "/none"),
        (json!({"op":"replace","path":"/none","value":1}), Unappliable, "/none"),
        (json!({"op":"add","path":"/none/x","value":1}), Unappliable, "/none/x"),
        (json!({"op":"add","path":"/a/x","value":1}), Unappliable, "/a/x"),
        (json!({"op":"add","path":"/l/3","value":1}), Unappliable, "/l/3"),
        (json!({"op":"add","path":"/l/01","value":1}), Unappliable, "/l/01"),
        (json!({"op":"add","path":"/l/+1","value":1}), Unappliable, "/l/+1"),
        (json!({"op":"remove","path":"/l/-"}), Unappliable, "/l/-"),
        (json!({"op":"remove","path":"/l/2"}), Unappliable, "/l/2"),
        (json!({"op":"remove","path":"/e/0"}), Unappliable, "/e/0"),
        (json!({"op":"remove","path":"/l/99999999999999999999999"}), Unappliable, "/l/99999999999999999999999"),
        (json!({"op":"copy","from":"/none","path":"/x"}), Unappliable, "/x"),
        (json!({"op":"move","from":"/none","path":"/none"}), Unappliable, "/none"),
        (json!({"op":"move","from":"/o","path":"/o/p"}), Malformed, "/o/p"),
        (json!({"op":"remove","path":"a"}), Malformed, "a"),
        (json!({"op":"remove","path":"/a~2"}), Malformed, "/a~2"),
        (json!({"op":"remove","path":"/a~"}), Malformed, "/a~"),
        (json!({"op":"remove"}), Malformed, ""),
        (json!({"op":"add","path":"/x"}), Malformed, "/x"),
        (json!({"op":"move","path":"/x"}), Malformed, "/x"),
        (json!({"op":"spam","path":"/x"}), Malformed, "/x"),
        (json!({"path":"/x"}), Malformed, "/x"),
        (json!({"op":"remove","path":5}), Malformed, ""),
        (json!(5), Malformed, ""),
    ] {
        let document = json!({"a":1,"l":[1,2],"e":[],"o":{}});
        assert_eq!(fails(document, json!([fine, bad])), (kind, Some(1), path.to_owned()), "{bad}");
    }
    assert_eq!(fails(json!({}), json!({"op":"remove"})), (Malformed, None, String::new()));
    let too_many = Value::Array(vec![fine; OPS_MAX + 1]);
    assert_eq!(fails(json!({"a":1}), too_many), (Malformed, None, String::new()));
    let (_, _, path) = fails(json!({}), json!([{"op":"remove","path":format!("/{}", "é".repeat(1000))}]));
    assert!(path.len() <= ERROR_PATH_BYTES_MAX + "…".len() && path.ends_with('…'));
    let error = apply(json!({}), json!([{"op":"remove","path":"/x"}])).expect_err("there is no x");
    assert_eq!(error.to_string(), "operation 0 at \"/x\": there is no \"x\"");
}

#[test]
fn the_result_is_never_too_deep() {
    let deep = nested(Json::DEPTH_MAX, "k", json!(1));
    let path = "/k".repeat(Json::DEPTH_MAX);
    for patch in [
        json!([{"op":"replace","path":path,"value":[]}]),
        json!([{"op":"add","path":path,"value":{}}]),
        json!([{"op":"copy","from":"/k","path":"/k/x"}]),
        json!([{"op":"move","from":"/k","path":"/a"},{"op":"add","path":"/k","value":{}},{"op":"move","from":"/a","path":"/k/x"}]),
    ] {
        assert_eq!(fails(deep.clone(), patch).0, PatchErrorKind::Unappliable);
    }
    assert!(apply(deep, json!([{"op":"replace","path":path,"value":2}])).is_ok());
}

#[test]
fn a_patch_meant_to_cost_much_is_stopped() {
    let copies = |n: usize| (0..n).map(|n| json!({"op":"copy","from":"/a","path":format!("/c{n}")})).collect::<Value>();
    let large = json!({"a":"x".repeat(COPIED_BYTES_MAX / 10)});
    assert!(apply(large.clone(), copies(9)).is_ok());
    assert_eq!(fails(large, copies(10)), (PatchErrorKind::Unappliable, Some(9), "/c9".to_owned()));
    let wide = |n: usize| Value::Array(vec![json!(1); n]);
    let front: Value = (0..OPS_MAX).map(|_| json!({"op":"add","path":"/0","value":1})).collect();
    assert_eq!(apply(wide(100_000), front.clone()).expect_err("it shifts").kind, PatchErrorKind::Unappliable);
    assert_eq!(apply(wide(10_000), front), Ok(wide(10_000 + OPS_MAX)));
    let to_and_fro: Value = (0..OPS_MAX)
        .map(|n| {
            if n % 2 == 0 {
                json!({"op":"move","from":"/a","path":"/b"})
            } else {
                json!({"op":"move","from":"/b","path":"/a"})
            }
        })
        .collect();
    assert_eq!(apply(json!({"a":wide(100_000)}), to_and_fro).expect_err("it walks").kind, PatchErrorKind::Unappliable);
    let keys = Value::Object((0..100_000).map(|n| (n.to_string(), json!(1))).collect());
    let removals: Value = (0..OPS_MAX).map(|n| json!({"op":"remove","path":format!("/{n}")})).collect();
    assert_eq!(apply(keys, removals).expect("it removes").as_object().map(Map::len), Some(100_000 - OPS_MAX));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_patch_applied_twice_changes_nothing_more(target in value(), patch in value()) {
        let once = merge(target, &patch);
        prop_assert_eq!(merge(once.clone(), &patch), once);
    }
}
