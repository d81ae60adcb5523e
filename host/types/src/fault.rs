//! Why a call did not succeed, as data that may leave the host.

use crate::Json;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// What the caller should do next. The same list as `fault-kind` in `wit/deps/org-ai-types`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    Invalid,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Gone,
    Limit,
    RateLimited,
    Timeout,
    Cancelled,
    Failed,
    Upstream,
    Unavailable,
    Internal,
}

impl FaultKind {
    pub const ALL: [Self; 14] = [
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::Gone,
        Self::Limit,
        Self::RateLimited,
        Self::Timeout,
        Self::Cancelled,
        Self::Failed,
        Self::Upstream,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The only place that decides whether the same call may succeed later (spec DUR-3).
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited
            | Self::Timeout
            | Self::Failed
            | Self::Limit
            | Self::Upstream
            | Self::Unavailable
            | Self::Internal => true,
            Self::Invalid
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::NotFound
            | Self::Conflict
            | Self::Gone
            | Self::Cancelled => false,
        }
    }
}

/// Why a call did not succeed.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// Upper-snake word a program can branch on.
    pub code: String,
    /// For a person: what was wrong, where, what would be accepted.
    pub message: String,
    #[serde(default)]
    pub details: Option<Json>,
}

/// Absent details are left out where a person may read it; the log's binary format has a place for every field.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let leave_out = serializer.is_human_readable() && self.details.is_none();
        let mut out = serializer.serialize_struct("Fault", if leave_out { 3 } else { 4 })?;
        out.serialize_field("kind", &self.kind)?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("message", &self.message)?;
        if leave_out {
            out.skip_field("details")?;
        } else {
            out.serialize_field("details", &self.details)?;
        }
        out.end()
    }
}

impl Fault {
    /// The size of a fault that is stored or sent; longer messages are cut with a marker (spec DUR-3).
    pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;

    pub fn new(kind: FaultKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > Self::MESSAGE_BYTES_MAX {
            const MARKER: &str = " … (cut)";
            let mut end = Self::MESSAGE_BYTES_MAX - MARKER.len();
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            message.truncate(end);
            message.push_str(MARKER);
        }
        Self { kind, code: code.into(), message, details: None }
    }

    #[must_use]
    pub fn with_details(mut self, details: &serde_json::Value) -> Self {
        self.details = Some(Json::from_value(details));
        self
    }

    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Invalid, code, message)
    }

    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::NotFound, code, message)
    }

    pub fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Conflict, code, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Forbidden, "FORBIDDEN", message)
    }

    pub fn limit(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Limit, code, message)
    }

    pub fn failed(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Failed, code, message)
    }

    /// For what the host does not serve (yet, or as configured): `what` names it.
    pub fn unavailable(what: &str) -> Self {
        Self::new(FaultKind::Unavailable, "UNAVAILABLE", format!("{what} is not served by this host"))
    }

    /// A defect of ours. What happened goes to the log, not to the caller.
    pub fn internal() -> Self {
        Self::new(FaultKind::Internal, "INTERNAL", "the host failed; its log has the reason under this request's id")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}
