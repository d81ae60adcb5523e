//! Times of days by the wall clock: which days match, and the next instant.

use crate::zone::Zone;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};

/// How far ahead a next tick is looked for. The rarest there is, a 29 February on a given weekday, may be 40 years away.
/// It bounds the work: at most twelve months a year, each a few bit operations, and two changes of the clock.
const NEXT_YEARS_MAX: i16 = 48;

pub(crate) const ALL_DAYS: u32 = 0xFFFF_FFFE;
pub(crate) const ALL_MONTHS: u16 = 0x1FFE;
pub(crate) const ALL_WEEKDAYS: u8 = 0x7F;
const MINUTES_A_DAY: u16 = 24 * 60;

/// Days of the month that each have one of every weekday: the first Monday is the Monday among the first seven days.
pub(crate) fn nth_seven(nth: u8) -> u32 {
    0xFE << (7 * (nth - 1))
}

/// Which days. Bits are numbered as people count: day 1…31, month 1…12, weekday 0 (Sunday)…6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Days {
    /// Cron's fields; with `either` a day matches by its number or by its weekday, else it has to by both.
    Dates { days: u32, months: u16, weekdays: u8, either: bool },
    /// The last day of every month.
    Last,
    /// The last such weekday of every month.
    LastWeekday(u8),
}

impl Days {
    pub(crate) const EVERY: Self =
        Self::Dates { days: ALL_DAYS, months: ALL_MONTHS, weekdays: ALL_WEEKDAYS, either: false };

    /// One spelling for the days that cron's fields describe; `None` when no such date exists.
    pub(crate) fn dates(days: u32, months: u16, weekdays: u8, either: bool) -> Option<Self> {
        let possible = (1..=12).filter(|month| months & (1 << month) != 0).map(longest).max()?;
        let possible = ALL_DAYS >> (31 - possible) & ALL_DAYS;
        let all_days = days & possible == possible;
        let no_day = days & possible == 0;
        let days = if all_days { ALL_DAYS } else { days & possible };
        let dates = |days, weekdays, either| Some(Self::Dates { days, months, weekdays, either });
        match (either, all_days, weekdays == ALL_WEEKDAYS) {
            (true, true, _) | (true, _, true) => dates(ALL_DAYS, ALL_WEEKDAYS, false),
            (true, false, false) if no_day => dates(ALL_DAYS, weekdays, false),
            (true, false, false) => dates(days, weekdays, true),
            (false, ..) if no_day => None,
            (false, ..) => dates(days, weekdays, false),
        }
    }

    /// The matching days of one month, as bits.
    fn of_month(self, first: Date) -> u32 {
        let length = first.days_in_month();
        let real = ALL_DAYS >> (31 - length) & ALL_DAYS;
        let weekdays_of = |weekdays: u8| {
            let sunday_based = first.weekday().to_sunday_zero_offset();
            let matches = |day: i8| weekdays & (1 << ((sunday_based + day - 1) % 7)) != 0;
            (1..=length).filter(|day| matches(*day)).fold(0u32, |bits, day| bits | 1 << day)
        };
        match self {
            Self::Dates { months, .. } if months & (1 << first.month()) == 0 => 0,
            Self::Dates { days, weekdays, either: true, .. } => real & (days | weekdays_of(weekdays)),
            Self::Dates { days, weekdays, either: false, .. } => real & days & weekdays_of(weekdays),
            Self::Last => 1 << length,
            Self::LastWeekday(weekday) => {
                let bits = weekdays_of(1 << weekday);
                1 << (31 - bits.leading_zeros())
            }
        }
    }

    /// The first matching date that is not before `from` and not after the year `until`.
    fn next(self, from: Date, until: i16) -> Option<Date> {
        let mut month = from.first_of_month();
        let mut allowed = u32::MAX << from.day();
        while month.year() <= until {
            let bits = self.of_month(month) & allowed;
            if bits != 0 {
                let day = i8::try_from(bits.trailing_zeros()).expect("there are 31 days");
                return Date::new(month.year(), month.month(), day).ok();
            }
            allowed = u32::MAX;
            month = month.checked_add(jiff::Span::new().months(1)).ok()?;
        }
        None
    }
}

fn longest(month: i8) -> i8 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Times of days.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Calendar {
    pub(crate) days: Days,
    /// Minutes since midnight: ascending, each once, at least one.
    times: Vec<u16>,
    /// Whether every hour has the same minutes. Such ticks follow elapsed time: what the clock skips is not made up for,
    /// and what it shows twice happens twice.
    hourly: bool,
}

impl Calendar {
    /// `times` in minutes since midnight, in any order; at least one.
    pub(crate) fn new(days: Days, mut times: Vec<u16>) -> Self {
        times.sort_unstable();
        times.dedup();
        debug_assert!(times.last().is_some_and(|last| *last < MINUTES_A_DAY));
        let hourly = cross_product(&times).is_some_and(|(hours, _)| hours == 0xFF_FFFF);
        Self { days, times, hourly }
    }

    pub(crate) fn daily_at(times: Vec<u16>) -> Self {
        Self::new(Days::EVERY, times)
    }

    pub(crate) fn on_weekdays(weekdays: u8, times: Vec<u16>) -> Self {
        Self::new(Days::Dates { days: ALL_DAYS, months: ALL_MONTHS, weekdays, either: false }, times)
    }

    pub(crate) fn weekly_on_monday() -> Self {
        Self::on_weekdays(1 << 1, vec![0])
    }

    /// From midnight on, every day; `minutes` divide a day.
    pub(crate) fn every_minutes(minutes: i64) -> Self {
        let step = usize::try_from(minutes).expect("an interval is positive");
        Self::daily_at((0..MINUTES_A_DAY).step_by(step).collect())
    }

    pub(crate) fn times(&self) -> &[u16] {
        &self.times
    }

    /// Of times that are equally far apart all day, every day, and that cron cannot say: how far.
    pub(crate) fn period_minutes(&self) -> Option<i64> {
        let step = *self.times.get(1)?;
        let even = self.days == Days::EVERY
            && MINUTES_A_DAY.is_multiple_of(step)
            && self.times.iter().copied().eq((0..MINUTES_A_DAY).step_by(step.into()));
        (even && cross_product(&self.times).is_none()).then_some(step.into())
    }

    pub(crate) fn next(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        if self.hourly { self.next_elapsed(after, zone) } else { self.next_wall(after, zone) }
    }

    /// By the wall clock. A later time is never an earlier instant ([`Zone::instant`]): so what lies before the time that
    /// the clock shows at `after` is over, and the first date with an instant after `after` has the answer.
    fn next_wall(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let today = zone.civil(after).date();
        let until = today.year().saturating_add(NEXT_YEARS_MAX);
        let mut date = self.days.next(today, until)?;
        loop {
            let instant = |time: u16| zone.instant(at(date, time));
            let passed = self.times.partition_point(|time| instant(*time).is_some_and(|instant| instant <= after));
            if let Some(time) = self.times.get(passed) {
                return instant(*time);
            }
            date = self.days.next(date.tomorrow().ok()?, until)?;
        }
    }

    /// By elapsed time: an instant is a tick when the clock shows one of the times, from one change of the clock to the
    /// next.
    fn next_elapsed(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let mut from = Timestamp::from_millisecond(after.as_millisecond() + 1).ok()?;
        let until = zone.civil(after).year().saturating_add(NEXT_YEARS_MAX);
        loop {
            let shown = zone.civil(from);
            let time = self.next_shown(shown, until)?;
            let tick = from.as_millisecond() + shown.duration_until(time).as_millis() as i64;
            match zone.next_change(from) {
                Some(change) if tick >= change.as_millisecond() => from = change,
                Some(_) | None => return Timestamp::from_millisecond(tick).ok(),
            }
        }
    }

    /// The first of the times that is not before `shown`.
    fn next_shown(&self, shown: DateTime, until: i16) -> Option<DateTime> {
        let date = self.days.next(shown.date(), until)?;
        if date == shown.date()
            && let Some(time) = self.times.iter().find(|time| at(date, **time) >= shown)
        {
            return Some(at(date, *time));
        }
        let date = if date == shown.date() { self.days.next(date.tomorrow().ok()?, until)? } else { date };
        Some(at(date, self.times[0]))
    }
}

fn at(date: Date, minute_of_day: u16) -> DateTime {
    let minute = i64::from(minute_of_day);
    let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
    date.at(hour.expect("a day has 24 hours"), minute.expect("an hour has 60 minutes"), 0, 0)
}

/// Hours and minutes as bits, if the times are each of these hours with each of these minutes.
pub(crate) fn cross_product(times: &[u16]) -> Option<(u64, u64)> {
    let bits = |part: fn(u16) -> u16| times.iter().fold(0u64, |bits, time| bits | 1 << part(*time));
    let (hours, minutes) = (bits(|time| time / 60), bits(|time| time % 60));
    (hours.count_ones() * minutes.count_ones() == times.len() as u32).then_some((hours, minutes))
}
