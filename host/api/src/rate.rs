//! Token buckets: how often one address or one key may ask (spec SEC-1, API-3).

use lru::LruCache;
use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A bucket's size and how fast it fills: `requests` in each `per`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    pub requests: u32,
    pub per: Duration,
}

impl Rate {
    /// The default of spec SEC-1 for callers without a credential.
    pub const ANONYMOUS: Self = Self { requests: 100, per: Duration::from_secs(60) };
    /// The default of spec SEC-1 for a key.
    pub const KEY: Self = Self { requests: 1_000, per: Duration::from_secs(60) };
}

/// Where a bucket stands after a request was counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Until the bucket is full again.
    pub(crate) reset: Duration,
}

/// Buckets remembered at a time, over all shards. The least recently used is forgotten, that is: full again. Whoever
/// fills the table from ever new addresses gains nothing that those addresses did not give already.
const BUCKETS_MAX: usize = 65_536;
const SHARDS: usize = 16;

/// The buckets of one kind of caller.
pub(crate) struct Buckets<K> {
    rate: Rate,
    hasher: RandomState,
    shards: Vec<Mutex<LruCache<K, Bucket>>>,
}

/// How much of it is used, as of `at`; it drains with time.
#[derive(Clone, Copy)]
struct Bucket {
    used: f64,
    at: Instant,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        let size = NonZeroUsize::new(BUCKETS_MAX / SHARDS).expect("there are more buckets than shards");
        Self {
            rate: Rate { requests: rate.requests.max(1), ..rate },
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(LruCache::new(size))).collect(),
        }
    }

    /// Counts one request of `who`.
    ///
    /// # Errors
    /// How long until the next one is allowed.
    pub(crate) fn take(&self, who: K, now: Instant) -> Result<Standing, Duration> {
        let limit = f64::from(self.rate.requests);
        let each = self.rate.per.as_secs_f64() / limit;
        let shard = usize::try_from(self.hasher.hash_one(&who) % SHARDS as u64).expect("a remainder of 16 fits");
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = shard.get_or_insert_mut(who, || Bucket { used: 0.0, at: now });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.used = (bucket.used - passed / each).max(0.0);
        bucket.at = now;
        if bucket.used + 1.0 > limit {
            return Err(Duration::from_secs_f64((bucket.used + 1.0 - limit) * each));
        }
        bucket.used += 1.0;
        let remaining = (limit - bucket.used).floor();
        Ok(Standing {
            limit: self.rate.requests,
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
            remaining: remaining as u32,
            reset: Duration::from_secs_f64(bucket.used * each),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { requests: 3, per: Duration::from_secs(60) };

    #[test]
    fn the_request_after_the_last_one_waits_and_then_passes() {
        let (buckets, start) = (Buckets::new(RATE), Instant::now());
        for remaining in [2, 1, 0] {
            assert_eq!(buckets.take("a", start).unwrap().remaining, remaining);
        }
        assert_eq!(buckets.take("a", start), Err(Duration::from_secs(20)));
        assert!(buckets.take("b", start).is_ok(), "another caller has a bucket of its own");
        assert!(buckets.take("a", start + Duration::from_secs(19)).is_err());
        let standing = buckets.take("a", start + Duration::from_secs(20)).unwrap();
        assert_eq!(standing, Standing { limit: 3, remaining: 0, reset: Duration::from_secs(60) });
        assert_eq!(buckets.take("a", start + Duration::from_secs(3600)).unwrap().remaining, 2);
    }

    #[test]
    fn the_table_does_not_grow_without_end() {
        let (buckets, now) = (Buckets::new(RATE), Instant::now());
        for who in 0..2 * BUCKETS_MAX {
            buckets.take(who, now).unwrap();
        }
        let kept: usize = buckets.shards.iter().map(|s| s.lock().unwrap().len()).sum();
        assert!(kept <= BUCKETS_MAX, "{kept}");
    }
}
