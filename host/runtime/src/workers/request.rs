//! What an answer does: one transaction decides whether it counts, tells of it, and lets the work go on.

use super::request_step::tell;
use crate::Caller;
use crate::object::{Object, fault_of};
use serde_json::json;
use store::Turn;
use types::{
    Awaited, Fault, Id, InvocationState, Json, Method, RequestRow, RequestStatus, Row, Standing, Timestamp, Worker,
};
pub use workers::decide::{Decider, Decision};
use workers::outcome::event_words;

/// Problems of a form that are told at once.
const PROBLEMS_MAX: usize = 20;

impl Object {
    /// Who a caller is to the requests of this object.
    pub fn decider(&self, caller: &Caller, channel: &str) -> Decider {
        Decider {
            person: caller.identity.actor.to_string(),
            is_admin: caller.identity.scopes.allow("Approval", "admin"),
            channel: channel.to_owned(),
        }
    }

    /// Says something to a request, for somebody who was recognised: by a key ([`Object::decider`]), a signed link, a
    /// button. Answers when that is durable; the first valid answer wins.
    ///
    /// # Errors
    /// `REQUEST_NOT_FOUND`; `FORBIDDEN`, `OWN_REQUEST`, `ASSIGNEE_LEFT` (403); `REQUEST_DECIDED`, `ALREADY_ANSWERED`,
    /// `ALREADY_ASKED` (409); `REQUEST_EXPIRED` (410); `ANSWER_INVALID`, `REASON_INVALID` (422): it stays pending.
    pub async fn decide_request(&self, by: Decider, id: Id, decision: Decision) -> Result<RequestRow, Fault> {
        let row = self.look(|store| store.request(id).map_err(|e| fault_of(&e))).await?;
        let row = row.ok_or_else(|| unknown(&id.to_string()))?;
        self.must_be_there(&by.person).await?;
        let now = self.node.now();
        // All but the form is looked at first: who may not answer does not learn what would be one.
        workers::decide::decide(&row, &by, decision.clone(), now)?;
        if let (Some(form), Decision::Answer { value, .. }) = (&row.form, &decision) {
            fits_form(form, value)?;
        }
        self.change(2048, move |turn| {
            let before = turn.request(id).map_err(|e| fault_of(&e))?.ok_or_else(|| unknown(&id.to_string()))?;
            let after = workers::decide::decide(&before, &by, decision, now)?;
            if !after.is_pending() {
                tell_end(turn, &after, now)?;
            } else if after.delegations.len() > before.delegations.len() {
                let (noun, ..) = event_words(after.method);
                let last = after.delegations.last();
                let data =
                    json!({ "requestId": id.to_string(), "from": last.map(|d| &d.from), "to": last.map(|d| &d.to) });
                tell(turn, id, noun, "delegated", &data, now)?;
            } else if after.comments.len() > before.comments.len() {
                let (noun, ..) = event_words(after.method);
                tell(turn, id, noun, "commented", &json!({ "requestId": id.to_string(), "by": by.person }), now)?;
            }
            write_request(turn, after.clone())?;
            if !after.is_pending() || after.delegations.len() > before.delegations.len() {
                let_work_go_on(turn, id)?;
            }
            Ok(after)
        })
        .await
    }

    /// Hands a request on to somebody who is there.
    ///
    /// # Errors
    /// As [`Object::decide_request`]; `WORKER_NOT_FOUND`, `WORKER_INACTIVE`, `DELEGATE_INVALID`.
    pub async fn delegate_request(
        &self,
        by: Decider,
        id: Id,
        to: &Worker,
        reason: Option<String>,
    ) -> Result<RequestRow, Fault> {
        let Worker::Human(person) = to else {
            let message = format!("{to} is no single person; hand it on to Human/NAME");
            return Err(Fault::invalid("DELEGATE_INVALID", message));
        };
        let person = self.person(person).await?;
        if person.def.inactive {
            return Err(Fault::conflict("WORKER_INACTIVE", format!("{to} is not there any more")));
        }
        self.decide_request(by, id, Decision::Delegate { to: person.id, reason }).await
    }
}

pub(super) fn unknown(id: &str) -> Fault {
    let shown: String = id.chars().take(80).collect();
    Fault::not_found("REQUEST_NOT_FOUND", format!("there is no request {shown:?} here"))
}

/// Ends a request whose work was ended; it is no longer asked for.
pub(crate) fn withdraw(turn: &mut Turn<'_>, id: Id, at: Timestamp) -> Result<(), store::Error> {
    let Some(row) = turn.request(id)?.filter(RequestRow::is_pending) else { return Ok(()) };
    let row = workers::decide::close(&row, RequestStatus::Cancelled, at);
    let event = end_of(&row);
    crate::commit::write_event(turn, event, id, at)?;
    turn.write(Row::Request(Box::new(row)))
}

pub(super) fn write_request(turn: &mut Turn<'_>, row: RequestRow) -> Result<(), Fault> {
    turn.write(Row::Request(Box::new(row))).map_err(|e| fault_of(&e))
}

/// Tells that it is over.
pub(super) fn tell_end(turn: &mut Turn<'_>, row: &RequestRow, at: Timestamp) -> Result<(), Fault> {
    crate::commit::write_event(turn, end_of(row), row.id, at).map_err(|e| fault_of(&e))
}

fn end_of(row: &RequestRow) -> crate::commit::NewEvent {
    let (noun, _, done) = event_words(row.method);
    let verb = match row.status {
        RequestStatus::Approved | RequestStatus::Rejected | RequestStatus::Answered | RequestStatus::Pending => done,
        RequestStatus::Declined if row.method == Method::Do => "failed",
        RequestStatus::Declined => "declined",
        RequestStatus::Expired => "expired",
        RequestStatus::Cancelled => "cancelled",
    };
    let data = json!({ "requestId": row.id.to_string(), "status": row.status.as_str(), "by": row.responded_by,
                       "channel": row.channel, "type": row.kind });
    let source = format!("{noun}/{}", row.id);
    crate::commit::NewEvent { verb: verb.to_owned(), source, data: Json::from_value(&data) }
}

/// Wakes the work, where it waits for this.
fn let_work_go_on(turn: &mut Turn<'_>, id: Id) -> Result<(), Fault> {
    let Some(invocation) = turn.invocation(id).map_err(|e| fault_of(&e))? else { return Ok(()) };
    if let Standing::Waiting { on: Awaited::Request { .. }, .. } = invocation.state.at {
        let state = InvocationState { at: Standing::Ready, ..invocation.state };
        turn.write(Row::InvocationState(state)).map_err(|e| fault_of(&e))?;
    }
    Ok(())
}

/// A form that is none is who asks' mistake.
pub(super) fn check_form(form: &Json) -> Result<(), Fault> {
    let compiled = jsonschema::validator_for(&form.to_value());
    compiled.map(|_| ()).map_err(|e| Fault::invalid("REQUEST_INVALID", format!("schema is no JSON Schema: {e}")))
}

fn fits_form(form: &Json, value: &Json) -> Result<(), Fault> {
    let validator = jsonschema::validator_for(&form.to_value()).map_err(|error| {
        tracing::error!(%error, "the form of a request does not compile");
        Fault::internal()
    })?;
    let value = value.to_value();
    let found: Vec<_> = validator
        .iter_errors(&value)
        .take(PROBLEMS_MAX)
        .map(|e| {
            let field = e.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            json!({ "field": field, "message": e.to_string() })
        })
        .collect();
    let Some(first) = found.first() else { return Ok(()) };
    let message = format!("the answer does not fit the form: {}", first["message"].as_str().unwrap_or_default());
    Err(Fault::invalid("ANSWER_INVALID", message).with_details(&found.into()))
}
