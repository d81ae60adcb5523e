//! The row of an action that is a durable invocation.

use crate::declared::Kind;
use crate::running::kept;
use crate::workflow::RunOf;
use std::time::Duration;
use types::exec::{Entry, Part};
use types::{ActionRow, ActionStatus, Durability, Fault, InvocationRow, InvocationState, Json, Timestamp};

/// How an attempt went.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) started_at: Option<Timestamp>,
    pub(super) took: Option<Duration>,
    pub(super) output: Option<&'a Json>,
    pub(super) error: Option<Fault>,
    /// What of models and tools it used.
    pub(super) used: Option<crate::running::Used>,
}

pub(super) fn target_of(row: &InvocationRow) -> String {
    if let Some(run) = RunOf::read(row) {
        return format!("{}/{}", Kind::Workflow.noun(), run.workflow);
    }
    if let Entry::Webhook { subscription } = &row.entry {
        return format!("{}/{subscription}", Kind::Subscription.noun());
    }
    if let Entry::Elsewhere { target, .. } = &row.entry {
        return format!("Object/{target}");
    }
    if let Entry::Work { worker, .. } = &row.entry {
        return worker.to_string();
    }
    format!("{}/{}", crate::functions::NOUN, row.function)
}

/// Attempts that failed or were cut off by a stop of the host, and the one that runs.
pub(super) fn attempts(state: &InvocationState) -> u32 {
    state.attempt + state.interrupted
}

pub(super) fn action(row: &InvocationRow, attempts: u32, status: ActionStatus, told: Told<'_>) -> ActionRow {
    let export = match &row.entry {
        Entry::Export(export) => Some(export.as_str()),
        Entry::Handle { name, .. } => Some(name.as_str()),
        Entry::Work { method, .. } => Some(method.as_str()),
        Entry::Elsewhere { action, .. } => Some(action.as_str()),
        Entry::Part(Part::CallTool { name }) => Some(name.as_str()),
        Entry::Run | Entry::Describe | Entry::Steps { .. } | Entry::Webhook { .. } | Entry::Part(_) => None,
    };
    let completed_at = match status {
        ActionStatus::Pending | ActionStatus::Running | ActionStatus::Retrying => None,
        ActionStatus::Completed | ActionStatus::Failed | ActionStatus::Undone | ActionStatus::Cancelled => {
            told.started_at.map(|at| at.plus(told.took.unwrap_or_default()))
        }
    };
    ActionRow {
        id: row.id,
        verb: "invoke".to_owned(),
        actor: row.caller.actor.to_string(),
        target: target_of(row),
        input: None,
        output: None,
        options: kept(row.version, export, &row.input, told.output, told.used),
        durability: Durability::Do,
        status,
        error: told.error,
        attempts,
        idempotency_key: row.key.clone(),
        request_id: Some(row.request_id.clone()),
        parent: row.parent,
        created_at: row.accepted_at,
        started_at: told.started_at,
        completed_at,
        duration_us: completed_at.and(told.took).map(|took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
    }
}
