//! A thing becomes an object.

use super::*;
use org_ai_runtime::PromoteWanted;
use types::FaultKind;

fn promote(id: &str, history: bool) -> Lifecycle {
    Lifecycle::Promote(PromoteWanted { noun: "Startup".into(), id: id.into(), history })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_thing_lives_in_an_object_of_its_own() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (crm, all) = (crm(&test).await?, test.caller(&["*.*"])?);
    for n in 1..=3 {
        put(&test, &crm, &View::default(), "Startup/acme", json!({ "n": n })).await?;
        put(&test, &crm, &View::default(), "Startup/plain", json!({ "n": n })).await?;
    }
    let result = done(&test, &crm, promote("acme", true)).await?;
    assert_eq!(result, json!({ "ns": "https://crm.test/acme", "class": "DO", "versions": 3 }));
    let pointer = crm.thing(&all, &key("Startup/acme"), &View::default()).await?;
    assert!(pointer.is_object);
    assert_eq!(pointer.row.data.to_value(), json!({ "$ref": "https://crm.test/acme" }));
    assert_eq!(n_at(&test, &crm, "Startup/acme", "~1").await?, Ok(json!(3)), "its past is still there");
    let acme = test.node.object(&ns("https://crm.test/acme")).await?.expect("it is registered");
    for version in 1..=3 {
        assert_eq!(n_at(&test, &acme, "Startup/acme", &format!("v{version}")).await?, Ok(json!(version)));
    }
    let again = begin(&test, &crm, promote("acme", true)).await?.expect_err("it is one");
    assert_eq!((again.kind, again.code.as_str()), (FaultKind::Conflict, "IS_OBJECT"));

    assert_eq!(done(&test, &crm, promote("plain", false)).await?["versions"], 1);
    let plain = test.node.object(&ns("https://crm.test/plain")).await?.expect("it is registered");
    assert_eq!(n_at(&test, &plain, "Startup/plain", "v1").await?, Ok(json!(3)), "only its newest version");
    assert_eq!(begin(&test, &crm, promote("none", true)).await?.expect_err("none").kind, FaultKind::NotFound);
    put(&test, &crm, &View::default(), "Startup/a%2Fb", json!({})).await?;
    assert_eq!(begin(&test, &crm, promote("a/b", true)).await?.expect_err("no URL").kind, FaultKind::Invalid);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_of_a_promotion_loses_nothing_and_it_finishes() -> anyhow::Result<()> {
    for point in ["promote.begun", "promote.copying", "promote.copied", "promote.registered", "lifecycle.completing"] {
        let dir = tempfile::tempdir()?;
        let test = open_stopping(dir.path(), point).await?;
        let object = crm(&test).await?;
        for n in 1..=40 {
            put(&test, &object, &View::default(), "Startup/acme", json!({ "n": n })).await?;
        }
        let stopped = begin(&test, &object, promote("acme", true)).await??.finished().await?;
        assert_eq!(stopped.status, ActionStatus::Running, "{point}");
        let is_pointer = object.thing(&test.caller(&["*.*"])?, &key("Startup/acme"), &View::default()).await?.is_object;
        assert_eq!(is_pointer, point == "lifecycle.completing", "{point}");
        // What is written while it stands still is not lost either.
        let writes = !is_pointer;
        if writes {
            put(&test, &object, &View::default(), "Startup/acme", json!({ "n": 41 })).await?;
        }
        drop(object);
        close(test).await;

        let test = open(dir.path()).await?;
        let object = crm(&test).await?;
        let row = settled(&test, &object, "promote").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        let acme = test.node.object(&ns("https://crm.test/acme")).await?.expect("it is registered");
        let last = if writes { 41 } else { 40 };
        assert_eq!(n_at(&test, &acme, "Startup/acme", "").await?, Ok(json!(last)), "{point}");
        assert_eq!(n_at(&test, &acme, "Startup/acme", &format!("~{}", last - 1)).await?, Ok(json!(1)), "{point}");
        let gone = n_at(&test, &acme, "Startup/acme", &format!("~{last}")).await?;
        assert_eq!(gone, Err("NOT_FOUND".into()), "{point}: nothing twice");
        let pointer = object.thing(&test.caller(&["*.*"])?, &key("Startup/acme"), &View::default()).await?;
        assert!(pointer.is_object, "{point}");
        assert_eq!(children(&test, &object).await?, ["https://crm.test/acme"], "{point}");
    }
    Ok(())
}
