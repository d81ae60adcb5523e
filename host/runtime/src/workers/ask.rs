//! Asking a worker: the work begins as an invocation of its own, and whoever asked waits for it like for any other.

use super::notify;
use crate::Caller;
use crate::commit::lock;
use crate::durable::{Accepting, Asker, DurableRun, Made};
use crate::guest::{GuestHost, end_turn, room_in};
use crate::object::Object;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use types::exec::Entry;
use types::{Call, Fault, FunctionName, Id, InvocationRow, Json, Method, Reply, Row, Trigger, Worker};

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
        if is_for_people(call) {
            // Nobody's run stays in memory until a person has time: it is told what to ask for later (spec WRK-1).
            let row = self.object.request_opened(child).await?;
            return Ok(Reply::Json(super::requests::handle(&row)));
        }
        self.join_child(child, None).await
    }

    async fn begin_work(&mut self, made: &mut Made, call: &Call, run: Option<&Arc<DurableRun>>) -> Result<Id, Fault> {
        self.deeper()?;
        let asking = self.asking(call)?;
        // What the host itself asks for, in the work of a worker, nobody's key has to allow.
        let is_own = self.running.durable.as_ref().is_some_and(|run| matches!(run.row.entry, Entry::Work { .. }));
        if !is_own {
            may_ask(&self.running.caller, &asking.worker)?;
        }
        if let Some(known) = self.object.known_work(&asking).await? {
            made.child = Some(known);
            return Ok(known);
        }
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

    /// Has a part of the work that this run is begin when the turn commits, as an invocation of its own: it waits and goes
    /// on for itself.
    pub(crate) fn begin_part_of_work(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        input: Json,
    ) -> Result<Reply, Fault> {
        self.deeper()?;
        let Entry::Work { worker, method } = &run.row.entry else { return Err(Fault::internal()) };
        let asking = Asking { worker: worker.clone(), method: *method, input };
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
        Ok(Reply::Text(id.to_string()))
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
        let worker = worker.as_deref().ok_or_else(|| no_worker(call))?;
        let worker = worker.parse().map_err(|e: types::WorkerError| Fault::invalid("WORKER_INVALID", e.to_string()))?;
        Ok(Asking { worker, method, input: Json::from_value(&input) })
    }
}

/// An object has no worker of its own that would be meant.
fn no_worker(call: &Call) -> Fault {
    let name = call.name();
    let message =
        format!("{name} names nobody, and there is no standard worker; say Agent/NAME, Human/NAME or role:NAME");
    Fault::new(types::FaultKind::Unavailable, "WORKER_MISSING", message)
}

/// Whether what is asked waits for a person. A notification does not.
fn is_for_people(call: &Call) -> bool {
    let worker = match call {
        Call::WorkerDo { worker, .. }
        | Call::Ask { worker, .. }
        | Call::Decide { worker, .. }
        | Call::Approve { worker, .. }
        | Call::Generate { worker, .. }
        | Call::Answer { worker, .. } => worker,
        _ => return false,
    };
    worker.as_deref().and_then(|worker| worker.parse().ok()).is_some_and(|worker| !matches!(worker, Worker::Agent(_)))
}

/// Asking somebody for something is a permission: `Human.ask` or `Agent.ask`.
pub(super) fn may_ask(caller: &Caller, worker: &Worker) -> Result<(), Fault> {
    let noun = match worker {
        Worker::Agent(_) => Worker::AGENT,
        Worker::Human(_) | Worker::Role(_) => Worker::HUMAN,
    };
    caller.may(noun, "ask")
}

/// What who asks calls the request, if it is one for people. What is wrong with it is told before anybody is asked.
pub(super) fn key_of(asking: &Asking, now: types::Timestamp) -> Result<Option<String>, Fault> {
    if asking.method == Method::Notify {
        return Ok(notify::key_of(&asking.worker, &asking.input));
    }
    if matches!(asking.worker, Worker::Agent(_)) {
        return Ok(None);
    }
    Ok(workers::draft::draft(asking.method, &asking.input, now)?.key)
}

impl Object {
    /// What was asked under the same id before, of the same worker in the same words.
    ///
    /// # Errors
    /// `REQUEST_EXISTS` (409) where it was asked in other words.
    pub(super) async fn known_work(&self, asking: &Asking) -> Result<Option<Id>, Fault> {
        let Some(key) = key_of(asking, self.node.now())? else { return Ok(None) };
        let known = self
            .peek(|store| {
                store.invocation_by_key(placeholder().as_str(), &key).map_err(|e| crate::object::fault_of(&e))
            })
            .await?;
        known.map(|known| same_work(&known.row, asking)).transpose()
    }

    /// The invocation that a worker's work is.
    pub(super) fn work(&self, caller: &Caller, asking: Asking, asker: Asker) -> Accepting {
        let now = self.node.now();
        // What is wrong with it was told before, or is by the work itself.
        let key = key_of(&asking, now).unwrap_or_default();
        let Asking { worker, method, input } = asking;
        let accepting = self.componentless(caller, Entry::Work { worker, method }, input, asker, WORK_TIMEOUT);
        let row = InvocationRow { function: placeholder(), key, ..InvocationRow::clone(&accepting.row) };
        Accepting { row: Arc::new(row), ..accepting }
    }
}

/// The id of the work that was asked for before, if this asks for the same.
pub(super) fn same_work(known: &InvocationRow, asking: &Asking) -> Result<Id, Fault> {
    let Asking { worker, method, input } = asking;
    let entry = Entry::Work { worker: worker.clone(), method: *method };
    if known.entry == entry && known.input == *input {
        return Ok(known.id);
    }
    let message = "something else was asked under this id before; use a new id";
    let details = json!({ "requestId": known.id.to_string() });
    Err(Fault::conflict("REQUEST_EXISTS", message).with_details(&details))
}

/// Stands where a function's name does; no function has it, for work runs none.
pub(super) fn placeholder() -> FunctionName {
    FunctionName::parse("worker").expect("it is a name")
}
