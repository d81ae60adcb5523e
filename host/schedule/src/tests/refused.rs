//! What is refused, and what the refusal says (spec EVR-4, EVR-5).

use super::{REFERENCE, at, schedule};
use crate::{Schedule, TEXT_BYTES_MAX};

#[test]
fn what_is_no_schedule_is_refused() {
    for text in [
        "",
        " ",
        "whenever",
        "every",
        "every 0 minutes",
        "minutes(0)",
        "every -5 minutes",
        "every 1.5 hours",
        "every 5 parsecs",
        "every 99999999999999999999 minutes",
        "every 9 centuries",
        "every 420 weeks",
        "at 9",
        "9am",
        "daily at",
        "daily at 13pm",
        "daily at 0am",
        "daily at 25:00",
        "daily at 24",
        "daily at 9:75",
        "daily at 9:5",
        "daily at 9am 5pm",
        "daily at 9am,",
        "daily 9am",
        "daily at 6.30am",
        "every day except Sunday",
        "every other day",
        "every Monday Tuesday",
        "every Blursday",
        "monthly on the 32nd",
        "monthly on the 1th",
        "fifth Monday of the month",
        "last of the month",
        "first Monday",
        "yearly on February 30",
        "yearly on Smarch 1",
        "yearly on March",
        "every five minutes",
        "second",
        "every second",
        "every 90 seconds",
        "seconds(5)",
        "Monday.at9:30am",
        "Monday.at13pm",
        "Monday.at('25:00')",
        "Monday.at(9am)",
        "Monday.at09am",
        "monday.at9am",
        "Day.atnoon",
        "minute.at9am",
        "minutes(5).at9am",
        "minutes()",
        "fortnight(2)",
        "every('daily')",
    ] {
        assert!(Schedule::parse(text, None).is_err(), "{text:?} must be refused");
    }
    let long = format!("daily at 9am{}", " ".repeat(TEXT_BYTES_MAX));
    assert!(Schedule::parse(&long, None).is_err());
    let times = |count: usize| format!("daily at {}", vec!["9"; count].join(","));
    assert!(Schedule::parse(&times(24), None).is_ok());
    assert!(Schedule::parse(&times(25), None).is_err());
}

#[test]
fn cron_that_is_not_cron_is_refused() {
    for text in [
        "* * * *",
        "0 0 9 * * 1",
        "0 9 * * 1 2024 x",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * 32 * *",
        "* * * 0 *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "*/61 * * * *",
        "5/15 * * * *",
        "1,,2 * * * *",
        "1- * * * *",
        "-1 * * * *",
        "5-1 * * * *",
        "1-2-3 * * * *",
        "0 9 * * FRI-MON",
        "0 9 * * 6-1",
        "0 9 * NOV-FEB *",
        "0 9 L * *",
        "0 9 15W * *",
        "0 9 * * 5L",
        "0 9 * * 1#2",
        "0 9 ? * 1",
        "0 9 * * MONDAY",
        "MON 9 * * *",
        "0 0 31 4 *",
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "@reboot",
        "@every 5m",
        "1,2, * * * *",
        "+5 * * * *",
        "0x5 * * * *",
    ] {
        assert!(Schedule::parse(text, None).is_err(), "{text:?} must be refused");
    }
}

#[test]
fn what_does_not_occur_for_eight_years_is_refused_at_registration() {
    let sundays = schedule("0 0 29 2 */7");
    assert!(sundays.first(at(REFERENCE)).is_err(), "the next one is 29 February 2032");
    assert_eq!(sundays.first(at("2024-03-01T00:00:00Z")), Ok(at("2032-02-29T00:00:00Z")));
    assert_eq!(schedule("0 0 29 2 *").first(at("2096-03-01T00:00:00Z")), Ok(at("2104-02-29T00:00:00Z")));
    assert!(schedule("daily").first(types::Timestamp::from_millis(u64::MAX)).is_err());
}

#[test]
fn zones_that_are_none_are_refused() {
    for zone in ["Mars/Olympus", "+25:00", "+05:60", "5", "+", "+5:3", "", "America", "+1:000", "+é0"] {
        assert!(Schedule::parse("daily", Some(zone)).is_err(), "{zone:?} must be refused");
    }
    for text in
        ["daily in Mars/Olympus", "daily Mars/Olympus", "daily at 9am in", "daily in Berlin", "0 9 * * 1 Mars/Olympus"]
    {
        assert!(Schedule::parse(text, None).is_err(), "{text:?} must be refused");
    }
    assert!(Schedule::parse("daily Europe/Berlin", Some("Europe/Paris")).is_err(), "two zones");
}

#[track_caller]
fn says(text: &str, part: &str, message: &str) {
    let error = Schedule::parse(text, None).expect_err(text);
    assert_eq!((error.part.as_str(), error.to_string().as_str()), (part, message));
}

#[test]
fn an_error_names_the_part_and_what_would_be_accepted() {
    says("whenever", "whenever", "unknown schedule \"whenever\"; did you mean \"every weekend\"?");
    says("evry 5 minuts", "evry 5 minuts", "unknown schedule \"evry 5 minuts\"; did you mean \"every 5 minutes\"?");
    says("daily at 13pm", "13pm", "\"13pm\" is no time of day; use 9am, 9:30pm, 14:30, noon or midnight");
    says(
        "daily at 9am sharp",
        "sharp",
        "\"sharp\" is not understood in \"daily at 9am sharp\"; did you mean \"daily at 9am and 5pm\"?",
    );
    says("every 0 minutes", "0", "\"0\" is no count; use a whole number from 1, like every 5 minutes");
    says(
        "0 9 * * FRI-MON",
        "FRI-MON",
        "\"FRI-MON\" is a range that ends before it begins, in the field day of the week; write the two parts with a \
         comma; use 0 to 7 or SUN to SAT, as 1, MON-FRI or a list with commas; for the first or last one of a month \
         write \"first Monday of the month\"",
    );
    says(
        "daily in Mars/Olympus",
        "Mars/Olympus",
        "\"Mars/Olympus\" is no time zone; use an IANA name like America/New_York, an offset like +05:30, or UTC",
    );
    let error = Schedule::parse(&"é".repeat(200), None).expect_err("it is no schedule");
    assert!(error.to_string().len() < 200, "{error}");
}
