//! Durations as people write them (spec 0.5): `1500`, `7d`, `7 days`, `P7D`, `PT30S`.

use crate::Error;
use std::time::Duration;

/// The longest that makes sense anywhere; it also keeps arithmetic on instants from overflowing.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

const ACCEPTED: &str = "use milliseconds (1500), a whole number with a unit (30s, 5 minutes, 2h, 7d), or PT30S";

/// A duration of more than nothing. An integer means milliseconds, a day is 24 hours. At most [`DURATION_MAX`].
pub fn parse(text: &str) -> Result<Duration, Error> {
    match parse_or_zero(text)? {
        Duration::ZERO => Err(Error::new(text.trim(), "is no time at all", "use more than zero")),
        duration => Ok(duration),
    }
}

/// The same where spec allows for no time at all.
pub fn parse_or_zero(text: &str) -> Result<Duration, Error> {
    let text = text.trim();
    let millis = match text.as_bytes() {
        [b'P' | b'p', rest @ ..] if rest.is_ascii() => iso(&text[1..]),
        _ => plain(text),
    };
    let Some(millis) = millis else {
        let reason = if text.starts_with('-') { "is negative" } else { "is no duration" };
        return Err(Error::new(text, reason, ACCEPTED));
    };
    let duration = Duration::from_millis(millis);
    if duration > DURATION_MAX {
        return Err(Error::new(text, "is too long", "use at most ten years"));
    }
    Ok(duration)
}

fn plain(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    let unit = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "second" | "seconds" => SECOND,
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "h" | "hr" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        "w" | "week" | "weeks" => WEEK,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// What follows the `P`. Years and months are no fixed time and therefore refused; only seconds may have a fraction.
fn iso(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't']) {
        // A `T` with nothing behind it is a mistake.
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let days = parts(date, &[('W', WEEK), ('D', DAY)])?;
    days.checked_add(parts(time, &[('H', HOUR), ('M', MINUTE), ('S', SECOND)])?)
}

/// Numbers with these designators, each at most once and in this order.
fn parts(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut total = 0u64;
    for (designator, unit) in units {
        let end = text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
        let (number, rest) = text.split_at(end);
        let Some(rest) = rest.strip_prefix([*designator, designator.to_ascii_lowercase()]) else { continue };
        let millis = match number.split_once(['.', ',']) {
            None => number.parse::<u64>().ok()?.checked_mul(*unit)?,
            Some((whole, fraction)) if *unit == SECOND => {
                whole.parse::<u64>().ok()?.checked_mul(SECOND)?.checked_add(fraction_millis(fraction)?)?
            }
            Some(_) => return None,
        };
        total = total.checked_add(millis)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

/// `.5` are 500 milliseconds; what is finer than a millisecond is refused.
fn fraction_millis(digits: &str) -> Option<u64> {
    let place = match digits.len() {
        1 => 100,
        2 => 10,
        3 => 1,
        _ => return None,
    };
    Some(digits.parse::<u64>().ok()? * place)
}
