//! Durations (spec 0.5) and backoff (DUR-7, vector 25.8).

use crate::{backoff, duration};
use proptest::prelude::*;
use std::time::Duration;
use types::Retry;

#[test]
fn one_duration_has_many_spellings() {
    for text in
        ["7 days", "7d", "P7D", "604800000", "168h", "1w", "1 week", "P1W", "10080 min", "PT168H", "604800 sec", "p7d"]
    {
        assert_eq!(duration::parse(text), Ok(Duration::from_secs(604_800)), "{text}");
    }
    for (text, millis) in
        [("250ms", 250), ("PT30S", 30_000), ("PT0.5S", 500), ("P1DT2H3M4S", 93_784_000), (" 5 Minutes ", 300_000)]
    {
        assert_eq!(duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
    }
    assert_eq!(duration::parse_or_zero("0"), Ok(Duration::ZERO));
    assert_eq!(duration::parse_or_zero("PT0S"), Ok(Duration::ZERO));
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        "0",
        "0d",
        "-1s",
        "-5",
        "soon",
        "5 parsecs",
        "1.5h",
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
        "PT0.5H",
        "PT0.0001S",
        "P7",
        "7 d d",
        "11y",
        "600w",
        "é",
        "Pé",
    ] {
        assert!(duration::parse(text).is_err(), "{text:?}");
    }
    let error = duration::parse("soon").expect_err("it is none");
    let accepted = "use milliseconds (1500), a whole number with a unit (30s, 5 minutes, 2h, 7d), or PT30S";
    assert_eq!(error.to_string(), format!("\"soon\" is no duration; {accepted}"));
}

fn retry() -> Retry {
    Retry { max_attempts: 3, initial_delay_ms: 100, max_delay_ms: 30_000, multiplier: 2.0, jitter: true }
}

#[test]
fn delays_double_up_to_the_longest() {
    let delays: Vec<_> = (1..=11).map(|failed| backoff::delay(&retry(), failed).as_millis()).collect();
    assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
    assert_eq!(backoff::delay(&retry(), 0), backoff::delay(&retry(), 1));
}

#[test]
fn jitter_makes_a_delay_up_to_a_quarter_longer() {
    let wait = |random| backoff::wait(&retry(), 1, random).as_millis();
    assert_eq!((wait(0.0), wait(0.5), wait(1.0)), (100, 112, 125));
    assert_eq!((wait(f64::NAN), wait(-3.0), wait(f64::INFINITY)), (100, 100, 125));
    assert_eq!(backoff::wait(&Retry { jitter: false, ..retry() }, 1, 1.0).as_millis(), 100);
    let spread = |random| backoff::spread(Duration::from_secs(1), random).as_millis();
    assert_eq!((spread(0.0), spread(0.5), spread(1.0)), (800, 1000, 1200));
}

#[test]
fn a_multiplier_that_makes_no_sense_does_not_shorten_or_overflow() {
    for (multiplier, third) in
        [(f64::NAN, 100), (0.0, 100), (-2.0, 100), (f64::NEG_INFINITY, 100), (f64::INFINITY, 30_000), (1e300, 30_000)]
    {
        let delay = backoff::delay(&Retry { multiplier, ..retry() }, 3);
        assert_eq!(delay.as_millis(), third, "{multiplier}");
    }
    let endless = Retry { max_delay_ms: u64::MAX, initial_delay_ms: u64::MAX, multiplier: f64::MAX, ..retry() };
    assert_eq!(backoff::delay(&endless, u32::MAX), Duration::from_millis(u64::MAX));
    assert!(backoff::wait(&endless, u32::MAX, 1.0) >= Duration::from_millis(u64::MAX));
    let none = Retry { initial_delay_ms: 0, multiplier: f64::INFINITY, ..retry() };
    assert_eq!(backoff::delay(&none, 3), Duration::ZERO);
}

#[test]
fn a_provider_that_asks_for_longer_is_heeded() {
    let heed = |asked| backoff::heed(&retry(), Duration::from_secs(1), Duration::from_secs(asked)).as_secs();
    assert_eq!((heed(0), heed(5), heed(3600), heed(7200)), (1, 5, 3600, 30));
}

proptest! {
    #[test]
    fn delays_never_shrink_and_stay_below_the_longest(
        initial in any::<u64>(), longest in any::<u64>(), multiplier in any::<f64>(), failed in any::<u32>(), random in any::<f64>(),
    ) {
        let retry = Retry { initial_delay_ms: initial, max_delay_ms: longest, multiplier, ..retry() };
        let delay = backoff::delay(&retry, failed);
        prop_assert!(delay <= Duration::from_millis(longest));
        prop_assert!(failed == u32::MAX || backoff::delay(&retry, failed + 1) >= delay);
        prop_assert!(backoff::wait(&retry, failed, random) >= delay);
    }
}
