//! Hostile and broken input against the real server: a clear error each time, nothing lost, the next call served.

use crate::components::{code, code_with, echo};
use crate::server::{Answer, Server, answer};
use serde_json::json;

/// The server still does its work, and what was deployed is still there.
async fn still_serves(server: &Server) -> anyhow::Result<()> {
    let answer = server.invoke("echo", &json!("still here")).await?;
    assert_eq!((answer.status, &answer.body["result"]), (200, &json!("still here")), "{answer:?}");
    Ok(())
}

async fn with_echo() -> anyhow::Result<Server> {
    let server = Server::start()?;
    server.deploy("echo", echo()).await?.expect(201);
    Ok(server)
}

/// Runs `component` and expects its failure to have this code.
async fn fails_with(server: &Server, component: Vec<u8>, code: &str) -> anyhow::Result<Answer> {
    let deployed = server.deploy("bad", component).await?;
    assert!(matches!(deployed.status, 200 | 201), "{deployed:?}");
    let failed = server.invoke("bad", &json!(null)).await?;
    assert_eq!(failed.code(), code, "{failed:?}");
    assert!(failed.status >= 400, "{failed:?}");
    assert!(!failed.message().is_empty() && !failed.message().contains("/root/"), "{failed:?}");
    let id = failed.body["error"]["details"]["actionId"].as_str().map(str::to_owned);
    if let Some(id) = id {
        let row = server.get(&format!("/api/actions-log/{id}")).await?.expect(200).body;
        assert_eq!(row["status"], "failed", "{row}");
        assert_eq!(row["error"]["code"], code, "{row}");
    }
    still_serves(server).await?;
    Ok(failed)
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_it_is() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let module = wat::parse_str("(module (func (export \"run\")))")?;
    let mut truncated = echo();
    truncated.truncate(truncated.len() / 2);
    for (what, bytes, says) in [
        ("text", b"fn main() {}".to_vec(), "component"),
        ("nothing", Vec::new(), "component"),
        ("a core module", module, "core WebAssembly module"),
        ("half a component", truncated, "component"),
        ("a megabyte of zeros", vec![0; 1 << 20], "component"),
    ] {
        let refused = server.deploy("echo", bytes).await?;
        assert!(matches!(refused.status, 400 | 422), "{what}: {refused:?}");
        assert!(refused.message().contains(says), "{what}: {}", refused.message());
        still_serves(&server).await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_hundred_megabytes_of_zeros_are_refused_by_size() -> anyhow::Result<()> {
    let server = with_echo().await?;
    // The server may answer and close before all of it was sent; either way it must not take it.
    if let Ok(answer) = server.deploy("echo", vec![0; 200 << 20]).await {
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    still_serves(&server).await
}

#[tokio::test]
async fn an_import_that_no_world_offers_is_named() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = wat::parse_str(
        r#"(component
             (import "acme:secret/database@1.0.0" (instance (export "query" (func (param "sql" string)))))
             (import "org-ai:actions/actionz@0.1.0" (instance)))"#,
    )?;
    let refused = server.deploy("bad", component).await?;
    assert!(matches!(refused.status, 400 | 422), "{refused:?}");
    assert!(refused.message().contains("acme:secret/database@1.0.0"), "{}", refused.message());
    still_serves(&server).await
}

#[tokio::test]
async fn an_endless_loop_is_stopped_and_starves_nobody() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = code("(loop $l (br $l)) (unreachable)");
    let deployed = server.deploy_with("bad", component, &json!({ "limits": { "cpuMs": 1500 } })).await?;
    assert_eq!(deployed.status, 201, "{deployed:?}");
    // More of them than there are threads, and somebody else meanwhile.
    let loops = futures::future::join_all((0..4).map(|_| server.invoke("bad", &json!(null))));
    let others = async {
        for _ in 0..20 {
            still_serves(&server).await?;
        }
        anyhow::Ok(())
    };
    let (loops, others) = tokio::join!(loops, others);
    others?;
    for failed in loops {
        let failed = failed?;
        assert_eq!((failed.status, failed.code()), (408, "CPU_LIMIT"), "{failed:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_guest_that_only_waits_is_stopped_by_the_clock() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let sleeper = code_with(
        "(call $sleep (i64.const 60000) (i32.const 32)) (call $ok (i32.const 64) (i32.const 1))",
        r#"(import "org-ai:timers/timers@0.1.0" "sleep" (func $sleep (param i64 i32)))"#,
        "1",
    );
    server.deploy_with("bad", sleeper, &json!({ "limits": { "timeoutMs": 300 } })).await?.expect(201);
    let failed = server.invoke("bad", &json!(null)).await?.expect(408);
    assert_eq!(failed.code(), "TIMEOUT");
    still_serves(&server).await
}

#[tokio::test]
async fn memory_without_end_is_refused() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = code("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) (unreachable)");
    fails_with(&server, component, "MEMORY_LIMIT").await?;
    Ok(())
}

#[tokio::test]
async fn recursion_without_end_is_stopped() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = code("(call $run (local.get $p) (local.get $n))");
    fails_with(&server, component, "STACK_OVERFLOW").await?;
    Ok(())
}

#[tokio::test]
async fn a_trap_comes_back_with_its_backtrace() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let failed = fails_with(&server, code("(unreachable)"), "TRAP").await?;
    assert!(failed.message().contains("unreachable"), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn a_result_of_a_hundred_megabytes_is_refused() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = code("(drop (memory.grow (i32.const 1700))) (call $ok (i32.const 4096) (i32.const 104857600))");
    fails_with(&server, component, "OUTPUT_LIMIT").await?;
    Ok(())
}

#[tokio::test]
async fn a_result_that_is_no_json_is_refused() -> anyhow::Result<()> {
    let server = with_echo().await?;
    fails_with(&server, code_with("(call $ok (i32.const 64) (i32.const 4))", "", "nope"), "OUTPUT_NOT_JSON").await?;
    Ok(())
}

#[tokio::test]
async fn ten_million_calls_of_an_import_end_at_the_limit() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let component = code_with(
        r"(local $i i32)
          (local.set $i (i32.const 10000000))
          (loop $l
            (call $cancelled) (drop)
            (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
          (call $ok (i32.const 64) (i32.const 1))",
        r#"(import "org-ai:context/context@0.1.0" "cancelled" (func $cancelled (result i32)))"#,
        "1",
    );
    fails_with(&server, component, "HOST_CALL_LIMIT").await?;
    Ok(())
}

#[tokio::test]
async fn an_input_above_a_megabyte_is_refused_and_leaves_no_row() -> anyhow::Result<()> {
    let server = with_echo().await?;
    let refused = server.invoke("echo", &json!("x".repeat(1_100_000))).await?.expect(413);
    assert_eq!(refused.code(), "INPUT_LIMIT");
    let log = server.get("/api/actions-log?verb=invoke").await?.expect(200).body;
    assert_eq!(log["data"].as_array().map(Vec::len), Some(0), "{log}");
    let body = server
        .request("POST", "/api/actions/echo")
        .header("content-type", "application/json")
        .body("x".repeat(3 << 20));
    assert_eq!(answer(body).await?.status, 413);
    still_serves(&server).await
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_version_and_a_clear_error() -> anyhow::Result<()> {
    let (mount, _unmount) = small_disk()?;
    let server = Server::start_on(&mount.path().join("data"), &[], None)?;
    server.deploy("echo", echo()).await?.expect(201);
    let free = std::fs::File::create(mount.path().join("ballast"))?;
    fill(free)?;
    // Different bytes each time, so that it is never `unchanged`; large, so that it cannot fit.
    let large = code_with("(call $ok (local.get $p) (local.get $n))", "", &"x".repeat(60_000));
    let refused = server.deploy("echo", large.clone()).await?;
    assert_eq!((refused.status, refused.code()), (507, "STORAGE_FULL"), "{refused:?}");
    still_serves(&server).await?;
    std::fs::remove_file(mount.path().join("ballast"))?;
    let deployed = server.deploy("echo", large).await?;
    assert_eq!(deployed.status, 200, "{deployed:?}");
    still_serves(&server).await
}

#[tokio::test]
async fn a_full_disk_refuses_writes_of_things_and_keeps_what_was_acknowledged() -> anyhow::Result<()> {
    let (mount, _unmount) = small_disk()?;
    let server = Server::start_on(&mount.path().join("data"), &[], None)?;
    for id in ["a", "b"] {
        server.post("/api/Note", &json!({ "id": id, "n": 1 })).await?.expect(201);
    }
    fill(std::fs::File::create(mount.path().join("ballast"))?)?;
    // Files have some room of their own; it is used up by and by.
    let text = "x".repeat(100_000);
    let mut kept = vec!["a".to_owned(), "b".to_owned()];
    let refused = loop {
        let id = format!("large{}", kept.len());
        let answer = server.post("/api/Note", &json!({ "id": id, "text": text })).await?;
        if answer.status != 201 {
            break answer;
        }
        kept.push(id);
        anyhow::ensure!(kept.len() < 100, "the disk is not full");
    };
    assert_eq!((refused.status, refused.code()), (507, "STORAGE_FULL"), "{refused:?}");
    // What is small may fit still; what does not is refused in the same words, and nothing of it is there.
    let deleted = answer(server.request("DELETE", "/api/Note/a")).await?;
    let patched = answer(server.request("PATCH", "/api/Note/b").json(&json!({ "n": 2 }))).await?;
    for answer in [&deleted, &patched] {
        assert!(matches!(answer.status, 200 | 204) || answer.code() == "STORAGE_FULL", "{answer:?}");
    }
    let is_deleted = deleted.status == 204;
    let n = if patched.status == 200 { 2 } else { 1 };
    for id in &kept[1..] {
        server.get(&format!("/api/Note/{id}")).await?.expect(200);
    }
    std::fs::remove_file(mount.path().join("ballast"))?;
    assert_eq!(server.get("/api/Note/a").await?.status, if is_deleted { 404 } else { 200 });
    assert_eq!(server.get("/api/Note/b").await?.expect(200).body["data"]["n"], n);
    server.post("/api/Note", &json!({ "id": "after", "text": text })).await?.expect(201);
    // The same again after the process is gone.
    let server = server.crash_and_restart(&[])?;
    for id in kept[1..].iter().map(String::as_str).chain(["after"]) {
        server.get(&format!("/api/Note/{id}")).await?.expect(200);
    }
    let events = server.get("/api/events?limit=100").await?.expect(200).body;
    let events = events["data"].as_array().expect("a list").clone();
    let sequences: Vec<_> = events.iter().filter_map(|e| e["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>());
    assert_eq!(events.len(), kept.len() + 1 + usize::from(is_deleted) + usize::from(n == 2), "one for each write");
    Ok(())
}

/// A file system of its own, small enough to be filled.
fn small_disk() -> anyhow::Result<(tempfile::TempDir, Unmount)> {
    let mount = tempfile::TempDir::new()?;
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(mount.path()).status();
    anyhow::ensure!(mounted.is_ok_and(|s| s.success()), "this test mounts a small tmpfs: run it as root");
    let unmount = Unmount(mount.path().to_owned());
    Ok((mount, unmount))
}

fn fill(mut file: std::fs::File) -> anyhow::Result<()> {
    use std::io::Write;
    for size in [1 << 20, 4096, 1] {
        let block = vec![1u8; size];
        while file.write_all(&block).is_ok() {}
    }
    Ok(())
}

struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
