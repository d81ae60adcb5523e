//! Compaction (spec 4.2): history goes to an archive, the newest version of each thing stays under its number.
//!
//! First all that may go is written to the archive, which is synced and read back; then the rows leave the file, some
//! hundred in a turn. Each turn looks again whether anybody needs a row by now; such a row stays, and is in the archive
//! too. After a crash the archive, if it was finished, says what is left to do.

use super::archive::{self, Entry, Rows, Writer};
use super::job::{Job, Output, Stop, blocking};
use super::plan::{Needed, Plan, Rules, action_may_go};
use super::storage_failed;
use crate::commit::lock;
use crate::object::{fault_of, retired};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Turn, VersionHead};
use types::{ArchivedRow, Fault, Id, Json, Row, ThingKey, Timestamp};

/// Rows that leave in one turn, and the bytes they may have had.
const TURN_ROWS_MAX: usize = 500;
const TURN_BYTES_MAX: u64 = 4 << 20;
/// Versions that can be kept of each thing, and entries of `preserve`.
const KEEP_MAX: u32 = 1_000;
const PRESERVE_MAX: usize = 1_000;

/// What is to be compacted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompactWanted {
    /// Only what is older: RFC 3339, or a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// So many of the newest versions of each thing stay; 1 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
    /// False: what leaves is gone for good.
    #[serde(default = "yes")]
    pub archive: bool,
    /// Versions (`v12`) and things (`Startup/acme`) of which nothing leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preserve: Vec<String>,
}

fn yes() -> bool {
    true
}

/// What left so far.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tally {
    /// Rows of the archive that were gone through.
    rows: u64,
    /// Things that lost a version. Without an archive those that lost one to an earlier such compaction are not told
    /// from them, and not counted again.
    things: u64,
    versions: u64,
    actions: u64,
    events: u64,
    bytes: u64,
}

fn rules(wanted: &CompactWanted, now: Timestamp, ceiling: u64) -> Result<Rules, Fault> {
    let refuse = |message: String| Err(Fault::invalid("VALIDATION_FAILED", message));
    // What has the time of this very millisecond is old enough unless somebody said otherwise.
    let mut before = now.plus(Duration::from_millis(1));
    if let Some(text) = &wanted.before {
        match Timestamp::parse_date(text).or_else(|| Timestamp::parse(text)) {
            Some(at) => before = at,
            None => return refuse(format!("before: {text:?} is no time; write 2024-01-08 or 2024-01-08T12:00:00Z")),
        }
    }
    let keep = wanted.keep.unwrap_or(1);
    if !(1..=KEEP_MAX).contains(&keep) {
        return refuse(format!("keep: {keep} is not from 1 to {KEEP_MAX}"));
    }
    if wanted.preserve.len() > PRESERVE_MAX {
        return refuse(format!("preserve: there are {}; at most {PRESERVE_MAX} are taken", wanted.preserve.len()));
    }
    let (mut versions, mut things) = (HashSet::new(), HashSet::new());
    for text in &wanted.preserve {
        if let Some(version) = text.strip_prefix('v').and_then(|number| number.parse().ok()) {
            versions.insert(version);
        } else if let Ok(key) = ThingKey::parse(text) {
            things.insert(key);
        } else {
            return refuse(format!("preserve: {text:?} is neither a version (v12) nor a thing (Startup/acme)"));
        }
    }
    Ok(Rules { ceiling, before, now, keep, versions, things })
}

pub(super) fn check(wanted: &CompactWanted) -> Result<Map<String, Value>, Fault> {
    rules(wanted, Timestamp::from_millis(0), 0).map(|_| Map::new())
}

pub(super) fn check_turn(turn: &Turn<'_>) -> Result<(), Fault> {
    if turn.next_version() > 1 {
        return Ok(());
    }
    Err(Fault::conflict("NOTHING_TO_COMPACT", "there is nothing to compact: this object has no things yet"))
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let wanted: CompactWanted = job.input()?;
    squash(job, &wanted).await.map(Output::of)
}

/// Compacts as a part of any operation; what it comes to. The archive has the id of the operation.
pub(super) async fn squash(job: &mut Job, wanted: &CompactWanted) -> Result<Value, Stop> {
    if job.state::<u64>("ceiling").is_none() {
        let newest = job.object.read(|store| Ok(store.next_version() - 1)).await?;
        job.note("ceiling", newest.into()).await?;
    }
    let ceiling = job.state("ceiling").unwrap_or(0);
    let rules = rules(wanted, job.row().created_at, ceiling)?;
    job.point("compact.begun")?;
    if wanted.archive {
        let rows = match job.state::<u64>("archived") {
            Some(rows) => rows,
            None => {
                let rows = write_archive(job, rules.clone()).await?;
                job.point("compact.archived")?;
                job.note("archived", rows.into()).await?;
                rows
            }
        };
        job.is_decided = true;
        job.point("compact.decided")?;
        if rows > 0 {
            remove_archived(job, &rules).await?;
        }
    } else {
        job.is_decided = true;
        remove_planned(job, &rules).await?;
    }
    let tally: Tally = job.state("removed").unwrap_or_default();
    let archive = (wanted.archive && tally.rows > 0).then(|| job.row().id.to_string());
    Ok(json!({
        "thingsCompacted": tally.things, "versionsArchived": tally.versions, "actionsArchived": tally.actions,
        "eventsArchived": tally.events, "bytesFreed": tally.bytes, "archive": archive,
    }))
}

/// Writes all that may go into a file; how many rows that is. Without any there is no file.
async fn write_archive(job: &Job, rules: Rules) -> Result<u64, Stop> {
    let (object, id) = (job.object.clone(), job.row().id);
    let path = archive::path_of(&object.node.inner, object.inner.id, id);
    let failed = move |error: std::io::Error| {
        tracing::error!(archive = %id, %error, "an archive cannot be written");
        Stop::Fault(storage_failed())
    };
    blocking(move || {
        let mut plan = Plan::new(rules);
        let mut writer = Writer::create(&path, id, object.namespace(), object.node.now()).map_err(failed)?;
        loop {
            let page = {
                let store = object.inner.store();
                plan.next(store.as_ref().ok_or_else(retired)?)?
            };
            let Some(page) = page else { break };
            page.iter().try_for_each(|entry| writer.add(entry)).map_err(failed)?;
        }
        let rows = writer.rows();
        object.node.inner.config.faults.hit("compact.written").map_err(|_| Stop::Killed)?;
        if rows == 0 {
            drop(writer);
            archive::remove_unfinished(&path);
            return Ok(0);
        }
        writer.finish().map_err(failed)?;
        Ok(rows)
    })
    .await
}

pub(super) fn take_back(job: &Job) {
    let path = archive::path_of(&job.object.node.inner, job.object.inner.id, job.row().id);
    archive::remove_unfinished(&path);
    let _ = std::fs::remove_file(path);
}

/// The rows of the archive leave the file.
async fn remove_archived(job: &mut Job, rules: &Rules) -> Result<(), Stop> {
    let path = archive::path_of(&job.object.node.inner, job.object.inner.id, job.row().id);
    let archive = job.row().id;
    let done = job.state::<Tally>("removed").unwrap_or_default().rows;
    let unreadable = move |error: std::io::Error| {
        tracing::error!(%archive, %error, "an archive cannot be read");
        Stop::Fault(storage_failed())
    };
    let mut rows =
        blocking(move || archive::verify(&path).and_then(|_| Rows::open(&path, done)).map_err(unreadable)).await?;
    loop {
        let chunk;
        (rows, chunk) = blocking(move || {
            let chunk = rows.chunk(TURN_ROWS_MAX, TURN_BYTES_MAX).map_err(unreadable)?;
            Ok((rows, chunk))
        })
        .await?;
        if chunk.is_empty() {
            return Ok(());
        }
        remove(job, rules, Some(archive), chunk).await?;
        job.point("compact.removed")?;
    }
}

/// Without an archive the plan itself says what leaves; after a crash it is made anew.
async fn remove_planned(job: &mut Job, rules: &Rules) -> Result<(), Stop> {
    let plan = Arc::new(Mutex::new(Plan::new(rules.clone())));
    loop {
        let (object, plan) = (job.object.clone(), plan.clone());
        let page = blocking(move || {
            let store = object.inner.store();
            Ok(lock(&plan).next(store.as_ref().ok_or_else(retired)?)?)
        })
        .await?;
        let Some(page) = page else { return Ok(()) };
        let chunk: Vec<_> = page
            .into_iter()
            .map(|entry| {
                let bytes = Json::of(&entry).as_str().len() as u64;
                (entry, bytes)
            })
            .collect();
        if !chunk.is_empty() {
            remove(job, rules, None, chunk).await?;
            job.point("compact.removed")?;
        }
    }
}

/// One turn: what of a chunk may still go, goes, and the operation notes how far it is.
async fn remove(job: &mut Job, rules: &Rules, archive: Option<Id>, chunk: Vec<(Entry, u64)>) -> Result<(), Stop> {
    let mut tally: Tally = job.state("removed").unwrap_or_default();
    let (now, before) = (rules.now, rules.before);
    let row = job.row().clone();
    let noted = job
        .object
        .change(64 << 10, move |turn| {
            let fault = |e: store::Error| fault_of(&e);
            let needed = Needed::read(turn).map_err(fault)?;
            let mut leaving = ArchivedRow { archive, things: Vec::new(), actions: Vec::new(), events: Vec::new() };
            let mut seen = HashSet::new();
            for (entry, bytes) in chunk {
                tally.rows += 1;
                let goes = match entry {
                    Entry::Thing(thing) => {
                        let head = VersionHead {
                            version: thing.version,
                            key: thing.key,
                            branch: thing.branch,
                            deleted: thing.deleted,
                            created_at: thing.created_at,
                        };
                        let is_there = turn.version(head.version).map_err(fault)?.is_some();
                        let goes = is_there && needed.lets_go(turn, &head).map_err(fault)?;
                        if goes {
                            tally.versions += 1;
                            leaving.things.push(head.version);
                            let is_known = turn.lost_to(&head.key, archive).map_err(fault)?;
                            tally.things += u64::from(seen.insert(head.key) && !is_known);
                        }
                        goes
                    }
                    Entry::Action(action) => {
                        let found = turn.action(action.id).map_err(fault)?;
                        let goes = found.is_some_and(|row| row.created_at < before && action_may_go(&row, now));
                        if goes {
                            tally.actions += 1;
                            leaving.actions.push(action.id);
                        }
                        goes
                    }
                    Entry::Event(event) => {
                        let goes = turn.is_streamed(event.sequence).map_err(fault)? == Some(true);
                        if goes {
                            tally.events += 1;
                            leaving.events.push(event.sequence);
                        }
                        goes
                    }
                    Entry::Archive(_) | Entry::End(_) => false,
                };
                tally.bytes += if goes { bytes } else { 0 };
            }
            let mut options = row.options.to_value();
            options["state"]["removed"] = serde_json::to_value(&tally).unwrap_or_default();
            let row = types::ActionRow { options: Json::from_value(&options), ..row };
            turn.write(Row::Archived(leaving)).map_err(fault)?;
            turn.write(Row::Action(row.clone())).map_err(fault)?;
            Ok(row)
        })
        .await?;
    job.noted(noted);
    Ok(())
}
