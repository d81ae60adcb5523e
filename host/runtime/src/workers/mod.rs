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
//! answer does, `requests` what is asked of it from outside, `people` who is there, `message` what they are sent), `outside` performs what leaves the host (models, channels, tools of others),
//! `generative`, `agentic` and `human` are the three kinds.

mod ask;
mod generative;
mod human;
mod message;
mod outside;
mod people;
mod person;
mod request;
mod request_step;
mod requests;
pub(crate) use request::withdraw;
pub use request::{Decider, Decision};
pub use requests::{RequestsWanted, Settled};

use crate::durable::DurableRun;
use crate::guest::GuestHost;
use crate::invoke::Ready;
use crate::object::Object;
use crate::running::Running;
use std::sync::Arc;
use types::exec::{Entry, Part};
use types::{Fault, FunctionKind, Json, Limits, Method, Worker};

/// Runs a function of any kind, to its end.
pub(crate) async fn run(
    object: &Object,
    running: &Arc<Running>,
    ready: Ready,
    limits: Limits,
    seed: [u8; 32],
    attempt: u32,
) -> Result<Json, Fault> {
    let parts = Parts { object, running, ready, limits, seed, attempt };
    match (parts.ready.function.def.kind, &parts.ready.entry) {
        (FunctionKind::Generative, Entry::Run) => generative::run(&parts).await,
        (FunctionKind::Agentic, Entry::Run) => Err(Fault::unavailable("running a function of kind `agentic`")),
        (FunctionKind::Human, Entry::Run) => human::run(&parts).await,
        _ => parts.whole().await,
    }
}

/// Goes through what a worker is asked for; the input says for what.
pub(crate) async fn work(
    host: GuestHost,
    run: &Arc<DurableRun>,
    worker: &Worker,
    method: Method,
) -> Result<Json, Fault> {
    match worker {
        Worker::Agent(_) => Err(Fault::unavailable(&format!("asking {worker} to {}", method.as_str()))),
        Worker::Human(_) | Worker::Role(_) if method == Method::Notify => {
            Err(Fault::unavailable(&format!("asking {worker} to {}", method.as_str())))
        }
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
