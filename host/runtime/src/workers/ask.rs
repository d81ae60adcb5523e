//! Asking a worker: the work begins as an invocation of its own, and whoever asked waits for it like for any other.

use crate::commit::lock;
use crate::durable::{Asker, DurableRun, Made};
use crate::guest::{GuestHost, end_turn, room_in};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use types::exec::Entry;
use types::{Call, Fault, Id, Json, Method, Reply, Row, Trigger, Worker};

/// Of one attempt of work, its waits not counted.
const WORK_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a call asks of whom.
struct Asking {
    worker: Worker,
    method: Method,
    input: Json,
}

impl GuestHost {
    /// Of a durable run: the work is a child, and its end the answer.
    pub(crate) async fn work_durably(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
    ) -> Result<Reply, Fault> {
        let child = match made.child {
            Some(child) => child,
            None => self.begin_work(made, call, Some(run)).await?,
        };
        end_turn(&self.object, &self.running).await?;
        self.join_child(child, Some((run, made, call))).await
    }

    /// Of a run without a journal.
    pub(crate) async fn work_now(&mut self, made: &mut Made, call: &Call) -> Result<Reply, Fault> {
        let child = self.begin_work(made, call, None).await?;
        end_turn(&self.object, &self.running).await?;
        self.join_child(child, None).await
    }

    async fn begin_work(&mut self, made: &mut Made, call: &Call, run: Option<&Arc<DurableRun>>) -> Result<Id, Fault> {
        self.deeper()?;
        let asking = self.asking(call)?;
        let asker = Asker {
            trigger: Trigger::Step { ordinal: made.ordinal },
            parent: Some(self.running.id),
            depth: self.running.chain.depth + 1,
        };
        let Asking { worker, method, input } = asking;
        let entry = Entry::Work { worker, method };
        let accepting = self.object.componentless(&self.running.caller, entry, input, asker, WORK_TIMEOUT);
        let id = accepting.row.id;
        made.child = Some(id);
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(accepting);
        if let Some(run) = run {
            turn.rows.push(Row::Step(run.step_row(made, call, None, None)));
            made.is_written = true;
        }
        Ok(id)
    }

    fn asking(&self, call: &Call) -> Result<Asking, Fault> {
        let whole = |options: &Option<Json>| options.as_ref().map_or(Value::Null, Json::to_value);
        let (worker, method, input) = match call {
            Call::WorkerDo { worker, task, context } => {
                (worker, Method::Do, json!({ "task": task.to_value(), "context": whole(context) }))
            }
            Call::Ask { worker, question, options } => {
                (worker, Method::Ask, json!({ "question": question, "options": whole(options) }))
            }
            Call::Decide { worker, question, options } => {
                (worker, Method::Decide, json!({ "question": question, "options": options.to_value() }))
            }
            Call::Approve { worker, request, options } => {
                (worker, Method::Approve, json!({ "request": request.to_value(), "options": whole(options) }))
            }
            Call::Generate { worker, prompt, options } => {
                (worker, Method::Generate, json!({ "prompt": prompt, "options": whole(options) }))
            }
            Call::Notify { worker, message, options } => {
                (worker, Method::Notify, json!({ "message": message.to_value(), "options": whole(options) }))
            }
            Call::Answer { worker, request } => (worker, Method::Answer, json!({ "request": request.to_value() })),
            other => return Err(Fault::unavailable(other.name())),
        };
        let worker = worker
            .as_deref()
            .ok_or_else(|| Fault::invalid("WORKER_MISSING", "say who is asked: Agent/NAME, Human/NAME or role:NAME"))?;
        let worker = worker.parse().map_err(|e: types::WorkerError| Fault::invalid("WORKER_INVALID", e.to_string()))?;
        Ok(Asking { worker, method, input: Json::from_value(&input) })
    }
}
