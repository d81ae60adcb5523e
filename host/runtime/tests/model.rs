//! The store against a model of it: random writes, branches, merges and undos through `Object`, closed, killed and
//! opened in between; after each the real thing says what the plain one says.
//!
//! `PROPTEST_CASES` makes it longer. What once failed is kept in `proptest-regressions/`.

mod plain;
mod scene;

use model::merge::Strategy;
use org_ai_runtime::{CompactWanted, Lifecycle, Op, PatchOf};
use plain::{On, Plain, Wrote};
use proptest::prelude::{Just, TestCaseError, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as Any;
use proptest::test_runner::{Config, FileFailurePersistence};
use scene::{Scene, create, input, key, view};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;
use testkit::{HeardLog, ScriptedExecutor, TestNode};
use types::{Fault, Id, ObjectId, Record, ThingKey};

const CASES: u32 = 48;
const NAMES: [&str; 3] = ["x", "y", "z"];
const THINGS: [&str; 5] = ["Note/a", "Note/b", "Note/c", "Memo/a", "Memo/b"];

#[derive(Clone, Debug)]
enum Step {
    Create(On, usize, Value),
    Put(On, usize, Value),
    Patch(On, usize, Value),
    Delete(On, usize),
    Restore(On, usize),
    Relate(On, usize, usize, u8),
    Unrelate(On, usize, usize),
    /// From a branch, or from a version: so many hundredths of all.
    Branch(usize, Result<On, u8>),
    DeleteBranch(usize, bool),
    Merge(On, On, Option<Strategy>),
    /// Which action: so many hundredths of all.
    Undo(u8, bool),
    Compact,
    /// The rows of all archives come back.
    Unpack,
    Reopen,
    Kill(Lost),
}

/// What the disk lost beside the process.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Lost {
    Nothing,
    Wal,
    Files,
}

fn on() -> impl Any<Value = On> {
    prop_oneof![3 => Just(None), 2 => prop::sample::select(&NAMES[..]).prop_map(Some)]
}

fn value() -> impl Any<Value = Value> {
    prop_oneof![3 => (0..3).prop_map(Value::from), 1 => Just(json!({ "q": 1 })), 1 => Just(json!({ "q": 2, "r": [1] }))]
}

/// A body in the flat form; few keys and few values, so that they meet.
fn body(absent: fn() -> Option<Value>) -> impl Any<Value = Value> {
    let field = move |value: Option<Value>| value.or_else(absent);
    (prop::option::of(value()), prop::option::of(value()), prop::option::of(0..2)).prop_map(move |(a, b, name)| {
        let mut map = serde_json::Map::new();
        for (key, value) in [("a", field(a)), ("b", field(b)), ("name", name.map(|n| Value::from(format!("n{n}"))))] {
            map.extend(value.map(|value| (key.to_owned(), value)));
        }
        Value::Object(map)
    })
}

fn step() -> impl Any<Value = Step> {
    let thing = || 0..THINGS.len();
    let branch = || 0..NAMES.len();
    let strategy = prop::sample::select(vec![None, None, Some(Strategy::Ours), Some(Strategy::Theirs)]);
    prop_oneof![
        4 => (on(), thing(), body(|| None)).prop_map(|(on, id, body)| Step::Create(on, id, body)),
        3 => (on(), thing(), body(|| None)).prop_map(|(on, id, body)| Step::Put(on, id, body)),
        6 => (on(), thing(), body(|| Some(Value::Null))).prop_map(|(on, id, body)| Step::Patch(on, id, body)),
        2 => (on(), thing()).prop_map(|(on, id)| Step::Delete(on, id)),
        1 => (on(), thing()).prop_map(|(on, id)| Step::Restore(on, id)),
        1 => (on(), thing(), thing(), 0..2u8).prop_map(|(on, from, to, n)| Step::Relate(on, from, to, n)),
        1 => (on(), thing(), thing()).prop_map(|(on, from, to)| Step::Unrelate(on, from, to)),
        3 => (branch(), prop_oneof![2 => on().prop_map(Ok), 1 => (0..105u8).prop_map(Err)])
            .prop_map(|(name, from)| Step::Branch(name, from)),
        1 => (branch(), any::<bool>()).prop_map(|(name, force)| Step::DeleteBranch(name, force)),
        5 => (on(), on(), strategy).prop_map(|(source, into, strategy)| Step::Merge(source, into, strategy)),
        2 => (0..100u8, any::<bool>()).prop_map(|(nth, force)| Step::Undo(nth, force)),
        2 => prop_oneof![2 => Just(Step::Compact), 1 => Just(Step::Unpack)],
        1 => prop_oneof![
            Just(Step::Reopen),
            prop::sample::select(vec![Lost::Nothing, Lost::Wal, Lost::Files]).prop_map(Step::Kill)
        ],
    ]
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/model.txt"))),
        max_shrink_iters: 2_000,
        ..Config::default()
    })]

    #[test]
    fn the_store_does_what_the_plain_model_does(
            forgets in any::<bool>(),
            steps in prop::collection::vec(step(), 1..60),
        ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(run(forgets, steps)).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    }
}

async fn run(forgets: bool, steps: Vec<Step>) -> anyhow::Result<()> {
    let tape = Tape { forgets, ..Tape::default() };
    let mut pair =
        Pair { real: tape.open(tempfile::tempdir()?).await?, plain: Plain::default(), tape, archives: Vec::new() };
    for (n, step) in steps.into_iter().enumerate() {
        let told = format!("step {n}: {step:?}");
        pair = pair.step(step).await.map_err(|error| error.context(told.clone()))?;
        pair.compare().await.map_err(|error| error.context(told))?;
    }
    pair.compare_whole().await
}

struct Pair {
    real: Scene,
    plain: Plain,
    tape: Tape,
    archives: Vec<Id>,
}

/// What all logs of one test were given, one after the other.
#[derive(Clone, Default)]
struct Tape {
    records: Arc<Mutex<Vec<Arc<Record>>>>,
    /// Whether they forget what the files have.
    forgets: bool,
}

impl Tape {
    async fn open(&self, dir: TempDir) -> anyhow::Result<Scene> {
        let records = self.records.clone();
        let log = HeardLog::open(dir.path(), move |batch| {
            records.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(batch);
            true
        })?;
        let log = Arc::new(log.forgetting(self.forgets));
        let test = TestNode::open_on(dir.path(), log, ScriptedExecutor::new(), |_| {}).await?;
        let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
        Ok(Scene { test, root, all, dir })
    }
}

fn at(on: On) -> String {
    on.unwrap_or("main").to_owned()
}

fn code<T>(result: Result<T, Fault>) -> Result<T, String> {
    result.map_err(|fault| fault.code)
}

macro_rules! same {
    ($real:expr, $plain:expr) => { same!($real, $plain, "") };
    ($real:expr, $plain:expr, $($about:tt)+) => {{
        let (real, plain) = ($real, $plain);
        anyhow::ensure!(real == plain, "{}the store says {real:?}, the model {plain:?}", format!($($about)+));
    }};
}

impl Pair {
    async fn step(mut self, step: Step) -> anyhow::Result<Self> {
        match step {
            Step::Create(on, id, body) => {
                let content = content(&body);
                let change =
                    move |before: Option<&plain::Row>| before.map_or(Ok((content, false)), |_| Err("CONFLICT"));
                self.write(on, THINGS[id], create(THINGS[id], body), change).await?;
            }
            Step::Put(on, id, body) => {
                let op = Op::Put { key: key(THINGS[id]), input: input(body.clone()), upsert: true };
                self.write(on, THINGS[id], op, |_| Ok((content(&body), false))).await?;
            }
            Step::Patch(on, id, patch) => {
                let op = Op::Patch {
                    key: key(THINGS[id]),
                    patch: PatchOf::Merge { patch: patch.clone(), if_version: None },
                };
                self.write(on, THINGS[id], op, |before| Ok((patched(live(before)?, patch), false))).await?;
            }
            Step::Delete(on, id) => {
                let op = Op::Delete { key: key(THINGS[id]) };
                self.write(on, THINGS[id], op, |before| Ok((live(before)?.content.clone(), true))).await?;
            }
            Step::Restore(on, id) => {
                let op = Op::Restore { key: key(THINGS[id]) };
                let change = |before: Option<&plain::Row>| match before {
                    None => Err("NOT_FOUND"),
                    Some(row) if !row.deleted => Err("NOT_DELETED"),
                    Some(row) => Ok((row.content.clone(), false)),
                };
                self.write(on, THINGS[id], op, change).await?;
            }
            Step::Relate(on, from, to, n) => self.relate(on, THINGS[from], THINGS[to], n).await?,
            Step::Unrelate(on, from, to) => self.unrelate(on, THINGS[from], THINGS[to]).await?,
            Step::Branch(name, from) => {
                let from = from.map_err(|part| 1 + u64::from(part) * self.plain.newest_version() / 100);
                let shown = from.map_or_else(|version| format!("v{version}"), at);
                let real = code(self.real.branch(&shown, NAMES[name]).await).map(|_| ());
                same!(real, self.plain.branch(NAMES[name], from).map_err(str::to_owned), "from {shown}: ");
            }
            Step::DeleteBranch(name, force) => {
                let real = code(self.real.delete_branch(NAMES[name], force).await);
                same!(real, self.plain.delete_branch(NAMES[name], force).map_err(str::to_owned));
            }
            Step::Merge(source, into, strategy) => {
                let wanted = org_ai_runtime::MergeWanted { strategy, ..Default::default() };
                let real = code(self.real.merge_with(&at(source), &at(into), wanted).await).map(|m| {
                    let conflicts = m.conflicts.into_iter().map(|c| c.key).collect();
                    plain::Merged { merged: m.merged, fast_forward: m.fast_forward, versions: m.versions, conflicts }
                });
                same!(real, self.plain.merge(source, into, strategy).map_err(str::to_owned));
            }
            Step::Undo(part, force) => self.undo(part, force).await?,
            Step::Compact => self.compact().await?,
            Step::Unpack => self.unpack().await?,
            Step::Reopen => {
                let Scene { test, root, all, dir } = self.real;
                test.node.shutdown().await;
                drop((test, root, all));
                self.real = self.tape.open(dir).await?;
            }
            Step::Kill(lost) => self.real = kill(self.real, lost, &self.tape).await?,
        }
        Ok(self)
    }

    async fn write(
        &mut self,
        on: On,
        thing: &str,
        op: Op,
        change: impl FnOnce(Option<&plain::Row>) -> Result<(model::Content, bool), &'static str>,
    ) -> anyhow::Result<()> {
        let before = self.plain.line(on).ok().and_then(|line| self.plain.newest(&line, &key(thing)).map(|r| r.version));
        let real = code(self.real.write(&at(on), op).await);
        let plain = self.plain.write(on, &key(thing), change).map_err(str::to_owned);
        let version = |w: &org_ai_runtime::Wrote| Wrote {
            version: w.shown.row.version,
            is_new: w.change != org_ai_runtime::Change::Unchanged,
        };
        same!(real.as_ref().map(version), plain.as_ref().copied());
        if let (Ok(real), Ok(plain)) = (real, plain) {
            self.plain.acted(real.action, before, plain);
        }
        Ok(())
    }

    async fn relate(&mut self, on: On, from: &str, to: &str, n: u8) -> anyhow::Result<()> {
        let (root, all, on_view) = (&self.real.root, &self.real.all, view(&at(on)));
        let real = code(root.relate(all, &on_view, &key(from), "owns", to, json!({ "n": n })).await);
        let from_row = self.plain.line(on).map(|line| self.plain.newest(&line, &key(from)).is_some_and(|r| !r.deleted));
        match (real, from_row) {
            (Ok((edge, _)), Ok(true)) => {
                let data = json!({ "verb": "owns", "from": from, "to": to, "data": { "n": n } });
                let content = model::Content { name: None, data };
                let plain = self.plain.write(on, &edge_key(&edge.id), |_| Ok((content, false)));
                same!(Ok(edge.version), plain.map(|w| w.version));
            }
            (Err(real), Ok(false)) => same!(real, "NOT_FOUND"),
            (Err(real), Err(plain)) => same!(real, plain),
            (real, plain) => anyhow::bail!("the store says {real:?}, the model {plain:?}"),
        }
        Ok(())
    }

    async fn unrelate(&mut self, on: On, from: &str, to: &str) -> anyhow::Result<()> {
        let real = self.real.root.unrelate(&self.real.all, &view(&at(on)), &key(from), "owns", to).await;
        let edge = self.plain.rows.iter().find(|row| row.content.data["from"] == from && row.content.data["to"] == to);
        let plain = match edge.map(|row| row.key.clone()) {
            None => self.plain.line(on).and(Err("EDGE_NOT_FOUND")),
            Some(key) => self.plain.write(on, &key, |before| {
                let row = before.filter(|row| !row.deleted).ok_or("EDGE_NOT_FOUND")?;
                Ok((row.content.clone(), true))
            }),
        };
        same!(code(real), plain.map(|_| ()).map_err(str::to_owned));
        Ok(())
    }

    async fn operate(&self, wanted: Lifecycle) -> anyhow::Result<Result<Value, String>> {
        match self.real.root.lifecycle(&self.real.all, wanted, None).await {
            Err(fault) => Ok(Err(fault.code.to_string())),
            Ok(begun) => {
                let ended = begun.finished().await?;
                anyhow::ensure!(ended.status == types::ActionStatus::Completed, "{ended:?}");
                Ok(Ok(ended.options.to_value()["output"].clone()))
            }
        }
    }

    /// What leaves is what nobody stands on: which that is the store says, and here is looked whether it may be so.
    async fn compact(&mut self) -> anyhow::Result<()> {
        let wanted = CompactWanted { archive: true, ..CompactWanted::default() };
        let result = match self.operate(Lifecycle::Compact(wanted)).await? {
            Ok(result) => result,
            Err(refused) => {
                same!((refused.as_str(), self.plain.rows.is_empty()), ("NOTHING_TO_COMPACT", true));
                return Ok(());
            }
        };
        self.archives.extend(result["archive"].as_str().and_then(|id| id.parse::<Id>().ok()));
        let mut gone = Vec::new();
        for row in &self.plain.rows {
            let shown = self.real.get(&format!("v{}", row.version), &row.key.to_string()).await;
            if shown.is_err_and(|fault| fault.code == "GONE") {
                gone.push(row.version);
            }
        }
        let stood_on = self.plain.stood_on();
        self.plain.compacted(&gone);
        same!(self.plain.stood_on(), stood_on, "somebody stood on one of {gone:?}: ");
        if self.plain.is_only_main() {
            let line = self.plain.line(None).map_err(anyhow::Error::msg)?;
            for row in self.plain.rows.iter().filter(|row| !row.gone) {
                let newest = self.plain.newest(&line, &row.key).map(|row| (row.version, row.deleted));
                same!(Some((row.version, false)), newest, "v{} need not stay: ", row.version);
            }
        }
        Ok(())
    }

    async fn unpack(&mut self) -> anyhow::Result<()> {
        for archive in std::mem::take(&mut self.archives) {
            let restored = self.operate(Lifecycle::Restore { archive }).await?;
            anyhow::ensure!(restored.is_ok(), "the archive {archive} does not come back: {restored:?}");
            self.plain.events += 2;
        }
        self.plain.restored();
        Ok(())
    }

    async fn undo(&mut self, part: u8, force: bool) -> anyhow::Result<()> {
        if self.plain.actions.is_empty() {
            return Ok(());
        }
        let nth = usize::from(part) * self.plain.actions.len() / 100;
        let action = self.plain.actions[nth].clone();
        let line = self.plain.line(self.plain.rows[action.output as usize - 1].branch);
        let key = self.plain.rows[action.output as usize - 1].key.clone();
        let before = line.ok().and_then(|line| self.plain.newest(&line, &key).map(|row| row.version));
        let real = code(self.real.root.undo(&self.real.all, action.id, force).await);
        let plain = self.plain.undo(nth, force).map_err(str::to_owned);
        same!(real.as_ref().map(|(shown, _)| shown.row.version), plain.as_ref().copied());
        if let (Ok((_, id)), Ok(version)) = (real, plain) {
            self.plain.acted(id, before, Wrote { version, is_new: true });
        }
        Ok(())
    }

    /// What is cheap enough after each step: the newest row, and each branch's lists.
    async fn compare(&self) -> anyhow::Result<()> {
        for name in NAMES {
            let is_there = self.plain.branches().contains(&Some(name));
            let shown = self.real.root.branch_named(&self.real.all, Some(&scene::branch(name))).await;
            same!(shown.is_ok(), is_there, "branch {name}: ");
        }
        if let Some(row) = self.plain.rows.last() {
            self.compare_row(row).await?;
        }
        for on in self.plain.branches() {
            self.compare_lists(&at(on), &self.plain.line(on).map_err(anyhow::Error::msg)?).await?;
        }
        Ok(())
    }

    async fn compare_row(&self, row: &plain::Row) -> anyhow::Result<()> {
        if row.gone {
            let real = self.real.get(&format!("v{}", row.version), &row.key.to_string()).await;
            same!(code(real).map(|shown| shown.row.version), Err("GONE".to_owned()), "v{}: ", row.version);
            return Ok(());
        }
        // A delete marker is not shown by its number, but it is in the history of its branch, while there is one.
        match self.real.get(&format!("v{}", row.version), &row.key.to_string()).await {
            Ok(shown) => {
                let real = (shown.row.branch.as_ref().map(|b| b.as_str()), &shown.row.name, shown.row.data.to_value());
                same!(real, (row.branch, &row.content.name, row.content.data.clone()), "v{}: ", row.version);
                same!(false, row.deleted, "v{} deleted: ", row.version);
            }
            Err(fault) => same!((fault.code.as_str(), true), ("VERSION_DELETED", row.deleted), "v{}: ", row.version),
        }
        Ok(())
    }

    async fn compare_lists(&self, shown: &str, line: &plain::Line) -> anyhow::Result<()> {
        for noun in ["Memo", "Note"] {
            let newest = self.plain.keys().into_iter().filter(|key| key.noun.as_str() == noun);
            let newest = newest.filter_map(|key| self.plain.newest(line, &key)).filter(|row| !row.deleted);
            let plain: Vec<_> = newest.map(|row| format!("{}:{}", row.key.id, row.version)).collect();
            let real = self.real.ids(shown, noun).await;
            let real = if real == "NOUN_NOT_FOUND" { String::new() } else { real };
            same!(real, plain.join(" "), "{noun} @{shown}: ");
        }
        Ok(())
    }

    /// Everything: each row by its number, each history, each past state; and the file rebuilt from the log alone.
    async fn compare_whole(mut self) -> anyhow::Result<()> {
        self.unpack().await?;
        for row in &self.plain.rows {
            self.compare_row(row).await?;
        }
        for on in self.plain.branches() {
            let line = self.plain.line(on).map_err(anyhow::Error::msg)?;
            for key in self.plain.keys() {
                let plain: Vec<_> = self.plain.history(&line, &key).iter().map(|row| row.version).collect();
                same!(self.real.history(&at(on), &key.to_string()).await, plain, "history of {key} @{}: ", at(on));
            }
        }
        for version in 1..=self.plain.newest_version() {
            let line = self.plain.at(None, version).map_err(anyhow::Error::msg)?;
            self.compare_lists(&format!("v{version}"), &line).await?;
        }
        same!(self.real.events().await?.len() as u64, self.plain.events, "events: ");
        for action in &self.plain.actions {
            let row = self.real.root.action(&self.real.all, action.id).await?;
            same!(row.status == types::ActionStatus::Undone, action.undone, "{action:?}: ");
        }
        let Scene { test, root, all, dir } = self.real;
        test.node.shutdown().await;
        drop((test, root, all));
        rebuild(dir.path(), &self.tape)
    }
}

/// The process is gone between two instants: what it had written to files is what there is.
async fn kill(scene: Scene, lost: Lost, tape: &Tape) -> anyhow::Result<Scene> {
    let copy = tempfile::tempdir()?;
    copy_folder(scene.dir.path(), copy.path())?;
    drop(scene);
    for file in files(&copy.path().join("objects"))? {
        let is_wal = file.extension().is_some_and(|e| e == "sqlite-wal");
        // A file whose log has forgotten its beginning is not to be lost.
        if lost != Lost::Nothing && (is_wal || lost == Lost::Files && !tape.forgets) {
            std::fs::remove_file(file)?;
        }
    }
    tape.open(copy).await
}

fn files(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    for file in files(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        std::fs::create_dir_all(copy.parent().expect("it lies in a folder"))?;
        std::fs::copy(&file, copy)?;
    }
    Ok(())
}

const ROOT: ObjectId = ObjectId::from_u128(0);

/// The file that the log's records make of nothing is the one that was written, and what is derived in it is right.
fn rebuild(dir: &Path, tape: &Tape) -> anyhow::Result<()> {
    let again = dir.join("again.sqlite");
    let mut store = store::Store::open(&again, ROOT, &store::Options::STANDARD)?;
    for record in &*tape.records.lock().unwrap_or_else(PoisonError::into_inner) {
        store.apply(record)?;
    }
    store.checkpoint()?;
    drop(store);
    let name = ROOT.to_string();
    let live = dir.join("objects").join(&name[..2]).join(format!("{name}.sqlite"));
    let (live, again) = (rusqlite::Connection::open(live)?, rusqlite::Connection::open(again)?);
    const TABLES: [&str; 13] = [
        "meta",
        "things",
        "actions",
        "events",
        "heads",
        "tallies",
        "branches",
        "merges",
        "edges",
        "uniques",
        "search_docsize",
        "search_idx",
        "searchPending",
    ];
    for table in TABLES {
        same!(dump(&live, table)?, dump(&again, table)?, "{table}: ");
    }
    for connection in [&live, &again] {
        let ok: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0))?;
        same!(ok.as_str(), "ok");
        for wrong in [
            // Heads: the newest of each thing on each branch that is there, and no others.
            "SELECT count(*) FROM (
               SELECT coalesce(t.branch, '') AS b, type, id, max(version) AS v FROM things t
               LEFT JOIN branches b ON b.name = t.branch
               WHERE t.branch IS NULL OR (b.deleted = 0 AND t.version > b.since) GROUP BY 1, 2, 3
               EXCEPT SELECT branch, type, id, version FROM heads)",
            "SELECT (SELECT count(*) FROM heads) - (SELECT count(*) FROM (SELECT DISTINCT t.branch, type, id FROM things t
               LEFT JOIN branches b ON b.name = t.branch
               WHERE t.branch IS NULL OR (b.deleted = 0 AND t.version > b.since)))",
            "SELECT count(*) FROM heads h JOIN things t ON t.version = h.version WHERE h.deleted <> t.deleted",
            "SELECT count(*) FROM tallies WHERE live <>
               (SELECT count(*) FROM heads h WHERE branch = '' AND h.type = tallies.type AND deleted = 0)",
            // What a search finds: what lives on main.
            "SELECT count(*) FROM (SELECT id FROM search_docsize UNION ALL SELECT version FROM searchPending)
               WHERE id NOT IN (SELECT version FROM heads WHERE branch = '' AND NOT deleted)",
            "SELECT count(*) FROM heads WHERE branch = '' AND NOT deleted AND type <> 'Relationship'
               AND version NOT IN (SELECT id FROM search_docsize UNION ALL SELECT version FROM searchPending)",
            "SELECT count(*) FROM branches b WHERE NOT deleted AND head <>
               max(base, coalesce((SELECT max(version) FROM things t WHERE t.branch = b.name AND version > since), 0))",
            "SELECT count(*) FROM things t JOIN things before ON before.version = t.version - 1
               WHERE before.createdAt > t.createdAt",
        ] {
            let count: i64 = connection.query_row(wrong, (), |row| row.get(0))?;
            same!(count, 0, "{wrong}: ");
        }
    }
    Ok(())
}

fn dump(connection: &rusqlite::Connection, table: &str) -> anyhow::Result<Vec<Vec<rusqlite::types::Value>>> {
    let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
    let width = statement.column_count();
    let rows = statement.query_map((), |row| (0..width).map(|at| row.get(at)).collect())?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn live(before: Option<&plain::Row>) -> Result<&plain::Row, &'static str> {
    before.filter(|row| !row.deleted).ok_or("NOT_FOUND")
}

fn edge_key(id: &str) -> ThingKey {
    key(&format!("Relationship/{id}"))
}

fn content(body: &Value) -> model::Content {
    let mut data = body.as_object().cloned().unwrap_or_default();
    let name = data.shift_remove("name").and_then(|name| name.as_str().map(str::to_owned));
    model::Content { name, data: Value::Object(data) }
}

fn patched(row: &plain::Row, patch: Value) -> model::Content {
    let given = content(&patch);
    // A patch of nothing but the name is an envelope, which says nothing of the data.
    let name = given.name.or_else(|| row.content.name.clone());
    model::Content { name, data: model::patch::merge(row.content.data.clone(), &given.data) }
}
