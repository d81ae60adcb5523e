//! The calls of a durable run: answered from its journal, or performed and recorded.

use super::drive::DurableRun;
use crate::commit::{Note, lock};
use crate::guest::{GuestHost, end_turn, reply_of};
use crate::object::Object;
use crate::running::Running;
use crate::workflow::Label;
use journal::Next;
use std::sync::Arc;
use types::exec::{Begun, BoxFuture, Steps};
use types::{Call, Fault, Id, Reply, Row, StepRow, Timestamp};

/// A call that is being performed.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) ordinal: u32,
    /// When it was made for the first time.
    pub(crate) started_at: Timestamp,
    /// What it began then.
    pub(crate) child: Option<Id>,
    /// Whether the journal has a row of it.
    pub(crate) is_written: bool,
    /// What a declared step is called; a guest's own name stands in its call.
    pub(crate) step_id: Option<String>,
    /// Whether it is made also when the run of a workflow is to pause or to end.
    pub(crate) always: bool,
}

impl DurableRun {
    pub(crate) fn step_row(
        &self,
        made: &Made,
        call: &Call,
        reply: Option<Reply>,
        ended_at: Option<Timestamp>,
    ) -> StepRow {
        let step_id = match call {
            _ if made.step_id.is_some() => made.step_id.clone(),
            Call::Send { options, .. }
            | Call::Try { options, .. }
            | Call::Do { options, .. }
            | Call::Start { options, .. } => options.step_id.clone(),
            _ => None,
        };
        StepRow {
            invocation: self.row.id,
            ordinal: made.ordinal,
            attempt: self.attempt,
            name: call.name().to_owned(),
            step_id,
            fingerprint: journal::fingerprint(call),
            call: journal::describe(call),
            reply,
            child: made.child,
            started_at: made.started_at,
            ended_at,
        }
    }

    /// The event of an answered wait is not found by a later one.
    fn note_event(&self, call: &Call, reply: &Reply) {
        if let (Call::WaitFor { .. }, Reply::Json(event)) = (call, reply)
            && let Some(sequence) = event.to_value().get("sequence").and_then(serde_json::Value::as_u64)
        {
            lock(&self.events).insert(sequence);
        }
    }

    fn answered(&self, call: &Call, reply: &Reply, at: Timestamp) {
        self.note_event(call, reply);
        self.saw(at);
    }
}

/// Whether it reaches outside of what a commit of this object holds: its answer is written down at once.
fn is_outside(call: &Call) -> bool {
    matches!(
        call,
        Call::Try { .. }
            | Call::Http { .. }
            | Call::Poll { .. }
            | Call::Complete { .. }
            | Call::Deliver { .. }
            | Call::UseTool { .. }
    )
}

impl GuestHost {
    /// One call of a durable run.
    pub(crate) async fn step(&mut self, run: &Arc<DurableRun>, call: Call) -> Reply {
        self.step_as(run, call, None).await
    }

    /// The same; a label says which declared step of a workflow it is.
    pub(crate) async fn step_as(&mut self, run: &Arc<DurableRun>, call: Call, label: Option<&Label>) -> Reply {
        let judged = match label {
            Some(label) => lock(&run.journal).next_named(&label.name, &call),
            None => lock(&run.journal).next(&call),
        };
        let (ordinal, next) = match judged {
            Ok(judged) => judged,
            Err(fault) => run.stop(fault).await,
        };
        let mut made = match self.made(run, ordinal, next) {
            Ok(made) => made,
            Err((reply, at)) => {
                run.answered(&call, &reply, at);
                return reply;
            }
        };
        made.step_id = label.map(|label| label.name.clone());
        made.always = label.is_some_and(|label| label.always);
        if let Some(of) = &run.of {
            // What was begun is waited for: it may have happened.
            let asks = !made.always && made.child.is_none();
            if asks && let Err(fault) = self.boundary(run, of, label.is_some()).await {
                return Reply::Fault(fault);
            }
            if !made.is_written
                && let Err(fault) = self.tell_step(of, label, &call, None)
            {
                return Reply::Fault(fault);
            }
        }
        let performed = match (label, &call) {
            (Some(Label { branch: Some(number), .. }), Call::Start { data, .. }) => {
                self.begin_branch(run, &mut made, &call, *number, data.clone())
            }
            (Some(Label { export: Some(part), .. }), Call::Start { .. }) => {
                self.begin_part(run, &mut made, &call, part.clone())
            }
            _ => self.perform(run, &mut made, &call).await,
        };
        let reply = reply_of(performed);
        let reply = label.map_or_else(|| reply.clone(), |label| label.settle(reply.clone()));
        if let Some(of) = &run.of
            && let Err(fault) = self.tell_step(of, label, &call, Some(&reply))
        {
            run.stop(fault).await;
        }
        self.record(run, &made, &call, reply).await
    }

    /// What to perform; the error is the answer that is there already.
    fn made(&self, run: &DurableRun, ordinal: u32, next: Next) -> Result<Made, (Reply, Timestamp)> {
        match next {
            Next::Answered { reply, at } => Err((reply, at)),
            Next::Unanswered { started_at, child } => {
                Ok(Made { ordinal, started_at, child, is_written: true, step_id: None, always: false })
            }
            Next::New { cut } => {
                if cut {
                    let cut = Row::StepsCut { invocation: run.row.id, from: ordinal };
                    lock(&self.running.turn).rows.push(cut);
                }
                let started_at = self.object.node.now();
                Ok(Made { ordinal, started_at, child: None, is_written: false, step_id: None, always: false })
            }
        }
    }

    async fn perform(&mut self, run: &Arc<DurableRun>, made: &mut Made, call: &Call) -> Result<Reply, Fault> {
        match call {
            Call::Do { action, data, options } => {
                if let Some(target) = self.elsewhere(options)? {
                    return self.do_elsewhere(&target, made, call, Some(run)).await;
                }
                let child = match made.child {
                    Some(child) => child,
                    None => self.begin_child(made, call, action, data.clone(), options, Some(run)).await?,
                };
                end_turn(&self.object, &self.running).await?;
                self.join_child(child, Some((run, made, call))).await
            }
            Call::WorkerDo { .. }
            | Call::Ask { .. }
            | Call::Decide { .. }
            | Call::Approve { .. }
            | Call::Generate { .. }
            | Call::Notify { .. }
            | Call::Answer { .. } => self.work_durably(run, made, call).await,
            Call::Start { data, .. } if crate::workers::is_notice(&run.row.entry) => {
                self.begin_part_of_work(run, made, data.clone())
            }
            Call::Start { action, data, options } => {
                let child = self.begin_child(made, call, action, data.clone(), options, Some(run)).await?;
                Ok(Reply::Text(child.to_string()))
            }
            Call::Join { action_id } => {
                let child = self.child_named(action_id).await?;
                end_turn(&self.object, &self.running).await?;
                self.join_child(child, Some((run, made, call))).await
            }
            Call::Sleep { duration_ms } => {
                let until = made.started_at.plus(std::time::Duration::from_millis(*duration_ms));
                self.sleep_durably(run, made, call, until).await
            }
            Call::SleepUntil { time_ms } => self.sleep_durably(run, made, call, Timestamp::from_millis(*time_ms)).await,
            Call::WaitFor { event, filter, timeout_ms } => {
                end_turn(&self.object, &self.running).await?;
                self.wait_for(event, filter.as_deref(), *timeout_ms, Some((run, made, call))).await
            }
            Call::Request { what } => {
                end_turn(&self.object, &self.running).await?;
                self.request_step(run, made, call, what).await
            }
            Call::Deliver { message } => self.deliver_once(run, made, call, message).await,
            Call::UseTool { .. } => self.use_tool_once(run, made, call).await,
            other => Box::pin(self.answer(other.clone())).await,
        }
    }

    async fn record(&mut self, run: &Arc<DurableRun>, made: &Made, call: &Call, reply: Reply) -> Reply {
        let counted = lock(&run.journal).answered(&reply);
        if let Err(fault) = counted {
            run.stop(fault).await;
        }
        let at = self.object.node.now();
        run.answered(call, &reply, at);
        let row = Row::Step(run.step_row(made, call, Some(reply.clone()), Some(at)));
        // The attempt may end with the failure of a child, and its turn be taken back: the next attempt would find the child
        // that failed and no answer, and not perform the step anew. What the step tells of itself goes with it.
        let is_failed_child = made.child.is_some() && matches!((call, &reply), (Call::Do { .. }, Reply::Fault(_)));
        let (rows, events) = {
            let mut turn = lock(&self.running.turn);
            turn.rows.push(row);
            // What is not written down is performed again after a crash: that is kept short where it is seen outside.
            let is_free = turn.open.is_none() && turn.accepts.is_empty();
            if is_free && (is_failed_child || is_outside(call) && turn.events.is_empty()) {
                (std::mem::take(&mut turn.rows), std::mem::take(&mut turn.events))
            } else {
                (Vec::new(), Vec::new())
            }
        };
        if !rows.is_empty() {
            self.object.note(Note { cause: Some(run.row.id), rows, events, ..Note::default() }).await;
        }
        reply
    }
}

/// The journal, for what the engine performs.
pub(crate) struct DurableSteps {
    pub(crate) object: Object,
    pub(crate) running: Arc<Running>,
    pub(crate) run: Arc<DurableRun>,
}

impl Steps for DurableSteps {
    fn open(&self) -> u32 {
        // Past the limit the call is refused when it is whole.
        lock(&self.run.journal).open().unwrap_or(u32::MAX)
    }

    fn begin(&self, ordinal: u32, call: Call) -> BoxFuture<'static, Result<Begun, Fault>> {
        let (object, running, run) = (self.object.clone(), self.running.clone(), self.run.clone());
        Box::pin(async move {
            if ordinal == u32::MAX {
                let message = format!("one durable run makes {} calls at most; divide the work", journal::STEPS_MAX);
                run.stop(Fault::invalid("STEPS_LIMIT", message)).await;
            }
            let judged = lock(&run.journal).whole(ordinal, &call);
            let next = match judged {
                Ok(next) => next,
                Err(fault) => run.stop(fault).await,
            };
            let (started_at, cut) = match next {
                Next::Answered { reply, at } => {
                    // A request is performed beside the guest: at which moment of its run that ends is not its own doing.
                    if matches!(call, Call::Poll { .. }) {
                        run.saw(at);
                    }
                    return Ok(Begun::Recorded(reply));
                }
                Next::Unanswered { started_at, child: _ } => (started_at, false),
                Next::New { cut } => (object.node.now(), cut),
            };
            let made = Made { ordinal, started_at, child: None, is_written: false, step_id: None, always: false };
            {
                let mut turn = lock(&running.turn);
                if cut {
                    turn.rows.push(Row::StepsCut { invocation: run.row.id, from: ordinal });
                }
                turn.rows.push(Row::Step(run.step_row(&made, &call, None, None)));
            }
            if !matches!(call, Call::Poll { .. }) {
                end_turn(&object, &running).await?;
            }
            Ok(Begun::Perform { key: format!("{}/{ordinal}", run.row.id) })
        })
    }

    fn end(&self, ordinal: u32, reply: Reply) -> BoxFuture<'static, Result<(), Fault>> {
        let (object, running, run) = (self.object.clone(), self.running.clone(), self.run.clone());
        Box::pin(async move {
            let counted = lock(&run.journal).answered(&reply);
            if let Err(fault) = counted {
                run.stop(fault).await;
            }
            let at = object.node.now();
            if matches!(reply, Reply::Ready(_)) {
                run.saw(at);
            }
            // The row of the call is in the file, or among what the turn has gathered.
            let gathered = {
                let mut turn = lock(&running.turn);
                let row = turn.rows.iter_mut().find_map(|row| match row {
                    Row::Step(step) if step.ordinal == ordinal => Some(step),
                    _ => None,
                });
                match row {
                    Some(step) => {
                        step.reply = Some(reply.clone());
                        step.ended_at = Some(at);
                        true
                    }
                    None => false,
                }
            };
            if gathered {
                return Ok(());
            }
            let id = run.row.id;
            object.flush().await?;
            let step = object
                .peek(|store| store.step(id, ordinal).map_err(|e| crate::object::fault_of(&e)))
                .await?
                .ok_or_else(Fault::internal)?;
            let row = Row::Step(StepRow { reply: Some(reply), ended_at: Some(at), ..step });
            object.note(Note::of_rows(vec![row])).await;
            Ok(())
        })
    }
}
