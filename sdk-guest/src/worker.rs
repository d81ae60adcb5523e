//! Agents and people behind one interface. A worker is named by a string (`Agent/support`, `Human/ann@acme.example`,
//! `role:finance`); `None` is the durable object's default.
//!
//! Each answers fault `unavailable` on a host that does not serve workers: [`Fault::is_unavailable`].

use crate::bindings::org_ai::worker::worker as raw;
use crate::{Fault, json};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Has a task done.
///
/// # Errors
/// The worker's fault, or the host's.
pub fn do_<O: DeserializeOwned>(worker: Option<&str>, task: &impl Serialize) -> Result<O, Fault> {
    json::value(&raw::do_(worker, &json::text(task)?, None)?)
}

/// Gets an answer to a question: `{text | value, confidence?, sources?, answeredBy, answeredAt}`.
///
/// # Errors
/// As [`do_`].
pub fn ask<O: DeserializeOwned>(worker: Option<&str>, question: &str, options: Option<&Value>) -> Result<O, Fault> {
    json::value(&raw::ask(worker, question, json::optional_text(options)?.as_deref())?)
}

/// Has one of the options `{options: [{id, label}], …}` chosen.
///
/// # Errors
/// As [`do_`].
pub fn decide<O: DeserializeOwned>(worker: Option<&str>, question: &str, options: &impl Serialize) -> Result<O, Fault> {
    json::value(&raw::decide(worker, question, &json::text(options)?)?)
}

/// Asks for approval of a request.
///
/// # Errors
/// As [`do_`].
pub fn approve<O: DeserializeOwned>(
    worker: Option<&str>,
    request: &impl Serialize,
    options: Option<&Value>,
) -> Result<O, Fault> {
    json::value(&raw::approve(worker, &json::text(request)?, json::optional_text(options)?.as_deref())?)
}

/// A value made by a worker: valid against `schema` of the options, or text.
///
/// # Errors
/// As [`do_`].
pub fn generate<O: DeserializeOwned>(worker: Option<&str>, prompt: &str, options: Option<&Value>) -> Result<O, Fault> {
    json::value(&raw::generate(worker, prompt, json::optional_text(options)?.as_deref())?)
}

/// Tells somebody.
///
/// # Errors
/// As [`do_`].
pub fn notify<O: DeserializeOwned>(worker: Option<&str>, message: &impl Serialize) -> Result<O, Fault> {
    json::value(&raw::notify(worker, &json::text(message)?, None)?)
}
