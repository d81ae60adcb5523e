//! A log without a disk, for tests of what stands above it: it can be held, and told to refuse.

use crate::frame::Head;
use crate::{CommitLog, Done, Error, Outcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::{ObjectId, Record};

/// Records in memory. `done` runs on the caller's thread: at once, or in [`release`](Self::release).
#[derive(Default)]
pub struct MemoryLog(Mutex<State>);

#[derive(Default)]
struct State {
    records: BTreeMap<ObjectId, Vec<Arc<Record>>>,
    held: Option<Vec<(Vec<Arc<Record>>, Done)>>,
    outcome: Option<Outcome>,
    closed: bool,
}

impl MemoryLog {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on batches wait, as for a slow disk.
    pub fn hold(&self) {
        self.state().held.get_or_insert_default();
    }

    /// What waited becomes durable, in order, and what follows does at once. How many batches waited.
    pub fn release(&self) -> usize {
        let held = self.state().held.take().unwrap_or_default();
        let count = held.len();
        held.into_iter().for_each(|(batch, done)| self.append(batch, done));
        count
    }

    /// How many batches wait.
    pub fn waiting(&self) -> usize {
        self.state().held.as_ref().map_or(0, Vec::len)
    }

    /// What becomes of every further batch, instead of being kept; `None` for the usual.
    pub fn answer(&self, outcome: Option<Outcome>) {
        self.state().outcome = outcome;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, batch: &[Arc<Record>]) -> Outcome {
        if self.closed {
            return Outcome::Refused(Arc::new(Error::Closed));
        }
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let mut next = BTreeMap::new();
        for head in batch.iter().map(|r| Head::of(r)) {
            let last = || self.records.get(&head.object).and_then(|r| r.last()).map(|r| Head::of(r));
            if let Some(last) = next.get(&head.object).copied().or_else(last) {
                if head.epoch < last.epoch {
                    return Outcome::Fenced;
                }
                if head.seq != last.seq + 1 {
                    let error = Error::OutOfOrder { object: head.object, seq: head.seq, head: last.seq };
                    return Outcome::Refused(Arc::new(error));
                }
            }
            next.insert(head.object, head);
        }
        for record in batch {
            self.records.entry(record.object).or_default().push(Arc::clone(record));
        }
        Outcome::Durable
    }
}

impl CommitLog for MemoryLog {
    fn append(&self, batch: Vec<Arc<Record>>, done: Done) {
        let outcome = {
            let mut state = self.state();
            if let Some(held) = &mut state.held {
                held.push((batch, done));
                return;
            }
            state.keep(&batch)
        };
        done(&outcome);
    }

    fn replay(&self, object: ObjectId, after_seq: u64) -> Result<Vec<Record>, Error> {
        let state = self.state();
        let records = state.records.get(&object).into_iter().flatten();
        Ok(records.filter(|r| r.seq > after_seq).map(|r| Record::clone(r)).collect())
    }

    fn head(&self, object: ObjectId) -> Option<u64> {
        self.state().records.get(&object).and_then(|r| r.last()).map(|r| r.seq)
    }

    fn tail(&self, object: ObjectId) -> Option<u64> {
        self.state().records.get(&object).and_then(|r| r.first()).map(|r| r.seq)
    }

    fn objects(&self) -> Vec<ObjectId> {
        self.state().records.keys().copied().collect()
    }

    fn checkpointed(&self, object: ObjectId, seq: u64) {
        self.state().records.retain(|&o, records| {
            if o == object {
                records.retain(|r| r.seq > seq);
            }
            !records.is_empty()
        });
    }

    fn oldest_holders(&self, limit: usize) -> Vec<ObjectId> {
        self.state().records.keys().copied().take(limit).collect()
    }

    fn retained_bytes(&self) -> u64 {
        self.state().records.values().flatten().map(|r| (std::mem::size_of_val(&r.rows[..]) + 64) as u64).sum()
    }

    fn close(&self) {
        self.state().closed = true;
    }
}

#[cfg(test)]
mod tests;
