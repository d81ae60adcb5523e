//! Waiting without memory: what a run waits for is a row, and its instance is let go when that takes long.
//!
//! What it waited for is not handed over by whoever made it happen: that only makes the invocation ready again. The
//! replay comes to the call that has no answer and looks by itself: has the time come, has the child ended, is there an
//! event. So an end that comes before the wait is found, and a run that is woken for nothing waits on.

use super::accept::{Accepting, Asker};
use super::drive::DurableRun;
use super::step::Made;
use crate::bus::noun_of;
use crate::commit::lock;
use crate::guest::{GuestHost, end_turn, parse_action, room_in};
use crate::invoke::{InvokeOptions, may_invoke};
use crate::object::{Object, fault_of};
use crate::workflow::{OWN_EVENT_KEPT, OWN_NOUN, RunOf, is_own_event};
use model::filter::Filter;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{EventFilter, Reader, Turn};
use types::deployment::Handler;
use types::exec::HandlerKind;
use types::{
    ActionRef, At, Awaited, Call, CallOptions, EventRow, Fault, FaultKind, Id, InvocationRow, InvocationState, Json,
    Reply, Row, Standing, Timestamp, Trigger,
};

/// The longest wait for an event (spec WFL-2), and what is meant when nobody says.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
const EVENT_WAIT: Duration = Duration::from_secs(24 * 3600);

/// A waiting call of a durable run: the run, its step, the call.
type Waiting<'a> = Option<(&'a Arc<DurableRun>, &'a mut Made, &'a Call)>;

/// Makes those ready that wait for such an event: in the transaction that has the event.
pub(crate) fn wake_waiting(turn: &mut Turn<'_>, event: &EventRow) -> Result<(), store::Error> {
    if !turn.may_await_events() {
        return Ok(());
    }
    for waiting in turn.waiting_for(noun_of(&event.source), &event.verb)? {
        if let Standing::Waiting { on: Awaited::Event { filter: Some(filter), .. }, .. } = &waiting.state.at
            // One that is no filter was refused when the wait began.
            && !Filter::parse(filter).is_ok_and(|filter| does_pass(&filter, event, &input_of(&waiting.row)))
        {
            continue;
        }
        turn.write(Row::InvocationState(InvocationState { at: Standing::Ready, ..waiting.state }))?;
    }
    Ok(())
}

/// What a run began with: of a workflow's run that is within what its invocation was given.
fn input_of(row: &InvocationRow) -> Json {
    RunOf::read(row).map_or_else(|| row.input.clone(), |of| of.input)
}

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
            other => Err(Fault::unavailable(other.name())),
        }
    }

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
        self.only_here(options)?;
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

    /// Waits for the end of an invocation that is written down.
    pub(super) async fn join_child(&mut self, child: Id, waiting: Waiting<'_>) -> Result<Reply, Fault> {
        let object = self.object.clone();
        let told = object.inner.durable.wait_for(child);
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

    /// The first event of that name that passes, from the moment the invocation began.
    pub(super) async fn wait_for(
        &mut self,
        event: &str,
        filter: Option<&str>,
        timeout_ms: Option<u64>,
        waiting: Waiting<'_>,
    ) -> Result<Reply, Fault> {
        let wanted =
            Wanted::parse(event, filter, &self.running.input, waiting.as_ref().and_then(|(run, ..)| run.of.as_ref()))?;
        let wanted = waiting.iter().fold(wanted, |wanted, (_, made, _)| wanted.since(made.started_at));
        let timeout = timeout_ms.map_or(EVENT_WAIT, Duration::from_millis).min(EVENT_WAIT_MAX);
        let object = self.object.clone();
        let Some((run, made, call)) = waiting else {
            let after = object.peek(|store| Ok(store.next_sequence() - 1)).await?;
            let found = tokio::time::timeout(timeout, object.next_event(&wanted, after)).await;
            return found.unwrap_or_else(|_| Err(wait_timed_out(event))).map(|e| Reply::Json(shown(&e)));
        };
        let until = made.started_at.plus(timeout);
        let seen = lock(&run.events).clone();
        let after = object.events_after(run).await?;
        if let Some(found) = object.peek(|store| wanted.find(store, after, &seen)).await? {
            return Ok(Reply::Json(shown(&found)));
        }
        if until <= object.node.now() {
            return Err(wait_timed_out(event));
        }
        let on = Awaited::Event {
            ordinal: made.ordinal,
            noun: wanted.noun.clone(),
            verb: wanted.verb.clone(),
            filter: filter.map(str::to_owned),
        };
        let (clock, again, seen_again) = (object.node.inner.clock.clone(), wanted.clone(), seen.clone());
        let is_there =
            move |turn: &mut Turn<'_>| Ok(clock.now() >= until || again.find(turn, after, &seen_again)?.is_some());
        self.park(run, made, call, on, Some(until), is_there).await?;
        match object.peek(|store| wanted.find(store, after, &seen)).await? {
            Some(found) => Ok(Reply::Json(shown(&found))),
            None => Err(wait_timed_out(event)),
        }
    }

    /// Writes down what is waited for and lets the instance go, unless it is there now: then it answers.
    pub(super) async fn park(
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

    async fn set_timer(&mut self, name: &str, until: Timestamp, action: &str, data: Json) -> Result<Reply, Fault> {
        const NAME_BYTES_MAX: usize = 256;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!("a timer's name is 1 to {NAME_BYTES_MAX} bytes without control characters");
            return Err(Fault::invalid("TIMER_INVALID", message));
        }
        let action: ActionRef = parse_action(action)?;
        let ready = self.object.ready(&self.running.caller, &action, data).await?;
        let asker =
            Asker { trigger: Trigger::Timer { name: name.to_owned() }, parent: Some(self.running.id), depth: 0 };
        let accepting = self.object.accepting(&self.running.caller, &ready, &InvokeOptions::default(), asker)?;
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(Accepting { until: Some(until), ..accepting });
        Ok(Reply::Done)
    }

    async fn cancel_timer(&mut self, name: &str) -> Result<Reply, Fault> {
        let is_named = |trigger: &Trigger| matches!(trigger, Trigger::Timer { name: n } if n == name);
        let was_set_now = {
            let mut turn = lock(&self.running.turn);
            let before = turn.accepts.len();
            turn.accepts.retain(|a| !is_named(&a.row.trigger));
            turn.accepts.len() < before
        };
        end_turn(&self.object, &self.running).await?;
        let wanted = name.to_owned();
        let found = self.object.peek(move |store| store.timer(&wanted).map_err(|e| fault_of(&e))).await?;
        let cancelled = match found {
            Some(timer) => self.object.cancel_waiting(timer.row.id).await?.is_some(),
            None => false,
        };
        Ok(Reply::Bool(was_set_now || cancelled))
    }
}

impl Object {
    /// Where the events begin that a wait of it may find. It is known once the acceptance is written.
    async fn events_after(&self, run: &DurableRun) -> Result<u64, Fault> {
        if run.row.number > 0 {
            return Ok(run.row.events_after);
        }
        self.flush().await?;
        let id = run.row.id;
        let found = self.peek(move |store| store.invocation(id).map_err(|e| fault_of(&e))).await?;
        Ok(found.ok_or_else(Fault::internal)?.row.events_after)
    }

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

    async fn next_event(&self, wanted: &Wanted, after: u64) -> Result<EventRow, Fault> {
        let mut commits = self.inner.follow_events();
        loop {
            commits.borrow_and_update();
            if let Some(found) = self.look(|store| wanted.find(store, after, &BTreeSet::new())).await? {
                return Ok(found);
            }
            if commits.changed().await.is_err() {
                return Err(crate::object::retired());
            }
        }
    }
}

/// An event that is waited for.
#[derive(Clone)]
struct Wanted {
    /// As it was written: what an event that is sent to a run is called.
    event: String,
    noun: String,
    verb: String,
    condition: Option<Filter>,
    /// The run of a workflow that waits: it is sent events that are its own.
    of: Option<RunOf>,
    since: Timestamp,
    /// Of the run that waits: its filter may compare with it (spec WFL-6).
    input: Json,
}

impl Wanted {
    fn parse(event: &str, filter: Option<&str>, input: &Json, of: Option<&RunOf>) -> Result<Self, Fault> {
        let parts = event.split_once('.').filter(|(n, v)| !n.is_empty() && !v.is_empty() && event.len() <= 256);
        // Nothing but what is sent to the run itself has a name of one word.
        let parts = parts.or_else(|| of.filter(|_| is_own_event(event)).map(|_| (OWN_NOUN, event)));
        let (noun, verb) = parts.ok_or_else(|| {
            let message = format!("{event:?} is no event; write Noun.event, like Order.shipped or Order.*");
            Fault::invalid("EVENT_INVALID", message)
        })?;
        let condition = filter.map(Filter::parse).transpose();
        let condition = condition.map_err(|e| Fault::invalid("FILTER_INVALID", e.to_string()))?;
        Ok(Self {
            event: event.to_owned(),
            noun: noun.to_owned(),
            verb: verb.to_owned(),
            condition,
            of: of.cloned(),
            since: Timestamp::from_millis(0),
            input: of.map_or_else(|| input.clone(), |of| of.input.clone()),
        })
    }

    fn since(self, since: Timestamp) -> Self {
        Self { since, ..self }
    }

    fn find(&self, store: &Reader, after: u64, seen: &BTreeSet<u64>) -> Result<Option<EventRow>, Fault> {
        let verb = (self.verb != "*").then(|| self.verb.clone());
        let filter = EventFilter { after, verb, source: None, limit: store::PAGE_MAX };
        let of_all = self.first(store, filter, |e| {
            !seen.contains(&e.sequence)
                && noun_of(&e.source) != OWN_NOUN
                && (self.noun == "*" || noun_of(&e.source) == self.noun)
                && self.passes(e)
        })?;
        let Some(of) = &self.of else { return Ok(of_all) };
        let filter = EventFilter { after: 0, verb: None, source: Some(of.own_source()), limit: store::PAGE_MAX };
        let own = self.first(store, filter, |e| {
            !seen.contains(&e.sequence)
                && e.created_at.plus(OWN_EVENT_KEPT) > self.since
                && of.is_named(&e.verb, &self.event)
                && self.passes(e)
        })?;
        Ok(match (of_all, own) {
            (Some(one), Some(other)) => Some(if one.sequence < other.sequence { one } else { other }),
            (one, other) => one.or(other),
        })
    }

    fn first(
        &self,
        store: &Reader,
        mut filter: EventFilter,
        is_it: impl Fn(&EventRow) -> bool,
    ) -> Result<Option<EventRow>, Fault> {
        loop {
            let page = store.events(&filter).map_err(|e| fault_of(&e))?;
            match (page.items.into_iter().find(&is_it), page.next) {
                (Some(found), _) => return Ok(Some(found)),
                (None, Some(next)) => filter.after = next,
                (None, None) => return Ok(None),
            }
        }
    }

    fn passes(&self, event: &EventRow) -> bool {
        self.condition.as_ref().is_none_or(|filter| does_pass(filter, event, &self.input))
    }
}

/// What cannot be answered is no match (spec WSM-3).
fn does_pass(filter: &Filter, event: &EventRow, input: &Json) -> bool {
    filter.matches_with(&shown(event).to_value(), &input.to_value()).unwrap_or(false)
}

/// What a guest is told of an event.
fn shown(event: &EventRow) -> Json {
    Json::of(&serde_json::json!({
        "id": event.id.to_string(),
        "verb": event.verb,
        "noun": noun_of(&event.source),
        "source": event.source,
        "data": event.data,
        "actionId": event.action.to_string(),
        "sequence": event.sequence,
        "createdAt": event.created_at.to_string(),
    }))
}

fn wait_timed_out(event: &str) -> Fault {
    Fault::new(FaultKind::Timeout, "WAIT_TIMEOUT", format!("no {event} came in time"))
}
