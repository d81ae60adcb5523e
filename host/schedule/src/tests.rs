//! What the notations mean (spec EVR-1…EVR-7, vectors 25.7), as tables.

mod accepted;
mod brute;
mod clocks;
mod intervals;
mod refused;
mod small;

use crate::Schedule;
use types::Timestamp;

/// A Wednesday.
const REFERENCE: &str = "2024-01-31T00:00:00Z";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text, None).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// So many ticks after `from`, of a schedule that was registered then.
fn ticks(schedule: &Schedule, from: &str, count: usize) -> Vec<Timestamp> {
    let anchor = at(from);
    std::iter::successors(Some(anchor), |after| schedule.next(*after, anchor)).skip(1).take(count).collect()
}

#[track_caller]
fn check(text: &str, from: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|text| at(text)).collect();
    let found = ticks(&schedule(text), from, expected.len());
    let shown = |times: &[Timestamp]| times.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&found), shown(&expected), "{text:?} from {from}");
}

/// Both spellings are one schedule and have this canonical text.
#[track_caller]
fn same(text: &str, canonical: &str) {
    let (one, other) = (schedule(text), schedule(canonical));
    assert_eq!(one.canonical(), canonical, "{text:?}");
    assert_eq!(other.canonical(), canonical);
    assert_eq!(one, other, "{text:?}");
}
