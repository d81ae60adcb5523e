//! Where a schedule stands: what moves at each tick. What it is for is its declaration.

use crate::{Id, Timestamp};
use serde::{Deserialize, Serialize};

/// How far one schedule of an object has come. How its runs end is counted where they are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ScheduleState {
    /// Stays when the declaration changes.
    pub id: Id,
    /// The one text of what is meant; another one begins anew at `anchor`.
    pub canonical: String,
    pub timezone: String,
    pub paused: bool,
    /// From when intervals are counted.
    pub anchor: Timestamp,
    /// None: paused, or never again.
    pub next_run_at: Option<Timestamp>,
    /// The last tick that became a run, or would have.
    pub last: Option<LastTick>,
    /// Runs that were begun.
    pub run_count: u64,
    /// Ticks whose handler could not be called at all.
    pub refused_count: u64,
    /// Ticks that gave way to a run before them.
    pub skipped_count: u64,
}

/// A tick, and what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastTick {
    /// When it was fired; not when it was due.
    pub at: Timestamp,
    pub outcome: TickOutcome,
}

/// What became of a tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TickOutcome {
    /// An invocation, whose action tells how it went.
    Ran,
    /// A run before it had not ended.
    Skipped,
    /// Its handler could not be called.
    Refused,
}

impl TickOutcome {
    pub const ALL: [Self; 3] = [Self::Ran, Self::Skipped, Self::Refused];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}
