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
        parse_span(text).ok_or_else(refuse)?
    };
    if duration.is_zero() || duration > DURATION_MAX {
        return Err(format!("{text:?} is out of range: more than nothing, at most ten years"));
    }
    Ok(duration)
}

/// What is written with a unit or as ISO 8601, nothing and centuries included; a day is 24 hours. None: it is no time,
/// or a negative one.
pub fn parse_span(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    Duration::try_from(span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_duration_has_many_spellings() {
        for text in [
            "7 days",
            "7d",
            "P7D",
            "604800000",
            "168h",
            "1w",
            "1 week",
            "P1W",
            "10080 min",
            "PT168H",
            "604800 sec",
            "p7d",
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(604_800)), "{text}");
        }
        for (text, millis) in
            [("250ms", 250), ("PT30S", 30_000), ("PT0.5S", 500), ("P1DT2H3M4S", 93_784_000), (" 5 minutes ", 300_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!((parse_span("PT0S"), parse_span("0"), parse_span("-1s")), (Some(Duration::ZERO), None, None));
    }

    #[test]
    fn what_is_no_positive_duration_is_refused() {
        for text in [
            "",
            "0",
            "0d",
            "-1s",
            "-5",
            "soon",
            "5 parsecs",
            "99999999999999999999",
            "99999999999999w",
            "1 month",
            "P1M",
            "P1Y",
            "P",
            "PT",
            "P7DT",
            "PT1S1H",
            "P1D1D",
            "P7",
            "7 d d",
            "11y",
            "90 years",
            "600w",
            "é",
            "Pé",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
        let error = parse_duration("soon").expect_err("it is none");
        assert!(error.starts_with("\"soon\" is no duration: write milliseconds (1500)"), "{error}");
    }
}
