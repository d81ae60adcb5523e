//! What an engine is told, and the one place where wasmtime is configured.

use std::path::PathBuf;
use std::time::Duration;
use wasmtime::{InstanceAllocationStrategy, PoolingAllocationConfig};

/// How an engine is set up. Nothing here depends on a tenant; what one run may use is `types::Limits`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where compiled components are kept, by hash. Made when it is absent.
    pub cache_dir: PathBuf,
    /// Key of the MAC on every file there: loading machine code that somebody else wrote is running it. Keep it secret
    /// and stable; with another key everything is compiled anew.
    pub cache_key: [u8; 32],
    /// What the files there may take together; the least recently used go first.
    pub cache_disk_bytes_max: u64,
    /// What loaded components may take together, by the size of their machine code.
    pub cache_memory_bytes_max: u64,
    /// Largest component that is accepted.
    pub component_bytes_max: u64,
    /// Runs at the same time. Memory slots and stacks of so many are reserved as address space, not as memory.
    pub instances_max: u32,
    /// Runs that may wait for their turn when all instances are busy; the next one is refused.
    pub queue_max: u32,
    /// Largest linear memory of a run, the ceiling for `Limits::memory_bytes_max`.
    pub memory_bytes_max: u64,
    /// Where a run's private `/tmp` is made.
    pub tmp_dir: PathBuf,
    /// Whether a rule of a manifest that says `private` may reach loopback and private networks at all.
    pub private_networks_allowed: bool,
    /// Certificates (DER) that outgoing TLS trusts beside the system's.
    pub tls_roots_extra: Vec<Vec<u8>>,
    /// Time for name resolution, connection and TLS handshake of an outgoing request.
    pub http_connect_timeout: Duration,
}

/// How often a running guest is interrupted to let others run and to have its time counted. Long enough that the
/// interruption costs nothing that can be measured, short enough that a looping guest is not noticed by its neighbours.
pub const TICK: Duration = Duration::from_millis(10);

/// What a guest may push on its stack: four times what the deepest of the known language runtimes needs.
const WASM_STACK_BYTES: usize = 1 << 20;
/// The stack that a run is on: the guest's part, and room for what the host does in a call.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (1 << 20);
/// Core modules within one component; componentize-py makes the most known (some 20).
const CORE_INSTANCES_PER_RUN: u32 = 24;
const MEMORIES_PER_RUN: u32 = 2;
const TABLES_PER_RUN: u32 = 12;
/// Elements of one table; StarlingMonkey, the largest known, uses 7,689.
const ELEMENTS_PER_TABLE: usize = 20_000;
/// What stays mapped in a slot between two runs. Only pages that the last run wrote to are reset, each by itself: giving
/// them back to the system instead interrupts every processor, and faulting them in again costs more than the run.
const RESIDENT_BYTES: usize = 4 << 20;
/// Slots that keep their pages while nobody uses them.
const WARM_SLOTS: u32 = 64;

impl Config {
    /// 64 MiB: three times the largest of the known language runtimes with an application inside.
    pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;
}

/// The only constructor of wasmtime's configuration: what one engine compiled, another one made from this loads.
///
/// Determinism (DESIGN §5) is decided here: NaNs are canonical and relaxed SIMD does the same on every machine; threads,
/// whose interleaving nobody could replay, do not exist.
pub fn compiler_config(config: &Config) -> wasmtime::Config {
    let mut out = wasmtime::Config::new();
    out.wasm_component_model(true)
        .concurrency_support(false)
        .wasm_tail_call(true)
        .wasm_multi_memory(true)
        .wasm_memory64(false)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .memory_reservation(4 << 30)
        .parallel_compilation(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    out
}

fn pool(config: &Config) -> PoolingAllocationConfig {
    let runs = config.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(runs)
        .total_stacks(runs)
        .total_core_instances(runs.saturating_mul(CORE_INSTANCES_PER_RUN))
        .total_memories(runs.saturating_mul(MEMORIES_PER_RUN))
        .total_tables(runs.saturating_mul(TABLES_PER_RUN))
        .max_memories_per_module(MEMORIES_PER_RUN)
        .max_tables_per_module(TABLES_PER_RUN)
        .table_elements(ELEMENTS_PER_TABLE)
        .max_memory_size(usize::try_from(config.memory_bytes_max).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(RESIDENT_BYTES)
        .table_keep_resident(RESIDENT_BYTES)
        .max_unused_warm_slots(WARM_SLOTS)
        // Which pages were written is asked of the kernel (Linux 6.7); an older one resets the first 4 MiB whole.
        .pagemap_scan(wasmtime::Enabled::Auto);
    pool
}
