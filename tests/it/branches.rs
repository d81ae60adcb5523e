//! Branches, sessions and streams of events: against the real server, also across a crash.

use crate::server::{Answer, Server, answer};
use anyhow::Context;
use serde_json::{Value, json};
use std::time::Duration;

async fn put_verb(server: &Server, verb: &str) -> anyhow::Result<Answer> {
    answer(server.request("PUT", &format!("/api/verbs/{verb}")).json(&json!({}))).await
}

/// The next events of a stream, as `(sequence, source)`.
async fn events(stream: &mut reqwest::Response, count: usize) -> anyhow::Result<Vec<(u64, String)>> {
    let mut text = String::new();
    loop {
        let whole: Vec<&str> = text.split("\n\n").filter(|event| event.contains("\ndata: ")).collect();
        // What stands behind the last empty line has not come whole.
        let complete = if text.ends_with("\n\n") { whole.len() } else { whole.len().saturating_sub(1) };
        if complete >= count {
            let read = |event: &&str| {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).context("data")?;
                let data: Value = serde_json::from_str(data)?;
                let source = data["source"].as_str().context("a source")?.to_owned();
                Ok((data["sequence"].as_u64().context("a sequence")?, source))
            };
            return whole[..count].iter().map(read).collect();
        }
        let piece = tokio::time::timeout(Duration::from_secs(60), stream.chunk()).await??;
        text.push_str(std::str::from_utf8(&piece.context("the stream ended")?)?);
    }
}

#[tokio::test]
async fn branches_and_sessions_outlive_the_server() -> anyhow::Result<()> {
    let server = Server::start()?;
    put_verb(&server, "ship").await?.expect(201);
    let made = server.post("/api/branches", &json!({ "name": "feature/x" })).await?.expect(201).body;
    let session = server.post("/api/checkout", &json!({ "ref": "feature/x" })).await?.expect(200).body;
    let session = session["session"].as_str().context("a session")?.to_owned();

    let server = server.crash_and_restart(&[])?;
    assert_eq!(server.get("/api/branches/feature%2Fx").await?.expect(200).body, made);
    let names = server.get("/api/branches").await?.expect(200).body;
    assert_eq!((&names["data"][0]["name"], &names["data"][1]["name"]), (&json!("main"), &json!("feature/x")));
    let on_it = server.request("POST", "/api/branches").header("do-session", session).json(&json!({ "name": "y" }));
    assert_eq!(answer(on_it).await?.expect(201).body["parent"], "feature/x");
    put_verb(&server, "deliver").await?.expect(201);
    let merged = server.post("/api/merge", &json!({ "source": "main", "into": "feature/x" })).await?.expect(200).body;
    assert_eq!((&merged["merged"], &merged["fastForward"]), (&json!(true), &json!(true)));
    let again = server.post("/api/merge", &json!({ "source": "feature/x" })).await?.expect(200).body;
    assert_eq!(again["versions"], json!([]), "what came from main is no news to it");
    Ok(())
}

#[tokio::test]
async fn a_stream_of_events_goes_on_where_it_was_after_a_crash() -> anyhow::Result<()> {
    let server = Server::start()?;
    let mut stream = server.request("GET", "/api/events/stream?after=0&source=Verb/ship").send().await?;
    assert_eq!(stream.status(), 200);
    put_verb(&server, "ship").await?.expect(201);
    let (last, _) = events(&mut stream, 1).await?[0];
    let server = server.crash_and_restart(&[])?;
    for verb in ["pack", "deliver", "bill"] {
        put_verb(&server, verb).await?.expect(201);
    }
    let again = server.request("GET", "/api/events/stream").header("last-event-id", last);
    let found = events(&mut again.send().await?, 3).await?;
    let (sequences, sources): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    assert_eq!(sequences, [last + 1, last + 2, last + 3]);
    for (source, verb) in sources.iter().zip(["pack", "deliver", "bill"]) {
        assert!(source.ends_with(&format!("/Verb/{verb}")), "{source}");
    }
    Ok(())
}

#[tokio::test]
async fn an_open_stream_does_not_keep_a_server_from_stopping() -> anyhow::Result<()> {
    let mut server = Server::start()?;
    let mut stream = server.request("GET", "/api/events/stream?after=0").send().await?;
    put_verb(&server, "ship").await?.expect(201);
    events(&mut stream, 1).await?;
    assert_eq!(server.terminate()?, Some(0));
    while tokio::time::timeout(Duration::from_secs(60), stream.chunk()).await??.is_some() {}
    Ok(())
}
