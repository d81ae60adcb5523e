//! Deploy, invoke, versions, rollback, delete: over HTTP, against the real server.

use crate::components::{constant, echo};
use crate::server::{Server, answer};
use serde_json::json;

#[tokio::test]
async fn a_deployed_component_answers_and_leaves_its_trace() -> anyhow::Result<()> {
    let server = Server::start()?;
    let deployed = server.deploy("echo", echo()).await?.expect(201);
    assert_eq!(deployed.body["name"], "echo");
    assert_eq!(deployed.body["type"], "code");
    let answer = server.invoke("echo", &json!({ "n": 12345678901234567890u64, "x": [1.50, null] })).await?.expect(200);
    assert_eq!(answer.body["status"], "completed");
    assert_eq!(answer.body["result"], json!({ "n": 12345678901234567890u64, "x": [1.50, null] }));

    let id = answer.body["actionId"].as_str().expect("an action id");
    let row = server.get(&format!("/api/actions-log/{id}")).await?.expect(200).body;
    assert_eq!((row["verb"].as_str(), row["status"].as_str()), (Some("invoke"), Some("completed")));
    assert_eq!(row["target"], "Function/echo");
    assert!(row["actor"].as_str().is_some_and(|a| a.ends_with("/Service/root")), "{row}");

    let events = server.get("/api/events").await?.expect(200).body;
    let events = events["data"].as_array().expect("a list").clone();
    let of = |verb: &str| events.iter().filter(|e| e["verb"] == verb).count();
    assert_eq!((of("invoked"), of("completed")), (1, 1), "{events:?}");
    let sequences: Vec<_> = events.iter().map(|e| e["sequence"].as_u64().unwrap_or(0)).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>(), "sequences are 1..n");
    Ok(())
}

#[tokio::test]
async fn each_deploy_is_a_version_and_old_ones_stay_callable() -> anyhow::Result<()> {
    let server = Server::start()?;
    let v = |answer: &crate::server::Answer| answer.body["version"].as_u64().expect("a version");
    let first = server.deploy("f", constant("1")).await?.expect(201);
    let again = server.deploy("f", constant("1")).await?.expect(200);
    assert_eq!(again.body["unchanged"], true);
    assert_eq!(v(&again), v(&first));
    let second = server.deploy("f", constant("2")).await?.expect(200);
    assert!(v(&second) > v(&first));

    let result = async |action: String| anyhow::Ok(server.invoke(&action, &json!(null)).await?.body["result"].clone());
    assert_eq!(result("f".into()).await?, 2);
    assert_eq!(result(format!("f@v{}", v(&first))).await?, 1);
    assert_eq!(result("f@~1".into()).await?, 1);
    assert_eq!(server.invoke("f@~2", &json!(null)).await?.status, 404);
    assert_eq!(server.invoke("f@v999", &json!(null)).await?.status, 404);
    assert_eq!(server.invoke("f@x", &json!(null)).await?.status, 400);

    let back = server.post("/api/functions/f/rollback", &json!({})).await?.expect(200);
    assert!(v(&back) > v(&second), "a rollback is a new version");
    assert_eq!(result("f".into()).await?, 1);
    let versions = server.get("/api/functions/f/versions").await?.expect(200).body;
    assert_eq!(versions["data"].as_array().map(Vec::len), Some(3), "{versions}");

    let gone = answer(server.request("DELETE", "/api/functions/f")).await?;
    assert!(matches!(gone.status, 200 | 204), "{gone:?}");
    assert_eq!(server.invoke("f", &json!(null)).await?.expect(404).code(), "ACTION_NOT_FOUND");
    assert_eq!(result(format!("f@v{}", v(&second))).await?, 2, "a version that was named stays");
    Ok(())
}

#[tokio::test]
async fn parallel_deploys_of_one_name_all_become_versions() -> anyhow::Result<()> {
    let server = Server::start()?;
    let deploys = (0..8).map(|n| server.deploy("f", constant(&n.to_string())));
    let mut versions = Vec::new();
    for deployed in futures::future::join_all(deploys).await {
        let deployed = deployed?;
        assert!(matches!(deployed.status, 200 | 201), "{deployed:?}");
        versions.push(deployed.body["version"].as_u64().expect("a version"));
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), 8);
    let newest = versions.last().expect("eight of them");
    let shown = server.get("/api/functions/f").await?.expect(200).body;
    assert_eq!(shown["version"].as_u64(), Some(*newest));
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    for round in 1..=3 {
        server.deploy("f", constant(&round.to_string())).await?;
        server = server.crash_and_restart(&[])?;
        assert_eq!(server.invoke("f", &json!(null)).await?.expect(200).body["result"], round);
    }
    let events = server.get("/api/events").await?.expect(200).body;
    let sequences: Vec<_> =
        events["data"].as_array().expect("a list").iter().filter_map(|e| e["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_deploy_leaves_the_old_or_the_new_version() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    server.deploy("f", constant("0")).await?.expect(201);
    let mut newest = 0;
    for (round, after_ms) in [1u64, 2, 4, 8, 12, 16, 25, 40].into_iter().enumerate() {
        let next = round as u64 + 1;
        let component = constant(&next.to_string());
        let deploying = server.deploy("f", component);
        let acknowledged = match tokio::time::timeout(std::time::Duration::from_millis(after_ms), deploying).await {
            Ok(answer) => answer.is_ok_and(|a| a.status == 200),
            Err(_) => false,
        };
        server = server.crash_and_restart(&[])?;
        let result = server.invoke("f", &json!(null)).await?.expect(200).body["result"].as_u64().expect("a number");
        assert!(result == newest && !acknowledged || result == next, "{result} after {newest}, {acknowledged}");
        newest = result;
    }
    Ok(())
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused_with_the_reason() -> anyhow::Result<()> {
    let server = Server::start()?;
    let refused = match Server::start_on(server.data(), &[], None) {
        Ok(_) => anyhow::bail!("two servers on one folder"),
        Err(refused) => refused.to_string(),
    };
    assert!(refused.contains("in use by"), "{refused}");
    assert!(refused.contains(&server.pid().to_string()), "{refused}");
    assert_eq!(server.get("/health").await?.status, 200, "the first goes on");
    Ok(())
}

#[tokio::test]
async fn calls_that_run_keep_the_version_they_began_with() -> anyhow::Result<()> {
    let server = Server::start()?;
    // Sleeps half a second by timers.sleep, then answers 1.
    let slow = crate::components::code_with(
        r"(call $sleep (i64.const 500) (i32.const 32)) (call $ok (i32.const 64) (i32.const 1))",
        r#"(import "org-ai:timers/timers@0.1.0" "sleep" (func $sleep (param i64 i32)))"#,
        "1",
    );
    server.deploy("f", slow).await?.expect(201);
    let running = server.invoke("f", &json!(null));
    let deployed = async {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        server.deploy("f", constant("2")).await
    };
    let (old, deployed) = tokio::join!(running, deployed);
    deployed?.expect(200);
    assert_eq!(old?.expect(200).body["result"], 1);
    assert_eq!(server.invoke("f", &json!(null)).await?.body["result"], 2);
    Ok(())
}
