//! Durable invocations as callers see them.

use runtime::{Invocation, InvocationShown, InvocationStatus, LogEntry, Upgraded};
use serde::Serialize;
use types::exec::{Entry, Part};
use types::{ActionRow, ActionStatus, Awaited, Fault, FunctionName, Json, Reply, Standing, StepRow, Trigger};
use utoipa::ToSchema;

/// How much of an answer, an input or a result is shown, in bytes.
const SUMMARY_BYTES_MAX: usize = 1024;

/// One invocation in a list.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationLine)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvocationLineView {
    /// Of its action.
    pub(crate) id: String,
    /// What was called: `pay`, `calc.add`.
    pub(crate) name: String,
    /// The version it is pinned to.
    pub(crate) version: u64,
    pub(crate) trigger: TriggerView,
    /// `pending`, `running`, `waiting`, `retrying`, `paused`, `completed`, `failed`, `cancelled`.
    pub(crate) status: &'static str,
    /// Which attempt it is.
    pub(crate) attempt: u32,
    /// When it goes on at the latest, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    pub(crate) accepted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<String>,
    /// From its acceptance to its end, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<u64>,
    /// The invocation whose step began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
}

/// What asked for an invocation.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationTrigger)]
pub(crate) struct TriggerView {
    /// `call`, `step`, `event`, `schedule`, `timer`, `workflow`, or `object`: a step of a run in another one.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Of the subscription, the schedule, the timer or the workflow; the URL of the other object.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    /// The ordinal of the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u32>,
    /// The tick of the schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl TriggerView {
    fn of(trigger: &Trigger) -> Self {
        let plain = |kind| Self { kind, name: None, sequence: None, step: None, at: None };
        match trigger {
            Trigger::Call => plain("call"),
            Trigger::Step { ordinal } => Self { step: Some(*ordinal), ..plain("step") },
            Trigger::Event { subscription, sequence, order: _ } => {
                Self { name: Some(subscription.clone()), sequence: Some(*sequence), ..plain("event") }
            }
            Trigger::Schedule { name, at } => {
                Self { name: Some(name.clone()), at: Some(at.to_string()), ..plain("schedule") }
            }
            Trigger::Timer { name } => Self { name: Some(name.clone()), ..plain("timer") },
            Trigger::Workflow { name } => Self { name: Some(name.clone()), ..plain("workflow") },
            Trigger::Object { namespace, ordinal } => {
                Self { name: Some(namespace.to_string()), step: Some(*ordinal), ..plain("object") }
            }
        }
    }
}

impl InvocationLineView {
    pub(crate) fn of(invocation: &Invocation, action: Option<&ActionRow>) -> Self {
        let Invocation { row, state } = invocation;
        let was_cancelled = action.is_some_and(|a| a.status == ActionStatus::Cancelled);
        let over = matches!(state.at, Standing::Done { .. });
        let completed_at = action.and_then(|a| a.completed_at).filter(|_| over);
        let until = match &state.at {
            Standing::Delayed { until } => Some(*until),
            Standing::Waiting { until, on: _ } => *until,
            Standing::Ready | Standing::Running | Standing::Paused | Standing::Done { .. } => None,
        };
        let name = match &row.entry {
            Entry::Export(export) => format!("{}.{export}", row.function),
            Entry::Elsewhere { target, action, .. } => format!("{action} at {target}"),
            Entry::Work { worker, method } => format!("{worker} {}", method.as_str()),
            Entry::Part(Part::CallTool { name }) => format!("{}.{name}", row.function),
            Entry::Run
            | Entry::Handle { .. }
            | Entry::Describe
            | Entry::Steps { .. }
            | Entry::Webhook { .. }
            | Entry::Part(_) => row.function.to_string(),
        };
        Self {
            id: row.id.to_string(),
            name,
            version: row.version,
            trigger: TriggerView::of(&row.trigger),
            status: InvocationStatus::of(state, was_cancelled).as_str(),
            attempt: state.attempt,
            until: until.map(|at| at.to_string()),
            accepted_at: row.accepted_at.to_string(),
            completed_at: completed_at.map(|at| at.to_string()),
            duration: completed_at.map(|at| at.millis_since(row.accepted_at)),
            parent: row.parent.map(|id| id.to_string()),
        }
    }
}

/// One invocation with what it did.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationTimeline)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvocationView {
    #[serde(flatten)]
    line: InvocationLineView,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<String>,
    /// How many attempts it has at most.
    attempts_max: u32,
    /// Only faults with these codes are retried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_on: Vec<String>,
    priority: i8,
    /// What it waits for: `time`, `step 3 (0198…)`, `Order.paid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<String>,
    /// Redacted; a long one is cut, and is a text then.
    #[schema(value_type = Object)]
    input: Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<Fault>,
    /// The server's clock when it was asked.
    now: String,
    steps: Vec<StepView>,
    /// `from` of the next page of steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps_next: Option<u32>,
    /// Those that its steps began. Nested four levels deep, 50 in all.
    #[schema(no_recursion)]
    children: Vec<InvocationView>,
    /// Whether there are children that are not shown.
    has_more_children: bool,
    /// What it wrote; left out for a caller without `logs.read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<Vec<StepLogView>>,
    has_more_logs: bool,
}

/// One recorded call.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationStep)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    ordinal: u32,
    /// `actions.do`, `things.put`, …
    #[schema(example = "actions.do")]
    name: String,
    /// What the function named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_id: Option<String>,
    /// The call in short, redacted.
    call: String,
    attempt: u32,
    /// `answered`, `failed`, `pending`.
    state: &'static str,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<u64>,
    /// The answer in short, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    /// The invocation that it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<String>,
}

/// One line that it wrote.
#[derive(Serialize, ToSchema)]
#[schema(as = InvocationLog)]
pub(crate) struct StepLogView {
    at: String,
    stream: &'static str,
    text: String,
}

impl InvocationView {
    pub(crate) fn of(shown: &InvocationShown) -> Self {
        let row = &shown.invocation.row;
        let output = match &shown.invocation.state.at {
            Standing::Done { output } => output.as_ref(),
            Standing::Ready
            | Standing::Running
            | Standing::Delayed { .. }
            | Standing::Waiting { .. }
            | Standing::Paused => None,
        };
        Self {
            line: InvocationLineView::of(&shown.invocation, shown.action.as_ref()),
            actor: row.caller.actor.to_string(),
            serial: row.serial.clone(),
            idempotency_key: row.key.clone(),
            deadline: row.deadline.map(|at| at.to_string()),
            attempts_max: row.retry.max_attempts,
            retry_on: row.retry_on.clone(),
            priority: row.priority,
            waits_for: waits_for(&shown.invocation.state.at),
            input: short(&row.input),
            output: output.map(short),
            error: shown.action.as_ref().and_then(|a| a.error.clone()),
            now: shown.at.to_string(),
            steps: shown.steps.iter().map(StepView::of).collect(),
            steps_next: shown.steps_next,
            children: shown.children.iter().map(Self::of).collect(),
            has_more_children: shown.has_more_children,
            logs: shown.logs.as_ref().map(|lines| lines.iter().map(StepLogView::of).collect()),
            has_more_logs: shown.has_more_logs,
        }
    }
}

pub(crate) fn waits_for(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Delayed { .. } => Some("time".to_owned()),
        Standing::Waiting { on, until: _ } => Some(match on {
            Awaited::Time { .. } => "time".to_owned(),
            Awaited::Child { ordinal, child } => format!("step {ordinal} ({child})"),
            Awaited::Event { noun, verb, .. } => format!("{noun}.{verb}"),
            Awaited::Request { .. } => "an answer".to_owned(),
        }),
        Standing::Ready | Standing::Running | Standing::Paused | Standing::Done { .. } => None,
    }
}

impl StepView {
    fn of(step: &StepRow) -> Self {
        Self {
            ordinal: step.ordinal,
            name: step.name.clone(),
            step_id: step.step_id.clone(),
            call: step.call.clone(),
            attempt: step.attempt,
            state: match &step.reply {
                None => "pending",
                Some(Reply::Fault(_)) => "failed",
                Some(_) => "answered",
            },
            started_at: step.started_at.to_string(),
            ended_at: step.ended_at.map(|at| at.to_string()),
            duration: step.ended_at.map(|at| at.millis_since(step.started_at)),
            reply: step.reply.as_ref().map(summary),
            child: step.child.map(|id| id.to_string()),
        }
    }
}

impl StepLogView {
    fn of(entry: &LogEntry) -> Self {
        let line = &entry.line;
        Self { at: line.at.to_string(), stream: line.stream.as_str(), text: line.text.clone() }
    }
}

/// An answer in short. Headers and bodies of a response are another's: only what came is said.
fn summary(reply: &Reply) -> String {
    let text = match reply {
        Reply::Json(json) => types::redact(json).to_string(),
        Reply::Text(text) => text.clone(),
        Reply::Version(version) => format!("v{version}"),
        Reply::Bool(flag) => flag.to_string(),
        Reply::Done => "done".to_owned(),
        Reply::Fault(fault) => format!("{}: {}", fault.code, fault.message),
        Reply::Http(http) => format!("{}, {} bytes", http.status, http.body.len()),
        Reply::Ready(ready) => format!("{ready:?}"),
    };
    cut(text)
}

fn cut(mut text: String) -> String {
    if text.len() > SUMMARY_BYTES_MAX {
        text.truncate(text.floor_char_boundary(SUMMARY_BYTES_MAX - '…'.len_utf8()));
        text.push('…');
    }
    text
}

/// A value as it is, redacted; a long one as the beginning of its text.
fn short(json: &Json) -> Json {
    let shown = types::redact(json);
    if shown.as_str().len() <= SUMMARY_BYTES_MAX { shown } else { Json::of(&cut(shown.to_string())) }
}

/// What became of the unfinished invocations of a function.
#[derive(Serialize, ToSchema)]
#[schema(as = Upgraded)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpgradedView {
    name: String,
    /// The version that was meant.
    to: u64,
    dry_run: bool,
    /// Go on with it, or would.
    moves: Vec<MovesView>,
    /// Stay with their version, because this one would not do what was done.
    diverges: Vec<DivergesView>,
    /// Run just now: ask again.
    busy: Vec<String>,
    /// Invocations of it that are not over and were pinned to another version, all pages together.
    unfinished: u64,
    /// `cursor` of the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UpgradeMove)]
struct MovesView {
    id: String,
    /// The version it was pinned to.
    from: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UpgradeDivergence)]
struct DivergesView {
    id: String,
    /// The version it stays with.
    from: u64,
    /// Of the first step that differs.
    ordinal: u32,
    /// What it was, and what the other version asks for there.
    recorded: String,
    asked: String,
}

impl UpgradedView {
    pub(crate) fn of(name: &FunctionName, dry_run: bool, upgraded: &Upgraded) -> Self {
        let diverges = upgraded.diverges.iter().map(|d| DivergesView {
            id: d.id.to_string(),
            from: d.version,
            ordinal: d.divergence.ordinal,
            recorded: d.divergence.recorded.clone(),
            asked: d.divergence.asked.clone(),
        });
        Self {
            name: name.to_string(),
            to: upgraded.to,
            dry_run,
            moves: upgraded.moves.iter().map(|(id, from)| MovesView { id: id.to_string(), from: *from }).collect(),
            diverges: diverges.collect(),
            busy: upgraded.busy.iter().map(ToString::to_string).collect(),
            unfinished: upgraded.unfinished,
            next: upgraded.next.map(|number| number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_secret_is_not_shown() {
        let long = Json::of(&"ä".repeat(2000));
        assert!(short(&long).to_value().as_str().unwrap().len() <= SUMMARY_BYTES_MAX);
        assert!(summary(&Reply::Json(long)).len() <= SUMMARY_BYTES_MAX);
        let secret = Json::parse(r#"{"password":"hunter2","a":1}"#).unwrap();
        assert_eq!(summary(&Reply::Json(secret)), r#"{"password":"[REDACTED]","a":1}"#);
    }
}
