//! A `do` from outside: accepted once for each key, answered when it is over.

use super::accept::{Accepting, Asker};
use super::queue::{EndOf, Ended};
use super::rows::{self, Told};
use crate::Caller;
use crate::commit::Note;
use crate::invoke::{InvokeFailed, InvokeOptions, Invoked, Ready};
use crate::object::{Object, fault_of, retired};
use std::sync::Arc;
use std::time::Duration;
use store::Invocation;
use types::{ActionRef, ActionStatus, Fault, FaultKind, Id, InvocationRow, Json, Row, Standing};

/// How long a key is known after its invocation is over (spec DUR-10).
pub(crate) const KEY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// An invocation that was accepted now, or under the same key before.
pub(super) struct Asked {
    id: Id,
    answer: Answer,
}

enum Answer {
    Over(Ended),
    Later(EndOf),
}

impl Object {
    /// Accepts an action that is carried out whatever dies, and answers when it is over. The caller may go; it goes on.
    pub(crate) async fn invoke_durably(
        &self,
        caller: &Caller,
        action: &ActionRef,
        input: Json,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeFailed> {
        let Asked { id, answer } = self.ask(caller, action, input, options).await?;
        let ended = match answer {
            Answer::Over(ended) => ended,
            // The object left memory. It goes on when it is opened again; its action tells.
            Answer::Later(answer) => answer.await.unwrap_or_else(|_| Err(retired())),
        };
        match ended {
            Ok((result, duration_us)) => {
                let used = if self.uses_models(action).await { self.used_by(id).await? } else { None };
                Ok(Invoked { action: id, result, duration_us, used })
            }
            Err(fault) => Err(InvokeFailed { action: Some(id), fault }),
        }
    }

    /// What of models and tools an invocation that is over used.
    pub(crate) async fn used_by(&self, id: Id) -> Result<Option<crate::running::Used>, Fault> {
        let action = self.peek(|store| store.action(id).map_err(|e| fault_of(&e))).await?;
        Ok(action.and_then(|action| crate::running::Used::read(&action.options)))
    }

    /// Accepts it, and answers as soon as that is durable.
    pub async fn accept_durably(
        &self,
        caller: &Caller,
        action: &ActionRef,
        input: Json,
        options: InvokeOptions,
    ) -> Result<Id, InvokeFailed> {
        let asked = self.ask(caller, action, input, options).await?;
        // What was queued before this is durable when this is.
        self.commit_note(Note::of_rows(Vec::new())).await?;
        self.seen().await?;
        Ok(asked.id)
    }

    async fn ask(
        &self,
        caller: &Caller,
        action: &ActionRef,
        input: Json,
        options: InvokeOptions,
    ) -> Result<Asked, InvokeFailed> {
        let ready = match self.ready(caller, action, input.clone()).await {
            Err(fault) if fault.code == "ACTION_NOT_FOUND" => {
                return Err(self.note_unknown(caller, action, fault).await);
            }
            other => other?,
        };
        let accepting = self.accepting(caller, &ready, &options, Asker::OUTSIDE)?;
        let Some(key) = key_of(&accepting.row) else { return Ok(self.accept(accepting, ready).await) };
        let id = accepting.row.id;
        let holder = self.inner.durable.hold_key(&key, id);
        if holder != id {
            return self.share(holder, &accepting.row).await;
        }
        // Nobody else can accept this key now; somebody may have before.
        match self.known_by(&key).await {
            Err(fault) => {
                self.inner.durable.free_key(&key, id);
                Err(fault.into())
            }
            Ok(Some(known)) if !self.is_forgotten(&known, options.retry_failed).await? => {
                self.inner.durable.free_key(&key, id);
                self.share(known.row.id, &accepting.row).await
            }
            Ok(_) => Ok(self.accept(accepting, ready).await),
        }
    }

    async fn known_by(&self, key: &(String, String)) -> Result<Option<Invocation>, Fault> {
        self.peek(|store| store.invocation_by_key(&key.0, &key.1).map_err(|e| fault_of(&e))).await
    }

    /// Whether a key can be used again: its time is over, or what failed is to be run once more.
    async fn is_forgotten(&self, known: &Invocation, retry_failed: bool) -> Result<bool, Fault> {
        let Standing::Done { output } = &known.state.at else { return Ok(false) };
        let action = self.peek(|store| store.action(known.row.id).map_err(|e| fault_of(&e))).await?;
        let Some(action) = action else { return Ok(true) };
        let is_old = action.completed_at.is_some_and(|at| at.plus(KEY_KEPT) <= self.node.now());
        Ok(is_old || (retry_failed && output.is_none()))
    }

    /// The result of an invocation that was asked for before, with the same key and the same input.
    async fn share(&self, id: Id, asked: &InvocationRow) -> Result<Asked, InvokeFailed> {
        let later = self.end_of(id);
        // Its end is told once it is in the file: who asks after that finds it there.
        self.flush().await?;
        let known = self.peek(|store| store.invocation(id).map_err(|e| fault_of(&e))).await?;
        let Some(Invocation { row, state }) = known else { return Err(retired().into()) };
        if row.input != asked.input || row.entry != asked.entry {
            let message = "the idempotency key was used with another input before; use a new key for another call";
            let details = serde_json::json!({ "reason": "IDEMPOTENCY_MISMATCH", "actionId": id.to_string() });
            return Err(Fault::invalid("IDEMPOTENCY_MISMATCH", message).with_details(&details).into());
        }
        let answer = match state.at {
            Standing::Done { .. } => Answer::Over(self.outcome(id).await?.unwrap_or_else(|| Err(retired()))),
            Standing::Ready
            | Standing::Running
            | Standing::Delayed { .. }
            | Standing::Waiting { .. }
            | Standing::Paused => Answer::Later(later),
        };
        Ok(Asked { id, answer })
    }

    /// How an invocation that is over ended; None: it is not.
    pub(crate) async fn outcome(&self, id: Id) -> Result<Option<Ended>, Fault> {
        let found = self
            .peek(|store| {
                let invocation = store.invocation(id).map_err(|e| fault_of(&e))?;
                Ok((invocation, store.action(id).map_err(|e| fault_of(&e))?))
            })
            .await?;
        let (Some(invocation), Some(action)) = found else {
            return Err(Fault::not_found("ACTION_NOT_FOUND", format!("there is no durable action with the id {id}")));
        };
        Ok(match invocation.state.at {
            Standing::Done { output: Some(output) } => Some(Ok((output, action.duration_us.unwrap_or(0)))),
            Standing::Done { output: None } => Some(Err(action.error.unwrap_or_else(cancelled))),
            Standing::Ready
            | Standing::Running
            | Standing::Delayed { .. }
            | Standing::Waiting { .. }
            | Standing::Paused => None,
        })
    }

    async fn accept(&self, accepting: Accepting, ready: Ready) -> Asked {
        let id = accepting.row.id;
        let answer = Answer::Later(self.end_of(id));
        self.begin_with(accepting, Some(ready)).await;
        Asked { id, answer }
    }

    /// Queues the row of an invocation, and runs it: at once if nothing holds it back.
    pub(super) async fn begin_with(&self, accepting: Accepting, ready: Option<Ready>) {
        let row = &accepting.row;
        let max = self.node.inner.config.object_runs_max;
        let starts = accepting.until.is_none() && row.serial.is_none() && self.inner.durable.begin(row.id, max);
        let row = Arc::new(InvocationRow { began: starts, ..InvocationRow::clone(row) });
        self.note(Note { accepts: vec![Accepting { row: row.clone(), ..accepting }], ..Note::default() }).await;
        // What does not start now is found when it is written.
        if starts {
            self.drive_new(row, ready);
        }
    }

    /// An action that nobody offers: it failed, and that is written down (spec DUR-1).
    async fn note_unknown(&self, caller: &Caller, action: &ActionRef, fault: Fault) -> InvokeFailed {
        let now = self.node.now();
        let row = types::ActionRow {
            id: Id::new(now, rand::random()),
            verb: "invoke".to_owned(),
            actor: caller.identity.actor.to_string(),
            target: format!("{}/{}", crate::functions::NOUN, action.function),
            input: None,
            output: None,
            options: Json::of(&serde_json::json!({})),
            durability: types::Durability::Do,
            status: ActionStatus::Failed,
            error: Some(fault.clone()),
            attempts: 0,
            idempotency_key: None,
            request_id: Some(caller.request_id.to_string()),
            parent: None,
            created_at: now,
            started_at: None,
            completed_at: Some(now),
            duration_us: None,
        };
        let action = Some(row.id);
        match self.commit_note(Note { rows: vec![Row::Action(row)], ..Note::default() }).await {
            Ok(()) => InvokeFailed { action, fault },
            Err(fault) => fault.into(),
        }
    }

    /// Runs a failed invocation once more, on its own row (spec DUR-8).
    pub(crate) async fn retry_durably(&self, id: Id) -> Result<Invoked, InvokeFailed> {
        let later = self.end_of(id);
        self.change(256, move |turn| {
            let refuse = |what: &str| Err(Fault::conflict("NOT_RETRYABLE", what));
            let found = turn.invocation(id).map_err(|e| fault_of(&e))?;
            let action = turn.action(id).map_err(|e| fault_of(&e))?;
            let (Some(mut invocation), Some(mut action)) = (found, action) else {
                return refuse("nothing of it is kept that could be run again; invoke it again");
            };
            if action.status != ActionStatus::Failed {
                return refuse("only a failed action can be retried");
            }
            invocation.state.attempt += 1;
            invocation.state.interrupted = 0;
            invocation.state.at = Standing::Ready;
            action.status = ActionStatus::Retrying;
            action.completed_at = None;
            let write = [Row::InvocationState(invocation.state), Row::Action(action)];
            write.into_iter().try_for_each(|row| turn.write(row)).map_err(|e| fault_of(&e))
        })
        .await?;
        match later.await.unwrap_or_else(|_| Err(retired())) {
            Ok((result, duration_us)) => Ok(Invoked { action: id, result, duration_us, used: self.used_by(id).await? }),
            Err(fault) => Err(InvokeFailed { action: Some(id), fault }),
        }
    }
}

pub(super) fn key_of(row: &InvocationRow) -> Option<(String, String)> {
    Some((row.function.to_string(), row.key.clone()?))
}

pub(super) fn cancelled() -> Fault {
    Fault::new(FaultKind::Cancelled, "CANCELLED", "the run was cancelled")
}

/// How an invocation shows while it is not over.
pub(super) fn shown(invocation: &Invocation, status: ActionStatus) -> types::ActionRow {
    rows::action(&invocation.row, rows::attempts(&invocation.state), status, Told::default())
}
