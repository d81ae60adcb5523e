//! Handing events on: from the cursor, in order, each for all of its subscriptions in one turn.

use super::subscription::tells_of_a_run;
use super::{DeliveryRow, EVENT_DEPTH_MAX, Subscription, noun_of};
use crate::durable::{Accepting, Asker};
use crate::invoke::InvokeOptions;
use crate::object::{Object, fault_of};
use crate::workflow::{PlannedRun, RunOf};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::{EventFilter, Reader};
use types::exec::HandlerKind;
use types::{
    EventOrigin, EventRow, FailedDeliveryRow, FailedStanding, Fault, FaultKind, Id, InvocationRow, Json, Retry, Row,
    ThingRow, Trigger,
};

/// Events that are looked at in one go.
const LOOKED_AT: u32 = 256;
/// What the deliveries of one turn may weigh, in bytes; those of one event are never divided.
const TURN_BYTES_MAX: usize = 4 << 20;
/// Deliveries that are to be tried for the first time, above which events stay behind the cursor: what is ready is looked
/// through each time something ends.
const UNTRIED_MAX: u32 = 256;
/// Events that nobody wanted, after which the cursor is written all the same: what a start looks through again.
const LAG_MAX: u64 = 1_024;
/// The first retry comes after so long, each further one after twice as long, to a cap (spec ON-5); in milliseconds.
const RETRY_FIRST_MS: u64 = 1_000;
const RETRY_LAST_MS: u64 = 5 * 60 * 1_000;
/// Of the request that a delivery is to its function: what comes of it is known by that.
const REQUEST: &str = "delivery-";

/// What was found behind the cursor.
struct Looked {
    wanted: Vec<Wanted>,
    /// Everything up to this event was looked at.
    through: u64,
    is_last: bool,
    /// There are as many deliveries as can be.
    is_full: bool,
    /// The cursor in the file.
    written: u64,
}

/// An event that some may want.
struct Wanted {
    event: EventRow,
    cause: Cause,
    thing: Option<ThingRow>,
}

/// Who and what led to an event.
#[derive(Default)]
pub(super) struct Cause {
    pub(super) actor: Option<String>,
    /// Deliveries that led to it.
    pub(super) depth: u32,
    /// It is told of a delivery itself.
    pub(super) is_of_delivery: bool,
    /// Where it happened, if not here.
    pub(super) origin: Option<EventOrigin>,
}

impl Cause {
    pub(super) fn of(reader: &Reader, event: &EventRow) -> Result<Self, store::Error> {
        let Some(action) = reader.action(event.action)? else {
            // What happened elsewhere has its action there.
            let origin = reader.event_origin(event.sequence)?;
            let (actor, depth) = origin.as_ref().map_or((None, 0), |o| (o.actor.clone(), o.depth));
            return Ok(Self { actor, depth, is_of_delivery: false, origin });
        };
        let delivery = action.request_id.as_deref().and_then(|id| id.strip_prefix(REQUEST)).map(str::parse::<Id>);
        let Some(Ok(delivery)) = delivery else {
            return Ok(Self { actor: Some(action.actor), ..Self::default() });
        };
        let before = reader.invocation(delivery)?;
        let depth = before.map_or(0, |i| match RunOf::read(&i.row) {
            Some(run) => depth_of(&run.input.to_value()) + 1,
            None => depth_of(&i.row.input.to_value()) + 1,
        });
        Ok(Self { actor: Some(action.actor), depth, is_of_delivery: delivery == event.action, origin: None })
    }
}

fn depth_of(payload: &Value) -> u32 {
    payload["depth"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// What becomes of an event at one subscription.
enum Delivery {
    Accepted(Box<Accepting>),
    /// A run of a workflow, once for each event.
    Run(Box<PlannedRun>),
    Refused(Box<FailedDeliveryRow>),
}

impl Delivery {
    fn bytes(&self) -> usize {
        match self {
            Self::Accepted(accepting) => accepting.bytes(),
            Self::Run(planned) => planned.bytes(),
            Self::Refused(failed) => 512 + failed.payload.as_str().len(),
        }
    }
}

impl Object {
    /// Accepts what subscriptions want of the events behind the cursor.
    pub(crate) async fn hand_on_events(&self) -> Result<(), Fault> {
        let mut seen = self.inner.bus.handing.lock().await;
        loop {
            let subscriptions = self.inner.bus.subscriptions(&self.inner.declared);
            let Some(begin) = subscriptions.iter().map(|s| s.after).min() else { return Ok(()) };
            let looked = self.look_for_events(&subscriptions, begin.max(*seen)).await?;
            if looked.is_full {
                return Ok(());
            }
            let (deliveries, through) = self.deliveries(&subscriptions, &looked).await?;
            if !deliveries.is_empty() || through >= looked.written + LAG_MAX {
                self.node.inner.config.faults.hit("bus.hand-on").map_err(|e| fault_of(&e.into()))?;
                self.accept_deliveries(deliveries, through).await?;
            }
            *seen = through;
            if looked.is_last && through == looked.through {
                return Ok(());
            }
        }
    }

    async fn look_for_events(&self, subscriptions: &[Subscription], begin: u64) -> Result<Looked, Fault> {
        let own = self.own_caller("bus");
        self.look(|store| {
            let fault = |e: store::Error| fault_of(&e);
            let written = store.delivered().map_err(fault)?;
            if store.untried_deliveries(UNTRIED_MAX).map_err(fault)? >= UNTRIED_MAX {
                // Said while the file is held: a delivery that ends now is written after it.
                self.inner.bus.is_full.store(true, Ordering::Release);
                return Ok(Looked { wanted: Vec::new(), through: written, is_last: false, is_full: true, written });
            }
            let filter = EventFilter { after: begin.max(written), verb: None, source: None, limit: LOOKED_AT };
            let page = store.events(&filter).map_err(fault)?;
            let through = page.next.unwrap_or(store.next_sequence() - 1);
            let mut wanted = Vec::new();
            for event in page.items.into_iter().filter(|e| subscriptions.iter().any(|s| s.is_for(e))) {
                let cause = Cause::of(store, &event).map_err(fault)?;
                // How a delivery ends is told by itself, not by another delivery.
                if !(cause.is_of_delivery && tells_of_a_run(&event)) {
                    let thing = self.version_of(store, &own, &event)?;
                    wanted.push(Wanted { event, cause, thing });
                }
            }
            Ok(Looked { wanted, through, is_last: page.next.is_none(), is_full: false, written })
        })
        .await
    }

    /// What becomes of the events, up to the one that makes the turn too heavy.
    async fn deliveries(&self, subscriptions: &[Subscription], looked: &Looked) -> Result<(Vec<Delivery>, u64), Fault> {
        let (mut deliveries, mut bytes) = (Vec::new(), 0);
        for wanted in &looked.wanted {
            if bytes > TURN_BYTES_MAX {
                return Ok((deliveries, wanted.event.sequence - 1));
            }
            let mut payload = self.payload(&wanted.event, &wanted.cause, wanted.thing.as_ref()).await?;
            let mut order = 0;
            for subscription in subscriptions.iter().filter(|s| s.is_for(&wanted.event)) {
                payload["subscription"] = subscription.name.as_str().into();
                if !subscription.passes(&payload) {
                    continue;
                }
                let delivery = self.delivery(subscription, wanted, Json::from_value(&payload), order).await?;
                bytes += delivery.bytes();
                deliveries.push(delivery);
                order += 1;
            }
        }
        Ok((deliveries, looked.through))
    }

    /// What a handler gets (spec ON-3). Its function is told the attempt when it runs.
    pub(super) async fn payload(
        &self,
        event: &EventRow,
        cause: &Cause,
        thing: Option<&ThingRow>,
    ) -> Result<Value, Fault> {
        let mut data = event.data.to_value();
        if let (Some(thing), Some(data)) = (thing, data.as_object_mut()) {
            let shown = self.shown(thing.clone()).await?.to_json(self.namespace());
            if shown.as_str().len() <= crate::events::THING_BYTES_MAX {
                data.insert("thing".to_owned(), shown.to_value());
            } else {
                data.insert("truncated".to_owned(), true.into());
            }
        }
        let mut payload = json!({
            "id": event.id.to_string(),
            "verb": event.verb,
            "noun": noun_of(&event.source),
            "source": event.source,
            "data": data,
            "actionId": event.action.to_string(),
            "sequence": event.sequence,
            "createdAt": event.created_at.to_string(),
            "ns": self.namespace().as_str(),
            "actor": cause.actor,
            "depth": cause.depth,
            "attempt": 1,
        });
        if let Some(origin) = &cause.origin {
            payload["origin"] = json!({ "ns": origin.namespace.as_str(), "sequence": origin.number });
        }
        Ok(payload)
    }

    async fn delivery(
        &self,
        subscription: &Subscription,
        wanted: &Wanted,
        payload: Json,
        order: u32,
    ) -> Result<Delivery, Fault> {
        let refused = |fault: Fault| {
            let now = self.node.now();
            Delivery::Refused(Box::new(FailedDeliveryRow {
                id: Id::new(now, rand::random()),
                subscription: subscription.name.clone(),
                sequence: wanted.event.sequence,
                order,
                payload: payload.clone(),
                error: fault,
                retries: 0,
                max_retries: subscription.spec.max_retries,
                at: now,
                standing: FailedStanding::Dead,
            }))
        };
        if wanted.cause.depth >= EVENT_DEPTH_MAX {
            return Ok(refused(looping()));
        }
        if let Some(workflow) = &subscription.workflow {
            let (caller, key) = (self.own_caller(&subscription.name), format!("event:{}", wanted.event.id));
            return match self.plan_run(&caller, workflow, payload.clone(), None, Some(key)).await {
                Ok(planned) => Ok(Delivery::Run(Box::new(planned.asked_by(REQUEST)))),
                Err(fault) if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) => Err(fault),
                Err(fault) => Ok(refused(fault)),
            };
        }
        let trigger =
            Trigger::Event { subscription: subscription.name.clone(), sequence: wanted.event.sequence, order };
        let retries = subscription.spec.max_retries;
        match self.accepting_delivery(subscription, trigger, payload.clone(), retries, None).await {
            Ok(accepting) => Ok(Delivery::Accepted(Box::new(accepting))),
            // It is the host that cannot, for now: the events stay where they are.
            Err(fault) if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) => Err(fault),
            Err(fault) => Ok(refused(fault)),
        }
    }

    /// An invocation of the handler as it is now. `replays` is the dead letter that it is for.
    pub(super) async fn accepting_delivery(
        &self,
        subscription: &Subscription,
        trigger: Trigger,
        payload: Json,
        retries: u32,
        replays: Option<Id>,
    ) -> Result<Accepting, Fault> {
        let caller = self.own_caller(&format!("subscription:{}", subscription.name));
        let source = payload.to_value()["source"].as_str().unwrap_or_default().to_owned();
        let retry = Retry {
            max_attempts: retries + 1,
            initial_delay_ms: RETRY_FIRST_MS,
            max_delay_ms: RETRY_LAST_MS,
            multiplier: 2.0,
            jitter: true,
        };
        // One thing's events one after the other; those of others go by (spec ON-4).
        let serial = format!("on {} {source}", subscription.name);
        let row = if subscription.webhook.is_some() {
            self.letter_row(subscription, DeliveryRow { caller, trigger, payload, retry, serial, replays })
        } else {
            let ready = self.ready_handler(&subscription.spec.handler, HandlerKind::Event, payload).await?;
            let options = InvokeOptions { retry: Some(retry), serial: Some(serial), ..InvokeOptions::default() };
            let asker = Asker { trigger, parent: replays, depth: 0 };
            Arc::unwrap_or_clone(self.accepting(&caller, &ready, &options, asker)?.row)
        };
        let request_id = format!("{REQUEST}{}", row.id);
        Ok(Accepting { row: Arc::new(InvocationRow { request_id, ..row }), until: None })
    }

    /// All of them and the cursor are in one record.
    async fn accept_deliveries(&self, deliveries: Vec<Delivery>, through: u64) -> Result<(), Fault> {
        let (bytes, now) = (deliveries.iter().map(Delivery::bytes).sum(), self.node.now());
        self.change(bytes, move |turn| {
            for delivery in deliveries {
                match delivery {
                    Delivery::Accepted(accepting) => accepting.write(turn, now).map_err(|e| fault_of(&e))?,
                    // One that is known began for this event before.
                    Delivery::Run(planned) => planned.write(turn, now).map(|_| ())?,
                    Delivery::Refused(failed) => {
                        turn.write(Row::FailedDelivery(failed)).map_err(|e| fault_of(&e))?;
                    }
                }
            }
            turn.write(Row::Delivered { subscription: None, through }).map_err(|e| fault_of(&e))
        })
        .await
    }
}

fn looping() -> Fault {
    let message = format!(
        "{EVENT_DEPTH_MAX} handlers have led to this event, each by the event before; if they do not go in a circle, \
         replay the delivery"
    );
    Fault::limit("EVENT_LOOP", message)
}
