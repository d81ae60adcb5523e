//! The servers under test: ours, and workerd.

use crate::load::{Connection, Request};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Ends the process when dropped.
pub struct Process {
    child: Child,
    pub address: String,
    _dir: Option<TempDir>,
}

impl Process {
    /// Private memory in KiB: what is this process's own.
    pub fn private_kib(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let kib = text.lines().filter(|l| l.starts_with("Private_")).filter_map(|l| l.split_whitespace().nth(1));
        Ok(kib.filter_map(|k| k.parse::<u64>().ok()).sum())
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub fn terminate(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our server, and what is needed to talk to it.
pub struct Ours {
    pub process: Process,
    pub key: String,
    pub start: Duration,
}

impl Ours {
    pub fn binary() -> PathBuf {
        let own = std::env::current_exe().expect("a program knows its own path");
        own.with_file_name("org-ai")
    }

    /// `start` is from the start of the process to the line that says it listens.
    pub fn start(data: &Path, key: Option<&str>) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(Self::binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(data.with_extension("log"))?))
            .spawn()
            .context("target/release/org-ai is not there: build it first")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        let start = begun.elapsed();
        let first: Value = serde_json::from_str(&line)
            .with_context(|| std::fs::read_to_string(data.with_extension("log")).unwrap_or_default())?;
        let url = first["url"].as_str().context("url")?;
        let key = first["rootKey"].as_str().or(key).context("a key")?.to_owned();
        let address = url.trim_start_matches("http://").to_owned();
        Ok(Self { process: Process { child, address, _dir: None }, key, start })
    }

    pub fn request(&self, method: &str, path: &str, namespace: Option<&str>, body: &str) -> Request {
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(namespace.map(|n| ("do-namespace", n)));
        Request::new(&self.process.address, method, path, &headers, body)
    }

    pub fn deploy(&self, name: &str, component: &Path) -> anyhow::Result<()> {
        let status = Command::new(Self::binary())
            .args(["functions", "deploy", "--quiet", "--name", name])
            .arg(component)
            .env("ORG_AI_API_URL", format!("http://{}", self.process.address))
            .env("ORG_AI_TOKEN", &self.key)
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "{} was not deployed", component.display());
        Ok(())
    }
}

/// A free port, for servers that cannot say which they took.
fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

pub struct Workerd {
    pub process: Process,
    pub start: Duration,
}

impl Workerd {
    /// `ORG_AI_BENCH_WORKERD` is the program; `scripts/bench` installs it.
    pub async fn start(config: &str) -> anyhow::Result<Self> {
        let program = std::env::var("ORG_AI_BENCH_WORKERD").context("ORG_AI_BENCH_WORKERD: run scripts/bench")?;
        let port = free_port()?;
        let dir = TempDir::new()?;
        let address = format!("127.0.0.1:{port}");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("workerd").join(config);
        let begun = Instant::now();
        let child = Command::new(program)
            .arg("serve")
            .arg(format!("--socket-addr=http={address}"))
            .args(config.ends_with("object.capnp").then(|| format!("--directory-path=disk={}", dir.path().display())))
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let process = Process { child, address: address.clone(), _dir: Some(dir) };
        let start = first_answer(&Request::new(&address, "GET", "/warm", &[], ""), begun).await?;
        Ok(Self { process, start })
    }
}

/// A Restate server with a service of its SDK in Node.
pub struct Restate {
    _server: Process,
    _service: Process,
    pub address: String,
}

impl Restate {
    /// `ORG_AI_BENCH_RESTATE` is a folder with `restate-server`, `node` and `node_modules`; `scripts/bench` makes it.
    pub async fn start() -> anyhow::Result<Self> {
        let tools = std::env::var("ORG_AI_BENCH_RESTATE").context("ORG_AI_BENCH_RESTATE: run scripts/bench")?;
        let (tools, own) = (Path::new(&tools), Path::new(env!("CARGO_MANIFEST_DIR")).join("restate"));
        let (dir, here) = (TempDir::new()?, TempDir::new()?);
        // Node looks for its modules beside the program.
        std::fs::copy(own.join("service.mjs"), here.path().join("service.mjs"))?;
        std::os::unix::fs::symlink(tools.join("node_modules"), here.path().join("node_modules"))?;
        let port = free_port()?;
        let service = Command::new(tools.join("node"))
            .arg(here.path().join("service.mjs"))
            .env("PORT", port.to_string())
            .env("NODE_ENV", "production")
            .env("RESTATE_LOGGING", "ERROR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let service = Process { child: service, address: format!("127.0.0.1:{port}"), _dir: Some(here) };
        let server = Command::new(tools.join("restate-server"))
            .args(["--no-logo", "--bind-ip", "127.0.0.1", "--listen-mode", "tcp", "--node-name", "bench", "--base-dir"])
            .arg(dir.path())
            .arg("-c")
            .arg(own.join("server.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Process { child: server, address: "127.0.0.1:9070".to_owned(), _dir: Some(dir) };
        let begun = Instant::now();
        first_answer(&Request::new(&server.address, "GET", "/health", &[], ""), begun).await?;
        let body = format!("{{\"uri\":\"http://127.0.0.1:{port}\"}}");
        first_answer(&Request::new(&server.address, "POST", "/deployments", &[], &body), begun).await?;
        let address = "127.0.0.1:8080".to_owned();
        first_answer(&Request::new(&address, "POST", "/steps/one", &[], "{}"), begun).await?;
        Ok(Self { _server: server, _service: service, address })
    }
}

/// Counts the syncs of a process with strace, from a moment on.
pub struct Syncs {
    tracer: Child,
    begun: Instant,
    report: tempfile::NamedTempFile,
}

impl Syncs {
    /// Those of the last `time` before now.
    pub fn syncs_within(mut self, time: Duration) -> anyhow::Result<f64> {
        let end = self.begun.elapsed();
        Command::new("kill").arg(self.tracer.id().to_string()).status()?;
        self.tracer.wait()?;
        let text = std::fs::read_to_string(self.report.path())?;
        let times = text
            .lines()
            .filter(|l| l.contains("sync("))
            .filter_map(|l| l.split_whitespace().find_map(|w| w.parse::<f64>().ok().filter(|t| *t > 1e9)));
        let all: Vec<f64> = times.collect();
        let last = all.last().copied().unwrap_or(0.0);
        let from = last - time.min(end).as_secs_f64();
        Ok(all.iter().filter(|t| **t >= from).count() as f64)
    }
}

impl Process {
    /// Begins to count; strace must be there.
    pub fn count_syncs(&self, settle: Duration) -> anyhow::Result<Syncs> {
        let report = tempfile::NamedTempFile::new()?;
        let tracer = Command::new("strace")
            .args(["-f", "-ttt", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"])
            .arg(report.path())
            .args(["-p", &self.child.id().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("strace is not there")?;
        std::thread::sleep(settle.min(Duration::from_secs(1)));
        Ok(Syncs { tracer, begun: Instant::now(), report })
    }
}

/// From `begun` until a request was answered with 2xx.
pub async fn first_answer(request: &Request, begun: Instant) -> anyhow::Result<Duration> {
    while begun.elapsed() < Duration::from_secs(20) {
        if let Ok(mut connection) = Connection::open(&request.address).await
            && let Ok(answer) = connection.call(&request.bytes).await
            && (200..300).contains(&answer.status)
        {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    anyhow::bail!("no answer within 20 s")
}
