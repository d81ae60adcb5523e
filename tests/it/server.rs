//! The real server as a child process, and a client of it.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use tempfile::TempDir;

/// The binary that `make test` built before the tests.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    let profile = own.parent().and_then(Path::parent).expect("tests run from target/<profile>/deps");
    let path = profile.join("org-ai");
    assert!(path.exists(), "{} is not there: run `cargo build -p org-ai-cli` first", path.display());
    path
}

/// A running server. It dies with the test.
pub struct Server {
    child: Child,
    pub url: String,
    pub key: String,
    dir: Option<TempDir>,
    path: PathBuf,
    http: reqwest::Client,
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

impl Server {
    /// On an empty folder of its own.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let mut server = Self::start_on(dir.path(), arguments, None)?;
        server.dir = Some(dir);
        Ok(server)
    }

    /// With variables, for what no file has.
    pub fn start_with_env(arguments: &[&str], env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let mut server = Self::start_as(dir.path(), arguments, env, None)?;
        server.dir = Some(dir);
        Ok(server)
    }

    /// On a folder that may hold what another left; then its key is needed.
    pub fn start_on(dir: &Path, arguments: &[&str], key: Option<&str>) -> anyhow::Result<Self> {
        Self::start_as(dir, arguments, &[], key)
    }

    fn start_as(dir: &Path, arguments: &[&str], env: &[(&str, &str)], key: Option<&str>) -> anyhow::Result<Self> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            rustls::crypto::ring::default_provider().install_default().expect("nothing else installs one");
        });
        let mut child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(dir)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(stderr_of(dir))?))
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut line)?;
        let Ok(first) = serde_json::from_str::<Value>(&line) else {
            let _ = child.kill();
            let status = child.wait()?;
            bail!("no server ({status}): {}", std::fs::read_to_string(stderr_of(dir))?);
        };
        let url = first["url"].as_str().context("the first line has the url")?.to_owned();
        let key = match (first["rootKey"].as_str(), key) {
            (Some(made), _) => made.to_owned(),
            (None, Some(known)) => known.to_owned(),
            (None, None) => String::new(),
        };
        Ok(Self { child, url, key, dir: None, path: dir.to_owned(), http: reqwest::Client::new() })
    }

    /// Ends it as a power cut would end its process, and starts it again on what is left.
    pub fn crash_and_restart(mut self, arguments: &[&str]) -> anyhow::Result<Self> {
        self.kill();
        let (dir, key) = (self.dir.take(), self.key.clone());
        let path = self.path.clone();
        drop(self);
        let mut next = Self::start_on(&path, arguments, Some(&key))?;
        next.dir = dir;
        Ok(next)
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and its exit code.
    pub fn terminate(&mut self) -> anyhow::Result<Option<i32>> {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(killed.success(), "kill failed");
        Ok(self.child.wait()?.code())
    }

    pub fn data(&self) -> &Path {
        &self.path
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("tests use real methods");
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        answer(self.request("GET", path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        answer(self.request("POST", path).json(body)).await
    }

    pub async fn deploy(&self, name: &str, component: Vec<u8>) -> anyhow::Result<Answer> {
        let path = format!("/api/functions/{name}");
        answer(self.request("PUT", &path).header("content-type", "application/wasm").body(component)).await
    }

    pub async fn deploy_with(&self, name: &str, component: Vec<u8>, manifest: &Value) -> anyhow::Result<Answer> {
        let form = reqwest::multipart::Form::new()
            .part("component", reqwest::multipart::Part::bytes(component).file_name("component.wasm"))
            .text("manifest", manifest.to_string());
        answer(self.request("PUT", &format!("/api/functions/{name}")).multipart(form)).await
    }

    pub async fn invoke(&self, action: &str, input: &Value) -> anyhow::Result<Answer> {
        self.post(&format!("/api/actions/{action}"), &serde_json::json!({ "input": input })).await
    }
}

/// Beside the data, so that a disk that is full is full for the server's own messages too.
fn stderr_of(dir: &Path) -> PathBuf {
    dir.with_extension("stderr")
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(stderr_of(&self.path));
    }
}

pub async fn answer(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Ok(Answer { status, body })
}
