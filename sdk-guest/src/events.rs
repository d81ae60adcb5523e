//! Saying that something happened.

use crate::bindings::org_ai::events::events as raw;
use crate::{Fault, json};
use serde::{Serialize, de::DeserializeOwned};

/// Appends the event `Noun.event` (`Order.placed`); `source` is `Noun/id`. It is kept when the turn commits.
///
/// # Errors
/// When the name is not one, or belongs to the platform.
pub fn emit(event: &str, data: &impl Serialize, source: Option<&str>) -> Result<(), Fault> {
    raw::emit(event, &json::text(data)?, source)
}

/// Waits for the first such event since the invocation began.
///
/// # Errors
/// Fault `timeout` after `timeout_ms`.
pub fn wait_for<T: DeserializeOwned>(event: &str, filter: Option<&str>, timeout_ms: Option<u64>) -> Result<T, Fault> {
    json::value(&raw::wait_for(event, filter, timeout_ms)?)
}
