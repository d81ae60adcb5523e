//! The event bus of one object: which subscriptions an event is for, and what becomes of each delivery (spec 5.1).
//!
//! A delivery is a durable invocation with the trigger `event`. `hand_on` accepts them: behind a cursor in the object's
//! file it takes events in order and writes, in one turn, an invocation for each subscription that wants one and the
//! cursor behind the event. So each event is accepted once for each of its handlers, whatever dies; from there on an
//! invocation goes on by itself. `failed` keeps what did not succeed, `manage` makes and removes subscriptions; `webhook` is for those
//! whose events are posted to a URL.
//!
//! Other objects may follow this one's events: `forward` sends, `take_in` is the other end.
//!
//! An object without subscriptions pays for none of this: nothing is woken, and no cursor moves.

mod failed;
pub use failed::{FailedWanted, Replayed};
pub(crate) use failed::{after_failure, after_success, given_up, with_attempt};
mod forward;
pub(crate) use forward::{FOLLOWERS_MAX, Wish};
mod hand_on;
mod manage;
pub use manage::{SubscriptionShown, SubscriptionTarget, WorkflowListener};
mod subscription;
pub(crate) use subscription::{Subscription, listens};
mod take_in;
mod webhook;
pub use webhook::WebhookWanted;

use crate::Caller;
use crate::commit::lock;
use crate::declared::Declared;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::Reader;
use types::{Id, Json, Record, Retry, Row, Trigger};

/// How many deliveries may lead to each other. An event that is this deep is not handed on (spec ON-6).
pub(crate) const EVENT_DEPTH_MAX: u32 = 16;

/// What an object knows in memory of its subscriptions.
#[derive(Default)]
pub(crate) struct Bus {
    /// Held by who hands events on: the last event that was looked at.
    handing: tokio::sync::Mutex<u64>,
    /// Events wait behind the cursor until deliveries before them were tried.
    is_full: AtomicBool,
    /// Whether other objects follow this one.
    has_followers: AtomicBool,
    /// Held by who forwards events.
    forwarding: tokio::sync::Mutex<forward::Seen>,
    known: Mutex<Option<Known>>,
}

/// What an invocation that is a delivery has of its own.
struct DeliveryRow {
    caller: Caller,
    trigger: Trigger,
    payload: Json,
    retry: Retry,
    /// What it waits in line for.
    serial: String,
    /// The dead letter that it is for.
    replays: Option<Id>,
}

struct Known {
    generation: u64,
    subscriptions: Arc<[Subscription]>,
}

impl Bus {
    /// In the order in which they are served (spec ON-2).
    pub(crate) fn subscriptions(&self, declared: &Declared) -> Arc<[Subscription]> {
        let generation = declared.generation();
        let mut known = lock(&self.known);
        if let Some(known) = known.as_ref().filter(|known| known.generation == generation) {
            return known.subscriptions.clone();
        }
        let subscriptions: Arc<[Subscription]> = subscription::in_order(declared).into();
        *known = Some(Known { generation, subscriptions: subscriptions.clone() });
        subscriptions
    }

    /// Whether events behind the cursor were perhaps not looked at for subscriptions. What somebody is handing on now counts
    /// as not looked at.
    pub(crate) fn is_behind(&self, declared: &Declared, store: &Reader) -> Result<bool, store::Error> {
        let Some(begin) = self.subscriptions(declared).iter().map(|s| s.after).min() else { return Ok(false) };
        let seen = self.handing.try_lock().map_or(0, |seen| *seen);
        Ok(begin.max(seen).max(store.delivered()?) < store.next_sequence() - 1)
    }

    /// Whether there is more to be handed on, now that a delivery was tried. Said once.
    pub(crate) fn takes_more(&self) -> bool {
        self.is_full.load(Ordering::Relaxed) && self.is_full.swap(false, Ordering::AcqRel)
    }

    /// Whether these records have an event that a subscription or a follower may want.
    pub(crate) fn wants(&self, declared: &Declared, records: &[Arc<Record>]) -> bool {
        let events = records.iter().flat_map(|record| &record.rows).filter_map(|row| match row {
            Row::Event(event) => Some(event),
            _ => None,
        });
        let mut events = events.peekable();
        if events.peek().is_none() {
            return false;
        }
        if self.has_followers.load(Ordering::Acquire) {
            return true;
        }
        let subscriptions = self.subscriptions(declared);
        !subscriptions.is_empty() && events.any(|event| subscriptions.iter().any(|s| s.is_for(event)))
    }
}

/// `Order` of `Order/7`, and `github` of `Integration/github` (spec TRG-2).
pub(crate) fn noun_of(source: &str) -> &str {
    match source.split_once('/') {
        Some(("Integration", provider)) => provider,
        Some((noun, _)) => noun,
        None => source,
    }
}
