//! One subscription as it is in effect: what it is for, in which order it is served.

use super::noun_of;
use super::webhook::WebhookSpec;
use crate::declared::{Declared, Definition, Kind, WORKFLOW_LISTENER};
use model::filter::Filter;
use model::pattern::Pattern;
use serde::{Deserialize, Serialize};
use types::deployment::{SubscriptionSpec, Trigger as WorkflowTrigger, WorkflowSpec};
use types::{EventRow, Fault};

/// Automatic retries of one delivery.
const RETRIES_MAX: u32 = 100;

/// A subscription, read.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) name: String,
    pub(crate) spec: SubscriptionSpec,
    /// It is for events behind this one.
    pub(crate) after: u64,
    /// A workflow that has a run for each of its events, instead of a handler.
    pub(crate) workflow: Option<String>,
    /// A URL that its events are posted to, instead of a handler.
    pub(crate) webhook: Option<String>,
    pattern: Pattern,
    filter: Option<Filter>,
}

impl Subscription {
    /// # Errors
    /// `invalid`, with the member that is wrong.
    pub(crate) fn read(name: &str, spec: SubscriptionSpec, after: u64) -> Result<Self, Fault> {
        let pattern = Pattern::parse(&spec.event).map_err(|e| Fault::invalid("EVENT_INVALID", e.to_string()))?;
        let filter = spec.filter.as_deref().map(Filter::parse).transpose();
        let filter = filter.map_err(|e| Fault::invalid("FILTER_INVALID", e.to_string()))?;
        if filter.as_ref().is_some_and(Filter::uses_input) {
            let message = "a subscription has no input; its filter compares parts of the event, like data.amount > 10";
            return Err(Fault::invalid("FILTER_INVALID", message));
        }
        if spec.max_retries > RETRIES_MAX {
            let message = format!("maxRetries is {}; 0 to {RETRIES_MAX} are accepted", spec.max_retries);
            return Err(Fault::invalid("RETRY_INVALID", message));
        }
        Ok(Self { name: name.to_owned(), spec, after, workflow: None, webhook: None, pattern, filter })
    }

    /// Whether its pattern names the event. What the platform tells of runs is so much that it reaches only who asks for
    /// it by its noun: a subscription to everything would be told of its own runs.
    pub(crate) fn is_for(&self, event: &EventRow) -> bool {
        let noun = noun_of(&event.source);
        event.sequence > self.after
            && self.pattern.matches(noun, &event.verb)
            && (!tells_of_a_run(event) || self.pattern.noun().is_some())
    }

    /// What cannot be answered is no match (spec WSM-3).
    pub(crate) fn passes(&self, payload: &serde_json::Value) -> bool {
        let Some(filter) = &self.filter else { return true };
        filter.matches(payload).unwrap_or_else(|error| {
            tracing::debug!(subscription = self.name, %error, "a filter cannot be answered for an event");
            false
        })
    }
}

/// Whether the platform wrote it about a run of a function, or about what was posted to a webhook.
pub(super) fn tells_of_a_run(event: &EventRow) -> bool {
    [crate::functions::NOUN, Kind::Subscription.noun()].contains(&noun_of(&event.source))
        && matches!(event.verb.as_str(), "invoked" | "completed" | "failed" | "cancelled")
}

/// Priority, then how exact the pattern is, then registration.
pub(super) fn in_order(declared: &Declared) -> Vec<Subscription> {
    let mut found: Vec<_> = declared.all(Kind::Subscription).iter().filter_map(|d| of(d)).collect();
    found.extend(declared.all(Kind::Workflow).iter().filter_map(|d| of_workflow(d)));
    found.sort_by(|a, b| {
        let place = |s: &Subscription| (std::cmp::Reverse(s.spec.priority), s.pattern.rank(), s.after);
        place(a).cmp(&place(b)).then_with(|| a.name.cmp(&b.name))
    });
    found
}

/// Whether it is told of events.
pub(crate) fn listens(kind: Kind, row: &types::ThingRow) -> bool {
    match kind {
        Kind::Subscription => true,
        Kind::Workflow => begins_with(row.data.as_str()).is_some(),
        Kind::Schedule | Kind::Function | Kind::Deployment => false,
    }
}

/// The event that begins a run of a workflow, with its filter.
fn begins_with(spec: &str) -> Option<(WorkflowSpec, String, Option<String>)> {
    let spec: WorkflowSpec = serde_json::from_str(spec).ok()?;
    match spec.trigger.clone() {
        WorkflowTrigger::Event { event, filter } => Some((spec, event, filter)),
        WorkflowTrigger::Manual | WorkflowTrigger::Schedule { .. } => None,
    }
}

fn of_workflow(definition: &Definition) -> Option<Subscription> {
    let (workflow, event, filter) = begins_with(definition.spec.as_str())?;
    let name = format!("{WORKFLOW_LISTENER}{}", definition.name);
    let runs = ListenerSpec { event, workflow: workflow.name.clone(), priority: 0, filter };
    let read = runs.subscription(&name, definition.after);
    let read = read.map_err(|fault| tracing::warn!(workflow = workflow.name, %fault, "its event does not begin it"));
    read.ok()
}

/// A workflow that begins a run for each event of a subscription made while the object runs (spec ON-8), as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ListenerSpec {
    pub(super) event: String,
    pub(super) workflow: String,
    #[serde(default)]
    pub(super) priority: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
}

impl ListenerSpec {
    pub(super) fn of(definition: &Definition) -> Option<Self> {
        serde_json::from_str(definition.spec.as_str()).ok()
    }

    /// As the bus serves it. A run is retried as its workflow says, so its delivery is not.
    pub(super) fn subscription(self, name: &str, after: u64) -> Result<Subscription, Fault> {
        let Self { event, workflow, priority, filter } = self;
        let handler = crate::schedules::placeholder();
        let spec = SubscriptionSpec { name: Some(name.to_owned()), event, handler, priority, filter, max_retries: 0 };
        Ok(Subscription { workflow: Some(workflow), ..Subscription::read(name, spec, after)? })
    }
}

fn of(definition: &Definition) -> Option<Subscription> {
    let read = match (WebhookSpec::of(definition), ListenerSpec::of(definition)) {
        (Some(webhook), _) => webhook.subscription(&definition.name, definition.after),
        (None, Some(runs)) => runs.subscription(&definition.name, definition.after),
        (None, None) => serde_json::from_str::<SubscriptionSpec>(definition.spec.as_str())
            .map_err(|e| Fault::invalid("SUBSCRIPTION_INVALID", e.to_string()))
            .and_then(|spec| Subscription::read(&definition.name, spec, definition.after)),
    };
    read.map_err(|fault| tracing::warn!(subscription = definition.name, %fault, "a stored subscription is not served"))
        .ok()
}
