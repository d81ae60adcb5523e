//! Properties that hold for all schedules, and cron against a scan of every minute.

use super::at;
use crate::{Options, Schedule};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use types::Timestamp;

/// What one field says of one value, written as differently from the parser as can be: by trying.
fn field_has(field: &str, value: i64, min: i64, max: i64) -> bool {
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
            None if range == "*" => (min, max),
            None => (range.parse().unwrap(), range.parse().unwrap()),
        };
        (from..=to).contains(&value) && (value - from) % step.parse::<i64>().unwrap() == 0
    })
}

/// What a cron expression says, tried value by value.
struct Tables {
    minutes: Vec<bool>,
    hours: Vec<bool>,
    days: Vec<bool>,
    months: Vec<bool>,
    weekdays: Vec<bool>,
    either: bool,
}

impl Tables {
    fn of(fields: &[String; 5]) -> Self {
        let [minute, hour, day, month, weekday] = fields;
        let table = |field: &str, min, max, last| (0..=last).map(|value| field_has(field, value, min, max)).collect();
        let mut weekdays: Vec<bool> = table(weekday, 0, 6, 7);
        weekdays[0] |= weekdays[7];
        Self {
            minutes: table(minute, 0, 59, 59),
            hours: table(hour, 0, 23, 23),
            days: table(day, 1, 31, 31),
            months: table(month, 1, 12, 12),
            weekdays,
            either: !day.starts_with('*') && !weekday.starts_with('*'),
        }
    }

    /// Every minute of so many days from midnight of this UTC day (counted from 1970) on that matches.
    fn scan(&self, first_day: u64, days: u64) -> Vec<u64> {
        let mut found = Vec::new();
        for midnight in (first_day..first_day + days).map(|day| day * 1440) {
            let instant = jiff::Timestamp::from_second(midnight as i64 * 60).unwrap();
            let date = TimeZone::UTC.to_datetime(instant);
            let day = self.days[date.day() as usize];
            let weekday = self.weekdays[date.weekday().to_sunday_zero_offset() as usize];
            let matches = if self.either { day || weekday } else { day && weekday };
            if matches && self.months[date.month() as usize] {
                let minutes = (0..1440usize).filter(|m| self.hours[m / 60] && self.minutes[m % 60]);
                found.extend(minutes.map(|minute| (midnight + minute as u64) * 60_000));
            }
        }
        found
    }
}

fn field(min: i64, max: i64) -> impl Strategy<Value = String> {
    let value = min..=max;
    let item = prop_oneof![
        3 => Just("*".to_owned()),
        1 => (1..=max - min + 1).prop_map(|step| format!("*/{step}")),
        2 => value.clone().prop_map(|value| value.to_string()),
        2 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (value.clone(), value, 1..=3i64).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ];
    proptest::collection::vec(item, 1..3).prop_map(|items| items.join(","))
}

fn fields() -> impl Strategy<Value = [String; 5]> {
    [field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7)]
}

/// Texts of every form, most of them accepted.
fn text() -> impl Strategy<Value = String> {
    let word = |words: &'static [&'static str]| proptest::sample::select(words);
    let time = (0..24u8, 0..60u8).prop_map(|(hour, minute)| format!("{hour}:{minute:02}"));
    let days = word(&["daily", "weekdays", "weekends", "Mon and Thu", "sunday", "every Tue, Wed"]);
    let months = word(&[
        "last day of the month",
        "first Monday of the month",
        "4th Sunday of the month",
        "last Friday of the month",
        "31st of the month",
        "yearly on Feb 29",
        "monthly on the 30th",
    ]);
    let unit = word(&["seconds", "minutes", "hours", "days", "weeks"]);
    let when = prop_oneof![
        fields().prop_map(|fields| fields.join(" ")),
        (days, proptest::collection::vec(time.clone(), 1..5)).prop_map(|(d, t)| format!("{d} at {}", t.join(", "))),
        (months, time).prop_map(|(days, time)| format!("{days} at {time}")),
        (1..200u32, unit).prop_map(|(count, unit)| format!("every {count} {unit}")),
    ];
    let zone =
        word(&["", " America/New_York", " +05:45", " Australia/Lord_Howe", " Africa/Casablanca", " Asia/Kolkata"]);
    (when, zone).prop_map(|(when, zone)| format!("{when}{zone}"))
}

fn parse(text: &str) -> Result<Schedule, crate::Error> {
    Schedule::parse_with(text, None, Options { allow_sub_minute: true })
}

const EIGHTY_YEARS: u64 = 80 * 365 * 24 * 3_600_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cron_agrees_with_a_scan_of_every_minute(fields in fields(), first_day in 0..80 * 365u64) {
        let Ok(schedule) = parse(&fields.join(" ")) else { return Ok(()) };
        let scanned = Tables::of(&fields).scan(first_day, 20);
        let start = Timestamp::from_millis((first_day * 1440 * 60_000).saturating_sub(1));
        let mut at = start;
        for expected in scanned.into_iter().filter(|expected| *expected > 0) {
            at = schedule.next(at, start).expect("the scan found one");
            prop_assert_eq!(at, Timestamp::from_millis(expected), "{:?}", fields);
        }
        let beyond = schedule.next(at, start);
        prop_assert!(beyond.is_none_or(|next| next.as_millis() >= (first_day + 20) * 1440 * 60_000));
    }
}

proptest! {
    #[test]
    fn the_next_tick_is_later_and_none_lies_between(text in text(), start in 0..EIGHTY_YEARS, ahead in 0..1u64 << 33) {
        let Ok(schedule) = parse(&text) else { return Ok(()) };
        let (start, ahead) = (Timestamp::from_millis(start), Timestamp::from_millis(start + ahead));
        let Some(next) = schedule.next(start, start) else { return Ok(()) };
        prop_assert!(next > start);
        let from_ahead = schedule.next(ahead, start);
        prop_assert!(from_ahead.is_none_or(|later| later > ahead && later >= next));
        if ahead < next {
            prop_assert_eq!(from_ahead, Some(next), "asked in between");
        }
    }

    #[test]
    fn the_canonical_text_reads_back_as_the_same_schedule(text in text()) {
        let Ok(schedule) = parse(&text) else { return Ok(()) };
        let canonical = schedule.canonical();
        let again = parse(&canonical);
        prop_assert_eq!(again.as_ref(), Ok(&schedule), "{} -> {}", text, canonical);
        prop_assert_eq!(again.unwrap().canonical(), canonical);
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}", zone in proptest::option::of("\\PC{0,12}")) {
        let _ = Schedule::parse(&text, zone.as_deref());
    }

    #[test]
    fn no_sequence_of_known_words_is_too_strange(
        words in proptest::collection::vec(proptest::sample::select(&[
            "every", "at", "on", "the", "of", "month", "last", "day", "9am", "5", ",", "and", "Monday", "first", "in", "tz",
            "*", "*/5", "@daily", "minutes(", "Monday.", "weekly", "Europe/Berlin", "+5", "am", ".at(", "')", "L", "1-5/2", "Feb", "é",
        ][..]), 0..9),
        separator in proptest::sample::select(&[" ", ""][..]),
    ) {
        if let Ok(schedule) = parse(&words.join(separator)) {
            prop_assert_eq!(parse(&schedule.canonical()), Ok(schedule));
        }
    }
}

#[test]
fn cron_agrees_with_a_scan_over_forty_years() {
    let cases = [
        "0 9 * * 1",
        "0 0 29 2 *",
        "0 0 13 * 5",
        "*/30 9-10 * 5 1-5",
        "7 3 */2 * 1",
        "0 12 31 * *",
        "30 6 1-7 1,6 */3",
        "0 0 29 2 */7",
        "0 0 28-31 2,12 0",
    ];
    let (first_day, days) = (at("2024-01-01T00:00:00Z").as_millis() / 86_400_000, 40 * 365);
    for text in cases {
        let fields: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let scanned = Tables::of(&fields.try_into().unwrap()).scan(first_day, days);
        let (schedule, start) = (parse(text).unwrap(), Timestamp::from_millis(first_day * 86_400_000 - 1));
        let found = std::iter::successors(schedule.next(start, start), |at| schedule.next(*at, start));
        let found: Vec<u64> =
            found.map(Timestamp::as_millis).take_while(|at| *at < (first_day + days) * 86_400_000).collect();
        assert!(scanned.len() > 1, "{text}");
        assert_eq!(found, scanned, "{text}");
    }
}
