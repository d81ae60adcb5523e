//! Who can be asked, and for what (spec 11): agents and people behind one interface.

use crate::ThingId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One who does work: `Agent/support`, `Human/ann@acme.example`, or whoever has a role: `role:finance`. Agents and people
/// are things of these nouns, of the object itself or of the nearest one above it that has them.
#[derive(Clone, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Worker {
    Agent(ThingId),
    Human(ThingId),
    /// People; who it is, is looked up when they are asked.
    Role(String),
}

impl Worker {
    /// The nouns of those that are things.
    pub const AGENT: &str = "Agent";
    pub const HUMAN: &str = "Human";
    /// The longest role in bytes.
    pub const ROLE_BYTES_MAX: usize = 64;
    const ROLE_PREFIX: &str = "role:";
}

/// Why a text names no worker.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} names no worker; write Agent/NAME, Human/NAME or role:NAME, like Human/ann@acme.example or role:finance"
)]
pub struct WorkerError(String);

impl FromStr for Worker {
    type Err = WorkerError;

    fn from_str(text: &str) -> Result<Self, WorkerError> {
        let refuse = || WorkerError(text.chars().take(200).collect());
        if let Some(role) = text.strip_prefix(Self::ROLE_PREFIX) {
            let is_role = (1..=Self::ROLE_BYTES_MAX).contains(&role.len())
                && role.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
            return if is_role { Ok(Self::Role(role.to_owned())) } else { Err(refuse()) };
        }
        let (noun, id) = text.split_once('/').ok_or_else(refuse)?;
        let id = ThingId::parse(id).map_err(|_| refuse())?;
        match noun {
            Self::AGENT => Ok(Self::Agent(id)),
            Self::HUMAN => Ok(Self::Human(id)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(id) => write!(f, "{}/{id}", Self::AGENT),
            Self::Human(id) => write!(f, "{}/{id}", Self::HUMAN),
            Self::Role(role) => write!(f, "{}{role}", Self::ROLE_PREFIX),
        }
    }
}

impl TryFrom<String> for Worker {
    type Error = WorkerError;

    fn try_from(text: String) -> Result<Self, WorkerError> {
        text.parse()
    }
}

impl From<Worker> for String {
    fn from(worker: Worker) -> Self {
        worker.to_string()
    }
}

/// What a worker is asked for (spec 11.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Do,
    Ask,
    Decide,
    Approve,
    Generate,
    Notify,
    /// What a human function wants to know: a form, filled in.
    Answer,
}

impl Method {
    /// Those that can be called from outside and by guests.
    pub const SERVED: [Self; 6] = [Self::Do, Self::Ask, Self::Decide, Self::Approve, Self::Generate, Self::Notify];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Ask => "ask",
            Self::Decide => "decide",
            Self::Approve => "approve",
            Self::Generate => "generate",
            Self::Notify => "notify",
            Self::Answer => "answer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::SERVED.into_iter().find(|method| method.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_read_as_it_is_written() {
        for text in ["Agent/support", "Human/ann@acme.example", "role:finance"] {
            assert_eq!(text.parse::<Worker>().map(|worker| worker.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "support", "Robot/x", "Agent/", "role:", "role:a b", "agent/x"] {
            assert!(text.parse::<Worker>().is_err(), "{text}");
        }
    }
}
