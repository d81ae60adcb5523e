//! What one invocation may use.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The limits of one run of a component. Each has a test that reaches it (`host/engine/src/tests`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Sum over all linear memories of the instance: what a tenant pays for is the sum, and a component has many.
    pub memory_bytes_max: u64,
    /// Sum over all tables; StarlingMonkey, the largest known, uses 7,689.
    pub table_elements_max: u64,
    /// Core instances within the component; componentize-py makes the most.
    pub instances_max: u32,
    /// Time on a processor, counted in epoch ticks (spec WSM-6).
    pub cpu: Duration,
    /// Time from start to end, waiting included.
    pub wall: Duration,
    pub input_bytes_max: u64,
    pub output_bytes_max: u64,
    /// Calls of our imports; WASI calls count too, in a budget of a hundred times this.
    pub host_calls_max: u64,
    /// What stdout, stderr and `context.log` together may write; the rest is dropped and said so.
    pub log_bytes_max: u64,
    /// Largest body of one outgoing HTTP request or its response.
    pub http_body_bytes_max: u64,
    /// Open outgoing HTTP requests of one invocation.
    pub http_concurrent_max: u32,
    /// What `/tmp` may hold.
    pub tmp_bytes_max: u64,
    /// How deep invocations may call invocations by `actions.try`.
    pub call_depth_max: u32,
}

impl Limits {
    /// The defaults of spec WSM-6 and DUR-14.
    pub const STANDARD: Self = Self {
        memory_bytes_max: 128 << 20,
        table_elements_max: 100_000,
        instances_max: 64,
        cpu: Duration::from_secs(30),
        wall: Duration::from_secs(30),
        input_bytes_max: 1 << 20,
        output_bytes_max: 1 << 20,
        host_calls_max: 10_000,
        log_bytes_max: 256 << 10,
        http_body_bytes_max: 8 << 20,
        http_concurrent_max: 32,
        tmp_bytes_max: 16 << 20,
        call_depth_max: 16,
    };
}
