//! What a schedule means, whatever it was spelled like, and the next instant of it.

use crate::calendar::Calendar;
use crate::zone::Zone;
use crate::{Error, Options};
use types::Timestamp;

pub(crate) const SECOND: i64 = 1000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const WEEK: i64 = 7 * DAY;

/// The longest interval; a longer one would not occur within the years in which a schedule must.
const PERIOD_MAX: i64 = crate::FIRST_YEARS_MAX as i64 * 365 * DAY;

pub(crate) const ACCEPTED_DATES: &str = "use dates that exist, like 0 0 28 2 *, or \"last day of the month\"";

/// What intervals are counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
}

impl Unit {
    pub(crate) fn millis(self) -> i64 {
        match self {
            Self::Second => SECOND,
            Self::Minute => MINUTE,
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => WEEK,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }
}

/// One meaning has one rule once it is [`Rule::normal`].
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Rule {
    /// Times of days, by the wall clock.
    Calendar(Calendar),
    /// So many milliseconds, which divide a day, counted from midnight by the clock as it stood at registration.
    Aligned { period: i64 },
    /// Any other interval: whole periods after the registration, which counts from the next whole unit.
    Anchored { count: i64, unit: Unit },
}

impl Rule {
    /// `every COUNT UNIT`.
    pub(crate) fn every(digits: &str, unit: Unit, options: Options) -> Result<Self, Error> {
        let accepted = format!("use a whole number from 1, like every 5 {}s", unit.name());
        let count = digits.parse::<i64>().map_err(|_| Error::new(digits, "is no count", accepted.clone()))?;
        if count < 1 {
            return Err(Error::new(digits, "is no count", accepted));
        }
        let period = count.checked_mul(unit.millis()).filter(|period| *period <= PERIOD_MAX);
        let Some(period) = period else {
            let part = format!("{count} {}s", unit.name());
            return Err(Error::new(&part, "is too long an interval", "use at most 8 years"));
        };
        if period % MINUTE != 0 && !options.allow_sub_minute {
            let part = format!("every {count} second{}", if count == 1 { "" } else { "s" });
            return Err(Error::new(&part, "is not allowed", "use whole minutes, or set allowSubMinute"));
        }
        Ok(match (count, unit) {
            (1, Unit::Week) => Self::Calendar(Calendar::weekly_on_monday()),
            _ if period == DAY => Self::Calendar(Calendar::daily_at(vec![0])),
            _ if HOUR % period == 0 && period % MINUTE == 0 => Self::Calendar(Calendar::every_minutes(period / MINUTE)),
            _ if DAY % period == 0 => Self::Aligned { period },
            _ => Self::Anchored { count, unit },
        })
    }

    /// Where the clock is never changed, elapsed time and wall clock are the same thing: whole hours are a calendar, and
    /// a day's times that are equally far apart are an interval.
    pub(crate) fn normal(self, zone: &Zone) -> Self {
        if !zone.is_fixed() {
            return self;
        }
        match self {
            Self::Aligned { period } if period % HOUR == 0 => Self::Calendar(Calendar::every_minutes(period / MINUTE)),
            Self::Calendar(calendar) => match calendar.period_minutes() {
                Some(minutes) => Self::Aligned { period: minutes * MINUTE },
                None => Self::Calendar(calendar),
            },
            other @ (Self::Aligned { .. } | Self::Anchored { .. }) => other,
        }
    }

    pub(crate) fn next(&self, after: Timestamp, anchor: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let next = match self {
            Self::Calendar(calendar) => calendar.next(instant(after)?, zone)?.as_millisecond(),
            Self::Aligned { period } => {
                let (after, offset) = (millis(after)?, zone.offset_millis(instant(anchor)?));
                after.checked_add(period - (after + offset).rem_euclid(*period))?
            }
            Self::Anchored { count, unit } => {
                let (after, start) = (millis(after)?, start(anchor, *unit, zone)?);
                let period = count * unit.millis();
                let passed = if after < start { 0 } else { (after - start) / period };
                start.checked_add((passed + 1).checked_mul(period)?)?
            }
        };
        // Past the calendar's last year there is nothing to be shown to anybody.
        let next = jiff::Timestamp::from_millisecond(next).ok()?;
        u64::try_from(next.as_millisecond()).ok().map(Timestamp::from_millis)
    }
}

/// The first whole unit at or after `anchor`, by the clock there.
fn start(anchor: Timestamp, unit: Unit, zone: &Zone) -> Option<i64> {
    let at = instant(anchor)?;
    let whole = match unit {
        Unit::Second | Unit::Minute | Unit::Hour => {
            let past = (at.as_millisecond() + zone.offset_millis(at)).rem_euclid(unit.millis());
            return Some(at.as_millisecond() + (unit.millis() - past) % unit.millis());
        }
        Unit::Day => zone.civil(at).date(),
        Unit::Week => {
            let date = zone.civil(at).date();
            let days = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(jiff::Span::new().days(days)).ok()?
        }
    };
    let begun = zone.midnight(whole)?;
    let whole = if begun >= at {
        begun
    } else {
        zone.midnight(whole.checked_add(jiff::Span::new().days(unit.millis() / DAY)).ok()?)?
    };
    Some(whole.as_millisecond())
}

fn millis(at: Timestamp) -> Option<i64> {
    instant(at).map(|at| at.as_millisecond())
}

/// `None` past the year 9999.
pub(crate) fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).ok()?).ok()
}
