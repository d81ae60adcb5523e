//! Cron: five fields, or a word that stands for them (spec EVR-5).
//!
//! Written here and not taken from a library: the matcher is a few bit operations, and times, days and zones are shared
//! with the phrases, which say more than cron can.

use crate::Error;
use crate::calendar::{Calendar, Days};
use crate::rule::ACCEPTED_DATES;

/// Minute, hour, day of the month, month, day of the week.
pub(crate) const FIELDS: usize = 5;

const WORDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Whether a text is meant as cron, right or wrong: it begins with `@`, or with what can only be a field.
pub(crate) fn looks_like(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    let digits = first.bytes().all(|b| b.is_ascii_digit());
    let field = first.starts_with(|c: char| c.is_ascii_digit() || "*?".contains(c))
        && first.bytes().all(|b| b.is_ascii_digit() || b"*,-/?LW#".contains(&b));
    let more = second.is_some_and(|second| second.starts_with(|c: char| c.is_ascii_digit() || "*?".contains(c)));
    first.starts_with('@') || field && (more || !digits)
}

pub(crate) fn parse(text: &str) -> Result<Calendar, Error> {
    let text = if text.starts_with('@') {
        let word = WORDS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        let Some((_, fields)) = word else {
            let known: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
            return Err(Error::new(text, "is no word for a schedule", format!("use one of {}", known.join(", "))));
        };
        fields
    } else {
        text
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        let reason = match fields.len() {
            6 => "has six fields (seconds are none of cron's)".to_owned(),
            count => format!("has {count} fields"),
        };
        let accepted = "cron has five: minute hour day-of-month month day-of-week, like 30 9 * * 1-5";
        return Err(Error::new(text, reason, accepted));
    };
    let (minutes, hours) = (MINUTE.read(minute)?, HOUR.read(hour)?);
    let (days, months, weekdays) = (DAY.read(day)?, MONTH.read(month)?, WEEKDAY.read(weekday)?);
    // 7 is Sunday as 0 is.
    let weekdays = (weekdays | weekdays >> 7) & 0x7F;
    let either = !day.starts_with('*') && !weekday.starts_with('*');
    let narrow = "no field has more bits than its type";
    let days = u32::try_from(days).expect(narrow);
    let months = u16::try_from(months).expect(narrow);
    let Some(days) = Days::dates(days, months, u8::try_from(weekdays).expect(narrow), either) else {
        return Err(Error::new(text, "never occurs: no such month has that day", ACCEPTED_DATES));
    };
    let times = bits(hours).flat_map(|hour| bits(minutes).map(move |minute| hour * 60 + minute)).collect();
    Ok(Calendar::new(days, times))
}

fn bits(mask: u64) -> impl Iterator<Item = u16> + Clone {
    (0..64).filter(move |bit| mask & (1 << bit) != 0)
}

/// One field: what it is called, its values, and the names of them.
struct Field {
    name: &'static str,
    min: u8,
    /// The largest value that `*` stands for.
    max: u8,
    /// The largest value that may be written.
    max_written: u8,
    number_of: fn(&str) -> Option<u8>,
    accepted: &'static str,
}

const MINUTE: Field = Field {
    name: "minute",
    min: 0,
    max: 59,
    max_written: 59,
    number_of: |_| None,
    accepted: "use 0 to 59, as 5, 1-10, */15 or a list with commas",
};
const HOUR: Field = Field {
    name: "hour",
    min: 0,
    max: 23,
    max_written: 23,
    number_of: |_| None,
    accepted: "use 0 to 23, as 9, 9-17, */6 or a list with commas",
};
const DAY: Field = Field {
    name: "day of the month",
    min: 1,
    max: 31,
    max_written: 31,
    number_of: |_| None,
    accepted: "use 1 to 31, as 1, 1-7, */2 or a list with commas; for the last day write \"last day of the month\"",
};
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    max_written: 12,
    number_of: |name| crate::clock::month(name).filter(|_| name.len() == 3),
    accepted: "use 1 to 12 or JAN to DEC, as 1, JAN-MAR, */3 or a list with commas",
};
const WEEKDAY: Field = Field {
    name: "day of the week",
    min: 0,
    max: 6,
    max_written: 7,
    number_of: |name| crate::clock::weekday(name).filter(|_| name.len() == 3),
    accepted: "use 0 to 7 or SUN to SAT, as 1, MON-FRI or a list with commas; for the first or last one of a month \
               write \"first Monday of the month\"",
};

impl Field {
    fn error(&self, part: &str, reason: &str) -> Error {
        Error::new(part, format!("{reason} in the field {}", self.name), self.accepted)
    }

    /// The values as bits.
    fn read(&self, text: &str) -> Result<u64, Error> {
        let mut values = 0;
        for item in text.split(',') {
            values |= self.item(item)?;
        }
        Ok(values)
    }

    /// `*`, `5`, `1-5`, the first and the last also with `/2`.
    fn item(&self, item: &str) -> Result<u64, Error> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((from, to)) => self.range(from, to)?,
            None if step.is_some() => return Err(self.error(item, "has a step without * or a range")),
            None => {
                let value = self.value(range)?;
                (value, value)
            }
        };
        let step = step.map_or(Ok(1), |step| self.step(step))?;
        Ok((from..=to).step_by(step).fold(0, |bits, value| bits | 1 << value))
    }

    fn range(&self, from: &str, to: &str) -> Result<(u8, u8), Error> {
        let (low, mut high) = (self.value(from)?, self.value(to)?);
        // A week may end with its Sunday, which is 7 too.
        if self.max_written > self.max && to.eq_ignore_ascii_case("sun") && low > 0 {
            high = self.max_written;
        }
        if low > high {
            let reason = "is a range that ends before it begins";
            return Err(Error::new(&format!("{from}-{to}"), format!("{reason}, in the field {}", self.name), {
                format!("write the two parts with a comma; {}", self.accepted)
            }));
        }
        Ok((low, high))
    }

    fn step(&self, text: &str) -> Result<usize, Error> {
        let largest = self.max - self.min + 1;
        let step = number(text).filter(|step| (1..=largest).contains(step));
        let accepted =
            || Error::new(text, format!("is no step in the field {}", self.name), format!("use 1 to {largest}"));
        step.map(usize::from).ok_or_else(accepted)
    }

    fn value(&self, text: &str) -> Result<u8, Error> {
        let value = number(text).or_else(|| (self.number_of)(&text.to_ascii_lowercase()));
        if let Some(value) = value.filter(|value| (self.min..=self.max_written).contains(value)) {
            return Ok(value);
        }
        let extension = text.contains(['?', '#']) || text.contains(['L', 'W']) && number(text).is_none();
        Err(self.error(text, if extension { "is an extension of cron that is not understood" } else { "is no value" }))
    }
}

fn number(text: &str) -> Option<u8> {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}
