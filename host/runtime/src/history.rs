//! What was done in an object and what came of it: actions, events, log lines.

use crate::Caller;
use crate::commit::{NewEvent, lock};
use crate::invoke::{InvokeFailed, InvokeOptions, Invoked};
use crate::object::Object;
use crate::running::{Chain, Running};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::Page;
use types::{ActionRef, ActionRow, ActionStatus, Durability, Fault, Id, Json, Namespace, Timestamp};

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

    /// The row of an action that more than one file is changed by (durability `do`), until that is done.
    pub(crate) fn running(&self, options: &serde_json::Value) -> ActionRow {
        let (mut action, _) = done(self, None, None, options.clone(), "");
        action.durability = Durability::Do;
        action.status = ActionStatus::Running;
        action.completed_at = None;
        action.duration_us = None;
        action
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
    /// How many runs are in memory now.
    pub fn runs(&self) -> usize {
        lock(&self.inner.running).len()
    }

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
        if let Some(told) = self.end_action(id).await? {
            return Ok(told);
        }
        let row = self.action(caller, id).await?;
        Err(Fault::conflict(
            "ACTION_SETTLED",
            format!("the action is {} already; only a pending or running one can be cancelled", row.status.as_str()),
        ))
    }

    /// Tells a running action to end, or ends one that waits. None: there is none, or it is over.
    pub(crate) async fn end_action(&self, id: Id) -> Result<Option<ActionRow>, Fault> {
        let running: Option<Arc<Running>> = lock(&self.inner.running).get(&id).cloned();
        if let Some(running) = running {
            running.cancelled.store(true, Ordering::Release);
            running.stop.notify_waiters();
            return Ok(Some(running.row()));
        }
        self.cancel_waiting(id).await
    }

    /// Runs a failed action once more, as a new one whose parent is the failed one: what ended stays ended (spec ACT-3).
    /// The function's newest version runs, since the failed one may be why it failed.
    ///
    /// # Errors
    /// `conflict` for what is no failed `try` or `do` (spec ACT-5), or whose input was not kept as it was.
    pub async fn retry(&self, caller: &Caller, id: Id) -> Result<Invoked, InvokeFailed> {
        let row = self.action(caller, id).await?;
        let refuse = |why: String| Err(Fault::conflict("NOT_RETRYABLE", why).into());
        if row.durability == Durability::Send {
            return refuse("a send is not retried: nobody waits for it; invoke it again".to_owned());
        }
        if row.status != ActionStatus::Failed {
            return refuse(format!("the action is {}; only a failed one can be retried", row.status.as_str()));
        }
        if let Some(workflow) = row.target.strip_prefix("WorkflowDefinition/").filter(|_| row.verb == "invoke") {
            return refuse(format!(
                "it is a run of the workflow {workflow}; resume it with: org.ai workflows resume {id}"
            ));
        }
        if row.durability == Durability::Do && row.verb == "invoke" && row.attempts > 0 {
            let function = row.target.strip_prefix("Function/").and_then(|name| types::FunctionName::parse(name).ok());
            let function = function.ok_or_else(Fault::internal)?;
            crate::invoke::may_invoke(caller, &ActionRef { function, export: None, at: types::At::Head })?;
            return self.retry_durably(id).await;
        }
        let function = row.target.strip_prefix("Function/").filter(|_| row.verb == "invoke");
        let Some(function) = function else {
            return refuse(format!("{} {} is no run of a function; send its request again", row.verb, row.target));
        };
        let options = row.options.to_value();
        let action = match options.get("export").and_then(serde_json::Value::as_str) {
            Some(export) => format!("{function}.{export}"),
            None => function.to_owned(),
        };
        let action: ActionRef = action.parse().map_err(|_| Fault::internal())?;
        let input = options.get("input").map(Json::from_value);
        let Some(input) = input.filter(|input| !input.as_str().contains(types::REDACTED)) else {
            return refuse(
                "its input was too large or too secret to be kept; invoke it again with the input".to_owned(),
            );
        };
        let ready = self.ready(caller, &action, input).await?;
        let chain = Chain { parent: Some(id), depth: 0 };
        self.run(caller, ready, InvokeOptions { durability: row.durability, ..InvokeOptions::default() }, chain).await
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
