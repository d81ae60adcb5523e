//! Calling other functions: `try_` now and once, `send` later and without waiting, `do_` until it is done.
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
}
