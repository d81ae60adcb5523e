//! Where things and edges may point to, by the schemas of their nouns (spec NOU-4, REL-2): on every way in.

mod scene;

use org_ai_runtime::EdgeShown;
use scene::{Scene, code, key, view};
use serde_json::{Value, json};
use testkit::{ScriptedExecutor, TestNode, completed, failed};
use types::{Call, Fault, Json, Reply, ThingRef};

impl Scene {
    async fn relate(&self, at: &str, from: &str, verb: &str, to: &str) -> Result<(EdgeShown, bool), Fault> {
        self.root.relate(&self.all, &view(at), &key(from), verb, to, json!({})).await
    }

    /// A startup owns sites, and only a startup does.
    async fn owners(&self) -> anyhow::Result<()> {
        self.noun("", "Startup", json!({ "owns": "->Site?" })).await?;
        self.noun("", "Site", json!({ "ownedBy": "<-Startup" })).await?;
        self.create("", "Startup/acme", json!({ "a": 1 })).await?;
        self.create("", "Site/s", json!({ "a": 1 })).await?;
        self.create("", "Person/p", json!({ "a": 1 })).await?;
        Ok(())
    }
}

/// The fields of a refusal, with its code.
fn refused<T: std::fmt::Debug>(result: Result<T, Fault>) -> (String, Value) {
    let fault = result.expect_err("it is refused");
    let details = fault.details.as_ref().map(Json::to_value).unwrap_or_default();
    (fault.code.to_string(), details[0]["field"].clone())
}

story!(an_edge_whose_relation_a_schema_declares_leads_to_a_thing_of_that_noun, s, {
    s.owners().await?;
    let no = ("VALIDATION_FAILED".to_owned(), json!("to"));
    assert!(s.relate("", "Startup/acme", "owns", "Site/s").await?.1);
    let local = format!("{}/Site/s", s.root.namespace());
    assert!(!s.relate("", "Startup/acme", "owns", &local).await?.1, "the same thing by its URL");
    for (to, why) in [
        ("Site/none", "it was never made"),
        ("Person/p", "it is of another noun"),
        ("https://elsewhere.example/Site/s", "nobody here knows what that is"),
    ] {
        assert_eq!(refused(s.relate("", "Startup/acme", "owns", to).await), no, "{to}: {why}");
    }
    s.delete("", "Site/s").await?;
    assert_eq!(refused(s.relate("", "Startup/acme", "owns", "Site/s").await), no, "it is gone");
    assert!(s.relate("", "Startup/acme", "likes", "Site/none").await?.1, "no schema speaks of likes");
    assert!(s.relate("", "Person/p", "owns", "Car/none").await?.1, "nor of what a person owns, nor of cars");
});

story!(an_edge_comes_from_the_noun_that_the_other_ends_schema_names, s, {
    s.owners().await?;
    let refusal = refused(s.relate("", "Person/p", "owns", "Site/s").await);
    assert_eq!(refusal, ("VALIDATION_FAILED".into(), json!("from")));
    assert!(s.relate("", "Person/p", "likes", "Site/s").await?.1);
});

story!(a_branch_is_asked_what_it_knows_itself, s, {
    s.owners().await?;
    s.branch("", "x").await?;
    s.create("x", "Site/new", json!({ "a": 1 })).await?;
    assert!(s.relate("x", "Startup/acme", "owns", "Site/new").await?.1);
    assert_eq!(refused(s.relate("", "Startup/acme", "owns", "Site/new").await).0, "VALIDATION_FAILED");
    let merged = s.merge("x", "main").await?;
    assert!(merged.merged, "the site comes with the edge: {merged:?}");
});

story!(a_merge_refuses_an_edge_and_a_field_whose_target_is_gone, s, {
    s.owners().await?;
    s.noun("", "Task", json!({ "owner": "->Person" })).await?;
    s.branch("", "x").await?;
    let (edge, _) = s.relate("x", "Startup/acme", "owns", "Site/s").await?;
    s.create("x", "Task/t", json!({ "owner": "p" })).await?;
    s.delete("", "Site/s").await?;
    s.delete("", "Person/p").await?;
    let before = s.events().await?.len();
    let merged = s.merge("x", "main").await?;
    let told = merged.conflicts.iter().map(|c| (c.key.to_string(), c.conflicts[0].path.clone(), c.conflicts[0].kind));
    let constraint = model::merge::ConflictKind::Constraint;
    let expected = [
        (format!("Relationship/{}", edge.id), "to".to_owned(), constraint),
        ("Task/t".into(), "owner".into(), constraint),
    ];
    assert_eq!((merged.merged, told.collect::<Vec<_>>()), (false, expected.to_vec()));
    assert_eq!(code(s.get("", "Task/t").await), "NOT_FOUND");
    assert_eq!(s.events().await?.len(), before + 1, "only that there was a conflict is told");
    s.restore("", "Site/s").await?;
    s.restore("", "Person/p").await?;
    assert!(s.merge("x", "main").await?.merged);
});

story!(a_merge_that_takes_the_target_away_refuses_what_points_at_it, s, {
    s.noun("", "Task", json!({ "owner": "->Person" })).await?;
    s.create("", "Person/p", json!({ "a": 1 })).await?;
    s.branch("", "x").await?;
    s.create("x", "Task/t", json!({ "owner": "p" })).await?;
    s.delete("x", "Person/p").await?;
    let merged = s.merge("x", "main").await?;
    let told: Vec<_> = merged.conflicts.iter().map(|c| c.key.to_string()).collect();
    assert_eq!((merged.merged, told), (false, vec!["Task/t".to_owned()]));
});

story!(what_is_undone_must_point_at_something_again, s, {
    s.owners().await?;
    s.relate("", "Startup/acme", "owns", "Site/s").await?;
    s.root.unrelate(&s.all, &view(""), &key("Startup/acme"), "owns", "Site/s").await?;
    let filter = store::ActionFilter { limit: 100, ..store::ActionFilter::default() };
    let actions = s.root.actions(&s.all, &filter).await?.items;
    let unlink = actions.iter().find(|a| a.verb == "unlink").expect("it was noted").id;
    s.delete("", "Site/s").await?;
    assert_eq!(refused(s.root.undo(&s.all, unlink, false).await).0, "VALIDATION_FAILED");
    s.restore("", "Site/s").await?;
    assert!(s.root.undo(&s.all, unlink, false).await.is_ok());
});

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_refused_the_same_edges() -> anyhow::Result<()> {
    let executor = ScriptedExecutor::new();
    executor.on("relate", |job, mut host| async move {
        let to = job.input.to_value().as_str().unwrap_or_default().to_owned();
        let from = ThingRef { noun: "Startup".into(), id: "acme".into(), at: None };
        match host.call(Call::Relate { from, verb: "owns".into(), to, data: None }).await {
            Reply::Fault(fault) => failed(fault),
            _ => completed(&json!("related")),
        }
    });
    let dir = tempfile::tempdir()?;
    let test = TestNode::open(dir.path(), executor).await?;
    let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
    test.deploy(&root, "relate", "scripted:relate").await?;
    let s = Scene { test, root, all, dir };
    s.owners().await?;
    let call = async |to: &str| -> anyhow::Result<Result<Value, Fault>> {
        let invoked = s.test.invoke(&s.root, "relate", &json!(to)).await?;
        Ok(invoked.map(|done| done.result.to_value()).map_err(|failed| failed.fault))
    };
    assert_eq!(call("Site/s").await?, Ok(json!("related")));
    assert_eq!(refused(call("Site/none").await?).0, "VALIDATION_FAILED");
    Ok(())
}
