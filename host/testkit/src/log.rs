//! A log that a test listens to: it hears every batch first, and may have the power fail before one.

use commit_log::{CommitLog, Done, Error, LocalLog};
use std::path::Path;
use std::sync::Arc;
use types::{ObjectId, Record};

/// Whether the log gets this batch.
type Hears = Box<dyn Fn(&[Arc<Record>]) -> bool + Send + Sync>;

/// The log of a server, behind a closure that is asked about each batch.
pub struct HeardLog {
    log: LocalLog,
    hears: Hears,
    forgets: bool,
}

impl HeardLog {
    /// In the folder of a node, where its own would be. Of a batch for which `hears` says no, nobody is told anything:
    /// there is no power.
    pub fn open(dir: &Path, hears: impl Fn(&[Arc<Record>]) -> bool + Send + Sync + 'static) -> anyhow::Result<Self> {
        let log = LocalLog::open(&dir.join("log"), &commit_log::Config::STANDARD)?;
        Ok(Self { log, hears: Box::new(hears), forgets: true })
    }

    /// Whether it forgets what the objects' files have; without this it does.
    #[must_use]
    pub fn forgetting(self, forgets: bool) -> Self {
        Self { forgets, ..self }
    }
}

impl CommitLog for HeardLog {
    fn append(&self, batch: Vec<Arc<Record>>, done: Done) {
        if (self.hears)(&batch) {
            self.log.append(batch, done);
        } else {
            std::mem::forget(done);
        }
    }

    fn replay(&self, object: ObjectId, after_seq: u64) -> Result<Vec<Record>, Error> {
        self.log.replay(object, after_seq)
    }

    fn head(&self, object: ObjectId) -> Option<u64> {
        self.log.head(object)
    }

    fn tail(&self, object: ObjectId) -> Option<u64> {
        self.log.tail(object)
    }

    fn objects(&self) -> Vec<ObjectId> {
        self.log.objects()
    }

    fn checkpointed(&self, object: ObjectId, seq: u64) {
        if self.forgets {
            self.log.checkpointed(object, seq);
        }
    }

    fn oldest_holders(&self, limit: usize) -> Vec<ObjectId> {
        self.log.oldest_holders(limit)
    }

    fn retained_bytes(&self) -> u64 {
        self.log.retained_bytes()
    }

    fn close(&self) {
        self.log.close();
    }
}

/// A folder in which the host stopped behind the first `count` records, and its disk lost what the log has not.
pub fn stopped_after(dir: &Path, records: &[Arc<Record>]) -> anyhow::Result<tempfile::TempDir> {
    let left = tempfile::tempdir()?;
    std::fs::copy(dir.join("node.key"), left.path().join("node.key"))?;
    std::fs::create_dir(left.path().join("blobs"))?;
    for blob in std::fs::read_dir(dir.join("blobs"))? {
        let blob = blob?;
        if blob.file_type()?.is_file() {
            std::fs::copy(blob.path(), left.path().join("blobs").join(blob.file_name()))?;
        }
    }
    let log = LocalLog::open(&left.path().join("log"), &commit_log::Config::STANDARD)?;
    for record in records {
        let (tell, told) = std::sync::mpsc::channel();
        log.append(
            vec![record.clone()],
            Box::new(move |outcome| tell.send(format!("{outcome:?}")).expect("it is waited for")),
        );
        let outcome = told.recv()?;
        anyhow::ensure!(outcome == "Durable", "the log of what is left refuses a record: {outcome}");
    }
    log.close();
    Ok(left)
}
