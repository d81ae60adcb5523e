//! When something is next due: phrases, cron and intervals as data (spec 5.2), and backoff (DUR-7).
//!
//! No clock and no I/O: the instant comes in, the next one comes out, so every rule is a function with a table of tests.
//! A [`Schedule`] is parsed once; two spellings of one meaning are the same [`Rule`](rule::Rule) in the same zone and
//! therefore print the same [`Schedule::canonical`] text, which reads back as the same schedule.
//!
//! `phrase.rs`, `property.rs` and `cron.rs` read the three notations, `canonical.rs` writes, `rule.rs`, `calendar.rs`
//! and `zone.rs` find instants.

pub mod backoff;

mod calendar;
mod canonical;
mod clock;
mod cron;
mod error;
mod missed;
mod phrase;
mod property;
mod rule;
mod span;
mod zone;

pub use error::Error;
pub use missed::{MISSED_COUNT_MAX, MISSED_TICKS_MAX, Missed};
pub use span::end_of_span;

use rule::Rule;
use types::Timestamp;
use zone::Zone;

/// The longest text of a schedule, in bytes; canonical texts stay below it.
pub const TEXT_BYTES_MAX: usize = 512;

/// A schedule must have an occurrence within so many years of its registration (spec EVR-5).
pub const FIRST_YEARS_MAX: i16 = 8;

/// What a deployment permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Whether ticks may be less than a minute apart (spec EVR-1).
    pub allow_sub_minute: bool,
}

/// When something is due, again and again.
#[derive(Clone, PartialEq, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: Zone,
}

impl Schedule {
    /// Any of the notations of spec EVR-1…EVR-5. `zone` is an IANA name, an offset like `+05:30`, or none for UTC; the
    /// text may name the zone instead, as its last word.
    pub fn parse(text: &str, zone: Option<&str>) -> Result<Self, Error> {
        Self::parse_with(text, zone, Options::default())
    }

    /// The same under a deployment's options.
    pub fn parse_with(text: &str, zone: Option<&str>, options: Options) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Error::new(text, "is too long", format!("use at most {TEXT_BYTES_MAX} bytes")));
        }
        let given = zone.map(Zone::parse).transpose()?;
        let (text, named) = split_zone(text.trim())?;
        let zone = match (given, named) {
            (Some(given), Some(named)) if given != named => {
                let reason = format!("is not the time zone that is given beside it ({})", given.name());
                return Err(Error::new(named.name(), reason, "name the zone once"));
            }
            (given, named) => given.or(named).unwrap_or_else(Zone::utc),
        };
        let rule = if cron::looks_like(text) {
            Rule::Calendar(cron::parse(text)?)
        } else if property::looks_like(text) {
            property::parse(text, options)?
        } else {
            phrase::parse(text, options)?
        };
        Ok(Self { rule: rule.normal(&zone), zone })
    }

    /// The one text of this meaning; parsing it gives the same schedule.
    pub fn canonical(&self) -> String {
        let text = canonical::of(&self.rule);
        if self.zone.is_utc() { text } else { format!("{text} {}", self.zone.name()) }
    }

    /// The zone whose wall clock it follows: an IANA name, `+05:30` or `UTC`.
    pub fn timezone(&self) -> &str {
        self.zone.name()
    }

    /// The first tick strictly after `after`, of a schedule that was registered at `anchor`: intervals that do not divide
    /// the day are counted from there (spec EVR-6). `None`: never again, within the half century that is looked at.
    pub fn next(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        self.rule.next(after, anchor, &self.zone)
    }

    /// The first tick of a schedule registered at `now`, which an accepted schedule has within [`FIRST_YEARS_MAX`] years.
    pub fn first(&self, now: Timestamp) -> Result<Timestamp, Error> {
        let first = self.next(now, now).filter(|first| within_years(*first, now));
        first.ok_or_else(|| {
            Error::new(&self.canonical(), "does not occur within the next 8 years", rule::ACCEPTED_DATES)
        })
    }

    /// What fell due after `from` and not after `now`, while nothing ran: see [`Missed`].
    pub fn missed(&self, from: Timestamp, now: Timestamp, anchor: Timestamp, ticks_max: usize) -> Missed {
        missed::between(self, from, now, anchor, ticks_max)
    }
}

fn within_years(first: Timestamp, now: Timestamp) -> bool {
    let Some(year) = rule::instant(now).map(|now| now.to_zoned(jiff::tz::TimeZone::UTC)) else { return false };
    let end = year.checked_add(jiff::Span::new().years(FIRST_YEARS_MAX)).ok();
    let end = end.and_then(|end| u64::try_from(end.timestamp().as_millisecond()).ok());
    end.is_none_or(|end| first.as_millis() <= end)
}

/// The text without the zone that stands at its end, and that zone.
fn split_zone(text: &str) -> Result<(&str, Option<Zone>), Error> {
    let Some((rest, last)) = text.rsplit_once(char::is_whitespace) else { return Ok((text, None)) };
    let rest = rest.trim_end();
    if let Some((rest, word)) = rest.rsplit_once(char::is_whitespace)
        && (word.eq_ignore_ascii_case("in") || word.eq_ignore_ascii_case("tz"))
    {
        return Ok((rest.trim_end(), Some(Zone::parse(last)?)));
    }
    // The last of cron's five fields may have a letter and a slash too: `MON-FRI/2`.
    if cron::looks_like(text) && text.split_whitespace().count() <= cron::FIELDS {
        return Ok((text, None));
    }
    let digit_behind =
        |sign: char| last.strip_prefix(sign).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if !(last.starts_with(|c: char| c.is_ascii_alphabetic()) || digit_behind('+') || digit_behind('-')) {
        return Ok((text, None));
    }
    match Zone::find(last) {
        Some(zone) => Ok((rest, Some(zone))),
        None if last.contains('/') => Err(Zone::parse(last).expect_err("it was not found")),
        None => Ok((text, None)),
    }
}

#[cfg(test)]
mod tests;
