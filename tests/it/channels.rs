//! People who are written to by the real server: mail to a server of SMTP, links that are followed.

use crate::server::Server;
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// As much of a mail server as a client needs that behaves.
struct Sink {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Sink {
    async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mails = Arc::<Mutex<Vec<String>>>::default();
        let kept = mails.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, kept.clone()));
            }
        });
        Ok(Self { port, mails })
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Once so many have come.
    async fn after(&self, count: usize) -> anyhow::Result<Vec<String>> {
        for _ in 0..3_000 {
            let mails = self.mails();
            if mails.len() >= count {
                return Ok(mails);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        anyhow::bail!("{} mails came, not {count}", self.mails().len())
    }
}

async fn talk(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await?;
    let (mut line, mut mail, mut is_body) = (String::new(), String::new(), false);
    loop {
        line.clear();
        anyhow::ensure!(stream.read_line(&mut line).await? > 0, "the client is gone");
        let answer = match (is_body, line.trim_end()) {
            (true, ".") => {
                is_body = false;
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut mail));
                "250 kept"
            }
            (true, _) => {
                mail.push_str(&line);
                continue;
            }
            (false, "DATA") => {
                is_body = true;
                "354 go on"
            }
            (false, _) => "250 ok",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// The first link of a mail, whose lines may be broken and whose signs may be escaped (RFC 2045, 6.7).
fn link(mail: &str) -> anyhow::Result<(String, String)> {
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let from = text.find("/approvals/").context("there is a link")?;
    let link: String = text[from..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    let (path, token) = link.split_once("?token=").context("it has a token")?;
    Ok((path.to_owned(), token.to_owned()))
}

fn header<'m>(mail: &'m str, name: &str) -> &'m str {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

fn config(dir: &Path, port: u16) -> anyhow::Result<String> {
    let text =
        format!("[channels.email]\nsmtp_url = \"smtp://127.0.0.1:{port}\"\nfrom = \"Approvals <a@acme.example>\"\n");
    let path = dir.join("server.toml");
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}

async fn post(server: &Server, path: &str, form: &[(&str, &str)]) -> anyhow::Result<(u16, String)> {
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = reqwest::Client::new()
        .post(format!("{}{path}", server.url))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"));
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn a_mail_has_a_link_that_decides_once_also_after_the_server_died() -> anyhow::Result<()> {
    let (sink, dir) = (Sink::start().await?, tempfile::tempdir()?);
    let config = config(dir.path(), sink.port)?;
    let arguments = ["--config", config.as_str()];
    let server = Server::start_with(&arguments)?;
    let channels = json!([{ "type": "email", "target": "ann@acme.example" }]);
    server
        .post("/api/Human", &json!({ "id": "ann", "data": { "channels": channels, "roles": ["all"] } }))
        .await?
        .expect(201);
    let wanted = json!({ "assignee": "Human/ann", "type": "expense", "description": "Pay the invoice?" });
    let asked = server.post("/api/approvals", &wanted).await?.expect(201).body;
    let shown = format!("/api/approvals/{}", asked["id"].as_str().context("it has an id")?);
    let first = sink.after(1).await?;
    let (path, token) = link(&first[0])?;
    assert_eq!(header(&first[0], "To"), "ann@acme.example");

    let server = server.crash_and_restart(&arguments)?;
    let page = reqwest::get(format!("{}{path}?token={token}", server.url)).await?;
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await?.contains("Pay the invoice?"));
    assert_eq!(server.get(&shown).await?.expect(200).body["status"], "pending", "looking decides nothing");
    let (status, text) = post(&server, &path, &[("token", &token), ("decision", "approve")]).await?;
    assert_eq!(status, 200, "{text}");
    assert_eq!(server.get(&shown).await?.expect(200).body["status"], "approved");
    assert_eq!(post(&server, &path, &[("token", &token), ("decision", "reject")]).await?.0, 409);
    assert_eq!(post(&server, &path, &[("token", "forged"), ("decision", "reject")]).await?.0, 403);
    assert_eq!(server.get(&shown).await?.expect(200).body["status"], "approved");
    // What the crash may have had sent again is the same message.
    let ids: std::collections::BTreeSet<String> =
        sink.mails().iter().map(|mail| header(mail, "Message-ID").to_owned()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let told = server.post("/api/workers/role:all/notify", &json!({ "message": "Lunch" })).await?.expect(200).body;
    assert_eq!((&told["sent"], &told["delivery"][0]["status"]), (&json!(true), &json!("delivered")), "{told}");
    assert!(sink.mails().iter().any(|mail| header(mail, "Subject") == "Lunch"));
    let by_sms = json!({ "message": "Lunch", "channels": [{ "type": "sms", "target": "+15550100" }] });
    let told = server.post("/api/workers/role:all/notify", &by_sms).await?.expect(502).body;
    assert_eq!((&told["sent"], &told["delivery"][0]["error"]["code"]), (&json!(false), &json!("CHANNEL_UNAVAILABLE")));
    let journal = std::process::Command::new("grep").args(["-rla", &token]).arg(server.data()).output()?;
    assert!(journal.stdout.is_empty(), "the token is on disk: {}", String::from_utf8_lossy(&journal.stdout));
    Ok(())
}

#[tokio::test]
async fn a_channel_that_is_half_configured_keeps_the_server_from_starting() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("server.toml");
    for (text, setting) in [
        ("[channels.email]\nsmtp_url = \"smtp://127.0.0.1:25\"\n", "channels.email.from"),
        ("[channels.slack]\ntoken_env = \"NOT_SET_HERE\"\n", "channels.slack.token_env"),
        ("[channels.pigeon]\n", "channels.pigeon"),
    ] {
        std::fs::write(&path, text)?;
        let done = std::process::Command::new(crate::server::binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&path)
            .arg("--data")
            .arg(dir.path().join("data"))
            .output()?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(10), "{said}");
        assert!(said.contains(setting), "{said}");
    }
    Ok(())
}
