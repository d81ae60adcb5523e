//! Things over HTTP: durable creates and reads.

use crate::Row;
use crate::load::{Request, load, load_each};
use crate::process::{Ours, Workerd};
use crate::raw::{DATA, Raw};
use crate::rows::{Measure, ROUNDS, SECONDS, median, namespace, register, spread};
use anyhow::Context;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const ALL: &[(&str, Measure)] = &[
    ("create", || Box::pin(create())),
    ("create-spread", || Box::pin(create_spread())),
    ("read", || Box::pin(read())),
];

/// A little pause between rounds: what one left to the disk must not hit the next.
const PAUSE: Duration = Duration::from_millis(300);

fn over(ours: &[f64], base: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(base).map(|(o, b)| o / b).collect();
    median(&ratios)
}

/// Creates in one object by 64 writers, against one writer that syncs each.
async fn create() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    let request = ours.request("POST", "/api/Note", None, DATA);
    let mut raw = Raw::open(&dir.path().join("raw.sqlite"))?;
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(load(&request, 64, SECONDS).await?.per_second);
        tokio::time::sleep(PAUSE).await;
        base.push(raw.per_second(1, SECONDS)?);
        tokio::time::sleep(PAUSE).await;
    }
    let ratio = over(&own, &base);
    Ok(vec![Row {
        figure: "durable creates in one object over HTTP, 64 writers",
        ours: spread(&own, "/s", 0),
        baseline: format!("rusqlite, a synced commit each: {}", spread(&base, "/s", 0)),
        ratio,
        bar: "≥ 3 (aim 6)",
        met: ratio >= 3.0,
        n: ROUNDS,
    }])
}

/// Creates in 64 objects by 64 writers, against workerd's Durable Objects.
async fn create_spread() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    register(&ours, 64).await?;
    let requests: Vec<_> = (0..64).map(|n| ours.request("POST", "/api/Note", Some(&namespace(n)), DATA)).collect();
    let peer = Workerd::start("object.capnp").await?;
    let theirs: Vec<_> =
        (0..64).map(|n| Request::new(&peer.process.address, "GET", &format!("/o{n}"), &[], "")).collect();
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(load_each(&requests, 64, SECONDS).await?.per_second);
        tokio::time::sleep(PAUSE).await;
        base.push(load_each(&theirs, 64, SECONDS).await?.per_second);
        tokio::time::sleep(PAUSE).await;
    }
    let ratio = over(&own, &base);
    Ok(vec![Row {
        figure: "durable creates in 64 objects over HTTP, 64 writers",
        ours: spread(&own, "/s", 0),
        baseline: format!("workerd, one insert each: {}", spread(&base, "/s", 0)),
        ratio,
        bar: "≥ 4 (aim 8)",
        met: ratio >= 4.0,
        n: ROUNDS,
    }])
}

/// The newest version of a thing by 64 readers, against an axum that says hello and against workerd's objects.
async fn read() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    let put = ours.request("PUT", "/api/Note/one", None, DATA);
    let mut connection = crate::load::Connection::open(&ours.process.address).await?;
    let made = connection.call(&put.bytes).await?;
    anyhow::ensure!(made.status == 201, "{} {}", made.status, String::from_utf8_lossy(made.body));
    let request = ours.request("GET", "/api/Note/one", None, "");
    let hello = Hello::start()?;
    let hello_request = Request::new(&hello.address, "GET", "/", &[], "");
    let peer = Workerd::start("object.capnp").await?;
    let theirs = Request::new(&peer.process.address, "GET", "/read/o1", &[], "");
    let (mut own, mut axum, mut workerd) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(load(&request, 64, SECONDS).await?.per_second);
        axum.push(load(&hello_request, 64, SECONDS).await?.per_second);
        workerd.push(load(&theirs, 64, SECONDS).await?.per_second);
    }
    let (to_axum, to_workerd) = (over(&own, &axum), over(&own, &workerd));
    let row = |baseline, ratio, bar, met| Row {
        figure: "newest version of a thing over HTTP, 64 connections",
        ours: spread(&own, "/s", 0),
        baseline,
        ratio,
        bar,
        met,
        n: ROUNDS,
    };
    Ok(vec![
        row(format!("axum hello {}", spread(&axum, "/s", 0)), to_axum, "≥ 0.4", to_axum >= 0.4),
        row(format!("workerd object {}", spread(&workerd, "/s", 0)), to_workerd, "≥ 4", to_workerd >= 4.0),
    ])
}

/// A bare axum in a process of its own.
struct Hello {
    child: Child,
    address: String,
}

impl Hello {
    fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("serve-hello")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().to_owned() })
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve_hello() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let hello: Value = serde_json::from_str(DATA)?;
        let hello = move || std::future::ready(axum::Json(hello.clone()));
        axum::serve(listener, axum::Router::new().route("/", axum::routing::get(hello))).await?;
        Ok(())
    })
}
