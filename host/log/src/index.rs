//! Which record lies where, and which segments are still needed. Twelve bytes a retained record.

use crate::frame::Head;
use crate::segment::Segment;
use crate::{Error, Outcome};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use types::ObjectId;

#[derive(Default)]
pub(crate) struct Index {
    objects: HashMap<ObjectId, Entry>,
    /// By number; the last one is being written.
    segments: BTreeMap<u32, Held>,
}

struct Held {
    segment: Arc<Segment>,
    bytes: u64,
    /// Records that no checkpoint covers.
    uncovered: u64,
}

struct Entry {
    epoch: u64,
    first_seq: u64,
    /// The object's file is synced through this.
    covered_seq: u64,
    /// Of `first_seq` and the following.
    positions: VecDeque<Position>,
}

#[derive(Clone, Copy)]
struct Position {
    segment: u32,
    offset: u32,
    length: u32,
}

/// The last record of an object that was accepted: what the next one is held against.
pub(crate) type Last = HashMap<ObjectId, (u64, u64)>;

impl Entry {
    fn last_seq(&self) -> u64 {
        self.first_seq + self.positions.len() as u64 - 1
    }
}

impl Index {
    pub fn add_segment(&mut self, segment: Arc<Segment>, bytes: u64) {
        self.segments.insert(segment.number, Held { segment, bytes, uncovered: 0 });
    }

    pub fn set_bytes(&mut self, number: u32, bytes: u64) {
        if let Some(held) = self.segments.get_mut(&number) {
            held.bytes = bytes;
        }
    }

    /// Whether a batch may follow what is there and what `last` has accepted already; if so `last` has accepted it.
    pub fn check(&self, heads: &[Head], last: &mut Last) -> Result<(), Outcome> {
        let mut accepted = Last::new();
        for head in heads {
            let before = accepted
                .get(&head.object)
                .or_else(|| last.get(&head.object))
                .copied()
                .or_else(|| self.objects.get(&head.object).map(|e| (e.epoch, e.last_seq())));
            if before.is_some_and(|(epoch, _)| head.epoch < epoch) {
                return Err(Outcome::Fenced);
            }
            // The first retained record of an object may have any number but 0.
            let follows = before.map_or(head.seq > 0, |(_, seq)| head.seq == seq + 1);
            if !follows {
                let last = before.map_or(0, |(_, seq)| seq);
                let error = Error::OutOfOrder { object: head.object, seq: head.seq, head: last };
                return Err(Outcome::Refused(Arc::new(error)));
            }
            accepted.insert(head.object, (head.epoch, head.seq));
        }
        last.extend(accepted);
        Ok(())
    }

    /// A durable record; it was checked before.
    pub fn add(&mut self, head: Head, segment: u32, offset: u32, length: u32) {
        let entry = self.objects.entry(head.object).or_insert_with(|| Entry {
            epoch: head.epoch,
            first_seq: head.seq,
            covered_seq: head.seq - 1,
            positions: VecDeque::new(),
        });
        entry.epoch = head.epoch;
        entry.positions.push_back(Position { segment, offset, length });
        // A file can be synced further than the log when recovery appends its records again.
        if entry.last_seq() > entry.covered_seq
            && let Some(held) = self.segments.get_mut(&segment)
        {
            held.uncovered += 1;
        }
    }

    /// Where the records of an object after `after_seq` lie.
    pub fn find(&self, object: ObjectId, after_seq: u64) -> Vec<(Arc<Segment>, Range<u64>)> {
        let Some(entry) = self.objects.get(&object) else { return Vec::new() };
        let skip = usize::try_from((after_seq + 1).saturating_sub(entry.first_seq)).unwrap_or(usize::MAX);
        let place = |p: &Position| {
            let held = self.segments.get(&p.segment).expect("a segment stays as long as a position names it");
            (Arc::clone(&held.segment), u64::from(p.offset)..u64::from(p.offset) + u64::from(p.length))
        };
        entry.positions.iter().skip(skip).map(place).collect()
    }

    pub fn head(&self, object: ObjectId) -> Option<u64> {
        self.objects.get(&object).map(Entry::last_seq)
    }

    pub fn tail(&self, object: ObjectId) -> Option<u64> {
        self.objects.get(&object).map(|e| e.first_seq)
    }

    pub fn objects(&self) -> Vec<ObjectId> {
        self.objects.keys().copied().collect()
    }

    pub fn retained_bytes(&self) -> u64 {
        self.segments.values().map(|h| h.bytes).sum()
    }

    pub fn covered(&mut self, object: ObjectId, seq: u64) {
        let Some(entry) = self.objects.get_mut(&object) else { return };
        let seq = seq.min(entry.last_seq());
        for next in entry.covered_seq + 1..=seq {
            let position = entry.positions[usize::try_from(next - entry.first_seq).expect("it is retained")];
            if let Some(held) = self.segments.get_mut(&position.segment) {
                held.uncovered -= 1;
            }
        }
        entry.covered_seq = entry.covered_seq.max(seq);
    }

    /// Forgets the oldest segment if nothing in it is needed; never the one that is written, unless `closing`.
    ///
    /// Only the oldest: what is retained of an object stays one stretch, also when the log is scanned anew.
    pub fn take_unneeded(&mut self, closing: Closing) -> Option<Arc<Segment>> {
        let (&number, held) = self.segments.first_key_value()?;
        let is_written = self.segments.len() == 1;
        if held.uncovered > 0 || (is_written && closing == Closing::No) {
            return None;
        }
        self.objects.retain(|_, entry| {
            while entry.positions.front().is_some_and(|p| p.segment == number) {
                entry.positions.pop_front();
                entry.first_seq += 1;
            }
            !entry.positions.is_empty()
        });
        self.segments.remove(&number).map(|h| h.segment)
    }

    pub fn oldest_holders(&self, limit: usize) -> Vec<ObjectId> {
        let Some((&oldest, _)) = self.segments.first_key_value() else { return Vec::new() };
        let holds = |entry: &Entry| {
            let next = usize::try_from(entry.covered_seq + 1 - entry.first_seq.min(entry.covered_seq + 1));
            next.ok().and_then(|i| entry.positions.get(i)).is_some_and(|p| p.segment == oldest)
        };
        self.objects.iter().filter(|(_, e)| holds(e)).map(|(&object, _)| object).take(limit).collect()
    }
}

/// Whether the last segment may go too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Yes,
    No,
}

#[cfg(test)]
mod tests;
