//! The property form and the counted form as text: `Monday.at9am`, `weekday.at('9:30am')`, `minutes(5)` (spec EVR-1, 2).
//! Names are exact: they are what a program writes.

use crate::calendar::Calendar;
use crate::rule::{Rule, Unit};
use crate::{Error, Options, clock, phrase};

const DAYS: [(&str, u8); 10] = [
    ("Sunday", 1),
    ("Monday", 1 << 1),
    ("Tuesday", 1 << 2),
    ("Wednesday", 1 << 3),
    ("Thursday", 1 << 4),
    ("Friday", 1 << 5),
    ("Saturday", 1 << 6),
    ("day", 0x7F),
    ("weekday", phrase::WORKDAYS),
    ("weekend", phrase::WEEKEND),
];

const PERIODS: [&str; 6] = ["second", "minute", "hour", "week", "month", "year"];

const COUNTED: [(&str, Unit); 5] = [
    ("seconds", Unit::Second),
    ("minutes", Unit::Minute),
    ("hours", Unit::Hour),
    ("days", Unit::Day),
    ("weeks", Unit::Week),
];

const ACCEPTED: &str = "use Monday to Sunday, day, weekday or weekend with .at9am, .atnoon or .at('9:30am'), one of \
                        minute, hour, day, week, month, year, or a count like minutes(5)";

/// `$.every.` and `every.` may stand before it.
fn bare(text: &str) -> &str {
    let text = text.strip_prefix("$.").unwrap_or(text);
    text.strip_prefix("every.").unwrap_or(text)
}

/// Whether a text is meant as one of these forms, right or wrong.
pub(crate) fn looks_like(text: &str) -> bool {
    let name = text.split_once(['.', '(']).map(|(name, _)| name);
    name.is_some_and(|name| !name.contains(char::is_whitespace))
        || PERIODS.contains(&text)
        || DAYS.iter().any(|(name, _)| *name == text)
}

pub(crate) fn parse(text: &str, options: Options) -> Result<Rule, Error> {
    let unknown = || Error::new(text, "is no schedule", ACCEPTED);
    let bare = bare(text);
    if PERIODS.contains(&bare) {
        return phrase::parse(&format!("every {bare}"), options);
    }
    if let Some((name, count)) = bare.strip_suffix(')').and_then(|call| call.split_once('('))
        && let Some((_, unit)) = COUNTED.iter().find(|(counted, _)| *counted == name)
    {
        return Rule::every(count.trim(), *unit, options);
    }
    let (day, time) = match bare.split_once('.') {
        Some((day, time)) => (day, Some(time)),
        None => (bare, None),
    };
    let (_, weekdays) = DAYS.iter().find(|(name, _)| *name == day).ok_or_else(unknown)?;
    let minutes = match time {
        None => 0,
        Some(time) => at(time).ok_or_else(|| Error::new(time, "is no time of a day", ACCEPTED))?,
    };
    Ok(Rule::Calendar(Calendar::on_weekdays(*weekdays, vec![minutes])))
}

/// `at9am`, `at12pm`, `atnoon`, `at("9:30am")`.
fn at(text: &str) -> Option<u16> {
    let time = text.strip_prefix("at")?;
    if let Some(quoted) = time.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        let quoted = quoted.trim();
        let inner = ['"', '\''].into_iter().find_map(|quote| quoted.strip_prefix(quote)?.strip_suffix(quote))?;
        return clock::time(&inner.trim().to_ascii_lowercase()).ok();
    }
    let hour = time.strip_suffix("am").or_else(|| time.strip_suffix("pm"));
    let whole = hour.is_some_and(|hour| !hour.starts_with('0') && hour.bytes().all(|b| b.is_ascii_digit()));
    (whole || matches!(time, "noon" | "midnight")).then(|| clock::time(time).ok())?
}
