//! Both forms in, the flat form out, the text of the index.

use super::*;
use crate::testing::{nested, object};
use proptest::prelude::*;
use serde_json::json;

fn read(body: Value) -> Input {
    Input::read(body).expect("it is a thing")
}

fn rules(body: Value) -> Vec<(String, String)> {
    Input::read(body).expect_err("it is refused").into_iter().map(|e| (e.field, e.rule)).collect()
}

#[test]
fn both_forms_of_the_same_content_read_the_same() {
    let flat = read(json!({"id":"acme","name":"Acme","email":"a@b.c","address":{"city":"X"}}));
    let envelope = read(json!({"id":"acme","name":"Acme","data":{"email":"a@b.c","address":{"city":"X"}}}));
    assert_eq!(flat, envelope);
    assert_eq!(flat.id.as_deref(), Some("acme"));
    assert_eq!(flat.name.as_deref(), Some("Acme"));
    assert_eq!(Value::Object(flat.data), json!({"email":"a@b.c","address":{"city":"X"}}));
    assert_eq!(read(json!({})).data, Map::new());
    assert!(read(json!({"name": null})).name_given && !read(json!({"a": null})).name_given);
}

#[test]
fn which_form_it_is_follows_from_the_keys_alone() {
    let data = |body| Value::Object(read(body).data);
    assert_eq!(data(json!({"type":"b2b","email":"x"})), json!({"type":"b2b","email":"x"}));
    assert_eq!(data(json!({"data":{"a":1},"email":"x"})), json!({"data":{"a":1},"email":"x"}));
    assert_eq!(data(json!({"version":7})), json!({"version":7}));
    assert_eq!(data(json!({"name":"n","version":7,"createdAt":5,"deleted":true,"isDO":true})), json!({}));
    assert_eq!(data(json!({"$ref":"Person/1","a":1})), json!({"$ref":"Person/1","a":1}));
    assert_eq!(read(json!({"name":"n","type":"Startup"})).type_.as_deref(), Some("Startup"));
    let conditional = read(json!({"data":{"a":1},"_version":3}));
    assert_eq!((conditional.if_version, Value::Object(conditional.data)), (Some(3), json!({"a":1})));
    assert_eq!(read(json!({"a":1,"_version":3})).if_version, Some(3));
}

#[test]
fn a_representation_can_be_sent_back() {
    let url = "https://startups.studio/Note/a%2Fb";
    let sent = read(json!({
        "$id":url, "$type":"https://startups.studio/Note", "id":"a/b", "type":"Note", "name":null,
        "data":{"x":1}, "version":4, "branch":"main", "createdAt":"2026-01-01T00:00:00Z"
    }));
    assert_eq!(
        (sent.id.as_deref(), sent.type_.as_deref(), sent.url.as_deref()),
        (Some("a/b"), Some("Note"), Some(url))
    );
    let by_url = read(json!({"$id":url,"x":1}));
    assert_eq!((by_url.id.as_deref(), by_url.type_.as_deref()), (Some("a/b"), Some("Note")));
    assert_eq!(read(json!({"$id":"acme","x":1})).id.as_deref(), Some("acme"));
    assert_eq!(read(json!({"$id":"acme%","x":1})).id.as_deref(), Some("acme%"));
}

#[test]
fn what_is_no_thing_is_refused_with_everything_that_is_wrong() {
    let pairs =
        |list: &[(&str, &str)]| list.iter().map(|(f, r)| ((*f).to_owned(), (*r).to_owned())).collect::<Vec<_>>();
    assert_eq!(rules(json!([1])), pairs(&[("", "type")]));
    assert_eq!(
        rules(json!({"$context":"x","id":5,"name":[],"_version":"v3","email":"e"})),
        pairs(&[("$context", "reserved"), ("_version", "type"), ("id", "type"), ("name", "type")])
    );
    assert_eq!(rules(json!({"name":"n","data":5})), pairs(&[("data", "type")]));
    assert_eq!(rules(json!({"data":{"$x":1}})), pairs(&[("$x", "reserved")]));
    assert_eq!(rules(json!({"id":"a","$id":"https://x.y/Note/b","z":1})), pairs(&[("id", "agree")]));
    for version in [json!(0), json!(-1), json!(1.5), json!(null)] {
        assert_eq!(rules(json!({"a":1,"_version":version})), pairs(&[("_version", "type")]));
    }
    let many = (0..5000).map(|n| (format!("${n}"), json!(1))).collect::<Map<_, _>>();
    assert_eq!(rules(Value::Object(many)).len(), DOLLAR_ERRORS_MAX);
}

#[test]
fn flattening_keeps_the_envelope_and_tells_what_it_hides() {
    let (flat, shadowed) =
        flatten(json!({"id":"a","name":"n","data":{"name":"x","b":1,"data":2,"deleted":3},"version":1}));
    assert_eq!(flat, json!({"id":"a","name":"n","version":1,"b":1}));
    assert_eq!(shadowed, ["name", "data", "deleted"]);
    for same in [json!(5), json!({"a":1}), json!({"data":5})] {
        assert_eq!(flatten(same.clone()), (same, vec![]));
    }
}

#[test]
fn the_text_is_name_and_strings_in_key_order_without_secrets() {
    let data = json!({"z":"last","a":["x",1,{"k":"y"}],"key":"hidden","o":{"pin":"hidden","b":"shown"},"n":5});
    let secret = ["key".to_owned(), "o.pin".to_owned()];
    assert_eq!(search_text(Some("Acme"), &data, None, &secret), "Acme\nx\ny\nshown\nlast");
    let searchable = ["o".to_owned(), "a.k".to_owned(), "name".to_owned()];
    assert_eq!(search_text(Some("Acme"), &data, Some(&searchable), &secret), "Acme\ny\nshown");
    assert_eq!(search_text(None, &json!({"name":"data's own"}), None, &["name".to_owned()]), "data's own");
    assert_eq!(search_text(Some("Acme"), &json!({}), None, &["name".to_owned()]), "");
    assert_eq!(without_secrets(&data, &secret), json!({"z":"last","a":["x",1,{"k":"y"}],"o":{"b":"shown"},"n":5}));
    assert_eq!(without_secrets(&json!({"l":[{"s":1,"t":2}]}), &["l.s".to_owned()]), json!({"l":[{"t":2}]}));
}

#[test]
fn the_text_is_cut_between_characters() {
    let text = search_text(Some("x"), &json!({ "a": "é".repeat(SEARCH_TEXT_BYTES_MAX) }), None, &[]);
    assert!(text.len() <= SEARCH_TEXT_BYTES_MAX && text.len() > SEARCH_TEXT_BYTES_MAX - 2, "{}", text.len());
    let wide = Value::Array((0..100_000).map(|_| json!("word")).collect());
    let text = search_text(None, &nested(types::Json::DEPTH_MAX - 1, "k", wide), None, &[]);
    assert!(text.len() <= SEARCH_TEXT_BYTES_MAX && text.ends_with("wor") || text.ends_with("word"), "{}", text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_reads_back_as_its_data(data in object()) {
        let envelope = read(json!({ "data": data }));
        prop_assert_eq!(Value::Object(envelope.data), data);
    }
}
