//! Time zones, and which instant a wall-clock time is (spec EVR-7).

use crate::Error;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// The zones that come with the binary, so that a tick is the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Zones of the database that are UTC by another name.
const UTC_NAMES: [&str; 12] = [
    "utc",
    "z",
    "zulu",
    "gmt",
    "uct",
    "universal",
    "etc/utc",
    "etc/gmt",
    "etc/uct",
    "etc/universal",
    "etc/zulu",
    "greenwich",
];

const ACCEPTED: &str = "use an IANA name like America/New_York, an offset like +05:30, or UTC";

/// The largest offset from UTC, in minutes (RFC 3339 allows up to 23:59).
const OFFSET_MINUTES_MAX: i32 = 23 * 60 + 59;

/// A time zone by its canonical name.
#[derive(Clone, Debug)]
pub(crate) struct Zone {
    /// As the database spells it; `+05:30`; `UTC`.
    name: String,
    tz: TimeZone,
    fixed: bool,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Zone {
    pub(crate) fn utc() -> Self {
        Self { name: "UTC".into(), tz: TimeZone::UTC, fixed: true }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        Self::find(text).ok_or_else(|| Error::new(text, "is no time zone", ACCEPTED))
    }

    pub(crate) fn find(text: &str) -> Option<Self> {
        if UTC_NAMES.contains(&text.to_ascii_lowercase().as_str()) {
            return Some(Self::utc());
        }
        if text.starts_with(['+', '-']) {
            return Self::offset(text);
        }
        // The database also holds a zone for what it does not know.
        let tz = ZONES.get(text).ok().filter(|tz| !tz.is_unknown())?;
        Some(Self { name: tz.iana_name()?.to_owned(), tz, fixed: false })
    }

    /// `+05:30`, `-0800`, `+2`.
    fn offset(text: &str) -> Option<Self> {
        let (sign, digits) = (if text.starts_with('-') { -1 } else { 1 }, &text[1..]);
        let (hours, minutes) = match digits.split_once(':') {
            Some((hours, minutes)) if hours.len() == 2 && minutes.len() == 2 => (hours, minutes),
            Some(_) => return None,
            None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
            None => (digits, "00"),
        };
        let number = |text: &str| {
            (matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit()))
                .then(|| text.parse::<i32>().ok())?
        };
        let (hours, minutes) = (number(hours)?, number(minutes)?);
        let total = hours * 60 + minutes;
        if minutes > 59 || total > OFFSET_MINUTES_MAX {
            return None;
        }
        if total == 0 {
            return Some(Self::utc());
        }
        let sign_text = if sign < 0 { '-' } else { '+' };
        let offset = Offset::from_seconds(sign * total * 60).ok()?;
        let name = format!("{sign_text}{hours:02}:{minutes:02}");
        Some(Self { name, tz: TimeZone::fixed(offset), fixed: true })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its clock is never put forward or back.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed
    }

    pub(crate) fn is_utc(&self) -> bool {
        self.name == "UTC"
    }

    pub(crate) fn civil(&self, at: Timestamp) -> DateTime {
        self.tz.to_datetime(at)
    }

    /// What the clock there is ahead of UTC at `at`, in milliseconds.
    pub(crate) fn offset_millis(&self, at: Timestamp) -> i64 {
        i64::from(self.tz.to_offset(at).seconds()) * 1000
    }

    /// When its clock is next put forward or back after `at`, if ever.
    pub(crate) fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        if self.fixed { None } else { self.tz.following(at).next().map(|change| change.timestamp()) }
    }

    /// The instant of a wall-clock time. One that the clock skips is the first instant after the gap; one that it shows
    /// twice is the first of both. So a later time is never an earlier instant. `None` outside the years of the calendar.
    pub(crate) fn instant(&self, time: DateTime) -> Option<Timestamp> {
        match self.tz.to_ambiguous_timestamp(time).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                // By the clock as it was, the skipped time lies behind the change and before any other.
                let behind = before.to_timestamp(time).ok()?;
                let just_after = Timestamp::from_nanosecond(behind.as_nanosecond() + 1).ok()?;
                self.tz.preceding(just_after).next().map(|change| change.timestamp())
            }
        }
    }

    pub(crate) fn midnight(&self, date: Date) -> Option<Timestamp> {
        self.instant(date.at(0, 0, 0, 0))
    }
}
