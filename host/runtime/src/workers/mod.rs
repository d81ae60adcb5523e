//! Agents and people behind one interface (spec 11), and functions that are a model, an agent or a person (spec 7.3–7.5).
//!
//! What a worker is asked for is *work*: a durable invocation with the entry [`Entry::Work`], whoever asks (a guest, a
//! workflow, a caller from outside) and whoever answers. It has no component; the host goes through it here and makes
//! its calls to the same choke point as a guest would. So an answer of a model, a tool's result and a message that was
//! handed over are steps, a wait for a person is rows, and all of it goes on after a crash. A function of kind
//! `generative`, `agentic` or `human` is run the same way, with the exports of its component between the calls; in a
//! run without a journal (`try`) the same code makes the same calls and none is recorded.
//!
//! `ask` begins work and waits for it, `outside` performs what leaves the host (models, channels, tools of others),
//! `generative`, `agentic` and `human` are the three kinds.

mod agent;
mod agentic;
mod ask;
mod equip;
mod generative;
mod hands;
mod outside;
mod remember;
mod runs;
pub(crate) use ask::WORK_TIMEOUT;
pub use runs::{AgentRun, AgentShown, Waits};

use crate::durable::DurableRun;
use crate::guest::GuestHost;
use crate::invoke::Ready;
use crate::object::Object;
use crate::running::Running;
use std::sync::Arc;
use types::exec::{BoxFuture, Entry, Part};
use types::{Fault, FunctionKind, Json, Limits, Method, Worker};

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
        (FunctionKind::Human, Entry::Run) => return Err(Fault::unavailable("running a function of kind `human`")),
        // Nobody outside sees what a part gives.
        (_, Entry::Part(_)) => return parts.whole().await,
        _ => parts.whole().await?,
    };
    function.schemas.check_output(&output)?;
    Ok(output)
}

/// Goes through what a worker is asked for; the input says for what.
pub(crate) async fn work(
    host: GuestHost,
    run: &Arc<DurableRun>,
    worker: &Worker,
    method: Method,
) -> Result<Json, Fault> {
    match worker {
        Worker::Agent(id) => agent::work(host, run, id, method).await,
        Worker::Human(_) | Worker::Role(_) => {
            Err(Fault::unavailable(&format!("asking {worker} to {}", method.as_str())))
        }
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
