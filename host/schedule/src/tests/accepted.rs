//! Everything the grammar accepts, and the one text of each meaning.

use super::{REFERENCE, check, same, schedule};
use crate::Schedule;

#[test]
fn the_vectors_of_the_specification_hold() {
    check("Monday.at9am", REFERENCE, &["2024-02-05T09:00:00Z"]);
    check("0 9 * * 1", REFERENCE, &["2024-02-05T09:00:00Z"]);
    check("daily at 6am", REFERENCE, &["2024-01-31T06:00:00Z", "2024-02-01T06:00:00Z"]);
    check("weekend.atnoon", REFERENCE, &["2024-02-03T12:00:00Z", "2024-02-04T12:00:00Z", "2024-02-10T12:00:00Z"]);
    check("first of the month at 9am", REFERENCE, &["2024-02-01T09:00:00Z", "2024-03-01T09:00:00Z"]);
    check("last day of the month", REFERENCE, &["2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"]);
    check("0 0 13 * 5", REFERENCE, &["2024-02-02T00:00:00Z", "2024-02-09T00:00:00Z", "2024-02-13T00:00:00Z"]);
    check("0 0 29 2 *", REFERENCE, &["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"]);
    check("*/15 9-17 * * MON-FRI", REFERENCE, &["2024-01-31T09:00:00Z", "2024-01-31T09:15:00Z"]);
    let night = ["2025-03-09T07:00:00Z", "2025-03-10T06:30:00Z"];
    check("daily at 2:30am America/New_York", "2025-03-08T12:00:00Z", &night);
    let night = ["2025-11-02T05:30:00Z", "2025-11-03T06:30:00Z"];
    check("daily at 1:30am America/New_York", "2025-11-01T12:00:00Z", &night);
}

#[test]
fn a_property_is_the_cron_expression_it_stands_for() {
    same("Monday.at9am", "0 9 * * 1");
    same("weekday.at('9:30am')", "30 9 * * 1-5");
    same("weekday.at(\"9:30am\")", "30 9 * * 1-5");
    same("day.atnoon", "0 12 * * *");
    same("$.every.Sunday.at12am", "0 0 * * 0");
    same("every.Saturday.at12pm", "0 12 * * 6");
    same("weekend.atmidnight", "0 0 * * 0,6");
    same("Friday.at('14:30')", "30 14 * * 5");
    same("Friday.at('noon')", "0 12 * * 5");
    same("Tuesday", "0 0 * * 2");
    same("day", "0 0 * * *");
    same("minute", "* * * * *");
    same("hour", "0 * * * *");
    same("week", "0 0 * * 1");
    same("month", "0 0 1 * *");
    same("year", "0 0 1 1 *");
    for hour in 0..24 {
        let (shown, half) = (if hour % 12 == 0 { 12 } else { hour % 12 }, if hour < 12 { "am" } else { "pm" });
        same(&format!("Thursday.at{shown}{half}"), &format!("0 {hour} * * 4"));
    }
}

#[test]
fn a_count_is_the_phrase_it_stands_for() {
    same("minutes(5)", "*/5 * * * *");
    same("every 5 minutes", "*/5 * * * *");
    same("$.every.hours(1)", "0 * * * *");
    same("hours(5)", "every 5 hours");
    same("days(1)", "0 0 * * *");
    same("days(3)", "every 3 days");
    same("weeks(1)", "0 0 * * 1");
    same("weeks(2)", "every 2 weeks");
    same("seconds(120)", "*/2 * * * *");
}

#[test]
fn a_phrase_is_the_cron_expression_it_stands_for() {
    for (phrase, cron) in [
        ("every minute", "* * * * *"),
        ("minutely", "* * * * *"),
        ("hourly", "0 * * * *"),
        ("every hour", "0 * * * *"),
        ("every hr", "0 * * * *"),
        ("15 min", "*/15 * * * *"),
        ("every 30 minutes", "*/30 * * * *"),
        ("every 60 minutes", "0 * * * *"),
        ("every 2 hours", "0 */2 * * *"),
        ("every 6 hr", "0 */6 * * *"),
        ("every 24 hours", "0 0 * * *"),
        ("every 1 day", "0 0 * * *"),
        ("daily", "0 0 * * *"),
        ("everyday at 9", "0 9 * * *"),
        ("EVERY DAY at 12AM", "0 0 * * *"),
        ("daily at 12pm", "0 12 * * *"),
        ("daily at 0", "0 0 * * *"),
        ("daily at 23:59", "59 23 * * *"),
        ("daily at 9 am", "0 9 * * *"),
        ("daily at 9am, 1pm and 5pm", "0 9,13,17 * * *"),
        ("daily at 9am, and 5pm", "0 9,17 * * *"),
        ("daily at 9:15, 9:45, 17:15, 17:45", "15,45 9,17 * * *"),
        ("weekdays", "0 0 * * 1-5"),
        ("every weekday at 9:30am", "30 9 * * 1-5"),
        ("weekends at noon", "0 12 * * 0,6"),
        ("every weekend", "0 0 * * 0,6"),
        ("Mon and Thu at 8am", "0 8 * * 1,4"),
        ("every Monday, Wednesday and Friday", "0 0 * * 1,3,5"),
        ("every Tuesday at 9 and 17", "0 9,17 * * 2"),
        ("weekly", "0 0 * * 1"),
        ("every week on Sunday at 6pm", "0 18 * * 0"),
        ("weekly at 7:05", "5 7 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("monthly on the 15th at 9am", "0 9 15 * *"),
        ("every month on the twenty-first", "0 0 21 * *"),
        ("first of the month at 9am", "0 9 1 * *"),
        ("2nd day of every month", "0 0 2 * *"),
        ("31st of month at noon", "0 12 31 * *"),
        ("yearly", "0 0 1 1 *"),
        ("annually at 9am", "0 9 1 1 *"),
        ("every year on Dec 24 at 18:00", "0 18 24 12 *"),
        ("yearly on february 29", "0 0 29 2 *"),
    ] {
        same(phrase, cron);
    }
}

#[test]
fn what_cron_cannot_say_has_a_phrase_of_its_own() {
    same("daily at 5pm and 9:30am", "daily at 09:30, 17:00");
    same("weekdays at 9:30, 17", "weekdays at 09:30, 17:00");
    same("Thu and Mon at 9:30, 17", "monday, thursday at 09:30, 17:00");
    same("last day of the month", "last day of the month at 00:00");
    same("last Friday of the month at 5pm", "last friday of the month at 17:00");
    same("second Tuesday of the month at noon", "second tuesday of the month at 12:00");
    same("every 90 minutes", "every 90 minutes");
    same(
        "daily at 0:00, 1:30, 3, 4:30, 6, 7:30, 9, 10:30, 12, 13:30, 15, 16:30, 18, 19:30, 21, 22:30",
        "every 90 minutes",
    );
    check("fourth Thursday of the month", "2024-11-01T00:00:00Z", &["2024-11-28T00:00:00Z", "2024-12-26T00:00:00Z"]);
    check("first Monday of the month at 9am", REFERENCE, &["2024-02-05T09:00:00Z", "2024-03-04T09:00:00Z"]);
    check("last Friday of the month", REFERENCE, &["2024-02-23T00:00:00Z", "2024-03-29T00:00:00Z"]);
}

#[test]
fn cron_reads_lists_ranges_steps_and_names() {
    for (cron, canonical) in [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@ANNUALLY", "0 0 1 1 *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * fri-sun", "0 0 * * 0,5,6"),
        ("0 0 * * sun-tue", "0 0 * * 0-2"),
        ("0 0 * * MON-FRI/2", "0 0 * * 1,3,5"),
        ("0 0 1 JAN-MAR,dec *", "0 0 1 1-3,12 *"),
        ("00,15,30,45 09 * * *", "*/15 9 * * *"),
        ("0-59 0-23 1-31 1-12 0-6", "* * * * *"),
        ("5-59/15 * * * *", "5,20,35,50 * * * *"),
        ("0\t9 *  * 1", "0 9 * * 1"),
        // Either day field matches; one that holds every day makes it every day.
        ("0 0 1-31 * 1", "0 0 * * *"),
        // With a leading `*` both have to match.
        ("0 0 */2 * 1", "0 0 */2 * 1"),
        ("0 0 1-7 * */2", "0 0 */31,2-7 * 0,2,4,6"),
        ("0 9 */31,2-7 * 1", "first monday of the month at 09:00"),
        // No June has a 31st.
        ("0 0 15,31 6 *", "0 0 15 6 *"),
        ("0 0 31 6 1", "0 0 * 6 1"),
        ("0,59 * * * *", "0,59 * * * *"),
    ] {
        same(cron, canonical);
    }
}

#[test]
fn the_zone_is_a_suffix_or_given_beside() {
    for text in ["daily at 6am America/New_York", "daily at 6am in america/new_york", "0 6 * * * tz America/New_York"] {
        assert_eq!(schedule(text).canonical(), "0 6 * * * America/New_York", "{text}");
    }
    let beside = Schedule::parse("daily at 6am", Some("America/New_York"));
    assert_eq!(beside, Ok(schedule("0 6 * * * America/New_York")));
    assert_eq!(Schedule::parse("daily at 6am America/New_York", Some("America/New_York")), beside);
    assert_eq!(schedule("Monday.at9am in Europe/Berlin").timezone(), "Europe/Berlin");
    for utc in ["UTC", "Etc/UTC", "GMT", "Z", "+00:00"] {
        assert_eq!(Schedule::parse("daily", Some(utc)), Ok(schedule("daily")), "{utc}");
    }
    for offset in ["+05:30", "+0530"] {
        let schedule = Schedule::parse("daily at 6am", Some(offset)).expect(offset);
        assert_eq!((schedule.timezone(), schedule.canonical().as_str()), ("+05:30", "0 6 * * * +05:30"));
    }
    check("daily at 6am +05:30", REFERENCE, &["2024-01-31T00:30:00Z", "2024-02-01T00:30:00Z"]);
    check("daily at 6am -08:00", REFERENCE, &["2024-01-31T14:00:00Z"]);
}
