//! Events that the real server posts to a real receiver.

use crate::cli::User;
use crate::server::Server;
use anyhow::Context;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request, whose connection waits for the answer.
struct Delivery {
    stream: TcpStream,
    headers: String,
    body: String,
}

impl Delivery {
    /// The next one to come.
    async fn next(listener: &TcpListener) -> anyhow::Result<Self> {
        let (mut stream, _) = tokio::time::timeout(Duration::from_secs(30), listener.accept()).await??;
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((headers, body)) = text.split_once("\r\n\r\n") {
                let headers = headers.to_ascii_lowercase();
                let length: usize = header(&headers, "content-length").parse()?;
                if body.len() >= length {
                    return Ok(Self { stream, headers, body: body.to_owned() });
                }
            }
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).await?;
            anyhow::ensure!(n > 0, "it ended in the middle: {text}");
            bytes.extend_from_slice(&buffer[..n]);
        }
    }

    async fn answer(mut self, status: &str) -> anyhow::Result<()> {
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        Ok(self.stream.write_all(text.as_bytes()).await?)
    }

    fn header(&self, name: &str) -> &str {
        header(&self.headers, name)
    }

    /// Whether it is from who has the secret, by the arithmetic of RFC 2104.
    fn is_signed_with(&self, secret: &str) -> bool {
        let pad = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(secret.bytes()).for_each(|(to, byte)| *to ^= byte);
            block
        };
        let text = format!("{}.{}", self.header("org-ai-timestamp"), self.body);
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
        let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
        let hex: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
        self.header("org-ai-signature") == format!("sha256={hex}")
    }
}

fn header<'a>(headers: &'a str, name: &str) -> &'a str {
    headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// Deliveries of the webhook, as its actions show them.
async fn deliveries(server: &Server) -> anyhow::Result<Vec<Value>> {
    let found = server.get("/api/actions-log?target=EventSubscription/hook&verb=invoke").await?.expect(200);
    Ok(found.body["data"].as_array().cloned().unwrap_or_default())
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
    for _ in 0..3_000 {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("it did not come to that: {what}")
}

#[tokio::test]
async fn killed_before_it_heard_the_answer_a_server_delivers_again_under_the_same_id() -> anyhow::Result<()> {
    let private = ["--allow-private-networks"];
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/events", receiver.local_addr()?);
    let server = Server::start_with(&private)?;
    let added = User::of(&server)?
        .run(&["subscriptions", "add", "Order.created", "--name", "hook", "--webhook", &url, "--json"])?
        .json();
    let secret = added["secret"].as_str().context("it is shown once")?.to_owned();
    let listed = server.get("/api/subscriptions").await?.expect(200).body["data"].clone();
    assert_eq!((&listed[0]["webhook"], &listed[0]["secret"]), (&json!(url), &Value::Null));

    server.post("/api/Order", &json!({ "id": "7", "n": 1 })).await?.expect(201);
    let first = Delivery::next(&receiver).await?;
    assert!(first.is_signed_with(&secret) && first.headers.starts_with("post /events "), "{}", first.headers);
    assert_eq!(first.header("content-type"), "application/json");
    let server = server.crash_and_restart(&private)?;
    let second = Delivery::next(&receiver).await?;
    assert!(second.is_signed_with(&secret), "{}", second.headers);
    let event: Value = serde_json::from_str(&second.body)?;
    assert_eq!((&event["verb"], &event["subscription"]), (&json!("created"), &json!("hook")));
    assert_eq!(second.header("idempotency-key"), event["id"]);
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    second.answer("200 OK").await?;
    let over = until("the delivery is over", async || {
        Ok(deliveries(&server).await?.into_iter().find(|action| action["status"] == "completed"))
    });
    assert!(over.await?["actor"].as_str().is_some_and(|actor| actor.ends_with("/Service/subscription:hook")));
    assert_eq!(deliveries(&server).await?.len(), 1, "it is the one that was accepted before the kill");
    let files = std::process::Command::new("grep").args(["-rla", &secret]).arg(server.data()).output()?;
    assert!(files.stdout.is_empty(), "in the clear on disk: {}", String::from_utf8_lossy(&files.stdout));
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_says_no_is_a_dead_letter_that_can_be_replayed() -> anyhow::Result<()> {
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", receiver.local_addr()?);
    let server = Server::start_with(&["--allow-private-networks"])?;
    let wanted = json!({ "name": "hook", "event": "Order.created", "webhook": url, "maxRetries": 0 });
    server.post("/api/subscriptions", &wanted).await?.expect(201);
    assert_eq!(server.post("/api/subscriptions", &wanted).await?.expect(200).body["secret"], Value::Null);
    server.post("/api/Order", &json!({ "id": "7" })).await?.expect(201);
    Delivery::next(&receiver).await?.answer("500 Internal Server Error").await?;
    let dead = until("it is a dead letter", async || {
        Ok(server.get("/api/events/dlq").await?.expect(200).body["data"].get(0).cloned())
    });
    let dead = dead.await?;
    assert_eq!((&dead["subscription"], &dead["error"]["code"]), (&json!("hook"), &json!("WEBHOOK_FAILED")));
    let path = format!("/api/events/dlq/{}/replay", dead["id"].as_str().unwrap_or_default());
    let nothing = Value::Null;
    let (replayed, answered) = tokio::join!(server.post(&path, &nothing), async {
        Delivery::next(&receiver).await?.answer("204 No Content").await
    });
    answered?;
    assert_eq!(replayed?.expect(200).body["status"], "succeeded");
    assert_eq!(server.get("/api/events/dlq").await?.expect(200).body["data"], json!([]));
    Ok(())
}

#[tokio::test]
async fn a_private_address_is_not_posted_to_unless_the_server_allows_it() -> anyhow::Result<()> {
    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://localhost:{}", receiver.local_addr()?.port());
    let server = Server::start()?;
    let wanted = json!({ "name": "hook", "event": "Order.created", "webhook": url });
    server.post("/api/subscriptions", &wanted).await?.expect(201);
    server.post("/api/Order", &json!({ "id": "7" })).await?.expect(201);
    let dead = until("it is a dead letter", async || {
        Ok(server.get("/api/events/dlq").await?.expect(200).body["data"].get(0).cloned())
    });
    assert_eq!(dead.await?["error"]["code"], "HTTP_ADDRESS_REFUSED");
    let came = tokio::time::timeout(Duration::from_millis(50), receiver.accept()).await;
    assert!(came.is_err(), "somebody was asked all the same");
    Ok(())
}
