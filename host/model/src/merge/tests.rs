//! The table of VER-10, its properties, and who decides a conflict.

use super::Strategy;
use super::*;
use crate::testing::{content, nested};
use proptest::prelude::*;
use serde_json::json;

/// `null` is a thing that is not there; a key `@` gives its name.
fn thing(value: Value) -> Option<Content> {
    let Value::Object(mut map) = value else { return None };
    let name = map.remove("@").and_then(|n| n.as_str().map(str::to_owned));
    Some(Content { name, data: Value::Object(map) })
}

fn run(base: Value, ours: Value, theirs: Value, decide: &Decide) -> Outcome {
    three_way(thing(base).as_ref(), thing(ours).as_ref(), thing(theirs).as_ref(), decide)
}

fn take(value: Value) -> Outcome {
    Outcome::Take(thing(value))
}

fn strategy(side: Strategy) -> Decide {
    Decide { strategy: Some(side), resolution: None }
}

fn resolve(value: Value) -> Decide {
    Decide { strategy: None, resolution: Some(Resolution::read(&value, "r").expect("a resolution")) }
}

fn paths(outcome: &Outcome) -> Vec<(String, ConflictKind)> {
    match outcome {
        Outcome::Conflicts(found) => found.iter().map(|c| (c.path.clone(), c.kind)).collect(),
        Outcome::Keep | Outcome::Take(_) => panic!("no conflict: {outcome:?}"),
    }
}

#[test]
fn each_case_of_the_table_has_its_outcome() {
    let keep = Outcome::Keep;
    for (base, ours, theirs, expected) in [
        (json!({"a":1}), json!({"a":2}), json!({"a":1}), keep.clone()),
        (json!({"a":1}), Value::Null, json!({"a":1}), keep.clone()),
        (json!({"a":1}), json!({"a":1}), json!({"a":2}), take(json!({"a":2}))),
        (json!({"a":1}), json!({"a":1}), Value::Null, Outcome::Take(None)),
        (Value::Null, Value::Null, json!({"a":1}), take(json!({"a":1}))),
        (Value::Null, json!({"a":1}), Value::Null, keep.clone()),
        (json!({"a":1}), json!({"a":2}), json!({"a":2}), keep.clone()),
        (json!({"a":1}), Value::Null, Value::Null, keep.clone()),
        (Value::Null, Value::Null, Value::Null, keep.clone()),
        (json!({"a":1,"b":1}), json!({"a":2,"b":1}), json!({"a":1,"b":2}), take(json!({"a":2,"b":2}))),
        (
            json!({"p":{"q":1,"r":1}}),
            json!({"p":{"q":2,"r":1}}),
            json!({"p":{"q":1,"r":2}}),
            take(json!({"p":{"q":2,"r":2}})),
        ),
        (json!({"a":1,"b":1}), json!({"a":1}), json!({"b":1}), take(json!({}))),
        (json!({"@":"n","a":1}), json!({"@":"m","a":1}), json!({"@":"n","a":2}), take(json!({"@":"m","a":2}))),
        (json!({"@":"n"}), json!({"@":"n","a":1}), json!({}), take(json!({"a":1}))),
        (Value::Null, json!({"a":1}), json!({"a":1}), keep.clone()),
        (
            Value::Null,
            json!({"a":1,"o":{"x":1}}),
            json!({"b":1,"o":{"y":1}}),
            take(json!({"a":1,"b":1,"o":{"x":1,"y":1}})),
        ),
        (json!({"l":[1]}), json!({"l":[1]}), json!({"l":[1,2]}), take(json!({"l":[1,2]}))),
        (json!({}), json!({"a":{"x":1,"y":2}}), json!({"a":{"y":2,"x":1}}), keep),
    ] {
        let found = run(base.clone(), ours.clone(), theirs.clone(), &Decide::default());
        assert_eq!(found, expected, "{base} {ours} {theirs}");
    }
}

#[test]
fn what_both_changed_differently_is_a_conflict_that_shows_all_three() {
    let outcome = run(json!({"a":1}), json!({"a":2}), json!({"a":3}), &Decide::default());
    let expected = Conflict {
        path: "a".into(),
        kind: ConflictKind::Field,
        base: Some(json!(1)),
        ours: Some(json!(2)),
        theirs: Some(json!(3)),
    };
    assert_eq!(outcome, Outcome::Conflicts(vec![expected.clone()]));
    assert_eq!(
        serde_json::to_value(&expected).expect("it serialises"),
        json!({"path":"a","kind":"field","base":1,"ours":2,"theirs":3})
    );
    let field = |path: &str| vec![(path.to_owned(), ConflictKind::Field)];
    for (base, ours, theirs, path) in [
        (json!({"l":[1]}), json!({"l":[1,2]}), json!({"l":[1,3]}), "l"),
        (json!({"p":{"q":1}}), json!({"p":{"q":2}}), json!({"p":5}), "p"),
        (json!({"p":1}), json!({"p":{"q":2}}), json!({"p":{"r":2}}), "p"),
        (json!({"p":{"q.r":1}}), json!({"p":{"q.r":2}}), json!({"p":{}}), "p.q~1r"),
        (json!({"@":"n"}), json!({"@":"m"}), json!({"@":"o"}), "name"),
        (json!({"name":"n"}), json!({"name":"m"}), json!({"name":"o"}), "~2name"),
        (Value::Null, json!({"a":1}), json!({"a":2}), "a"),
        (json!({"n":1}), json!({"n":2}), serde_json::from_str("{\"n\":2.0}").expect("JSON"), "n"),
    ] {
        assert_eq!(paths(&run(base, ours, theirs, &Decide::default())), field(path));
    }
}

#[test]
fn deleting_what_the_other_side_changed_is_a_conflict_of_the_whole_thing() {
    let (base, changed) = (json!({"a":1}), json!({"@":"n","a":2}));
    let whole = vec![(String::new(), ConflictKind::DeleteModify)];
    assert_eq!(paths(&run(base.clone(), changed.clone(), Value::Null, &Decide::default())), whole);
    let outcome = run(base.clone(), Value::Null, changed.clone(), &Decide::default());
    let Outcome::Conflicts(found) = &outcome else { panic!("{outcome:?}") };
    assert_eq!(
        serde_json::to_value(found).expect("it serialises"),
        json!([{"path":"","kind":"delete/modify","base":{"name":null,"data":{"a":1}},"theirs":{"name":"n","data":{"a":2}}}])
    );
    for (decide, deleted_by_us, deleted_by_them) in [
        (strategy(Strategy::Ours), Outcome::Keep, Outcome::Keep),
        (strategy(Strategy::Theirs), take(changed.clone()), Outcome::Take(None)),
        (resolve(json!("ours")), Outcome::Keep, Outcome::Keep),
        (resolve(json!("theirs")), take(changed.clone()), Outcome::Take(None)),
        (resolve(json!("delete")), Outcome::Keep, Outcome::Take(None)),
    ] {
        assert_eq!(run(base.clone(), Value::Null, changed.clone(), &decide), deleted_by_us, "{decide:?}");
        assert_eq!(run(base.clone(), changed.clone(), Value::Null, &decide), deleted_by_them, "{decide:?}");
    }
    assert_eq!(paths(&run(base, changed, Value::Null, &resolve(json!({"a": 1})))), whole);
}

#[test]
fn a_resolution_goes_before_the_strategy_and_decides_only_what_it_names() {
    let (base, ours, theirs) = (
        json!({"@":"n","a":1,"p":{"q":1},"c":1}),
        json!({"@":"o","a":2,"p":{"q":2},"c":1}),
        json!({"@":"t","a":3,"p":{"q":3},"c":9}),
    );
    let with = |decide: &Decide| run(base.clone(), ours.clone(), theirs.clone(), decide);
    let left = paths(&with(&resolve(json!({"a": 7, "name": "z"}))));
    assert_eq!(left, vec![("p.q".to_owned(), ConflictKind::Field)]);
    assert_eq!(
        with(&resolve(json!({"a": 7, "name": null, "p.q": [1], "elsewhere": 1}))),
        take(json!({"a":7,"p":{"q":[1]},"c":9}))
    );
    let mut both = resolve(json!({"a": 7}));
    both.strategy = Some(Strategy::Theirs);
    assert_eq!(with(&both), take(json!({"@":"t","a":7,"p":{"q":3},"c":9})));
    assert_eq!(with(&strategy(Strategy::Ours)), take(json!({"@":"o","a":2,"p":{"q":2},"c":9})));
    assert_eq!(with(&resolve(json!("theirs"))), take(theirs.clone()));
    assert_eq!(with(&resolve(json!("delete"))), Outcome::Take(None));
    assert_eq!(
        run(json!({"a":1,"b":1}), json!({"a":2,"b":1}), json!({"a":1,"b":2}), &resolve(json!("delete"))),
        take(json!({"a":2,"b":2})),
        "a resolution decides conflicts only"
    );
    assert_eq!(run(json!({"a":1}), json!({"a":2}), json!({"a":3}), &resolve(json!({"a": 2}))), Outcome::Keep);
}

#[test]
fn a_resolution_that_cannot_be_is_refused() {
    for bad in [json!("both"), json!(1), json!(null), json!([]), json!({"a~": 1})] {
        assert!(Resolution::read(&bad, "resolutions").is_err(), "{bad}");
    }
    let name = run(json!({"@":"n"}), json!({"@":"o"}), json!({"@":"t"}), &resolve(json!({"name": 5})));
    assert_eq!(paths(&name), vec![("name".to_owned(), ConflictKind::Constraint)]);
    let deep = nested(types::Json::DEPTH_MAX, "k", json!(1));
    let too_deep = run(json!({"a":1}), json!({"a":2}), json!({"a":3}), &resolve(json!({ "a": deep })));
    assert_eq!(paths(&too_deep), vec![("a".to_owned(), ConflictKind::Constraint)]);
}

#[test]
fn many_conflicts_deep_down_stay_cheap() {
    let key = "k".repeat(types::Json::KEY_BYTES_MAX);
    let side = |n: u64| {
        let wide = (0..5000).map(|i| (i.to_string(), json!(n))).collect::<Map<_, _>>();
        Some(Content { name: None, data: nested(types::Json::DEPTH_MAX - 1, &key, Value::Object(wide)) })
    };
    let (base, ours, theirs) = (side(1), side(2), side(3));
    let outcome = three_way(base.as_ref(), ours.as_ref(), theirs.as_ref(), &Decide::default());
    assert_eq!(paths(&outcome).len(), CONFLICTS_MAX);
    let taken = three_way(base.as_ref(), ours.as_ref(), theirs.as_ref(), &strategy(Strategy::Theirs));
    assert_eq!(taken, Outcome::Take(theirs));
}

/// The target's thing after the outcome.
fn after(ours: Option<&Content>, outcome: Outcome) -> Result<Option<Content>, Vec<Conflict>> {
    match outcome {
        Outcome::Keep => Ok(ours.cloned()),
        Outcome::Take(thing) => {
            assert_ne!(thing.as_ref(), ours, "what is taken differs from what was there");
            Ok(thing)
        }
        Outcome::Conflicts(found) => Err(found),
    }
}

fn side_of() -> impl proptest::strategy::Strategy<Value = Option<Content>> {
    proptest::option::weighted(0.85, content())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merging_what_did_not_change_changes_nothing(b in side_of(), x in side_of()) {
        let go = |b, o, t| after(o, three_way(b, o, t, &Decide::default()));
        prop_assert_eq!(go(b.as_ref(), x.as_ref(), b.as_ref()), Ok(x.clone()));
        prop_assert_eq!(go(b.as_ref(), b.as_ref(), x.as_ref()), Ok(x.clone()));
        prop_assert_eq!(go(b.as_ref(), x.as_ref(), x.as_ref()), Ok(x.clone()));
    }

    #[test]
    fn either_side_may_go_first(b in side_of(), o in side_of(), t in side_of()) {
        let (b, o, t) = (b.as_ref(), o.as_ref(), t.as_ref());
        let there = after(o, three_way(b, o, t, &Decide::default()));
        let back = after(t, three_way(b, t, o, &Decide::default()));
        match (there, back) {
            (Ok(there), Ok(back)) => prop_assert_eq!(there, back),
            (Err(there), Err(back)) => {
                let sorted = |found: Vec<Conflict>| {
                    let mut paths: Vec<_> = found.into_iter().map(|c| c.path).collect();
                    paths.sort();
                    paths
                };
                prop_assert_eq!(sorted(there), sorted(back));
            }
            (there, back) => prop_assert!(false, "{there:?} but {back:?}"),
        }
    }

    #[test]
    fn a_strategy_or_its_conflicts_resolved_leave_none(b in side_of(), o in side_of(), t in side_of()) {
        let (b, o, t) = (b.as_ref(), o.as_ref(), t.as_ref());
        for side in [Strategy::Ours, Strategy::Theirs] {
            prop_assert!(after(o, three_way(b, o, t, &strategy(side))).is_ok());
        }
        if let Err(found) = after(o, three_way(b, o, t, &Decide::default())) {
            let theirs = after(o, three_way(b, o, t, &strategy(Strategy::Theirs)));
            // A path that theirs lacks cannot be resolved by a value.
            if found.iter().all(|c| c.theirs.is_some() && !c.path.is_empty()) {
                let fields = found.into_iter().map(|c| (c.path, c.theirs.expect("looked at"))).collect();
                let decide = Decide { strategy: None, resolution: Some(Resolution::Fields(fields)) };
                prop_assert_eq!(after(o, three_way(b, o, t, &decide)), theirs);
            }
        }
    }
}
