//! Calling other functions: `try_` now and once, `send` later and without waiting, `do_` until it is done; `start` and
//! `join` for several of those at once.
//!
//! An action is a name (`price`, `price@v3`, `calc.add`). With options: [`call`].

use crate::bindings::org_ai::actions::actions as raw;
use crate::{Fault, json};
use serde::{Serialize, de::DeserializeOwned};

pub use raw::{Options, Retry};

/// One attempt, now.
///
/// # Errors
/// The fault of the callee, or of the host; `JSON` when the answer is not an `O`.
pub fn try_<O: DeserializeOwned>(action: &str, data: &impl Serialize) -> Result<O, Fault> {
    call(action).try_(data)
}

/// Fire and forget: answers with the id of the action before anything ran; released when this turn commits.
///
/// # Errors
/// When the host does not accept it.
pub fn send(action: &str, data: &impl Serialize) -> Result<String, Fault> {
    call(action).send(data)
}

/// Recorded before it runs, retried, finished whatever crashes.
///
/// # Errors
/// As [`try_`], after the last attempt.
pub fn do_<O: DeserializeOwned>(action: &str, data: &impl Serialize) -> Result<O, Fault> {
    call(action).do_(data)
}

/// Begins what [`do_`] does without waiting for it; answers with its id, for [`join`].
///
/// # Errors
/// When the host does not accept it.
pub fn start(action: &str, data: &impl Serialize) -> Result<String, Fault> {
    call(action).start(data)
}

/// Waits for what [`start`] began.
///
/// # Errors
/// As [`do_`].
pub fn join<O: DeserializeOwned>(action_id: &str) -> Result<O, Fault> {
    json::value(&raw::join(action_id)?)
}

/// A call with options: `call("pay").timeout_ms(5_000).try_(&data)`.
pub fn call(action: &str) -> Call<'_> {
    Call {
        action,
        options: Options {
            idempotency_key: None,
            timeout_ms: None,
            retry: None,
            target: None,
            serial: None,
            delay_ms: None,
            step_id: None,
        },
    }
}

/// A call that has not been made yet. `options` may also be filled in directly.
pub struct Call<'a> {
    action: &'a str,
    pub options: Options,
}

impl Call<'_> {
    /// Equal keys mean one run for 24 h.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.options.idempotency_key = Some(key.into());
        self
    }

    /// Per attempt.
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.options.timeout_ms = Some(timeout_ms);
        self
    }

    /// How often it is tried, and how long is waited in between.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.options.retry = Some(retry);
        self
    }

    /// Calls with one key run one after the other, in the order in which they were accepted.
    pub fn serial(mut self, key: impl Into<String>) -> Self {
        self.options.serial = Some(key.into());
        self
    }

    /// The earliest start, so long from now.
    pub fn delay_ms(mut self, delay_ms: u64) -> Self {
        self.options.delay_ms = Some(delay_ms);
        self
    }

    /// The name of the step, where its place among the calls is not enough.
    pub fn step_id(mut self, step_id: impl Into<String>) -> Self {
        self.options.step_id = Some(step_id.into());
        self
    }

    /// The URL of another durable object that should run it.
    pub fn target(mut self, namespace: impl Into<String>) -> Self {
        self.options.target = Some(namespace.into());
        self
    }

    /// As the function [`try_`].
    ///
    /// # Errors
    /// As the function.
    pub fn try_<O: DeserializeOwned>(self, data: &impl Serialize) -> Result<O, Fault> {
        json::value(&raw::try_(self.action, &json::text(data)?, Some(&self.options))?)
    }

    /// As the function [`send`].
    ///
    /// # Errors
    /// As the function.
    pub fn send(self, data: &impl Serialize) -> Result<String, Fault> {
        raw::send(self.action, &json::text(data)?, Some(&self.options))
    }

    /// As the function [`do_`].
    ///
    /// # Errors
    /// As the function.
    pub fn do_<O: DeserializeOwned>(self, data: &impl Serialize) -> Result<O, Fault> {
        json::value(&raw::do_(self.action, &json::text(data)?, Some(&self.options))?)
    }

    /// As the function [`start`].
    ///
    /// # Errors
    /// As the function.
    pub fn start(self, data: &impl Serialize) -> Result<String, Fault> {
        raw::start(self.action, &json::text(data)?, Some(&self.options))
    }
}
