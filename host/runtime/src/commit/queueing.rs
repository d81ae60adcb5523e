//! Queueing a write at an object, and waiting for its answer.

use super::{Change, Note, Queued};
use crate::clock::Clock;
use crate::object::{Object, fault_of, retired};
use std::sync::Arc;
use store::Turn;
use tokio::sync::oneshot;
use types::{Fault, FaultKind};

impl Object {
    /// Queues a write that may be refused; answers when it is durable.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.change_then(bytes, run, |_| {}).await
    }

    /// The same; `then` runs once it is durable, also if the caller has gone meanwhile.
    pub(crate) async fn change_then<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnOnce(&mut Turn<'_>) -> Result<T, Fault> + Send + 'static,
        then: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Fault> {
        self.queue_change(bytes, |answer| Awaited { run: Some(run), then: Some(then), value: None, answer }).await
    }

    /// Makes a note durable before it answers.
    pub(crate) async fn commit_note(&self, note: Note) -> Result<(), Fault> {
        let (bytes, clock) = (note.bytes() as usize, self.node.inner.clock.clone());
        self.queue_change(bytes, |answer| AwaitedNote { note, clock, answer }).await
    }

    async fn queue_change<T, C: Change + 'static>(
        &self,
        bytes: usize,
        change: impl FnOnce(oneshot::Sender<Result<T, Fault>>) -> C,
    ) -> Result<T, Fault> {
        if self.inner.is_retired() {
            return Err(retired());
        }
        let bytes = self.take_room(bytes).await;
        let (answer, answered) = oneshot::channel();
        let change = Queued::Change(Box::new(change(answer)));
        self.node.inner.committers.queue(&self.inner, change, bytes);
        match answered.await.unwrap_or_else(|_| Err(Fault::internal())) {
            Ok(value) => Ok(value),
            // That the host could not write tells of nothing that is in the file.
            Err(fault) if fault.kind == FaultKind::Unavailable => Err(fault),
            // "It exists already" tells of something.
            Err(fault) => self.seen().await.and(Err(fault)),
        }
    }

    /// Queues rows that nobody waits for.
    pub(crate) async fn note(&self, note: Note) {
        let bytes = match self.try_take_room(note.bytes()) {
            Some(bytes) => bytes,
            None => self.take_room(note.bytes() as usize).await,
        };
        self.node.inner.committers.queue(&self.inner, Queued::Note(Box::new(note)), bytes);
    }

    /// Waits for room in the queues of the object and the node; the committer gives it back.
    pub(crate) async fn take_room(&self, bytes: usize) -> u32 {
        let config = &self.node.inner.config;
        let max = config.object_queue_bytes_max.min(config.node_queue_bytes_max);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(64, max);
        for room in [&self.inner.room, &*self.node.inner.room] {
            room.acquire_many(bytes).await.expect("the queues' semaphores are never closed").forget();
        }
        bytes
    }

    /// The same if there is room now.
    pub(crate) fn try_take_room(&self, bytes: u32) -> Option<u32> {
        let bytes = bytes.max(64);
        let own = self.inner.room.try_acquire_many(bytes).ok()?;
        let node = self.node.inner.room.try_acquire_many(bytes).ok()?;
        own.forget();
        node.forget();
        Some(bytes)
    }
}

struct Awaited<T, R, F> {
    run: Option<R>,
    then: Option<F>,
    value: Option<T>,
    answer: oneshot::Sender<Result<T, Fault>>,
}

impl<T, R, F> Change for Awaited<T, R, F>
where
    T: Send + 'static,
    R: FnOnce(&mut Turn<'_>) -> Result<T, Fault> + Send,
    F: FnOnce(&T) + Send,
{
    fn run(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let run = self.run.take().expect("a change runs once");
        self.value = Some(run(turn)?);
        Ok(())
    }

    fn settle(self: Box<Self>, outcome: Result<(), Fault>) {
        let answer = match (outcome, self.value) {
            (Ok(()), Some(value)) => {
                if let Some(then) = self.then {
                    then(&value);
                }
                Ok(value)
            }
            (Ok(()), None) => Err(Fault::internal()),
            (Err(fault), _) => Err(fault),
        };
        // The caller may have gone; what was written stays written.
        let _ = self.answer.send(answer);
    }
}

struct AwaitedNote {
    note: Note,
    clock: Arc<dyn Clock>,
    answer: oneshot::Sender<Result<(), Fault>>,
}

impl Change for AwaitedNote {
    fn run(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let note = std::mem::take(&mut self.note);
        note.write(turn, self.clock.now()).map_err(|e| fault_of(&e))
    }

    fn settle(self: Box<Self>, outcome: Result<(), Fault>) {
        // The caller may have gone; what was written stays written.
        let _ = self.answer.send(outcome);
    }

    fn note(&mut self) -> Option<&mut Note> {
        Some(&mut self.note)
    }
}
