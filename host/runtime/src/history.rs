//! What was done in an object and what came of it: actions, events, log lines.

use crate::Caller;
use crate::commit::{NewEvent, lock};
use crate::invoke::Running;
use crate::object::Object;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::Page;
use types::{ActionRow, ActionStatus, Durability, EventRow, Fault, Id, Json, Namespace, Timestamp};

/// An action that is about to happen.
#[derive(Clone)]
pub(crate) struct ActionDraft {
    pub(crate) id: Id,
    pub(crate) at: Timestamp,
    verb: &'static str,
    target: String,
    actor: String,
    request_id: String,
}

impl ActionDraft {
    pub(crate) fn of(caller: &Caller, at: Timestamp, verb: &'static str, target: String) -> Self {
        Self {
            id: Id::new(at, rand::random()),
            at,
            verb,
            target,
            actor: caller.identity.actor.to_string(),
            request_id: caller.request_id.to_string(),
        }
    }

    pub(crate) fn actor(&self) -> &str {
        &self.actor
    }
}

/// How an action names an object as a whole.
pub(crate) fn target_of(namespace: &Namespace) -> String {
    format!("Object/{namespace}")
}

/// The rows of an action that succeeded at once: itself, and its event.
pub(crate) fn done(
    draft: &ActionDraft,
    input: Option<u64>,
    output: Option<u64>,
    details: serde_json::Value,
    event: &str,
) -> (ActionRow, NewEvent) {
    let mut data = serde_json::json!({ "version": output, "previousVersion": input });
    if let (Some(data), serde_json::Value::Object(details)) = (data.as_object_mut(), &details) {
        data.extend(details.clone());
    }
    let action = ActionRow {
        id: draft.id,
        verb: draft.verb.to_owned(),
        actor: draft.actor.clone(),
        target: draft.target.clone(),
        input,
        output,
        options: types::redact(&Json::from_value(&details)),
        durability: Durability::Try,
        status: ActionStatus::Completed,
        error: None,
        attempts: 1,
        idempotency_key: None,
        request_id: Some(draft.request_id.clone()),
        parent: None,
        created_at: draft.at,
        started_at: Some(draft.at),
        completed_at: Some(draft.at),
        duration_us: Some(0),
    };
    let event = NewEvent {
        verb: event.to_owned(),
        source: draft.target.clone(),
        data: types::redact(&Json::from_value(&data)),
    };
    (action, event)
}

impl Object {
    /// Actions, newest first.
    pub async fn actions(&self, caller: &Caller, filter: &store::ActionFilter) -> Result<Page<ActionRow, Id>, Fault> {
        caller.may("actions", "read")?;
        self.read(|store| store.actions(filter)).await
    }

    /// One action, running ones included.
    pub async fn action(&self, caller: &Caller, id: Id) -> Result<ActionRow, Fault> {
        caller.may("actions", "read")?;
        if let Some(running) = lock(&self.inner.running).get(&id).cloned() {
            return Ok(running.row());
        }
        self.read(|store| store.action(id))
            .await?
            .ok_or_else(|| Fault::not_found("ACTION_NOT_FOUND", format!("there is no action with the id {id}")))
    }

    /// Asks a running action to end: it is told, and after a grace it is stopped.
    pub async fn cancel(&self, caller: &Caller, id: Id) -> Result<ActionRow, Fault> {
        caller.may("actions", "update")?;
        let running: Option<Arc<Running>> = lock(&self.inner.running).get(&id).cloned();
        if let Some(running) = running {
            running.cancelled.store(true, Ordering::Release);
            running.stop.notify_waiters();
            return Ok(running.row());
        }
        let row = self.action(caller, id).await?;
        Err(Fault::conflict(
            "ACTION_SETTLED",
            format!("the action is {} already; only a pending or running one can be cancelled", row.status.as_str()),
        ))
    }

    /// Events after a sequence number, oldest first.
    pub async fn events(&self, caller: &Caller, filter: &store::EventFilter) -> Result<Page<EventRow, u64>, Fault> {
        caller.may("events", "read")?;
        self.read(|store| store.events(filter)).await
    }

    /// Lines that functions wrote, oldest first, each with its place.
    pub async fn logs(&self, caller: &Caller, filter: &store::LogFilter) -> Result<Page<store::LogEntry, u64>, Fault> {
        caller.may("logs", "read")?;
        self.read(|store| store.logs(filter)).await
    }

    /// Changes whenever lines were written in this object: the moment to ask [`Object::logs`] again.
    pub fn follow_logs(&self, caller: &Caller) -> Result<tokio::sync::watch::Receiver<u64>, Fault> {
        caller.may("logs", "read")?;
        Ok(self.inner.follow())
    }
}
