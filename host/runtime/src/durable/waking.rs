//! At a start: which objects have something to do, told without opening all of them.

use super::wakes::BEFORE_ALL;
use crate::node::{Node, NodeInner};
use crate::object::fault_of;
use crate::objects::next_wake;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::WakeTable;
use types::{Fault, ObjectId, Timestamp};

const FILE: &str = "wakes.sqlite";

/// Who was to be woken when, as of each object's last checkpoint.
pub(crate) type Known = Vec<(ObjectId, Timestamp)>;

/// The node's table, and what it says; None: it is new although objects are there. It can be made anew from them, so a
/// damaged one is.
pub(crate) fn open_wake_table(data_dir: &Path) -> io::Result<(WakeTable, Option<Known>)> {
    let path = data_dir.join(FILE);
    match read(&path) {
        Err(store::Error::Corrupt(reason)) => {
            tracing::error!(reason, "the table of objects to be woken is damaged; it is made anew from the objects");
            for suffix in ["", "-wal", "-shm"] {
                let mut beside = path.clone().into_os_string();
                beside.push(suffix);
                match std::fs::remove_file(beside) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
            let table = WakeTable::open(&path).map_err(io::Error::other)?;
            Ok((table, None))
        }
        Err(error) => Err(io::Error::other(error)),
        Ok((table, None)) if std::fs::read_dir(data_dir.join("objects"))?.next().is_none() => {
            table.set_filled().map_err(io::Error::other)?;
            Ok((table, Some(Known::new())))
        }
        Ok(found) => Ok(found),
    }
}

fn read(path: &Path) -> Result<(WakeTable, Option<Known>), store::Error> {
    let table = WakeTable::open(path)?;
    if !table.is_filled()? {
        return Ok((table, None));
    }
    let mut known = Known::new();
    table.each(|object, due| known.push((object, due)))?;
    Ok((table, Some(known)))
}

/// Has everybody woken who has something to do, or may have: whom the table names, then; and at once whom the log
/// retains records of, which the table may not know of yet. They are opened in the background, a bounded number at a
/// time.
pub(crate) fn wake_all(node: &Node, known: Option<Known>) {
    let wakes = &node.inner.wakes;
    for id in node.inner.log.objects() {
        wakes.note(id, BEFORE_ALL);
    }
    match known {
        Some(known) => known.into_iter().for_each(|(id, due)| wakes.note(id, due)),
        None => {
            let weak = Arc::downgrade(&node.inner);
            let files = folders(&node.inner);
            tokio::spawn(async move {
                let Ok(ids) = tokio::task::spawn_blocking(move || ids_in(&files)).await else { return };
                for id in ids {
                    let Some(inner) = weak.upgrade() else { return };
                    let node = Node { inner };
                    if !node.is_ready() {
                        return;
                    }
                    if let Err(fault) = learn(&node, id).await {
                        tracing::warn!(%id, %fault, "it is not known when this object is to be woken; opening it tells");
                    }
                }
                let Some(inner) = weak.upgrade() else { return };
                let filled = tokio::task::spawn_blocking(move || inner.wake_table.set_filled()).await;
                if let Ok(Err(error)) = filled {
                    tracing::warn!(%error, "the table of objects to be woken is made again at the next start");
                }
            });
        }
    }
}

/// Opening it has its times noted; the table learns of them too.
async fn learn(node: &Node, id: ObjectId) -> Result<(), Fault> {
    let object = match node.open_by_id(id).await {
        Err(fault) if fault.code == "OBJECT_NOT_FOUND" => return Ok(()),
        other => other?,
    };
    let due = object.peek(|store| next_wake(&node.inner, &object.inner, store).map_err(|e| fault_of(&e))).await?;
    let inner = node.inner.clone();
    let set = tokio::task::spawn_blocking(move || inner.wake_table.set(id, due)).await;
    set.map_err(|_| Fault::internal())?.map_err(|e| fault_of(&e))
}

fn folders(node: &NodeInner) -> Vec<PathBuf> {
    let elsewhere = node.config.locations.iter().map(|location| location.dir.join("objects"));
    let mut folders: Vec<_> = elsewhere.chain([node.config.data_dir.join("objects")]).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The objects whose files lie there. What cannot be read is left out.
fn ids_in(folders: &[PathBuf]) -> Vec<ObjectId> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let files =
        folders.iter().flat_map(|folder| entries(folder)).flat_map(|folder| entries(&folder).collect::<Vec<_>>());
    let id = |path: PathBuf| {
        let is_file = path.extension().is_some_and(|extension| extension == "sqlite");
        path.file_stem()?.to_str()?.parse().ok().filter(|_| is_file)
    };
    files.filter_map(id).collect()
}
