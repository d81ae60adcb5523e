//! What a guest can ask of its host: one closed list, so that journaling, metering and permission have one choke point.
//!
//! The last two are asked for by the engine itself, of a run that is journaled: what it performs, and what came of it.

use crate::exec::Dispatch;
use crate::{Completion, Fault, Json, RequestWarning, Timestamp};
use serde::{Deserialize, Serialize};

/// One import call of an invocation. Of the WASI calls only those stand here whose answer a replay must know.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Call {
    Send {
        action: String,
        data: Json,
        options: CallOptions,
    },
    Try {
        action: String,
        data: Json,
        options: CallOptions,
    },
    Do {
        action: String,
        data: Json,
        options: CallOptions,
    },
    Start {
        action: String,
        data: Json,
        options: CallOptions,
    },
    Join {
        action_id: String,
    },
    WorkerDo {
        worker: Option<String>,
        task: Json,
        context: Option<Json>,
    },
    Ask {
        worker: Option<String>,
        question: String,
        options: Option<Json>,
    },
    Decide {
        worker: Option<String>,
        question: String,
        options: Json,
    },
    Approve {
        worker: Option<String>,
        request: Json,
        options: Option<Json>,
    },
    Generate {
        worker: Option<String>,
        prompt: String,
        options: Option<Json>,
    },
    Notify {
        worker: Option<String>,
        message: Json,
        options: Option<Json>,
    },
    Integration {
        provider: String,
        method: String,
        args: Json,
    },
    ThingGet {
        at: ThingRef,
    },
    ThingList {
        noun: String,
        query: Option<Json>,
    },
    ThingCreate {
        noun: String,
        data: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    },
    ThingPut {
        at: ThingRef,
        data: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    },
    ThingPatch {
        at: ThingRef,
        patch: Json,
        if_version: Option<u64>,
        branch: Option<String>,
    },
    ThingDelete {
        at: ThingRef,
        if_version: Option<u64>,
        branch: Option<String>,
    },
    ThingVersions {
        at: ThingRef,
        query: Option<Json>,
    },
    Relate {
        from: ThingRef,
        verb: String,
        to: String,
        data: Option<Json>,
    },
    Unrelate {
        from: ThingRef,
        verb: String,
        to: String,
    },
    Relationships {
        from: ThingRef,
        verb: Option<String>,
    },
    References {
        to: ThingRef,
        verb: Option<String>,
    },
    Emit {
        event: String,
        data: Json,
        source: Option<String>,
    },
    WaitFor {
        event: String,
        filter: Option<String>,
        timeout_ms: Option<u64>,
    },
    Search {
        query: Json,
    },
    Sleep {
        duration_ms: u64,
    },
    SleepUntil {
        time_ms: u64,
    },
    TimerAfter {
        name: String,
        delay_ms: u64,
        action: String,
        data: Json,
    },
    TimerAt {
        name: String,
        time_ms: u64,
        action: String,
        data: Json,
    },
    TimerCancel {
        name: String,
    },
    /// An outgoing request, whole, with its secrets still as `{{secret:NAME}}`.
    Http {
        method: String,
        url: String,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Which of several pollables are ready.
    Poll {
        pollables: u32,
    },
    /// A model is asked. No import of its own: the host does it for functions and workers that are models.
    Complete {
        request: Box<Completion>,
    },
    /// A message is handed to one channel of one person.
    Deliver {
        message: Box<Dispatch>,
    },
    /// A tool of a server outside is called (MCP).
    UseTool {
        server: String,
        tool: String,
        args: Json,
        /// It changes nothing: what is not known to have been done may be done again.
        only_reads: bool,
        timeout_ms: u64,
    },
    /// A form that somebody is to fill in (a human function).
    Answer {
        worker: Option<String>,
        request: Json,
    },
    /// What the host does for the request that a run is: people are asked, waited for, and who comes next is asked.
    Request {
        what: RequestCall,
    },
    /// What is known of an agent, and the tools that it has: looked up once, so that a replay goes on with the same. No
    /// import of its own.
    Equip {
        worker: Option<String>,
        /// Tools by name, as [`AgentTool`](crate::AgentTool)s; those of the worker beside them.
        uses: Json,
    },
    /// Who is told something, by which channels and when: looked up once, so that a replay tells the same. No import of
    /// its own.
    Recipients {
        worker: String,
        /// What of the options says by which channels.
        channels: Option<Json>,
        /// How urgent it is, as [`Urgency`](crate::Urgency) spells it.
        urgency: Json,
    },
}

/// One step of work that people do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RequestCall {
    /// It is written down, with who is asked.
    Open,
    /// Until it is over, somebody else is to be told, or the time comes; so many handed it on before.
    Wait { until: Timestamp, delegations: u32 },
    /// The moment of this number in its plan has come.
    Moment { number: u32 },
    /// Messages that did not arrive are noted.
    Warn { warnings: Vec<RequestWarning> },
}

impl Call {
    /// As `wit/` spells it: `actions.try`, `worker.ask`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Send { .. } => "actions.send",
            Self::Try { .. } => "actions.try",
            Self::Do { .. } => "actions.do",
            Self::Start { .. } => "actions.start",
            Self::Join { .. } => "actions.join",
            Self::WorkerDo { .. } => "worker.do",
            Self::Ask { .. } => "worker.ask",
            Self::Decide { .. } => "worker.decide",
            Self::Approve { .. } => "worker.approve",
            Self::Generate { .. } => "worker.generate",
            Self::Notify { .. } => "worker.notify",
            Self::Integration { .. } => "integration.call",
            Self::ThingGet { .. } => "things.get",
            Self::ThingList { .. } => "things.list",
            Self::ThingCreate { .. } => "things.create",
            Self::ThingPut { .. } => "things.put",
            Self::ThingPatch { .. } => "things.patch",
            Self::ThingDelete { .. } => "things.delete",
            Self::ThingVersions { .. } => "things.versions",
            Self::Relate { .. } => "things.relate",
            Self::Unrelate { .. } => "things.unrelate",
            Self::Relationships { .. } => "things.relationships",
            Self::References { .. } => "things.references",
            Self::Emit { .. } => "events.emit",
            Self::WaitFor { .. } => "events.wait-for",
            Self::Search { .. } => "search.query",
            Self::Sleep { .. } => "timers.sleep",
            Self::SleepUntil { .. } => "timers.sleep-until",
            Self::TimerAfter { .. } => "timers.after",
            Self::TimerAt { .. } => "timers.at",
            Self::TimerCancel { .. } => "timers.cancel",
            Self::Http { .. } => "http.request",
            Self::Poll { .. } => "poll",
            Self::Complete { .. } => "model.complete",
            Self::Deliver { .. } => "channel.deliver",
            Self::UseTool { .. } => "tools.call",
            Self::Answer { .. } => "worker.answer",
            Self::Request { what: RequestCall::Open } => "request.open",
            Self::Request { what: RequestCall::Wait { .. } } => "request.wait",
            Self::Request { what: RequestCall::Moment { .. } } => "request.moment",
            Self::Request { what: RequestCall::Warn { .. } } => "request.warn",
            Self::Equip { .. } => "worker.equip",
            Self::Recipients { .. } => "worker.recipients",
        }
    }
}

/// `options` of `org-ai:actions`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CallOptions {
    pub idempotency_key: Option<String>,
    pub timeout_ms: Option<u64>,
    pub retry: Option<Retry>,
    pub target: Option<String>,
    pub serial: Option<String>,
    pub delay_ms: Option<u64>,
    pub step_id: Option<String>,
    /// Only faults with these codes are retried; none are named: all that can be. Declared steps can say it; how a call
    /// is made again is no part of which call it is, so no journal has it.
    #[serde(skip)]
    pub retry_on: Vec<String>,
}

/// `retry` of `org-ai:actions`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Retry {
    pub max_attempts: u32,
    pub initial_delay_ms: u64,
    pub max_delay_ms: u64,
    pub multiplier: f64,
    pub jitter: bool,
}

/// `thing-ref` of `org-ai:types`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ThingRef {
    pub noun: String,
    pub id: String,
    pub at: Option<String>,
}

/// What the guest is told. The engine turns it into the import's own result type.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    Json(Json),
    /// An action id.
    Text(String),
    Version(u64),
    Bool(bool),
    Done,
    Fault(Fault),
    Http(HttpReply),
    /// Positions in the list that was polled, ascending.
    Ready(Vec<u32>),
}

/// The response to an outgoing request, whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HttpReply {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}
