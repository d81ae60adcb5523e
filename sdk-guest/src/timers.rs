//! Waiting, and being called later.

use crate::bindings::org_ai::timers::timers as raw;
use crate::{Fault, json};
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use raw::cancel;

/// Sleeps; a duration beyond 584 million years is cut to that.
///
/// # Errors
/// Fault `timeout` when the run's deadline comes first.
pub fn sleep(duration: Duration) -> Result<(), Fault> {
    raw::sleep(ms(duration))
}

/// Sleeps until then; a time that has passed is no wait, one before 1970 is 1970.
///
/// # Errors
/// As [`sleep`].
pub fn sleep_until(time: SystemTime) -> Result<(), Fault> {
    raw::sleep_until(since_1970(time))
}

/// Runs `action` once, so long from now, even if nothing of this run is left. A second timer of a name replaces the first.
///
/// # Errors
/// When the host does not accept it.
pub fn after(name: &str, delay: Duration, action: &str, data: &impl Serialize) -> Result<(), Fault> {
    raw::after(name, ms(delay), action, &json::text(data)?)
}

/// As [`after`], at a time.
///
/// # Errors
/// When the host does not accept it.
pub fn at(name: &str, time: SystemTime, action: &str, data: &impl Serialize) -> Result<(), Fault> {
    raw::at(name, since_1970(time), action, &json::text(data)?)
}

fn since_1970(time: SystemTime) -> u64 {
    ms(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
