//! A run that is recorded before it begins and goes on whatever dies: what is written down of it.

use crate::exec::Entry;
use crate::{FunctionName, Id, Identity, Json, Namespace, Reply, Retry, Timestamp};
use serde::{Deserialize, Serialize};

/// One accepted invocation. Written once; where it stands is an [`InvocationState`] and the row of its action.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InvocationRow {
    /// Of its action; what the journal calls it by.
    pub id: Id,
    /// 1, 2, 3 … in the order of acceptance in this object.
    pub number: u64,
    pub function: FunctionName,
    /// The version it is pinned to.
    pub version: u64,
    pub entry: Entry,
    /// Whole, with what is left out of the action's row.
    pub input: Json,
    pub caller: Identity,
    pub request_id: String,
    /// All randomness of the run comes from this, at each replay.
    pub seed: [u8; 16],
    pub accepted_at: Timestamp,
    /// Whether its first run began with its acceptance.
    pub began: bool,
    pub trigger: Trigger,
    /// How deep it stands below a call that nobody's function made.
    pub depth: u32,
    /// What the caller knows it by (spec DUR-10).
    pub key: Option<String>,
    /// Invocations with the same word run one at a time, in the order of acceptance, retries included.
    pub serial: Option<String>,
    pub retry: Retry,
    /// Of one attempt, in milliseconds.
    pub timeout_ms: u64,
    /// After it no attempt begins.
    pub deadline: Option<Timestamp>,
    /// Events with a higher sequence are those a wait of it may find.
    pub events_after: u64,
    /// The action that called it, if a function did.
    pub parent: Option<Id>,
    /// Of those that are ready the higher one runs first; 0 is usual. It has a row of its own
    /// ([`Row::InvocationWish`](crate::Row::InvocationWish)) where it is not.
    #[serde(skip)]
    pub priority: i8,
    /// Only faults with these codes are retried; none are named: all that can be. In the same row.
    #[serde(skip)]
    pub retry_on: Vec<String>,
}

impl InvocationRow {
    /// The priorities that can be asked for, up to and down to.
    pub const PRIORITY_MAX: i8 = 100;
    /// Codes that can be named in `retry_on`, and the longest one in bytes.
    pub const RETRY_ON_MAX: usize = 20;
    pub const CODE_BYTES_MAX: usize = 64;

    /// Whether these can be the codes of `retry_on`; else what would be accepted.
    ///
    /// # Errors
    /// A sentence for whoever wrote them.
    pub fn check_retry_on(codes: &[String]) -> Result<(), String> {
        let is_code = |code: &String| {
            (1..=Self::CODE_BYTES_MAX).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if codes.len() <= Self::RETRY_ON_MAX && codes.iter().all(is_code) {
            return Ok(());
        }
        Err(format!(
            "it names at most {} codes, each of 1 to {} letters, digits and _-. (like UPSTREAM_TIMEOUT)",
            Self::RETRY_ON_MAX,
            Self::CODE_BYTES_MAX
        ))
    }
}

/// What asked for an invocation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trigger {
    /// A caller from outside.
    Call,
    /// A function that runs.
    Step { ordinal: u32 },
    /// An event that a subscription is for; `order` is its place among the handlers of that event.
    Event { subscription: String, sequence: u64, order: u32 },
    /// A tick of a schedule, or somebody who asked for one.
    Schedule { name: String, at: Timestamp },
    /// A timer that a guest set (`timers.after`).
    Timer { name: String },
    /// A run of a workflow.
    Workflow { name: String },
    /// A function that runs in another object, by its step `ordinal`. The invocation's parent is an action there.
    Object { namespace: Namespace, ordinal: u32 },
}

/// Where an invocation stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InvocationState {
    pub id: Id,
    /// 1 while nothing has failed.
    pub attempt: u32,
    /// How often the host stopped in the middle of it since its last step (spec DUR-15).
    pub interrupted: u32,
    pub at: Standing,
}

/// What an invocation needs next.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// A place to run in.
    Ready,
    /// It has one.
    Running,
    /// The time: put off, or between two attempts.
    Delayed { until: Timestamp },
    /// The answer to its last step.
    Waiting { on: Awaited, until: Option<Timestamp> },
    /// Somebody who lets it go on.
    Paused,
    /// Nothing: it completed with this, or failed or was cancelled, as its action says.
    Done { output: Option<Json> },
}

/// What a waiting step is answered by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Awaited {
    /// The time alone.
    Time { ordinal: u32 },
    /// The end of another invocation of this object.
    Child { ordinal: u32, child: Id },
    /// An event `noun.verb` whose data pass the filter; `*` is any.
    Event { ordinal: u32, noun: String, verb: String, filter: Option<String> },
    /// That somebody answers the request that this invocation is.
    Request { ordinal: u32 },
}

impl Awaited {
    /// The step that is answered.
    pub fn ordinal(&self) -> u32 {
        match self {
            Self::Time { ordinal }
            | Self::Child { ordinal, .. }
            | Self::Event { ordinal, .. }
            | Self::Request { ordinal } => *ordinal,
        }
    }
}

/// One journaled call of an invocation: inserted when it is made, replaced when it is answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StepRow {
    pub invocation: Id,
    /// 0, 1, 2 … in the order of the calls.
    pub ordinal: u32,
    /// In which attempt it was made.
    pub attempt: u32,
    /// As [`Call::name`](crate::Call::name).
    pub name: String,
    /// What the guest named it (`options.step-id`).
    pub step_id: Option<String>,
    /// Of the whole call; a replay that asks for another one does not fit.
    pub fingerprint: u64,
    /// The call for a person: its beginning, without secrets.
    pub call: String,
    /// None: made, not answered.
    pub reply: Option<Reply>,
    /// The invocation that it began.
    pub child: Option<Id>,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}
