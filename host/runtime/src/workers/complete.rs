//! Asking a model by the run's own host, so that each answer is a step; until it is a value that fits, if one is wanted.

use crate::guest::GuestHost;
use serde_json::Value;
use types::exec::Host;
use types::{Call, Completed, Completion, Fault, FaultKind, Finish, Json, Message, Reply, Role, Spent};

/// How often a model is asked again for a value that fits (spec FUN-5).
pub(crate) const SCHEMA_RETRIES: u32 = 2;
/// Problems that a model is told at once.
const PROBLEMS_MAX: usize = 20;
/// What of a wrong answer a model is shown again.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// Asks a model.
///
/// # Errors
/// As [`Models::complete`](types::exec::Models::complete), and `BUDGET_EXCEEDED`.
pub(crate) async fn complete(host: &mut GuestHost, request: Completion) -> Result<Completed, Fault> {
    match host.call(Call::Complete { request: Box::new(request) }).await {
        Reply::Json(json) => serde_json::from_str(json.as_str()).map_err(|_| Fault::internal()),
        Reply::Fault(fault) => Err(fault),
        Reply::Text(_) | Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Http(_) | Reply::Ready(_) => {
            Err(Fault::internal())
        }
    }
}

/// Asks a model for a value that fits the schema; what does not fit is shown to it, with the reasons, and asked for again
/// up to `retries` times.
///
/// # Errors
/// As [`complete`]; `OUTPUT_INVALID` (502) when no answer fitted or the model did not want to, `SCHEMA_INVALID` for a
/// schema that is none.
pub(crate) async fn ask_for_value(
    host: &mut GuestHost,
    request: Completion,
    schema: &Json,
    retries: u32,
) -> Result<(Value, Spent, Finish), Fault> {
    let fitting = jsonschema::validator_for(&schema.to_value())
        .map_err(|e| Fault::invalid("SCHEMA_INVALID", format!("the schema of the answer is no JSON Schema: {e}")))?;
    let mut request = Completion { schema: Some(schema.clone()), ..request };
    let mut spent = Spent::default();
    for left in (0..=retries).rev() {
        let completed = complete(host, request.clone()).await?;
        spent = spent.and(completed.spent);
        let problems = match ::workers::value_of(&completed.text) {
            Ok(value) => {
                let found: Vec<_> = fitting.iter_errors(&value).take(PROBLEMS_MAX).map(|e| problem(&e)).collect();
                if found.is_empty() {
                    return Ok((value, spent, completed.finish));
                }
                found
            }
            Err(why) => vec![why],
        };
        if left == 0 || completed.finish == Finish::Refusal {
            return Err(unfit(&completed, &problems));
        }
        request.messages.push(Message::of(Role::Assistant, shown(&completed.text)));
        let again = format!(
            "That cannot be used: {}. Answer again, with nothing but a JSON value that fits this JSON Schema: {schema}",
            problems.join("; ")
        );
        request.messages.push(Message::of(Role::User, again));
    }
    Err(Fault::internal())
}

fn problem(error: &jsonschema::ValidationError<'_>) -> String {
    let at = error.instance_path().as_str();
    if at.is_empty() { error.to_string() } else { format!("at {at}: {error}") }
}

fn unfit(completed: &Completed, problems: &[String]) -> Fault {
    let message = match completed.finish {
        Finish::Refusal => "the model did not want to answer".to_owned(),
        Finish::Stop | Finish::ToolCalls | Finish::Length => {
            format!("the model's answer does not fit the schema: {}", problems.first().map_or("", String::as_str))
        }
    };
    let details = serde_json::json!({ "finishReason": completed.finish.as_str(), "problems": problems });
    Fault::new(FaultKind::Upstream, "OUTPUT_INVALID", message).with_details(&details)
}

fn shown(text: &str) -> &str {
    let mut end = text.len().min(SHOWN_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
