//! The end of an object.

use super::*;
use std::time::Duration;
use types::FaultKind;

fn destroy(namespace: &str) -> Lifecycle {
    Lifecycle::Destroy { namespace: ns(namespace) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroyed_object_is_gone_and_its_name_rests() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let test = open(dir.path()).await?;
    let (object, all, root) = (crm(&test).await?, test.caller(&["*.*"])?, test.root().await?);
    put(&test, &object, &View::default(), "Note/a", json!({ "n": 1 })).await?;
    object.create_object(&all, ns("https://crm.test/acme"), "DO".into()).await?;
    let refused = begin(&test, &root, destroy("https://crm.test")).await?.expect_err("it has a child");
    assert_eq!(refused.code, "HAS_CHILDREN");
    done(&test, &object, destroy("https://crm.test/acme")).await?;
    assert_eq!(children(&test, &object).await?, [""; 0]);
    let below = object.create_object(&all, ns("https://crm.test/acme"), "DO".into()).await.expect_err("it rests");
    assert_eq!((below.kind, below.code.as_str()), (FaultKind::Conflict, "OBJECT_DESTROYED"));
    let below = test.node.resolve(&ns("https://crm.test/acme/Note/1")).await.expect_err("its parent is not meant");
    assert_eq!((below.kind, below.code.as_str()), (FaultKind::Gone, "OBJECT_DESTROYED"));

    done(&test, &root, destroy("https://crm.test")).await?;
    assert_eq!(test.node.object(&ns("https://crm.test")).await.expect_err("gone").kind, FaultKind::Gone);
    let held = object.thing(&all, &key("Note/a"), &View::default()).await.expect_err("whoever still holds it");
    assert_eq!(held.kind, FaultKind::Unavailable);
    let early = root.create_object(&all, ns("https://crm.test"), "App".into()).await.expect_err("it rests");
    assert_eq!((early.kind, early.code.as_str()), (FaultKind::Conflict, "OBJECT_DESTROYED"));
    assert_eq!(begin(&test, &root, destroy("https://crm.test")).await?.expect_err("twice").kind, FaultKind::Gone);
    let unknown = begin(&test, &root, destroy("https://nobody.test")).await?.expect_err("there is none");
    assert_eq!(unknown.kind, FaultKind::NotFound);
    assert_eq!(
        begin(&test, &root, destroy("https://root.test")).await?.expect_err("the root").kind,
        FaultKind::Forbidden
    );

    test.clock.advance(Duration::from_secs(30 * 24 * 3600));
    assert!(test.node.object(&ns("https://crm.test")).await?.is_none(), "the name is free");
    let new = crm(&test).await?;
    assert_eq!(n_at(&test, &new, "Note/a", "").await?, Err("NOT_FOUND".into()), "another object has it");
    put(&test, &new, &View::default(), "Note/a", json!({ "n": 2 })).await?;
    drop((object, root, new));
    close(test).await;
    let test = open(dir.path()).await?;
    assert_eq!(n_at(&test, &crm(&test).await?, "Note/a", "").await?, Ok(json!(2)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_point_of_a_destruction_leaves_all_or_nothing_and_it_finishes() -> anyhow::Result<()> {
    for point in ["destroy.begun", "destroy.named", "destroy.buried", "lifecycle.completing"] {
        let dir = tempfile::tempdir()?;
        let test = open_stopping(dir.path(), point).await?;
        let crm = super::crm(&test).await?;
        crm.create_object(&test.caller(&["*.*"])?, ns("https://crm.test/acme"), "DO".into()).await?;
        let object = test.node.object(&ns("https://crm.test/acme")).await?.expect("it was made");
        put(&test, &object, &View::default(), "Note/a", json!({ "n": 1 })).await?;
        drop(object);
        // The root may end what is below its children too.
        let stopped = begin(&test, &test.root().await?, destroy("https://crm.test/acme")).await??.finished().await?;
        assert_eq!(stopped.status, ActionStatus::Running, "{point}");
        match test.node.object(&ns("https://crm.test/acme")).await {
            Ok(found) => {
                let object = found.expect("it was not named yet");
                assert_eq!(n_at(&test, &object, "Note/a", "").await?, Ok(json!(1)), "{point}");
            }
            Err(fault) => assert_eq!(fault.kind, FaultKind::Gone, "{point}"),
        }
        drop(crm);
        close(test).await;

        let test = open(dir.path()).await?;
        let row = settled(&test, &test.root().await?, "destroy").await?;
        assert_eq!(row.status, ActionStatus::Completed, "{point}: {:?}", row.error);
        let gone = test.node.object(&ns("https://crm.test/acme")).await.expect_err("gone");
        assert_eq!(gone.kind, FaultKind::Gone, "{point}");
        let crm = super::crm(&test).await?;
        assert_eq!(children(&test, &crm).await?, [""; 0], "{point}");
        // Nothing new comes to be below what is gone.
        let all = test.caller(&["*.*"])?;
        done(&test, &test.root().await?, destroy("https://crm.test")).await?;
        assert!(crm.create_object(&all, ns("https://crm.test/new"), "DO".into()).await.is_err(), "{point}");
    }
    Ok(())
}
