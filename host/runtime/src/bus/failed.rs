//! Deliveries that failed: what is kept of them, and what can be done with those that are not tried any more.

use super::Subscription;
use crate::Caller;
use crate::durable::DurableRun;
use crate::history::{ActionDraft, done};
use crate::invoke::Ready;
use crate::object::{Object, fault_of, retired};
use std::time::Duration;
use store::{FailedDelivery, FailedFilter, Page};
use types::{FailedDeliveryRow, FailedStanding, Fault, Id, InvocationRow, Json, Row, Timestamp, Trigger};

/// How long a replay is waited for; it goes on behind that.
const REPLAY_WAIT: Duration = Duration::from_secs(30);
/// Dead letters that are replayed, or purged, in one go.
const AT_ONCE_MAX: usize = 1_000;

/// Which dead letters are meant. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct FailedWanted {
    pub subscription: Option<String>,
    /// In the event form.
    pub verb: Option<String>,
}

impl FailedWanted {
    fn is(&self, failed: &FailedDelivery) -> bool {
        self.verb.as_ref().is_none_or(|verb| failed.row.payload.to_value()["verb"] == verb.as_str())
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Replayed {
    /// It is no dead letter any more.
    Succeeded,
    /// It stays, brought up to date.
    Failed(Box<FailedDelivery>),
    /// It runs still; the invocation's id.
    Running(Id),
}

fn delivery_of(row: &InvocationRow) -> Option<(&str, u64, u32)> {
    match &row.trigger {
        Trigger::Event { subscription, sequence, order } => Some((subscription, *sequence, *order)),
        Trigger::Call
        | Trigger::Step { .. }
        | Trigger::Schedule { .. }
        | Trigger::Timer { .. }
        | Trigger::Workflow { .. }
        | Trigger::Object { .. } => None,
    }
}

/// The number of an attempt among all of a delivery, those before a replay included.
pub(super) fn attempts_so_far(row: &InvocationRow, attempt: u32) -> u32 {
    let first = row.input.to_value()["attempt"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    first + attempt.saturating_sub(1)
}

/// The row that says that an attempt of a delivery failed; None: it was none.
pub(crate) fn after_failure(
    row: &InvocationRow,
    attempt: u32,
    fault: &Fault,
    standing: FailedStanding,
    at: Timestamp,
) -> Option<Row> {
    let (subscription, sequence, order) = delivery_of(row)?;
    Some(Row::FailedDelivery(Box::new(FailedDeliveryRow {
        id: row.parent.unwrap_or(row.id),
        subscription: subscription.to_owned(),
        sequence,
        order,
        payload: row.input.clone(),
        error: fault.clone(),
        retries: attempts_so_far(row, attempt) - 1,
        max_retries: row.retry.max_attempts - 1,
        at,
        standing,
    })))
}

/// The row that says that a delivery which had failed succeeded; None: there is nothing to be said.
pub(crate) fn after_success(row: &InvocationRow, attempt: u32) -> Option<Row> {
    (attempt > 1 || row.parent.is_some()).then(|| given_up(row)).flatten()
}

/// The row that says that a delivery is not tried again because somebody said so.
pub(crate) fn given_up(row: &InvocationRow) -> Option<Row> {
    let (subscription, sequence, _) = delivery_of(row)?;
    Some(Row::DeliverySettled { subscription: subscription.to_owned(), sequence })
}

/// A handler is told which attempt this is (spec ON-3).
pub(crate) fn with_attempt(ready: Ready, run: &DurableRun) -> Ready {
    if run.attempt() == 1 || delivery_of(&run.row).is_none() {
        return ready;
    }
    let mut payload = ready.input.to_value();
    payload["attempt"] = attempts_so_far(&run.row, run.attempt()).into();
    Ready { input: Json::from_value(&payload), ..ready }
}

impl Object {
    /// Dead letters, or with [`FailedStanding::Archived`] those that were purged and kept; oldest first.
    pub async fn failed_deliveries(
        &self,
        caller: &Caller,
        filter: &FailedFilter,
    ) -> Result<Page<FailedDelivery, Id>, Fault> {
        caller.may("events", "read")?;
        self.read(|store| store.failed_deliveries(filter)).await
    }

    /// Runs the handler as it is now once more. Succeeds it, the dead letter is gone; fails it, its count is raised.
    ///
    /// # Errors
    /// `not-found`, or `conflict` when its subscription was removed.
    pub async fn replay_failed_delivery(&self, caller: &Caller, id: Id) -> Result<Replayed, Fault> {
        caller.may("events", "update")?;
        let failed = self.dead_letter(id).await?;
        let (running, told) = self.begin_replay(&failed.row).await?;
        let Ok(ended) = tokio::time::timeout(REPLAY_WAIT, told).await else { return Ok(Replayed::Running(running)) };
        match ended.unwrap_or_else(|_| Err(retired())) {
            Ok(_) => Ok(Replayed::Succeeded),
            Err(fault) => match self.read(|store| store.failed_delivery(id)).await? {
                Some(failed) => Ok(Replayed::Failed(Box::new(failed))),
                None => Err(fault),
            },
        }
    }

    /// Begins to replay those that are meant, at most 1,000; answers how many.
    pub async fn replay_failed_deliveries(&self, caller: &Caller, wanted: &FailedWanted) -> Result<usize, Fault> {
        caller.may("events", "update")?;
        let found = self.dead_letters(wanted).await?;
        let mut begun = 0;
        for failed in &found {
            match self.begin_replay(&failed.row).await {
                Ok(_) => begun += 1,
                // Those whose subscription or function is gone stay.
                Err(fault) if !fault.kind.is_retryable() => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(begun)
    }

    /// Gives one dead letter up for good.
    pub async fn delete_failed_delivery(&self, caller: &Caller, id: Id) -> Result<(), Fault> {
        caller.may("events", "delete")?;
        let failed = self.dead_letter(id).await?;
        self.put_away(caller, vec![failed], false).await
    }

    /// Gives up those that are meant, at most 1,000; answers how many. With `archive` they are kept to be looked at.
    pub async fn purge_failed_deliveries(
        &self,
        caller: &Caller,
        wanted: &FailedWanted,
        archive: bool,
    ) -> Result<usize, Fault> {
        caller.may("events", "delete")?;
        let found = self.dead_letters(wanted).await?;
        let count = found.len();
        if count > 0 {
            self.put_away(caller, found, archive).await?;
        }
        Ok(count)
    }

    async fn dead_letter(&self, id: Id) -> Result<FailedDelivery, Fault> {
        let found = self.read(|store| store.failed_delivery(id)).await?;
        found.filter(|failed| failed.row.standing == FailedStanding::Dead).ok_or_else(|| {
            Fault::not_found("DEAD_LETTER_NOT_FOUND", format!("there is no dead letter with the id {id}"))
        })
    }

    async fn dead_letters(&self, wanted: &FailedWanted) -> Result<Vec<FailedDelivery>, Fault> {
        let mut filter = FailedFilter {
            standing: FailedStanding::Dead,
            subscription: wanted.subscription.clone(),
            after: None,
            limit: store::PAGE_MAX,
        };
        let mut found = Vec::new();
        loop {
            let page = self.read(|store| store.failed_deliveries(&filter)).await?;
            found.extend(page.items.into_iter().filter(|failed| wanted.is(failed)));
            found.truncate(AT_ONCE_MAX);
            match page.next {
                Some(next) if found.len() < AT_ONCE_MAX => filter.after = Some(next),
                _ => return Ok(found),
            }
        }
    }

    async fn begin_replay(&self, failed: &FailedDeliveryRow) -> Result<(Id, crate::durable::EndOf), Fault> {
        let subscriptions = self.inner.bus.subscriptions(&self.inner.declared);
        let subscription: Option<&Subscription> = subscriptions.iter().find(|s| s.name == failed.subscription);
        let subscription = subscription.ok_or_else(|| {
            let message = format!("the subscription {} was removed; delete its dead letters", failed.subscription);
            Fault::conflict("SUBSCRIPTION_GONE", message)
        })?;
        let mut payload = failed.payload.to_value();
        payload["attempt"] = (failed.retries + 2).into();
        let trigger = Trigger::Event {
            subscription: failed.subscription.clone(),
            sequence: failed.sequence,
            order: failed.order,
        };
        let payload = Json::from_value(&payload);
        let accepting = self.accepting_delivery(subscription, trigger, payload, 0, Some(failed.id)).await?;
        let id = accepting.row.id;
        let told = self.end_of(id);
        self.accept_quietly(accepting).await;
        Ok((id, told))
    }

    async fn put_away(&self, caller: &Caller, failed: Vec<FailedDelivery>, archive: bool) -> Result<(), Fault> {
        let target = match failed.as_slice() {
            [one] => format!("DeadLetter/{}", one.row.id),
            _ => "DeadLetter".to_owned(),
        };
        let verb = if archive { "archive" } else { "delete" };
        let draft = ActionDraft::of(caller, self.node.now(), verb, target);
        self.change(256 * failed.len(), move |turn| {
            let (action, _) = done(&draft, None, None, serde_json::json!({ "count": failed.len() }), "");
            let write = || {
                turn.write(Row::Action(action))?;
                for FailedDelivery { row, .. } in failed {
                    turn.write(if archive {
                        Row::FailedDelivery(Box::new(FailedDeliveryRow { standing: FailedStanding::Archived, ..row }))
                    } else {
                        Row::DeliverySettled { subscription: row.subscription, sequence: row.sequence }
                    })?;
                }
                Ok(())
            };
            write().map_err(|e| fault_of(&e))
        })
        .await
    }
}
