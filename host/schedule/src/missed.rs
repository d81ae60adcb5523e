//! The ticks that fell due while nothing ran (spec EVR-10).

use crate::Schedule;
use std::collections::VecDeque;
use types::Timestamp;

/// How far missed ticks are counted; beyond it there are "more".
pub const MISSED_COUNT_MAX: u32 = 10_000;

/// The most ticks that are handed out to be caught up with (`catchUp: all`).
pub const MISSED_TICKS_MAX: usize = 100;

/// What fell due in a span of time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missed {
    /// How many ticks, at most [`MISSED_COUNT_MAX`].
    pub count: u32,
    /// Whether there were more than that.
    pub more: bool,
    /// The newest of them, oldest first; the last is the tick that a single catching up stands for.
    pub ticks: Vec<Timestamp>,
}

/// Ticks after `from` and not after `now`. At most [`MISSED_COUNT_MAX`] steps, and when there is more, some 50 more for
/// each tick that is asked for.
pub(crate) fn between(
    schedule: &Schedule,
    from: Timestamp,
    now: Timestamp,
    anchor: Timestamp,
    ticks_max: usize,
) -> Missed {
    let ticks_max = ticks_max.min(MISSED_TICKS_MAX);
    let due = |after: Timestamp, until: Timestamp| schedule.next(after, anchor).filter(|tick| *tick <= until);
    let mut newest = VecDeque::with_capacity(ticks_max);
    let (mut count, mut at) = (0, from);
    while let Some(tick) = due(at, now) {
        if count == MISSED_COUNT_MAX {
            let ticks = last_ticks(&due, from, now, ticks_max);
            return Missed { count, more: true, ticks };
        }
        if newest.len() == ticks_max {
            newest.pop_front();
        }
        if ticks_max > 0 {
            newest.push_back(tick);
        }
        (count, at) = (count + 1, tick);
    }
    Missed { count, more: false, ticks: newest.into() }
}

/// The newest ticks up to `now`, by halving the span in which the last of them lies.
fn last_ticks(
    due: &impl Fn(Timestamp, Timestamp) -> Option<Timestamp>,
    from: Timestamp,
    now: Timestamp,
    ticks_max: usize,
) -> Vec<Timestamp> {
    let mut ticks = VecDeque::with_capacity(ticks_max);
    let mut until = now;
    while ticks.len() < ticks_max {
        // A tick follows `low`, none follows `high`.
        let (mut low, mut high) = (from.as_millis(), until.as_millis());
        let Some(mut last) = due(from, until) else { break };
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match due(Timestamp::from_millis(middle), until) {
                Some(tick) => (low, last) = (middle, tick),
                None => high = middle,
            }
        }
        ticks.push_front(last);
        until = Timestamp::from_millis(last.as_millis() - 1);
    }
    ticks.into()
}
