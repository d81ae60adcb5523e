//! Waits for events: what passes, who is made ready, and where a run begins to look.

use super::drive::DurableRun;
use super::wait::Waiting;
use crate::bus::noun_of;
use crate::commit::lock;
use crate::guest::GuestHost;
use crate::object::{Object, fault_of};
use crate::workflow::{OWN_EVENT_KEPT, OWN_NOUN, RunOf, is_own_event};
use model::filter::Filter;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{EventFilter, Reader, Turn};
use types::{
    Awaited, EventRow, Fault, FaultKind, InvocationRow, InvocationState, Json, Reply, Row, Standing, Timestamp,
};

/// The longest wait for an event (spec WFL-2), and what is meant when nobody says.
const EVENT_WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
const EVENT_WAIT: Duration = Duration::from_secs(24 * 3600);

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

impl GuestHost {
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
