//! What is measured.

use crate::Row;
use crate::load::{Connection, Request, Seen, load};
use crate::process::{Ours, Workerd, first_answer};
use anyhow::ensure;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub type Measure = fn() -> Pin<Box<dyn Future<Output = anyhow::Result<Vec<Row>>>>>;

/// Each by the name under which `make bench` can run it alone.
pub const ALL: &[(&str, Measure)] = &[
    ("invoke", || Box::pin(invoke())),
    ("restart", || Box::pin(restart())),
    ("start", || Box::pin(start())),
    ("first-write", || Box::pin(first_write())),
    ("memory", || Box::pin(memory())),
    ("ten-thousand", || Box::pin(ten_thousand())),
];

pub const ROUNDS: usize = 5;
pub const SECONDS: Duration = Duration::from_secs(3);

pub fn guest(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../target/guests/{name}.wasm"))
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median, and the smallest and largest seen.
pub fn spread(values: &[f64], unit: &str, digits: usize) -> String {
    let (low, high) = values.iter().fold((f64::INFINITY, 0f64), |(l, h), v| (l.min(*v), h.max(*v)));
    format!("{:.digits$} [{low:.digits$}..{high:.digits$}] {unit}", median(values))
}

const GREET: &str = r#"{"input":{"name":"Ann"}}"#;

/// Calls over HTTP of a Rust and a JavaScript function, against workerd's hello-world.
async fn invoke() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    ours.deploy("hello", &guest("hello"))?;
    ours.deploy("greet", &guest("greet"))?;
    let peer = Workerd::start("hello.capnp").await?;
    let hello = ours.request("POST", "/api/actions/hello", None, GREET);
    let greet = ours.request("POST", "/api/actions/greet", None, GREET);
    let theirs = Request::new(&peer.process.address, "GET", "/", &[], "");
    let (mut rust, mut js, mut base) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rust1, mut base1) = (Vec::<Seen>::new(), Vec::<Seen>::new());
    for _ in 0..ROUNDS {
        rust.push(load(&hello, 64, SECONDS).await?.per_second);
        base.push(load(&theirs, 64, SECONDS).await?.per_second);
        js.push(load(&greet, 64, SECONDS).await?.per_second);
        rust1.push(load(&hello, 1, SECONDS).await?);
        base1.push(load(&theirs, 1, SECONDS).await?);
    }
    let p50 = |seen: &[Seen]| seen.iter().map(|s| s.p50_us).collect::<Vec<_>>();
    let (ours1, theirs1) = (p50(&rust1), p50(&base1));
    let row = |figure, own: &[f64], bar, least: f64| {
        let ratio = median(own) / median(&base);
        Row {
            figure,
            ours: spread(own, "/s", 0),
            baseline: format!("workerd {}", spread(&base, "/s", 0)),
            ratio,
            bar,
            met: ratio >= least,
            n: ROUNDS,
        }
    };
    let p50_ratio = median(&ours1) / median(&theirs1);
    Ok(vec![
        row("Rust function over HTTP, 64 connections", &rust, "≥ 1.2 (aim 2)", 1.2),
        row("JavaScript function over HTTP, 64 connections", &js, "≥ 0.4 (aim 1)", 0.4),
        Row {
            figure: "Rust function over HTTP, 1 connection, p50",
            ours: spread(&ours1, "µs", 0),
            baseline: format!("workerd {}", spread(&theirs1, "µs", 0)),
            ratio: p50_ratio,
            bar: "≤ 1",
            met: p50_ratio <= 1.0,
            n: ROUNDS,
        },
    ])
}

/// The first call after the server was started again, against a warm call.
async fn restart() -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (figure, name, body) in [
        ("first call after a restart, Rust, above a warm one", "hello", GREET),
        ("first call after a restart, JavaScript, above a warm one", "greet", GREET),
    ] {
        let dir = TempDir::new()?;
        let data = dir.path().join("data");
        let ours = Ours::start(&data, None)?;
        ours.deploy(name, &guest(name))?;
        let key = ours.key.clone();
        ours.process.terminate()?;
        let (mut first, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let ours = Ours::start(&data, Some(&key))?;
            let request = ours.request("POST", &format!("/api/actions/{name}"), None, body);
            let mut connection = Connection::open(&request.address).await?;
            // So that what is measured is the function, not the connection.
            connection.call(&ours.request("GET", "/health", None, "").bytes).await?;
            let mut times = Vec::new();
            for _ in 0..50 {
                let begun = Instant::now();
                let status = connection.call(&request.bytes).await?.status;
                ensure!(status == 200, "{status}");
                times.push(begun.elapsed().as_secs_f64() * 1000.0);
            }
            first.push(times[0]);
            warm.push(median(&times[1..]));
            ours.process.terminate()?;
        }
        let above = median(&first) - median(&warm);
        rows.push(Row {
            figure,
            ours: spread(&first, "ms", 2),
            baseline: format!("warm {}", spread(&warm, "ms", 2)),
            ratio: above,
            bar: "≤ 5 ms above",
            met: above <= 5.0,
            n: first.len(),
        });
    }
    Ok(rows)
}

/// From the start of the process to the first answer of `/health`.
async fn start() -> anyhow::Result<Vec<Row>> {
    let full = TempDir::new()?;
    let data = full.path().join("data");
    let ours = Ours::start(&data, None)?;
    ours.deploy("hello", &guest("hello"))?;
    let key = ours.key.clone();
    touch_objects(&ours, 1_000).await?;
    ours.process.terminate()?;
    let (mut empty, mut thousand, mut base) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let dir = TempDir::new()?;
        empty.push(start_once(&dir.path().join("data"), None).await?);
        thousand.push(start_once(&data, Some(&key)).await?);
        base.push(Workerd::start("hello.capnp").await?.start.as_secs_f64() * 1000.0);
    }
    let row = |figure, own: &[f64], bar, most: f64| {
        let ratio = median(own) / median(&base);
        Row {
            figure,
            ours: spread(own, "ms", 1),
            baseline: format!("workerd {}", spread(&base, "ms", 1)),
            ratio,
            bar,
            met: ratio <= most,
            n: own.len(),
        }
    };
    Ok(vec![
        row("process start to first answer, no object", &empty, "≤ 1", 1.0),
        row("process start to first answer, 1,000 objects on disk", &thousand, "≤ 2", 2.0),
    ])
}

async fn start_once(data: &std::path::Path, key: Option<&str>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let ours = Ours::start(data, key)?;
    let answered = first_answer(&ours.request("GET", "/health", None, ""), begun).await?;
    debug_assert!(ours.start <= answered);
    ours.process.terminate()?;
    Ok(answered.as_secs_f64() * 1000.0)
}

pub fn namespace(n: usize) -> String {
    format!("https://tenants.example/t{n}")
}

/// Registers objects below the root and calls the root's function once in each.
async fn touch_objects(ours: &Ours, count: usize) -> anyhow::Result<()> {
    register(ours, count).await?;
    let mut connection = Connection::open(&ours.process.address).await?;
    for n in 0..count {
        let request = ours.request("POST", "/api/actions/hello", Some(&namespace(n)), GREET);
        let answer = connection.call(&request.bytes).await?;
        ensure!(answer.status == 200, "object {n}: {} {}", answer.status, answer.text());
    }
    Ok(())
}

pub async fn register(ours: &Ours, count: usize) -> anyhow::Result<()> {
    let mut clients = tokio::task::JoinSet::new();
    for lane in 0..32usize {
        let requests: Vec<_> = (lane..count)
            .step_by(32)
            .map(|n| ours.request("POST", "/api/objects", None, &format!("{{\"ns\":\"{}\"}}", namespace(n))))
            .collect();
        clients.spawn(async move {
            let Some(first) = requests.first() else { return anyhow::Ok(()) };
            let mut connection = Connection::open(&first.address).await?;
            for request in &requests {
                let answer = connection.call(&request.bytes).await?;
                ensure!(answer.status == 201, "{} {}", answer.status, answer.text());
            }
            Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// The first durable write to an object that had none, against a Durable Object's first insert.
async fn first_write() -> anyhow::Result<Vec<Row>> {
    const OBJECTS: usize = 300;
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let dir = TempDir::new()?;
        let ours = Ours::start(&dir.path().join("data"), None)?;
        // `journal` emits an event, so its answer waits until that is durable.
        ours.deploy("journal", &guest("journal"))?;
        register(&ours, OBJECTS).await?;
        let body = r#"{"input":{"text":"first"}}"#;
        let mut connection = Connection::open(&ours.process.address).await?;
        for n in 0..OBJECTS {
            let request = ours.request("POST", "/api/actions/journal", Some(&namespace(n)), body);
            let begun = Instant::now();
            let answer = connection.call(&request.bytes).await?;
            ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
            own.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        let peer = Workerd::start("object.capnp").await?;
        let mut connection = Connection::open(&peer.process.address).await?;
        for n in 0..OBJECTS {
            let request = Request::new(&peer.process.address, "GET", &format!("/o{n}"), &[], "");
            let begun = Instant::now();
            let status = connection.call(&request.bytes).await?.status;
            ensure!(status == 200, "{status}");
            base.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let ratio = median(&own) / median(&base);
    Ok(vec![Row {
        figure: "first durable write to a new object",
        ours: spread(&own, "ms", 2),
        baseline: format!("workerd {}", spread(&base, "ms", 2)),
        ratio,
        bar: "≤ 0.5",
        met: ratio <= 0.5,
        n: own.len(),
    }])
}

/// After which an object that nobody used is idle: the node looks twice a second, and gives memory back at the second
/// look; the allocator returns it to the system a second later.
const IDLE: Duration = Duration::from_millis(2500);

/// What an open, idle object takes.
async fn memory() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    ours.deploy("hello", &guest("hello"))?;
    touch_objects(&ours, 100).await?;
    tokio::time::sleep(IDLE).await;
    let before = ours.process.private_kib()?;
    let mut connection = Connection::open(&ours.process.address).await?;
    for n in 100..900 {
        let registered = ours.request("POST", "/api/objects", None, &format!("{{\"ns\":\"{}\"}}", namespace(n)));
        connection.call(&registered.bytes).await?;
        let request = ours.request("POST", "/api/actions/hello", Some(&namespace(n)), GREET);
        connection.call(&request.bytes).await?;
    }
    tokio::time::sleep(IDLE).await;
    let each = (ours.process.private_kib()?.saturating_sub(before)) as f64 / 800.0;
    Ok(vec![Row {
        figure: "memory of an open, idle object",
        ours: format!("{each:.0} KiB"),
        baseline: "bar 256 KiB".into(),
        ratio: each / 256.0,
        bar: "≤ 1",
        met: each <= 256.0,
        n: 800,
    }])
}

/// Ten thousand objects on one server, each called once.
async fn ten_thousand() -> anyhow::Result<Vec<Row>> {
    const OBJECTS: usize = 10_000;
    let dir = TempDir::new()?;
    let ours = Ours::start(&dir.path().join("data"), None)?;
    ours.deploy("hello", &guest("hello"))?;
    register(&ours, OBJECTS).await?;
    let mut connection = Connection::open(&ours.process.address).await?;
    let (mut memory, begun) = (Vec::new(), Instant::now());
    for n in 0..OBJECTS {
        let request = ours.request("POST", "/api/actions/hello", Some(&namespace(n)), GREET);
        let answer = connection.call(&request.bytes).await?;
        ensure!(answer.status == 200, "object {n}: {} {}", answer.status, answer.text());
        if (n + 1) % 2_000 == 0 {
            // What stays, not what the last half second needed: that depends on how fast the machine is just now.
            tokio::time::sleep(IDLE).await;
            memory.push(ours.process.private_kib()? as f64 / 1024.0);
        }
    }
    let looked = IDLE.as_secs_f64() * memory.len() as f64;
    let seconds = begun.elapsed().as_secs_f64() - looked;
    // The open objects are limited to 1,000: from the second look on, nothing more should be added.
    let growth = memory[memory.len() - 1] / memory[0];
    let looks: Vec<_> = memory.iter().map(|m| format!("{m:.0}")).collect();
    Ok(vec![Row {
        figure: "10,000 objects called once each: memory at 10,000 over 2,000",
        ours: format!("{} MiB ({:.0} calls/s, no error)", looks.join(", "), OBJECTS as f64 / seconds),
        baseline: "2,000 objects".into(),
        ratio: growth,
        bar: "no growth (≤ 1.1)",
        met: growth <= 1.1,
        n: OBJECTS,
    }])
}
