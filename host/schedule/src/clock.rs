//! Times of day, weekdays and months, as people write them.

use crate::Error;

const ACCEPTED: &str = "use 9am, 9:30pm, 14:30, noon or midnight";

/// Minutes since midnight of `9am`, `9:30pm`, `14:30`, `9`, `noon` or `midnight`, in lower case.
pub(crate) fn time(text: &str) -> Result<u16, Error> {
    read(text).ok_or_else(|| Error::new(text, "is no time of day", ACCEPTED))
}

fn read(text: &str) -> Option<u16> {
    match text {
        "noon" => return Some(12 * 60),
        "midnight" => return Some(0),
        _ => {}
    }
    let half =
        [("am", 0), ("pm", 12)].into_iter().find_map(|(end, add)| Some((text.strip_suffix(end)?.trim_end(), add)));
    let (hour, minute) = match half.map_or(text, |(rest, _)| rest).split_once(':') {
        Some((hour, minute)) if minute.len() == 2 => (number(hour)?, number(minute)?),
        Some(_) => return None,
        None => (number(half.map_or(text, |(rest, _)| rest))?, 0),
    };
    let hour = match half {
        Some((_, add)) if (1..=12).contains(&hour) => hour % 12 + add,
        None if hour <= 23 => hour,
        Some(_) | None => return None,
    };
    (minute <= 59).then_some(hour * 60 + minute)
}

fn number(text: &str) -> Option<u16> {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

pub(crate) const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// 0 (Sunday)…6, of a name in lower case, whole or its first three letters.
pub(crate) fn weekday(text: &str) -> Option<u8> {
    position(&WEEKDAYS, text)
}

/// 1…12, of a name in lower case, whole or its first three letters.
pub(crate) fn month(text: &str) -> Option<u8> {
    position(&MONTHS, text).map(|index| index + 1)
}

fn position(names: &[&str], text: &str) -> Option<u8> {
    let index = names.iter().position(|name| *name == text || name[..3] == *text)?;
    u8::try_from(index).ok()
}
