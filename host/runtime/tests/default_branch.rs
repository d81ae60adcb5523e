//! What is set for everybody who uses an object: the branch that is meant where none is named (spec VER-6), and which
//! nouns there are.

mod scene;

use org_ai_runtime::{ForkWanted, Lifecycle, RulesChange, View};
use scene::{Scene, branch, code, input, key, view};
use serde_json::{Value, json};
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use types::{Call, Json, Ref, Reply, ThingRef};

fn to(default_branch: Option<types::BranchName>) -> RulesChange {
    RulesChange { default_branch: Some(default_branch), ..RulesChange::default() }
}

impl Scene {
    /// As a request that names no branch.
    fn here(&self) -> View {
        View { checkout: self.root.in_effect(), at: Ref::Head }
    }

    async fn a(&self, at: &View) -> anyhow::Result<Value> {
        Ok(self.root.thing(&self.all, &key("Note/a"), at).await?.row.data.to_value()["a"].clone())
    }

    async fn set_default(&self, name: &str) -> Result<(), types::Fault> {
        self.root.set_rules(&self.all, to((name != "main").then(|| branch(name)))).await
    }
}

story!(the_default_branch_is_meant_where_none_is_named_and_stays_after_a_restart, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/a", json!({ "a": 2 })).await?;
    assert_eq!(code(s.set_default("none").await), "BRANCH_NOT_FOUND");
    assert_eq!(s.a(&s.here()).await?, 1);
    s.set_default("x").await?;
    let (versions, events) = (s.root.about(&s.all).await?.version, s.events().await?.len());
    s.set_default("x").await?;
    assert_eq!((s.root.about(&s.all).await?.version, s.events().await?.len()), (versions, events), "it was so already");
    assert_eq!((s.a(&s.here()).await?, s.a(&view("main")).await?), (json!(2), json!(1)));

    let s = s.reopen().await?;
    assert_eq!(s.a(&s.here()).await?, 2);
    assert_eq!(s.root.about(&s.all).await?.rules.default_branch, Some(branch("x")));
    assert_eq!(code(s.delete_branch("x", true).await), "BRANCH_IS_DEFAULT");
    assert!(s.merge("x", "main").await?.merged);
    assert_eq!(s.a(&view("main")).await?, 2);
    s.set_default("main").await?;
    assert_eq!(s.here(), View::default());
    s.delete_branch("x", true).await?;
    assert_eq!(s.root.about(&s.all).await?.rules.default_branch, None);
});

story!(what_is_set_is_no_part_of_a_branch_and_no_things_like_others, s, {
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.set_default("x").await?;
    assert!(s.merge("main", "x").await?.versions.is_empty(), "main has nothing that a branch would want");
    let written = s.put("main", "ObjectSettings/object", json!({ "defaultBranch": "y" })).await;
    assert_eq!(code(written), "NOUN_RESERVED");
    let filter = store::ActionFilter { limit: 100, target: Some("ObjectSettings/object".into()), ..Default::default() };
    let action = s.root.actions(&s.all, &filter).await?.items[0].id;
    assert_eq!(code(s.root.undo(&s.all, action, true).await), "NOT_UNDOABLE");
    let few = s.test.caller(&["Note.*", "objects.read"])?;
    assert_eq!(code(s.root.set_rules(&few, to(None)).await), "FORBIDDEN");
});

story!(a_noun_that_is_not_registered_is_not_made_where_types_are_strict, s, {
    s.create("", "Old/a", json!({})).await?;
    s.create("", "Gone/a", json!({})).await?;
    let strict = RulesChange { strict_types: Some(true), ..RulesChange::default() };
    s.root.set_rules(&s.all, strict).await?;
    let s = s.reopen().await?;
    assert_eq!(code(s.create("", "New/a", json!({})).await), "NOUN_UNKNOWN");
    s.create("", "Old/b", json!({})).await?;
    s.root.relate(&s.all, &view(""), &key("Old/a"), "owns", "Old/b", json!({})).await?;
    s.noun("", "New", json!({ "n": "number?" })).await?;
    s.create("", "New/a", json!({ "n": 1 })).await?;
    assert!(s.root.about(&s.all).await?.rules.put_creates, "what was not said stays");
});

story!(what_is_forked_without_a_branch_is_the_default_one, s, {
    let crm = types::Namespace::parse("https://crm.test")?;
    s.root.create_object(&s.all, crm.clone(), "App".into()).await?;
    let crm = s.test.node.object(&crm).await?.expect("it was made");
    let write = async |at: &str, n: u32| {
        let op = org_ai_runtime::Op::Put { key: key("Note/a"), input: input(json!({ "a": n })), upsert: true };
        crm.write(&s.all, &view(at), org_ai_runtime::Write::of(op)).await.map(|_| ())
    };
    write("", 1).await?;
    let wanted = org_ai_runtime::BranchWanted { name: branch("x"), things: None };
    crm.branch(&s.all, &View::default(), wanted).await?;
    write("x", 2).await?;
    crm.set_rules(&s.all, to(Some(branch("x")))).await?;
    let to = "https://copy.test".to_owned();
    let wanted = Lifecycle::Fork(ForkWanted { to: to.clone(), branch: None, at: None });
    let ended = crm.lifecycle(&s.all, wanted, None).await?.finished().await?;
    assert_eq!(ended.status, types::ActionStatus::Completed, "{:?}", ended.error);
    let copy = s.test.node.object(&types::Namespace::parse(&to)?).await?.expect("it was forked");
    assert_eq!(copy.thing(&s.all, &key("Note/a"), &View::default()).await?.row.data.to_value(), json!({ "a": 2 }));
    assert_eq!(copy.in_effect(), Ref::Head, "the copy has main and nothing else");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_names_no_branch_is_on_the_default_one() -> anyhow::Result<()> {
    let executor = ScriptedExecutor::new();
    executor.on("bump", |_, mut host| async move {
        let at = || ThingRef { noun: "Note".into(), id: "a".into(), at: None };
        let query = Json::from_value(&json!({}));
        let mut seen = Vec::new();
        for call in [
            Call::ThingGet { at: at() },
            Call::ThingPatch { at: at(), patch: Json::from_value(&json!({ "a": 3 })), if_version: None, branch: None },
            Call::ThingGet { at: ThingRef { at: Some("main".into()), ..at() } },
            Call::ThingCreate {
                noun: "Note".into(),
                data: Json::from_value(&json!({ "id": "b", "a": 9 })),
                if_version: None,
                branch: None,
            },
            Call::ThingList { noun: "Note".into(), query: Some(query) },
        ] {
            match host.call(call).await {
                Reply::Json(json) => seen.push(json.to_value()),
                Reply::Fault(fault) => return failed(fault),
                other => panic!("not JSON: {other:?}"),
            }
        }
        let total = seen[4]["total"].clone();
        completed(&json!([seen[0]["data"]["a"], seen[1]["branch"], seen[2]["data"]["a"], seen[3]["branch"], total]))
    });
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor).await?;
    let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
    test.deploy(&root, "bump", "scripted:bump").await?;
    let s = Scene { test, root, all, dir };
    s.create("", "Note/a", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.patch("x", "Note/a", json!({ "a": 2 })).await?;
    s.set_default("x").await?;
    let done = s.test.invoke(&s.root, "bump", &Value::Null).await?.map_err(|failed| failed.fault)?;
    assert_eq!(done.result.to_value(), json!([2, "x", 1, "x", 2]));
    assert_eq!(code(s.get("main", "Note/b").await), "NOT_FOUND");
    Ok(())
}
