//! The rows of an archive come back under their numbers (spec LIF-5). The archive stays.

use super::archive::{self, Entry, Rows};
use super::job::{Job, Output, Stop, blocking};
use crate::object::{Object, fault_of};
use serde_json::{Map, Value, json};
use types::{Fault, FaultKind, Id, Json, Row};

/// Rows that come back in one turn, and their bytes: one record holds them.
const TURN_ROWS_MAX: usize = 500;
const TURN_BYTES_MAX: u64 = 4 << 20;

pub(super) async fn check(object: &Object, archive: Id) -> Result<Map<String, Value>, Fault> {
    let path = archive::path_of(&object.node.inner, object.inner.id, archive);
    let is_there = blocking(move || Ok(path.exists())).await.is_ok_and(|is_there| is_there);
    if is_there {
        return Ok(Map::new());
    }
    let message = format!("this object has no archive {archive}; its compact actions name those it has");
    Err(Fault::not_found("ARCHIVE_NOT_FOUND", message))
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let input: Value = job.input()?;
    let id: Id = input["archive"].as_str().and_then(|id| id.parse().ok()).ok_or_else(Fault::internal)?;
    let path = archive::path_of(&job.object.node.inner, job.object.inner.id, id);
    let unreadable = move |error: std::io::Error| {
        tracing::error!(archive = %id, %error, "an archive cannot be read");
        let message = format!("the archive {id} is damaged or cannot be read; nothing was restored from it");
        Stop::Fault(Fault::new(FaultKind::Unavailable, "ARCHIVE_DAMAGED", message))
    };
    let mut tally: [u64; 4] = job.state("restored").unwrap_or_default();
    let done = tally[0];
    let mut rows =
        blocking(move || archive::verify(&path).and_then(|_| Rows::open(&path, done)).map_err(unreadable)).await?;
    job.is_decided = true;
    loop {
        let chunk;
        (rows, chunk) = blocking(move || {
            let chunk = rows.chunk(TURN_ROWS_MAX, TURN_BYTES_MAX).map_err(unreadable)?;
            Ok((rows, chunk))
        })
        .await?;
        if chunk.is_empty() {
            break;
        }
        tally = put_back(job, tally, chunk.into_iter().map(|(entry, _)| entry).collect()).await?;
        job.point("restore.returned")?;
    }
    let [_, versions, actions, events] = tally;
    Ok(Output::of(json!({ "archive": id.to_string(), "versions": versions, "actions": actions, "events": events })))
}

/// One turn. Rows that are there already are left as they are.
async fn put_back(job: &mut Job, tally: [u64; 4], chunk: Vec<Entry>) -> Result<[u64; 4], Stop> {
    let row = job.row().clone();
    let (row, tally) = job
        .object
        .change(TURN_BYTES_MAX as usize, move |turn| {
            let fault = |e: store::Error| fault_of(&e);
            let [mut rows, mut versions, mut actions, mut events] = tally;
            for entry in chunk {
                rows += 1;
                match entry {
                    Entry::Thing(thing) if turn.archived(thing.version).map_err(fault)?.is_some() => {
                        versions += 1;
                        turn.write(Row::Unarchived(thing)).map_err(fault)?;
                    }
                    Entry::Action(action) if turn.action(action.id).map_err(fault)?.is_none() => {
                        actions += 1;
                        turn.write(Row::Action(action)).map_err(fault)?;
                    }
                    Entry::Event(event) if turn.is_streamed(event.sequence).map_err(fault)?.is_none() => {
                        events += 1;
                        turn.write(Row::UnarchivedEvent(event)).map_err(fault)?;
                    }
                    Entry::Thing(_) | Entry::Action(_) | Entry::Event(_) | Entry::Archive(_) | Entry::End(_) => {}
                }
            }
            let tally = [rows, versions, actions, events];
            let mut options = row.options.to_value();
            options["state"]["restored"] = json!(tally);
            let row = types::ActionRow { options: Json::from_value(&options), ..row };
            turn.write(Row::Action(row.clone())).map_err(fault)?;
            Ok((row, tally))
        })
        .await?;
    job.noted(row);
    Ok(tally)
}
