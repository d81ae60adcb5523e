//! What a run begins: children, and the branches of its parallel steps. They begin when its turn commits.

use super::accept::{Accepting, Asker};
use super::drive::DurableRun;
use super::step::Made;
use crate::commit::lock;
use crate::guest::{GuestHost, parse_action, room_in};
use crate::invoke::{InvokeOptions, may_invoke};
use crate::object::{Object, fault_of};
use std::sync::Arc;
use std::time::Duration;
use types::deployment::Handler;
use types::exec::{Entry, HandlerKind, Part};
use types::{ActionRef, At, Call, CallOptions, Fault, Id, InvocationRow, Json, Reply, Retry, Row, Trigger};

impl GuestHost {
    /// Has another invocation begin when the turn commits, with the step that says so.
    pub(super) async fn begin_child(
        &mut self,
        made: &mut Made,
        call: &Call,
        action: &str,
        data: Json,
        options: &CallOptions,
        run: Option<&Arc<DurableRun>>,
    ) -> Result<Id, Fault> {
        if let (Call::Start { .. }, Some(target)) = (call, self.elsewhere(options)?) {
            return self.start_elsewhere(target, made, action, data, options).await;
        }
        self.deeper()?;
        let caller = &self.running.caller;
        let ready = match made.step_id.is_some().then(|| action.parse::<Handler>()) {
            // A declared step may call an app's handler.
            Some(Ok(handler @ Handler::App { .. })) => {
                let function = handler.function().clone();
                may_invoke(caller, &ActionRef { function, export: None, at: At::Head })?;
                self.object.ready_handler(&handler, HandlerKind::Function, data).await?
            }
            _ => self.object.ready(caller, &parse_action(action)?, data).await?,
        };
        let asker = Asker {
            trigger: Trigger::Step { ordinal: made.ordinal },
            parent: Some(self.running.id),
            depth: self.running.chain.depth + 1,
        };
        let options = InvokeOptions {
            timeout: options.timeout_ms.map(Duration::from_millis),
            idempotency_key: options.idempotency_key.clone(),
            retry: options.retry.clone(),
            retry_on: options.retry_on.clone(),
            serial: options.serial.clone(),
            delay: options.delay_ms.map(Duration::from_millis),
            ..InvokeOptions::default()
        };
        if let Some(key) = &options.idempotency_key
            && let Some(earlier) = self.object.known_child(&ready.function.name, key, &ready.input).await?
        {
            made.child = Some(earlier);
            return Ok(earlier);
        }
        let accepting = self.object.accepting(&self.running.caller, &ready, &options, asker)?;
        let id = accepting.row.id;
        made.child = Some(id);
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(accepting);
        if let (Some(run), Call::Do { .. }) = (run, call) {
            turn.rows.push(Row::Step(run.step_row(made, call, None, None)));
            made.is_written = true;
        }
        Ok(id)
    }

    /// Has a branch of a parallel step begin when the turn commits: an invocation of its own, so that it waits, sleeps
    /// and goes on for itself.
    pub(super) fn begin_branch(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        number: u32,
        scope: Json,
    ) -> Result<Reply, Fault> {
        self.deeper()?;
        let (row, run_row) = crate::workflow::branch(run, self.object.node.now(), made.ordinal, call, number, scope)?;
        made.child = Some(row.id);
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(Accepting { row: Arc::new(row), until: None });
        turn.rows.push(Row::WorkflowRun(Box::new(run_row)));
        Ok(Reply::Text(made.child.map(|id| id.to_string()).unwrap_or_default()))
    }

    /// Has one export of the run's own function begin when the turn commits: in a sandbox of its own, with a journal of
    /// its own. It is tried once; how its failure is taken is the run's.
    pub(super) fn begin_part(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        part: Part,
    ) -> Result<Reply, Fault> {
        self.deeper()?;
        let Call::Start { data, options, .. } = call else { return Err(Fault::internal()) };
        let now = self.object.node.now();
        let row = InvocationRow {
            id: Id::new(now, rand::random()),
            number: 0,
            entry: Entry::Part(part),
            input: data.clone(),
            seed: rand::random(),
            accepted_at: now,
            began: false,
            trigger: Trigger::Step { ordinal: made.ordinal },
            depth: run.row.depth + 1,
            key: None,
            serial: None,
            retry: Retry { max_attempts: 1, ..super::STANDARD_RETRY },
            timeout_ms: options.timeout_ms.unwrap_or(run.row.timeout_ms),
            deadline: None,
            events_after: 0,
            parent: Some(run.row.id),
            ..InvocationRow::clone(&run.row)
        };
        made.child = Some(row.id);
        let reply = Reply::Text(row.id.to_string());
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(Accepting { row: Arc::new(row), until: None });
        Ok(reply)
    }

    /// One that this run began, by what it was told.
    pub(super) async fn child_named(&self, action_id: &str) -> Result<Id, Fault> {
        let unknown = || {
            let message = format!("{action_id:?} is no action that this run started; give what `start` answered");
            Fault::not_found("ACTION_NOT_FOUND", message)
        };
        let id: Id = action_id.parse().map_err(|_| unknown())?;
        let (own, here) = (self.running.id, &self.object);
        let is_new = lock(&self.running.turn).accepts.iter().any(|a| a.row.id == id);
        if is_new {
            return Ok(id);
        }
        here.flush_unless_dirty().await?;
        let found = here.peek(|store| store.invocation(id).map_err(|e| fault_of(&e))).await?;
        found.filter(|i| i.row.parent == Some(own)).map(|_| id).ok_or_else(unknown)
    }
}

impl Object {
    /// One that was asked for under the same key, for a function that calls: its input must be the same.
    pub(super) async fn known_child(
        &self,
        function: &types::FunctionName,
        key: &str,
        input: &Json,
    ) -> Result<Option<Id>, Fault> {
        let (function, key) = (function.to_string(), key.to_owned());
        let found = self.peek(move |store| store.invocation_by_key(&function, &key).map_err(|e| fault_of(&e))).await?;
        match found {
            Some(found) if found.row.input != *input => Err(Fault::invalid(
                "IDEMPOTENCY_MISMATCH",
                "the idempotency key was used with another input before; use a new key for another call",
            )),
            found => Ok(found.map(|i| i.row.id)),
        }
    }

    /// Writes what is queued, unless the asker's own turn is open: then what it asks for is in front of it already.
    async fn flush_unless_dirty(&self) -> Result<(), Fault> {
        if self.inner.gate.is_dirty() {
            return Ok(());
        }
        self.flush().await
    }
}
