//! Things in process: what the data model costs without HTTP.

use crate::Row;
use crate::raw::{DATA, Raw};
use crate::rows::{Measure, ROUNDS, median, spread};
use runtime::{BranchWanted, Caller, Config, MergeWanted, Node, Object, Op, PatchOf, SystemClock, View, Write};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use types::exec::Executor;
use types::{
    BranchName, Id, Json, Namespace, Noun, ObjectId, Ref, Row as Stored, ThingId, ThingKey, ThingRow, Timestamp,
};

pub const ALL: &[(&str, Measure)] = &[
    ("create-inside", || Box::pin(create())),
    ("history", || Box::pin(history())),
    ("branch", || Box::pin(branch_and_merge())),
    ("bytes", || Box::pin(bytes())),
];

const SECONDS: Duration = Duration::from_secs(2);

struct Open {
    object: Object,
    caller: Caller,
    node: Node,
}

async fn open(dir: &Path) -> anyhow::Result<Open> {
    let log: Arc<dyn commit_log::CommitLog> =
        Arc::new(commit_log::LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?);
    let config = Config::standard(dir.to_owned(), Namespace::parse("https://root.test")?);
    let executor: Arc<dyn Executor> = Arc::new(testkit::ScriptedExecutor::new());
    let node = Node::open(config, log, executor, Arc::new(SystemClock), None).await?.node;
    let root = node.default_namespace().clone();
    let object = node.object(&root).await?.ok_or_else(|| anyhow::anyhow!("no root"))?;
    let identity = types::Identity {
        actor: "https://root.test/Service/bench".into(),
        kind: types::IdentityKind::Service,
        scopes: types::Scopes::all(),
        key: None,
    };
    Ok(Open { object, caller: Caller { identity, request_id: "bench".into() }, node })
}

fn input() -> model::flat::Input {
    let value: Value = serde_json::from_str(DATA).expect("it is JSON");
    model::flat::Input::read(value).expect("it is a thing")
}

fn note() -> Noun {
    Noun::parse("Note").expect("it is PascalCase")
}

fn key(id: &str) -> ThingKey {
    ThingKey::new(note(), ThingId::parse(id).expect("it is an id"))
}

/// 64 writers in one object, against batches of 64 in one process.
async fn create() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let open = Arc::new(open(&dir.path().join("data")).await?);
    let mut raw = Raw::open(&dir.path().join("raw.sqlite"))?;
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let writers = (0..64).map(|_| {
            let open = open.clone();
            tokio::spawn(async move {
                let mut done = 0u64;
                while begun.elapsed() < SECONDS {
                    let op = Op::Create { noun: note(), input: input(), revive: false };
                    open.object.write(&open.caller, &View::default(), Write::of(op)).await?;
                    done += 1;
                }
                Ok::<_, types::Fault>(done)
            })
        });
        let mut done = 0;
        for writer in writers.collect::<Vec<_>>() {
            done += writer.await??;
        }
        own.push(done as f64 / begun.elapsed().as_secs_f64());
        base.push(raw.per_second(64, SECONDS)?);
    }
    let ratios: Vec<f64> = own.iter().zip(&base).map(|(o, b)| o / b).collect();
    let ratio = median(&ratios);
    Ok(vec![Row {
        figure: "durable creates in one object, in process, 64 writers",
        ours: spread(&own, "/s", 0),
        baseline: format!("rusqlite in batches of 64: {}", spread(&base, "/s", 0)),
        ratio,
        bar: "≥ 0.7",
        met: ratio >= 0.7,
        n: ROUNDS,
    }])
}

fn row(version: u64, id: &str, data: &str) -> Stored {
    Stored::Thing(ThingRow {
        version,
        key: key(id),
        branch: None,
        name: None,
        data: Json::parse(data).expect("it is JSON"),
        deleted: false,
        created_at: Timestamp::from_millis(version),
        action: Id::from_u128(u128::from(version)),
        actor: "https://root.test/Service/bench".into(),
        born: None,
    })
}

/// A file with `count` things or versions, written without waiting for anything.
fn fill(path: &Path, count: u64, id: impl Fn(u64) -> String) -> anyhow::Result<store::Store> {
    let mut store = store::Store::open(path, ObjectId::from_u128(9), &store::Options::STANDARD)?;
    let mut version = 0;
    while version < count {
        let mut turn = store.turn(1, Timestamp::from_millis(version))?;
        for _ in 0..5_000.min(count - version) {
            version += 1;
            turn.write(row(version, &id(version), DATA))?;
        }
        let seq = turn.commit()?.map_or(0, |record| record.seq);
        store.confirm(seq);
        if version % 100_000 == 0 {
            store.checkpoint()?;
        }
    }
    store.checkpoint()?;
    Ok(store)
}

fn time(mut work: impl FnMut() -> anyhow::Result<()>, times: u32) -> anyhow::Result<f64> {
    for _ in 0..times / 10 {
        work()?;
    }
    let begun = Instant::now();
    for _ in 0..times {
        work()?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(times))
}

/// Reads of long histories, against short ones.
async fn history() -> anyhow::Result<Vec<Row>> {
    let dir = TempDir::new()?;
    let short = fill(&dir.path().join("short.sqlite"), 1_000, |_| "one".into())?;
    let middle = fill(&dir.path().join("middle.sqlite"), 100_000, |_| "one".into())?;
    let long = fill(&dir.path().join("long.sqlite"), 1_000_000, |_| "one".into())?;
    let (line, one) = (store::Line::main(), key("one"));
    let found = |row: Result<Option<ThingRow>, store::Error>| {
        anyhow::ensure!(row?.is_some(), "it must be there");
        Ok(())
    };
    let newest = |store: &store::Store| time(|| found(store.newest(&line, &one)), 20_000);
    let first = |store: &store::Store| time(|| found(store.version(1)), 20_000);
    let (mut own, mut base, mut at, mut head) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(newest(&long)?);
        base.push(newest(&short)?);
        at.push(first(&middle)?);
        head.push(newest(&middle)?);
    }
    let ratio = median(&own) / median(&base);
    let at_ratio = median(&at) / median(&head);
    Ok(vec![
        Row {
            figure: "read of the newest of 1,000,000 versions, in process",
            ours: spread(&own, "µs", 2),
            baseline: format!("of 1,000 versions {}", spread(&base, "µs", 2)),
            ratio,
            bar: "≤ 1.3",
            met: ratio <= 1.3,
            n: ROUNDS,
        },
        Row {
            figure: "read at @v1 of a thing with 100,000 versions, in process",
            ours: spread(&at, "µs", 2),
            baseline: format!("its newest {}", spread(&head, "µs", 2)),
            ratio: at_ratio,
            bar: "≤ 2",
            met: at_ratio <= 2.0,
            n: ROUNDS,
        },
    ])
}

/// Objects of a million and of ten thousand things: making a branch, changing a thousand things on it, merging.
async fn branch_and_merge() -> anyhow::Result<Vec<Row>> {
    let mut merges = Vec::new();
    let mut branches = Vec::new();
    for count in [10_000u64, 1_000_000] {
        let dir = TempDir::new()?;
        let data = dir.path().join("data");
        let open = Arc::new(open(&data).await?);
        // Through the front door, in batches: the log knows of all of it.
        let mut n = 0;
        while n < count {
            let batch = (n..(n + 1_000).min(count)).map(|i| {
                let mut input = input();
                input.id = Some(format!("n{i}"));
                Write::of(Op::Create { noun: note(), input, revive: false })
            });
            let batch: Vec<_> = batch.collect();
            n += batch.len() as u64;
            open.object.write_all(&open.caller, &View::default(), batch, true).await?;
        }
        let mut times = Vec::new();
        for i in 0..20 {
            let name = BranchName::parse(&format!("b{i}"))?;
            let begun = Instant::now();
            open.object.branch(&open.caller, &View::default(), BranchWanted { name, things: None }).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        branches.push(times);
        let mut times = Vec::new();
        for i in 0..5 {
            let name = BranchName::parse(&format!("b{i}"))?;
            let view = View::of(Ref::Branch(Some(name.clone())));
            let changes = (0..1_000u64).map(|n| {
                let patch = json!({ "stars": i, "n": n });
                let key = key(&format!("n{}", n * 7 % count + i));
                Write::of(Op::Patch { key, patch: PatchOf::Merge { patch, if_version: None } })
            });
            open.object.write_all(&open.caller, &view, changes.collect(), true).await?;
            let wanted = MergeWanted {
                source: Some(name),
                strategy: Some(model::merge::Strategy::Theirs),
                ..MergeWanted::default()
            };
            let begun = Instant::now();
            let merged = open.object.merge(&open.caller, &View::default(), wanted).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            anyhow::ensure!(merged.merged && merged.versions.len() >= 900, "{} merged", merged.versions.len());
        }
        merges.push(times);
        open.node.shutdown().await;
    }
    let (small, large) = (&merges[0], &merges[1]);
    let ratio = median(large) / median(small);
    let branch = median(&branches[1]);
    Ok(vec![
        Row {
            figure: "branch of an object with 1,000,000 things",
            ours: spread(&branches[1], "ms", 2),
            baseline: format!("with 10,000 things {}", spread(&branches[0], "ms", 2)),
            ratio: branch / median(&branches[0]),
            bar: "≤ 5 ms",
            met: branch <= 5.0,
            n: 20,
        },
        Row {
            figure: "merge of 1,000 changed things in an object of 1,000,000",
            ours: spread(large, "ms", 1),
            baseline: format!("in one of 10,000: {}", spread(small, "ms", 1)),
            ratio,
            bar: "grows with the changes (≤ 2)",
            met: ratio <= 2.0,
            n: 5,
        },
    ])
}

/// What one more version of a thing of 1 KiB takes on the disk.
async fn bytes() -> anyhow::Result<Vec<Row>> {
    const VERSIONS: u64 = 5_000;
    let dir = TempDir::new()?;
    let data = dir.path().join("data");
    let open = open(&data).await?;
    let text: String = (0..130).map(|n| format!("word{n:03} ")).collect();
    let mut size = Vec::new();
    for round in 0..2 {
        for n in 0..VERSIONS {
            let mut input = input();
            input.data = serde_json::Map::from_iter([
                ("text".to_owned(), Value::from(&text[..1_000])),
                ("n".to_owned(), Value::from(n + round * VERSIONS)),
            ]);
            let op = Op::Put { key: key("one"), input, upsert: true };
            open.object.write(&open.caller, &View::default(), Write::of(op)).await?;
        }
        open.node.checkpoint().await;
        size.push(folder_bytes(&data.join("objects"))?);
    }
    let each = (size[1] - size[0]) as f64 / VERSIONS as f64;
    Ok(vec![Row {
        figure: "bytes on disk for one more version of a 1 KiB thing",
        ours: format!("{each:.0} bytes"),
        baseline: "bar 3,072 bytes".into(),
        ratio: each / 3072.0,
        bar: "≤ 1",
        met: each <= 3072.0,
        n: 1,
    }])
}

fn folder_bytes(path: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_bytes(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
