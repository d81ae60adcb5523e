//! How an attempt ends: well, badly, or to be made again.

use super::begin::key_of;
use super::drive::{DurableRun, How};
use super::queue::Ended;
use super::rows::{self, Told};
use crate::bus;
use crate::commit::{Note, lock};
use crate::object::Object;
use crate::running::{Running, TurnWrites, event_of};
use schedule::backoff;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use types::exec::Entry;
use types::{
    ActionStatus, FailedStanding, Fault, FaultKind, InvocationRow, InvocationState, Json, Row, Standing, Timestamp,
};

impl Object {
    pub(super) async fn settle(&self, running: &Arc<Running>, state: &InvocationState, how: How) {
        let run = running.durable.as_ref().expect("it was made with a journal");
        let failed = match how {
            How::Parked => {
                // It was told to end, and began to wait before its grace was over: nobody would tell it again.
                if run.of.is_none() && running.cancelled.load(Ordering::Acquire) {
                    let ended = self.cancel_waiting(run.row.id).await;
                    if let Err(fault) = ended {
                        tracing::warn!(namespace = %self.inner.namespace, %fault, "a run that waits was not cancelled");
                    }
                }
                return;
            }
            How::Done(output) => match self.end_well(running, &output).await {
                Ok(took) => return self.tell(&run.row, &Ok((output, took))),
                Err(fault) => fault,
            },
            How::Failed(fault) => fault,
        };
        let writes = std::mem::take(&mut *lock(&running.turn));
        let logs = writes.logs;
        // What the turn wrote is taken back here.
        drop(writes.open);
        if self.inner.is_retired() {
            // It goes on when the object was recovered; what became of this attempt is found in its file then.
            self.tell(&run.row, &Err(failed));
            return self.wake_later();
        }
        match self.retry_at(run, &failed) {
            Some(until) => {
                let next = InvocationState {
                    attempt: state.attempt + 1,
                    interrupted: 0,
                    at: Standing::Delayed { until },
                    id: run.row.id,
                };
                let delivery =
                    bus::after_failure(&run.row, run.attempt, &failed, FailedStanding::Retrying, self.node.now());
                let told = Told { started_at: Some(running.created_at), error: Some(failed), ..Told::default() };
                let action = rows::action(&run.row, rows::attempts(state), ActionStatus::Retrying, told);
                let rows = [Row::InvocationState(next), Row::Action(action)].into_iter().chain(delivery).collect();
                self.note(Note { logs, rows, ..Note::default() }).await;
            }
            None => {
                let ended = match self.end_badly(running, state, &failed, logs).await {
                    Ok(()) => Err(failed),
                    Err(fault) => Err(fault),
                };
                self.tell(&run.row, &ended);
            }
        }
    }

    fn tell(&self, row: &InvocationRow, ended: &Ended) {
        self.inner.durable.ended(row.id, key_of(row), ended);
        self.tell_elsewhere(row);
    }

    /// The last commit: what its last turn wrote, its steps, its result and its status are one record.
    async fn end_well(&self, running: &Running, output: &Json) -> Result<u64, Fault> {
        let run = running.durable.as_ref().expect("it was made with a journal");
        let TurnWrites { events, sends, logs, accepts, mut rows, open, .. } = std::mem::take(&mut *lock(&running.turn));
        let state = run.state(Standing::Running);
        let took = running.begun.elapsed();
        let told = Told {
            started_at: Some(running.created_at),
            took: Some(took),
            output: Some(output),
            used: running.used(),
            ..Told::default()
        };
        let action = rows::action(&run.row, rows::attempts(&state), ActionStatus::Completed, told);
        let duration_us = action.duration_us.unwrap_or(0);
        let over = Standing::Done { output: Some(output.clone()) };
        rows.push(Row::InvocationState(InvocationState { at: over, ..state }));
        rows.extend(bus::after_success(&run.row, run.attempt));
        let mut told = Vec::from_iter(run.of.is_none().then(|| event_of(&running.target, "invoked", "{}".to_owned())));
        told.extend(events);
        match &run.of {
            Some(of) => told.extend(of.ended("completed", serde_json::json!({ "durationUs": duration_us }))),
            None => told.push(event_of(&running.target, "completed", format!("{{\"durationUs\":{duration_us}}}"))),
        }
        let ends = Some(run.row.id).filter(|_| run.row.parent.is_some());
        let note = Note { action: Some(action), events: told, logs, accepts, rows, ends, ..Note::default() };
        match open {
            Some(open) => open.commit(note).await?,
            None => self.commit_note(note).await?,
        }
        self.release(running, sends).await;
        Ok(duration_us)
    }

    async fn end_badly(
        &self,
        running: &Running,
        state: &InvocationState,
        fault: &Fault,
        logs: Vec<types::LogRow>,
    ) -> Result<(), Fault> {
        let run = running.durable.as_ref().expect("it was made with a journal");
        let (status, verb) = match fault.kind {
            FaultKind::Cancelled => (ActionStatus::Cancelled, "cancelled"),
            _ => (ActionStatus::Failed, "failed"),
        };
        let told = Told {
            started_at: Some(running.created_at),
            took: Some(running.begun.elapsed()),
            error: Some(fault.clone()),
            used: running.used(),
            ..Told::default()
        };
        let action = rows::action(&run.row, rows::attempts(state), status, told);
        let error = serde_json::json!({ "error": { "code": fault.code, "message": fault.message } });
        let events = match &run.of {
            Some(of) => Vec::from_iter(of.ended(verb, error)),
            None => vec![
                event_of(&running.target, "invoked", "{}".to_owned()),
                event_of(&running.target, verb, error.to_string()),
            ],
        };
        let accepts = match &run.of {
            Some(of) if status == ActionStatus::Failed => Vec::from_iter(self.on_failure(of, run, fault).await),
            _ => Vec::new(),
        };
        let over = InvocationState { at: Standing::Done { output: None }, ..state.clone() };
        let delivery = match fault.kind {
            FaultKind::Cancelled => bus::given_up(&run.row),
            _ => bus::after_failure(&run.row, run.attempt, fault, FailedStanding::Dead, self.node.now()),
        };
        let rows = [Row::InvocationState(over)].into_iter().chain(delivery).collect();
        let ends = Some(run.row.id).filter(|_| run.row.parent.is_some());
        let withdraws = matches!(run.row.entry, Entry::Work { .. }).then_some(run.row.id);
        let gives_up = (status == ActionStatus::Cancelled).then_some(run.row.id);
        let note =
            Note { action: Some(action), logs, rows, events, accepts, ends, withdraws, gives_up, ..Note::default() };
        self.commit_note(note).await?;
        if gives_up.is_some() {
            self.stop_parts(run.row.id).await?;
        }
        Ok(())
    }

    /// When the next attempt begins; None: there is none.
    fn retry_at(&self, run: &DurableRun, fault: &Fault) -> Option<Timestamp> {
        let retry = &run.row.retry;
        let codes = &run.row.retry_on;
        let is_wanted = codes.is_empty() || codes.iter().any(|code| *code == *fault.code);
        if !fault.kind.is_retryable() || !is_wanted || run.attempt >= retry.max_attempts {
            return None;
        }
        let asked = fault.details.as_ref().and_then(|d| d.to_value().get("retryAfterMs").and_then(|v| v.as_u64()));
        let until = self.node.now().plus(delay_before(retry, run.attempt, rand::random(), asked));
        run.row.deadline.is_none_or(|deadline| until < deadline).then_some(until)
    }
}

/// Spec DUR-7: capped, with up to a quarter more; what somebody outside asked for counts when it is longer.
fn delay_before(retry: &types::Retry, failed: u32, jitter: u32, asked_ms: Option<u64>) -> Duration {
    let own = backoff::wait(retry, failed, f64::from(jitter) / f64::from(u32::MAX));
    asked_ms.map_or(own, |asked| backoff::heed(retry, own, Duration::from_millis(asked)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_their_cap() {
        let retry = types::Retry { jitter: false, ..super::super::STANDARD_RETRY };
        let delays: Vec<_> = (1..=11).map(|n| delay_before(&retry, n, u32::MAX, None).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        assert_eq!(delay_before(&retry, 1, 0, Some(60_000)).as_millis(), 60_000);
        assert_eq!(delay_before(&retry, 1, 0, Some(10)).as_millis(), 100);
        assert_eq!(delay_before(&retry, 1, 0, Some(3_600_000)).as_millis(), 3_600_000, "an hour is the most");
        assert_eq!(delay_before(&retry, 1, 0, Some(3_600_001)).as_millis(), 30_000, "beyond, the longest delay counts");
        let jitter = types::Retry { jitter: true, ..retry };
        assert_eq!(delay_before(&jitter, 1, u32::MAX, None).as_millis(), 125);
    }
}
