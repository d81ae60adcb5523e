//! The process dies under eight writers: at every named point, and at moments nobody chose. Afterwards every write that
//! was acknowledged is there with its version, nothing is there half, and anybody's SQLite opens the files.

mod scene;

use commit_log::LocalLog;
use org_ai_runtime::{CompactWanted, ForkWanted, Lifecycle, Op, PatchOf, PromoteWanted};
use scene::{Scene, create, key, view};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use testkit::{ScriptedExecutor, TestNode};
use types::{Faults, Namespace};

const WRITERS: usize = 8;
/// Writes of one writer, if nobody stops it.
const WRITES: usize = 60;
/// Set for a child: `folder|point|nth`.
const CHILD: &str = "ORG_AI_THINGS_CRASH_CHILD";
const BUSY: &str = "https://root.test/busy";

/// The points on the way of a write, and those of a checkpoint, which are reached less often.
const POINTS: [(&str, &[u64]); 11] = [
    ("log.before-write", &[2, 20]),
    ("log.after-write", &[2, 20]),
    ("log.after-sync", &[2, 20]),
    ("store.before-commit", &[9, 40]),
    ("store.after-commit", &[9, 40]),
    ("store.before-settle", &[3, 6]),
    ("store.after-settle", &[3, 6]),
    ("store.before-checkpoint", &[1, 2]),
    ("store.mid-checkpoint", &[1, 2]),
    ("store.after-checkpoint", &[1, 2]),
    ("log.before-remove", &[1]),
];

#[test]
fn no_acknowledged_write_is_lost_when_the_process_dies_at_a_named_point() {
    if run_as_child() {
        return;
    }
    for (point, nths) in POINTS {
        let mut told = 0;
        for nth in nths {
            let folder = tempfile::tempdir().expect("a folder");
            let test = "no_acknowledged_write_is_lost_when_the_process_dies_at_a_named_point";
            let output = spawn(test, folder.path(), point, *nth).wait_with_output().expect("it ends");
            assert_eq!(output.status.signal(), Some(6), "{point} was not reached {nth} times: {output:?}");
            let acknowledged = acknowledged(&output.stdout);
            told += acknowledged.len();
            check(folder, &acknowledged, &format!("{point} {nth}"));
        }
        assert!(told > 0, "nothing was acknowledged before {point}, so nothing was tested");
    }
}

/// The points on the way of operations on a whole object.
const OPERATIONS: [&str; 15] = [
    "compact.begun",
    "compact.written",
    "compact.archived",
    "compact.decided",
    "compact.removed",
    "restore.returned",
    "fork.begun",
    "fork.copying",
    "fork.copied",
    "fork.registered",
    "promote.begun",
    "promote.copying",
    "promote.copied",
    "promote.registered",
    "lifecycle.completing",
];

#[test]
fn no_acknowledged_write_is_lost_when_the_process_dies_in_an_operation() {
    if run_as_child() {
        return;
    }
    for point in OPERATIONS {
        let folder = tempfile::tempdir().expect("a folder");
        let test = "no_acknowledged_write_is_lost_when_the_process_dies_in_an_operation";
        let output = spawn(test, folder.path(), point, 1).wait_with_output().expect("it ends");
        assert_eq!(output.status.signal(), Some(6), "{point} was not reached: {output:?}");
        let acknowledged = acknowledged(&output.stdout);
        assert!(!acknowledged.is_empty(), "nothing was acknowledged before {point}, so nothing was tested");
        check(folder, &acknowledged, point);
    }
}

#[test]
fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    if run_as_child() {
        return;
    }
    let moments: [usize; 5] = std::array::from_fn(|_| rand::random_range(40..WRITERS * WRITES));
    for lines in moments {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = spawn("no_acknowledged_write_is_lost_when_the_process_is_killed", folder.path(), "none", 1);
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut seen = Vec::new();
        for _ in 0..lines {
            output.read_until(b'\n', &mut seen).expect("it writes");
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        std::io::copy(&mut output, &mut seen).expect("what it said before");
        let acknowledged = acknowledged(&seen);
        assert!(acknowledged.len() > lines / 4, "of {lines} lines only {} tell of a write", acknowledged.len());
        check(folder, &acknowledged, &format!("killed after {lines} lines"));
    }
}

fn spawn(test: &str, folder: &Path, point: &str, nth: u64) -> Child {
    Command::new(std::env::current_exe().expect("a test knows its own path"))
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{}|{point}|{nth}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

/// Which thing of which object each acknowledged version was of.
fn acknowledged(output: &[u8]) -> BTreeMap<(bool, u64), String> {
    let mut found = BTreeMap::new();
    for line in output.lines().map_while(Result::ok) {
        // A line that the end of the process cut short tells nothing.
        let Some(line) = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix('.')) else { continue };
        let [object, version, thing] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
        found.insert((object == "busy", version.parse().expect("a number")), thing.to_owned());
    }
    found
}

/// In a child: the writers, until the fault. False in the parent.
fn run_as_child() -> bool {
    let Ok(job) = std::env::var(CHILD) else { return false };
    let [folder, point, nth] = job.split('|').collect::<Vec<_>>()[..] else { panic!("{job}") };
    let faults = Faults::at(point, nth.parse().expect("a number"), || std::process::abort());
    let runtime = tokio::runtime::Runtime::new().expect("it starts");
    runtime
        .block_on(work(Path::new(folder), faults, OPERATIONS.contains(&point)))
        .expect("nothing fails but at the fault");
    true
}

async fn work(folder: &Path, faults: Faults, is_operated: bool) -> anyhow::Result<()> {
    // Small segments, so that some are removed.
    let config = commit_log::Config { segment_bytes: 64 << 10, faults: faults.clone(), ..commit_log::Config::STANDARD };
    let log = Arc::new(LocalLog::open(&folder.join("log"), &config)?);
    let open = TestNode::open_on(folder, log, ScriptedExecutor::new(), |config| config.faults = faults);
    let test = Arc::new(open.await?);
    let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
    let busy = Namespace::parse(BUSY)?;
    root.create_object(&all, busy.clone(), "DO".into()).await?;
    let busy = test.node.object(&busy).await?.ok_or_else(|| anyhow::anyhow!("it was made"))?;
    let writers = (0..WRITERS).map(|writer| {
        // Two of them have an object of their own.
        let (name, object) = if writer < 2 { ("root", root.clone()) } else { ("busy", busy.clone()) };
        tokio::spawn(writer_of(name, object, all.clone(), writer))
    });
    let writers: Vec<_> = writers.collect();
    if is_operated {
        operate(&busy, &all).await?;
    }
    for writer in writers {
        writer.await??;
    }
    test.node.shutdown().await;
    Ok(())
}

/// Compacts, brings back, forks and promotes, while others write.
async fn operate(object: &org_ai_runtime::Object, caller: &org_ai_runtime::Caller) -> anyhow::Result<()> {
    let promoted = create("Note/promoted", json!({ "n": 1 }));
    object.write(caller, &view(""), org_ai_runtime::Write::of(promoted)).await?;
    let done = async |wanted: Lifecycle| {
        let row = object.lifecycle(caller, wanted, None).await?.finished().await?;
        anyhow::ensure!(row.status == types::ActionStatus::Completed, "{row:?}");
        Ok(row.options.to_value()["output"].clone())
    };
    while object.about(caller).await?.version < 100 {
        tokio::task::yield_now().await;
    }
    let compact = Lifecycle::Compact(CompactWanted { archive: true, ..CompactWanted::default() });
    let archive = done(compact).await?["archive"].as_str().map(str::parse).transpose()?;
    done(Lifecycle::Restore { archive: archive.ok_or_else(|| anyhow::anyhow!("nothing was archived"))? }).await?;
    done(Lifecycle::Fork(ForkWanted { to: "https://root.test/copy".into(), branch: None, at: None })).await?;
    let promote = PromoteWanted { noun: "Note".into(), id: "promoted".into(), history: true };
    done(Lifecycle::Promote(promote)).await?;
    Ok(())
}

/// What a stop interrupted goes on by itself.
async fn ended(object: &org_ai_runtime::Object, caller: &org_ai_runtime::Caller) -> anyhow::Result<()> {
    let running =
        store::ActionFilter { status: Some(types::ActionStatus::Running), limit: 1, ..store::ActionFilter::default() };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while !object.actions(caller, &running).await?.items.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        anyhow::Ok(())
    });
    waited.await?
}

/// Creates, patches what all share, branches and merges; says what was acknowledged.
async fn writer_of(
    name: &'static str,
    object: org_ai_runtime::Object,
    caller: org_ai_runtime::Caller,
    writer: usize,
) -> anyhow::Result<()> {
    let ack = |version: u64, thing: &str| {
        println!("\nack {name} {version} {thing}.");
        std::io::stdout().flush()
    };
    for n in 0..WRITES {
        let thing = format!("Note/w{writer}-{n}");
        let body = json!({ "n": n, "text": "x".repeat(200) });
        let wrote = object.write(&caller, &view(""), org_ai_runtime::Write::of(create(&thing, body))).await?;
        ack(wrote.shown.row.version, &thing)?;
        let shared = Op::Put { key: key("Note/shared"), input: scene::input(json!({ "by": thing })), upsert: true };
        let wrote = object.write(&caller, &view(""), org_ai_runtime::Write::of(shared)).await?;
        ack(wrote.shown.row.version, "Note/shared")?;
        if n % 10 == writer {
            let branch = scene::branch(&format!("b{writer}-{n}"));
            let wanted = org_ai_runtime::BranchWanted { name: branch.clone(), things: None };
            object.branch(&caller, &view(""), wanted).await?;
            let patch = PatchOf::Merge { patch: json!({ "merged": true }), if_version: None };
            let patch = org_ai_runtime::Write::of(Op::Patch { key: key(&thing), patch });
            let wrote = object.write(&caller, &view(branch.as_str()), patch).await?;
            ack(wrote.shown.row.version, &thing)?;
            let wanted =
                org_ai_runtime::MergeWanted { source: Some(branch), delete_branch: true, ..Default::default() };
            let merged = object.merge(&caller, &view(""), wanted).await?;
            anyhow::ensure!(merged.merged && merged.versions.len() == 1, "{merged:?}");
            ack(merged.versions[0], &thing)?;
        }
    }
    Ok(())
}

fn check(folder: tempfile::TempDir, acknowledged: &BTreeMap<(bool, u64), String>, when: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("it starts");
    let dir = runtime.block_on(check_things(folder, acknowledged)).unwrap_or_else(|error| panic!("{when}: {error:?}"));
    let files = files(&dir.path().join("objects"));
    assert!(!files.is_empty());
    for file in files {
        check_file(&file, OPERATIONS.contains(&when))
            .unwrap_or_else(|error| panic!("{when}: {}: {error:?}", file.display()));
    }
}

async fn check_things(
    folder: tempfile::TempDir,
    acknowledged: &BTreeMap<(bool, u64), String>,
) -> anyhow::Result<tempfile::TempDir> {
    let mut scene = Scene::open(folder).await?;
    let root = scene.root.clone();
    let busy = scene.test.node.object(&Namespace::parse(BUSY)?).await?;
    for (is_busy, object) in [(false, Some(root)), (true, busy)] {
        let Some(object) = object else {
            anyhow::ensure!(acknowledged.keys().all(|(busy, _)| !busy), "the object of acknowledged writes is gone");
            continue;
        };
        ended(&object, &scene.all).await?;
        scene.root = object;
        for ((_, version), thing) in acknowledged.iter().filter(|((busy, _), _)| *busy == is_busy) {
            match scene.get(&format!("v{version}"), thing).await {
                Ok(_) => {}
                // It is in an archive, which is as good.
                Err(fault) if fault.code == "GONE" && fault.details.is_some() => {}
                Err(fault) => anyhow::bail!("{thing}@v{version}: {fault}"),
            }
        }
        let events = scene.events().await?;
        // What was merged into main is one event for all; everything else has one each.
        let versions: Vec<_> = events.iter().filter_map(|e| e.data.to_value()["version"].as_u64()).collect();
        anyhow::ensure!(versions.is_sorted(), "{versions:?}");
        let next = scene.create("", "Note/after", json!({})).await?.shown.row.version;
        anyhow::ensure!(
            acknowledged.keys().all(|(busy, version)| *busy != is_busy || *version < next),
            "no number twice"
        );
    }
    let Scene { test, root, all, dir } = scene;
    test.node.shutdown().await;
    drop((test, root, all));
    Ok(dir)
}

/// As `sqlite3` would.
fn check_file(file: &Path, is_operated: bool) -> anyhow::Result<()> {
    let connection = rusqlite::Connection::open(file)?;
    let one = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, rusqlite::types::Value>(0));
    anyhow::ensure!(one("PRAGMA integrity_check")? == "ok".to_owned().into());
    for view in ["nouns", "verbs", "relationships"] {
        one(&format!("SELECT count(*) FROM {view}"))?;
    }
    for (sql, meaning) in [
        ("SELECT count(*) - coalesce(max(sequence), 0) FROM events", "a gap in the sequences"),
        ("SELECT max(version) >= (SELECT nextVersion FROM meta) FROM things", "a number to be used twice"),
    ] {
        anyhow::ensure!(one(sql)? == 0.into(), "{meaning}");
    }
    // What an archive has, or another object's action did, is not together here.
    for (sql, meaning) in [
        ("SELECT count(*) FROM events e WHERE actionId NOT IN (SELECT id FROM actions)", "an event without its action"),
        ("SELECT count(*) FROM things WHERE actionId NOT IN (SELECT id FROM actions)", "a version without its action"),
        (
            "SELECT count(*) FROM actions WHERE output NOT IN (SELECT version FROM things)",
            "an action without its version",
        ),
    ] {
        anyhow::ensure!(is_operated || one(sql)? == 0.into(), "{meaning}");
    }
    drop(connection);
    opened_by_command(file)
}

/// By the program that people have, where there is one.
fn opened_by_command(file: &Path) -> anyhow::Result<()> {
    match Command::new("sqlite3").arg(file).arg("PRAGMA integrity_check").output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(told) => {
            anyhow::ensure!(told.status.success() && told.stdout == b"ok\n", "{told:?}");
            Ok(())
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| self::files(folder));
    below.chain(files).filter(|file| file.extension().is_some_and(|e| e == "sqlite")).collect()
}
