//! Workflows: what begins a run, and its steps (spec 8).

use super::{CatchUp, Handler, Overlap, is_default};
use crate::{Json, Retry};
use serde::{Deserialize, Serialize};

/// One workflow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkflowSpec {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default)]
    pub trigger: Trigger,
    /// Of a whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// So many runs at once; the rest wait in line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Called with the failed run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Handler>,
    pub run: WorkflowBody,
}

/// What begins a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Trigger {
    /// Somebody who asks.
    #[default]
    Manual,
    /// An event, whose data and envelope are the input; one run an event.
    Event {
        event: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<String>,
    },
    /// A tick, which is the input; one run a tick.
    Schedule {
        schedule: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timezone: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        catch_up: CatchUp,
        #[serde(default, skip_serializing_if = "is_default")]
        overlap: Overlap,
        /// Whether it may tick more often than each minute.
        #[serde(default, skip_serializing_if = "is_default")]
        allow_sub_minute: bool,
    },
}

/// What a run does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WorkflowBody {
    /// A guest's own code, whose calls are the steps.
    Handler(Handler),
    /// These, one after the other.
    Steps(Vec<Step>),
}

/// One declared step. Each has a name that is unique in its workflow; what it gave is `steps.NAME.output` in the
/// templates of later ones. As JSON it is `{"do": {"name": …}}`: an enum with its tag inside would read its numbers and
/// texts by way of a form that keeps neither as they were sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// Calls something, as a durable action.
    Do {
        name: String,
        action: Handler,
        /// A [template](super::render).
        #[serde(default = "Json::null")]
        input: Json,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry: Option<RetrySpec>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// Takes the step back when the run is cancelled or fails after it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compensate: Option<Compensation>,
    },
    Sleep {
        name: String,
        for_ms: u64,
    },
    SleepUntil {
        name: String,
        /// RFC 3339, or a template that gives one.
        until: String,
    },
    /// The output is the event.
    WaitForEvent {
        name: String,
        event: String,
        /// May speak of `input` beside the event (spec WFL-6).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filter: Option<String>,
        #[serde(default = "wait_timeout_ms")]
        timeout_ms: u64,
        /// The output when nothing came in time, which without one is a failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<Json>,
    },
    /// The steps of the way that is not taken are skipped.
    Branch {
        name: String,
        /// An expression over `input` and `steps`.
        when: String,
        then: Vec<Step>,
        #[serde(default, rename = "else", skip_serializing_if = "Vec::is_empty")]
        otherwise: Vec<Step>,
    },
    /// Ends when all branches have; the first failure fails it.
    Parallel {
        name: String,
        branches: Vec<Vec<Step>>,
    },
    /// Asks somebody; the output is what they answered.
    Approval {
        name: String,
        /// A template.
        prompt: String,
        /// `Human/ann`, `role:finance`; none is the object's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        worker: Option<String>,
        /// A template: what is to be approved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Json>,
        #[serde(default = "wait_timeout_ms")]
        timeout_ms: u64,
        #[serde(default, skip_serializing_if = "is_default")]
        on_timeout: OnTimeout,
    },
}

impl Step {
    /// How long a wait may last that does not say it (spec WFL-2).
    pub const WAIT_MS: u64 = 24 * 3600 * 1000;
    /// The longest wait (spec WFL-2).
    pub const WAIT_MS_MAX: u64 = 365 * 24 * 3600 * 1000;

    pub fn name(&self) -> &str {
        match self {
            Self::Do { name, .. }
            | Self::Sleep { name, .. }
            | Self::SleepUntil { name, .. }
            | Self::WaitForEvent { name, .. }
            | Self::Branch { name, .. }
            | Self::Parallel { name, .. }
            | Self::Approval { name, .. } => name,
        }
    }
}

fn wait_timeout_ms() -> u64 {
    Step::WAIT_MS
}

/// What takes a step back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compensation {
    pub action: Handler,
    /// A template, which may speak of the step itself.
    #[serde(default = "Json::null")]
    pub input: Json,
}

/// What an approval is when nobody answered in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// The step fails with code `WAIT_TIMEOUT`.
    #[default]
    Fail,
    Reject,
    Approve,
}

/// How often and how far apart something is tried (spec DUR-7, whose figures are the defaults).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetrySpec {
    /// The first one counts.
    pub max_attempts: u32,
    pub initial_delay_ms: u64,
    pub max_delay_ms: u64,
    pub multiplier: f64,
    pub jitter: bool,
    /// Only faults with these codes are tried again; none are named: all that can be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<String>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        let retry_on = Vec::new();
        Self { max_attempts: 3, initial_delay_ms: 100, max_delay_ms: 30_000, multiplier: 2.0, jitter: true, retry_on }
    }
}

impl From<RetrySpec> for Retry {
    fn from(spec: RetrySpec) -> Self {
        let RetrySpec { max_attempts, initial_delay_ms, max_delay_ms, multiplier, jitter, retry_on: _ } = spec;
        Self { max_attempts, initial_delay_ms, max_delay_ms, multiplier, jitter }
    }
}
