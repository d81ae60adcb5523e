//! The log of one node: segments in a folder.

use crate::flusher::{Flusher, Shared, remove_unneeded};
use crate::frame::{self, Encoded, FrameBuilder};
use crate::index::Closing;
use crate::scan::{io, scan};
use crate::{CommitLog, Done, Error, Outcome};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use types::{Faults, ObjectId, Record};

/// How much a log takes.
#[derive(Clone, Debug)]
pub struct Config {
    /// A segment that has reached this is followed by a new one: what can be removed at once, and about what a start
    /// after a crash reads for nothing. At most 1 GiB.
    pub segment_bytes: u64,
    /// What may wait for the disk, and so the largest batch; more is refused. At most 1 GiB.
    pub queue_bytes_max: usize,
    pub faults: Faults,
}

impl Config {
    /// 64 MiB read in a tenth of a second at a start, and wait for a slow disk for about as long.
    pub const STANDARD: Self = Self { segment_bytes: 64 << 20, queue_bytes_max: 64 << 20, faults: Faults::none() };

    /// Positions in a segment have 32 bits.
    const MAX: u64 = 1 << 30;
}

/// Segments in a folder that no other process may use at the same time.
pub struct LocalLog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Holds the folder; given back when the log is closed or the process ends, however it ends.
    lock: Mutex<Option<File>>,
}

impl LocalLog {
    /// Makes the folder if it is not there, locks it, and reads what it holds.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Corrupt`], [`Error::Newer`], or what the disk says. Nothing is changed then.
    pub fn open(folder: &Path, config: &Config) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|e| io("could not make the folder", folder, e))?;
        let lock = lock(folder)?;
        let found = scan(folder)?;
        let queue_bytes_max = config.queue_bytes_max.min(1 << 30);
        let shared = Arc::new(Shared::new(found.index, config.faults.clone(), queue_bytes_max));
        let flusher = Flusher {
            shared: Arc::clone(&shared),
            folder: folder.to_path_buf(),
            segment_bytes: config.segment_bytes.min(Config::MAX),
            current: found.last,
            next_number: found.next_number,
            frame: FrameBuilder::default(),
        };
        let thread = std::thread::Builder::new()
            .name("commit-log".into())
            .spawn(move || flusher.run())
            .map_err(|e| io("could not start the log's thread for", folder, e))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)), lock: Mutex::new(Some(lock)) })
    }
}

impl CommitLog for LocalLog {
    fn append(&self, batch: Vec<Arc<Record>>, done: Done) {
        match Encoded::new(batch.iter().map(|r| &**r)) {
            Ok(encoded) => self.shared.push(encoded, done),
            Err(error) => done(&Outcome::Refused(Arc::new(error))),
        }
    }

    fn replay(&self, object: ObjectId, after_seq: u64) -> Result<Vec<Record>, Error> {
        let places = self.shared.index().find(object, after_seq);
        let mut records = Vec::with_capacity(places.len());
        for (segment, place) in places {
            let length = usize::try_from(place.end - place.start).expect("a record is far below 4 GiB");
            let bytes = segment.read(place.start, length)?;
            let record = frame::decode(&bytes).map_err(|e| Error::Corrupt {
                segment: segment.path.clone(),
                offset: place.start,
                what: format!("a record cannot be read: {e}"),
            })?;
            records.push(record);
        }
        Ok(records)
    }

    fn head(&self, object: ObjectId) -> Option<u64> {
        self.shared.index().head(object)
    }

    fn tail(&self, object: ObjectId) -> Option<u64> {
        self.shared.index().tail(object)
    }

    fn objects(&self) -> Vec<ObjectId> {
        self.shared.index().objects()
    }

    fn checkpointed(&self, object: ObjectId, seq: u64) {
        self.shared.index().covered(object, seq);
        remove_unneeded(&self.shared, Closing::No);
    }

    fn oldest_holders(&self, limit: usize) -> Vec<ObjectId> {
        self.shared.index().oldest_holders(limit)
    }

    fn retained_bytes(&self) -> u64 {
        self.shared.index().retained_bytes()
    }

    fn close(&self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the commit log's thread panicked");
        }
        // Said aloud: a process that is just being started from this one holds a copy of the descriptor for a moment.
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Err(error) = lock.unlock()
        {
            tracing::warn!(%error, "the commit log's folder stays locked until this process ends");
        }
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// The lock is the operating system's, so it cannot be left behind; the file says who has it, for people.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| io("could not open", &path, e))?;
    match file.try_lock() {
        Ok(()) => {
            let write =
                file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
            write.map_err(|e| io("could not write", &path, e))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Err(Error::InUse { folder: folder.to_path_buf(), pid })
        }
        Err(TryLockError::Error(e)) => Err(io("could not lock", &path, e)),
    }
}

#[cfg(test)]
mod tests;
