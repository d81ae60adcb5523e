//! Points in time.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC with milliseconds (spec 0.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn plus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Milliseconds from `earlier` to this; 0 if it is later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Any RFC 3339 offset.
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Self)
    }
}

impl Timestamp {
    /// `2024-01-08`: the start of that UTC day (spec ID-11).
    pub fn parse_date(text: &str) -> Option<Self> {
        // A date alone has ten bytes; the parser would take a longer form for one too.
        let date: jiff::civil::Date = if text.len() == 10 { text.parse().ok()? } else { return None };
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        u64::try_from(start.timestamp().as_millisecond()).ok().map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{millis}ms"),
        }
    }
}
