//! Backoff (DUR-7, vector 25.8).

use crate::backoff;
use proptest::prelude::*;
use std::time::Duration;
use types::Retry;

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
