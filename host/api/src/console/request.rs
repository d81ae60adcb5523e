//! One request: what it is about, the form to answer it, who is asked when, and what was said so far.

use super::asked::{self, NoDecision};
use super::page::{chrome, go, html, is_again, shown};
use super::session::Signed;
use super::words::{outcome, pretty, tone, when, who};
use crate::app::Shared;
use crate::handlers::Segment;
use crate::handlers::answers::{field, fields, raw};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use console::{Detail, Field, HistoryLine, Tab};
use http::{HeaderMap, StatusCode};
use runtime::Decision;
use types::{Fault, Json, NextMoment, RequestRow, Timestamp, Urgency, Worker};

/// What a page shows beside the request itself.
#[derive(Default)]
struct Said {
    status: StatusCode,
    error: Option<String>,
    /// As they were filled in; None: as they are at first.
    controls: Option<Vec<Field>>,
    reason: String,
    of_handing_on: bool,
    again: bool,
}

pub(super) async fn show(signed: Signed, Segment(id): Segment, headers: HeaderMap) -> Response {
    let said = Said { again: is_again(&headers), ..Said::default() };
    let page = async {
        let row = signed.scope.object.request(&signed.caller, &id).await?;
        page(&signed, &row, said).await
    };
    let result = page.await;
    shown(&signed, Tab::Inbox, result)
}

pub(super) async fn say(
    State(app): State<Shared>,
    signed: Signed,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let done = async {
        let filled = fields(&raw(&app, &headers, body).await?)?;
        let row = signed.scope.object.request(&signed.caller, &id).await?;
        take(&signed, row, &filled).await
    };
    let result = done.await;
    shown(&signed, Tab::Inbox, result)
}

/// Takes what was sent: the page again with what is wrong, or the way back to it.
async fn take(signed: &Signed, row: RequestRow, filled: &[(String, String)]) -> Result<Response, Problem> {
    let object = &signed.scope.object;
    let wanted = field(filled, "decision").unwrap_or_default();
    let of_handing_on = matches!(wanted, "delegate" | "comment");
    let taken = match decided(signed, &row, filled) {
        Ok(Meant::Say(decision)) => {
            object.decide_request(object.decider(&signed.caller, "web"), row.id, decision).await
        }
        Ok(Meant::HandOn(to)) => {
            object.delegate_request(object.decider(&signed.caller, "web"), row.id, &to, None).await
        }
        Err(NoDecision::Fields(errors)) => {
            let (controls, error) = asked::again(&row, filled, errors);
            let said = Said { controls: Some(controls), error, ..unprocessable(filled) };
            return page(signed, &row, said).await;
        }
        Err(NoDecision::Unknown) => {
            let error = Some("Say what you decide by one of the buttons.".to_owned());
            return page(signed, &row, Said { error, ..unprocessable(filled) }).await;
        }
    };
    let fault = match taken {
        Ok(row) => return Ok(go(&signed.scope.link(&format!("/console/inbox/{}", row.id)))),
        Err(fault) => fault,
    };
    refused(signed, &row, filled, fault, of_handing_on).await
}

async fn refused(
    signed: &Signed,
    row: &RequestRow,
    filled: &[(String, String)],
    fault: Fault,
    of_handing_on: bool,
) -> Result<Response, Problem> {
    let problem = Problem::from(fault);
    let (controls, error) = asked::again(row, filled, asked::refused_fields(&problem));
    let error = Some(error.unwrap_or_else(|| problem.message().to_owned()));
    // It may have been answered in this very moment.
    let row = signed.scope.object.request(&signed.caller, &row.id.to_string()).await?;
    let said = Said { status: problem.status, error, controls: Some(controls), of_handing_on, ..unprocessable(filled) };
    page(signed, &row, said).await
}

fn unprocessable(filled: &[(String, String)]) -> Said {
    let reason = field(filled, "reason").unwrap_or_default().to_owned();
    Said { status: StatusCode::UNPROCESSABLE_ENTITY, reason, ..Said::default() }
}

enum Meant {
    Say(Decision),
    HandOn(Worker),
}

fn decided(signed: &Signed, row: &RequestRow, filled: &[(String, String)]) -> Result<Meant, NoDecision> {
    match field(filled, "decision") {
        Some("comment") => {
            let text = field(filled, "text").unwrap_or_default().replace("\r\n", "\n");
            Ok(Meant::Say(Decision::Comment { text }))
        }
        Some("delegate") => {
            let to = field(filled, "to").unwrap_or_default().trim();
            let to = who(to, signed.scope.object.namespace().as_str());
            let wrong = |e: types::WorkerError| NoDecision::Fields(vec![of_to(&e)]);
            // A bare name is a person's.
            let to = if to.contains(['/', ':']) { to.parse() } else { format!("Human/{to}").parse() };
            to.map(Meant::HandOn).map_err(wrong)
        }
        Some(_) | None => asked::decision(row, filled).map(Meant::Say),
    }
}

fn of_to(error: &types::WorkerError) -> console::FieldError {
    console::FieldError { name: "to whom".to_owned(), message: format!("Hand it on to Human/NAME: {error}") }
}

async fn page(signed: &Signed, row: &RequestRow, said: Said) -> Result<Response, Problem> {
    let scope = &signed.scope;
    let namespace = scope.object.namespace().as_str();
    let actor = &*signed.caller.identity.actor;
    let href = scope.link(&format!("/console/inbox/{}", row.id));
    let has_answered = row.answers.iter().any(|answer| answer.by == actor);
    let may = row.asks(actor) || signed.caller.identity.scopes.allow("Approval", "admin");
    let answers = row.is_pending() && may && !has_answered;
    let notice = outcome(row, namespace)
        .or_else(|| has_answered.then(|| "You have answered; others are waited for.".to_owned()))
        .or_else(|| (!may).then(|| "You can follow this; others are asked.".to_owned()));
    let controls = said.controls.unwrap_or_else(|| asked::controls(row));
    let plan = if row.is_pending() { scope.object.request_plan(&signed.caller, row.id).await? } else { Vec::new() };
    let may_see_runs = signed.caller.identity.scopes.allow("invocations", "read");
    let detail = Detail {
        chrome: chrome(scope, Some(actor), Tab::Inbox),
        title: row.title.clone(),
        status: row.status.as_str().to_owned(),
        tone: tone(row.status),
        state_href: href.clone(),
        notice,
        error: said.error,
        facts: facts(row, namespace),
        data: row.data.as_ref().map(pretty),
        act: answers.then(|| asked::act(row, href, controls, said.reason)),
        keeps_form: said.again && answers,
        hand_on_error: said.of_handing_on,
        schedule: plan.iter().map(|moment| planned(moment, signed.now)).collect(),
        history: history(row, namespace),
        run: may_see_runs.then(|| scope.link(&format!("/console/runs/{}", row.id))),
    };
    Ok(html(said.status, console::render(&detail)))
}

fn facts(row: &RequestRow, namespace: &str) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if row.kind != row.method.as_str() {
        fact("About", row.kind.clone());
    }
    if let Some(amount) = row.amount {
        fact("Amount", amount.to_string());
    }
    fact("From", who(&row.requester, namespace).to_owned());
    let asked: Vec<_> = row.assignees.iter().map(|assignee| who(&assignee.id, namespace)).collect();
    fact("Asked", some_of(&asked));
    if row.quorum > 1 {
        let yes = row.answers.iter().filter(|answer| answer.approved == Some(true)).count();
        fact("Approvals", format!("{yes} of {}", row.quorum));
    }
    if row.urgency != Urgency::Normal {
        fact("Urgency", row.urgency.as_str().to_owned());
    }
    if let Some(by) = &row.accepted_by {
        fact("Taken on by", who(by, namespace).to_owned());
    }
    fact("Since", when(row.created_at));
    if row.is_pending() {
        fact("Until", when(row.expires_at));
        if let Some(next) = &row.next {
            fact("Next", format!("{} on {}", words_of(next), when(next.at)));
        }
    }
    if let Some(response) = &row.response {
        fact("Answer", pretty(response));
    }
    for warning in &row.warnings {
        fact("Warning", warning.message.clone());
    }
    facts
}

/// Names that are shown; of more it is said how many.
const NAMES_MAX: usize = 10;

fn some_of(names: &[&str]) -> String {
    let text = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_MAX { format!("{text} and {} more", names.len() - NAMES_MAX) } else { text }
}

fn words_of(moment: &NextMoment) -> String {
    let who = moment.who.as_ref();
    match (moment.what.as_str(), who) {
        ("reminder", _) => "everybody who is asked is reminded".to_owned(),
        ("warning", _) => "everybody who is asked is warned that the time is nearly over".to_owned(),
        ("escalation", Some(who)) => format!("{who} is asked too"),
        ("breach", Some(who)) => format!("it is overdue, and {who} is asked too"),
        ("breach", None) => "it is overdue".to_owned(),
        ("exhausted", _) => "there is nobody left to ask".to_owned(),
        ("expiry", _) => "it expires".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn planned(moment: &NextMoment, now: Timestamp) -> HistoryLine {
    HistoryLine { at: when(moment.at), text: words_of(moment), past: moment.at <= now }
}

/// What was said and done, oldest first.
fn history(row: &RequestRow, namespace: &str) -> Vec<HistoryLine> {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let name = |id: &str| who(id, namespace).to_owned();
    lines.push((row.created_at, format!("{} asked {}", name(&row.requester), row.worker)));
    for assignee in row.assignees.iter().filter(|assignee| assignee.level > 0 && assignee.delegated_by.is_none()) {
        lines.push((assignee.since, format!("{} is asked too", name(&assignee.id))));
    }
    for one in &row.delegations {
        let reason = one.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push((one.at, format!("{} handed it on to {}{reason}", name(&one.from), name(&one.to))));
    }
    for comment in &row.comments {
        lines.push((comment.at, format!("{}: {}", name(&comment.by), comment.text)));
    }
    for answer in &row.answers {
        let said = match (answer.approved, &answer.value) {
            (Some(true), _) => "approved it".to_owned(),
            (Some(false), _) => "rejected it".to_owned(),
            (None, Some(value)) => format!("answered {}", super::words::cut(value_line(value), 500)),
            (None, None) => format!("said that it is {}", row.status.as_str()),
        };
        let reason = answer.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push((answer.at, format!("{} {said}{reason} ({})", name(&answer.by), answer.channel)));
    }
    if let Some(at) = row.resolved_at.filter(|_| row.responded_by.is_none()) {
        lines.push((at, format!("It is {}", row.status.as_str())));
    }
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(at, text)| HistoryLine { at: when(at), text, past: true }).collect()
}

fn value_line(value: &Json) -> String {
    types::redact(value).to_string()
}
