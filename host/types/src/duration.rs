//! Durations as people write them (spec 0.5): `1500`, `7d`, `7 days`, `1m 30s`, `PT30S`.

use std::time::Duration;

/// The longest that makes sense anywhere here; it also keeps arithmetic on instants from overflowing.
const DURATION_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A positive duration of at most ten years; a bare integer means milliseconds.
///
/// # Errors
/// With what would be accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || {
        format!("{text:?} is no duration: write milliseconds (1500), a number with a unit (30s, 5m, 2h, 7d), or PT30S")
    };
    let text = text.trim();
    let duration = if text.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_millis(text.parse().map_err(|_| refuse())?)
    } else {
        let span: jiff::Span = text.parse().map_err(|_| refuse())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| refuse())?;
        Duration::try_from(signed).map_err(|_| refuse())?
    };
    if duration.is_zero() || duration > DURATION_MAX {
        return Err(format!("{text:?} is out of range: more than nothing, at most ten years"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_duration_has_many_spellings() {
        for text in ["7 days", "7d", "P7D", "604800000", "168h", "1w"] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(604_800)), "{text}");
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("PT30S"), Ok(Duration::from_secs(30)));
    }

    #[test]
    fn what_is_no_positive_duration_is_refused() {
        for text in ["", "0", "-1s", "soon", "5 parsecs", "99999999999999999999", "1 month", "90 years"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
