//! Turns of guests: a transaction that stays open between two imports, and the gate that keeps others out meanwhile
//! (spec RUN-2, WSM-7).
//!
//! A run takes the gate when it first touches its object's things, and gives it back when its turn commits: when it
//! ends, or before it waits on anything outside. What it wrote is seen by itself alone until then. The committer takes
//! the gate for each batch; readers wait while there is something uncommitted to be seen. Runs that touch no thing hold
//! nobody up.

use crate::commit::{Note, lock};
use crate::object::{Inner, Object, fault_of, retired};
use commit_log::Outcome;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Suspended, Turn};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, oneshot};
use types::{Fault, FaultKind};

/// Who may write: one turn, or the committer.
#[derive(Default)]
pub(crate) struct Gate {
    turns: Arc<AsyncMutex<()>>,
    /// The committer found it taken and waits to be called.
    parked: AtomicBool,
    /// Given to the committer by the turn that called it: it does not have to wait behind all turns that came since.
    handed: Mutex<Option<OwnedMutexGuard<()>>>,
    /// The open turn has written: what the file says now is not committed.
    dirty: AtomicBool,
}

pub(crate) type Entry = OwnedMutexGuard<()>;

impl Gate {
    /// In the order of asking.
    async fn enter(&self, call_committer: impl Fn()) -> Entry {
        let mut waiting = Waiting { gate: self, call_committer, is_over: false };
        let entry = self.turns.clone().lock_owned().await;
        waiting.is_over = true;
        entry
    }

    /// For the committer, which never waits: None, and it is scheduled again when the turn is over.
    pub(crate) fn enter_now(&self) -> Option<Entry> {
        if let Some(handed) = lock(&self.handed).take() {
            return Some(handed);
        }
        if let Ok(entry) = self.turns.clone().try_lock_owned() {
            return Some(entry);
        }
        self.parked.store(true, Ordering::SeqCst);
        // The turn may have ended between the two: then nobody would call.
        let entry = self.turns.clone().try_lock_owned().ok()?;
        self.parked.store(false, Ordering::SeqCst);
        Some(entry)
    }

    /// For who has another way when it is taken.
    pub(crate) fn enter_if_free(&self) -> Option<Entry> {
        self.turns.clone().try_lock_owned().ok()
    }

    pub(crate) fn leave(&self, entry: Entry, call_committer: impl Fn()) {
        if self.parked.swap(false, Ordering::SeqCst) {
            *lock(&self.handed) = Some(entry);
            return call_committer();
        }
        drop(entry);
        if self.parked.swap(false, Ordering::SeqCst) {
            call_committer();
        }
    }

    /// Whether what the file says now may be rolled back. Ask while the file is held.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }
}

/// The gate, kept by somebody who has no turn. Dropped, the next one enters.
pub(crate) struct Held {
    object: Object,
    entry: Option<Entry>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.object.leave(entry);
        }
    }
}

/// Somebody who waits at the gate. It may be given to him when he is gone already, and the committer have found it
/// taken meanwhile: nobody else would call it.
struct Waiting<'a, F: Fn()> {
    gate: &'a Gate,
    call_committer: F,
    is_over: bool,
}

impl<F: Fn()> Drop for Waiting<'_, F> {
    fn drop(&mut self) {
        if !self.is_over && self.gate.parked.swap(false, Ordering::SeqCst) {
            (self.call_committer)();
        }
    }
}

impl Object {
    /// Takes the gate, in the order of asking.
    async fn enter(&self) -> Entry {
        self.inner.gate.enter(|| self.call_committer()).await
    }

    fn leave(&self, entry: Entry) {
        self.inner.gate.leave(entry, || self.call_committer());
    }

    fn call_committer(&self) {
        self.node.inner.committers.call(&self.inner);
    }

    /// Keeps all writers out, guests' turns among them, until the answer is dropped. None: they were not out in time.
    pub(crate) async fn hold(&self, wait_max: Duration) -> Option<Held> {
        let entry = tokio::time::timeout(wait_max, self.enter()).await.ok()?;
        Some(Held { entry: Some(entry), object: self.clone() })
    }

    /// Waits until the turn that is open now is over.
    pub(crate) async fn turn_passed(&self) {
        let entry = self.enter().await;
        self.leave(entry);
    }
}

/// A turn between two imports. Dropped, it is rolled back.
pub(crate) struct OpenTurn {
    object: Object,
    /// Taken when it ends.
    held: Option<(Suspended, Entry)>,
}

impl OpenTurn {
    /// Waits for the gate.
    pub(crate) async fn begin(object: &Object) -> Result<Self, Fault> {
        object.node.inner.committers.check_room()?;
        let entry = object.enter().await;
        let mut begun = Self { object: object.clone(), held: None };
        // What the run has noted before comes before what its turn writes.
        object.node.inner.committers.write_waiting(&object.inner);
        let suspended = {
            let mut store = object.inner.store();
            if object.inner.is_retired() {
                return Err(retired());
            }
            let store = store.as_mut().ok_or_else(retired)?;
            store.turn(object.inner.epoch, object.node.now()).map(Turn::suspend)
        };
        match suspended {
            Ok(suspended) => {
                begun.held = Some((suspended, entry));
                Ok(begun)
            }
            Err(error) => {
                begun.leave(entry);
                Err(object.inner.fault_of(&error))
            }
        }
    }

    /// Goes on with the turn. A fault takes back what `write` wrote and leaves the rest; only a file that fails ends the
    /// turn, and every later use of it has the fault.
    pub(crate) fn go_on<T>(&mut self, write: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let (suspended, entry) = self.held.take().ok_or_else(rolled_back)?;
        let inner = self.object.inner.clone();
        let mut store = inner.store();
        let Some(file) = store.as_mut() else {
            drop(store);
            self.leave(entry);
            return Err(retired());
        };
        let mut turn = file.resume(suspended);
        let written = turn.part(write);
        if let Err(error) = turn.check() {
            drop(turn);
            inner.gate.dirty.store(false, Ordering::Release);
            inner.retire_on(&error);
            drop(store);
            self.leave(entry);
            return Err(written.err().unwrap_or_else(|| fault_of(&error)));
        }
        if !turn.is_empty() {
            inner.gate.dirty.store(true, Ordering::Release);
        }
        self.held = Some((turn.suspend(), entry));
        written
    }

    /// Commits, with the note in the same transaction, and waits until it is durable. The next turn does not wait for
    /// that.
    pub(crate) async fn commit(mut self, note: Note) -> Result<(), Fault> {
        let at = self.object.node.now();
        self.go_on(|turn| note.write(turn, at).map_err(|e| fault_of(&e)))?;
        let (suspended, entry) = self.held.take().ok_or_else(rolled_back)?;
        let inner = self.object.inner.clone();
        let (answer, answered) = oneshot::channel();
        let committed = {
            let mut store = inner.store();
            let committed = match store.as_mut() {
                Some(file) => file.resume(suspended).commit().map_err(|error| {
                    inner.retire_on(&error);
                    inner.fault_of(&error)
                }),
                None => Err(retired()),
            };
            inner.gate.dirty.store(false, Ordering::Release);
            if let Ok(Some(record)) = &committed {
                inner.note_change(record.seq);
            }
            committed
        };
        match committed {
            Err(fault) => {
                self.leave(entry);
                return Err(fault);
            }
            Ok(None) => {
                self.leave(entry);
                return Ok(());
            }
            Ok(Some(record)) => {
                let seq = record.seq;
                inner.tell_followers(std::slice::from_ref(&record));
                let waiting = inner.clone();
                // Before the gate opens: the log has an object's records in their order.
                self.object.node.inner.log.append(
                    vec![record],
                    Box::new(move |outcome| {
                        let result = match outcome {
                            Outcome::Durable => {
                                waiting.confirm(seq);
                                Ok(())
                            }
                            Outcome::Fenced | Outcome::Refused(_) | Outcome::Unknown(_) => {
                                waiting.refused(&format!("a turn did not reach the log: {outcome:?}"));
                                Err(crate::commit::not_durable(outcome))
                            }
                        };
                        // Who waited may have gone; what was written stays written.
                        let _ = answer.send(result);
                    }),
                );
                self.leave(entry);
            }
        }
        answered.await.unwrap_or_else(|_| Err(Fault::internal()))
    }

    fn leave(&self, entry: Entry) {
        self.object.leave(entry);
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        let Some((suspended, entry)) = self.held.take() else { return };
        let inner: &Arc<Inner> = &self.object.inner;
        if let Some(store) = inner.store().as_mut() {
            store.abandon(suspended);
            inner.gate.dirty.store(false, Ordering::Release);
        }
        self.leave(entry);
    }
}

fn rolled_back() -> Fault {
    Fault::new(
        FaultKind::Unavailable,
        "TURN_ROLLED_BACK",
        "the object's file failed earlier in this turn, and what the turn wrote was taken back",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;
    use std::cell::Cell;

    /// Somebody who waits is given the gate; before he notices, the committer finds it taken.
    async fn given_unnoticed<F: Future<Output = Entry>>(gate: &Gate, waiting: &mut std::pin::Pin<&mut F>) {
        let first = gate.enter(|| ()).await;
        assert!(waiting.as_mut().now_or_never().is_none(), "it is taken");
        gate.leave(first, || panic!("nobody is parked yet"));
        assert!(gate.enter_now().is_none(), "it is the other's");
    }

    #[tokio::test]
    async fn the_committer_is_called_by_who_only_waited() {
        let (gate, calls) = (Gate::default(), Cell::new(0));
        let call = || calls.set(calls.get() + 1);
        let mut waiting = std::pin::pin!(gate.enter(call));
        given_unnoticed(&gate, &mut waiting).await;
        let entry = waiting.await;
        gate.leave(entry, call);
        assert_eq!(calls.get(), 1);
        assert!(gate.enter_now().is_some());
    }

    #[tokio::test]
    async fn the_committer_is_called_when_who_waited_gives_up() {
        let (gate, calls) = (Gate::default(), Cell::new(0));
        {
            let mut waiting = std::pin::pin!(gate.enter(|| calls.set(calls.get() + 1)));
            given_unnoticed(&gate, &mut waiting).await;
        }
        assert_eq!(calls.get(), 1);
        assert!(gate.enter_now().is_some());
    }
}
