//! Waiting, and being called later.

use crate::bindings::org_ai::timers::timers as raw;
use crate::{Fault, json};
use serde::Serialize;
use std::time::Duration;

pub use raw::cancel;

/// Sleeps; a duration beyond 584 million years is cut to that.
///
/// # Errors
/// Fault `timeout` when the run's deadline comes first.
pub fn sleep(duration: Duration) -> Result<(), Fault> {
    raw::sleep(ms(duration))
}

/// Runs `action` once, so long from now, even if nothing of this run is left. A second timer of a name replaces the first.
///
/// # Errors
/// When the host does not accept it.
pub fn after(name: &str, delay: Duration, action: &str, data: &impl Serialize) -> Result<(), Fault> {
    raw::after(name, ms(delay), action, &json::text(data)?)
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
