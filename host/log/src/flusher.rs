//! The log's one thread: takes everything that is queued, writes it as one frame, syncs once, and tells everybody.

use crate::frame::{Encoded, FrameBuilder};
use crate::index::{Closing, Index, Last};
use crate::segment::{Segment, is_full};
use crate::{Done, Error, Outcome};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use types::Faults;

/// What the callers and the thread share.
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    index: Mutex<Index>,
    pub faults: Faults,
    queue_bytes_max: usize,
}

#[derive(Default)]
struct Queue {
    pending: Vec<Pending>,
    bytes: usize,
    closing: bool,
    /// Why nothing is taken any more: it was closed, or the disk failed.
    stopped: Option<Arc<Error>>,
}

struct Pending {
    batch: Encoded,
    done: Done,
}

impl Shared {
    pub fn new(index: Index, faults: Faults, queue_bytes_max: usize) -> Self {
        Self { queue: Mutex::default(), wake: Condvar::new(), index: Mutex::new(index), faults, queue_bytes_max }
    }

    /// No code that could panic half-way runs under these locks, so a poisoned one is still sound.
    pub fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, batch: Encoded, done: Done) {
        let refused = {
            let mut queue = self.queue();
            let size = batch.size();
            if let Some(error) = &queue.stopped {
                refuse(error)
            } else if queue.bytes + size > self.queue_bytes_max {
                let max = self.queue_bytes_max;
                Outcome::Refused(Arc::new(Error::Busy { queued: queue.bytes, batch: size, max }))
            } else {
                queue.bytes += size;
                queue.pending.push(Pending { batch, done });
                self.wake.notify_one();
                return;
            }
        };
        tell(done, &refused);
    }

    pub fn close(&self) {
        self.queue().closing = true;
        self.wake.notify_one();
    }

    /// Waits for work. None when the log was closed and everything is written.
    fn next_round(&self) -> Option<Vec<Pending>> {
        let mut queue = self.queue();
        while queue.pending.is_empty() && !queue.closing {
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.pending.is_empty() {
            queue.stopped.get_or_insert_with(|| Arc::new(Error::Closed));
            return None;
        }
        queue.bytes = 0;
        Some(std::mem::take(&mut queue.pending))
    }

    /// From here on everything is refused; what was queued meanwhile comes back.
    fn stop(&self, error: &Arc<Error>) -> Vec<Pending> {
        let mut queue = self.queue();
        queue.stopped = Some(Arc::new(Error::Stopped(error.to_string())));
        queue.bytes = 0;
        std::mem::take(&mut queue.pending)
    }
}

/// After the disk failed nothing new was written, so what comes then is refused, not unknown.
fn refuse(error: &Arc<Error>) -> Outcome {
    Outcome::Refused(Arc::clone(error))
}

/// A callback that panics is its owner's defect; the log's thread goes on for the others.
fn tell(done: Done, outcome: &Outcome) {
    if catch_unwind(AssertUnwindSafe(|| done(outcome))).is_err() {
        tracing::error!("a callback of the commit log panicked");
    }
}

/// What the thread owns.
pub(crate) struct Flusher {
    pub shared: Arc<Shared>,
    pub folder: PathBuf,
    pub segment_bytes: u64,
    /// The segment that is written, and where its last frame ends.
    pub current: Option<(Arc<Segment>, u64)>,
    pub next_number: u32,
    pub frame: FrameBuilder,
}

/// Why a round was not written.
enum Failure {
    /// The file is as it was before.
    Clean(Error),
    /// Nobody knows what the disk has.
    Dirty(Error),
}

impl Flusher {
    pub fn run(mut self) {
        // Made before it is needed, so that the first batch does not wait for it; a failure comes back with the batch.
        if let Err(error) = self.roll_if_full() {
            tracing::warn!(%error, "the commit log cannot be written");
        }
        while let Some(round) = self.shared.next_round() {
            let had_company = round.len() > 1;
            self.round(round);
            // Where many write, whoever can run queues more before the next sync, which then serves more of them. Nobody
            // else to run means nobody to wait for.
            if had_company {
                std::thread::yield_now();
            }
        }
        self.remove_if_unneeded();
    }

    fn round(&mut self, round: Vec<Pending>) {
        let mut last = Last::new();
        let verdicts: Vec<Option<Outcome>> = {
            let index = self.shared.index();
            round.iter().map(|p| index.check(&p.batch.heads, &mut last).err()).collect()
        };
        let accepted: Vec<&Encoded> =
            round.iter().zip(&verdicts).filter(|(_, v)| v.is_none()).map(|(p, _)| &p.batch).collect();
        let outcome = match self.write(&accepted) {
            Ok(()) => Outcome::Durable,
            Err(Failure::Clean(error)) => Outcome::Refused(Arc::new(error)),
            Err(Failure::Dirty(error)) => Outcome::Unknown(Arc::new(error)),
        };
        drop(accepted);
        let mut rest = Vec::new();
        if let Outcome::Unknown(error) = &outcome {
            tracing::error!(%error, "the commit log stopped: the disk failed");
            rest = self.shared.stop(error);
        }
        for (pending, verdict) in round.into_iter().zip(verdicts) {
            tell(pending.done, verdict.as_ref().unwrap_or(&outcome));
        }
        if let Outcome::Unknown(error) = &outcome {
            rest.into_iter().for_each(|pending| tell(pending.done, &refuse(error)));
        }
    }

    /// One frame, one sync.
    fn write(&mut self, batches: &[&Encoded]) -> Result<(), Failure> {
        if batches.iter().all(|b| b.heads.is_empty()) {
            return Ok(());
        }
        self.roll_if_full().map_err(Failure::Clean)?;
        let (segment, end) = self.current.clone().expect("rolling made one");
        let (bytes, ranges) = self.frame.build(segment.salt, batches);
        let written = self.shared.faults.hit("log.before-write").and_then(|()| segment.write_at(bytes, end));
        let io = |what, source| Error::Io { what, path: segment.path.clone(), source };
        if let Err(source) = written {
            // Nothing was synced since the end, so cutting off the rest gives back what was there.
            let clean = is_full(&source) && segment.truncate(end).is_ok();
            return Err(if clean {
                Failure::Clean(Error::Full)
            } else {
                Failure::Dirty(io("could not write", source))
            });
        }
        let synced = self.shared.faults.hit("log.after-write").and_then(|()| segment.sync());
        synced.map_err(|source| Failure::Dirty(io("could not sync", source)))?;
        self.shared
            .faults
            .hit("log.after-sync")
            .map_err(|source| Failure::Dirty(io("could not go on after the sync", source)))?;
        let new_end = end + bytes.len() as u64;
        self.current = Some((Arc::clone(&segment), new_end));
        let mut index = self.shared.index();
        index.set_bytes(segment.number, new_end);
        let start = u32::try_from(end).expect("a segment is far below 4 GiB");
        for (head, range) in batches.iter().flat_map(|b| &b.heads).zip(ranges) {
            index.add(*head, segment.number, start + range.start, range.end - range.start);
        }
        Ok(())
    }

    fn roll_if_full(&mut self) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|(_, end)| *end < self.segment_bytes) {
            return Ok(());
        }
        let segment = Arc::new(Segment::create(&self.folder, self.next_number)?);
        self.next_number += 1;
        self.shared.index().add_segment(Arc::clone(&segment), Segment::FIRST_FRAME);
        self.current = Some((segment, Segment::FIRST_FRAME));
        Ok(())
    }

    /// When everything is in the objects' files the next start has nothing to read.
    fn remove_if_unneeded(&mut self) {
        remove_unneeded(&self.shared, Closing::Yes);
    }
}

pub(crate) fn remove_unneeded(shared: &Shared, closing: Closing) {
    loop {
        let unneeded = shared.index().take_unneeded(closing);
        let Some(segment) = unneeded else { return };
        let removed = shared
            .faults
            .hit("log.before-remove")
            .map_err(|source| Error::Io { what: "could not remove", path: segment.path.clone(), source })
            .and_then(|()| segment.remove());
        if let Err(error) = removed {
            // It is read again at the next start, and removed then.
            tracing::warn!(%error, "a segment that nobody needs stays");
        }
    }
}
