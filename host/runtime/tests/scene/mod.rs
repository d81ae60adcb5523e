//! A node with one object, spoken to in the words of the spec: `put("@x", "Note/a", {…})`.
#![allow(dead_code, reason = "each test binary uses its own part")]

use org_ai_runtime::{
    BranchWanted, Caller, Change, Expect, Listed, MergeWanted, Merged, Object, Op, PatchOf, Shown, ThingsWanted, View,
    Write, Wrote,
};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{ScriptedExecutor, TestNode};
use types::{BranchName, EventRow, Fault, Noun, Ref, ThingKey};

pub struct Scene {
    pub test: TestNode,
    pub root: Object,
    pub all: Caller,
    pub dir: TempDir,
}

/// `""` is the newest of main; else a ref without its `@`.
pub fn view(at: &str) -> View {
    View::of(if at.is_empty() { Ref::Head } else { Ref::parse(at).expect("tests use real refs") })
}

pub fn key(text: &str) -> ThingKey {
    ThingKey::parse(text).expect("tests use real keys")
}

pub fn noun(text: &str) -> Noun {
    Noun::parse(text).expect("tests use real nouns")
}

pub fn branch(text: &str) -> BranchName {
    BranchName::parse(text).expect("tests use real branches")
}

pub fn input(body: Value) -> model::flat::Input {
    model::flat::Input::read(body).expect("tests write real things")
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Fault>) -> String {
    match result {
        Ok(done) => format!("done: {done:?}"),
        Err(fault) => fault.code.to_string(),
    }
}

pub fn listing(of: &str) -> ThingsWanted {
    ThingsWanted {
        noun: noun(of),
        filters: Vec::new(),
        sort: Vec::new(),
        with_deleted: false,
        cursor: None,
        offset: 0,
        limit: 100,
    }
}

impl Scene {
    pub async fn new() -> anyhow::Result<Self> {
        Self::open(tempfile::tempdir()?).await
    }

    pub async fn open(dir: TempDir) -> anyhow::Result<Self> {
        let test = TestNode::open(dir.path(), ScriptedExecutor::new()).await?;
        let (root, all) = (test.root().await?, test.caller(&["*.*"])?);
        Ok(Self { test, root, all, dir })
    }

    /// Ends the node in good order and starts another on the same folder.
    pub async fn reopen(self) -> anyhow::Result<Self> {
        self.test.node.shutdown().await;
        let Self { test, root, all, dir } = self;
        drop((test, root, all));
        Self::open(dir).await
    }

    pub async fn write(&self, at: &str, op: Op) -> Result<Wrote, Fault> {
        self.root.write(&self.all, &view(at), Write::of(op)).await
    }

    pub async fn write_if(&self, at: &str, op: Op, expect: Expect) -> Result<Wrote, Fault> {
        self.root.write(&self.all, &view(at), Write { expect, ..Write::of(op) }).await
    }

    pub async fn create(&self, at: &str, thing: &str, body: Value) -> Result<Wrote, Fault> {
        self.write(at, create(thing, body)).await
    }

    pub async fn put(&self, at: &str, thing: &str, body: Value) -> Result<Wrote, Fault> {
        self.write(at, Op::Put { key: key(thing), input: input(body), upsert: true }).await
    }

    pub async fn patch(&self, at: &str, thing: &str, patch: Value) -> Result<Wrote, Fault> {
        self.write(at, Op::Patch { key: key(thing), patch: PatchOf::Merge { patch, if_version: None } }).await
    }

    pub async fn delete(&self, at: &str, thing: &str) -> Result<Wrote, Fault> {
        self.write(at, Op::Delete { key: key(thing) }).await
    }

    pub async fn restore(&self, at: &str, thing: &str) -> Result<Wrote, Fault> {
        self.write(at, Op::Restore { key: key(thing) }).await
    }

    pub async fn get(&self, at: &str, thing: &str) -> Result<Shown, Fault> {
        self.root.thing(&self.all, &key(thing), &view(at)).await
    }

    /// The data, or the code of the fault as a text.
    pub async fn data(&self, at: &str, thing: &str) -> Value {
        match self.get(at, thing).await {
            Ok(shown) => shown.row.data.to_value(),
            Err(fault) => Value::from(&*fault.code),
        }
    }

    pub async fn branch(&self, from: &str, name: &str) -> Result<org_ai_runtime::BranchShown, Fault> {
        self.root.branch(&self.all, &view(from), BranchWanted { name: branch(name), things: None }).await
    }

    pub async fn delete_branch(&self, name: &str, force: bool) -> Result<(), Fault> {
        self.root.delete_branch(&self.all, &branch(name), force).await
    }

    /// `source` is `main` or a branch.
    pub async fn merge(&self, source: &str, into: &str) -> Result<Merged, Fault> {
        self.merge_with(source, into, MergeWanted::default()).await
    }

    pub async fn merge_with(&self, source: &str, into: &str, wanted: MergeWanted) -> Result<Merged, Fault> {
        let source = BranchName::parse(source).ok();
        self.root.merge(&self.all, &view(into), MergeWanted { source, ..wanted }).await
    }

    pub async fn list(&self, at: &str, wanted: ThingsWanted) -> Result<Listed, Fault> {
        self.root.things(&self.all, wanted, &view(at)).await
    }

    /// `id:version` of all that a list shows.
    pub async fn ids(&self, at: &str, of: &str) -> String {
        match self.list(at, listing(of)).await {
            Ok(listed) => {
                assert_eq!(listed.total, Some(listed.items.len() as u64), "the count is of what the list shows");
                let all = listed.items.iter().map(|s| format!("{}:{}", s.row.key.id, s.row.version));
                all.collect::<Vec<_>>().join(" ")
            }
            Err(fault) => fault.code.to_string(),
        }
    }

    /// The history, newest first.
    pub async fn history(&self, at: &str, thing: &str) -> Vec<u64> {
        let page = self.root.versions(&self.all, &key(thing), &view(at), None, 100).await;
        page.map(|page| page.items.iter().map(|v| v.row.version).collect()).unwrap_or_default()
    }

    /// All events; their sequences are 1 to n.
    pub async fn events(&self) -> anyhow::Result<Vec<EventRow>> {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let filter = store::EventFilter { after, limit: 1000, ..store::EventFilter::default() };
            let page = self.root.events(&self.all, &filter).await?;
            found.extend(page.items);
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
        let sequences: Vec<_> = found.iter().map(|e: &EventRow| e.sequence).collect();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "sequences have no gaps");
        Ok(found)
    }

    pub async fn noun(&self, at: &str, name: &str, schema: Value) -> Result<(org_ai_runtime::NounShown, bool), Fault> {
        let def = model::noun::NounDef { schema: Some(schema), ..model::noun::NounDef::bare(name) };
        self.root.put_noun(&self.all, &view(at), def).await
    }
}

pub fn create(thing: &str, body: Value) -> Op {
    let key = key(thing);
    let input = model::flat::Input { id: Some(key.id.as_str().to_owned()), ..input(body) };
    Op::Create { noun: key.noun, input, revive: false }
}

/// `(version, change)`.
pub fn told(wrote: &Wrote) -> (u64, Change) {
    (wrote.shown.row.version, wrote.change)
}
