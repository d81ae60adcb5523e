//! The form of a request, and what was said by it: the same for who is signed in and for who followed a link.

use crate::handlers::answers::field;
use crate::problem::Problem;
use console::{Act, Button, Field, FieldError};
use http::StatusCode;
use runtime::Decision;
use serde_json::{Value, json};
use types::{Json, Method, RequestRow};

/// What the answer to it has to be, as far as a form can ask. An approval has none.
fn schema(row: &RequestRow) -> Option<Value> {
    if row.method == Method::Approve {
        return None;
    }
    if let Some(form) = &row.form {
        return Some(form.to_value());
    }
    if !row.options.is_empty() {
        let options = row.options.iter();
        let each = options.map(|o| json!({ "const": o.id, "title": o.label, "description": o.description }));
        return Some(json!({ "title": "Your choice", "oneOf": each.collect::<Vec<_>>() }));
    }
    let title = if row.method == Method::Do { "What came of it" } else { "Your answer" };
    Some(json!({ "type": "string", "title": title }))
}

pub(crate) fn controls(row: &RequestRow) -> Vec<Field> {
    schema(row).map(|schema| console::fields(&schema)).unwrap_or_default()
}

/// What can be done with it by who is asked.
pub(crate) fn act(row: &RequestRow, action: String, fields: Vec<Field>, reason: String) -> Act {
    let button = |value, label, tone, free| Button { value, label, tone, free };
    let buttons = match row.method {
        Method::Approve => vec![button("approve", "Approve", "good", false), button("reject", "Reject", "bad", true)],
        Method::Do => {
            let mut buttons = vec![button("answer", "Complete", "good", false)];
            if row.accepted_by.is_none() {
                buttons.push(button("accept", "Take it on", "", true));
            }
            buttons.push(button("decline", "Decline", "bad", true));
            buttons
        }
        Method::Ask | Method::Decide | Method::Generate | Method::Answer | Method::Notify => {
            vec![button("answer", "Send", "good", false), button("decline", "Decline", "bad", true)]
        }
    };
    Act { action, fields, reason, buttons }
}

/// Why what was sent is nothing that could be decided.
pub(crate) enum NoDecision {
    /// At these controls.
    Fields(Vec<FieldError>),
    Unknown,
}

/// What was decided by a form. Whether it counts is not looked at.
///
/// # Errors
/// What is wrong of it, for the form to be shown again.
pub(crate) fn decision(row: &RequestRow, filled: &[(String, String)]) -> Result<Decision, NoDecision> {
    let reason = field(filled, "reason").map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    match field(filled, "decision") {
        Some("approve") => Ok(Decision::Approve { reason }),
        Some("reject") => Ok(Decision::Reject { reason }),
        Some("decline") => Ok(Decision::Decline { reason }),
        Some("accept") => Ok(Decision::Accept),
        Some("answer") => {
            // Of an approval this is refused with the reason.
            let schema = schema(row).unwrap_or(Value::Bool(true));
            let value = console::value_of(&schema, filled);
            let is_nothing = schema == Value::Bool(true);
            match value {
                Ok(value) => Ok(Decision::Answer { value: Json::from_value(&value), reason }),
                Err(_) if is_nothing => Ok(Decision::Answer { value: Json::from_value(&Value::Null), reason }),
                Err(errors) => Err(NoDecision::Fields(errors)),
            }
        }
        Some(_) | None => Err(NoDecision::Unknown),
    }
}

/// What a refused answer says of single controls; empty: it is about something else.
pub(crate) fn refused_fields(problem: &Problem) -> Vec<FieldError> {
    if problem.status != StatusCode::UNPROCESSABLE_ENTITY || problem.code() != "ANSWER_INVALID" {
        return Vec::new();
    }
    let details = problem.details().map(Json::to_value).unwrap_or_default();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
    let each = details.as_array().into_iter().flatten();
    each.map(|one| FieldError { name: text(one, "field"), message: text(one, "message") }).collect()
}

/// The form again: what was typed, and what is wrong with it. What is of no control is said beside it.
pub(crate) fn again(
    row: &RequestRow,
    filled: &[(String, String)],
    errors: Vec<FieldError>,
) -> (Vec<Field>, Option<String>) {
    let mut controls = controls(row);
    let of_fields = !errors.is_empty();
    let rest = console::fill(&mut controls, filled, errors);
    let rest: Vec<_> = rest.into_iter().map(|error| error.message).collect();
    let text = match (rest.is_empty(), of_fields) {
        (false, _) => Some(rest.join("; ")),
        (true, true) => Some("Some of it does not fit; see below.".to_owned()),
        (true, false) => None,
    };
    (controls, text)
}
