//! A span of each day, by the wall clock of a zone: quiet hours (spec WRK-8).

use crate::Error;
use crate::clock::time;
use crate::zone::Zone;
use types::Timestamp;

/// When the span ends that `now` lies in; None: it lies in none. A span whose end is not behind its beginning goes over
/// midnight; one that ends where it begins is none. An end that the clock skips is the moment after the gap.
///
/// # Errors
/// A time of day or a zone that is none, and what would be accepted.
pub fn end_of_span(from: &str, to: &str, zone: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    let (from, to) = (time(&from.to_lowercase())?, time(&to.to_lowercase())?);
    let zone = zone.map_or(Ok(Zone::utc()), Zone::parse)?;
    let Some(shown) = i64::try_from(now.as_millis()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
    else {
        return Ok(None);
    };
    let local = zone.civil(shown);
    let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0);
    let is_within = if from <= to { (from..to).contains(&minute) } else { minute >= from || minute < to };
    if !is_within {
        return Ok(None);
    }
    let day = if minute < to { Ok(local.date()) } else { local.date().tomorrow() };
    let end = day.ok().and_then(|day| {
        let (hour, minute) = (i8::try_from(to / 60).ok()?, i8::try_from(to % 60).ok()?);
        zone.instant(day.at(hour, minute, 0, 0))
    });
    let end = end.and_then(|end| u64::try_from(end.as_millisecond()).ok()).map(Timestamp::from_millis);
    // An hour that the clock shows twice lies behind its own first end.
    Ok(end.filter(|end| *end > now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, zone: Option<&str>, now: &str, end: Option<&str>) {
        let at = |text: &str| Timestamp::parse(text).expect("it is a time");
        assert_eq!(end_of_span(from, to, zone, at(now)), Ok(end.map(at)), "{from}-{to} {zone:?} at {now}");
    }

    #[test]
    fn a_span_ends_on_its_day_or_the_next() {
        check("22:00", "07:00", None, "2024-01-08T21:59:59Z", None);
        check("22:00", "07:00", None, "2024-01-08T22:00:00Z", Some("2024-01-09T07:00:00Z"));
        check("22:00", "07:00", None, "2024-01-09T06:59:59Z", Some("2024-01-09T07:00:00Z"));
        check("22:00", "07:00", None, "2024-01-09T07:00:00Z", None);
        check("12:00", "13:30", None, "2024-01-08T12:15:00Z", Some("2024-01-08T13:30:00Z"));
        check("12:00", "12:00", None, "2024-01-08T12:00:00Z", None);
    }

    #[test]
    fn the_clock_is_the_one_of_the_zone_also_when_it_is_put_forward_or_back() {
        let york = Some("America/New_York");
        check("22:00", "07:00", york, "2024-01-08T12:00:00Z", None);
        check("22:00", "07:00", york, "2024-01-08T11:59:00Z", Some("2024-01-08T12:00:00Z"));
        // 02:30 is skipped on that night.
        check("22:00", "02:30", york, "2025-03-09T06:00:00Z", Some("2025-03-09T07:00:00Z"));
        check("22:00", "07:00", Some("+05:30"), "2024-01-08T16:30:00Z", Some("2024-01-09T01:30:00Z"));
    }

    #[test]
    fn what_is_no_time_or_no_zone_is_refused() {
        let now = Timestamp::from_millis(0);
        assert!(end_of_span("25:00", "07:00", None, now).is_err());
        assert!(end_of_span("22:00", "soon", None, now).is_err());
        assert!(end_of_span("22:00", "07:00", Some("Mars/Olympus"), now).is_err());
    }
}
