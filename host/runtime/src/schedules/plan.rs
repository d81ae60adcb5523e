//! What a schedule does now that its time has come: which ticks become runs (spec EVR-10). Pure.

use super::UNFINISHED_MAX;
use schedule::{MISSED_TICKS_MAX, Schedule};
use types::Timestamp;
use types::deployment::{CatchUp, Overlap};

/// A tick that nobody catches up with counts as missed when it is later than this, in milliseconds.
const ON_TIME_MS: u64 = 10_000;

/// One tick that is to be a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tick {
    /// When it was due.
    pub(super) at: Timestamp,
    /// How many before it were never fired, and are not going to be.
    pub(super) missed: u32,
}

/// What is due, oldest first, and when the next one is; None: never.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Due {
    pub(super) ticks: Vec<Tick>,
    pub(super) next: Option<Timestamp>,
}

/// Of a schedule that was registered at `anchor` and whose next tick was due at `due`, which has passed.
pub(super) fn due(schedule: &Schedule, catch_up: CatchUp, due: Timestamp, now: Timestamp, anchor: Timestamp) -> Due {
    let before = Timestamp::from_millis(due.as_millis().saturating_sub(1));
    let ticks_max = match catch_up {
        CatchUp::All => MISSED_TICKS_MAX,
        CatchUp::One | CatchUp::None => 1,
    };
    let found = schedule.missed(before, now, anchor, ticks_max);
    let older = found.count.saturating_sub(u32::try_from(found.ticks.len()).unwrap_or(u32::MAX));
    let is_caught = |at: &Timestamp| match catch_up {
        CatchUp::One | CatchUp::All => true,
        CatchUp::None => now.millis_since(*at) <= ON_TIME_MS,
    };
    let ticks = found.ticks.into_iter().filter(is_caught).enumerate();
    let ticks = ticks.map(|(n, at)| Tick { at, missed: if n == 0 { older } else { 0 } }).collect();
    Due { ticks, next: schedule.next(now, anchor) }
}

/// How many of `wanted` ticks may become runs while so many of the schedule's runs have not ended. The newest ones do.
pub(super) fn room(overlap: Overlap, unfinished: u32, wanted: usize) -> usize {
    let room = match (overlap, unfinished) {
        (Overlap::Skip, 1..) | (Overlap::Queue, 2..) => 0,
        (Overlap::Queue, 1) => 1,
        // What is caught up with runs one after the other.
        (Overlap::Skip | Overlap::Queue, 0) | (Overlap::Allow, _) => UNFINISHED_MAX.saturating_sub(unfinished),
    };
    wanted.min(room as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64, second: u64) -> Timestamp {
        Timestamp::from_millis((minute * 60 + second) * 1000)
    }

    fn minutely() -> Schedule {
        Schedule::parse("every minute", None).expect("it is a phrase")
    }

    #[test]
    fn one_run_stands_for_what_was_missed() {
        let due = due(&minutely(), CatchUp::One, at(1, 0), at(10, 30), at(0, 30));
        assert_eq!(due, Due { ticks: vec![Tick { at: at(10, 0), missed: 9 }], next: Some(at(11, 0)) });
    }

    #[test]
    fn nothing_is_caught_up_with_that_is_late() {
        let late = due(&minutely(), CatchUp::None, at(1, 0), at(10, 30), at(0, 30));
        assert_eq!(late, Due { ticks: vec![], next: Some(at(11, 0)) });
        let in_time = due(&minutely(), CatchUp::None, at(1, 0), at(1, 2), at(0, 30));
        assert_eq!(in_time.ticks, [Tick { at: at(1, 0), missed: 0 }]);
    }

    #[test]
    fn every_missed_tick_is_a_run_up_to_a_hundred() {
        let some = due(&minutely(), CatchUp::All, at(1, 0), at(3, 30), at(0, 30));
        let ticks = [1, 2, 3].map(|minute| Tick { at: at(minute, 0), missed: 0 });
        assert_eq!(some.ticks, ticks);
        let many = due(&minutely(), CatchUp::All, at(1, 0), at(150, 0), at(0, 30));
        assert_eq!(many.ticks.len(), 100);
        assert_eq!(many.ticks[0], Tick { at: at(51, 0), missed: 50 });
        assert_eq!(many.ticks[1].missed, 0);
    }

    #[test]
    fn a_run_that_has_not_ended_holds_ticks_back() {
        assert_eq!(room(Overlap::Skip, 0, 1), 1);
        assert_eq!(room(Overlap::Skip, 1, 1), 0);
        assert_eq!(room(Overlap::Queue, 1, 3), 1);
        assert_eq!(room(Overlap::Queue, 2, 1), 0);
        assert_eq!(room(Overlap::Allow, 99, 3), 1);
        assert_eq!(room(Overlap::Allow, 100, 1), 0);
        assert_eq!(room(Overlap::Skip, 0, 100), 100);
    }
}
