//! The store against a model of it: random writes, branches, merges and undos through `Object`, closed, killed and
//! opened in between; after each the real thing says what the plain one says.
//!
//! `PROPTEST_CASES` makes it longer. What once failed is kept in `proptest-regressions/`.

#[path = "model/compare.rs"]
mod compare;
#[path = "model/disk.rs"]
mod disk;
mod plain;
mod scene;
#[path = "model/steps.rs"]
mod steps;

use disk::kill;
use org_ai_runtime::{CompactWanted, Lifecycle, Op, PatchOf};
use plain::{On, Plain, Wrote};
use proptest::prelude::{TestCaseError, any, prop, proptest};
use proptest::test_runner::{Config, FileFailurePersistence};
use scene::{Scene, create, input, key, view};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use steps::{NAMES, Step, THINGS, step};
use tempfile::TempDir;
use testkit::{HeardLog, ScriptedExecutor, TestNode};
use types::{Fault, Id, Record, ThingKey};

const CASES: u32 = 48;

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
            Step::Back(on, id) => {
                for n in [json!("away"), Value::Null] {
                    let patch = json!({ "back": n });
                    let op = Op::Patch {
                        key: key(THINGS[id]),
                        patch: PatchOf::Merge { patch: patch.clone(), if_version: None },
                    };
                    self.write(on, THINGS[id], op, |before| Ok((patched(live(before)?, patch), false))).await?;
                }
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

/// An error when the store and the model do not say the same.
macro_rules! same {
    ($real:expr, $plain:expr) => { same!($real, $plain, "") };
    ($real:expr, $plain:expr, $($about:tt)+) => {{
        let (real, plain) = ($real, $plain);
        anyhow::ensure!(real == plain, "{}the store says {real:?}, the model {plain:?}", format!($($about)+));
    }};
}

use same;
