//! Runs that go on whatever dies (`do`): accepted before they run, replayed after a crash, a wait or a retry.
//!
//! `accept` writes the row that is the promise; `drive` gives an invocation a place, runs it and writes down how it ended;
//! `step` answers its calls from the journal or performs and records them; `child` and `timer` have others begin; `wait`
//! lets an instance go and brings it back, for an event with `event`; `wakes` is the node's queue of times, which `waking`
//! fills at a start. `timeline` shows what a run did; `upgrade` takes unfinished ones over to another version where
//! `replay` says that it fits. What a call means for the replay is decided in the crate `journal`.
//!
//! What is on the disk if the power goes:
//! - accepted: the invocation with its action, in the record that a caller's answer waits for;
//! - running: the steps of turns that ended; a turn's writes and its steps are one record, so both are there or neither;
//! - waiting, retrying: a row that says until when or for what, found again when the object is opened;
//! - over: its last writes, its events, its action's status and its result, in one record.

mod accept;
pub(crate) use accept::{Accepting, Asker};
mod begin;
pub(crate) use begin::KEY_KEPT;
mod cancel;
mod child;
pub(crate) use cancel::{give_up, give_up_parts};
mod drive;
mod elsewhere;
mod end;
pub(crate) use drive::DurableRun;
mod event;
pub(crate) use event::wake_waiting;
mod forget;
pub(crate) use forget::next_forget;
mod queue;
pub(crate) use queue::{Durable, EndOf};
mod replay;
mod resume;
mod rows;
mod step;
mod timeline;
pub use timeline::{InvocationShown, STEPS_SHOWN_MAX};
mod timer;
mod upgrade;
pub(crate) use step::{DurableSteps, Made};
pub use upgrade::{Diverges, REPLAYED_MAX, UpgradeWanted, Upgraded};
mod wait;
pub(crate) use wait::let_parents_go_on;
mod wakes;
pub(crate) use wakes::{Wakes, start as start_waking};
mod waking;
pub(crate) use waking::{open_wake_table, wake_all};

use types::Retry;

/// How a `do` is retried when nobody says otherwise (spec DUR-7).
pub const STANDARD_RETRY: Retry =
    Retry { max_attempts: 3, initial_delay_ms: 100, max_delay_ms: 30_000, multiplier: 2.0, jitter: true };
/// The most attempts that can be asked for.
const ATTEMPTS_MAX: u32 = 1_000;
/// An invocation that was running each time the host died so often is the reason (spec DUR-15).
const INTERRUPTED_MAX: u32 = 3;

/// Of the places to run in, what was woken, is retried or was found at a start may have these: who calls from outside
/// finds one at once, however much there is to go on with.
pub(crate) fn places_behind(places: usize) -> usize {
    (places - places / 4).max(1)
}
