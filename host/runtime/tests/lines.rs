//! Branches and merges through one object, as the spec says them (spec 3): each test is a short story with its numbers
//! written down.

mod scene;

use org_ai_runtime::{BranchWanted, Change, MergeWanted, View};
use scene::{branch, code, key, noun, told, view};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use types::ThingId;

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

story!(an_object_has_no_more_branches_than_its_limit, s, {
    s.create("", "Note/a", json!({})).await?;
    let s = std::sync::Arc::new(s);
    let writers: Vec<_> = (0..500)
        .map(|writer| {
            let s = s.clone();
            tokio::spawn(async move {
                for n in 0..20 {
                    s.branch("", &format!("b{writer}-{n}")).await?;
                }
                Ok::<_, types::Fault>(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    assert_eq!(code(s.branch("", "one-more").await), "BRANCHES_LIMIT");
    s.delete_branch("b0-0", true).await?;
    s.branch("", "one-more").await?;
});

story!(an_object_has_no_more_nouns_than_its_limit, s, {
    for n in 0..1_000 {
        s.noun("", &format!("Kind{n}"), json!({})).await?;
    }
    assert_eq!(code(s.noun("", "OneMore", json!({})).await), "NOUNS_LIMIT");
    s.noun("", "Kind7", json!({ "n": "number?" })).await?;
    s.create("", "OneMore/a", json!({})).await?;
});

story!(what_was_changed_and_changed_back_is_no_change_to_merge, s, {
    for id in ["Note/gone", "Note/other"] {
        s.create("", id, json!({ "n": 1 })).await?;
    }
    s.branch("", "x").await?;
    for id in ["Note/gone", "Note/other"] {
        s.patch("x", id, json!({ "n": 2 })).await?;
        s.patch("x", id, json!({ "n": 1 })).await?;
    }
    s.delete("", "Note/gone").await?;
    s.patch("", "Note/other", json!({ "n": 3 })).await?;
    let merged = s.merge("x", "").await?;
    assert!(merged.merged && merged.versions.is_empty(), "{merged:?}");
    assert_eq!((s.ids("", "Note").await.as_str(), s.data("", "Note/other").await["n"].clone()), ("other:8", 3.into()));
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

story!(what_came_from_the_other_side_is_no_news_to_it, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("", "Note/a", json!({ "b": 1 })).await?;
    s.merge("main", "x").await?;
    let shown = s.root.branch_named(&s.all, Some(&branch("x"))).await?;
    assert_eq!((shown.ahead, shown.behind), (0, 0));
    s.patch("x", "Note/a", json!({ "a": 2 })).await?;
    assert_eq!(code(s.delete_branch("x", false).await), "BRANCH_UNMERGED");
    s.merge("x", "").await?;
    let shown = s.root.branch_named(&s.all, Some(&branch("x"))).await?;
    assert_eq!((shown.ahead, shown.behind), (0, 0));
    s.delete_branch("x", false).await?;
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
