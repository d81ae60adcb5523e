//! Outgoing HTTP of a real guest: only where its manifest says, with secrets it never sees.

use crate::guests::guest;
use crate::server::{Answer, Server, answer};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that keeps what it was sent and answers with a fixed response.
struct Outside {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    async fn answering(response: String) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 16 << 10];
                let n = stream.read(&mut buffer).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..n]).into_owned();
                keep.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        Ok(Self { url, heard })
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const SECRET: &str = "s3cr3t-value-of-the-token";

fn response(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A server with `fetch` under this manifest, and the secret stored.
async fn with_fetch(arguments: &[&str], manifest: &Value) -> anyhow::Result<Server> {
    let server = Server::start_with(arguments)?;
    let stored = answer(server.request("PUT", "/api/secrets/TOKEN").json(&json!({ "value": SECRET }))).await?;
    assert!(stored.status < 300, "{stored:?}");
    server.deploy_with("fetch", guest("fetch")?, manifest).await?.expect(201);
    Ok(server)
}

fn manifest(url: &str, private: bool) -> Value {
    json!({
        "allow": [{ "url": url, "methods": ["GET"], "private": private }],
        "secrets": [{ "name": "TOKEN", "hosts": [url] }],
    })
}

async fn log(server: &Server) -> anyhow::Result<String> {
    Ok(server.get("/api/functions/fetch/logs").await?.expect(200).body.to_string())
}

#[tokio::test]
async fn a_secret_reaches_the_host_it_is_for_and_never_the_guest() -> anyhow::Result<()> {
    let outside = Outside::answering(response(&format!("you sent {SECRET}, did you not?"))).await?;
    let server = with_fetch(&["--allow-private-networks"], &manifest(&outside.url, true)).await?;
    let fetched = server.invoke("fetch", &json!({ "url": outside.url })).await?.expect(200);
    let heard = outside.heard();
    assert!(heard.iter().any(|r| r.contains(&format!("Bearer {SECRET}"))), "{heard:?}");
    assert_eq!(fetched.body["result"]["excerpt"], "you sent {{secret:TOKEN}}, did you not?");
    assert!(!log(&server).await?.contains(SECRET));
    let kept = server.get("/api/actions-log").await?.expect(200).body.to_string();
    assert!(!kept.contains(SECRET), "{kept}");
    let files = std::process::Command::new("grep").args(["-rla", SECRET]).arg(server.data()).output()?;
    assert!(files.stdout.is_empty(), "in the clear on disk: {}", String::from_utf8_lossy(&files.stdout));
    Ok(())
}

async fn refused(server: &Server, url: &str) -> anyhow::Result<(Answer, String)> {
    let failed = server.invoke("fetch", &json!({ "url": url })).await?;
    assert!(failed.status >= 400, "{failed:?}");
    Ok((failed, log(server).await?))
}

#[tokio::test]
async fn what_the_manifest_does_not_name_is_not_reached() -> anyhow::Result<()> {
    let (named, other) = (Outside::answering(response("named")).await?, Outside::answering(response("other")).await?);
    let server = with_fetch(&["--allow-private-networks"], &manifest(&named.url, true)).await?;
    let (_, log) = refused(&server, &other.url).await?;
    assert!(log.contains("manifest"), "the log says what to add: {log}");
    assert!(other.heard().is_empty());
    // Not by another method either.
    let posted = server.invoke("fetch", &json!({ "url": named.url, "body": "x" })).await?;
    assert!(posted.status >= 400 && named.heard().is_empty(), "{posted:?}");
    Ok(())
}

#[tokio::test]
async fn private_addresses_stay_closed_unless_server_and_manifest_open_them() -> anyhow::Result<()> {
    let outside = Outside::answering(response("hello")).await?;
    // The server does not allow it …
    let server = with_fetch(&[], &manifest(&outside.url, true)).await?;
    refused(&server, &outside.url).await?;
    // … or the manifest does not ask for it; a name that resolves to loopback is no way around.
    let by_name = outside.url.replace("127.0.0.1", "localhost");
    for url in [&outside.url, &by_name] {
        let server = with_fetch(&["--allow-private-networks"], &manifest(url, false)).await?;
        refused(&server, url).await?;
    }
    // The address where clouds keep their machines' credentials is never open.
    let metadata = "http://169.254.169.254";
    let server = with_fetch(&["--allow-private-networks"], &manifest(metadata, true)).await?;
    refused(&server, metadata).await?;
    assert!(outside.heard().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_manifest_rule_that_could_allow_nothing_is_refused_at_deploy() -> anyhow::Result<()> {
    let server = Server::start()?;
    for url in ["example.com", "ftp://example.com", "https://example.com/path", "https://u:p@example.com", "https://*"]
    {
        let refused = server.deploy_with("fetch", guest("fetch")?, &manifest(url, false)).await?;
        assert_eq!((refused.status, refused.code()), (422, "MANIFEST_INVALID"), "{url}: {refused:?}");
        assert!(refused.message().contains("https://api.example.com"), "it says what to write: {refused:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_of_a_durable_run_is_a_step_and_its_secret_is_nowhere_on_disk() -> anyhow::Result<()> {
    let outside = Outside::answering(response(&format!("you sent {SECRET}, did you not?"))).await?;
    let server = with_fetch(&["--allow-private-networks"], &manifest(&outside.url, true)).await?;
    let body = json!({ "input": { "url": outside.url }, "options": { "durability": "do" } });
    let fetched = server.post("/api/actions/fetch", &body).await?.expect(200);
    assert_eq!(fetched.body["result"]["excerpt"], "you sent {{secret:TOKEN}}, did you not?");
    let heard = outside.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let id = fetched.body["actionId"].as_str().unwrap_or_default();
    let sent = heard[0].to_ascii_lowercase();
    assert!(sent.contains(&format!("idempotency-key: {id}/")) && heard[0].contains(SECRET), "{heard:?}");
    let shown = server.get(&format!("/api/invocations/{id}")).await?.expect(200).body;
    let steps = shown["steps"].as_array().cloned().unwrap_or_default();
    assert!(steps.iter().any(|s| s["name"] == "http.request" && s["state"] == "answered"), "{shown}");
    assert!(!shown.to_string().contains(SECRET), "{shown}");
    let files = std::process::Command::new("grep").args(["-rla", SECRET]).arg(server.data()).output()?;
    assert!(files.stdout.is_empty(), "in the clear on disk: {}", String::from_utf8_lossy(&files.stdout));
    Ok(())
}
