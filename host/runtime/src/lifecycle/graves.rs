//! Objects that are gone: their files are removed, also when the host stopped in the middle, and what the log still has
//! of them is not taken for an object that lost its file.

use super::archive::folder_of;
use crate::commit::lock;
use crate::node::NodeInner;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use types::ObjectId;

/// One empty file for each, until the log has nothing of the object any more.
pub(crate) struct Graves {
    folder: PathBuf,
    gone: Mutex<HashSet<ObjectId>>,
}

impl Graves {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut gone = HashSet::new();
        for entry in fs::read_dir(&folder)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok());
            gone.extend(id.map(ObjectId::from_u128));
        }
        Ok(Self { folder, gone: Mutex::new(gone) })
    }

    pub(crate) fn has(&self, id: ObjectId) -> bool {
        lock(&self.gone).contains(&id)
    }

    /// From here on there is no such object, whatever is left of it. Blocks.
    pub(crate) fn dig(&self, id: ObjectId) -> io::Result<()> {
        File::create(self.folder.join(id.to_string()))?.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        lock(&self.gone).insert(id);
        Ok(())
    }

    fn fill(&self, id: ObjectId) -> io::Result<()> {
        fs::remove_file(self.folder.join(id.to_string()))?;
        lock(&self.gone).remove(&id);
        Ok(())
    }

    fn all(&self) -> Vec<ObjectId> {
        lock(&self.gone).iter().copied().collect()
    }
}

/// Removes what is kept for an object. Blocks.
pub(crate) fn remove_files(node: &NodeInner, id: ObjectId) -> io::Result<()> {
    if let Some(path) = node.file_of(id) {
        remove_database(&path)?;
    }
    match fs::remove_dir_all(folder_of(node, id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    node.wake_table.set(id, None).map_err(io::Error::other)?;
    node.log.checkpointed(id, u64::MAX);
    Ok(())
}

/// A file of SQLite and the WAL beside it.
pub(super) fn remove_database(path: &Path) -> io::Result<()> {
    remove_wal(path)?;
    remove_if_there(path)
}

/// The WAL beside a file: what is in it, the commit log has too.
pub(super) fn remove_wal(path: &Path) -> io::Result<()> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    remove_if_there(Path::new(&wal))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// At a start, before any object is opened.
pub(crate) fn remove_buried(node: &NodeInner) {
    for id in node.graves.all() {
        let removed = remove_files(node, id).and_then(|()| match node.log.head(id) {
            None => node.graves.fill(id),
            Some(_) => Ok(()),
        });
        if let Err(error) = removed {
            tracing::warn!(%id, %error, "what is left of a removed object cannot be removed");
        }
    }
}
