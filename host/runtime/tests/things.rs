//! Things through one object, as the spec says them: each test is a short story with its numbers written down.

mod scene;

use org_ai_runtime::{
    BranchWanted, Change, Comparison, Direction, Expect, Field, Idempotency, MergeWanted, Op, PatchOf, ThingFilter,
    ThingSort, ThingsWanted, View, Write,
};
use scene::{Scene, branch, code, create, input, key, listing, noun, told, view};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::START;
use types::{Ref, ThingId};

macro_rules! story {
    ($name:ident, $scene:ident, $body:block) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() -> anyhow::Result<()> {
            let $scene = Scene::new().await?;
            $body
            Ok(())
        }
    };
}

story!(each_write_is_one_version_one_action_and_one_event, s, {
    let created = s.create("", "Startup/acme", json!({ "name": "Acme", "data": { "a": 1, "b": 1 } })).await?;
    assert_eq!((told(&created), created.previous), ((1, Change::Created), None));
    let first = s.get("", "Startup/acme").await?.to_json(s.root.namespace());
    let updated = s.patch("", "Startup/acme", json!({ "a": 2, "b": null })).await?;
    assert_eq!((told(&updated), updated.previous), ((2, Change::Updated), Some(1)));
    assert_eq!(told(&s.put("", "Startup/acme", json!({ "c": 1 })).await?), (3, Change::Updated));
    assert_eq!(told(&s.delete("", "Startup/acme").await?), (4, Change::Deleted));
    assert_eq!(code(s.get("", "Startup/acme").await), "NOT_FOUND");
    assert_eq!(told(&s.restore("", "Startup/acme").await?), (5, Change::Restored));
    assert_eq!(s.data("", "Startup/acme").await, json!({ "c": 1 }));
    assert_eq!(s.history("", "Startup/acme").await, [5, 4, 3, 2, 1]);
    assert_eq!(s.get("v1", "Startup/acme").await?.to_json(s.root.namespace()), first, "v1 is what it was");
    assert_eq!(code(s.get("v4", "Startup/acme").await), "VERSION_DELETED");
    let events = s.events().await?;
    let told: Vec<_> = events.iter().map(|e| (e.verb.as_str(), e.data.to_value())).collect();
    let data = |version: u64, previous: Value, changes: Value| json!({ "version": version, "previousVersion": previous, "changes": changes });
    assert_eq!(
        told,
        [
            ("created", data(1, Value::Null, json!([]))),
            ("updated", data(2, json!(1), json!(["a", "b"]))),
            ("updated", data(3, json!(2), json!(["name", "a", "c"]))),
            ("deleted", data(4, json!(3), json!([]))),
            ("restored", data(5, json!(4), json!([]))),
        ]
    );
    let filter = store::ActionFilter { limit: 100, target: Some("Startup/acme".into()), ..Default::default() };
    let actions = s.root.actions(&s.all, &filter).await?.items;
    let mut told: Vec<_> = actions.iter().map(|a| (a.output, a.input, a.verb.as_str())).collect();
    told.sort();
    let expected = [
        (Some(1), None, "create"),
        (Some(2), Some(1), "update"),
        (Some(3), Some(2), "update"),
        (Some(4), Some(3), "delete"),
        (Some(5), Some(4), "restore"),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|e| actions.iter().any(|a| a.id == e.action)), "each event has its action");
});

story!(a_write_that_changes_nothing_is_an_action_and_no_version, s, {
    s.create("", "Note/a", json!({ "a": 1, "b": { "c": 1, "d": 2 } })).await?;
    let again = s.patch("", "Note/a", json!({ "b": { "d": 2 } })).await?;
    assert_eq!(told(&again), (1, Change::Unchanged));
    let put = s.put("", "Note/a", json!({ "b": { "d": 2, "c": 1 }, "a": 1 })).await?;
    assert_eq!(told(&put), (1, Change::Unchanged), "the order of keys says nothing");
    assert_eq!(s.events().await?.len(), 1);
    let row = s.root.action(&s.all, put.action).await?;
    assert_eq!((row.input, row.output), (Some(1), Some(1)));
    assert_eq!(told(&s.put("", "Note/a", json!({ "a": 2 })).await?).0, 2, "no number was used");
});

story!(a_refused_write_leaves_nothing, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    assert_eq!(code(s.create("", "Note/a", json!({})).await), "CONFLICT");
    assert_eq!(code(s.patch("", "Note/b", json!({ "a": 1 })).await), "NOT_FOUND");
    assert_eq!(code(s.delete("", "Note/b").await), "NOT_FOUND");
    assert_eq!(code(s.restore("", "Note/a").await), "NOT_DELETED");
    assert_eq!(code(s.restore("", "Note/b").await), "NOT_FOUND");
    let put = Op::Put { key: key("Note/b"), input: input(json!({})), upsert: false };
    assert_eq!(code(s.write("", put.clone()).await), "NOT_FOUND");
    for (expect, op) in [
        (Expect::Absent, Op::Put { key: key("Note/a"), input: input(json!({})), upsert: true }),
        (Expect::Present, Op::Put { key: key("Note/b"), input: input(json!({})), upsert: true }),
        (Expect::Versions(vec![2, 3]), Op::Delete { key: key("Note/a") }),
        (Expect::Versions(vec![1]), put),
    ] {
        assert_eq!(code(s.write_if("", op, expect).await), "PRECONDITION_FAILED");
    }
    let patch =
        Op::Patch { key: key("Note/a"), patch: PatchOf::Merge { patch: json!({ "a": 3 }), if_version: Some(9) } };
    assert_eq!(code(s.write("", patch).await), "VERSION_CONFLICT");
    for past in ["v1", "~0", "main~1", "2024-01-08"] {
        assert_eq!(code(s.patch(past, "Note/a", json!({ "a": 2 })).await), "READ_ONLY_REF", "{past}");
    }
    assert_eq!(s.events().await?.len(), 1);
    let deleted = s.write_if("", Op::Delete { key: key("Note/a") }, Expect::Versions(vec![1])).await?;
    assert_eq!(told(&deleted).0, 2);
    assert_eq!(code(s.create("", "Note/a", json!({})).await), "CONFLICT");
    let revive = Op::Create { noun: noun("Note"), input: input(json!({ "id": "a" })), revive: true };
    assert_eq!(told(&s.write("", revive).await?), (3, Change::Created));
});

story!(an_idempotency_key_writes_once, s, {
    let with = |key: &str, body: Value| {
        let fingerprint = types::Hash::from_bytes([body["a"].as_u64().unwrap_or(0) as u8; 32]);
        Write {
            idempotency: Some(Idempotency { key: key.into(), route: types::Hash::from_bytes([7; 32]), fingerprint }),
            ..Write::of(create("Note/a", body))
        }
    };
    let body = json!({ "a": 1 });
    let first = s.root.write(&s.all, &View::default(), with("k", body.clone())).await?;
    let again = s.root.write(&s.all, &View::default(), with("k", body.clone())).await?;
    assert_eq!((again.replayed, told(&again), again.action), (true, (1, Change::Created), first.action));
    let other = s.root.write(&s.all, &View::default(), with("k", json!({ "a": 2 }))).await;
    assert_eq!(code(other), "IDEMPOTENCY_KEY_REUSED");
    s.test.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let later = s.root.write(&s.all, &View::default(), with("k", body)).await;
    assert_eq!(code(later), "CONFLICT", "a day later it is another request");
    for bad in [String::new(), "x".repeat(256)] {
        let refused = s.root.write(&s.all, &View::default(), with(&bad, json!({}))).await;
        assert_eq!(code(refused), "IDEMPOTENCY_KEY_INVALID");
    }
});

story!(a_batch_is_all_or_nothing_or_each_for_itself, s, {
    let batch = || {
        vec![
            Write::of(create("Note/a", json!({ "n": 1 }))),
            Write::of(Op::Patch {
                key: key("Note/a"),
                patch: PatchOf::Merge { patch: json!({ "n": 2 }), if_version: Some(1) },
            }),
            Write::of(Op::Delete { key: key("Note/none") }),
            Write::of(create("Note/b", json!({}))),
        ]
    };
    let refused = s.root.write_all(&s.all, &View::default(), batch(), true).await.expect_err("the third is refused");
    assert_eq!(
        (refused.code.as_str(), &refused.details.expect("it says which").to_value()["index"]),
        ("NOT_FOUND", &json!(2))
    );
    assert_eq!((s.events().await?.len(), code(s.get("", "Note/a").await)), (0, "NOT_FOUND".into()));
    let each = s.root.write_all(&s.all, &View::default(), batch(), false).await?;
    let versions: Vec<_> = each.into_iter().map(|one| one.map(|w| told(&w).0).map_err(|f| f.code)).collect();
    assert_eq!(versions, [Ok(1), Ok(2), Err("NOT_FOUND".into()), Ok(3)]);
    assert_eq!(s.events().await?.len(), 3);
    let many = vec![Write::of(create("Note/x", json!({}))); 1_001];
    assert_eq!(code(s.root.write_all(&s.all, &View::default(), many, true).await), "BATCH_LIMIT");
});

story!(refs_say_which_version, s, {
    s.create("", "Startup/acme", json!({ "n": 1 })).await?;
    s.patch("", "Startup/acme", json!({ "n": 2 })).await?;
    s.patch("", "Startup/acme", json!({ "n": 3 })).await?;
    s.create("", "Startup/bob", json!({})).await?;
    for (at, n) in [
        ("", json!(3)),
        ("~0", json!(3)),
        ("~1", json!(2)),
        ("~2", json!(1)),
        ("v2", json!(2)),
        ("main", json!(3)),
        ("main~1", json!(2)),
    ] {
        assert_eq!(s.data(at, "Startup/acme").await["n"], n, "@{at}");
    }
    for at in ["~3", "v999", "v0", "v4", "nobody", "nobody~1", "v18446744073709551615", "~18446744073709551615"] {
        let refused = s.get(at, "Startup/acme").await.expect_err("there is none");
        assert_eq!(refused.kind, types::FaultKind::NotFound, "@{at}: {refused:?}");
    }
    assert_eq!(told(&s.patch("", "Startup/acme", json!({ "n": 4 })).await?).0, 5);
});

story!(a_read_at_a_time_sees_what_was_committed_then, s, {
    let at = |minutes: u64| START.plus(Duration::from_secs(60 * minutes)).to_string();
    s.create("", "Note/a", json!({ "n": 1 })).await?;
    s.test.clock.set(START.plus(Duration::from_secs(600)));
    s.patch("", "Note/a", json!({ "n": 2 })).await?;
    s.test.clock.set(START.plus(Duration::from_secs(60)));
    s.patch("", "Note/a", json!({ "n": 3 })).await?;
    s.create("", "Note/b", json!({})).await?;
    assert_eq!(
        s.data(&at(9), "Note/a").await,
        json!({ "n": 1 }),
        "a clock that was set back writes no earlier version"
    );
    assert_eq!(s.data(&at(10), "Note/a").await, json!({ "n": 3 }));
    assert_eq!(s.data("2024-01-08", "Note/a").await, "NOT_FOUND");
    assert_eq!(s.data("2024-01-09", "Note/a").await, json!({ "n": 3 }));
    assert_eq!((s.ids(&at(0), "Note").await.as_str(), s.ids(&at(10), "Note").await.as_str()), ("a:1", "a:3 b:4"));
    let s = s.reopen().await?;
    s.test.clock.set(START);
    s.create("", "Note/c", json!({})).await?;
    assert_eq!(s.ids(&at(9), "Note").await, "a:1", "also after a restart");
});

story!(a_branch_sees_its_base_and_its_own, s, {
    assert_eq!(code(s.branch("", "x").await), "NOTHING_TO_BRANCH");
    s.create("", "Note/acme", json!({ "n": 1 })).await?;
    let made = s.branch("", "x").await?;
    assert_eq!((made.base, made.head, made.ahead, made.behind), (1, 1, 0, 0));
    assert_eq!(code(s.branch("", "x").await), "BRANCH_EXISTS");
    s.patch("", "Note/acme", json!({ "n": 2 })).await?;
    assert_eq!(s.data("x", "Note/acme").await["n"], 1);
    let patched = s.patch("x", "Note/acme", json!({ "n": 3 })).await?;
    assert_eq!((told(&patched), patched.previous), ((3, Change::Updated), Some(1)));
    s.create("x", "Note/new", json!({})).await?;
    assert_eq!((s.ids("", "Note").await.as_str(), s.ids("x", "Note").await.as_str()), ("acme:2", "acme:3 new:4"));
    s.delete("x", "Note/acme").await?;
    assert_eq!((s.ids("", "Note").await.as_str(), s.ids("x", "Note").await.as_str()), ("acme:2", "new:4"));
    assert_eq!((s.history("x", "Note/acme").await, s.history("", "Note/acme").await), (vec![5, 3, 1], vec![2, 1]));
    assert_eq!(
        (s.data("x~1", "Note/acme").await, s.data("x~2", "Note/acme").await),
        (json!({ "n": 3 }), json!({ "n": 1 }))
    );
    assert_eq!(code(s.get("x~3", "Note/acme").await), "NOT_FOUND");
    assert_eq!(s.data("v3", "Note/acme").await["n"], 3, "whatever branch it is on");
    let shown = s.root.branch_named(&s.all, Some(&branch("x"))).await?;
    assert_eq!((shown.base, shown.head, shown.ahead, shown.behind), (1, 5, 2, 1));
    assert_eq!(code(s.get("nobody", "Note/acme").await), "BRANCH_NOT_FOUND");
    assert_eq!(code(s.patch("nobody", "Note/acme", json!({})).await), "BRANCH_NOT_FOUND");
});

story!(branches_stand_on_branches, s, {
    s.create("", "Note/a", json!({ "n": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/a", json!({ "n": 2 })).await?;
    s.create("x", "Memo/only", json!({})).await?;
    s.branch("x", "y").await?;
    s.patch("x", "Note/a", json!({ "n": 3 })).await?;
    s.patch("", "Note/a", json!({ "n": 4 })).await?;
    assert_eq!(s.data("y", "Note/a").await["n"], 2);
    assert_eq!((s.ids("y", "Memo").await.as_str(), s.ids("", "Memo").await.as_str()), ("only:3", "NOUN_NOT_FOUND"));
    s.patch("y", "Note/a", json!({ "n": 5 })).await?;
    assert_eq!(s.history("y", "Note/a").await, [6, 2, 1]);
    assert_eq!(code(s.delete_branch("x", true).await), "BRANCH_IN_USE");
    assert_eq!(s.root.noun_of("memos", false).await?, noun("Memo"), "a noun of a branch has its words too");
    let named = s.root.things_named(&s.all, &ThingId::parse("only")?, &view("y")).await?;
    assert_eq!(named.len(), 1);
});

story!(a_branch_made_again_sees_nothing_of_the_one_before, s, {
    s.create("", "Note/a", json!({ "n": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/a", json!({ "n": 2 })).await?;
    s.create("x", "Note/b", json!({})).await?;
    assert_eq!(code(s.delete_branch("x", false).await), "BRANCH_UNMERGED");
    s.delete_branch("x", true).await?;
    assert_eq!(code(s.get("x", "Note/a").await), "BRANCH_NOT_FOUND");
    assert_eq!(s.data("v2", "Note/a").await["n"], 2, "its versions stay readable");
    // Of the first version again: what the first x wrote is newer than this one's base.
    let again = s.branch("v1", "x").await?;
    assert_eq!((again.base, again.head, again.ahead), (1, 1, 0));
    assert_eq!(s.data("x", "Note/a").await["n"], 1);
    assert_eq!((s.history("x", "Note/a").await, s.ids("x", "Note").await.as_str()), (vec![1], "a:1"));
    assert_eq!(
        (code(s.get("x~1", "Note/a").await), code(s.get("x", "Note/b").await)),
        ("NOT_FOUND".into(), "NOT_FOUND".into())
    );
    s.branch("x", "y").await?;
    assert_eq!((s.data("y", "Note/a").await, s.ids("y", "Note").await.as_str()), (json!({ "n": 1 }), "a:1"));
    assert!(s.merge("x", "").await?.versions.is_empty(), "there is nothing on it");
});

story!(a_branch_for_listed_things_takes_no_others, s, {
    for id in ["Note/a", "Note/b"] {
        s.create("", id, json!({ "n": 1 })).await?;
    }
    let wanted = BranchWanted { name: branch("x"), things: Some(vec![key("Note/a")]) };
    s.root.branch(&s.all, &View::default(), wanted).await?;
    s.patch("x", "Note/a", json!({ "n": 2 })).await?;
    assert_eq!(code(s.patch("x", "Note/b", json!({ "n": 2 })).await), "NOT_ON_BRANCH");
    assert_eq!(code(s.create("x", "Note/c", json!({})).await), "NOT_ON_BRANCH");
    let edge = s.root.relate(&s.all, &view("x"), &key("Note/b"), "owns", "Note/a", json!({})).await;
    assert_eq!(code(edge), "NOT_ON_BRANCH");
    assert_eq!(code(s.noun("x", "Note", json!({ "n": "number" })).await), "NOT_ON_BRANCH");
    for id in ["Note/a", "Note/b"] {
        s.patch("", id, json!({ "m": 3 })).await?;
    }
    s.merge("main", "x").await?;
    assert_eq!(
        (s.data("x", "Note/a").await, s.data("x", "Note/b").await),
        (json!({ "n": 2, "m": 3 }), json!({ "n": 1 }))
    );
});

story!(what_both_sides_did_comes_together, s, {
    s.create("", "Note/a", json!({ "a": 1, "b": 1 })).await?;
    s.create("", "Note/deep", json!({ "p": { "q": 1, "r": 1 } })).await?;
    s.create("", "Note/gone", json!({})).await?;
    s.branch("", "x").await?;
    s.patch("", "Note/a", json!({ "a": 2 })).await?;
    s.patch("x", "Note/a", json!({ "b": 2 })).await?;
    s.patch("", "Note/deep", json!({ "p": { "q": 2 } })).await?;
    s.patch("x", "Note/deep", json!({ "p": { "r": 2 } })).await?;
    s.delete("x", "Note/gone").await?;
    s.create("x", "Note/new", json!({ "name": "N" })).await?;
    let dry = s.merge_with("x", "", MergeWanted { dry_run: true, ..Default::default() }).await?;
    assert_eq!((dry.merged, dry.changes, dry.versions.len(), s.events().await?.len()), (true, 4, 0, 10));
    let merged = s.merge("x", "").await?;
    assert_eq!((merged.merged, merged.fast_forward, merged.versions.as_slice()), (true, false, &[10, 11, 12, 13][..]));
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 2, "b": 2 }));
    assert_eq!(s.data("", "Note/deep").await, json!({ "p": { "q": 2, "r": 2 } }));
    assert_eq!(s.ids("", "Note").await, "a:10 deep:11 new:13");
    let event = s.events().await?.pop().expect("there is one");
    assert_eq!(
        (event.verb.as_str(), event.data.to_value()["versions"].clone()),
        ("merge.completed", json!([10, 11, 12, 13]))
    );
    let again = s.merge("x", "").await?;
    assert_eq!((again.merged, again.fast_forward, again.versions.len(), again.action), (true, true, 0, None));
    assert_eq!(s.events().await?.len(), 11, "the same again does nothing");
    let shown = s.root.branch_named(&s.all, Some(&branch("x"))).await?;
    assert_eq!((shown.base, shown.ahead), (13, 0));
    s.patch("x", "Note/a", json!({ "b": 3 })).await?;
    assert_eq!(s.merge("x", "").await?.versions, [15]);
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 2, "b": 3 }));
});

story!(a_merge_is_all_or_nothing_and_says_what_is_in_its_way, s, {
    for id in ["Note/a", "Note/b", "Note/l"] {
        s.create("", id, json!({ "a": 1, "l": [1] })).await?;
    }
    s.branch("", "x").await?;
    s.patch("", "Note/a", json!({ "a": 2 })).await?;
    s.patch("x", "Note/a", json!({ "a": 3, "clean": true })).await?;
    s.patch("", "Note/b", json!({ "a": 2 })).await?;
    s.delete("x", "Note/b").await?;
    s.patch("", "Note/l", json!({ "l": [1, 2] })).await?;
    s.patch("x", "Note/l", json!({ "l": [1, 3] })).await?;
    s.create("x", "Note/ok", json!({})).await?;
    let refused = s.merge("x", "").await?;
    assert!(!refused.merged && refused.versions.is_empty());
    let told =
        serde_json::to_value(refused.conflicts.iter().map(|c| (c.key.to_string(), &c.conflicts)).collect::<Vec<_>>())?;
    let whole = |a: Value| json!({ "name": null, "data": { "a": a, "l": [1] } });
    assert_eq!(
        told,
        json!([
            ["Note/a", [{ "path": "a", "kind": "field", "base": 1, "ours": 2, "theirs": 3 }]],
            ["Note/b", [{ "path": "", "kind": "delete/modify", "base": whole(json!(1)), "ours": whole(json!(2)) }]],
            ["Note/l", [{ "path": "l", "kind": "field", "base": [1], "ours": [1, 2], "theirs": [1, 3] }]],
        ])
    );
    assert_eq!((s.ids("", "Note").await.as_str(), s.events().await?.len()), ("a:4 b:6 l:8", 12));
    assert_eq!(s.events().await?.pop().expect("there is one").verb, "merge.conflict");
    let resolutions = BTreeMap::from([
        (key("Note/a"), model::merge::Resolution::Fields(BTreeMap::from([("a".to_owned(), json!(9))]))),
        (key("Note/b"), model::merge::Resolution::Delete),
    ]);
    let strategy = Some(model::merge::Strategy::Theirs);
    let merged = s.merge_with("x", "", MergeWanted { resolutions, strategy, ..Default::default() }).await?;
    assert!(merged.merged, "{merged:?}");
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 9, "l": [1], "clean": true }));
    assert_eq!(
        (s.data("", "Note/b").await, s.data("", "Note/l").await["l"].clone()),
        (json!("NOT_FOUND"), json!([1, 3]))
    );
    assert!(s.merge("x", "").await?.versions.is_empty());
    for (source, into, expected) in [
        ("x", "x", "MERGE_INTO_ITSELF"),
        ("nobody", "", "BRANCH_NOT_FOUND"),
        ("x", "v1", "READ_ONLY_REF"),
        ("x", "nobody", "BRANCH_NOT_FOUND"),
    ] {
        assert_eq!(code(s.merge(source, into).await), expected);
    }
});

story!(later_merges_begin_where_the_last_one_ended, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    // Both sides do the same, and both merges find nothing to write.
    for at in ["", "x"] {
        s.patch(at, "Note/a", json!({ "a": 2 })).await?;
    }
    for (source, into) in [("x", ""), ("main", "x")] {
        assert_eq!(s.merge(source, into).await?.versions.len(), 0);
    }
    s.patch("x", "Note/a", json!({ "a": 3 })).await?;
    assert!(s.merge("x", "").await?.merged, "only x changed since");
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 3 }));
    // The same once more, after a merge that wrote.
    for at in ["", "x"] {
        s.patch(at, "Note/a", json!({ "a": 4 })).await?;
    }
    assert_eq!(s.merge("x", "").await?.versions.len(), 0);
    s.patch("x", "Note/a", json!({ "a": 5 })).await?;
    assert!(s.merge("x", "").await?.merged, "only x changed since");
    // Back and forth.
    s.patch("", "Note/a", json!({ "b": 1 })).await?;
    assert!(s.merge("main", "x").await?.fast_forward);
    s.patch("x", "Note/a", json!({ "b": 2 })).await?;
    assert!(s.merge("x", "").await?.fast_forward);
    s.create("", "Note/other", json!({})).await?;
    s.patch("x", "Note/a", json!({ "b": 3 })).await?;
    let merged = s.merge("x", "").await?;
    assert!(merged.merged && !merged.fast_forward, "main has what x has not");
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 5, "b": 3 }));
});

story!(siblings_and_grandchildren_merge, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.create("", "Note/between", json!({})).await?;
    s.branch("", "y").await?;
    s.patch("x", "Note/a", json!({ "x": 1 })).await?;
    s.patch("y", "Note/a", json!({ "y": 1 })).await?;
    s.merge("y", "x").await?;
    assert_eq!(s.data("x", "Note/a").await, json!({ "a": 1, "x": 1, "y": 1 }));
    assert_eq!(s.ids("x", "Note").await, "a:5 between:6", "y stands on more of main than x did");
    s.branch("x", "z").await?;
    s.patch("z", "Note/a", json!({ "z": 1 })).await?;
    assert_eq!(s.merge("z", "").await?.versions.len(), 1);
    assert_eq!(s.data("", "Note/a").await, json!({ "a": 1, "x": 1, "y": 1, "z": 1 }));
    assert_eq!(s.merge("z", "x").await?.versions.len(), 1);
    assert_eq!(s.merge("x", "").await?.versions.len(), 0, "main has it all through z");
    let gone = MergeWanted { delete_branch: true, ..Default::default() };
    assert_eq!(code(s.merge_with("x", "", gone.clone()).await), "BRANCH_IN_USE");
    s.merge_with("z", "", gone.clone()).await?;
    s.merge_with("x", "", gone).await?;
    let names: Vec<_> = s.root.branches(&s.all).await?.into_iter().map(|b| b.name).collect();
    assert_eq!(names, ["main", "y"]);
});

story!(what_must_be_unique_is_so_on_each_branch_as_it_sees_things, s, {
    s.noun(
        "",
        "User",
        json!({ "email": { "type": "string", "unique": true }, "name": { "type": "string", "unique": true } }),
    )
    .await?;
    let user = |email: &str, name: &str| json!({ "email": email, "name": name });
    s.create("", "User/ann", user("a", "Ann")).await?;
    assert_eq!(code(s.create("", "User/bob", user("a", "Bob")).await), "UNIQUE");
    assert_eq!(code(s.create("", "User/bob", user("b", "Ann")).await), "UNIQUE", "the name is a field like another");
    s.create("", "User/bob", user("b", "Bob")).await?;
    s.branch("", "x").await?;
    s.patch("", "User/ann", json!({ "email": "c" })).await?;
    // On x Ann still has it.
    assert_eq!(code(s.create("x", "User/cy", user("a", "Cy")).await), "UNIQUE");
    s.create("x", "User/cy", user("c", "Cy")).await?;
    s.branch("x", "y").await?;
    assert_eq!(code(s.create("y", "User/dan", user("c", "Dan")).await), "UNIQUE", "a branch of a branch sees both");
    assert_eq!(code(s.create("y", "User/dan", user("a", "Dan")).await), "UNIQUE");
    s.patch("x", "User/ann", json!({ "email": "z" })).await?;
    assert_eq!(code(s.create("y", "User/dan", user("a", "Dan")).await), "UNIQUE", "y was made before");
    s.create("x", "User/eve", user("a", "Eve")).await?;
    let refused = s.merge("x", "").await?;
    let told: Vec<_> = refused.conflicts.iter().map(|c| (c.key.to_string(), c.conflicts.len())).collect();
    assert_eq!(told, [("User/ann".to_owned(), 1)], "both changed her email");
    let strategy = Some(model::merge::Strategy::Theirs);
    let merged = s.merge_with("x", "", MergeWanted { strategy, ..Default::default() }).await?;
    assert!(merged.merged, "Ann gives c back in the same merge: {merged:?}");
    assert_eq!(code(s.create("", "User/fay", user("c", "Fay")).await), "UNIQUE");
    assert_eq!(code(s.create("", "User/fay", user("a", "Fay")).await), "UNIQUE");
    s.delete("", "User/eve").await?;
    s.create("", "User/fay", user("a", "Fay")).await?;
    assert_eq!(code(s.restore("", "User/eve").await), "UNIQUE");
});

story!(two_things_swap_a_unique_value_in_one_merge, s, {
    s.noun("", "User", json!({ "email": { "type": "string", "unique": true } })).await?;
    s.create("", "User/a", json!({ "email": "1" })).await?;
    s.create("", "User/b", json!({ "email": "2" })).await?;
    s.branch("", "x").await?;
    for (id, email) in [("User/a", "3"), ("User/b", "1"), ("User/a", "2")] {
        s.patch("x", id, json!({ "email": email })).await?;
    }
    assert!(s.merge("x", "").await?.merged);
    for email in ["1", "2"] {
        assert_eq!(code(s.create("", "User/c", json!({ "email": email })).await), "UNIQUE", "{email}");
    }
    s.create("", "User/c", json!({ "email": "3" })).await?;
    // Two that became the same on two branches.
    s.branch("", "y").await?;
    s.patch("y", "User/a", json!({ "email": "9" })).await?;
    s.patch("", "User/b", json!({ "email": "9" })).await?;
    let refused = s.merge("y", "").await?;
    assert_eq!(refused.conflicts[0].conflicts[0].kind, model::merge::ConflictKind::Constraint);
});

story!(a_schema_comes_to_another_branch_with_its_things, s, {
    s.noun("", "User", json!({ "n": "number" })).await?;
    s.create("", "User/a", json!({ "n": 1 })).await?;
    s.create("", "Zoo/old", json!({ "k": 1 })).await?;
    s.create("", "Zoo/older", json!({ "k": 1 })).await?;
    s.branch("", "x").await?;
    s.noun("x", "User", json!({ "n": "string" })).await?;
    assert_eq!(code(s.patch("x", "User/a", json!({ "n": 2 })).await), "VALIDATION_FAILED");
    s.patch("x", "User/a", json!({ "n": "two" })).await?;
    let merged = s.merge("x", "").await?;
    assert!(merged.merged, "the things fit the schema that comes with them: {merged:?}");
    assert_eq!(code(s.patch("", "User/a", json!({ "n": 3 })).await), "VALIDATION_FAILED");
    // A field that becomes unique by a merge, where two things share a value.
    s.delete("x", "Zoo/older").await?;
    s.noun("x", "Zoo", json!({ "k": { "type": "number", "unique": true } })).await?;
    s.patch("", "Zoo/older", json!({ "other": 1 })).await?;
    let ours = MergeWanted { strategy: Some(model::merge::Strategy::Ours), ..Default::default() };
    assert_eq!(code(s.merge_with("x", "", ours.clone()).await), "UNIQUE");
    s.patch("", "Zoo/older", json!({ "k": 2 })).await?;
    assert!(s.merge_with("x", "", ours).await?.merged);
    assert_eq!(code(s.create("", "Zoo/new", json!({ "k": 2 })).await), "UNIQUE");
});

story!(a_noun_of_a_branch_alone_counts_after_a_restart, s, {
    s.create("", "Note/a", json!({})).await?;
    s.branch("", "x").await?;
    s.noun("x", "User", json!({ "n": "number" })).await?;
    let s = s.reopen().await?;
    assert_eq!(code(s.create("x", "User/a", json!({ "n": "x" })).await), "VALIDATION_FAILED");
    s.create("", "User/a", json!({ "n": "x" })).await?;
});

story!(a_schema_is_checked_as_a_whole_and_fills_in_what_is_new, s, {
    let schema =
        json!({ "email": "string", "age": "number?", "level": { "type": "number", "default": 1 }, "boss": "->User?" });
    s.noun("", "User", schema).await?;
    let refused =
        s.create("", "User/a", json!({ "age": "x", "boss": "nobody" })).await.expect_err("three things are wrong");
    let fields: Vec<_> = refused
        .details
        .expect("they are told")
        .to_value()
        .as_array()
        .expect("a list")
        .iter()
        .map(|e| e["field"].clone())
        .collect();
    assert_eq!(fields, ["email", "age", "boss"]);
    s.create("", "User/a", json!({ "email": "a" })).await?;
    assert_eq!(s.data("", "User/a").await, json!({ "email": "a", "level": 1 }));
    s.create("", "User/b", json!({ "email": "b", "boss": "a" })).await?;
    s.put("", "User/a", json!({ "email": "a" })).await?;
    assert_eq!(s.data("", "User/a").await, json!({ "email": "a" }), "defaults are for what is created");
    s.delete("", "User/a").await?;
    s.restore("", "User/a").await?;
    assert_eq!(s.data("", "User/a").await, json!({ "email": "a" }), "what is restored is what was deleted");
    assert_eq!(code(s.root.delete_noun(&s.all, "users").await), "NOUN_IN_USE");
    s.noun("", "User", json!({ "must": "string" })).await?;
    assert_eq!(s.data("", "User/a").await, json!({ "email": "a" }), "old versions stay readable");
    assert_eq!(code(s.patch("", "User/a", json!({ "email": "c" })).await), "VALIDATION_FAILED");
});

story!(undo_puts_back_and_undoing_that_is_a_redo, s, {
    let made = s.create("", "Note/a", json!({ "n": 1 })).await?;
    let patched = s.patch("", "Note/a", json!({ "n": 2 })).await?;
    let again = s.patch("", "Note/a", json!({ "n": 3 })).await?;
    assert_eq!(code(s.root.undo(&s.all, patched.action, false).await), "CHANGED_SINCE");
    let (shown, undoing) = s.root.undo(&s.all, again.action, false).await?;
    assert_eq!((shown.row.version, shown.row.data.to_value()), (4, json!({ "n": 2 })));
    assert_eq!(code(s.root.undo(&s.all, again.action, false).await), "ALREADY_UNDONE");
    assert_eq!(s.root.action(&s.all, again.action).await?.status, types::ActionStatus::Undone);
    assert_eq!(s.root.undo(&s.all, undoing, false).await?.0.row.data.to_value(), json!({ "n": 3 }));
    let (gone, deleting) = s.root.undo(&s.all, made.action, true).await?;
    assert!(gone.row.deleted && gone.row.data.to_value() == json!({ "n": 3 }), "a marker carries what was there last");
    assert_eq!(code(s.get("", "Note/a").await), "NOT_FOUND");
    assert_eq!(s.root.undo(&s.all, deleting, false).await?.0.row.data.to_value(), json!({ "n": 3 }));
    let verbs: Vec<_> = s.events().await?.into_iter().map(|e| e.verb).collect();
    assert_eq!(verbs, ["created", "updated", "updated", "updated", "updated", "deleted", "restored"]);
    let same = s.patch("", "Note/a", json!({ "n": 3 })).await?;
    assert_eq!(code(s.root.undo(&s.all, same.action, false).await), "NOT_UNDOABLE");
});

story!(undoing_a_nouns_registration_is_a_registration, s, {
    s.noun("", "User", json!({ "e": { "type": "string", "unique": true } })).await?;
    s.create("", "User/a", json!({ "e": "1" })).await?;
    s.noun("", "User", json!({ "e": "string" })).await?;
    s.create("", "User/b", json!({ "e": "1" })).await?;
    let filter = store::ActionFilter { limit: 10, target: Some("Noun/User".into()), ..Default::default() };
    let last = s.root.actions(&s.all, &filter).await?.items;
    let update = last.iter().find(|a| a.verb == "update").expect("there is one").id;
    assert_eq!(code(s.root.undo(&s.all, update, false).await), "UNIQUE");
    s.patch("", "User/b", json!({ "e": "2" })).await?;
    s.root.undo(&s.all, update, false).await?;
    assert_eq!(code(s.create("", "User/c", json!({ "e": "2" })).await), "UNIQUE");
    let first = last.iter().find(|a| a.verb == "create").expect("there is one").id;
    assert_eq!(code(s.root.undo(&s.all, first, true).await), "NOUN_IN_USE");
    for id in ["User/a", "User/b"] {
        s.delete("", id).await?;
    }
    s.root.undo(&s.all, first, true).await?;
    s.create("", "User/c", json!({ "e": 1 })).await?;
});

story!(edges_are_seen_from_both_ends_on_branches_and_at_refs, s, {
    for id in ["Startup/acme", "Site/home"] {
        s.create("", id, json!({})).await?;
    }
    let relate = async |at: &str, data: Value| {
        s.root.relate(&s.all, &view(at), &key("Startup/acme"), "owns", "https://root.test/Site/home", data).await
    };
    let (made, new) = relate("", json!({ "since": 1 })).await?;
    assert!(new);
    let (again, new) = relate("", json!({ "since": 2 })).await?;
    assert_eq!((new, &again.id, again.version), (false, &made.id, 4));
    let ends = async |at: &str| {
        let edges = async |direction, of: &str| {
            let page = s.root.edges(&s.all, &view(at), &key(of), direction, None, None, 10).await;
            page.map_or_else(|f| f.code, |page| page.items.iter().map(|e| format!("{} {}", e.verb, e.data)).collect())
        };
        (edges(Direction::Outbound, "Startup/acme").await, edges(Direction::Inbound, "Site/home").await)
    };
    let both = |data: &str| (format!("owns {data}"), format!("ownedBy {data}"));
    let none = || (String::new(), String::new());
    assert_eq!(ends("").await, both(r#"{"since":2}"#));
    s.branch("", "x").await?;
    s.delete("", "Startup/acme").await?;
    assert_eq!(ends("").await, ("NOT_FOUND".to_owned(), String::new()));
    s.restore("", "Startup/acme").await?;
    assert_eq!(ends("").await, both(r#"{"since":2}"#));
    s.root.unrelate(&s.all, &View::default(), &key("Startup/acme"), "owns", "Site/home").await?;
    assert_eq!(ends("").await, none());
    assert_eq!(
        code(s.root.unrelate(&s.all, &View::default(), &key("Startup/acme"), "owns", "Site/home").await),
        "EDGE_NOT_FOUND"
    );
    assert_eq!(ends("x").await, both(r#"{"since":2}"#), "the branch has it still");
    relate("x", json!({ "since": 3 })).await?;
    assert_eq!(ends("x").await, both(r#"{"since":3}"#));
    let refused = s.merge("x", "").await?;
    assert_eq!(refused.conflicts[0].conflicts[0].kind, model::merge::ConflictKind::DeleteModify);
    let theirs = MergeWanted { strategy: Some(model::merge::Strategy::Theirs), ..Default::default() };
    assert!(s.merge_with("x", "", theirs).await?.merged);
    assert_eq!(ends("").await, both(r#"{"since":3}"#));
    assert_eq!(
        code(s.root.relate(&s.all, &View::default(), &key("Site/none"), "owns", "Site/home", json!({})).await),
        "NOT_FOUND"
    );
});

story!(edges_come_in_pages_that_skip_nothing, s, {
    s.create("", "Note/a", json!({})).await?;
    for n in 0..70 {
        s.root
            .relate(
                &s.all,
                &View::default(),
                &key("Note/a"),
                if n % 2 == 0 { "likes" } else { "owns" },
                &format!("Note/{n}"),
                json!({}),
            )
            .await?;
    }
    for n in (0..70).step_by(3) {
        let verb = if n % 2 == 0 { "likes" } else { "owns" };
        s.root.unrelate(&s.all, &View::default(), &key("Note/a"), verb, &format!("Note/{n}")).await?;
    }
    for (limit, verb, count) in [(1, None, 46), (7, None, 46), (46, None, 46), (100, None, 46), (5, Some("owns"), 23)] {
        let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), None);
        loop {
            let page = s
                .root
                .edges(&s.all, &View::default(), &key("Note/a"), Direction::Outbound, verb, cursor.as_deref(), limit)
                .await?;
            assert!(page.items.len() <= limit as usize);
            assert!(page.items.iter().all(|e| seen.insert(e.to.clone())), "none twice");
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), count, "in pages of {limit}");
    }
});

story!(lists_are_the_same_from_page_to_page, s, {
    for n in 0..25 {
        s.create("", &format!("Note/n{n:02}"), json!({ "n": n, "odd": n % 2 == 1, "s": format!("s{}", n % 3) }))
            .await?;
    }
    s.branch("", "x").await?;
    for n in 0..10 {
        s.patch("x", &format!("Note/n{n:02}"), json!({ "n": 100 - n })).await?;
        s.delete("", &format!("Note/n{n:02}")).await?;
    }
    let filter = |field: &str, comparison, value: &str| ThingFilter {
        field: Field::Data(vec![field.into()]),
        comparison,
        value: value.into(),
    };
    let by = |field: &str, descending| ThingSort { field: Field::Data(vec![field.into()]), descending };
    let lists = [
        ("", listing("Note"), 15),
        ("", ThingsWanted { with_deleted: true, ..listing("Note") }, 25),
        ("x", listing("Note"), 25),
        ("v25", listing("Note"), 25),
        ("x", ThingsWanted { filters: vec![filter("n", Comparison::Greater, "20")], ..listing("Note") }, 14),
        ("", ThingsWanted { filters: vec![filter("odd", Comparison::Is, "true")], ..listing("Note") }, 7),
        ("x", ThingsWanted { sort: vec![by("s", true), by("n", false)], ..listing("Note") }, 25),
        ("v30", ThingsWanted { sort: vec![by("n", true)], ..listing("Note") }, 23),
    ];
    for (at, wanted, count) in lists {
        let whole: Vec<_> = s.list(at, wanted.clone()).await?.items.into_iter().map(|s| s.row.key).collect();
        assert_eq!(whole.len(), count, "@{at} {wanted:?}");
        for limit in [1, 4, 25] {
            let (mut paged, mut cursor) = (Vec::new(), None);
            loop {
                let page = s.list(at, ThingsWanted { limit, cursor, ..wanted.clone() }).await?;
                assert_eq!(page.total, Some(count as u64));
                paged.extend(page.items.into_iter().map(|s| s.row.key));
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(paged, whole, "@{at} in pages of {limit}");
        }
    }
    for bad in ["", "x", "i", "o5", "i-"] {
        let wanted = ThingsWanted { cursor: Some(bad.into()), ..listing("Note") };
        assert_eq!(code(s.list("", wanted).await), "VALIDATION_FAILED", "{bad:?}");
    }
});

story!(a_page_larger_than_is_given_goes_on_where_it_ended, s, {
    let many = (0..store::PAGE_MAX + 5)
        .map(|n| Write::of(create(&format!("Note/{n:05}"), json!({ "n": n }))))
        .collect::<Vec<_>>();
    for some in many.chunks(900) {
        s.root.write_all(&s.all, &View::default(), some.to_vec(), true).await?;
    }
    let sort = vec![ThingSort { field: Field::Data(vec!["n".into()]), descending: false }];
    for wanted in [
        ThingsWanted { sort, limit: 1_000_000, ..listing("Note") },
        ThingsWanted { limit: 1_000_000, ..listing("Note") },
    ] {
        let first = s.list("", wanted.clone()).await?;
        let rest = s.list("", ThingsWanted { cursor: first.next, ..wanted }).await?;
        assert_eq!(first.items.len() + rest.items.len(), store::PAGE_MAX as usize + 5);
    }
    for _ in 0..3 {
        let patches = (0..700).map(|n| {
            Write::of(Op::Patch {
                key: key("Note/00000"),
                patch: PatchOf::Merge { patch: json!({ "v": n }), if_version: None },
            })
        });
        s.root.write_all(&s.all, &View::default(), patches.collect(), true).await?;
    }
    let (mut seen, mut before) = (0, None);
    loop {
        let page = s.root.versions(&s.all, &key("Note/00000"), &View::default(), before, u32::MAX).await?;
        seen += page.items.len();
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, 2_101);
});

story!(a_view_checked_out_is_what_a_request_without_a_ref_sees, s, {
    s.create("", "Note/a", json!({ "n": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/a", json!({ "n": 2 })).await?;
    s.patch("", "Note/a", json!({ "n": 3 })).await?;
    let checked_out = |checkout: &str, at: &str| View { checkout: view(checkout).at, at: view(at).at };
    for (checkout, at, n) in
        [("x", "", 2), ("x", "main", 3), ("v1", "", 1), ("v2", "", 2), ("x", "~1", 1), ("v3", "x", 2)]
    {
        let shown = s.root.thing(&s.all, &key("Note/a"), &checked_out(checkout, at)).await?;
        assert_eq!(shown.row.data.to_value()["n"], n, "{checkout} {at}");
    }
    let op = Op::Patch { key: key("Note/a"), patch: PatchOf::Merge { patch: json!({ "n": 4 }), if_version: None } };
    let wrote = s.root.write(&s.all, &checked_out("x", ""), Write::of(op.clone())).await?;
    assert_eq!(wrote.shown.row.branch, Some(branch("x")));
    assert_eq!(code(s.root.write(&s.all, &checked_out("v1", ""), Write::of(op)).await), "READ_ONLY_REF");
    assert_eq!(code(s.root.check_out(&s.all, &Ref::Version(99)).await), "VERSION_NOT_FOUND");
    assert_eq!(code(s.root.check_out(&s.all, &Ref::Branch(Some(branch("nobody")))).await), "BRANCH_NOT_FOUND");
});
