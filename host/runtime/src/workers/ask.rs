//! Asking a worker: the work begins as an invocation of its own, and whoever asked waits for it like for any other.

use crate::Caller;
use crate::commit::lock;
use crate::durable::{Accepting, Asker, DurableRun, Made};
use crate::guest::{GuestHost, end_turn, room_in};
use crate::object::Object;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use types::exec::Entry;
use types::{Call, Fault, FunctionName, Id, InvocationRow, Json, Method, Reply, Retry, Row, Trigger, Worker};

/// Of one attempt of work, its waits not counted.
pub(crate) const WORK_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a call asks of whom.
pub(super) struct Asking {
    pub(super) worker: Worker,
    pub(super) method: Method,
    pub(super) input: Json,
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
        let accepting = self.object.work(&self.running.caller, asking, asker);
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

impl Object {
    /// The invocation that a worker's work is.
    pub(super) fn work(&self, caller: &Caller, asking: Asking, asker: Asker) -> Accepting {
        let Asking { worker, method, input } = asking;
        let now = self.node.now();
        let row = InvocationRow {
            id: Id::new(now, rand::random()),
            number: 0,
            function: placeholder(),
            version: 0,
            entry: Entry::Work { worker, method },
            input,
            caller: caller.identity.clone(),
            request_id: caller.request_id.to_string(),
            seed: rand::random(),
            accepted_at: now,
            began: false,
            trigger: asker.trigger,
            depth: asker.depth,
            key: None,
            serial: None,
            // What can be tried again is tried again where it fails: a model, a channel. A person is asked once.
            retry: Retry { max_attempts: 1, ..crate::STANDARD_RETRY },
            timeout_ms: u64::try_from(WORK_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
            deadline: None,
            events_after: 0,
            parent: asker.parent,
            priority: 0,
            retry_on: Vec::new(),
        };
        Accepting { row: Arc::new(row), until: None }
    }
}

/// Stands where a function's name does; no function has it, for work runs none.
fn placeholder() -> FunctionName {
    FunctionName::parse("worker").expect("it is a name")
}
