//! Where the time comes from: the machine, or a test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use types::Timestamp;
use types::exec::BoxFuture;

/// The node's wall clock.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// Answers when it is that late.
    fn wait_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}

/// The machine's clock may be set while somebody waits; nobody waits longer than this without a look at it.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn wait_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = at.millis_since(Self.now());
                if left == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(left).min(LOOK_EVERY)).await;
            }
        })
    }
}

/// A clock that moves when it is told to (spec T-1).
#[derive(Debug)]
pub struct ManualClock(watch::Sender<u64>);

impl ManualClock {
    pub fn new(at: Timestamp) -> Self {
        Self(watch::Sender::new(at.as_millis()))
    }

    pub fn set(&self, at: Timestamp) {
        self.0.send_replace(at.as_millis());
    }

    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.send_modify(|now| *now = now.saturating_add(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(*self.0.borrow())
    }

    fn wait_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            if now.wait_for(|now| *now >= at.as_millis()).await.is_err() {
                // The clock is gone, and with it the test.
                std::future::pending::<()>().await;
            }
        })
    }
}
