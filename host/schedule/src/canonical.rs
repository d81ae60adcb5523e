//! The one text of a rule: cron where cron can say it, else the shortest phrase.

use crate::calendar::{ALL_DAYS, ALL_MONTHS, ALL_WEEKDAYS, Calendar, Days, cross_product, nth_seven};
use crate::clock::WEEKDAYS;
use crate::phrase::{WEEKEND, WORKDAYS};
use crate::rule::{HOUR, MINUTE, Rule, SECOND, Unit};

const NTH: [&str; 4] = ["first", "second", "third", "fourth"];

pub(crate) fn of(rule: &Rule) -> String {
    match rule {
        Rule::Calendar(calendar) => of_calendar(calendar),
        Rule::Aligned { period } => {
            let units = [(HOUR, Unit::Hour), (MINUTE, Unit::Minute), (SECOND, Unit::Second)];
            let whole = units.into_iter().find(|(millis, _)| period % millis == 0);
            let (millis, unit) = whole.expect("intervals are whole seconds");
            every(period / millis, unit)
        }
        Rule::Anchored { count, unit } => every(*count, *unit),
    }
}

fn every(count: i64, unit: Unit) -> String {
    format!("every {count} {}{}", unit.name(), if count == 1 { "" } else { "s" })
}

fn of_calendar(calendar: &Calendar) -> String {
    let at = |days: String| format!("{days} at {}", clock(calendar.times()));
    match calendar.days {
        Days::Last => at("last day of the month".into()),
        Days::LastWeekday(weekday) => at(format!("last {} of the month", WEEKDAYS[usize::from(weekday)])),
        Days::Dates { days, months, weekdays, either } => {
            if let Some(nth) = nth_weekday(calendar) {
                return at(nth);
            }
            let Some((hours, minutes)) = cross_product(calendar.times()) else {
                return at(by_weekday(weekdays));
            };
            // Day fields that must both match are told from those of which either may by a leading `*`.
            let restricted = days != ALL_DAYS && weekdays != ALL_WEEKDAYS && !either;
            let (day, weekday) = match (restricted, days & (1 << 1) != 0) {
                (true, true) => (starred(days.into(), 1, 31), list(weekdays.into(), 0, 6)),
                (true, false) => (list(days.into(), 1, 31), starred(weekdays.into(), 0, 6)),
                (false, _) => (list(days.into(), 1, 31), list(weekdays.into(), 0, 6)),
            };
            let month = if months == ALL_MONTHS { "*".into() } else { list(months.into(), 1, 12) };
            format!("{} {} {day} {month} {weekday}", stepped(minutes, 59), stepped(hours, 23))
        }
    }
}

/// `first monday of the month`, for one time of day.
fn nth_weekday(calendar: &Calendar) -> Option<String> {
    let Days::Dates { days, months: ALL_MONTHS, weekdays, either: false } = calendar.days else { return None };
    let nth = (1..=4).find(|nth| nth_seven(*nth) == days)?;
    let single = weekdays.count_ones() == 1 && calendar.times().len() == 1;
    let weekday = usize::try_from(weekdays.trailing_zeros()).ok().filter(|_| single)?;
    Some(format!("{} {} of the month", NTH[usize::from(nth) - 1], WEEKDAYS[weekday]))
}

fn by_weekday(weekdays: u8) -> String {
    match weekdays {
        ALL_WEEKDAYS => "daily".into(),
        WORKDAYS => "weekdays".into(),
        WEEKEND => "weekends".into(),
        some => {
            let names = (0..7).filter(|day| some & (1 << day) != 0).map(|day| WEEKDAYS[day]);
            names.collect::<Vec<_>>().join(", ")
        }
    }
}

fn clock(times: &[u16]) -> String {
    let times = times.iter().map(|time| format!("{:02}:{:02}", time / 60, time % 60));
    times.collect::<Vec<_>>().join(", ")
}

/// Minutes or hours: `*`, `*/15`, or a list.
fn stepped(bits: u64, max: u32) -> String {
    let step = (bits & !1).trailing_zeros();
    let even = bits & 1 != 0 && step > 1 && step <= max && bits == steps(0, step, max);
    // Two values are a step only when it goes round evenly: `*/59` for 0 and 59 would hide more than it shows.
    if even && (bits.count_ones() > 2 || (max + 1).is_multiple_of(step)) {
        format!("*/{step}")
    } else {
        list(bits, 0, max)
    }
}

/// A list that begins with `*/n`, the smallest `n` that fits. There is one when the first value is among them.
fn starred(bits: u64, min: u32, max: u32) -> String {
    let fits = (2..=max - min + 1).find(|step| steps(min, *step, max) & !bits == 0);
    let step = fits.expect("the first value alone fits the widest step");
    match bits & !steps(min, step, max) {
        0 => format!("*/{step}"),
        rest => format!("*/{step},{}", list(rest, min, max)),
    }
}

fn steps(min: u32, step: u32, max: u32) -> u64 {
    (min..=max).step_by(step as usize).fold(0, |bits, value| bits | 1 << value)
}

/// `*`, or values and ranges: `1-5,9`.
fn list(bits: u64, min: u32, max: u32) -> String {
    let has = |value: u32| value <= max && bits & (1 << value) != 0;
    if (min..=max).all(has) {
        return "*".into();
    }
    let mut parts = Vec::new();
    let mut value = min;
    while value <= max {
        if !has(value) {
            value += 1;
            continue;
        }
        let end = (value..=max).take_while(|next| has(*next)).last().unwrap_or(value);
        match end - value {
            0 => parts.push(value.to_string()),
            1 => parts.push(format!("{value},{end}")),
            _ => parts.push(format!("{value}-{end}")),
        }
        value = end + 1;
    }
    parts.join(",")
}
