//! Clocks that are put forward and back (spec EVR-7).

use super::check;

#[test]
fn a_time_that_the_clock_skips_is_due_once_right_after_the_gap() {
    check(
        "daily at 2:30am America/New_York",
        "2025-03-08T12:00:00Z",
        &["2025-03-09T07:00:00Z", "2025-03-10T06:30:00Z"],
    );
    // All four times are skipped; together they are one tick.
    check("*/15 2 * * * America/New_York", "2025-03-09T06:00:00Z", &["2025-03-09T07:00:00Z", "2025-03-10T06:00:00Z"]);
    check(
        "daily at 2:30 and 3:00 America/New_York",
        "2025-03-09T06:00:00Z",
        &["2025-03-09T07:00:00Z", "2025-03-10T06:30:00Z"],
    );
    // Half an hour only.
    check(
        "daily at 2:15 Australia/Lord_Howe",
        "2025-10-04T10:00:00Z",
        &["2025-10-04T15:30:00Z", "2025-10-05T15:15:00Z"],
    );
    // Midnight itself is skipped.
    check("daily America/Santiago", "2025-09-06T12:00:00Z", &["2025-09-07T04:00:00Z", "2025-09-08T03:00:00Z"]);
    // A whole day: Samoa had no 30 December.
    check("daily at noon Pacific/Apia", "2011-12-29T22:30:00Z", &["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]);
}

#[test]
fn a_time_that_the_clock_shows_twice_is_due_at_the_first() {
    check(
        "daily at 1:30am America/New_York",
        "2025-11-01T12:00:00Z",
        &["2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"],
    );
    // Asked between the two, and within the second.
    check("daily at 1:30am America/New_York", "2025-11-02T06:10:00Z", &["2025-11-03T06:30:00Z"]);
    check("daily at 1:30am America/New_York", "2025-11-02T06:40:00Z", &["2025-11-03T06:30:00Z"]);
    check("30 1,2 * * * America/New_York", "2025-11-02T05:30:00Z", &["2025-11-02T07:30:00Z"]);
    // Back over midnight: 23:30 of the day before comes again.
    check("daily at 23:30 America/Santiago", "2025-04-05T20:00:00Z", &["2025-04-06T02:30:00Z", "2025-04-07T03:30:00Z"]);
}

#[test]
fn what_happens_every_hour_follows_elapsed_time() {
    check(
        "30 * * * * America/New_York",
        "2025-03-09T06:00:00Z",
        &["2025-03-09T06:30:00Z", "2025-03-09T07:30:00Z", "2025-03-09T08:30:00Z"],
    );
    check(
        "every hour America/New_York",
        "2025-11-02T04:30:00Z",
        &["2025-11-02T05:00:00Z", "2025-11-02T06:00:00Z", "2025-11-02T07:00:00Z"],
    );
    check(
        "every 30 minutes Australia/Lord_Howe",
        "2025-04-05T14:29:00Z",
        &["2025-04-05T14:30:00Z", "2025-04-05T15:00:00Z"],
    );
    // The clock goes back by half an hour just when it would be two: one hour has ninety minutes.
    check("every hour Australia/Lord_Howe", "2025-04-05T13:30:00Z", &["2025-04-05T14:00:00Z", "2025-04-05T15:30:00Z"]);
    check("0 * * * MON America/New_York", "2025-03-09T05:30:00Z", &["2025-03-10T04:00:00Z", "2025-03-10T05:00:00Z"]);
    // Hourly, but on Sundays only: the day with the change has 23 hours.
    let sunday = super::ticks(&super::schedule("0 * * * SUN America/New_York"), "2025-03-09T04:59:00Z", 24);
    assert_eq!((sunday[22], sunday[23]), (super::at("2025-03-10T03:00:00Z"), super::at("2025-03-16T04:00:00Z")));
}

#[test]
fn an_interval_of_hours_follows_elapsed_time_and_cron_the_wall() {
    let from = "2025-03-09T04:30:00Z";
    let elapsed = ["2025-03-09T05:00:00Z", "2025-03-09T11:00:00Z", "2025-03-09T17:00:00Z"];
    check("every 6 hours America/New_York", from, &elapsed);
    let wall = ["2025-03-09T05:00:00Z", "2025-03-09T10:00:00Z", "2025-03-09T16:00:00Z"];
    check("0 */6 * * * America/New_York", from, &wall);
}
