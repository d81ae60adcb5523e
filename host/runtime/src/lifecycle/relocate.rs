//! An object's file goes to another folder under a running writer (spec 4.3).
//!
//! A checkpoint leaves all of the object in its main file, which only checkpoints change; so that file can be copied
//! while turns go on in the WAL. The copy is compared, opened, and brought up to date from the commit log, as after a
//! crash. Then writers are held for a moment: the last records are applied, the registry says where the object is from
//! now on (the moment of the move), and the open object goes on with the other file. Nobody's handle breaks.

use super::compact::{self, CompactWanted};
use super::graves::{remove_database, remove_wal};
use super::job::{Job, Output, Stop, blocking};
use super::storage_failed;
use crate::node::{NodeInner, file_in};
use crate::object::{Object, fault_of, retired};
use crate::turn::Held;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use store::{Options, Retained, Store};
use types::{Fault, FaultKind, ObjectId, Row};

pub(super) fn check(object: &Object, wanted: &str) -> Result<Map<String, Value>, Fault> {
    let config = &object.node.inner.config;
    let [first, _, ..] = config.locations.as_slice() else {
        let message = "this host has one location; start it with --location NAME=DIR to have another";
        return Err(Fault::new(FaultKind::Unavailable, "NOT_IMPLEMENTED", message));
    };
    let Some(location) = config.location(wanted) else {
        let names: Vec<_> = config.locations.iter().map(|location| location.name.as_str()).collect();
        let message = format!("there is no location {wanted:?}; this host has {}", names.join(", "));
        return Err(Fault::invalid("LOCATION_UNKNOWN", message).with_details(&json!({ "locations": names })));
    };
    if object.is_root() {
        return Err(Fault::forbidden("the root object stays in the data folder"));
    }
    let current = object.node.inner.whereabouts.of(object.inner.id).unwrap_or_else(|| first.name.clone());
    if current.eq_ignore_ascii_case(&location.name) {
        let message = format!("{} is kept in {} already", object.namespace(), location.name);
        return Err(Fault::conflict("SAME_LOCATION", message));
    }
    let noted = [("location", &location.name), ("from", &current)];
    Ok(noted.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect())
}

pub(super) async fn run(job: &mut Job) -> Result<Output, Stop> {
    let location: String = job.state("location").ok_or_else(Fault::internal)?;
    let from: String = job.state("from").ok_or_else(Fault::internal)?;
    let node = job.object.node.clone();
    let id = job.object.inner.id;
    let (old, new) = (file_at(&node.inner, &from, id)?, file_at(&node.inner, &location, id)?);
    job.point("move.begun")?;
    if node.inner.whereabouts.of(id).as_deref() != Some(location.as_str()) {
        let next = copy(job, old.clone(), new.clone()).await?;
        job.point("move.copied")?;
        let (next, held) = hold(job, next).await?;
        let flipped = flip(job, &location).await;
        if flipped.is_err() {
            job.object.inner.set_copying(false);
        }
        job.deciding(flipped)?;
        job.point("move.flipped")?;
        *job.object.inner.store() = Some(next);
        node.inner.whereabouts.set(id, location.clone());
        job.object.inner.set_copying(false);
        drop(held);
    }
    job.is_decided = true;
    job.point("move.swapped")?;
    let until = node.now().plus(node.inner.config.move_grace);
    blocking(move || node.inner.leftovers.keep(&old, until).map_err(|e| failed(&e))).await?;
    let mut result = json!({ "ns": job.object.namespace().as_str(), "location": location, "from": from });
    if job.input::<Value>()?["compact"] == true {
        let wanted = CompactWanted { archive: true, ..CompactWanted::default() };
        result["compacted"] = compact::squash(job, &wanted).await?;
    }
    Ok(Output::of(result))
}

fn file_at(node: &NodeInner, location: &str, id: ObjectId) -> Result<PathBuf, Fault> {
    let location = node.config.location(location).ok_or_else(|| {
        let message = format!("this host was started without the location {location}");
        Fault::new(FaultKind::Unavailable, "LOCATION_UNKNOWN", message)
    })?;
    Ok(file_in(&location.dir, id))
}

fn failed(error: &io::Error) -> Stop {
    tracing::error!(%error, "an object's file cannot be moved");
    Stop::Fault(storage_failed())
}

/// The other file, open, and as new as the log was a moment ago.
async fn copy(job: &Job, old: PathBuf, new: PathBuf) -> Result<Store, Stop> {
    let object = job.object.clone();
    // No checkpoint goes through an open turn.
    let held = object.hold(object.node.inner.config.move_hold_max).await.ok_or_else(busy)?;
    blocking(move || {
        let node = &object.node.inner;
        node.leftovers.cancel(&new).and_then(|()| remove_wal(&new)).map_err(|e| failed(&e))?;
        let (seq, due) = {
            let mut guard = object.inner.store();
            let store = guard.as_mut().ok_or_else(retired)?;
            object.inner.set_copying(true);
            let seq = store.checkpoint()?;
            (seq, crate::objects::next_wake(node, &object.inner, store)?)
        };
        drop(held);
        // Before the log may forget, as at any checkpoint.
        node.wake_table.set(object.inner.id, due)?;
        node.log.checkpointed(object.inner.id, seq.min(object.inner.confirmed_seq()));
        copy_file(&old, &new).map_err(|e| failed(&e))?;
        let id = object.inner.id;
        let retained = Retained {
            tail: node.log.tail(id),
            head: node.log.head(id),
            replay: &mut |after| node.log.replay(id, after).map_err(Into::into),
        };
        let recovered = store::recover(&new, id, &Options::STANDARD, retained)?;
        recovered.store.integrity_check()?;
        Ok(recovered.store)
    })
    .await
}

/// Copies, syncs, and compares what was read with what is there.
fn copy_file(old: &Path, new: &Path) -> io::Result<()> {
    let folder = new.parent().ok_or_else(|| io::Error::other("a file lies in a folder"))?;
    fs::create_dir_all(folder)?;
    let unfinished = new.with_extension("sqlite-moving");
    fs::copy(old, &unfinished)?;
    File::open(&unfinished)?.sync_all()?;
    let hash = |path: &Path| -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize())
    };
    if hash(old)? != hash(&unfinished)? {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the copy differs from the file"));
    }
    fs::rename(&unfinished, new)?;
    folder.ancestors().take(2).try_for_each(|folder| File::open(folder)?.sync_all())
}

fn busy() -> Stop {
    let message = "the object did not come to rest; it stays where it is. Try again when less is written";
    Stop::Fault(Fault::new(FaultKind::Unavailable, "MOVE_BUSY", message))
}

/// Holds the writers; when the log has all that they wrote, the other file gets the last records.
async fn hold(job: &Job, mut next: Store) -> Result<(Store, Held), Stop> {
    /// How often it is looked whether the log has it.
    const LOOK: Duration = Duration::from_millis(1);
    let (node, inner) = (&job.object.node.inner, &job.object.inner);
    let begun = Instant::now();
    let held = job.object.hold(node.config.move_hold_max).await.ok_or_else(busy)?;
    let applied = loop {
        let applied = inner.store().as_ref().ok_or_else(retired)?.applied_seq();
        if inner.confirmed_seq() >= applied {
            break applied;
        }
        if begun.elapsed() > node.config.move_hold_max {
            return Err(busy());
        }
        tokio::time::sleep(LOOK).await;
    };
    let (log, id) = (node.log.clone(), inner.id);
    blocking(move || {
        let missing = log.replay(id, next.applied_seq()).map_err(|error| {
            tracing::error!(%id, %error, "the log cannot be read");
            Stop::Fault(Fault::internal())
        })?;
        for record in &missing {
            next.apply(record)?;
        }
        if next.applied_seq() != applied {
            return Err(Stop::Fault(Fault::internal()));
        }
        next.confirm(applied);
        Ok((next, held))
    })
    .await
}

/// The registry says where it is.
async fn flip(job: &Job, location: &str) -> Result<(), Fault> {
    let (namespace, location) = (job.object.namespace().clone(), location.to_owned());
    let root = job.object.node.root().await?;
    root.change(1024, move |root| {
        let fault = |e: store::Error| fault_of(&e);
        let row = root.object_at(&namespace).map_err(fault)?.filter(|row| !row.deleted);
        let mut row = row.ok_or_else(Fault::internal)?;
        row.place.region = Some(location);
        root.write(Row::Object(row)).map_err(fault)
    })
    .await
}

/// It goes on where it was.
pub(super) async fn take_back(job: &Job) {
    let (node, object) = (job.object.node.clone(), job.object.clone());
    object.inner.set_copying(false);
    let Some(location) = job.state::<String>("location") else { return };
    let id = object.inner.id;
    let removed = blocking(move || {
        let new = file_at(&node.inner, &location, id)?;
        remove_database(&new).map_err(|e| failed(&e))
    });
    if removed.await.is_err() {
        tracing::warn!(namespace = %object.namespace(), "the copy of an object that was not moved is not removed");
    }
}
