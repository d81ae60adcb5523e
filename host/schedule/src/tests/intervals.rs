//! Intervals (spec EVR-6), and what was missed (EVR-10).

use super::{REFERENCE, at, check, schedule, ticks};
use crate::{MISSED_COUNT_MAX, MISSED_TICKS_MAX, Missed, Options, Schedule};
use types::Timestamp;

#[test]
fn an_interval_that_divides_the_hour_or_day_is_aligned_to_the_clock() {
    let from = "2024-01-31T12:07:20Z";
    check("every 15 minutes", from, &["2024-01-31T12:15:00Z", "2024-01-31T12:30:00Z", "2024-01-31T12:45:00Z"]);
    check("every 6 hours", from, &["2024-01-31T18:00:00Z", "2024-02-01T00:00:00Z"]);
    check("every 90 minutes", from, &["2024-01-31T13:30:00Z", "2024-01-31T15:00:00Z"]);
    check("every 6 hours +05:30", from, &["2024-01-31T12:30:00Z", "2024-01-31T18:30:00Z"]);
    check("every 15 minutes Asia/Kathmandu", from, &["2024-01-31T12:15:00Z"]);
}

#[test]
fn any_other_interval_is_counted_from_the_registration() {
    for from in ["2024-01-31T12:00:00Z", "2024-01-31T12:00:20.500Z"] {
        let end = at(from).plus(std::time::Duration::from_secs(7200));
        let found: Vec<_> = ticks(&schedule("every 7 minutes"), from, 40).into_iter().filter(|t| *t <= end).collect();
        assert_eq!(found.len(), 17, "two hours from {from}");
        assert!(found.windows(2).all(|pair| pair[1].millis_since(pair[0]) == 7 * 60_000));
        assert_eq!(found[0].as_millis() % 60_000, 0, "whole minutes");
    }
    check("every 7 minutes", "2024-01-31T12:00:20Z", &["2024-01-31T12:08:00Z", "2024-01-31T12:15:00Z"]);
    check("every 5 hours", "2024-01-31T12:20:00Z", &["2024-01-31T18:00:00Z", "2024-01-31T23:00:00Z"]);
    check("every 5 hours Asia/Kolkata", "2024-01-31T12:20:00Z", &["2024-01-31T17:30:00Z"]);
    check("every 3 days", "2024-01-31T12:20:00Z", &["2024-02-04T00:00:00Z", "2024-02-07T00:00:00Z"]);
    check("every 3 days", REFERENCE, &["2024-02-03T00:00:00Z"]);
    check("every 3 days Europe/Berlin", "2024-01-31T12:20:00Z", &["2024-02-03T23:00:00Z"]);
    check("every 2 weeks", REFERENCE, &["2024-02-19T00:00:00Z", "2024-03-04T00:00:00Z"]);
    // A schedule asked about a time before it was registered.
    let next = schedule("every 7 minutes").next(at("2000-01-01T00:00:00Z"), at("2024-01-31T12:00:00Z"));
    assert_eq!(next, Some(at("2024-01-31T12:07:00Z")));
}

#[test]
fn seconds_need_an_option() {
    let options = Options { allow_sub_minute: true };
    let every = |text: &str| Schedule::parse_with(text, None, options).expect(text);
    let start = at("2024-01-31T12:00:00.500Z");
    assert_eq!(every("second").next(start, start), Some(at("2024-01-31T12:00:01Z")));
    assert_eq!(every("every 30 seconds").next(start, start), Some(at("2024-01-31T12:00:30Z")));
    assert_eq!(every("seconds(7)").next(start, start), Some(at("2024-01-31T12:00:08Z")));
    for text in ["every 30 seconds", "every 1 second", "every 7 seconds", "every 90 seconds"] {
        assert_eq!(every(text).canonical(), text);
    }
    assert!(Schedule::parse("every 30 seconds", None).is_err());
}

#[test]
fn ticks_that_were_missed_are_counted_and_the_newest_handed_out() {
    let every_minute = schedule("every minute");
    let (from, now) = (at("2024-01-31T12:00:00Z"), at("2024-01-31T12:10:30Z"));
    let missed = every_minute.missed(from, now, from, 3);
    let newest = ["2024-01-31T12:08:00Z", "2024-01-31T12:09:00Z", "2024-01-31T12:10:00Z"].map(at);
    assert_eq!(missed, Missed { count: 10, more: false, ticks: newest.to_vec() });
    assert_eq!(every_minute.missed(from, from, from, 3), Missed::default());
    assert_eq!(every_minute.missed(now, from, from, 3), Missed::default(), "the clock was put back");
    assert_eq!(every_minute.missed(from, now, from, 0), Missed { count: 10, more: false, ticks: Vec::new() });
}

#[test]
fn after_years_the_count_ends_and_the_newest_ticks_are_still_right() {
    let (from, now) = (at("2020-01-01T00:00:00Z"), at("2024-01-31T12:10:30Z"));
    let missed = schedule("every minute America/New_York").missed(from, now, from, usize::MAX);
    assert_eq!((missed.count, missed.more, missed.ticks.len()), (MISSED_COUNT_MAX, true, MISSED_TICKS_MAX));
    assert_eq!(missed.ticks.last(), Some(&at("2024-01-31T12:10:00Z")));
    assert!(missed.ticks.windows(2).all(|pair| pair[1].millis_since(pair[0]) == 60_000));
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for text in [
        "every minute",
        "daily at 9am America/New_York",
        "every 7 minutes",
        "every 6 hours Europe/Berlin",
        "every 2 weeks",
    ] {
        let schedule = schedule(text);
        assert!(schedule.next(Timestamp::from_millis(0), Timestamp::from_millis(0)).is_some(), "{text}");
        for end in [u64::MAX, i64::MAX as u64, at("9999-12-30T21:59:59Z").as_millis()] {
            let end = Timestamp::from_millis(end);
            assert!(schedule.next(end, end).is_none_or(|next| next > end), "{text}");
        }
    }
}
