//! What ran, or was ready, when the object left memory.

use super::rows::{self, Told};
use crate::object::{Object, fault_of};
use store::Invocation;
use types::{ActionStatus, Fault, InvocationState, Row, Standing};

impl Object {
    /// Runs what ran or was ready when the object left memory.
    pub(crate) fn resume_durably(&self) {
        if !self.inner.durable.begins_to_resume() {
            return;
        }
        let Some(left) = &self.inner.left_open else { return };
        if let Some(due) = left.next_due {
            self.node.inner.wakes.note(self.inner.id, due);
        }
        if left.is_ready || left.has_events {
            tokio::spawn(self.clone().resume());
        }
    }

    async fn resume(self) {
        const LOOKED_AT: u32 = 256;
        let mut after = 0;
        loop {
            let ran = self.peek(|store| store.running_invocations(after, LOOKED_AT).map_err(|e| fault_of(&e))).await;
            let Ok(ran) = ran else { return self.wake_later() };
            let is_last = ran.len() < LOOKED_AT as usize;
            after = ran.last().map_or(after, |i| i.row.number);
            if self.put_back(ran).await.is_err() {
                return self.wake_later();
            }
            if is_last {
                break;
            }
        }
        self.inner.durable.there_are_more();
        self.go_on_durably();
        let handed = match self.hand_on_events().await {
            Ok(()) => self.forward_events().await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = handed {
            tracing::warn!(namespace = %self.inner.namespace, %fault, "events cannot be handed on; it is tried again");
            self.wake_later();
        }
    }

    /// What ran when the host stopped is ready again, and counts that it was interrupted, unless it only waited for
    /// another invocation: then it was not what stopped the host. What was accepted since is left.
    async fn put_back(&self, ran: Vec<Invocation>) -> Result<(), Fault> {
        if ran.is_empty() {
            return Ok(());
        }
        let inner = self.inner.clone();
        self.change(1024, move |turn| {
            // One that runs here is active until its end is in the file: what is not, and runs by the file, was left.
            let active = inner.durable.active();
            for id in ran.into_iter().map(|i| i.row.id).filter(|id| !active.contains(id)) {
                put_one_back(turn, id).map_err(|e| fault_of(&e))?;
            }
            Ok(())
        })
        .await
    }
}

fn put_one_back(turn: &mut store::Turn<'_>, id: types::Id) -> Result<(), store::Error> {
    let Some(found) = turn.invocation(id)?.filter(|i| i.state.at == Standing::Running) else { return Ok(()) };
    let interrupted = found.state.interrupted + u32::from(!turn.awaits_unfinished(id)?);
    let state = InvocationState { interrupted, at: Standing::Ready, ..found.state };
    let told = Told { started_at: Some(found.row.accepted_at), ..Told::default() };
    let action = rows::action(&found.row, rows::attempts(&state), ActionStatus::Retrying, told);
    turn.write(Row::InvocationState(state))?;
    turn.write(Row::Action(action))
}
