//! The official SDK of MCP, as a client of our `/mcp` and as a server whose tools our agents call.

use crate::guests::guest;
use crate::server::{Server, binary};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

/// The folder of the SDK's programs, installed once.
fn peer() -> anyhow::Result<PathBuf> {
    static INSTALLED: Mutex<()> = Mutex::new(());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let _one = INSTALLED.lock().map_err(|_| anyhow::anyhow!("the peers could not be installed"))?;
    let installed = Command::new(root.join("scripts/test-peers")).status()?;
    ensure!(installed.success(), "scripts/test-peers failed");
    Ok(root.join("target/peers/mcp"))
}

/// With a tool box and a thing of two versions.
async fn shop() -> anyhow::Result<Server> {
    let server = Server::start()?;
    server.deploy("calc", guest("calc")?).await?.expect(201);
    for name in ["Acme", "Acme Inc."] {
        let put = server.request("PUT", "/api/Startup/acme").json(&json!({ "name": name }));
        crate::server::answer(put).await?;
    }
    Ok(server)
}

/// What the client of the SDK saw.
async fn seen(arguments: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut command = Command::new("node");
    command.arg("client.mjs").args(arguments).current_dir(peer()?).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(env.iter().copied());
    let done = tokio::task::spawn_blocking(move || command.output()).await??;
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "{out}{err}");
    serde_json::from_str(out.trim()).with_context(|| format!("{out}{err}"))
}

fn check(seen: &Value) {
    assert_eq!(seen["failed"], Value::Null, "{seen}");
    assert_eq!(seen["server"]["name"], "org.ai");
    let tools: Vec<_> = seen["tools"].as_array().into_iter().flatten().map(|tool| &tool["name"]).collect();
    assert!(tools.contains(&&json!("calc_add")), "{tools:?}");
    // The SDK has checked it against the schema that it was shown.
    assert_eq!(seen["added"]["structuredContent"], json!({ "result": 42 }), "{}", seen["added"]);
    assert_eq!(seen["added"]["content"][0]["text"], "42.0");
    assert_eq!(seen["wrong"]["isError"], true, "{}", seen["wrong"]);
    assert_eq!(seen["unknown"]["code"], -32602);
    assert_eq!(seen["templates"].as_array().map(Vec::len), Some(2));
    let uris: Vec<_> = seen["resources"].as_array().into_iter().flatten().map(|resource| &resource["uri"]).collect();
    assert!(uris.contains(&&json!("things://Startup/acme")), "{uris:?}");
    let name = |read: &Value| -> Value {
        let thing: Value = serde_json::from_str(read[0]["text"].as_str().unwrap_or_default()).unwrap_or_default();
        thing["name"].clone()
    };
    assert_eq!((name(&seen["read"]), name(&seen["old"])), (json!("Acme Inc."), json!("Acme")));
    assert_eq!(seen["missing"]["code"], -32002);
}

#[tokio::test]
async fn the_official_client_lists_and_calls_tools_and_reads_resources() -> anyhow::Result<()> {
    let server = shop().await?;
    let url = format!("{}/mcp", server.url);
    check(&seen(&[&url], &[("KEY", &server.key)]).await?);
    let refused = seen(&[&url], &[("KEY", "org_none")]).await?;
    assert_eq!(refused["failed"]["code"], 401, "{refused}");
    Ok(())
}

#[tokio::test]
async fn the_official_client_talks_to_the_command_line_by_standard_streams() -> anyhow::Result<()> {
    let server = shop().await?;
    let home = tempfile::tempdir()?;
    let (binary, home) = (binary(), home.path().to_string_lossy().into_owned());
    let binary = binary.to_string_lossy();
    let env = [("ORG_AI_API_URL", server.url.as_str()), ("ORG_AI_TOKEN", &server.key), ("HOME", &home)];
    check(&seen(&["stdio", &binary, "mcp"], &env).await?);
    let env = [("ORG_AI_API_URL", server.url.as_str()), ("ORG_AI_TOKEN", "org_none"), ("HOME", &home)];
    let refused = seen(&["stdio", &binary, "mcp"], &env).await?;
    assert_eq!(refused["failed"]["code"], -32000, "{refused}");
    Ok(())
}

/// The server of the SDK, with a model beside it. It dies with the test.
struct Peer {
    child: Child,
    url: String,
}

impl Peer {
    fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("node");
        command.arg("server.mjs").current_dir(peer()?).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it is piped")?).read_line(&mut line)?;
        let port: u16 = line.trim().parse().with_context(|| format!("no port: {line:?}"))?;
        Ok(Self { child, url: format!("http://127.0.0.1:{port}") })
    }

    async fn calls(&self) -> anyhow::Result<Value> {
        Ok(reqwest::get(format!("{}/calls", self.url)).await?.json().await?)
    }

    /// A server's settings by which this is the server of tools `desk` and the model.
    fn settings(&self, dir: &Path, token: &str) -> anyhow::Result<String> {
        let text = format!(
            "[models]\ndefault = \"peer/m\"\n[models.providers.peer]\nbase_url = \"{0}/v1\"\n\
             [mcp.servers.desk]\nurl = \"{0}/mcp\"\ntoken_env = \"{token}\"\ntimeout_ms = 20000\n",
            self.url
        );
        let path = dir.join("server.toml");
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn goal(server: &Server, agent: &str) -> anyhow::Result<Value> {
    let run = server.post(&format!("/api/agents/{agent}/run"), &json!({ "description": "look at ticket 42" })).await?;
    ensure!(run.status == 200, "{run:?}");
    Ok(run.body)
}

#[tokio::test]
async fn an_agent_calls_tools_of_the_official_server() -> anyhow::Result<()> {
    let (outside, dir) = (Peer::start()?, tempfile::tempdir()?);
    let settings = outside.settings(dir.path(), "PEER_TOKEN")?;
    let arguments = ["--config", settings.as_str()];
    let server = Server::start_with_env(&arguments, &[("PEER_TOKEN", "peer-token")])?;
    for (id, uses) in [("finder", "mcp:desk.lookup"), ("closer", "mcp:desk.close"), ("lost", "mcp:shop.*")] {
        let agent = json!({ "id": id, "tools": [{ "uses": uses }] });
        server.post("/api/agents", &agent).await?.expect(201);
    }
    let found = goal(&server, "finder").await?.to_string();
    assert!(found.contains("ticket 42"), "{found}");
    let failed = goal(&server, "closer").await?.to_string();
    assert!(failed.contains("TOOL_FAILED") && failed.contains("ticket 42 is locked"), "{failed}");
    // A session that the other side forgot is begun anew.
    reqwest::get(format!("{}/forget", outside.url)).await?;
    assert!(goal(&server, "finder").await?.to_string().contains("ticket 42"));
    assert_eq!(outside.calls().await?, json!(["lookup 42", "close 42", "lookup 42"]));
    let lost = server.post("/api/agents/lost/run", &json!({ "description": "x" })).await?;
    assert!(lost.body.to_string().contains("configured are desk"), "{lost:?}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_makes_the_tools_unavailable() -> anyhow::Result<()> {
    let (outside, dir) = (Peer::start()?, tempfile::tempdir()?);
    let settings = outside.settings(dir.path(), "PEER_TOKEN")?;
    let server = Server::start_with_env(&["--config", settings.as_str()], &[("PEER_TOKEN", "another")])?;
    let agent = json!({ "id": "finder", "tools": [{ "uses": "mcp:desk.lookup" }] });
    server.post("/api/agents", &agent).await?.expect(201);
    let refused = server.post("/api/agents/finder/run", &json!({ "description": "x" })).await?;
    let told = refused.body.to_string();
    assert!(told.contains("TOOLS_UNAVAILABLE") && !told.contains("another"), "{told}");
    assert_eq!(outside.calls().await?, json!([]));
    Ok(())
}
