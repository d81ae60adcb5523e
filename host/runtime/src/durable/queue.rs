//! What an object knows in memory of its durable invocations: which run, which may, who waits for which.

use crate::commit::lock;
use crate::object::{Inner, Object};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use store::Invocation;
use tokio::sync::oneshot;
use types::{Fault, Id, Json};

/// Invocations that are known to be ready while none of them has a place; the rest is found in the file.
const READY_KEPT_MAX: usize = 1_000;

/// How an invocation ended: its result and what its last attempt took, in microseconds.
pub(crate) type Ended = Result<(Json, u64), Fault>;

#[derive(Default)]
pub(crate) struct Durable {
    state: Mutex<State>,
    /// Held by who looks into the file: what one look found is not found by another at the same time.
    pub(super) looking: tokio::sync::Mutex<()>,
    /// Whether the file was looked at since the object was opened.
    resumed: AtomicBool,
}

#[derive(Default)]
struct State {
    active: HashSet<Id>,
    /// Those that became ready again before their last run was put away.
    again: HashSet<Id>,
    ready: VecDeque<Invocation>,
    queued: HashSet<Id>,
    /// The file has ready ones that are not here.
    has_more: bool,
    waiting: HashMap<Id, Vec<oneshot::Sender<Ended>>>,
    /// By function and key: those that are accepted and not over.
    keys: HashMap<(String, String), Id>,
}

impl State {
    /// Puts one where its priority has it, behind those of the same. Who is pushed out of a full line is in the file.
    fn line_up(&mut self, invocation: Invocation) {
        let priority = invocation.row.priority;
        if self.ready.len() >= READY_KEPT_MAX {
            self.has_more = true;
            match self.ready.back() {
                Some(last) if last.row.priority < priority => {}
                Some(_) | None => return,
            }
            if let Some(last) = self.ready.pop_back() {
                self.queued.remove(&last.row.id);
            }
        }
        let before = self.ready.iter().rev().take_while(|other| other.row.priority < priority).count();
        self.queued.insert(invocation.row.id);
        let place = self.ready.len() - before;
        self.ready.insert(place, invocation);
    }
}

/// What there is to do next.
pub(super) enum Next {
    Drive(Box<Invocation>),
    /// Look into the file.
    Refill,
    Nothing,
}

/// The end of an invocation, for somebody who waits for it; an error: the object left memory before. Dropped, it costs
/// nothing any more, however long the invocation goes on.
pub(crate) struct EndOf {
    object: Arc<Inner>,
    id: Id,
    told: oneshot::Receiver<Ended>,
}

impl Future for EndOf {
    type Output = Result<Ended, oneshot::error::RecvError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(context)
    }
}

impl Drop for EndOf {
    fn drop(&mut self) {
        self.told.close();
        self.object.durable.gave_up(self.id);
    }
}

impl Object {
    /// Tells when it is over.
    pub(crate) fn end_of(&self, id: Id) -> EndOf {
        EndOf { object: self.inner.clone(), id, told: self.inner.durable.wait_for(id) }
    }
}

impl Durable {
    /// Takes a place for one that is accepted just now, if there is one and nobody is before it.
    pub(super) fn begin(&self, id: Id, active_max: usize) -> bool {
        let mut state = lock(&self.state);
        let is_free = state.active.len() < active_max && state.ready.is_empty() && !state.has_more;
        if is_free {
            state.active.insert(id);
        }
        is_free
    }

    /// Keeps one that does not run from running, until it is [left](Self::leave). False: it runs.
    pub(super) fn hold(&self, id: Id) -> bool {
        let mut state = lock(&self.state);
        if !state.active.insert(id) {
            return false;
        }
        if state.queued.remove(&id) {
            state.ready.retain(|invocation| invocation.row.id != id);
            state.again.insert(id);
        }
        true
    }

    /// The run is put away. Whether it became ready again meanwhile.
    pub(super) fn leave(&self, id: Id) -> bool {
        let mut state = lock(&self.state);
        state.active.remove(&id);
        state.again.remove(&id)
    }

    /// What the file says is ready. Those in `before`, which ran when the look began, may have been read too early.
    pub(super) fn push(&self, found: Vec<Invocation>, before: &HashSet<Id>) {
        let mut state = lock(&self.state);
        for invocation in found {
            let id = invocation.row.id;
            if state.active.contains(&id) {
                state.again.insert(id);
            } else if before.contains(&id) {
                // Its run was put away meanwhile: the next look tells.
                state.has_more = true;
            } else if !state.queued.contains(&id) {
                state.line_up(invocation);
            }
        }
    }

    /// Whether one runs here, or has not told its end yet.
    pub(crate) fn is_active(&self) -> bool {
        !lock(&self.state).active.is_empty()
    }

    pub(super) fn active(&self) -> HashSet<Id> {
        lock(&self.state).active.clone()
    }

    /// That the file has some that are not known here.
    pub(crate) fn there_are_more(&self) {
        lock(&self.state).has_more = true;
    }

    /// Takes the next one, and a place for it.
    pub(super) fn next(&self, active_max: usize) -> Next {
        let mut state = lock(&self.state);
        if state.active.len() >= active_max {
            return Next::Nothing;
        }
        while let Some(invocation) = state.ready.pop_front() {
            let id = invocation.row.id;
            state.queued.remove(&id);
            if state.active.insert(id) {
                return Next::Drive(Box::new(invocation));
            }
        }
        if std::mem::take(&mut state.has_more) { Next::Refill } else { Next::Nothing }
    }

    fn wait_for(&self, id: Id) -> oneshot::Receiver<Ended> {
        let (tell, told) = oneshot::channel();
        lock(&self.state).waiting.entry(id).or_default().push(tell);
        told
    }

    /// Somebody waits no more.
    fn gave_up(&self, id: Id) {
        let mut state = lock(&self.state);
        if let Entry::Occupied(mut waiting) = state.waiting.entry(id) {
            waiting.get_mut().retain(|tell| !tell.is_closed());
            if waiting.get().is_empty() {
                waiting.remove();
            }
        }
    }

    /// It is over, and that is durable.
    pub(super) fn ended(&self, id: Id, key: Option<(String, String)>, ended: &Ended) {
        let waiting = {
            let mut state = lock(&self.state);
            if let Some(key) = key.filter(|key| state.keys.get(key) == Some(&id)) {
                state.keys.remove(&key);
            }
            state.waiting.remove(&id).unwrap_or_default()
        };
        for tell in waiting {
            // Who waited may have gone.
            let _ = tell.send(ended.clone());
        }
    }

    /// The invocation that holds a key, or the asker, who holds it from now on.
    pub(crate) fn hold_key(&self, key: &(String, String), id: Id) -> Id {
        *lock(&self.state).keys.entry(key.clone()).or_insert(id)
    }

    pub(crate) fn free_key(&self, key: &(String, String), id: Id) {
        let mut state = lock(&self.state);
        if state.keys.get(key) == Some(&id) {
            state.keys.remove(key);
        }
    }

    /// Whether the asker is to look into the file: it is the first since the object was opened.
    pub(crate) fn begins_to_resume(&self) -> bool {
        !self.resumed.load(Ordering::Relaxed) && !self.resumed.swap(true, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_no_more_costs_nothing() {
        let (durable, id) = (Durable::default(), Id::from_u128(1));
        let (gone, mut waiting) = (durable.wait_for(id), durable.wait_for(id));
        drop(gone);
        durable.gave_up(id);
        durable.ended(id, None, &Ok((Json::null(), 1)));
        assert_eq!(waiting.try_recv().map(|ended| ended.is_ok()), Ok(true), "the other one is told");
        drop(durable.wait_for(id));
        durable.gave_up(id);
        assert!(lock(&durable.state).waiting.is_empty());
    }
}
