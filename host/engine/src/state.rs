//! What belongs to one run: its store's data, its meters, and what stopped it.

use crate::ending::Ending;
use crate::engine::Inner;
use crate::log::Log;
use crate::wasi::Wasi;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use types::exec::{Entry, Host, Job, Steps, Usage};
use types::{Fault, Limits};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// WASI calls are many and cheap: reading a file is hundreds of them. So they have a budget of their own.
const WASI_CALLS_PER_HOST_CALL: u64 = 100;

/// Why the host ended a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stop {
    #[error("processor time used up")]
    Cpu,
    #[error("too many host calls")]
    HostCalls,
    #[error("too many WASI calls")]
    WasiCalls,
    #[error("/tmp is full")]
    Tmp,
}

/// The data of a run's store.
pub struct RunState {
    pub host: Box<dyn Host>,
    pub job: Job,
    pub engine: Arc<Inner>,
    pub shared: Arc<Shared>,
    pub meter: Meter,
    pub host_calls: u64,
    pub stop: Option<Stop>,
    /// Made at the first WASI call: most runs of most components make none.
    pub wasi: Option<Box<Wasi>>,
    pub tmp: Option<TempDir>,
    /// The journal of a durable run.
    pub steps: Option<Arc<dyn Steps>>,
    wasi_calls: u64,
}

/// What the run's streams and outgoing requests need beside its state.
pub struct Shared {
    pub log: Log,
    pub cpu: Cpu,
    pub ending: Ending,
}

impl RunState {
    pub fn new(engine: Arc<Inner>, job: Job, host: Box<dyn Host>, tmp: Option<TempDir>) -> Self {
        let log = Log::new(job.limits.log_bytes_max);
        let shared = Arc::new(Shared { log, cpu: Cpu::new(), ending: Ending::default() });
        let meter = Meter::new(&job.limits);
        let steps = host.steps();
        Self { host, job, engine, shared, meter, host_calls: 0, stop: None, wasi: None, tmp, steps, wasi_calls: 0 }
    }

    /// Whether the run may ask the host for nothing (spec WSM-1).
    pub fn is_sealed(&self) -> bool {
        self.job.entry == Entry::Describe
    }

    /// Before an import is answered: `name` as [`types::Call::name`] spells it.
    pub fn admit(&mut self, name: &str) -> wasmtime::Result<()> {
        if self.is_sealed() {
            return Err(sealed(name).into());
        }
        Ok(self.count_host_call()?)
    }

    /// One call of an import of ours.
    pub fn count_host_call(&mut self) -> Result<(), Stop> {
        self.host_calls += 1;
        if self.host_calls > self.job.limits.host_calls_max {
            self.stop = Some(Stop::HostCalls);
            return Err(Stop::HostCalls);
        }
        Ok(())
    }

    /// One WASI call. Who asks cannot refuse it, so what is over the budget ends at the next tick.
    pub fn count_wasi_call(&mut self) {
        self.wasi_calls += 1;
        if self.wasi_calls > self.job.limits.host_calls_max.saturating_mul(WASI_CALLS_PER_HOST_CALL) {
            self.stop.get_or_insert(Stop::WasiCalls);
        }
    }

    pub fn hand_over_log(&mut self) {
        for (stream, line) in self.shared.log.take() {
            self.host.log(stream, line);
        }
    }

    pub fn usage(&self) -> Usage {
        Usage {
            cpu_us: u64::try_from(self.shared.cpu.used().as_micros()).unwrap_or(u64::MAX),
            memory_bytes_peak: self.meter.memory_peak,
            host_calls: self.host_calls,
            log_bytes: self.shared.log.bytes(),
        }
    }

    /// The guest runs and a tick has passed: count, and let others run.
    pub fn on_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.hand_over_log();
        if self.shared.cpu.lap() >= self.job.limits.cpu {
            self.stop.get_or_insert(Stop::Cpu);
        }
        if let Some(tmp) = &self.tmp
            && !crate::tmp::is_within(tmp.path(), self.job.limits.tmp_bytes_max)
        {
            self.stop.get_or_insert(Stop::Tmp);
        }
        match self.stop {
            Some(stop) => Err(stop.into()),
            None => Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))),
        }
    }
}

/// What `describe` says of an app must be the same whenever it is asked, so it can ask nobody.
pub fn sealed(import: &str) -> Fault {
    let message = format!("`describe` called `{import}`; no import is served while an app describes itself");
    Fault::forbidden(message).with_details(&serde_json::json!({ "import": import }))
}

/// Time on a processor: the time in which the run's future is being polled. Waiting costs nothing.
pub struct Cpu {
    origin: Instant,
    since_ns: AtomicU64,
    used_ns: AtomicU64,
}

impl Cpu {
    fn new() -> Self {
        Self { origin: Instant::now(), since_ns: AtomicU64::new(0), used_ns: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    pub fn begin(&self) {
        self.since_ns.store(self.now(), Relaxed);
    }

    /// Adds what passed since the last look; what was used in all.
    pub fn lap(&self) -> Duration {
        // One thread at a time polls a run, so these two need no order between them.
        let now = self.now();
        let passed = now.saturating_sub(self.since_ns.swap(now, Relaxed));
        Duration::from_nanos(self.used_ns.fetch_add(passed, Relaxed) + passed)
    }

    pub fn used(&self) -> Duration {
        Duration::from_nanos(self.used_ns.load(Relaxed))
    }
}

/// Holds a run to its memory, tables and instances, in sum.
pub struct Meter {
    memory_max: u64,
    elements_max: u64,
    instances_max: u32,
    memory: u64,
    elements: u64,
    /// The last step, given back if it could not be made.
    memory_step: u64,
    elements_step: u64,
    pub memory_peak: u64,
    pub memory_refused: bool,
    pub table_refused: bool,
}

impl Meter {
    fn new(limits: &Limits) -> Self {
        Self {
            memory_max: limits.memory_bytes_max,
            elements_max: limits.table_elements_max,
            instances_max: limits.instances_max,
            memory: 0,
            elements: 0,
            memory_step: 0,
            elements_step: 0,
            memory_peak: 0,
            memory_refused: false,
            table_refused: false,
        }
    }
}

/// A guest is told "no" as WebAssembly tells it (growing gives -1), so that one which copes goes on; one which then
/// traps, as most do, is answered with the limit it hit.
impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let step = desired.saturating_sub(current) as u64;
        if self.memory + step > self.memory_max {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory += step;
        self.memory_step = step;
        self.memory_peak = self.memory_peak.max(self.memory);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory -= std::mem::take(&mut self.memory_step);
        self.memory_refused = true;
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let step = desired.saturating_sub(current) as u64;
        if self.elements + step > self.elements_max {
            self.table_refused = true;
            return Ok(false);
        }
        self.elements += step;
        self.elements_step = step;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.elements -= std::mem::take(&mut self.elements_step);
        self.table_refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        self.instances_max as usize
    }
}
