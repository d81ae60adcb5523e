//! Faults: made in one line, and made from the errors a function meets most.

use crate::{Fault, FaultKind};

impl Fault {
    /// The function itself failed. `code` is an upper-snake word that programs can branch on.
    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, code, message)
    }

    /// The input is not acceptable; the same call will fail again.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Invalid, "INVALID_INPUT", message)
    }

    pub fn new(kind: FaultKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into(), details: None }
    }

    /// Adds what a program may want to know. Details that are no JSON value (a map with other keys than text) are left out.
    pub fn with_details(mut self, details: &impl serde::Serialize) -> Self {
        self.details = serde_json::to_string(details).ok();
        self
    }

    /// Whether the host does not serve what was asked, so that a function can go on without it.
    pub fn is_unavailable(&self) -> bool {
        self.kind == FaultKind::Unavailable
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::new(FaultKind::Failed, "JSON", error.to_string())
    }
}
