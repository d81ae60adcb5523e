//! The engine: what all runs share, and the `Executor` that the rest of the host knows.

use crate::cache::DiskCache;
use crate::config::{Config, compiler_config};
use crate::fault;
use crate::http::Outside;
use crate::load::{self, Loaded};
use crate::run;
use crate::state::RunState;
use crate::ticker::Ticker;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::{Semaphore, SemaphorePermit};
use types::exec::{
    BoxFuture, ComponentFile, Courier, Executor, Host, Inspection, Job, Letter, Outcome, Receipt, Usage,
};
use types::{Fault, Hash};
use wasmtime::component::Linker;

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the engine's settings do not work on this machine: {0:#}")]
    Settings(wasmtime::Error),
    #[error("the folder for compiled components cannot be used: {0}")]
    Cache(std::io::Error),
    #[error("the engine's clock could not be started: {0}")]
    Clock(std::io::Error),
}

/// Runs components. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// What all runs share.
pub struct Inner {
    pub config: Config,
    pub wasmtime: wasmtime::Engine,
    pub linker: Linker<RunState>,
    /// The names of everything in `linker`, for error messages.
    pub offered: Vec<String>,
    pub disk: DiskCache,
    pub ticker: Ticker,
    pub outside: Outside,
    loaded: moka::sync::Cache<Hash, Arc<Loaded>>,
    gate: Semaphore,
    /// What the host itself posts at once.
    pub letters: Semaphore,
    waiting: AtomicU32,
    /// Components compiled since the start, which a restart with a full cache keeps at zero.
    pub compiled: AtomicU32,
}

impl Engine {
    /// Reserves address space for `instances_max` runs and starts the clock's thread.
    pub fn new(config: Config) -> Result<Self, Error> {
        let wasmtime = wasmtime::Engine::new(&compiler_config(&config)).map_err(Error::Settings)?;
        let linker = load::linker(&wasmtime).map_err(Error::Settings)?;
        let disk = DiskCache::open(&config, &wasmtime).map_err(Error::Cache)?;
        let ticker = Ticker::start(wasmtime.weak()).map_err(Error::Clock)?;
        let loaded = moka::sync::Cache::builder()
            .max_capacity(config.cache_memory_bytes_max)
            .weigher(|_, loaded: &Arc<Loaded>| loaded.bytes)
            .build();
        let gate = Semaphore::new(config.instances_max as usize);
        let outside = Outside::new(&config);
        let offered = OFFERED.iter().map(|name| (*name).to_owned()).collect();
        let (waiting, compiled) = (AtomicU32::new(0), AtomicU32::new(0));
        Ok(Self(Arc::new(Inner {
            config,
            wasmtime,
            linker,
            offered,
            disk,
            ticker,
            outside,
            loaded,
            gate,
            letters: Semaphore::new(crate::http::post::OPEN_MAX),
            waiting,
            compiled,
        })))
    }

    #[cfg(test)]
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

/// What the linker holds, without versions; a test compares it with the linker.
pub const OFFERED: [&str; 38] = [
    "org-ai:types/types",
    "org-ai:context/context",
    "org-ai:actions/actions",
    "org-ai:worker/worker",
    "org-ai:integration/integration",
    "org-ai:things/things",
    "org-ai:events/events",
    "org-ai:search/search",
    "org-ai:timers/timers",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

#[cfg(test)]
impl Inner {
    pub fn compiled(&self) -> u32 {
        self.compiled.load(Relaxed)
    }
}

impl Inner {
    /// Loads it if it is not loaded. Whoever asks for the same one meanwhile waits for the first. May compile, so call
    /// it where blocking is allowed.
    fn load(&self, file: &ComponentFile) -> Result<Arc<Loaded>, Fault> {
        self.loaded
            .try_get_with(file.hash, || load::load(self, file).map(Arc::new))
            .map_err(|fault: Arc<Fault>| Fault::clone(&fault))
    }

    async fn loaded(self: &Arc<Self>, file: &ComponentFile) -> Result<Arc<Loaded>, Fault> {
        if let Some(loaded) = self.loaded.get(&file.hash) {
            return Ok(loaded);
        }
        let (inner, file) = (self.clone(), file.clone());
        tokio::task::spawn_blocking(move || inner.load(&file)).await.unwrap_or_else(|error| {
            tracing::error!(%error, "loading a component panicked");
            Err(Fault::internal())
        })
    }

    async fn admit(&self) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(permit) = self.gate.try_acquire() {
            return Ok(permit);
        }
        let waiting = Waiting::begin(&self.waiting);
        if waiting.before >= self.config.queue_max {
            return Err(fault::busy());
        }
        self.gate.acquire().await.map_err(|_| fault::busy())
    }

    async fn run(self: Arc<Self>, job: Job, host: Box<dyn Host>) -> Outcome {
        let refused = |fault| Outcome { result: Err(fault), usage: Usage::default() };
        if job.input.as_str().len() as u64 > job.limits.input_bytes_max {
            let message = format!(
                "the input is {} bytes; at most {} are accepted",
                job.input.as_str().len(),
                job.limits.input_bytes_max
            );
            return refused(Fault::limit("INPUT_LIMIT", message));
        }
        let loaded = match self.loaded(&job.component).await {
            Ok(loaded) => loaded,
            Err(fault) => return refused(fault),
        };
        let permit = match tokio::time::timeout(job.limits.wall, self.admit()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(fault)) => return refused(fault),
            Err(_) => return refused(fault::busy()),
        };
        let outcome = run::run(&self, &loaded, job, host).await;
        drop(permit);
        outcome
    }
}

/// Counts one who waits, however the wait ends.
struct Waiting<'a> {
    count: &'a AtomicU32,
    before: u32,
}

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        Self { count, before: count.fetch_add(1, Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

impl Executor for Engine {
    fn prepare(&self, component: &ComponentFile) -> Result<Inspection, Fault> {
        self.0.load(component).map(|loaded| loaded.inspection.clone())
    }

    fn run(&self, job: Job, host: Box<dyn Host>) -> BoxFuture<'_, Outcome> {
        Box::pin(self.0.clone().run(job, host))
    }

    fn courier(&self) -> Option<&dyn Courier> {
        Some(self)
    }
}

impl Courier for Engine {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, Fault>> {
        Box::pin(crate::http::post::post(&self.0, letter))
    }
}
