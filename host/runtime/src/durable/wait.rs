//! Waiting without memory: what a run waits for is a row, and its instance is let go when that takes long.
//!
//! What it waited for is not handed over by whoever made it happen: that only makes the invocation ready again. The
//! replay comes to the call that has no answer and looks by itself: has the time come, has the child ended, is there an
//! event. So an end that comes before the wait is found, and a run that is woken for nothing waits on.
//!
//! Here are time, the ends of children, and how a run is parked; `event.rs` has the waits for events, `child.rs` what a
//! run begins, `timer.rs` what it sets.

use super::drive::DurableRun;
use super::step::Made;
use crate::commit::lock;
use crate::guest::{GuestHost, end_turn};
use crate::object::fault_of;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Turn;
use types::{Awaited, Call, Fault, Id, InvocationState, Reply, Row, Standing, Timestamp};

/// A waiting call of a durable run: the run, its step, the call.
pub(crate) type Waiting<'a> = Option<(&'a Arc<DurableRun>, &'a mut Made, &'a Call)>;

/// Makes those ready that wait for the end of this invocation.
pub(crate) fn let_parents_go_on(turn: &mut Turn<'_>, child: Id) -> Result<(), store::Error> {
    for waiting in turn.waiting_for_child(child)? {
        turn.write(Row::InvocationState(InvocationState { at: Standing::Ready, ..waiting.state }))?;
    }
    Ok(())
}

impl GuestHost {
    /// What a guest asks for of invocations that outlive it. Of a durable run its steps come by here.
    pub(crate) async fn answer_begun(&mut self, call: Call) -> Result<Reply, Fault> {
        let started_at = self.object.node.now();
        let mut made = Made { ordinal: 0, started_at, child: None, is_written: false, step_id: None, always: false };
        match &call {
            Call::Do { action, data, options } => {
                if let Some(target) = self.elsewhere(options)? {
                    return self.do_elsewhere(&target, &mut made, &call, None).await;
                }
                let child = self.begin_child(&mut made, &call, action, data.clone(), options, None).await?;
                end_turn(&self.object, &self.running).await?;
                self.join_child(child, None).await
            }
            Call::Start { action, data, options } => {
                let child = self.begin_child(&mut made, &call, action, data.clone(), options, None).await?;
                Ok(Reply::Text(child.to_string()))
            }
            Call::Join { action_id } => {
                let child = self.child_named(action_id).await?;
                end_turn(&self.object, &self.running).await?;
                self.join_child(child, None).await
            }
            Call::WaitFor { event, filter, timeout_ms } => {
                end_turn(&self.object, &self.running).await?;
                self.wait_for(event, filter.as_deref(), *timeout_ms, None).await
            }
            Call::TimerAfter { name, delay_ms, action, data } => {
                let until = self.object.node.now().plus(Duration::from_millis(*delay_ms));
                self.set_timer(name, until, action, data.clone()).await
            }
            Call::TimerAt { name, time_ms, action, data } => {
                self.set_timer(name, Timestamp::from_millis(*time_ms), action, data.clone()).await
            }
            Call::TimerCancel { name } => self.cancel_timer(name).await,
            Call::WorkerDo { .. }
            | Call::Ask { .. }
            | Call::Decide { .. }
            | Call::Approve { .. }
            | Call::Generate { .. }
            | Call::Notify { .. }
            | Call::Answer { .. } => self.work_now(&mut made, &call).await,
            other => Err(Fault::unavailable(other.name())),
        }
    }

    /// Waits for the end of an invocation that is written down.
    pub(crate) async fn join_child(&mut self, child: Id, waiting: Waiting<'_>) -> Result<Reply, Fault> {
        let object = self.object.clone();
        let told = object.end_of(child);
        if let Some(ended) = object.outcome(child).await? {
            return ended.map(|(output, _)| Reply::Json(output));
        }
        let begun = Instant::now();
        let ended = match waiting {
            None => told.await.unwrap_or_else(|_| Err(crate::object::retired())),
            Some((run, made, call)) => {
                let in_memory = tokio::time::timeout(object.node.inner.config.park_after, told).await;
                run.waited(begun.elapsed());
                match in_memory {
                    Ok(ended) => ended.unwrap_or_else(|_| Err(crate::object::retired())),
                    Err(_) => {
                        let on = Awaited::Child { ordinal: made.ordinal, child };
                        let is_over = move |turn: &mut Turn<'_>| {
                            let found = turn.invocation(child).map_err(|e| fault_of(&e))?;
                            Ok(found.is_none_or(|i| matches!(i.state.at, Standing::Done { .. })))
                        };
                        self.park(run, made, call, on, None, is_over).await?;
                        object.outcome(child).await?.unwrap_or_else(|| Err(crate::object::retired()))
                    }
                }
            }
        };
        ended.map(|(output, _)| Reply::Json(output))
    }

    pub(super) async fn sleep_durably(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        until: Timestamp,
    ) -> Result<Reply, Fault> {
        let left = until.millis_since(self.object.node.now());
        if left == 0 {
            return Ok(Reply::Done);
        }
        if !made.is_written {
            // A stop of the host in the middle of it must not make it begin anew.
            lock(&self.running.turn).rows.push(Row::Step(run.step_row(made, call, None, None)));
            made.is_written = true;
        }
        end_turn(&self.object, &self.running).await?;
        if Duration::from_millis(left) <= self.object.node.inner.config.park_after {
            let begun = Instant::now();
            self.object.node.inner.clock.wait_until(until).await;
            run.waited(begun.elapsed());
            return Ok(Reply::Done);
        }
        let clock = self.object.node.inner.clock.clone();
        let on = Awaited::Time { ordinal: made.ordinal };
        self.park(run, made, call, on, Some(until), move |_| Ok(clock.now() >= until)).await?;
        Ok(Reply::Done)
    }

    /// Writes down what is waited for and lets the instance go, unless it is there now: then it answers.
    pub(crate) async fn park(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        on: Awaited,
        until: Option<Timestamp>,
        is_there: impl FnOnce(&mut Turn<'_>) -> Result<bool, Fault> + Send + 'static,
    ) -> Result<(), Fault> {
        end_turn(&self.object, &self.running).await?;
        let step = (!made.is_written).then(|| Row::Step(run.step_row(made, call, None, None)));
        // A run of a workflow is over at its deadline wherever it stands.
        let until = match (until, run.of.as_ref().and(run.row.deadline)) {
            (Some(until), Some(deadline)) => Some(until.min(deadline)),
            (until, deadline) => until.or(deadline),
        };
        let state = run.state(Standing::Waiting { on, until });
        let (of, always) = (run.of.clone(), made.always);
        let parked = self
            .object
            .change(512, move |turn| {
                if is_there(turn)? {
                    return Ok(false);
                }
                if let Some(step) = step {
                    turn.write(step).map_err(|e| fault_of(&e))?;
                }
                let at = match of {
                    Some(of) if !always => of.stands(turn, state.at)?,
                    _ => state.at,
                };
                let state = InvocationState { at, ..state };
                turn.write(Row::InvocationState(state)).map_err(|e| fault_of(&e))?;
                Ok(true)
            })
            .await?;
        if parked {
            run.parked().await;
        }
        Ok(())
    }
}
