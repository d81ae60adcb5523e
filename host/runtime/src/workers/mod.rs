//! Agents and people behind one interface (spec 11), and functions that are a model, an agent or a person (spec 7.3–7.5).
//!
//! What a worker is asked for is *work*: a durable invocation with the entry [`Entry::Work`], whoever asks (a guest, a
//! workflow, a caller from outside) and whoever answers. It has no component; the host goes through it here and makes
//! its calls to the same choke point as a guest would. So an answer of a model, a tool's result and a message that was
//! handed over are steps, a wait for a person is rows, and all of it goes on after a crash. A function of kind
//! `generative`, `agentic` or `human` is run the same way, with the exports of its component between the calls; in a
//! run without a journal (`try`) the same code makes the same calls and none is recorded.
//!
//! `ask` begins work and waits for it, `person` is the work that people do (`request_step` its steps, `request` what an
//! answer does, `requests` what is asked of it from outside, `people` who is there, `message` what they are sent).
//! `outside` performs what leaves the host (models, channels, tools of others) and `ledger` counts what models cost;
//! `complete` asks a model until its answer fits. `generative`, `agentic` and `human` are the three kinds, `said` is what
//! their components say, or their definitions, `generate` a question without either. `notify` tells people something, to
//! whom and by what `recipients` finds out, and `links` are what they answer by. `inbox` is what the web console asks
//! beyond all that.

mod agent;
mod agentic;
mod ask;
pub(crate) mod complete;
mod generate;
mod generative;
mod human;
mod inbox;
mod links;
mod message;
mod notify;
mod outside;
mod people;
mod person;
mod recipients;
mod replies;
mod request;
mod request_step;
mod requests;
pub use links::Link;
pub(crate) use notify::is_notice;
pub(crate) use request::withdraw;
pub use request::{Decider, Decision};
pub use requests::{RequestsWanted, Settled};
mod ledger;
mod said;

pub use generate::GenerateWanted;
pub(crate) use ledger::Ledger;
pub use ledger::UsageShown;
pub(crate) use said::check_places;
mod equip;
mod hands;
mod remember;
mod runs;
pub use runs::{About, AgentRun, AgentShown, Waits};

use crate::durable::DurableRun;
use crate::guest::GuestHost;
use crate::invoke::Ready;
use crate::object::Object;
use crate::running::Running;
use std::sync::Arc;
use std::time::Duration;
use types::exec::{BoxFuture, Entry, Part};
use types::{Call, Fault, FaultKind, FunctionKind, Json, Limits, Method, Reply, Worker};

/// Runs a function of any kind, to its end. Boxed: a run may call, which runs, and the type of the future would contain
/// itself.
pub(crate) fn run<'a>(
    object: &'a Object,
    running: &'a Arc<Running>,
    ready: Ready,
    limits: Limits,
    seed: [u8; 32],
    attempt: u32,
) -> BoxFuture<'a, Result<Json, Fault>> {
    let parts = Parts { object, running, ready, limits, seed, attempt };
    Box::pin(run_parts(parts))
}

async fn run_parts(parts: Parts<'_>) -> Result<Json, Fault> {
    let function = parts.ready.function.clone();
    let output = match (function.def.kind, &parts.ready.entry) {
        (FunctionKind::Generative, Entry::Run) => generative::run(&parts).await?,
        // What its schema is of is the output inside of what it gives.
        (FunctionKind::Agentic, Entry::Run) => return agentic::run(&parts).await,
        (FunctionKind::Human, Entry::Run) => human::run(&parts).await?,
        // Nobody outside sees what a part gives.
        (_, Entry::Part(_)) => return parts.whole().await,
        _ => parts.whole().await?,
    };
    function.schemas.check_output(&output)?;
    Ok(output)
}

/// The same for a run without a journal. A model takes longer than code may: where one is asked, the limit is another one.
pub(crate) async fn run_within(
    object: &Object,
    running: &Arc<Running>,
    ready: Ready,
    limits: Limits,
    timeout: Option<Duration>,
) -> Result<Json, Fault> {
    let most = attempt_limit(ready.function.def.kind);
    let run = run(object, running, ready, limits, rand::random(), 1);
    let Some(most) = most else { return run.await };
    let limit = timeout.map_or(most, |timeout| timeout.min(most));
    let late =
        || Fault::new(FaultKind::Timeout, "TIMEOUT", format!("the run took longer than {} ms", limit.as_millis()));
    tokio::time::timeout(limit, run).await.map_err(|_| late())?
}

/// The longest that one attempt of a function may take that asks models or people, its waits not counted; None: its kind
/// asks none.
pub(crate) fn attempt_limit(kind: FunctionKind) -> Option<Duration> {
    match kind {
        FunctionKind::Generative => Some(Duration::from_secs(900)),
        FunctionKind::Agentic | FunctionKind::Human => Some(Duration::from_secs(3600)),
        FunctionKind::Code | FunctionKind::App | FunctionKind::Site | FunctionKind::ToolBox => None,
    }
}

/// Whether a call is one of a model or of a tool, which its run is to account for.
pub(crate) enum Uses {
    Model,
    Tool,
    Neither,
}

impl Uses {
    pub(crate) fn of(call: &Call) -> Self {
        match call {
            Call::Complete { .. } => Self::Model,
            Call::UseTool { .. } => Self::Tool,
            _ => Self::Neither,
        }
    }

    /// Told to the run, whether the answer is new or was recorded.
    pub(crate) fn note(self, running: &Running, reply: &Reply) {
        match (self, reply) {
            (Self::Model, Reply::Json(json)) => {
                if let Ok(completed) = serde_json::from_str(json.as_str()) {
                    running.note_completed(&completed);
                }
            }
            (Self::Tool, _) => running.note_tool_call(),
            (Self::Model | Self::Neither, _) => {}
        }
    }
}

/// Goes through what a worker is asked for; the input says for what.
pub(crate) async fn work(
    host: GuestHost,
    run: &Arc<DurableRun>,
    worker: &Worker,
    method: Method,
) -> Result<Json, Fault> {
    if method == Method::Notify {
        return notify::go_through(host, run, worker).await;
    }
    match worker {
        Worker::Agent(id) => agent::work(host, run, id, method).await,
        Worker::Human(_) | Worker::Role(_) => person::work(host, run, method).await,
    }
}

/// A function that is being run, of which the host may call one export after the other.
pub(crate) struct Parts<'a> {
    pub(crate) object: &'a Object,
    pub(crate) running: &'a Arc<Running>,
    pub(crate) ready: Ready,
    pub(crate) limits: Limits,
    seed: [u8; 32],
    attempt: u32,
}

impl Parts<'_> {
    /// The component's end of the run's calls.
    pub(crate) fn host(&self) -> GuestHost {
        GuestHost::new(self.object.clone(), self.running.clone())
    }

    /// Calls one export, in an instance of its own.
    pub(crate) async fn call(&self, part: Part, input: Json) -> Result<Json, Fault> {
        let ready = Ready {
            function: self.ready.function.clone(),
            owner: self.ready.owner.clone(),
            entry: Entry::Part(part),
            input,
        };
        let job = self.object.job(self.running, ready, self.limits, self.seed, self.attempt).await?;
        self.object.node.inner.executor.run(job, Box::new(self.host())).await.result
    }

    /// The whole run is one export.
    async fn whole(self) -> Result<Json, Fault> {
        let host = Box::new(self.host());
        let job = self.object.job(self.running, self.ready, self.limits, self.seed, self.attempt).await?;
        self.object.node.inner.executor.run(job, host).await.result
    }
}
