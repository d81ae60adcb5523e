//! A function that is a form for a person (spec 7.5): the component says what is asked of whom, and makes the result of
//! what was answered; a declared one has that written down.

use super::Parts;
use serde_json::{Value, json};
use types::deployment::render;
use types::exec::{Host, Part};
use types::{Call, Fault, Json, Reply, Worker};

pub(super) async fn run(parts: &Parts<'_>) -> Result<Json, Fault> {
    let input = parts.ready.input.clone();
    let declared = parts.ready.function.def.declared.as_ref();
    let request = match declared {
        Some(template) => filled(template, &input)?,
        None => parts.call(Part::Request, input.clone()).await?,
    };
    let worker = Some(whom(&request)?);
    let answer = match parts.host().call(Call::Answer { worker, request }).await {
        Reply::Json(json) => json,
        Reply::Fault(fault) => return Err(fault),
        Reply::Text(_) | Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Http(_) | Reply::Ready(_) => {
            return Err(Fault::internal());
        }
    };
    // Without a journal nobody is waited for: what there is so far is the request.
    if parts.running.durable.is_none() || declared.is_some() {
        return Ok(answer);
    }
    parts.call(Part::Finish { answer }, input).await
}

fn filled(template: &Json, input: &Json) -> Result<Json, Fault> {
    let scope = json!({ "input": input.to_value() });
    let filled = render(&template.to_value(), &scope);
    Ok(Json::from_value(&filled.map_err(|e| Fault::invalid("TEMPLATE_INVALID", e.to_string()))?))
}

/// `assignee` or `role`.
fn whom(request: &Json) -> Result<String, Fault> {
    let request = request.to_value();
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let worker = match (text("assignee"), text("role")) {
        (Some(assignee), None) => assignee.to_owned(),
        (None, Some(role)) => format!("role:{}", role.strip_prefix("role:").unwrap_or(role)),
        (None, None) | (Some(_), Some(_)) => {
            let message = "say who is asked: either `assignee` (Human/NAME, role:NAME) or `role`";
            return Err(Fault::invalid("WORKER_MISSING", message));
        }
    };
    let parsed: Worker =
        worker.parse().map_err(|e: types::WorkerError| Fault::invalid("WORKER_INVALID", e.to_string()))?;
    match parsed {
        Worker::Human(_) | Worker::Role(_) => Ok(worker),
        Worker::Agent(_) => {
            let message = format!("{worker} is an agent; a form is for people: Human/NAME or role:NAME");
            Err(Fault::invalid("WORKER_INVALID", message))
        }
    }
}
