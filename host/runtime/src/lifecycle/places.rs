//! Where the objects that were moved are kept, and the files that they left behind.

use super::graves::remove_database;
use crate::commit::lock;
use crate::object::Object;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use types::{Fault, Namespace, ObjectId, Timestamp};

/// Objects that are not kept in the data folder, by the name of their location. The root's file is the truth.
#[derive(Default)]
pub(crate) struct Places(RwLock<HashMap<ObjectId, String>>);

impl Places {
    /// None: in the data folder.
    pub(crate) fn of(&self, id: ObjectId) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    pub(crate) fn set(&self, id: ObjectId, location: String) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(id, location);
    }

    /// At a start, before any object but the root is opened.
    pub(crate) async fn read(&self, root: &Object) -> Result<(), Fault> {
        let mut after: Option<Namespace> = None;
        loop {
            let from = after.take();
            let page = root.read(move |store| store.objects_elsewhere(from.as_ref(), store::PAGE_MAX)).await?;
            for row in page.items {
                if let Some(region) = row.place.region {
                    self.set(row.id, region);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// A file that nobody uses any more, kept for a while in case the new one is bad.
#[derive(Clone, Serialize, Deserialize)]
struct Leftover {
    path: PathBuf,
    until: Timestamp,
}

/// What moved objects left behind: a note for each in a folder, so that a restart does not forget it.
pub(crate) struct Leftovers {
    folder: PathBuf,
    /// By the name of the note.
    kept: Mutex<HashMap<String, Leftover>>,
}

impl Leftovers {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut kept = HashMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            // A note that cannot be read was never finished; the operation writes it again.
            let leftover = fs::read(entry.path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let (Some(leftover), Ok(name)) = (leftover, entry.file_name().into_string()) {
                kept.insert(name, leftover);
            }
        }
        Ok(Self { folder, kept: Mutex::new(kept) })
    }

    /// Notes that a file goes then. Blocks.
    pub(super) fn keep(&self, path: &Path, until: Timestamp) -> io::Result<()> {
        let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex()[..32].to_owned();
        let leftover = Leftover { path: path.to_owned(), until };
        let mut file = File::create(self.folder.join(&name))?;
        file.write_all(&serde_json::to_vec(&leftover)?)?;
        file.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        lock(&self.kept).insert(name, leftover);
        Ok(())
    }

    /// A file is to be used again. Blocks.
    pub(super) fn cancel(&self, path: &Path) -> io::Result<()> {
        let mut kept = lock(&self.kept);
        let names: Vec<_> = kept.iter().filter(|(_, left)| left.path == path).map(|(name, _)| name.clone()).collect();
        for name in names {
            fs::remove_file(self.folder.join(&name))?;
            kept.remove(&name);
        }
        Ok(())
    }

    /// Removes what was kept for long enough. Blocks.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let mut kept = lock(&self.kept);
        let due: Vec<_> = kept
            .iter()
            .filter(|(_, left)| left.until <= now)
            .map(|(name, left)| (name.clone(), left.clone()))
            .collect();
        for (name, leftover) in due {
            let removed = remove_database(&leftover.path).and_then(|()| fs::remove_file(self.folder.join(&name)));
            if let Err(error) = removed {
                tracing::warn!(%error, "a file that a moved object left behind cannot be removed");
            }
            kept.remove(&name);
        }
    }
}
