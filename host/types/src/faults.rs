//! Named places where a test makes the machine fail: the process dies there, or the disk says no.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happens at an armed point: end the process, or give the error that the operation there is to fail with.
type Action = dyn Fn() -> io::Result<()> + Send + Sync;

/// Handed down in a `Config`; clones share one count. Not armed, it costs a look at a null pointer.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Armed>>);

struct Armed {
    point: String,
    /// Which hits of the point act: from this one (the first is 1) …
    first: u64,
    /// … to this one.
    last: u64,
    hits: AtomicU64,
    action: Box<Action>,
}

impl Faults {
    pub const fn none() -> Self {
        Self(None)
    }

    /// `action` runs at the `nth` time (from 1) that `point` is reached.
    pub fn at(point: impl Into<String>, nth: u64, action: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::between(point, nth, nth, action)
    }

    /// `action` runs every time from the `first` to the `last` that `point` is reached.
    pub fn between(
        point: impl Into<String>,
        first: u64,
        last: u64,
        action: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let armed = Armed { point: point.into(), first, last, hits: AtomicU64::new(0), action: Box::new(action) };
        Self(Some(Arc::new(armed)))
    }

    /// To be called where `point` is. The error is the one to fail with there.
    #[inline]
    pub fn hit(&self, point: &'static str) -> io::Result<()> {
        match &self.0 {
            None => Ok(()),
            Some(armed) => armed.hit(point),
        }
    }
}

impl Armed {
    fn hit(&self, point: &str) -> io::Result<()> {
        if self.point != point {
            return Ok(());
        }
        let hit = self.hits.fetch_add(1, Ordering::SeqCst) + 1;
        if (self.first..=self.last).contains(&hit) { (self.action)() } else { Ok(()) }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Faults(none)"),
            Some(armed) => write!(f, "Faults({} {}..={})", armed.point, armed.first, armed.last),
        }
    }
}
