//! What agents, people and functions did: the list of runs, and one with its steps, the models' answers and their cost.

use super::page::{chrome, html, shown};
use super::session::Signed;
use super::words::{cut, pretty, took, who};
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::invocations::{InvocationLineView, waits_for};
use axum::response::Response;
use console::{Entry, Run, RunRow, RunStep, Runs, Tab};
use http::{StatusCode, Uri};
use runtime::{InvocationFilter, InvocationShown, dollars};
use types::exec::Entry as Begins;
use types::{Completed, Json, Reply, Spent, Standing, StepRow, Timestamp, Worker};

/// Rows of one page.
const ROWS: u32 = 50;
/// Of what a model said, in bytes; all of it is one click away.
const SAID_BYTES_MAX: usize = 2_000;

pub(super) async fn list(signed: Signed, uri: Uri) -> Response {
    let result = rows(&signed, &uri).await;
    shown(&signed, Tab::Runs, result)
}

async fn rows(signed: &Signed, uri: &Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(uri, &["show", "before"])?;
    let all = |text: &str| match text {
        "all" => Some(true),
        "workers" => Some(false),
        _ => None,
    };
    let all = fields.with("show", "workers or all", all)?.unwrap_or(false);
    let before = fields.parsed("before", "the end of a page before")?;
    let object = &signed.scope.object;
    let page = if all {
        let filter = InvocationFilter { before, limit: ROWS, ..InvocationFilter::default() };
        object.invocations(&signed.caller, &filter).await?
    } else {
        object.worker_runs(&signed.caller, before, ROWS).await?
    };
    let name = if all { "all" } else { "workers" };
    let link = |show: &str| signed.scope.link(&format!("/console/runs?show={show}"));
    let href = before.map_or_else(|| link(name), |before| format!("{}&before={before}", link(name)));
    let tab = |label: &str, of: &str| Entry { label: label.to_owned(), href: link(of), current: of == name };
    let rows = page.items.iter().map(|(invocation, action)| {
        let line = InvocationLineView::of(invocation, action.as_ref());
        RunRow {
            href: signed.scope.link(&format!("/console/runs/{}", line.id)),
            name: line.name,
            status: line.status.to_owned(),
            tone: tone(line.status),
            at: time(&line.accepted_at),
            took: line.duration.map(took),
            id: line.id,
        }
    });
    let page = Runs {
        chrome: chrome(&signed.scope, Some(&signed.caller.identity.actor), Tab::Runs),
        tabs: vec![tab("Agents and people", "workers"), tab("Everything", "all")],
        href,
        rows: rows.collect(),
        next: page.next.map(|before| format!("{}&before={before}", link(name))),
    };
    Ok(html(StatusCode::OK, console::render(&page)))
}

fn time(text: &str) -> String {
    Timestamp::parse(text).map_or_else(|| text.to_owned(), super::words::when)
}

fn tone(status: &str) -> &'static str {
    match status {
        "completed" => "good",
        "failed" => "bad",
        "running" | "waiting" | "retrying" => "warn",
        _ => "plain",
    }
}

pub(super) async fn show(signed: Signed, id: Segment, uri: Uri) -> Response {
    let result = one(&signed, &id, &uri).await;
    shown(&signed, Tab::Runs, result)
}

async fn one(signed: &Signed, id: &Segment, uri: &Uri) -> Result<Response, Problem> {
    let from = Fields::read(uri, &["from"])?.parsed("from", "the number of a step")?.unwrap_or(0);
    let shown = signed.scope.object.invocation(&signed.caller, id.id("run")?, from).await?;
    let row = &shown.invocation.row;
    let line = InvocationLineView::of(&shown.invocation, shown.action.as_ref());
    let path = signed.scope.link(&format!("/console/runs/{}", row.id));
    let output = match &shown.invocation.state.at {
        Standing::Done { output } => output.as_ref(),
        Standing::Ready
        | Standing::Running
        | Standing::Delayed { .. }
        | Standing::Waiting { .. }
        | Standing::Paused => None,
    };
    let error = shown.action.as_ref().and_then(|action| action.error.as_ref());
    let mut links = Vec::new();
    if let Some(parent) = row.parent {
        links.push(("What began it", signed.scope.link(&format!("/console/runs/{parent}"))));
    }
    if let Begins::Work { worker: Worker::Human(_) | Worker::Role(_), .. } = &row.entry {
        links.push(("What was asked", signed.scope.link(&format!("/console/inbox/{}", row.id))));
    }
    let page = Run {
        chrome: chrome(&signed.scope, Some(&signed.caller.identity.actor), Tab::Runs),
        facts: facts(&shown, &line, signed.scope.object.namespace().as_str()),
        status: line.status.to_owned(),
        tone: tone(line.status),
        name: line.name,
        error: error.map(|fault| format!("{}: {}", fault.code, fault.message)),
        href: if from == 0 { path.clone() } else { format!("{path}?from={from}") },
        links,
        steps: shown.steps.iter().map(|step| step_shown(signed, step)).collect(),
        more: shown.steps_next.map(|from| format!("{path}?from={from}")),
        input: Some(pretty(&row.input)),
        output: output.map(pretty),
    };
    Ok(html(StatusCode::OK, console::render(&page)))
}

fn facts(shown: &InvocationShown, line: &InvocationLineView, namespace: &str) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("Asked by", who(&shown.invocation.row.caller.actor, namespace).to_owned());
    fact("Since", time(&line.accepted_at));
    if let Some(duration) = line.duration {
        fact("Took", took(duration));
    }
    if line.attempt > 1 {
        fact("Attempt", line.attempt.to_string());
    }
    if let Some(on) = waits_for(&shown.invocation.state.at) {
        let until = line.until.as_deref().map(|at| format!(", until {}", time(at))).unwrap_or_default();
        fact("Waits for", format!("{on}{until}"));
    }
    let mut spent = Spent::default();
    let mut priced = true;
    for completed in shown.steps.iter().filter_map(completed) {
        spent.input_tokens += completed.spent.input_tokens;
        spent.output_tokens += completed.spent.output_tokens;
        spent.model_calls += completed.spent.model_calls.max(1);
        priced &= completed.spent.cost_micros.is_some();
        spent.cost_micros = Some(spent.cost_micros.unwrap_or(0) + completed.spent.cost_micros.unwrap_or(0));
    }
    if spent.model_calls > 0 {
        let spent = Spent { cost_micros: spent.cost_micros.filter(|_| priced), ..spent };
        let text = cost(&spent);
        fact("Models", format!("{} asked · {text}", spent.model_calls));
    }
    facts
}

/// Tokens, and dollars where the price is known.
fn cost(spent: &Spent) -> String {
    let tokens = format!("{} tokens in, {} out", spent.input_tokens, spent.output_tokens);
    match spent.cost_micros {
        Some(micros) => format!("{tokens} · ${}", dollars(micros)),
        None => format!("{tokens} · price not known"),
    }
}

/// What a model answered, if the step is one of a model.
fn completed(step: &StepRow) -> Option<Completed> {
    match &step.reply {
        Some(Reply::Json(json)) if step.name == "model.complete" => serde_json::from_str(json.as_str()).ok(),
        Some(_) | None => None,
    }
}

fn step_shown(signed: &Signed, step: &StepRow) -> RunStep {
    let (status, tone) = match &step.reply {
        None => (Some("pending"), "warn"),
        Some(Reply::Fault(_)) => (Some("failed"), "bad"),
        Some(_) => (None, "good"),
    };
    let lasted = step.ended_at.map(|at| took(at.millis_since(step.started_at)));
    let mut when: Vec<String> = lasted.into_iter().collect();
    let mut text = Some(cut(step.call.clone(), SAID_BYTES_MAX));
    if let Some(answer) = completed(step) {
        when.insert(0, format!("{} · {}", answer.model, cost(&answer.spent)));
        let calls = answer.tool_calls.iter().map(|call| format!("→ {}({})", call.name, arguments(&call.arguments)));
        let lines: Vec<_> = Some(answer.text).filter(|text| !text.is_empty()).into_iter().chain(calls).collect();
        text = Some(cut(lines.join("\n"), SAID_BYTES_MAX));
    }
    let named = step.step_id.as_ref().map(|id| format!("{id} · ")).unwrap_or_default();
    RunStep {
        ordinal: step.ordinal,
        title: format!("{named}{}", title(&step.name)),
        status,
        tone,
        when: when.join(" · "),
        text,
        child: step.child.map(|id| signed.scope.link(&format!("/console/runs/{id}"))),
        detail: step.reply.as_ref().and_then(detail),
    }
}

/// What a model wrote, without what looks secret where it is JSON.
fn arguments(written: &str) -> String {
    Json::parse(written).map_or_else(|_| written.to_owned(), |json| types::redact(&json).to_string())
}

/// Names as the interfaces spell them, in words where people meet them most.
fn title(name: &str) -> &str {
    match name {
        "model.complete" => "A model answered",
        "tools.call" => "A tool was used",
        "channel.deliver" => "A message was sent",
        "request.open" => "People were asked",
        "request.wait" => "An answer was waited for",
        "request.moment" => "Its time came",
        "request.warn" => "A warning was noted",
        "worker.equip" => "Its tools were looked up",
        "worker.recipients" => "Recipients were looked up",
        "actions.start" => "A run was begun",
        "actions.join" => "A run was waited for",
        other => other,
    }
}

fn detail(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Json(json) => Some(pretty(json)),
        Reply::Text(text) => Some(cut(text.clone(), SAID_BYTES_MAX)),
        Reply::Fault(fault) => Some(format!("{}: {}", fault.code, fault.message)),
        Reply::Http(http) => Some(format!("{}, {} bytes", http.status, http.body.len())),
        Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Ready(_) => None,
    }
}
