//! What who asked is told, once a request is over: the settled shapes of spec 11.1.

use crate::draft::OnTimeout;
use serde_json::{Value, json};
use types::{Fault, FaultKind, Json, Method, RequestRow, RequestStatus};

/// Never a made-up answer (spec HUM-8): what nobody said is a fault, but for an approval, which says that it was not
/// given, and a form with a default.
///
/// # Errors
/// `HUMAN_TIMEOUT`, `DECLINED`, `REQUEST_CANCELLED`.
pub fn outcome(row: &RequestRow, on_timeout: &OnTimeout) -> Result<Json, Fault> {
    let by = row.responded_by.as_deref();
    let at = row.resolved_at.map(|at| at.to_string());
    let response = row.response.as_ref().map_or(Value::Null, Json::to_value);
    let last = row.answers.last();
    let reason = last.and_then(|answer| answer.reason.as_deref());
    if row.method == Method::Approve && !row.is_pending() {
        let approved = row.status == RequestStatus::Approved;
        let mut value = json!({ "approved": approved, "status": row.status.as_str(), "approver": by, "approvedAt": at,
                                "requestId": row.id.to_string() });
        put(&mut value, "reason", reason);
        if row.quorum > 1 {
            let yes = row.answers.iter().filter(|answer| answer.approved == Some(true));
            value["approvers"] = yes.map(|answer| answer.by.clone()).collect();
        }
        return Ok(Json::from_value(&value));
    }
    let duration = row.resolved_at.map_or(0, |at| at.millis_since(row.created_at));
    let value = match (row.method, row.status) {
        (_, RequestStatus::Expired) => return expired(row, on_timeout),
        (_, RequestStatus::Cancelled) => {
            return Err(Fault::new(FaultKind::Cancelled, "REQUEST_CANCELLED", "the request was cancelled"));
        }
        (Method::Do, RequestStatus::Answered) => {
            json!({ "success": true, "output": response, "duration": duration, "actionId": row.id.to_string() })
        }
        (Method::Do, RequestStatus::Declined) => {
            let message = reason.unwrap_or("the task was declined");
            json!({ "success": false, "error": { "code": "DECLINED", "message": message },
                    "duration": duration, "actionId": row.id.to_string() })
        }
        (_, RequestStatus::Declined) => {
            let message = reason.map_or_else(|| "nobody wanted to answer".to_owned(), str::to_owned);
            return Err(Fault::failed("DECLINED", message));
        }
        (Method::Ask, RequestStatus::Answered) => {
            let name = if row.form.is_none() { "text" } else { "value" };
            json!({ name: response, "answeredBy": by, "answeredAt": at })
        }
        (Method::Decide, RequestStatus::Answered) => {
            let mut value = json!({ "choice": response, "decidedBy": by, "decidedAt": at });
            put(&mut value, "reasoning", reason);
            value
        }
        (Method::Generate, RequestStatus::Answered) => response,
        (Method::Answer, RequestStatus::Answered) => {
            json!({ "response": response, "respondedBy": by, "respondedAt": at, "channel": row.channel })
        }
        (Method::Approve | Method::Notify, _)
        | (_, RequestStatus::Pending | RequestStatus::Approved | RequestStatus::Rejected) => {
            return Err(Fault::internal());
        }
    };
    Ok(Json::from_value(&value))
}

fn expired(row: &RequestRow, on_timeout: &OnTimeout) -> Result<Json, Fault> {
    match on_timeout {
        OnTimeout::Default(value) => Ok(Json::from_value(&json!({
            "response": value.to_value(), "defaulted": true, "respondedBy": null,
            "respondedAt": row.resolved_at.map(|at| at.to_string()), "channel": null,
        }))),
        OnTimeout::Fail | OnTimeout::Escalate => {
            let message = format!("nobody answered until {}", row.expires_at);
            Err(Fault::new(FaultKind::Timeout, "HUMAN_TIMEOUT", message))
        }
    }
}

fn put(value: &mut Value, name: &str, text: Option<&str>) {
    if let Some(text) = text {
        value[name] = text.into();
    }
}

/// What happened, as an event: its noun and the names of the beginning and the end (spec WRK-4).
pub fn event_words(method: Method) -> (&'static str, &'static str, &'static str) {
    match method {
        Method::Do => ("task", "created", "completed"),
        Method::Ask | Method::Answer => ("question", "asked", "answered"),
        Method::Decide => ("decision", "requested", "made"),
        Method::Approve => ("approval", "requested", "processed"),
        Method::Generate => ("generation", "requested", "completed"),
        Method::Notify => ("notification", "queued", "sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::tests::{NOW, asked};
    use crate::decide::{Decider, Decision, close, decide};

    fn settled(method: Method, decision: Decision) -> Result<Json, Fault> {
        let by = Decider { person: "ann".to_owned(), is_admin: false, channel: "web".to_owned() };
        let row = decide(&asked(method), &by, decision, NOW).expect("she is asked");
        outcome(&row, &OnTimeout::Fail)
    }

    #[test]
    fn each_method_is_answered_in_its_own_shape() {
        let reason = || Some("because".to_owned());
        let answer = |value: Value| Decision::Answer { value: Json::from_value(&value), reason: reason() };
        let at = NOW.to_string();
        assert_eq!(
            settled(Method::Approve, Decision::Approve { reason: reason() }).expect("settled").to_value(),
            json!({ "approved": true, "status": "approved", "approver": "ann", "approvedAt": at, "reason": "because",
                    "requestId": types::Id::from_u128(1).to_string() })
        );
        assert_eq!(
            settled(Method::Ask, answer(json!("42"))).expect("settled").to_value(),
            json!({ "text": "42", "answeredBy": "ann", "answeredAt": at })
        );
        assert_eq!(settled(Method::Generate, answer(json!("a poem"))).expect("settled").to_value(), json!("a poem"));
        assert_eq!(settled(Method::Do, answer(json!({ "n": 1 }))).expect("settled").to_value()["output"]["n"], 1);
        let declined = settled(Method::Do, Decision::Decline { reason: reason() }).expect("settled").to_value();
        assert_eq!((&declined["success"], &declined["error"]["code"]), (&json!(false), &json!("DECLINED")));
        let fault = settled(Method::Ask, Decision::Decline { reason: None }).expect_err("nobody answered");
        assert_eq!(fault.code, "DECLINED");
    }

    #[test]
    fn what_nobody_said_is_not_made_up() {
        for method in [Method::Ask, Method::Decide, Method::Do, Method::Generate, Method::Answer] {
            let row = close(&asked(method), RequestStatus::Expired, NOW);
            assert_eq!(outcome(&row, &OnTimeout::Fail).map_err(|f| f.code), Err("HUMAN_TIMEOUT".to_owned()));
            assert!(outcome(&asked(method), &OnTimeout::Fail).is_err(), "it is pending");
        }
        let row = close(&asked(Method::Approve), RequestStatus::Expired, NOW);
        let said = outcome(&row, &OnTimeout::Fail).expect("an approval says so").to_value();
        assert_eq!(
            (&said["approved"], &said["status"], &said["approver"]),
            (&json!(false), &json!("expired"), &Value::Null)
        );
        let row = close(&asked(Method::Answer), RequestStatus::Expired, NOW);
        let said = outcome(&row, &OnTimeout::Default(Json::of(&"no"))).expect("a default").to_value();
        assert_eq!((&said["response"], &said["defaulted"]), (&json!("no"), &json!(true)));
    }
}
