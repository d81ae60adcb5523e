//! Whether the store says what the plain model says, and the file rebuilt from the log is the one that was written.

use crate::plain;
use crate::scene::{self, Scene};
use crate::steps::NAMES;
use crate::{Pair, Tape, at, code, same};
use std::path::Path;
use std::sync::PoisonError;
use types::ObjectId;

impl Pair {
    /// What is cheap enough after each step: the newest row, and each branch's lists.
    pub async fn compare(&self) -> anyhow::Result<()> {
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
    pub async fn compare_whole(mut self) -> anyhow::Result<()> {
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
