//! The process dies anywhere: at every named point, and at moments nobody chose. Afterwards everything that was
//! acknowledged is there, nothing is there half, and each file is what its turns make of an empty one.

use crate::common::{self, Random, dump, dump_copy, object, open_object, path_of, rebuild, write_turn};
use commit_log::{CommitLog, Config, LocalLog};
use org_ai_store::{Options, Store};
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use types::Faults;

const OBJECTS: u64 = 3;
/// A workload that nobody stops ends here.
const TURNS: u64 = 90;
const CHECKPOINT_EVERY: u64 = 6;
/// Small, so that segments are rolled and removed.
fn config(faults: &Faults) -> Config {
    Config { segment_bytes: 4096, faults: faults.clone(), ..Config::STANDARD }
}

/// Set for a child: `folder|point|nth|turns`.
const CHILD: &str = "ORG_AI_CRASH_CHILD";

const POINTS: [&str; 11] = [
    "log.before-write",
    "log.after-write",
    "log.after-sync",
    "log.before-remove",
    "store.before-commit",
    "store.after-commit",
    "store.before-settle",
    "store.after-settle",
    "store.before-checkpoint",
    "store.mid-checkpoint",
    "store.after-checkpoint",
];

#[test]
fn nothing_acknowledged_is_lost_when_the_process_dies_at_any_point() {
    if run_as_child() {
        return;
    }
    for point in POINTS {
        for nth in [1, 2, 3, 7] {
            let folder = tempfile::tempdir().unwrap();
            let child = spawn(
                "process::nothing_acknowledged_is_lost_when_the_process_dies_at_any_point",
                folder.path(),
                point,
                nth,
            );
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.signal(), Some(6), "{point} was not reached {nth} times: {output:?}");
            check_recovery(folder.path(), &acknowledged(&output.stdout[..]), &format!("{point} {nth}"));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    if run_as_child() {
        return;
    }
    let mut random = Random(7);
    for round in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let mut child =
            spawn("process::nothing_acknowledged_is_lost_when_the_process_is_killed", folder.path(), "none", 1);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (mut seen, mut line) = (String::new(), String::new());
        for _ in 0..random.below(TURNS - 10) {
            line.clear();
            output.read_line(&mut line).unwrap();
            seen.push_str(&line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        output.lines().for_each(|line| seen.push_str(&format!("{}\n", line.unwrap())));
        check_recovery(folder.path(), &acknowledged(seen.as_bytes()), &format!("round {round}"));
    }
}

fn spawn(test: &str, folder: &Path, point: &str, nth: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{}|{point}|{nth}|{TURNS}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The highest acknowledged record of each object.
fn acknowledged(output: &[u8]) -> BTreeMap<u64, u64> {
    let mut highest = BTreeMap::new();
    for line in output.lines().map_while(Result::ok) {
        // A line that the end of the process cut short tells nothing.
        let Some(("", rest)) = line.split_once("ack ") else { continue };
        let Some((object, Some(seq))) = rest.split_once(' ').map(|(o, s)| (o, s.strip_suffix('.'))) else { continue };
        highest.insert(object.parse().unwrap(), seq.parse().unwrap());
    }
    highest
}

/// In a child: the workload, until the fault. False in the parent.
fn run_as_child() -> bool {
    let Ok(job) = std::env::var(CHILD) else { return false };
    let [folder, point, nth, turns] = job.split('|').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let faults = Faults::at(point, nth.parse().unwrap(), || std::process::abort());
    workload(Path::new(folder), &faults, turns.parse().unwrap());
    true
}

/// The turns of one object are the same whenever they are made: see `reference`.
fn randomness_of(n: u64) -> Random {
    Random(1000 + n)
}

/// Turns of several objects, appended without waiting, acknowledged by the log's thread; now and then a checkpoint.
fn workload(folder: &Path, faults: &Faults, turns: u64) {
    let log = LocalLog::open(&folder.join("log"), &config(faults)).unwrap();
    let mut open: Vec<(Store, Random)> =
        (0..OBJECTS).map(|n| (open_object(&log, folder, object(n), faults).unwrap(), randomness_of(n))).collect();
    let (tell, told) = mpsc::channel();
    for i in 0..turns {
        let n = i % OBJECTS;
        let (store, random) = &mut open[usize::try_from(n).unwrap()];
        let record = write_turn(store, random).unwrap();
        let (seq, tell) = (record.seq, tell.clone());
        let done = move |outcome: &commit_log::Outcome| {
            assert!(outcome.is_durable(), "{outcome:?}");
            println!("\nack {n} {seq}.");
            std::io::stdout().flush().unwrap();
            tell.send((n, seq)).unwrap();
        };
        log.append(vec![Arc::new(record)], Box::new(done));
        // Not always everything: the next turns do not wait for the log.
        if i % 4 == 3 {
            let (n, seq) = told.recv().unwrap();
            open[usize::try_from(n).unwrap()].0.confirm(seq);
        }
        for (n, seq) in told.try_iter() {
            open[usize::try_from(n).unwrap()].0.confirm(seq);
        }
        if i % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1 {
            let n = (i / CHECKPOINT_EVERY) % OBJECTS;
            let through = open[usize::try_from(n).unwrap()].0.checkpoint().unwrap();
            log.checkpointed(object(n), through);
        }
    }
    log.close();
}

/// What the first `turns` turns of an object make of an empty file.
fn reference(folder: &Path, n: u64, turns: u64) -> BTreeMap<String, Vec<Vec<Value>>> {
    let path = folder.join(format!("reference-{n}.sqlite"));
    let mut store = Store::open(&path, object(n), &Options::STANDARD).unwrap();
    let mut random = randomness_of(n);
    for _ in 0..turns {
        write_turn(&mut store, &mut random).unwrap();
    }
    drop(store);
    dump(&path)
}

fn check_recovery(folder: &Path, acknowledged: &BTreeMap<u64, u64>, case: &str) {
    let log = LocalLog::open(&folder.join("log"), &config(&Faults::none())).unwrap();
    for n in 0..OBJECTS {
        let mut store = open_object(&log, folder, object(n), &Faults::none()).unwrap();
        let applied = store.applied_seq();
        let promised = acknowledged.get(&n).copied().unwrap_or(0);
        assert!(applied >= promised, "{case}: object {n} has {applied} records of {promised} acknowledged ones");
        store.integrity_check().unwrap();
        assert_eq!(log.head(object(n)).unwrap_or(applied), applied, "{case}: log and file end together");
        let path = path_of(folder, object(n));
        let found = dump_copy(folder, &path);
        assert!(found == reference(folder, n, applied), "{case}: object {n} is not what its {applied} turns make");
        let sequences: Vec<i64> = found["events"].iter().map(|row| integer(&row[0])).collect();
        assert_eq!(sequences, (1..=i64::try_from(sequences.len()).unwrap()).collect::<Vec<_>>(), "{case}");
        if log.tail(object(n)) == Some(1) {
            let rebuilt = rebuild(&folder.join(format!("{n}")), object(n), &log.replay(object(n), 0).unwrap());
            assert!(found == dump(&rebuilt), "{case}: object {n} is not what the log makes");
        }
        // And it goes on.
        let record = write_turn(&mut store, &mut Random(1)).unwrap();
        assert_eq!(record.seq, applied + 1);
        assert!(common::append(&log, vec![record]).is_durable());
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Integer(n) => *n,
        other => panic!("{other:?}"),
    }
}
