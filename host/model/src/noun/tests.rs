//! Names of nouns, every notation of a schema, and what each says about data.

use super::*;
use crate::FieldError;
use crate::testing::nested;
use serde_json::{Map, Value, json};

fn schema(given: Value) -> Schema {
    Schema::compile(&given).unwrap_or_else(|errors| panic!("{given}: {errors:?}"))
}

/// `field rule` of each.
fn told(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(|e| format!("{} {}", e.field, e.rule)).collect()
}

fn refused(given: Value) -> Vec<String> {
    told(&Schema::compile(&given).expect_err(&given.to_string()))
}

#[test]
fn plurals_and_slugs_follow_the_rule() {
    for (noun, plural_form, slug_form) in [
        ("Company", "Companies", "company"),
        ("Day", "Days", "day"),
        ("Box", "Boxes", "box"),
        ("Bus", "Buses", "bus"),
        ("Church", "Churches", "church"),
        ("Wish", "Wishes", "wish"),
        ("Quiz", "Quizes", "quiz"),
        ("BlogPost", "BlogPosts", "blog-post"),
        ("HTTPServer", "HTTPServers", "http-server"),
        ("Order2Line", "Order2Lines", "order2-line"),
        ("Y", "Ys", "y"),
    ] {
        assert_eq!((plural(noun).as_str(), slug(noun).as_str()), (plural_form, slug_form));
    }
    assert_eq!(slug(&plural("BlogPost")), "blog-posts");
}

#[test]
fn a_word_in_a_url_finds_the_noun_in_any_form_and_case() {
    let def = NounDef::bare("BlogPost");
    for word in ["BlogPost", "blogpost", "BLOGPOSTS", "blog-post", "Blog-Posts", "blogposts"] {
        assert!(matches(&def, word), "{word}");
    }
    for word in ["blog", "blog_post", "posts", ""] {
        assert!(!matches(&def, word), "{word}");
    }
    let def = NounDef { plural: "People".into(), ..NounDef::bare("Person") };
    assert!(matches(&def, "people") && !matches(&def, "persons"));
}

#[test]
fn nouns_have_their_shape() {
    for good in ["A", "Startup", "Order2", "HTTPServer", &format!("A{}", "a".repeat(63))] {
        assert!(is_noun(good), "{good}");
    }
    for bad in ["", "startup", "STARTUP", "Start-up", "Ärger", "2Go", &format!("A{}", "a".repeat(64))] {
        assert!(!is_noun(bad), "{bad}");
    }
}

#[test]
fn words_of_the_platform_are_taken_or_warned_of() {
    for noun in
        ["Workflow", "Workflows", "Health", "Healths", "Searches", "Webhook", "Actions", "Noun", "Branches", "Config"]
    {
        assert!(reserved(noun), "{noun}");
    }
    for noun in ["Account", "Startup", "Event", "Healthy", "Key"] {
        assert!(!reserved(noun), "{noun}");
    }
    for (noun, route) in
        [("Account", "accounts"), ("Accounts", "accounts"), ("Sql", "sql"), ("Event", "events"), ("Audit", "audit")]
    {
        let warning = shadowed(noun).expect(noun);
        assert!(warning.contains(&format!("/api/{route} ")) && warning.contains(&format!("/api/{noun}")), "{warning}");
    }
    assert_eq!((shadowed("Startup"), shadowed("Accountant")), (None, None));
}

#[test]
fn a_definition_reads_and_writes_in_camel_case() {
    let def: NounDef =
        serde_json::from_value(json!({"noun":"A","plural":"As","doClass":"Business","schema":{"x":"string"}}))
            .expect("it reads");
    assert_eq!(def.do_class.as_deref(), Some("Business"));
    assert_eq!(serde_json::to_value(NounDef::bare("A")).expect("it writes"), json!({"noun":"A","plural":"As"}));
}

#[test]
fn all_violations_of_a_short_schema_are_told_together() {
    let s = schema(json!({"email":"string","age":"number?"}));
    assert_eq!(told(&s.validate(&json!({"age":"x"}))), ["email required", "age type"]);
    assert_eq!(s.validate(&json!({"email":"e","more":1})), vec![]);
    assert_eq!(s.validate(&json!({"email":"e","age":null})), vec![]);
    assert_eq!(told(&s.validate(&json!({"email":null}))), ["email type"]);
    assert_eq!(told(&s.validate(&json!([]))), [" type"]);
    let message = &s.validate(&json!({"email":"e","age":"x"}))[0].message;
    assert_eq!(message, "must be a number, not \"x\"");
}

#[test]
fn each_scalar_list_and_relation_of_the_short_form_accepts_its_values() {
    let long = "y".repeat(100);
    for (kind, good, bad) in [
        ("string", vec![json!("")], vec![json!(1), json!(null), json!([])]),
        ("number", vec![json!(1), json!(-1.5)], vec![json!("1"), json!(true)]),
        ("boolean", vec![json!(false)], vec![json!(0), json!("true")]),
        (
            "date",
            vec![json!("2026-01-31"), json!("2026-01-31T12:00:00Z"), json!("2026-01-31T12:00:00.5+02:00")],
            vec![json!("2026-02-30"), json!("tomorrow"), json!(5), json!("2026-01-31T12:00:00"), json!(long)],
        ),
        ("json", vec![json!(null), json!({"a":[1]})], vec![]),
        ("string[]", vec![json!([]), json!(["a"])], vec![json!("a"), json!([1])]),
        ("number[]?", vec![json!([1]), json!(null)], vec![json!([null])]),
        ("number?[]", vec![json!([1]), json!(null)], vec![json!(["a"])]),
        (
            "->Person",
            vec![json!("ann"), json!("https://x.y/Person/ann"), json!({"$ref":"ann"})],
            vec![json!(""), json!(5), json!({})],
        ),
        ("Who pays? ~>Person[]", vec![json!(["ann"])], vec![json!("ann"), json!([""])]),
    ] {
        let s = schema(json!({ "f": kind }));
        for value in good {
            assert_eq!(s.validate(&json!({ "f": value })), vec![], "{kind} {value}");
        }
        for value in bad {
            assert_eq!(s.validate(&json!({ "f": value })).len(), 1, "{kind} {value}");
        }
    }
    assert_eq!(
        told(&schema(json!({"tags":["string"]})).validate(&json!({"tags":["a",1,2]}))),
        ["tags.1 type", "tags.2 type"]
    );
}

#[test]
fn relations_tell_direction_noun_and_prompt() {
    let s = schema(json!({"a":"->Person","b":"<-Order[]","c":"Who fits -> best? ~>Person?","d":"<~Note",
        "e":{"reference":"Site","required":true},"f":{"type":"string[]","reference":"Tag"}}));
    let seen: Vec<_> = s.relations().iter().map(|r| (r.field.as_str(), r.direction, r.noun.as_str(), r.list)).collect();
    assert_eq!(
        seen,
        [
            ("a", Direction::ForwardExact, "Person", false),
            ("b", Direction::BackwardExact, "Order", true),
            ("c", Direction::ForwardFuzzy, "Person", false),
            ("d", Direction::BackwardFuzzy, "Note", false),
            ("e", Direction::ForwardExact, "Site", false),
            ("f", Direction::ForwardExact, "Tag", true),
        ]
    );
    assert_eq!(s.relations()[2].prompt.as_deref(), Some("Who fits -> best?"));
    assert_eq!(told(&s.validate(&json!({}))), ["a required", "e required"], "nobody writes a backward relation");
    let data = json!({"a":"ann","f":["x",{"$ref":"y"}],"e":"s"});
    assert_eq!(s.relations()[0].targets(&data), ["ann"]);
    assert_eq!(s.relations()[5].targets(&data), ["x", "y"]);
    assert!(s.relations()[1].targets(&data).is_empty());
}

#[test]
fn the_long_form_bounds_and_marks_its_fields() {
    let s = schema(json!({
        "email":{"type":"string","required":true,"unique":true,"pattern":"^[^@]+@[^@]+$","searchable":true},
        "age":{"type":"number","min":0,"max":150},
        "code":{"type":"string","min":2,"max":3},
        "tags":{"type":"string[]","max":2,"enum":["a","b"]},
        "plan":{"type":"string","enum":["free","paid"],"default":"free","indexed":true},
        "pin":{"type":"string","secret":true},
        "a.b":{"type":"json","secret":true,"default":{"x":1}},
    }));
    assert_eq!(s.validate(&json!({"email":"a@b","age":150,"code":"äöü","tags":["a","a"],"plan":"paid"})), vec![]);
    assert_eq!(
        told(&s.validate(&json!({"email":"ab","age":-1,"code":"x","tags":["a","b","c"],"plan":"x"}))),
        ["email pattern", "age min", "code min", "tags max", "tags.2 enum", "plan enum"]
    );
    assert_eq!(
        told(&s.validate(&json!({"email":"a@b","age":serde_json::from_str::<Value>("1e999").expect("JSON")}))),
        ["age max"]
    );
    assert_eq!(s.unique_fields(), ["email"]);
    assert_eq!(s.secret_fields(), ["pin", "a~1b"]);
    assert_eq!(s.searchable_fields(), Some(&["email".to_owned()][..]));
    let mut data = json!({"email":"e"});
    s.fill_defaults(&mut data);
    assert_eq!(data, json!({"email":"e","plan":"free","a.b":{"x":1}}));
    assert_eq!(crate::flat::without_secrets(&data, s.secret_fields()), json!({"email":"e","plan":"free"}));
    assert_eq!(schema(json!({"a":"string"})).searchable_fields(), None);
}

#[test]
fn a_closed_schema_accepts_no_other_fields_in_either_notation() {
    for given in [
        json!({"a":"number?","additionalProperties":false}),
        json!({"properties":{"a":{"type":"number"}},"additionalProperties":false}),
    ] {
        let s = schema(given);
        assert_eq!(
            told(&s.validate(&json!({"a":1,"b":1,"c.d":1}))),
            ["b additionalProperties", "c~1d additionalProperties"]
        );
        assert_eq!(s.validate(&json!({"a":1})), vec![]);
    }
}

#[test]
fn a_schema_may_speak_of_the_columns() {
    for given in [
        json!({"name":"string","id":{"type":"string","pattern":"^[a-z]+$"}}),
        json!({"properties":{"name":{"type":"string"},"id":{"pattern":"^[a-z]+$"}},"required":["name"]}),
    ] {
        let s = schema(given);
        let columns = Columns { id: Some("acme"), name: Some("Acme") };
        assert_eq!(s.validate_with(columns, &json!({})), vec![]);
        let mut found = told(&s.validate_with(Columns { id: Some("A1"), name: None }, &json!({})));
        found.sort();
        assert_eq!(found, ["id pattern", "name required"]);
    }
}

#[test]
fn what_is_no_schema_is_refused_by_field() {
    assert_eq!(
        refused(
            json!({"a":"strin","b":5,"c":{"type":"string","minimum":1},"d":{"min":1},"e":"->person","f":["string","number"]})
        ),
        ["schema.a type", "schema.b type", "schema.c unknown", "schema.d type", "schema.e reference", "schema.f type"]
    );
    assert_eq!(
        refused(
            json!({"a":{"type":"boolean","min":1},"b":{"type":"number","pattern":"x"},"c":{"type":"string","pattern":"("},
            "d":{"type":"string","enum":[]},"e":{"type":"string[]","unique":true},"f":{"type":"number","default":"x"},
            "name":{"type":"string","secret":true},"g":{"type":"string","required":"yes"},"h":{"type":"number","reference":"A"}})
        ),
        [
            "schema.a min",
            "schema.b pattern",
            "schema.c pattern",
            "schema.d enum",
            "schema.e unique",
            "schema.f default",
            "schema.name secret",
            "schema.g required",
            "schema.h reference"
        ]
    );
    assert_eq!(refused(json!("string")), ["schema type"]);
    assert_eq!(refused(json!({"$defs":{},"type":"objekt"})), ["schema.type schema"]);
    assert_eq!(refused(json!({"$schema":"http://json-schema.org/draft-07/schema#"})), ["schema $schema"]);
    let long = Value::Object((0..5000).map(|n| (format!("field{n}"), json!("string?"))).collect::<Map<_, _>>());
    assert_eq!(refused(long), ["schema size"]);
}

#[test]
fn fields_may_be_called_like_words_of_json_schema() {
    let s = schema(json!({"type":"string","properties":"json","required":"boolean?","items":"string[]?"}));
    assert_eq!(told(&s.validate(&json!({"type":1}))), ["type type", "properties required"]);
}

#[test]
fn a_json_schema_validates_and_carries_the_marks() {
    let s = schema(json!({
        "$schema":"https://json-schema.org/draft/2020-12/schema", "type":"object", "required":["email","address"],
        "properties":{
            "email":{"type":"string","format":"email","unique":true},
            "age":{"type":["integer","null"],"minimum":0},
            "address":{"$ref":"#/$defs/address"},
            "owner":{"type":"string","reference":"Person"},
            "team":{"type":"array","items":{"type":"string","reference":"Person"}},
            "plan":{"default":"free","enum":["free","paid"]},
            "card":{"type":"object","properties":{"number":{"type":"string","secret":true}}},
            "keys":{"type":"array","items":{"properties":{"key":{"secret":true},"secret":true}}},
        },
        "$defs":{"address":{"type":"object","required":["city"],"properties":{"city":{"type":"string"}}}},
    }));
    assert_eq!(
        told(&s.validate(&json!({"email":"no","age":-1,"address":{"city":5},"plan":"x"}))),
        ["email format", "age minimum", "address.city type", "plan enum"]
    );
    assert_eq!(
        told(&s.validate(&json!({"age":"x","address":{}}))),
        ["email required", "age type", "address.city required"]
    );
    assert_eq!(s.unique_fields(), ["email"]);
    assert_eq!(s.secret_fields(), ["card.number", "keys.key"]);
    let seen: Vec<_> = s.relations().iter().map(|r| (r.field.as_str(), r.noun.as_str(), r.list)).collect();
    assert_eq!(seen, [("owner", "Person", false), ("team", "Person", true)]);
    let mut data = json!({"keys":[{"key":"k","secret":1}]});
    s.fill_defaults(&mut data);
    assert_eq!(crate::flat::without_secrets(&data, s.secret_fields()), json!({"keys":[{"secret":1}],"plan":"free"}));
}

#[test]
fn messages_repeat_no_value_that_is_long_or_may_be_secret() {
    let s = schema(
        json!({"properties":{"pin":{"type":"string","maxLength":3,"secret":true},"n":{"enum":["a".repeat(5000)]}}}),
    );
    let found = s.validate(&json!({"pin":"hunter2","n":"hunter2"}));
    assert_eq!(told(&found), ["pin maxLength", "n enum"]);
    assert!(found.iter().all(|e| !e.message.contains("hunter2") && e.message.len() <= 300), "{found:?}");
}

#[test]
fn a_mark_that_would_have_no_effect_is_refused() {
    assert_eq!(
        refused(json!({"properties":{"a":{"$ref":"#/$defs/s"}},"$defs":{"s":{"properties":{"x":{"secret":true}}}}})),
        ["schema mark"]
    );
    assert_eq!(refused(json!({"allOf":[{"properties":{"x":{"secret":true}}}]})), ["schema mark"]);
    assert_eq!(refused(json!({"properties":{"a":{"properties":{"x":{"unique":true}}}}})), ["schema mark"]);
}

#[test]
fn a_schema_whose_check_might_not_end_is_refused() {
    let doubling: Map<_, _> = (0..40)
        .map(|n| {
            (
                format!("d{n}"),
                json!({"allOf":[{"$ref":format!("#/$defs/d{}", n + 1)},{"$ref":format!("#/$defs/d{}", n + 1)}]}),
            )
        })
        .chain([("d40".to_owned(), json!({}))])
        .collect();
    let chain: Map<_, _> = (0..40)
        .map(|n| (format!("d{n}"), json!({"properties":{"x":{"allOf":[{"$ref":format!("#/$defs/d{n}")},{"$ref":format!("#/$defs/d{}", n + 1)}]}}})))
        .chain([("d40".to_owned(), json!({}))])
        .collect();
    for given in [
        json!({"$ref":"#"}),
        json!({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}}}),
        json!({"$ref":"#/$defs/d0","$defs":doubling}),
        json!({"$ref":"#/$defs/d0","$defs":chain}),
        json!({"properties":{"x":{"allOf":[{"$ref":"#"},{"$ref":"#"}]}}}),
        json!({"properties":{"x":{"$ref":"#","properties":{"x":{"$ref":"#"}}}}}),
        json!({"properties":{"x":{"$ref":"#"}},"patternProperties":{"^x":{"$ref":"#"}}}),
        json!({"$ref":"https://example.com/s.json"}),
        json!({"$ref":"file:///etc/passwd"}),
        json!({"$ref":"#/$defs/none"}),
        json!({"$dynamicRef":"#a"}),
    ] {
        assert_eq!(refused(given), ["schema $ref"]);
    }
    let tree = schema(
        json!({"type":"object","properties":{"left":{"$ref":"#"},"right":{"$ref":"#"},"kids":{"type":"array","items":{"$ref":"#"}}}}),
    );
    assert_eq!(told(&tree.validate(&json!({"left":{"kids":[{"right":5}]}}))), ["left.kids.0.right type"]);
    assert_eq!(tree.validate(&nested(63, "left", json!({}))), vec![]);
}

#[test]
fn patterns_are_few_and_small_in_either_notation() {
    let fields =
        |n: usize| (0..n).map(|n| (format!("f{n}"), json!({"type":"string","pattern":"^a"}))).collect::<Map<_, _>>();
    assert_eq!(refused(Value::Object(fields(json::PATTERNS_MAX + 1))), ["schema pattern"]);
    assert_eq!(refused(json!({ "properties": fields(json::PATTERNS_MAX + 1) })), ["schema pattern"]);
    schema(Value::Object(fields(json::PATTERNS_MAX)));
    schema(json!({ "properties": fields(json::PATTERNS_MAX) }));
    let email = r"^[\w.+-]+@[\w-]+\.[\w.]+$";
    schema(json!({"e":{"type":"string","pattern":email}}));
    assert_eq!(refused(json!({"e":{"type":"string","pattern":r"\p{L}{1000}"}})), ["schema.e pattern"]);
    assert_eq!(refused(json!({"e":{"type":"string","pattern":"(?=a)b"}})), ["schema.e pattern"]);
    assert_eq!(
        Schema::compile(&json!({"properties":{"e":{"pattern":r"\p{L}{1000}"}}})).map(drop).map_err(|e| e.len()),
        Err(1)
    );
}

#[test]
fn a_default_that_its_own_json_schema_refuses_is_refused() {
    assert_eq!(
        refused(
            json!({"required":["x"],"properties":{"a":{"type":"string","default":5},"b":{"type":"number","default":5}}})
        ),
        ["schema.a default"]
    );
}

#[test]
fn a_schema_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&schema(json!({"a":{"type":"string","pattern":"x"}})));
}

#[test]
fn hostile_data_is_answered_with_a_bounded_list() {
    let wide = Value::Array((0..100_000).map(|_| json!(1)).collect());
    for given in [json!({"l":"string[]"}), json!({"properties":{"l":{"items":{"type":"string"}}}})] {
        assert_eq!(schema(given).validate(&json!({ "l": wide })).len(), VIOLATIONS_MAX);
    }
    let branches: Vec<_> = (0..300).map(|_| json!({"properties":{"l":{"items":{"type":"string"}}}})).collect();
    let found = schema(json!({ "anyOf": branches })).validate(&json!({ "l": wide }));
    assert_eq!(told(&found), [" schema"]);
    assert_eq!(told(&schema(json!({"anyOf":branches})).validate(&json!({"l":[1]}))), [" anyOf"]);
    let keys = Value::Object((0..50_000).map(|n| (n.to_string(), json!(1))).collect::<Map<_, _>>());
    for given in [json!({"additionalProperties":false}), json!({"type":"object","additionalProperties":false})] {
        let found = schema(given).validate(&keys);
        assert_eq!(found.len(), VIOLATIONS_MAX, "{:?}", found.first());
    }
    let number: Value = serde_json::from_str(&format!("{{\"n\":1e{}}}", "9".repeat(400))).expect("JSON");
    let s = schema(json!({"properties":{"n":{"type":"integer","maximum":5,"multipleOf":2}}}));
    assert!(s.validate(&number).len() <= 3);
}

#[test]
fn words_of_routes_mean_no_noun_as_they_are_spelt() {
    for route in ["accounts", "events", "search", "searches", "webhook", "workflows", "functions", "merge"] {
        assert!(super::is_route(route), "{route}");
    }
    for noun in ["Account", "Accounts", "account", "startups", "Search", ""] {
        assert!(!super::is_route(noun), "{noun}");
    }
}
