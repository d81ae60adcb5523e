//! A deployment as JSON, what is wrong with one, and what one changes.

use super::*;
use crate::{Class, Retry};
use serde_json::{Value, json};

fn deployment(json: Value) -> Deployment {
    // By way of text, as it comes from outside.
    serde_json::from_str(&json.to_string()).unwrap_or_else(|e| panic!("{e} in {json}"))
}

fn problems(json: Value) -> Vec<String> {
    deployment(json).check().iter().map(ToString::to_string).collect()
}

fn steps(steps: Value) -> Value {
    json!({"workflows": [{"name": "w", "run": {"steps": steps}}]})
}

fn sleep(name: &str) -> Value {
    json!({"sleep": {"name": name, "forMs": 1}})
}

#[test]
fn what_is_not_said_has_its_default_and_what_is_said_comes_back() {
    let given = json!({
        "name": "shop",
        "functions": [
            {"name": "calc", "run": {"component": {"version": 3, "hash": "07".repeat(32)}}},
            {"name": "old", "run": "deployed"},
            {"name": "total", "run": {"handler": "shop#total"}, "retry": {"maxAttempts": 2}, "permission": "orders.read"},
        ],
        "subscriptions": [{"event": "A.b", "handler": "f"}],
        "schedules": [{"schedule": "hourly", "handler": "calc.add"}],
        "workflows": [
            {"name": "w", "trigger": "manual", "run": {"handler": "shop#w"}},
            {"name": "v", "trigger": {"schedule": {"schedule": "hourly"}}, "run": {"steps": [
                {"waitForEvent": {"name": "a", "event": "A.b"}},
                {"approval": {"name": "b", "prompt": "?"}},
                {"do": {"name": "c", "action": "f", "input": {"n": 12345678901234567890_u64}}},
            ]}},
        ],
        "requiredSecrets": ["KEY"],
    });
    let read = deployment(given.clone());
    assert_eq!(read.check(), []);
    assert_eq!((read.subscriptions[0].max_retries, read.subscriptions[0].priority), (3, 0));
    assert_eq!((read.schedules[0].catch_up, read.schedules[0].overlap), (CatchUp::One, Overlap::Skip));
    let Retry { max_attempts, initial_delay_ms, max_delay_ms, multiplier, jitter } =
        read.functions[2].retry.clone().unwrap().into();
    assert_eq!((max_attempts, initial_delay_ms, max_delay_ms, multiplier, jitter), (2, 100, 30_000, 2.0, true));
    let WorkflowBody::Steps(steps) = &read.workflows[1].run else { panic!() };
    assert!(matches!(&steps[0], Step::WaitForEvent { timeout_ms: Step::WAIT_MS, default: None, .. }));
    assert!(matches!(&steps[1], Step::Approval { on_timeout: OnTimeout::Fail, .. }));

    let told = serde_json::to_value(&read).unwrap();
    assert_eq!(told["functions"][0], given["functions"][0]);
    assert_eq!(told["subscriptions"][0], json!({"event": "A.b", "handler": "f", "maxRetries": 3}));
    assert_eq!(told["workflows"][1]["run"]["steps"][2], given["workflows"][1]["run"]["steps"][2]);
    assert_eq!(deployment(told.clone()), read);
    // A value that was built is read the same as text.
    assert_eq!(serde_json::from_value::<Deployment>(told).unwrap(), read);
}

#[test]
fn a_member_that_is_not_known_is_refused() {
    for json in [
        json!({"function": []}),
        json!({"subscriptions": [{"event": "A.b", "handler": "f", "max_retries": 3}]}),
        steps(json!([{"do": {"name": "a", "action": "f", "inputs": 1}}])),
        steps(json!([{"does": {"name": "a"}}])),
        json!({"functions": [{"name": "a", "run": {"component": {"version": 1, "hash": "ab"}}}]}),
        json!({"functions": [{"name": "a", "run": "deployed", "permission": "x"}]}),
    ] {
        assert!(serde_json::from_str::<Deployment>(&json.to_string()).is_err(), "{json}");
    }
}

#[test]
fn a_handler_is_a_function_an_export_or_a_handler_of_an_app() {
    for text in ["pay", "calc.add", "calc.ops.add", "shop#onCustomer", "shop#Customer.created", "shop#every:*"] {
        assert_eq!(text.parse::<Handler>().unwrap().to_string(), text);
    }
    let long = format!("a#{}", "x".repeat(129));
    for text in
        ["", "Pay", "pay@v1", "pay@main", "calc.", "#x", "shop#", "shop#a b", "shop#a#b", "shop#ä", "a.b#c", &long]
    {
        assert!(text.parse::<Handler>().is_err(), "{text}");
    }
}

#[test]
fn an_event_has_a_noun_and_a_verb() {
    for text in
        ["Customer.created", "*.created", "Order.*", "*.*", "github.issues.opened", "stripe.payment_intent.succeeded"]
    {
        assert_eq!(check_event(text), Ok(()), "{text}");
    }
    for text in ["", "Customer", ".created", "Customer.", "A..b", "A.b.", "A b.c", "A.*.c", "*", "1.b", "Ä.b"] {
        assert!(check_event(text).is_err(), "{text}");
    }
}

#[test]
fn a_workflow_has_limits_in_steps_and_depth() {
    let many = |n: usize| steps((0..n).map(|n| sleep(&format!("s{n}"))).collect());
    assert_eq!(problems(many(1024)), [""; 0]);
    assert_eq!(problems(many(1025)), ["workflows[0].run.steps: the workflow has 1025 steps; at most 1024 are allowed"]);
    let nested = |levels: usize| {
        (1..levels).fold(
            json!([sleep("s0")]),
            |then, n| json!([{"branch": {"name": format!("b{n}"), "when": "true", "then": then}}]),
        )
    };
    assert_eq!(problems(steps(nested(16))), [""; 0]);
    let told = problems(steps(nested(17)));
    assert!(told.len() == 1 && told[0].ends_with("steps are nested deeper than 16 levels"), "{told:?}");
}

#[test]
fn a_template_speaks_of_steps_that_are_over() {
    let call = |name: &str, input: &str| json!({"do": {"name": name, "action": "f", "input": input}});
    let sound = json!([
        call("a", "{{input.x}} {{secret:KEY}}"),
        {"parallel": {"name": "p", "branches": [[call("b", "{{steps.a.output}}")], [sleep("c")]]}},
        {"branch": {"name": "i", "when": "true", "then": [call("d", "{{steps.b.output.x}}")], "else": [sleep("e")]}},
        call("g", "{{steps.d.output}}"),
        {"do": {"name": "h", "action": "f", "compensate": {"action": "f", "input": "{{steps.h.output}}"}}},
    ]);
    assert_eq!(problems(steps(sound)), [""; 0]);
    for (json, told) in [
        (json!([call("a", "{{steps.a.output}}")]), "no step called \"a\" is over when this one begins"),
        (
            json!([{"parallel": {"name": "p", "branches": [[sleep("a")], [call("b", "{{steps.a.output}}")]]}}]),
            "no step called \"a\" is over when this one begins",
        ),
        (json!([sleep("a"), call("b", "{{steps.a}}")]), "a step has an output: steps.a.output"),
        (json!([call("a", "{{event.x}}")]), "a path begins with input or steps.NAME.output"),
        (json!([call("a", "{{input")]), "opens a template that is not closed"),
    ] {
        let found = problems(steps(json));
        assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
    }
}

#[test]
fn lists_and_problems_have_their_limits() {
    let many: Vec<_> = (0..1025).map(|n| json!({"event": "A.b", "handler": "f", "name": format!("s{n}")})).collect();
    assert_eq!(
        problems(json!({"subscriptions": many})),
        ["subscriptions: there are 1025; at most 1024 can be deployed"]
    );
    let wrong: Vec<_> = (0..500).map(|n| json!({"event": "A", "handler": "f", "name": format!("s{n}")})).collect();
    assert_eq!(problems(json!({"subscriptions": wrong})).len(), 100);
    let retry = json!({"maxAttempts": 0, "multiplier": 0.5, "maxDelayMs": 86_400_001});
    let json = steps(json!([{"do": {"name": "a", "action": "f", "retry": retry}}]));
    assert_eq!(
        problems(json),
        [
            "workflows[0].run.steps[0].do.retry.maxAttempts: it is from 1 to 100",
            "workflows[0].run.steps[0].do.retry.multiplier: it is from 1 to 100",
            "workflows[0].run.steps[0].do.retry.maxDelayMs: it is at most a day",
        ]
    );
    for (vars, told) in [
        (json!({"A": "x".repeat(5121)}), "vars.A: a value has at most 5 KiB"),
        (json!({"A-B": ""}), "vars.A-B: \"A-B\" is no variable: write letters, digits and _"),
    ] {
        assert_eq!(problems(json!({"vars": vars})), [told]);
    }
    let long = json!({"subscriptions": [{"event": "A.b", "handler": "f", "filter": "x".repeat(4097)}]});
    assert_eq!(problems(long), ["subscriptions[0].filter: an expression has at most 4 KiB"]);
    let long = json!({"schedules": [{"schedule": "x".repeat(513), "handler": "f", "timezone": "a b"}]});
    assert_eq!(problems(long).len(), 2);
}

#[test]
fn classes_come_from_migrations() {
    let migrations = |list: Value| json!({"migrations": list, "objects": [{"binding": "B", "class": "Cart"}]});
    let sound = migrations(json!([
        {"tag": "1", "newClasses": ["Basket", "Old"]},
        {"tag": "2", "renamed": [{"from": "Basket", "to": "Cart"}], "deleted": ["Old"]},
    ]));
    assert_eq!(problems(sound), [""; 0]);
    for (list, told) in [
        (json!([{"tag": "1", "newClasses": ["Cart"]}, {"tag": "1"}]), "migrations[1].tag: \"1\" stands twice"),
        (json!([{"tag": "1", "newClasses": ["Cart", "Cart"]}]), "the class \"Cart\" is there already"),
        (json!([{"tag": "1", "newClasses": ["Cart", "App"]}]), "\"App\" is built in"),
        (json!([{"tag": "1", "renamed": [{"from": "X", "to": "Cart"}]}]), "there is no class \"X\" to rename"),
        (json!([{"tag": "1", "newClasses": ["Other"]}]), "no migration makes the class \"Cart\""),
        (json!([{"tag": " ", "newClasses": ["Cart"]}]), "a migration has a tag"),
    ] {
        let found = problems(migrations(list));
        assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
    }
    let states = json!({
        "objects": [{"binding": "A", "class": "Cart", "extends": "Nothing"}, {"binding": "B", "class": "App"}],
        "classes": [{"class": "Cart", "state": "renamed"}, {"class": "Gone", "state": "deleted"}],
    });
    let found = problems(states);
    assert!(
        found.len() == 2 && found[0].contains("says from what") && found[1].contains("no class to extend"),
        "{found:?}"
    );
}

#[test]
fn a_class_of_ones_own_extends_one_built_in_class() {
    let objects =
        |list: Value| problems(json!({"objects": list, "migrations": [{"tag": "1", "newClasses": ["Cart"]}]}));
    let cart = |binding: &str, base: &str| json!({"binding": binding, "class": "Cart", "extends": base});
    assert_eq!(objects(json!([cart("A", "Workflow"), cart("B", "Workflow")])), [""; 0]);
    for (list, told) in [
        (json!([cart("A", "Cart")]), "\"Cart\" is no class to extend; there are DO, "),
        (json!([cart("A", "App"), {"binding": "B", "class": "Cart"}]), "objects[1].extends: \"Cart\" extends another"),
        (json!([{"binding": "B", "class": "App", "extends": "DO"}]), "\"App\" is built in"),
    ] {
        let found = objects(list);
        assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
    }
}

#[test]
fn an_applied_migration_stays_as_it_is() {
    let list = |tags: &[(&str, &str)]| -> Vec<Migration> {
        tags.iter()
            .map(|(tag, class)| Migration {
                tag: (*tag).into(),
                new_classes: vec![(*class).into()],
                ..Migration::default()
            })
            .collect()
    };
    let applied = list(&[("1", "A"), ("2", "B")]);
    let wanted = list(&[("1", "A"), ("2", "B"), ("3", "C")]);
    assert_eq!(pending(&applied, &wanted).unwrap(), &wanted[2..]);
    assert_eq!(pending(&applied, &applied).unwrap(), []);
    assert_eq!(pending(&[], &wanted).unwrap().len(), 3);
    for (wanted, told) in [
        (
            list(&[("1", "A"), ("2", "X")]),
            "migrations[1]: migration \"2\" is applied and cannot be edited; add another one behind it",
        ),
        (
            list(&[("2", "B"), ("1", "A")]),
            "migrations[0]: migration \"1\" is applied and must stay in its place, which is 1",
        ),
        (list(&[("1", "A")]), "migrations[1]: migration \"2\" is applied and must stay in its place, which is 2"),
    ] {
        assert_eq!(pending(&applied, &wanted).unwrap_err().to_string(), told);
    }
}

#[test]
fn a_probe_holds_nobody_up_for_long() {
    for (timeout_ms, is_right) in [(0, false), (1, true), (300_000, true), (300_001, false)] {
        let asked = deployment(json!({ "probe": { "handler": "f", "timeoutMs": timeout_ms } }));
        let said = asked.check().iter().any(|problem| problem.path == "probe.timeoutMs");
        assert_eq!(said, !is_right, "{timeout_ms}");
    }
}

#[test]
fn a_plan_says_what_is_added_changed_removed_and_kept() {
    let before = deployment(json!({
        "subscriptions": [{"name": "a", "event": "A.b", "handler": "f"}, {"event": "C.d", "handler": "f"}],
        "schedules": [{"name": "d", "schedule": "hourly", "handler": "f"}],
        "vars": {"X": "1"},
        "requiredSecrets": ["K"],
    }));
    let after = deployment(json!({
        "functions": [{"name": "f", "run": "deployed"}],
        "subscriptions": [{"name": "a", "event": "A.b", "handler": "f"}],
        "schedules": [{"name": "d", "schedule": "daily", "handler": "f", "emit": true}],
        "vars": {"X": "2"},
        "requiredSecrets": ["K"],
    }));
    let plan = Plan::between(Some(&before), &after);
    assert_eq!(
        serde_json::to_value(&plan).unwrap(),
        json!({"changes": [
            {"kind": "function", "name": "f", "change": "add"},
            {"kind": "subscription", "name": "C.d:f", "change": "remove"},
            {"kind": "subscription", "name": "a", "change": "keep"},
            {"kind": "schedule", "name": "d", "change": "change", "from": {"schedule": "hourly"}, "to": {"schedule": "daily", "emit": true}},
            {"kind": "var", "name": "X", "change": "change", "from": "1", "to": "2"},
            {"kind": "secret", "name": "K", "change": "keep"},
        ], "warnings": []})
    );
    assert!(!plan.is_empty());
    assert!(Plan::between(Some(&after), &after).is_empty());
    assert!(Plan::between(None, &before).changes.iter().all(|c| c.change == ChangeKind::Add));
}

fn described(answer: Value) -> Result<Described, String> {
    let app = FunctionName::parse("shop").unwrap();
    Described::parse(&app, &Json::from_value(&answer)).map_err(|e| e.to_string())
}

#[test]
fn what_a_component_says_of_itself_is_added_and_the_manifest_wins() {
    let described = described(json!({
        "abi": 1,
        "on": [{"event": "A.b", "handler": "onB", "name": "x"}, {"event": "C.d", "handler": "other#e", "maxRetries": 0}],
        "every": [{"schedule": "hourly", "handler": "tick"}],
        "functions": [{"name": "total", "input": {"type": "object"}}],
        "workflows": [{"name": "w"}, {"name": "v", "steps": [{"sleep": {"name": "s", "forMs": 5}}]}],
        "nouns": [{"noun": "Order", "schema": {"type": "object"}}],
        "verbs": [{"action": "ship"}],
        "classes": [{"class": "Cart", "extends": "Collection"}, {"class": "Shop", "extends": "App"}],
        "tools": [{}],
    }))
    .unwrap();
    assert_eq!(described.unserved, ["tools"]);
    let mut whole = deployment(json!({
        "subscriptions": [{"name": "x", "event": "A.b", "handler": "f", "priority": 9}],
        "objects": [{"binding": "CARTS", "class": "Cart"}],
        "migrations": [{"tag": "1", "newClasses": ["Cart", "Shop"]}],
    }));
    whole.merge(described);
    assert_eq!(whole.check(), []);
    let handlers: Vec<_> = whole.subscriptions.iter().map(|s| (s.handler.to_string(), s.priority)).collect();
    assert_eq!(handlers, [("f".to_owned(), 9), ("other#e".to_owned(), 0)]);
    assert_eq!(whole.schedules[0].handler.to_string(), "shop#tick");
    assert_eq!(serde_json::to_value(&whole.functions[0].run).unwrap(), json!({"handler": "shop#total"}));
    assert_eq!(serde_json::to_value(&whole.workflows[0].run).unwrap(), json!({"handler": "shop#w"}));
    assert_eq!((whole.nouns.len(), whole.verbs.len()), (1, 1));
    let classes: Vec<_> = whole.objects.iter().map(|o| (o.binding.as_str(), o.class.as_str(), o.base())).collect();
    assert_eq!(classes, [("CARTS", "Cart", Class::Collection), ("Shop", "Shop", Class::App)]);
}

#[test]
fn what_a_component_says_wrongly_of_itself_is_named() {
    for (answer, told) in [
        (json!({"abi": 2}), "describe: abi: 2 is not known; this host reads 1"),
        (json!({"abi": 1, "on": [{"event": "A.b"}]}), "describe: on[0]: missing field `handler`"),
        (
            json!({"abi": 1, "on": [{"event": "A.b", "handler": "x", "prio": 1}]}),
            "describe: on[0]: unknown field `prio`",
        ),
        (
            json!({"abi": 1, "every": [{"schedule": "hourly", "handler": "x"}, {"schedule": "hourly", "handler": "x"}]}),
            "describe: every[1]: \"shop#x:hourly\" stands twice",
        ),
        (json!({"abi": 1, "workflows": [{"name": "w", "handler": "a", "steps": []}]}), "it is one or the other"),
        (json!({}), "missing field `abi`"),
    ] {
        let error = described(answer).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}
