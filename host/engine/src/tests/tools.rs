//! Tool boxes: any component's functions, called with JSON.

use super::*;
use serde_json::{Value, json};
use types::FaultKind;

/// Every value type there is, in one record: so large that it goes through memory both ways, and the guest only has to
/// hand back the pointer that it got.
const ALL_TYPES: &str = r#"package test:guest;
interface shapes {
    enum color { red, green }
    flags rights { read, write, share }
    variant shape { none, circle(f64), rect(tuple<u32, u32>) }
    record item { name: string, price: f64 }
    record all {
        a-bool: bool, a-s8: s8, a-u8: u8, a-s16: s16, a-u16: u16, a-s32: s32, a-u32: u32, a-s64: s64, a-u64: u64,
        a-f32: f32, a-f64: f64, a-char: char, a-string: string, bytes: list<u8>, items: list<item>,
        pair: tuple<string, bool>, a-color: color, some-rights: rights, shapes: list<shape>, maybe: option<u32>,
        nested: option<option<u32>>, outcomes: list<result<u32, string>>, empty: list<result>
    }
}
world guest {
    use shapes.{all};
    export echo: func(v: all) -> all;
}"#;

fn all() -> Value {
    json!({
        "a-bool": true, "a-s8": -128, "a-u8": 255, "a-s16": -32768, "a-u16": 65535, "a-s32": -2147483648,
        "a-u32": 4294967295u32, "a-s64": i64::MIN, "a-u64": u64::MAX, "a-f32": 0.1, "a-f64": -1.5e300, "a-char": "🦀",
        "a-string": "grüße\u{0}", "bytes": "AAH/", "items": [{"name": "x", "price": 1.5}, {"name": "", "price": "NaN"}],
        "pair": ["p", false], "a-color": "green", "some-rights": ["read", "share"],
        "shapes": ["none", {"circle": "-Infinity"}, {"rect": [1, 2]}], "maybe": 7, "nested": {"some": null},
        "outcomes": [{"ok": 1}, {"err": "no"}], "empty": [{"ok": null}, {"err": null}]
    })
}

fn echo(bench: &Bench) -> ComponentFile {
    let core = r#"(module ;;PRELUDE (func (export "echo") (param i32) (result i32) (local.get 0)))"#;
    bench.file(&guests::build(ALL_TYPES, &core.replace(";;PRELUDE", guests::PRELUDE)))
}

#[tokio::test]
async fn every_value_type_goes_in_and_out_as_json() {
    let bench = Bench::new();
    let file = echo(&bench);
    let input = json!({ "v": all() });
    let outcome = bench.run(tool(&file, "echo", &input.to_string())).await;
    assert_eq!(outcome.result.unwrap().to_value(), all());
}

#[tokio::test]
async fn all_that_is_wrong_with_an_input_is_said_with_its_path() {
    let bench = Bench::new();
    let file = echo(&bench);
    let mut v = all();
    v["items"][1]["price"] = "x".into();
    v["a-u8"] = 256.into();
    v["a-color"] = "gren".into();
    v["items"][0]["prize"] = 1.into();
    v["pair"] = json!(["p"]);
    v["shapes"] = json!(["circle", {"rect": [1, -2]}]);
    v["bytes"] = "*".into();
    v.as_object_mut().unwrap().remove("a-char");
    let outcome = bench.run(tool(&file, "echo", &json!({ "v": v }).to_string())).await;
    let found = fault(&outcome);
    assert_eq!((found.kind, found.code.as_str()), (FaultKind::Invalid, "INPUT_INVALID"));
    for part in [
        r#"input.v.items[1].price: expected f64, got "x""#,
        "input.v.a-u8: expected u8 (0 to 255), got 256",
        "input.v.a-color: there is no `gren`; did you mean `green`? (accepted: red, green)",
        "input.v.items[0]: there is no `prize`; did you mean `price`? (accepted: name, price)",
        r#"input.v.pair: expected tuple<string, bool>, got ["p"]"#,
        "input.v.shapes[0]: `circle` needs f64",
        "input.v.shapes[1].rect[1]: expected u32",
        "input.v.bytes: expected base64",
        "input.v.a-char: missing; expected char",
    ] {
        assert!(found.message.contains(part), "{part} is missing in: {}", found.message);
    }
    assert_eq!(found.details.as_ref().unwrap().to_value()["failures"].as_array().unwrap().len(), 9);
}

#[test]
fn schemas_say_what_is_accepted() {
    let bench = Bench::new();
    let inspection = bench.engine.prepare(&echo(&bench)).unwrap();
    assert_eq!(inspection.kind, FunctionKind::ToolBox);
    let action = &inspection.actions[0];
    assert_eq!(action.export.as_deref(), Some("echo"));
    let schema = action.input.to_value();
    assert_eq!(schema["required"], json!(["v"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    let properties = &schema["properties"]["v"]["properties"];
    assert_eq!(properties["a-u8"], json!({"type": "integer", "minimum": 0, "maximum": 255}));
    assert_eq!(properties["a-u64"], json!({"type": "integer", "minimum": 0, "format": "uint64"}));
    assert_eq!(properties["bytes"], json!({"type": "string", "contentEncoding": "base64"}));
    assert_eq!(properties["a-color"], json!({"enum": ["red", "green"]}));
    assert_eq!(properties["shapes"]["items"]["oneOf"][0], json!({"const": "none"}));
    let required = schema["properties"]["v"]["required"].as_array().unwrap();
    assert!(!required.contains(&json!("maybe")) && required.contains(&json!("a-bool")));
    assert_eq!(action.output.to_value()["properties"]["pair"]["prefixItems"].as_array().unwrap().len(), 2);
}

const DIVIDE: &str = r#"(module ;;PRELUDE
    (data (i32.const 64) "by zero")
    (func (export "divide") (param i64 i64) (result i32)
        (if (i64.eqz (local.get 1)) (then
            (i32.store8 (i32.const 16) (i32.const 1))
            (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 7))
            (return (i32.const 16))))
        (i32.store8 (i32.const 16) (i32.const 0))
        (i64.store (i32.const 24) (i64.div_s (local.get 0) (local.get 1)))
        (i32.const 16))
    (func (export "ping")))"#;

fn divide(bench: &Bench) -> ComponentFile {
    let items = "export divide: func(a: s64, b: s64) -> result<s64, string>; export ping: func();";
    bench.file(&guests::guest(items, DIVIDE))
}

#[tokio::test]
async fn the_error_of_a_result_is_the_functions_fault() {
    let bench = Bench::new();
    let file = divide(&bench);
    let ok = bench.run(tool(&file, "divide", r#"{"a": 9223372036854775807, "b": 1}"#)).await;
    assert_eq!(ok.result.unwrap().as_str(), "9223372036854775807");
    let failed = bench.run(tool(&file, "divide", r#"{"a": 1, "b": 0}"#)).await;
    let expected = Fault::failed("FUNCTION_FAILED", "by zero").with_details(&json!("by zero"));
    assert_eq!(failed.result, Err(expected));
}

#[tokio::test]
async fn a_function_without_parameters_and_result_takes_nothing_and_answers_null() {
    let bench = Bench::new();
    let file = divide(&bench);
    for input in ["null", "{}"] {
        assert_eq!(bench.run(tool(&file, "ping", input)).await.result.unwrap().as_str(), "null");
    }
}

#[tokio::test]
async fn an_unknown_export_is_answered_with_the_nearest() {
    let bench = Bench::new();
    let file = divide(&bench);
    let outcome = bench.run(tool(&file, "divid", "{}")).await;
    assert_eq!(fault(&outcome).kind, FaultKind::NotFound);
    assert!(fault(&outcome).message.contains("did you mean `divide`? (it offers: divide, ping)"), "{outcome:?}");
}

#[tokio::test]
async fn functions_of_interfaces_are_named_by_their_interface_only_when_it_is_needed() {
    let bench = Bench::new();
    let wit = "package test:guest;
        interface one { add: func() -> u32; only: func() -> u32; }
        interface two { add: func() -> u32; }
        world guest { export one; export two; export root: func() -> u32; }";
    let core = r#"(module
        (func (export "test:guest/one#add") (result i32) (i32.const 1))
        (func (export "test:guest/one#only") (result i32) (i32.const 2))
        (func (export "test:guest/two#add") (result i32) (i32.const 3))
        (func (export "root") (result i32) (i32.const 4)))"#;
    let file = bench.file(&guests::build(wit, core));
    let actions = bench.engine.prepare(&file).unwrap().actions;
    let mut names: Vec<_> = actions.iter().map(|action| action.export.as_deref().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one.add", "only", "root", "two.add"]);
    for (name, value) in [("one.add", "1"), ("only", "2"), ("two.add", "3"), ("root", "4")] {
        assert_eq!(bench.run(tool(&file, name, "{}")).await.result.unwrap().as_str(), value);
    }
}
