//! Handing events to the objects that follow this one (spec BUS-3), each behind a cursor of its own.
//!
//! The receiver writes a batch down first and notes through which number it has this object's events; then the cursor
//! moves here. So what dies between the two is sent once more, and the receiver knows it. A follower that cannot be told
//! has a time in its row, at which the node opens this object again; nothing else of it is kept.

use super::hand_on::Cause;
use super::subscription::tells_of_a_run;
use super::take_in::Forwarded;
use super::{Bus, noun_of};
use crate::object::{Object, fault_of};
use model::filter::Filter;
use model::pattern::Pattern;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::{EventFilter, Follower};
use types::{EventRow, Fault, FaultKind, FollowerState, Json, Namespace, Row, ThingRow};

/// Objects that follow one.
pub(crate) const FOLLOWERS_MAX: usize = 64;
/// Events that are looked at in one go.
const LOOKED_AT: u32 = 256;
/// What one batch may weigh, in bytes; an event is never divided.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Events that a follower did not want, after which its cursor is written all the same.
const LAG_MAX: u64 = 1_024;
/// A follower that cannot be told is tried again after so long, and each time after twice as long.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(5 * 60);
/// The same for one that is not there: somebody has to bring it back.
const RETRY_GONE: Duration = Duration::from_secs(60 * 60);

/// Which events a follower wants, read.
pub(crate) struct Wish {
    pattern: Pattern,
    filter: Option<Filter>,
}

impl Wish {
    /// # Errors
    /// `invalid`, with what is wrong of the event or the filter.
    pub(crate) fn read(event: &str, filter: Option<&str>) -> Result<Self, Fault> {
        let pattern = Pattern::parse(event).map_err(|e| Fault::invalid("EVENT_INVALID", e.to_string()))?;
        let filter = filter.map(Filter::parse).transpose();
        let filter = filter.map_err(|e| Fault::invalid("FILTER_INVALID", e.to_string()))?;
        if filter.as_ref().is_some_and(Filter::uses_input) {
            let message = "a follower has no input; its filter compares parts of the event, like data.amount > 10";
            return Err(Fault::invalid("FILTER_INVALID", message));
        }
        Ok(Self { pattern, filter })
    }

    fn is_for(&self, event: &EventRow) -> bool {
        self.pattern.matches(noun_of(&event.source), &event.verb)
            && (!tells_of_a_run(event) || self.pattern.noun().is_some())
    }
}

/// What there is for a follower.
struct Found {
    events: Vec<(EventRow, Cause, Option<ThingRow>)>,
    /// Everything through this event was looked at.
    through: u64,
    is_last: bool,
}

/// The last event that was looked at for each, which may be ahead of what its row says.
pub(super) type Seen = HashMap<Namespace, u64>;

/// Why a follower does not have its events.
enum Stop {
    /// It cannot be told.
    There(Fault),
    /// This object cannot tell.
    Here(Fault),
}

impl Object {
    /// Brings every follower that can be told up to date.
    pub(crate) async fn forward_events(&self) -> Result<(), Fault> {
        if !self.inner.bus.has_followers.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut seen = self.inner.bus.forwarding.lock().await;
        let followers = self.look(|store| store.followers().map_err(|e| fault_of(&e))).await?;
        seen.retain(|namespace, _| followers.iter().any(|f| f.namespace == *namespace));
        for follower in followers {
            if follower.state.retry_at.is_some_and(|at| at > self.node.now()) {
                continue;
            }
            match self.forward_to(&follower, &mut seen).await {
                Ok(()) => {}
                Err(Stop::Here(fault)) => return Err(fault),
                Err(Stop::There(fault)) => self.forward_failed(follower.namespace, fault).await?,
            }
        }
        Ok(())
    }

    async fn forward_to(&self, follower: &Follower, seen: &mut Seen) -> Result<(), Stop> {
        let Follower { namespace, state } = follower;
        let wish = Wish::read(&state.event, state.filter.as_deref()).map_err(Stop::There)?;
        let mut written = state.through;
        loop {
            let after = seen.get(namespace).copied().unwrap_or(0).max(written);
            let found = self.look_for(&wish, namespace, after).await.map_err(Stop::Here)?;
            let (batch, through) = self.batch(&wish, found.events, found.through).await.map_err(Stop::Here)?;
            let is_told = !batch.is_empty();
            if is_told {
                self.tell_follower(namespace, batch, through).await.map_err(Stop::There)?;
            }
            if is_told || through >= written + LAG_MAX || state.failed > 0 && written == state.through {
                if !self.forwarded(namespace.clone(), through).await.map_err(Stop::Here)? {
                    return Ok(());
                }
                written = through;
            }
            seen.insert(namespace.clone(), through);
            if found.is_last && through == found.through {
                return Ok(());
            }
        }
    }

    async fn tell_follower(&self, namespace: &Namespace, batch: Vec<Forwarded>, through: u64) -> Result<(), Fault> {
        let follower = self.node.object(namespace).await?.ok_or_else(|| {
            Fault::not_found("OBJECT_NOT_FOUND", format!("there is no object {namespace} on this server"))
        })?;
        follower.take_in(self.inner.id, batch, through).await
    }

    async fn look_for(&self, wish: &Wish, follower: &Namespace, after: u64) -> Result<Found, Fault> {
        let own = self.own_caller("bus");
        self.look(|store| {
            let fault = |e: store::Error| fault_of(&e);
            let filter = EventFilter { after, verb: None, source: None, limit: LOOKED_AT };
            let page = store.events(&filter).map_err(fault)?;
            let through = page.next.unwrap_or(store.next_sequence() - 1);
            let mut events = Vec::new();
            for event in page.items.into_iter().filter(|event| wish.is_for(event)) {
                let cause = Cause::of(store, &event).map_err(fault)?;
                // How a delivery ends is told by itself; and nothing goes back to where it came from.
                let is_own = cause.origin.as_ref().is_some_and(|origin| origin.namespace == *follower);
                if is_own || cause.is_of_delivery && tells_of_a_run(&event) {
                    continue;
                }
                let thing = self.version_of(store, &own, &event)?;
                events.push((event, cause, thing));
            }
            Ok(Found { events, through, is_last: page.next.is_none() })
        })
        .await
    }

    /// What is sent, up to the event that makes it too heavy.
    async fn batch(
        &self,
        wish: &Wish,
        events: Vec<(EventRow, Cause, Option<ThingRow>)>,
        through: u64,
    ) -> Result<(Vec<Forwarded>, u64), Fault> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (event, cause, thing) in events {
            if bytes > BATCH_BYTES_MAX {
                return Ok((batch, event.sequence - 1));
            }
            let payload = self.payload(&event, &cause, thing.as_ref()).await?;
            if wish.filter.as_ref().is_some_and(|filter| !filter.matches(&payload).unwrap_or(false)) {
                continue;
            }
            let data = Json::from_value(&payload["data"]);
            bytes += 256 + data.as_str().len();
            batch.push(Forwarded::of(self.namespace(), EventRow { data, ..event }, cause));
        }
        Ok((batch, through))
    }

    /// Moves a cursor. False: it is no follower any more.
    async fn forwarded(&self, namespace: Namespace, through: u64) -> Result<bool, Fault> {
        self.follower_moves(namespace, move |state| FollowerState {
            through: state.through.max(through),
            failed: 0,
            retry_at: None,
            error: None,
            ..state
        })
        .await
    }

    async fn forward_failed(&self, namespace: Namespace, fault: Fault) -> Result<(), Fault> {
        let now = self.node.now();
        tracing::debug!(%namespace, %fault, "a follower cannot be told; it is tried again");
        self.follower_moves(namespace, move |state| {
            let failed = state.failed.saturating_add(1);
            let retry_at = Some(now.plus(retry_after(failed, fault.kind)));
            FollowerState { failed, retry_at, error: Some(fault), ..state }
        })
        .await
        .map(drop)
    }

    async fn follower_moves(
        &self,
        namespace: Namespace,
        to: impl FnOnce(FollowerState) -> FollowerState + Send + 'static,
    ) -> Result<bool, Fault> {
        self.change(512, move |turn| {
            let Some(now) = turn.follower(&namespace).map_err(|e| fault_of(&e))? else { return Ok(false) };
            let state = Some(Box::new(to(now.state)));
            turn.write(Row::Follower { namespace, state }).map(|()| true).map_err(|e| fault_of(&e))
        })
        .await
    }
}

impl Bus {
    /// That other objects follow this one. It stays so until the object leaves memory: who has none any more only looks.
    pub(crate) fn has_followers(&self) {
        self.has_followers.store(true, Ordering::Release);
    }
}

fn retry_after(failed: u32, kind: FaultKind) -> Duration {
    let last = match kind {
        FaultKind::NotFound | FaultKind::Gone => RETRY_GONE,
        _ => RETRY_LAST,
    };
    RETRY_FIRST.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_told_is_tried_ever_more_seldom() {
        let waits = |kind| [1, 2, 3, 12, u32::MAX].map(|failed| retry_after(failed, kind).as_secs());
        assert_eq!(waits(FaultKind::Unavailable), [1, 2, 4, 300, 300]);
        assert_eq!(waits(FaultKind::Gone), [1, 2, 4, 2048, 3600]);
    }
}
