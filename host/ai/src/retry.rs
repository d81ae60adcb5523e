//! When a request is made again: what may pass is, a few times, and not before the provider asked for it.

use std::time::{Duration, SystemTime};
use types::Fault;

/// How often a request is made again.
pub(crate) const RETRIES_MAX: u32 = 2;
/// A provider that wants to be left alone for longer is: whoever asked is told, and may come back.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);

/// Why one request came to nothing.
#[derive(Debug)]
pub(crate) struct Missed {
    pub(crate) fault: Fault,
    /// Whether the next one may fare better.
    pub(crate) may_pass: bool,
    /// How long the provider wants to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Missed {
    pub(crate) fn for_good(fault: Fault) -> Self {
        Self { fault, may_pass: false, retry_after: None }
    }

    pub(crate) fn for_now(fault: Fault) -> Self {
        Self { fault, may_pass: true, retry_after: None }
    }

    /// How long to wait after `made` requests; None: this was the last one.
    pub(crate) fn next(&self, made: u32, first: Duration) -> Option<Duration> {
        if !self.may_pass || made > RETRIES_MAX {
            return None;
        }
        let own = first.saturating_mul(1 << (made - 1)).min(WAIT_MAX);
        Some(own.max(self.retry_after.unwrap_or_default())).filter(|wait| *wait <= WAIT_MAX)
    }

    /// What whoever asked is told.
    pub(crate) fn into_fault(self) -> Fault {
        match self.retry_after {
            Some(after) if self.fault.details.is_none() => {
                let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                self.fault.with_details(&serde_json::json!({ "retryAfterMs": ms }))
            }
            _ => self.fault,
        }
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_says_when_in_seconds_or_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:07 GMT", now), Some(Duration::ZERO), "it is over");
        assert_eq!(retry_after("soon", now), None);
    }

    #[test]
    fn it_is_asked_twice_more_and_not_earlier_than_it_wants() {
        let fault = || Fault::failed("X", "x");
        let first = Duration::from_millis(500);
        let missed = Missed { retry_after: Some(Duration::from_secs(3)), ..Missed::for_now(fault()) };
        assert_eq!(missed.next(1, first), Some(Duration::from_secs(3)));
        assert_eq!(Missed::for_now(fault()).next(2, first), Some(Duration::from_secs(1)));
        assert_eq!(Missed::for_now(fault()).next(3, first), None);
        assert_eq!(Missed::for_good(fault()).next(1, first), None);
        let busy = Missed { retry_after: Some(Duration::from_secs(3600)), ..Missed::for_now(fault()) };
        assert_eq!(busy.next(1, first), None, "nobody waits an hour in a request");
        assert!(busy.into_fault().details.is_some_and(|d| d.as_str().contains("3600000")));
    }
}
