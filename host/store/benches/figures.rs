//! What a file and the log cost, as a table: `cargo bench -p org-ai-store`. Each figure is the median of several runs
//! with the lowest and the highest beside it.

use commit_log::{CommitLog, Config, LocalLog};
use org_ai_store::{Options, Store};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;
use types::{ActionRow, ActionStatus, Durability, EventRow, Id, Json, Namespace, ObjectId, Record, Row, Timestamp};

fn main() {
    // cargo test builds and runs benches too, to see that they run: then once and little.
    let is_bench = std::env::args().any(|a| a == "--bench");
    let (runs, scale) = if is_bench { (7, 1) } else { (1, 20) };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    row("action + 2 events, in turns of 32", "µs", runs, |run| batches(folder, run, 32, 200 / scale));
    row("action + 2 events, one a turn", "µs", runs, |run| batches(folder, 100 + run, 1, 2000 / scale));
    row("first turn of a new object, file made", "µs", runs, |run| new_objects(folder, run, 200 / scale));
    row("opening a file again, and its next turn", "µs", runs, |run| open_again(folder, run, 200 / scale));
    row("a batch in the log, one writer", "µs", runs, |run| log_alone(folder, run, 200 / scale));
    row("a batch in the log, 64 in flight", "µs", runs, |run| log_many(folder, run, 20_000 / scale));
    row("opening an empty log", "µs", runs, |run| log_open(folder, run));
    row("scanning a log of 100,000 records", "ms", if is_bench { 3 } else { 1 }, |run| {
        log_scan(folder, run, 100_000 / scale)
    });
    println!("{:44} {:>9.1} KiB", "memory of an open file after a turn", memory(folder, 1000 / scale));
}

fn row(name: &str, unit: &str, runs: u64, measure: impl Fn(u64) -> Figure) {
    let mut figures: Vec<Figure> = (0..runs).map(measure).collect();
    figures.sort_by(|a, b| a.wall.total_cmp(&b.wall));
    let (median, last) = (figures[figures.len() / 2].wall, figures[figures.len() - 1].wall);
    let mut cpu: Vec<f64> = figures.iter().map(|f| f.cpu).collect();
    cpu.sort_by(f64::total_cmp);
    let cpu = cpu[cpu.len() / 2];
    println!("{name:44} {median:>9.1} {unit}   {:.1} … {last:.1}, on the processor {cpu:.1}", figures[0].wall);
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

/// An id in the order of `n`, as UUIDv7 are.
fn id(n: u64) -> Id {
    Id::new(Timestamp::from_millis(1_800_000_000_000 + n), [7; 10])
}

fn invocation(n: u64, sequence: u64) -> [Row; 3] {
    let action = ActionRow {
        id: id(n),
        verb: "invoke".into(),
        actor: "https://acme.example/Service/root".into(),
        target: "Function/invoice-pay".into(),
        input: None,
        output: None,
        options: Json::parse(
            r#"{"input":{"invoice":"inv_123","amount":1250},"output":{"paid":true,"reference":"abcdef"},"version":3}"#,
        )
        .expect("it is JSON"),
        durability: Durability::Try,
        status: ActionStatus::Completed,
        error: None,
        attempts: 1,
        idempotency_key: None,
        request_id: Some("req_0123456789abcdef".into()),
        parent: None,
        created_at: at(),
        started_at: Some(at()),
        completed_at: Some(at()),
        duration_us: Some(20),
    };
    let event = |sequence, verb: &str| {
        Row::Event(EventRow {
            sequence,
            id: id(n + sequence),
            verb: verb.into(),
            source: "Function/invoice-pay".into(),
            data: Json::parse(r#"{"status":"completed","durationUs":20}"#).expect("it is JSON"),
            action: id(n),
            created_at: at(),
        })
    };
    [Row::Action(action), event(sequence, "started"), event(sequence + 1, "invoked")]
}

fn turn(store: &mut Store, n: &mut u64, invocations: u64) -> Arc<Record> {
    let mut turn = store.turn(1, at()).expect("a turn");
    if turn.origin().is_none() {
        let namespace = Namespace::parse("https://acme.example").expect("a namespace");
        turn.write(Row::Origin { namespace, created_at: at() }).expect("a row");
    }
    for _ in 0..invocations {
        *n += 1;
        let sequence = turn.next_sequence();
        invocation(*n, sequence).into_iter().for_each(|row| turn.write(row).expect("a row"));
    }
    turn.commit().expect("a commit").expect("rows were written")
}

fn open(folder: &Path, n: u64) -> Store {
    let object = ObjectId::from_u128(u128::from(n));
    Store::open(&folder.join(format!("{object}.sqlite")), object, &Options::STANDARD).expect("a file")
}

fn batches(folder: &Path, run: u64, invocations: u64, turns: u64) -> Figure {
    let mut store = open(folder, 1_000_000 + run);
    let mut n = 0;
    turn(&mut store, &mut n, invocations);
    n += 1;
    // Made before: what a row costs to build is not the store's.
    let first = store.next_sequence();
    let rows: Vec<Vec<Row>> = (0..turns)
        .map(|t| {
            (0..invocations)
                .flat_map(|i| invocation(n + t * invocations + i, first + 2 * (t * invocations + i)))
                .collect()
        })
        .collect();
    let start = Start::now();
    for rows in rows {
        let mut turn = store.turn(1, at()).expect("a turn");
        rows.into_iter().for_each(|row| turn.write(row).expect("a row"));
        let record = turn.commit().expect("a commit").expect("rows were written");
        store.confirm(record.seq);
    }
    per(start, turns * invocations)
}

fn new_objects(folder: &Path, run: u64, count: u64) -> Figure {
    let start = Start::now();
    for i in 0..count {
        turn(&mut open(folder, 2_000_000 + run * count + i), &mut 0, 1);
    }
    per(start, count)
}

fn open_again(folder: &Path, run: u64, count: u64) -> Figure {
    let object = |i| 3_000_000 + run * count + i;
    (0..count).for_each(|i| drop(turn(&mut open(folder, object(i)), &mut 0, 1)));
    let start = Start::now();
    for i in 0..count {
        turn_again(&mut open(folder, object(i)));
    }
    per(start, count)
}

fn turn_again(store: &mut Store) {
    turn(store, &mut 1, 1);
}

fn record(object: u64, seq: u64) -> Arc<Record> {
    let rows = invocation(seq, seq * 2).to_vec();
    Arc::new(Record { object: ObjectId::from_u128(u128::from(object)), epoch: 1, seq, at: at(), rows })
}

fn log(folder: &Path, name: &str, run: u64) -> LocalLog {
    LocalLog::open(&folder.join(format!("{name}-{run}")), &Config::STANDARD).expect("a log")
}

fn log_alone(folder: &Path, run: u64, count: u64) -> Figure {
    let log = log(folder, "alone", run);
    let (tell, told) = mpsc::channel();
    let mut append = |seq| {
        let tell = tell.clone();
        log.append(vec![record(1, seq)], Box::new(move |o| tell.send(o.is_durable()).expect("somebody waits")));
        assert!(told.recv().expect("an answer"));
    };
    append(1);
    let start = Start::now();
    (2..count + 2).for_each(&mut append);
    per(start, count)
}

fn log_many(folder: &Path, run: u64, count: u64) -> Figure {
    let log = log(folder, "many", run);
    let (tell, told) = mpsc::channel::<bool>();
    let start = Start::now();
    for i in 0..count {
        if i >= 64 {
            assert!(told.recv().expect("an answer"));
        }
        let tell = tell.clone();
        let done = move |o: &commit_log::Outcome| tell.send(o.is_durable()).expect("somebody waits");
        log.append(vec![record(i % 64, i / 64 + 1)], Box::new(done));
    }
    (0..64.min(count)).for_each(|_| assert!(told.recv().expect("an answer")));
    per(start, count)
}

fn log_open(folder: &Path, run: u64) -> Figure {
    let path = folder.join(format!("empty-{run}"));
    std::fs::create_dir_all(&path).expect("a folder");
    let start = Start::now();
    let log = LocalLog::open(&path, &Config::STANDARD).expect("a log");
    let figure = per(start, 1);
    drop(log);
    figure
}

fn log_scan(folder: &Path, run: u64, count: u64) -> Figure {
    let log_of = || log(folder, "scan", run);
    let first = log_of();
    for seq in 1..=count / 50 {
        let batch = (0..50).map(|object| record(object, seq)).collect();
        first.append(batch, Box::new(|o| assert!(o.is_durable(), "{o:?}")));
    }
    drop(first);
    let start = Start::now();
    let second = log_of();
    let figure = per(start, 1000);
    assert_eq!(second.head(ObjectId::from_u128(0)), Some(count / 50));
    figure
}

/// Resident memory of the process (Linux), in KiB, that each open file adds.
fn memory(folder: &Path, count: u64) -> f64 {
    let resident = || -> f64 {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        status.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4.0
    };
    let before = resident();
    let stores: Vec<Store> = (0..count)
        .map(|i| {
            let mut store = open(folder, 4_000_000 + i);
            turn(&mut store, &mut 0, 1);
            store
        })
        .collect();
    let figure = (resident() - before) / count as f64;
    drop(stores);
    figure
}

/// A figure's beginning: on the wall, and on the processor where the kernel tells (Linux), so that a busy machine
/// shows as what it is.
#[derive(Clone, Copy)]
struct Start {
    wall: Instant,
    cpu_us: f64,
}

impl Start {
    fn now() -> Self {
        Self { wall: Instant::now(), cpu_us: cpu_us() }
    }
}

fn cpu_us() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1000.0
}

/// Microseconds each: on the wall, and of this thread on a processor.
fn per(start: Start, count: u64) -> Figure {
    let cpu = (cpu_us() - start.cpu_us) / count as f64;
    Figure { wall: start.wall.elapsed().as_secs_f64() * 1e6 / count as f64, cpu }
}

#[derive(Clone, Copy)]
struct Figure {
    wall: f64,
    cpu: f64,
}
