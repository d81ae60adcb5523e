//! The steps of work that people do, as they are performed: each is one turn, with the step that says so in it.

use super::message::{Tell, Telling, ways};
use super::people::{Person, Whom};
use super::request::{tell_end, write_request};
use crate::commit::{NewEvent, lock, write_event};
use crate::durable::{DurableRun, Made};
use crate::guest::{GuestHost, end_turn};
use crate::object::{Object, fault_of};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use store::Turn;
use types::exec::{Dispatch, Entry};
use types::{
    Assignee, Awaited, Call, Fault, Id, Json, Method, OnExhausted, Reply, RequestCall, RequestRow, RequestStatus,
    RequestWarning, Row, StepRow, ThingId, Timestamp, Urgency, Worker,
};
use workers::draft::draft;
use workers::outcome::event_words;
use workers::plan::{Plan, What};

/// It is written down, and these are to be told.
#[derive(Serialize, Deserialize)]
pub(super) struct Opened {
    pub(super) row: RequestRow,
    pub(super) plan: Plan,
    pub(super) tells: Vec<Tell>,
}

/// What ended a wait.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Awaiting {
    Settled {
        row: Box<RequestRow>,
    },
    /// It was handed on to somebody.
    Handed {
        row: Box<RequestRow>,
        tells: Vec<Tell>,
    },
    Due,
}

/// What a moment did.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Moved {
    Settled { row: Box<RequestRow> },
    Goes { row: Box<RequestRow>, tells: Vec<Tell> },
}

impl GuestHost {
    pub(crate) async fn request_step(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        what: &RequestCall,
    ) -> Result<Reply, Fault> {
        let id = run.row.id;
        match what {
            RequestCall::Open => self.open(run, made, call).await,
            RequestCall::Wait { until, delegations } => self.wait(run, made, call, *until, *delegations).await,
            RequestCall::Moment { number } => self.moment(run, made, call, *number as usize).await,
            RequestCall::Warn { warnings } => {
                let mut warnings = warnings.clone();
                self.object
                    .change(1024, move |turn| {
                        let mut row = found(turn, id)?;
                        row.warnings.append(&mut warnings);
                        row.warnings.truncate(RequestRow::WARNINGS_MAX);
                        write_request(turn, row)
                    })
                    .await?;
                Ok(Reply::Json(Json::null()))
            }
        }
    }

    /// A message is handed over at most once: what a stop of the host leaves uncertain is not sent again (spec HUM-2).
    pub(crate) async fn deliver_once(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        message: &Dispatch,
    ) -> Result<Reply, Fault> {
        if made.is_written {
            let message = "the host stopped while this was handed over; it may have arrived, and is not sent again";
            return Err(Fault::new(types::FaultKind::Upstream, "DELIVERY_UNCERTAIN", message));
        }
        lock(&self.running.turn).rows.push(Row::Step(run.step_row(made, call, None, None)));
        made.is_written = true;
        end_turn(&self.object, &self.running).await?;
        self.deliver(message.clone()).await
    }

    async fn open(&mut self, run: &Arc<DurableRun>, made: &mut Made, call: &Call) -> Result<Reply, Fault> {
        let Entry::Work { worker, method } = &run.row.entry else { return Err(Fault::internal()) };
        let (now, method) = (run.row.accepted_at, *method);
        let draft = draft(method, &run.row.input, now)?;
        if let Some(form) = &draft.form {
            super::request::check_form(form)?;
        }
        let Whom { people, policy, level, mut warnings } = self.object.whom(worker, &draft).await?;
        let plan = Plan::of(&draft, method, policy.as_ref(), now);
        let only = draft.channels.as_deref();
        let at = self.object.node.now();
        let telling = Telling { urgency: draft.urgency, only, why: "asked", now: at };
        let tells: Vec<_> = people.iter().flat_map(|p| ways(p, telling)).collect();
        if tells.is_empty() {
            let message = "nobody who is asked has a channel for this; it waits in the inbox".to_owned();
            warnings.push(RequestWarning { code: "NO_CHANNELS".to_owned(), message });
        }
        let assignee = |p: &Person| Assignee { id: p.id.clone(), level, since: now, delegated_by: None };
        let row = RequestRow {
            id: run.row.id,
            key: draft.key,
            method,
            worker: worker.clone(),
            requester: run.row.caller.actor.to_string(),
            parent: run.row.parent,
            kind: draft.kind.unwrap_or_else(|| method.as_str().to_owned()),
            title: draft.title,
            form: draft.form,
            options: draft.options,
            data: draft.data,
            amount: draft.amount,
            urgency: draft.urgency,
            status: RequestStatus::Pending,
            assignees: people.iter().map(assignee).collect(),
            level,
            quorum: draft.quorum,
            reject_quorum: draft.reject_quorum,
            allow_self: draft.allow_self,
            answers: Vec::new(),
            comments: Vec::new(),
            delegations: Vec::new(),
            accepted_by: None,
            created_at: now,
            expires_at: plan.expires_at(),
            next: plan.next(0, level),
            resolved_at: None,
            responded_by: None,
            response: None,
            channel: None,
            warnings,
        };
        let opened = Opened { row, plan, tells };
        let (reply, step) = self.answered(run, made, call, &opened);
        self.object
            .change(4096, move |turn| {
                let Opened { row, .. } = opened;
                let (noun, begun, _) = event_words(method);
                let data = json!({ "requestId": row.id.to_string(), "worker": row.worker.to_string(), "type": row.kind,
                                   "title": row.title, "assignees": ids(&row), "expiresAt": row.expires_at.to_string() });
                tell(turn, row.id, noun, begun, &data, at)?;
                turn.write(Row::Step(step)).map_err(|e| fault_of(&e))?;
                write_request(turn, row)
            })
            .await?;
        Ok(reply)
    }

    async fn wait(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        until: Timestamp,
        delegations: u32,
    ) -> Result<Reply, Fault> {
        let id = run.row.id;
        let has_more = move |row: &RequestRow| row.delegations.len() > delegations as usize;
        loop {
            let row = self.object.peek(|store| store.request(id).map_err(|e| fault_of(&e))).await?;
            let row = row.ok_or_else(Fault::internal)?;
            if !row.is_pending() {
                return Ok(Reply::Json(Json::of(&Awaiting::Settled { row: Box::new(row) })));
            }
            if has_more(&row) {
                let mut tells = Vec::new();
                for (at, delegation) in row.delegations.iter().enumerate().skip(delegations as usize) {
                    let people = self.object.those(std::iter::once(delegation.to.as_str())).await?;
                    let why = format!("delegated-{}", at + 1);
                    let now = self.object.node.now();
                    let telling = Telling { urgency: row.urgency, only: None, why: &why, now };
                    tells.extend(people.iter().flat_map(|p| ways(p, telling)));
                }
                return Ok(Reply::Json(Json::of(&Awaiting::Handed { row: Box::new(row), tells })));
            }
            if until <= self.object.node.now() {
                return Ok(Reply::Json(Json::of(&Awaiting::Due)));
            }
            let (clock, on) = (self.object.node.inner.clock.clone(), Awaited::Request { ordinal: made.ordinal });
            let is_there = move |turn: &mut Turn<'_>| {
                let row = found(turn, id)?;
                Ok(clock.now() >= until || !row.is_pending() || has_more(&row))
            };
            self.park(run, made, call, on, Some(until), is_there).await?;
        }
    }

    async fn moment(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
        number: usize,
    ) -> Result<Reply, Fault> {
        let Entry::Work { method, .. } = &run.row.entry else { return Err(Fault::internal()) };
        let (id, method) = (run.row.id, *method);
        let draft = draft(method, &run.row.input, run.row.accepted_at)?;
        // The plan as it was made: it stands in the answer of the first step.
        let opened = self.object.peek(|store| store.step(id, 0).map_err(|e| fault_of(&e))).await?;
        let Some(StepRow { reply: Some(Reply::Json(opened)), .. }) = opened else { return Err(Fault::internal()) };
        let Opened { plan, .. } = serde_json::from_str(opened.as_str()).map_err(|_| Fault::internal())?;
        let what = plan.moments.get(number).ok_or_else(Fault::internal)?.what;
        let before = self.object.peek(|store| store.request(id).map_err(|e| fault_of(&e))).await?;
        let before = before.ok_or_else(Fault::internal)?;
        let step = plan.step_of(what, before.level).and_then(|at| Some((at, plan.steps.get(at)?.clone())));
        let told = match (what, &step) {
            (_, Some((_, next))) => self.object.people_of(&next.to).await?,
            (What::Reminder | What::Warning | What::Breach, None) => {
                self.object.those(before.assignees.iter().map(|assignee| assignee.id.as_str())).await?
            }
            (What::Escalation(_) | What::Exhausted(_) | What::Expiry, None) => Vec::new(),
        };
        let at = self.object.node.now();
        let row_of_step = self.answered(run, made, call, &json!(null)).1;
        let moved = self
            .object
            .change(4096, move |turn| {
                let mut row = found(turn, id)?;
                let moved = if row.is_pending() {
                    let tells = match &step {
                        Some((taken, next)) => escalate(turn, &mut row, *taken, next, &told, at)?,
                        None => wait_on(turn, &mut row, what, &told, draft.channels.as_deref(), at)?,
                    };
                    row.next = if row.is_pending() { plan.next(number + 1, row.level) } else { None };
                    write_request(turn, row.clone())?;
                    match row.is_pending() {
                        true => Moved::Goes { row: Box::new(row), tells },
                        false => Moved::Settled { row: Box::new(row) },
                    }
                } else {
                    Moved::Settled { row: Box::new(row) }
                };
                let reply = Reply::Json(Json::of(&moved));
                let row = StepRow { reply: Some(reply.clone()), ..row_of_step };
                turn.write(Row::Step(row)).map_err(|e| fault_of(&e))?;
                Ok(reply)
            })
            .await?;
        Ok(moved)
    }

    /// What a step is answered, and its row with that.
    fn answered<T: Serialize>(&self, run: &DurableRun, made: &Made, call: &Call, value: &T) -> (Reply, StepRow) {
        let reply = Reply::Json(Json::of(value));
        let step = run.step_row(made, call, Some(reply.clone()), Some(self.object.node.now()));
        (reply, step)
    }
}

impl Object {
    /// Those of them who are there.
    async fn those<'p>(&self, people: impl Iterator<Item = &'p str>) -> Result<Vec<Person>, Fault> {
        let mut found = Vec::new();
        for id in people {
            let Some((_, name)) = id.rsplit_once("/Human/") else { continue };
            let Ok(name) = ThingId::parse(name) else { continue };
            match self.people_of(&Worker::Human(name)).await {
                Ok(people) => found.extend(people.into_iter().filter(|person| person.id == id)),
                Err(fault) => return Err(fault),
            }
        }
        Ok(found)
    }
}

/// The next ones are asked as well.
fn escalate(
    turn: &mut Turn<'_>,
    row: &mut RequestRow,
    taken: usize,
    next: &workers::plan::Next,
    people: &[Person],
    at: Timestamp,
) -> Result<Vec<Tell>, Fault> {
    row.level = u32::try_from(taken + 1).unwrap_or(u32::MAX);
    for person in people {
        if !row.asks(&person.id) && row.assignees.len() < RequestRow::ASSIGNEES_MAX {
            row.assignees.push(Assignee { id: person.id.clone(), level: row.level, since: at, delegated_by: None });
        }
    }
    let why = format!("escalated-{}", row.level);
    let telling = Telling { urgency: Urgency::Urgent, only: Some(&next.channels), why: &why, now: at };
    let tells: Vec<_> = people.iter().flat_map(|person| ways(person, telling)).collect();
    if people.is_empty() {
        let message = format!("{} was to be asked next, and is not there", next.to);
        warn(row, "ESCALATION_EMPTY", message);
    }
    let (noun, ..) = event_words(row.method);
    let data = json!({ "requestId": row.id.to_string(), "level": row.level, "to": next.to.to_string(),
                       "assignees": ids(row) });
    tell(turn, row.id, noun, "escalated", &data, at)?;
    Ok(tells)
}

/// Everything that does not ask somebody new.
fn wait_on(
    turn: &mut Turn<'_>,
    row: &mut RequestRow,
    what: What,
    people: &[Person],
    only: Option<&[types::exec::ChannelKind]>,
    at: Timestamp,
) -> Result<Vec<Tell>, Fault> {
    let (noun, ..) = event_words(row.method);
    let data = json!({ "requestId": row.id.to_string() });
    let telling = Telling { urgency: row.urgency, only, why: what.as_str(), now: at };
    let again = || people.iter().flat_map(|person| ways(person, telling)).collect();
    match what {
        What::Reminder => return Ok(again()),
        What::Warning => {
            tell(turn, row.id, noun, "warned", &data, at)?;
            return Ok(again());
        }
        What::Breach => {
            tell(turn, row.id, noun, "breached", &data, at)?;
            return Ok(again());
        }
        // It was taken before its time.
        What::Escalation(_) | What::Exhausted(OnExhausted::Wait) => return Ok(Vec::new()),
        What::Exhausted(on @ (OnExhausted::Approve | OnExhausted::Reject)) if row.method == Method::Approve => {
            let approved = on == OnExhausted::Approve;
            let status = if approved { RequestStatus::Approved } else { RequestStatus::Rejected };
            *row = workers::decide::close(row, status, at);
            row.response = Some(Json::of(&json!({ "approved": approved, "exhausted": true })));
        }
        What::Exhausted(_) | What::Expiry => *row = workers::decide::close(row, RequestStatus::Expired, at),
    }
    tell_end(turn, row, at)?;
    Ok(Vec::new())
}

fn warn(row: &mut RequestRow, code: &str, message: String) {
    if row.warnings.len() < RequestRow::WARNINGS_MAX {
        row.warnings.push(RequestWarning { code: code.to_owned(), message });
    }
}

fn ids(row: &RequestRow) -> Vec<&str> {
    row.assignees.iter().map(|assignee| assignee.id.as_str()).collect()
}

fn found(turn: &Turn<'_>, id: Id) -> Result<RequestRow, Fault> {
    turn.request(id).map_err(|e| fault_of(&e))?.ok_or_else(Fault::internal)
}

/// An event of a request; the action is the work itself.
pub(super) fn tell(
    turn: &mut Turn<'_>,
    id: Id,
    noun: &str,
    verb: &str,
    data: &serde_json::Value,
    at: Timestamp,
) -> Result<(), Fault> {
    let event = NewEvent { verb: verb.to_owned(), source: format!("{noun}/{id}"), data: Json::from_value(data) };
    write_event(turn, event, id, at).map_err(|e| fault_of(&e))
}
