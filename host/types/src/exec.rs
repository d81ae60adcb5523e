//! The seam between who keeps objects alive (`runtime`) and who runs components (`engine`, or a script in `testkit`).

use crate::{
    ActionShape, BranchOf, Call, Completed, Completion, Fault, FunctionKind, Hash, Id, Json, Limits, LogStream,
    Manifest, Namespace, Price, Reply, Spent, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Answers when what the guest wrote until now is durable (spec RUN-2). A fault: nothing may leave.
pub type Gate = Arc<dyn Fn() -> BoxFuture<'static, Result<(), Fault>> + Send + Sync>;

/// Runs components.
pub trait Executor: Send + Sync + 'static {
    /// Validates and compiles a component and keeps the result for `run`, so that the first call is warm already.
    /// Takes seconds for a large one: call it where blocking is allowed. What it refuses is the author's fault: the
    /// kind is `invalid`, or `unavailable` when the host is at its limit.
    fn prepare(&self, component: &ComponentFile) -> Result<Inspection, Fault>;

    /// Runs one export in an instance of its own, to its end or to a limit. Dropping the future ends the run. How the
    /// guest fails is the outcome's fault; nothing a guest does makes this panic.
    fn run(&self, job: Job, host: Box<dyn Host>) -> BoxFuture<'_, Outcome>;

    /// Who posts what the host itself has to tell; None: nobody does here.
    fn courier(&self) -> Option<&dyn Courier> {
        None
    }
}

/// Posts what the host itself has to tell a server outside, behind the guard that guests' requests pass: an address that
/// is not public is refused after its name was resolved, and redirects are not followed.
pub trait Courier: Send + Sync {
    /// Answers when the server has. A status is no fault, whatever it is.
    ///
    /// # Errors
    /// `forbidden` for an address that is not allowed, `limit` for a body that is too large, `upstream` or `timeout` when
    /// no answer came, `unavailable` when this host has too much to post.
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, Fault>>;
}

/// All that a node reaches beyond its own files.
#[derive(Clone)]
pub struct Outside {
    pub executor: Arc<dyn Executor>,
    /// None: no model is configured.
    pub models: Option<Arc<dyn Models>>,
    /// None: nobody can be written to; people find their tasks in the inbox.
    pub channels: Option<Arc<dyn Channels>>,
    /// None: tools of servers outside are not to be had.
    pub tools: Option<Arc<dyn ToolServers>>,
}

impl<E: Executor> From<Arc<E>> for Outside {
    fn from(executor: Arc<E>) -> Self {
        Self { executor, models: None, channels: None, tools: None }
    }
}

impl From<Arc<dyn Executor>> for Outside {
    fn from(executor: Arc<dyn Executor>) -> Self {
        Self { executor, models: None, channels: None, tools: None }
    }
}

/// Asks models.
pub trait Models: Send + Sync + 'static {
    /// Asks one, and answers with all that it said. What is heard before the end goes to `heard` piece by piece; nobody
    /// need listen. A status that may pass (429, 5xx, no connection) is tried again a few times, as the provider asks.
    ///
    /// # Errors
    /// `upstream` (`MODEL_UNAVAILABLE` when none of that name is configured, naming the setting; `MODEL_FAILED`,
    /// `MODEL_ANSWER_INVALID`), `timeout` or `limit`. Never an invented answer.
    fn complete(&self, request: Completion, heard: Heard) -> BoxFuture<'_, Result<Completed, Fault>>;

    /// A vector for each text, of `dimensions` numbers if that is said.
    ///
    /// # Errors
    /// As for `complete`.
    fn embed(
        &self,
        model: Option<String>,
        texts: Vec<String>,
        dimensions: Option<u32>,
    ) -> BoxFuture<'_, Result<Embedded, Fault>>;

    /// What the model costs that a completion with this name would ask; None: that is not known.
    fn price(&self, model: Option<&str>) -> Option<Price> {
        let _ = model;
        None
    }
}

/// A vector for each text, and what they cost.
pub type Embedded = (Vec<Vec<f32>>, Spent);

/// Where the pieces of an answer go while it is being said. Whoever listens must not wait.
pub type Heard = Option<Arc<dyn Fn(&str) + Send + Sync>>;

/// Hands messages to people.
pub trait Channels: Send + Sync + 'static {
    /// Hands over one message on one channel, once; who tries again is the caller.
    ///
    /// # Errors
    /// `unavailable` when there is no channel of that kind here (naming the setting), `invalid` for a target that is none,
    /// else `upstream` or `timeout`.
    fn deliver(&self, message: Dispatch) -> BoxFuture<'_, Result<(), Fault>>;
}

/// A message for one channel of one person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dispatch {
    /// The same for each attempt, so that a receiver can tell a message that it has (`Message-ID`, `webhook-id`).
    pub id: String,
    pub channel: ChannelKind,
    /// An address, a channel's or user's id, a number, a URL.
    pub target: String,
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// What the receiver can press, each with where that leads; as links where the channel has no buttons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// Of a webhook: the payload to be posted, and the secret to sign it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Json>,
}

/// Something that the receiver of a message can press.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    pub label: String,
    /// A page that asks once more; a GET decides nothing.
    pub url: String,
    /// What a button says to who verifies it (Slack).
    pub value: String,
}

/// How somebody can be written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    Email,
    Slack,
    Sms,
    Webhook,
}

impl ChannelKind {
    pub const ALL: [Self; 4] = [Self::Email, Self::Slack, Self::Sms, Self::Webhook];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Sms => "sms",
            Self::Webhook => "webhook",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Servers outside that offer tools (MCP).
pub trait ToolServers: Send + Sync + 'static {
    /// What the server of that name offers.
    ///
    /// # Errors
    /// `not-found` for a server that is not configured (naming those that are), else `upstream` or `timeout`.
    fn list(&self, server: String) -> BoxFuture<'_, Result<Vec<ServerTool>, Fault>>;

    /// Calls one of its tools, once. That the tool itself says it failed is `failed` (`TOOL_FAILED`).
    ///
    /// # Errors
    /// As for `list`; `upstream` (`TOOL_UNCERTAIN`) when the call was made and no answer came.
    fn call(&self, server: String, tool: String, args: Json) -> BoxFuture<'_, Result<Json, Fault>>;
}

/// A tool of a server outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerTool {
    pub spec: crate::ToolSpec,
    /// It says that it changes nothing, so that it may be called again.
    pub only_reads: bool,
}

/// One request of the host's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// `http` or `https`.
    pub url: String,
    /// Beside those that HTTP itself needs; names in lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// For all of it, name resolution and the wait for a place included.
    pub timeout: Duration,
}

/// What a server said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub status: u16,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Answers what a running guest asks.
pub trait Host: Send {
    /// Every import call goes through here. The future may take as long as what was asked for.
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply>;

    /// What anything has to pass that leaves the host by a way that is no [`Call`] (an outgoing HTTP request).
    fn gate(&self) -> Gate {
        Arc::new(|| Box::pin(std::future::ready(Ok(()))))
    }

    /// The journal of a run that has one (`do`): what the engine itself performs outside goes through it too.
    fn steps(&self) -> Option<Arc<dyn Steps>> {
        None
    }

    /// A whole line, as soon as it was written.
    fn log(&mut self, stream: LogStream, line: String);

    /// The guest's wall clock.
    fn now(&mut self) -> Timestamp;

    /// Whether somebody asked the run to end.
    fn is_cancelled(&self) -> bool;
}

/// A journal, for what the engine performs itself: outgoing HTTP, and waiting for several things at once.
pub trait Steps: Send + Sync {
    /// Takes the next ordinal, at the moment the guest makes the call: the order of ordinals is the order of calls.
    fn open(&self) -> u32;

    /// The call of that ordinal, as soon as it is whole. A fault: the run cannot go on, because the journal has another
    /// call there (code `NON_DETERMINISTIC`), or because what was written before cannot be made durable.
    fn begin(&self, ordinal: u32, call: Call) -> BoxFuture<'static, Result<Begun, Fault>>;

    /// What came of a call that was to be performed. Answers when the guest may be told.
    fn end(&self, ordinal: u32, reply: Reply) -> BoxFuture<'static, Result<(), Fault>>;
}

/// What a journal says of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Begun {
    /// It was performed before.
    Recorded(Reply),
    /// It is to be performed now; the key is the same each time this step is performed.
    Perform { key: String },
}

/// A component in the local blob store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComponentFile {
    pub hash: Hash,
    pub path: PathBuf,
}

/// What the host learned from a component's own bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspection {
    pub kind: FunctionKind,
    pub actions: Vec<ActionShape>,
    pub imports: Vec<String>,
}

/// Which of a component's exports is called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Entry {
    /// `run` of world `code`, or the only function of a tool box.
    Run,
    /// A function of a tool box.
    Export(String),
    /// `handle(kind, name, payload)` of world `app`; the input is the payload.
    Handle { kind: HandlerKind, name: String },
    /// `describe()` of world `app`; the input is not looked at. Every import is refused.
    Describe,
    /// The declared steps of a workflow, or of one branch of it: no component is called, the host goes through them.
    Steps { workflow: String, branch: Option<BranchOf> },
    /// An event is posted to the webhook of this subscription: no component is called.
    Webhook { subscription: String },
    /// A worker is asked for something; the input says for what. No component is called.
    Work { worker: crate::Worker, method: crate::Method },
    /// A `do` in another object, for a run that does not wait for it yet (`start` with a target). No component is called.
    Elsewhere { target: Namespace, action: String, options: Json },
    /// One export of a world whose runs have several: the host calls them, and a model or a person between them.
    Part(Part),
}

/// One export of the worlds `generative`, `agentic` and `human`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// `prompt(input)`
    Prompt,
    /// `goal(input)`
    Goal,
    /// `tools()`
    Tools,
    /// `call-tool(name, args)`; the input is the arguments.
    CallTool { name: String },
    /// `request(input)`
    Request,
    /// `finish(input, answer)`, of each of the three.
    Finish { answer: Json },
}

/// What an app's handler is called for (spec WSM-2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandlerKind {
    Event,
    Schedule,
    Rpc,
    Function,
    Workflow,
    Alarm,
    Message,
    Lifecycle,
    Probe,
}

impl HandlerKind {
    /// As `handle` of `wit/` spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Schedule => "schedule",
            Self::Rpc => "rpc",
            Self::Function => "function",
            Self::Workflow => "workflow",
            Self::Alarm => "alarm",
            Self::Message => "message",
            Self::Lifecycle => "lifecycle",
            Self::Probe => "probe",
        }
    }
}

/// One run to be made.
#[derive(Clone, Debug)]
pub struct Job {
    pub component: ComponentFile,
    pub kind: FunctionKind,
    pub entry: Entry,
    pub input: Json,
    pub limits: Limits,
    pub manifest: Arc<Manifest>,
    /// The unpacked bundle behind `/assets`.
    pub assets: Option<PathBuf>,
    /// Values of the secrets that the manifest names. They never enter the guest.
    pub secrets: Arc<BTreeMap<String, String>>,
    pub invocation: Invocation,
    /// All randomness of the run comes from this.
    pub seed: [u8; 32],
}

/// What `context.get` tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation {
    pub id: Id,
    pub namespace: String,
    pub function: String,
    pub version: u64,
    pub actor: Arc<str>,
    pub attempt: u32,
    pub deadline: Timestamp,
    pub parent: Option<Id>,
}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    pub result: Result<Json, Fault>,
    pub usage: Usage,
}

/// What a run used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub cpu_us: u64,
    pub memory_bytes_peak: u64,
    pub host_calls: u64,
    pub log_bytes: u64,
}
