//! The node's queue of times: which object has something to do when, whether it is in memory or not (spec EVR-12).
//!
//! Each object keeps its own times in its file; here is the earliest of each. What a record says (`Inner::tell_followers`)
//! and what an object's file says when it is opened comes in here; a time that is over opens the object.

use crate::commit::lock;
use crate::node::Node;
use crate::object::{Object, fault_of};
use crate::objects::next_time;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use types::{Fault, InvocationState, ObjectId, Row, Standing, Timestamp};

/// Objects that are woken at a time.
const WOKEN_AT_ONCE: usize = 32;
/// Invocations that are made ready in one turn.
const DUE_AT_ONCE: u32 = 256;

/// A time that is over whatever the clock says: as soon as there is a place.
pub(crate) const BEFORE_ALL: Timestamp = Timestamp::from_millis(0);

#[derive(Default)]
pub(crate) struct Wakes {
    times: Mutex<Times>,
    /// How often in a row an object could not be woken.
    failed: Mutex<HashMap<ObjectId, u32>>,
    changed: Notify,
}

#[derive(Default)]
struct Times {
    in_order: BTreeSet<(Timestamp, ObjectId)>,
    of: HashMap<ObjectId, Timestamp>,
}

impl Wakes {
    /// An object has something to do then, or earlier.
    pub(crate) fn note(&self, object: ObjectId, at: Timestamp) {
        let mut times = lock(&self.times);
        if times.of.get(&object).is_some_and(|earlier| *earlier <= at) {
            return;
        }
        if let Some(later) = times.of.insert(object, at) {
            times.in_order.remove(&(later, object));
        }
        let is_first = times.in_order.first().is_none_or(|first| (at, object) < *first);
        times.in_order.insert((at, object));
        drop(times);
        if is_first {
            self.changed.notify_one();
        }
    }

    fn next(&self) -> Option<Timestamp> {
        lock(&self.times).in_order.first().map(|(at, _)| *at)
    }

    fn take_due(&self, now: Timestamp) -> Option<ObjectId> {
        let mut times = lock(&self.times);
        let (at, object) = *times.in_order.first().filter(|(at, _)| *at <= now)?;
        times.in_order.remove(&(at, object));
        times.of.remove(&object);
        Some(object)
    }
}

/// Wakes objects as long as the node lives.
pub(crate) fn start(node: &Node) {
    let (weak, wakes, clock) = (Arc::downgrade(&node.inner), node.inner.wakes.clone(), node.inner.clock.clone());
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(WOKEN_AT_ONCE));
        loop {
            let due = wakes.next();
            let in_time = async {
                match due {
                    Some(at) => clock.wait_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = in_time => {}
                () = wakes.changed.notified() => continue,
            }
            while let Some(object) = wakes.take_due(clock.now()) {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                let Some(inner) = weak.upgrade() else { return };
                tokio::spawn(async move {
                    wake(Node { inner }, object).await;
                    drop(place);
                });
            }
            if weak.strong_count() == 0 {
                return;
            }
        }
    });
}

async fn wake(node: Node, id: ObjectId) {
    if !node.is_ready() {
        return;
    }
    let woken = match node.open_by_id(id).await {
        Ok(object) => object.make_due_ready().await,
        // It was destroyed since.
        Err(fault) if fault.code == "OBJECT_NOT_FOUND" => Ok(()),
        Err(fault) => Err(fault),
    };
    let wakes = &node.inner.wakes;
    match woken {
        Ok(()) => drop(lock(&wakes.failed).remove(&id)),
        Err(fault) => {
            let failed = lock(&wakes.failed).get(&id).map_or(1, |failed| failed.saturating_add(1));
            lock(&wakes.failed).insert(id, failed);
            let later = later(failed);
            tracing::warn!(object = %id, %fault, failed, ?later, "an object cannot do what is due; it is tried again");
            wakes.note(id, node.now().plus(later));
        }
    }
}

/// An object whose file is damaged is not tried every second for ever.
fn later(failed: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(300);
    FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(LONGEST)
}

impl Object {
    /// What is due may run, schedules whose time has come are fired, and what happened is handed on.
    async fn make_due_ready(&self) -> Result<(), Fault> {
        loop {
            let now = self.node.now();
            let is_due =
                self.peek(|store| Ok(store.next_due().map_err(|e| fault_of(&e))?.is_some_and(|at| at <= now))).await?;
            if !is_due {
                break;
            }
            self.fire_due(now).await?;
            self.change(1024, move |turn| {
                for invocation in turn.due_invocations(now, DUE_AT_ONCE).map_err(|e| fault_of(&e))? {
                    let ready = InvocationState { at: Standing::Ready, ..invocation.state };
                    turn.write(Row::InvocationState(ready)).map_err(|e| fault_of(&e))?;
                }
                Ok(())
            })
            .await?;
        }
        self.hand_on_events().await?;
        self.forward_events().await?;
        // Whoever can be told has been: what is left lies ahead.
        if let Some(next) = self.peek(|store| store.next_forward().map_err(|e| fault_of(&e))).await? {
            self.node.inner.wakes.note(self.inner.id, next);
        }
        self.go_on_durably();
        self.forget_runs().await?;
        let next = self.peek(|store| next_time(&self.node.inner, store).map_err(|e| fault_of(&e))).await?;
        if let Some(next) = next {
            self.node.inner.wakes.note(self.inner.id, next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_woken_is_tried_ever_more_seldom() {
        let waits: Vec<_> = [1, 2, 3, 9, 10, u32::MAX].into_iter().map(|failed| later(failed).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn the_earliest_time_of_an_object_counts() {
        let (wakes, object) = (Wakes::default(), ObjectId::from_u128(7));
        for at in [50, 20, 90] {
            wakes.note(object, Timestamp::from_millis(at));
        }
        assert_eq!(wakes.take_due(Timestamp::from_millis(19)), None);
        assert_eq!(wakes.take_due(Timestamp::from_millis(20)), Some(object));
        assert_eq!(wakes.take_due(Timestamp::from_millis(100)), None);
    }
}
