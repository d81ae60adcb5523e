//! Accepting an invocation: the row that makes it go on whatever dies.

use super::rows::{self, Told};
use super::{ATTEMPTS_MAX, STANDARD_RETRY};
use crate::Caller;
use crate::invoke::{InvokeOptions, Ready};
use crate::object::Object;
use std::sync::Arc;
use std::time::Duration;
use store::Turn;
use types::exec::Entry;
use types::{
    ActionStatus, Fault, FunctionKind, FunctionName, Id, InvocationRow, InvocationState, Json, Retry, Row, Standing,
    Timestamp, Trigger,
};

/// An invocation that is to be accepted with the rows it is noted among.
#[derive(Clone, Debug)]
pub(crate) struct Accepting {
    pub(crate) row: Arc<InvocationRow>,
    /// Not before then.
    pub(crate) until: Option<Timestamp>,
}

impl Accepting {
    pub(crate) fn bytes(&self) -> usize {
        1024 + 2 * self.row.input.as_str().len()
    }

    /// Whether its row says all there is to say of it until it ends.
    pub(crate) fn can_be_joined(&self) -> bool {
        self.row.began && self.until.is_none() && !self.has_wishes()
    }

    fn has_wishes(&self) -> bool {
        self.row.priority != 0 || !self.row.retry_on.is_empty()
    }

    /// The row, as it enters the file.
    pub(crate) fn numbered(&self, turn: &Turn<'_>) -> InvocationRow {
        InvocationRow {
            number: turn.next_invocation(),
            events_after: turn.next_sequence() - 1,
            ..InvocationRow::clone(&self.row)
        }
    }

    /// Into the file, with its number. A timer takes the place of an earlier one of its name.
    pub(crate) fn write(self, turn: &mut Turn<'_>, at: Timestamp) -> Result<(), store::Error> {
        let row = self.numbered(turn);
        if let Trigger::Timer { name } = &row.trigger
            && let Some(earlier) = turn.timer(name)?
        {
            super::cancel::give_up(turn, &earlier, at)?;
        }
        let status = if row.began { ActionStatus::Running } else { ActionStatus::Pending };
        let told = Told { started_at: row.began.then_some(row.accepted_at), ..Told::default() };
        let action = rows::action(&row, 1, status, told);
        let id = row.id;
        turn.write(Row::Invocation(Box::new(row)))?;
        if self.has_wishes() {
            let (priority, retry_on) = (self.row.priority, self.row.retry_on.clone());
            turn.write(Row::InvocationWish { id, priority, retry_on })?;
        }
        if let Some(until) = self.until {
            let at = Standing::Delayed { until };
            turn.write(Row::InvocationState(InvocationState { id, attempt: 1, interrupted: 0, at }))?;
        }
        turn.write(Row::Action(action))
    }
}

/// Who asked for an invocation.
pub(crate) struct Asker {
    pub(crate) trigger: Trigger,
    pub(crate) parent: Option<Id>,
    pub(crate) depth: u32,
}

impl Asker {
    pub(crate) const OUTSIDE: Self = Self { trigger: Trigger::Call, parent: None, depth: 0 };
}

impl Object {
    /// The row of an invocation that may be made.
    pub(crate) fn accepting(
        &self,
        caller: &Caller,
        ready: &Ready,
        options: &InvokeOptions,
        asker: Asker,
    ) -> Result<Accepting, Fault> {
        check_wishes(options)?;
        let now = self.node.now();
        let own = ready.function.manifest.limits.apply(self.node.inner.config.limits).wall;
        let limit = crate::workers::attempt_limit(ready.function.def.kind).unwrap_or(own);
        let timeout = options.timeout.map_or(limit, |t| limit.min(t));
        // A person is asked once (spec FUN-8), and what failed in an agent's loop was tried again where it failed.
        let standard = match ready.function.def.kind {
            FunctionKind::Human | FunctionKind::Agentic => Retry { max_attempts: 1, ..STANDARD_RETRY },
            _ => STANDARD_RETRY,
        };
        let row = InvocationRow {
            id: Id::new(now, rand::random()),
            number: 0,
            function: ready.function.name.clone(),
            version: ready.function.version,
            entry: ready.entry.clone(),
            input: ready.input.clone(),
            caller: caller.identity.clone(),
            request_id: caller.request_id.to_string(),
            seed: rand::random(),
            accepted_at: now,
            began: false,
            trigger: asker.trigger,
            depth: asker.depth,
            key: options.idempotency_key.clone(),
            serial: options.serial.clone(),
            retry: checked(options.retry.clone().unwrap_or(standard))?,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            deadline: options.deadline,
            events_after: 0,
            parent: asker.parent,
            priority: options.priority,
            retry_on: options.retry_on.clone(),
        };
        let until = options.delay.filter(|delay| !delay.is_zero()).map(|delay| now.plus(delay));
        Ok(Accepting { row: Arc::new(row), until })
    }
}

impl Object {
    /// An invocation that runs no component: the host goes through it, and its calls are those that can be retried.
    pub(crate) fn componentless(
        &self,
        caller: &Caller,
        entry: Entry,
        input: Json,
        asker: Asker,
        timeout: Duration,
    ) -> Accepting {
        let now = self.node.now();
        let row = InvocationRow {
            id: Id::new(now, rand::random()),
            number: 0,
            function: placeholder(),
            version: 0,
            entry,
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
            retry: Retry { max_attempts: 1, ..STANDARD_RETRY },
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            deadline: None,
            events_after: 0,
            parent: asker.parent,
            priority: 0,
            retry_on: Vec::new(),
        };
        Accepting { row: Arc::new(row), until: None }
    }
}

/// Stands where a function's name does; what has it says by its entry what it is.
fn placeholder() -> FunctionName {
    FunctionName::parse("host").expect("it is a function's name")
}

fn check_wishes(options: &InvokeOptions) -> Result<(), Fault> {
    let most = InvocationRow::PRIORITY_MAX;
    if !(-most..=most).contains(&options.priority) {
        let message = format!("priority is {}; -{most} to {most} are accepted, 0 is usual", options.priority);
        return Err(Fault::invalid("PRIORITY_INVALID", message));
    }
    InvocationRow::check_retry_on(&options.retry_on)
        .map_err(|message| Fault::invalid("RETRY_INVALID", format!("retry.retryOn: {message}")))?;
    Ok(())
}

fn checked(retry: Retry) -> Result<Retry, Fault> {
    let refuse = |what: String| Err(Fault::invalid("RETRY_INVALID", what));
    if retry.max_attempts == 0 || retry.max_attempts > ATTEMPTS_MAX {
        return refuse(format!("retry.maxAttempts is {}; 1 to {ATTEMPTS_MAX} are accepted", retry.max_attempts));
    }
    if !retry.multiplier.is_finite() || retry.multiplier < 1.0 {
        return refuse(format!("retry.multiplier is {}; a number from 1 on is accepted", retry.multiplier));
    }
    Ok(retry)
}
