//! How long to wait before the next attempt (spec DUR-7, ON-5). Randomness comes in as a number from 0 to 1.

use std::time::Duration;
use types::Retry;

/// What a provider may ask for and be heeded, whatever the policy's longest delay is (spec DUR-7).
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The delay after the `failed`-th attempt failed (1 is the first), without jitter:
/// `min(max_delay, initial_delay × multiplier^(failed−1))`. A multiplier that is no number, or below 1, counts as 1:
/// waits never shrink, and never become nothing by a slip.
pub fn delay(retry: &Retry, failed: u32) -> Duration {
    let multiplier = if retry.multiplier >= 1.0 { retry.multiplier } else { 1.0 };
    let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
    // Below 2^53 exact; above, and at infinity, the cast saturates and the longest delay wins.
    let grown =
        if retry.initial_delay_ms == 0 { 0.0 } else { retry.initial_delay_ms as f64 * multiplier.powi(exponent) };
    Duration::from_millis((grown as u64).min(retry.max_delay_ms))
}

/// [`delay`] with the policy's jitter: up to a quarter longer, by `random` in 0…1.
pub fn wait(retry: &Retry, failed: u32, random: f64) -> Duration {
    let delay = delay(retry, failed);
    if retry.jitter { delay.saturating_add(scaled(delay, 0.25 * unit(random))) } else { delay }
}

/// `delay` up to a fifth shorter or longer, by `random` in 0…1: the jitter of event deliveries (spec ON-5).
pub fn spread(delay: Duration, random: f64) -> Duration {
    scaled(delay, 0.8).saturating_add(scaled(delay, 0.4 * unit(random)))
}

/// `delay`, or what a provider's `Retry-After` asks for when that is longer: as it is up to [`RETRY_AFTER_MAX`], else
/// the policy's longest delay (and never less than `delay`).
pub fn heed(retry: &Retry, delay: Duration, retry_after: Duration) -> Duration {
    let asked = if retry_after <= RETRY_AFTER_MAX {
        retry_after
    } else {
        retry_after.min(Duration::from_millis(retry.max_delay_ms))
    };
    delay.max(asked)
}

fn unit(random: f64) -> f64 {
    if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) }
}

/// To the millisecond; `factor` is finite and not negative.
fn scaled(delay: Duration, factor: f64) -> Duration {
    Duration::from_millis((delay.as_millis() as f64 * factor) as u64)
}
