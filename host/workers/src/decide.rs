//! What an answer makes of a request, and whether it counts (spec HUM-3, HUM-4). The first valid one wins; who comes later
//! is told what was recorded.

use serde_json::{Value, json};
use types::{
    Assignee, Delegation, Fault, FaultKind, Json, Method, RequestAnswer, RequestComment, RequestRow, RequestStatus,
    Timestamp,
};

/// Who says something, by which way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decider {
    /// Its `$id`.
    pub person: String,
    /// Whether it may answer for everybody (`Approval.admin`).
    pub is_admin: bool,
    /// `web`, `email`, `slack`, `sms`.
    pub channel: String,
}

/// What is said.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    Approve {
        reason: Option<String>,
    },
    Reject {
        reason: Option<String>,
    },
    /// A question's text or value, a decision's option, a form, the output of a task.
    Answer {
        value: Json,
        reason: Option<String>,
    },
    /// It will not be done, or not be answered.
    Decline {
        reason: Option<String>,
    },
    /// A task is taken on.
    Accept,
    /// `to` is the `$id` of somebody who is there.
    Delegate {
        to: String,
        reason: Option<String>,
    },
    Comment {
        text: String,
    },
    Cancel {
        reason: Option<String>,
    },
}

impl Decision {
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Approve { reason }
            | Self::Reject { reason }
            | Self::Answer { reason, .. }
            | Self::Decline { reason }
            | Self::Delegate { reason, .. }
            | Self::Cancel { reason } => reason.as_deref(),
            Self::Comment { text } => Some(text),
            Self::Accept => None,
        }
    }
}

/// The request as it stands behind that.
///
/// # Errors
/// `forbidden` for who is not asked, and for one's own request; `REQUEST_DECIDED` (409, with what was recorded),
/// `REQUEST_EXPIRED` (410), `ALREADY_ANSWERED`; `ANSWER_INVALID` (422) for what is no answer: it stays pending.
pub fn decide(row: &RequestRow, by: &Decider, decision: Decision, now: Timestamp) -> Result<RequestRow, Fault> {
    may(row, by, &decision)?;
    must_be_open(row, now)?;
    if let Some(reason) = decision.reason()
        && (reason.len() > RequestRow::REASON_BYTES_MAX || reason.chars().any(|c| c.is_control() && !c.is_whitespace()))
    {
        let message = format!("a reason or comment has at most {} bytes of text", RequestRow::REASON_BYTES_MAX);
        return Err(Fault::invalid("REASON_INVALID", message));
    }
    let mut next = row.clone();
    match decision {
        Decision::Approve { reason } => approve(&mut next, by, true, reason, now)?,
        Decision::Reject { reason } => approve(&mut next, by, false, reason, now)?,
        Decision::Answer { value, reason } => {
            let value = answer(row, &value)?;
            next.answers.push(said(by, None, Some(value.clone()), reason, now));
            settle(&mut next, RequestStatus::Answered, by, Some(value), now);
        }
        Decision::Decline { reason } => {
            fits(row, "declined", row.method != Method::Approve)?;
            next.answers.push(said(by, None, None, reason, now));
            settle(&mut next, RequestStatus::Declined, by, None, now);
        }
        Decision::Accept => {
            fits(row, "accepted", row.method == Method::Do)?;
            next.accepted_by = Some(by.person.clone());
        }
        Decision::Delegate { to, reason } => delegate(&mut next, by, to, reason, now)?,
        Decision::Comment { text } => {
            if text.trim().is_empty() {
                return Err(Fault::invalid("REASON_INVALID", "the comment is empty"));
            }
            if next.comments.len() >= RequestRow::COMMENTS_MAX {
                let message = format!("a request has at most {} comments", RequestRow::COMMENTS_MAX);
                return Err(Fault::limit("COMMENTS_LIMIT", message));
            }
            next.comments.push(RequestComment { by: by.person.clone(), at: now, text });
        }
        Decision::Cancel { reason } => {
            next.answers.push(said(by, None, None, reason, now));
            settle(&mut next, RequestStatus::Cancelled, by, None, now);
        }
    }
    Ok(next)
}

/// Nobody is asked any more: of itself, because its time is over or its run was ended.
pub fn close(row: &RequestRow, status: RequestStatus, now: Timestamp) -> RequestRow {
    RequestRow { status, resolved_at: Some(now), next: None, ..row.clone() }
}

fn may(row: &RequestRow, by: &Decider, decision: &Decision) -> Result<(), Fault> {
    let is_requester = row.requester == by.person;
    let is_asked = row.asks(&by.person) || by.is_admin;
    let (is_allowed, what) = match decision {
        Decision::Cancel { .. } => (is_requester || by.is_admin, "cancel this request; who asked may"),
        Decision::Comment { .. } => (is_asked || is_requester, "comment on this request; who is asked may"),
        Decision::Approve { .. }
        | Decision::Reject { .. }
        | Decision::Answer { .. }
        | Decision::Decline { .. }
        | Decision::Accept
        | Decision::Delegate { .. } => (is_asked, "answer this request; who is asked may, and who has Approval.admin"),
    };
    if !is_allowed {
        return Err(Fault::forbidden(format!("{} may not {what}", by.person)));
    }
    if matches!(decision, Decision::Approve { .. }) && is_requester && !row.allow_self {
        let message = "nobody approves what they asked for themselves; somebody else who is asked has to";
        return Err(Fault::new(FaultKind::Forbidden, "OWN_REQUEST", message));
    }
    Ok(())
}

fn must_be_open(row: &RequestRow, now: Timestamp) -> Result<(), Fault> {
    if row.status == RequestStatus::Expired || (row.is_pending() && now >= row.expires_at) {
        let message = format!("the request expired at {}; ask again", row.expires_at);
        return Err(Fault::new(FaultKind::Gone, "REQUEST_EXPIRED", message));
    }
    if row.is_pending() {
        return Ok(());
    }
    let message = format!("the request is {} already", row.status.as_str());
    Err(Fault::conflict("REQUEST_DECIDED", message).with_details(&recorded(row)))
}

/// What a late one is told.
fn recorded(row: &RequestRow) -> Value {
    json!({
        "requestId": row.id.to_string(),
        "status": row.status.as_str(),
        "respondedBy": row.responded_by,
        "resolvedAt": row.resolved_at.map(|at| at.to_string()),
        "response": row.response.as_ref().map(Json::to_value),
    })
}

fn approve(
    next: &mut RequestRow,
    by: &Decider,
    approved: bool,
    reason: Option<String>,
    now: Timestamp,
) -> Result<(), Fault> {
    fits(next, if approved { "approved" } else { "rejected" }, next.method == Method::Approve)?;
    if next.answers.iter().any(|answer| answer.by == by.person) {
        return Err(Fault::conflict("ALREADY_ANSWERED", "you have answered this request; others are waited for"));
    }
    next.answers.push(said(by, Some(approved), None, reason, now));
    let count = |wanted: bool| next.answers.iter().filter(|answer| answer.approved == Some(wanted)).count();
    let (yes, no) = (count(true), count(false));
    if no >= next.reject_quorum as usize {
        settle(next, RequestStatus::Rejected, by, Some(Json::of(&json!({ "approved": false }))), now);
    } else if yes >= next.quorum as usize {
        settle(next, RequestStatus::Approved, by, Some(Json::of(&json!({ "approved": true }))), now);
    }
    Ok(())
}

/// What counts as an answer, as it is kept. That it fits the form is looked at by who calls.
fn answer(row: &RequestRow, value: &Json) -> Result<Json, Fault> {
    fits(row, "answered; approve or reject it", row.method != Method::Approve)?;
    let invalid = |message: &str| Err(Fault::invalid("ANSWER_INVALID", message.to_owned()));
    let given = value.to_value();
    if !row.options.is_empty() && row.form.is_none() {
        let choice = given.get("choice").unwrap_or(&given).as_str().unwrap_or_default();
        if !row.options.iter().any(|option| option.id == choice) {
            let known: Vec<_> = row.options.iter().map(|option| option.id.as_str()).collect();
            return invalid(&format!("choose one of {}", known.join(", ")));
        }
        return Ok(Json::of(&choice));
    }
    if row.form.is_some() || row.method == Method::Do {
        return Ok(value.clone());
    }
    match given.get("text").unwrap_or(&given) {
        Value::String(text) if !text.trim().is_empty() => Ok(Json::of(text)),
        _ => invalid("the answer is a text that is not empty"),
    }
}

fn delegate(
    next: &mut RequestRow,
    by: &Decider,
    to: String,
    reason: Option<String>,
    now: Timestamp,
) -> Result<(), Fault> {
    if next.asks(&to) {
        return Err(Fault::conflict("ALREADY_ASKED", format!("{to} is asked already")));
    }
    if next.delegations.len() >= RequestRow::DELEGATIONS_MAX || next.assignees.len() >= RequestRow::ASSIGNEES_MAX {
        let message = format!("a request is handed on {} times at most", RequestRow::DELEGATIONS_MAX);
        return Err(Fault::limit("DELEGATIONS_LIMIT", message));
    }
    let (level, delegated_by) = (next.level, Some(by.person.clone()));
    next.assignees.push(Assignee { id: to.clone(), level, since: now, delegated_by });
    next.delegations.push(Delegation { from: by.person.clone(), to, at: now, reason });
    Ok(())
}

fn said(
    by: &Decider,
    approved: Option<bool>,
    value: Option<Json>,
    reason: Option<String>,
    at: Timestamp,
) -> RequestAnswer {
    RequestAnswer { by: by.person.clone(), at, approved, value, reason, channel: by.channel.clone() }
}

fn settle(next: &mut RequestRow, status: RequestStatus, by: &Decider, response: Option<Json>, now: Timestamp) {
    next.status = status;
    next.resolved_at = Some(now);
    next.next = None;
    next.responded_by = Some(by.person.clone());
    next.response = response;
    next.channel = Some(by.channel.clone());
}

fn fits(row: &RequestRow, what: &str, it_does: bool) -> Result<(), Fault> {
    if it_does {
        return Ok(());
    }
    let message = format!("what was asked is `{}`, which is not {what}", row.method.as_str());
    Err(Fault::invalid("ANSWER_INVALID", message))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use types::{Id, Urgency, Worker};

    pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_704_715_200_000);

    pub(crate) fn asked(method: Method) -> RequestRow {
        let worker: Worker = "Human/ann".parse().expect("a worker");
        let assignee = |id: &str| Assignee { id: id.to_owned(), level: 0, since: NOW, delegated_by: None };
        RequestRow {
            id: Id::from_u128(1),
            key: None,
            method,
            worker,
            requester: "rick".to_owned(),
            parent: None,
            kind: "expense".to_owned(),
            title: "?".to_owned(),
            form: None,
            options: Vec::new(),
            data: None,
            amount: None,
            urgency: Urgency::Normal,
            status: RequestStatus::Pending,
            assignees: vec![assignee("ann"), assignee("bob"), assignee("rick")],
            level: 0,
            quorum: 1,
            reject_quorum: 1,
            allow_self: false,
            answers: Vec::new(),
            comments: Vec::new(),
            delegations: Vec::new(),
            accepted_by: None,
            created_at: NOW,
            expires_at: NOW.plus(std::time::Duration::from_secs(3600)),
            next: None,
            resolved_at: None,
            responded_by: None,
            response: None,
            channel: None,
            warnings: Vec::new(),
        }
    }

    fn by(person: &str) -> Decider {
        Decider { person: person.to_owned(), is_admin: person == "root", channel: "web".to_owned() }
    }

    fn yes() -> Decision {
        Decision::Approve { reason: None }
    }

    fn no() -> Decision {
        Decision::Reject { reason: Some("too much".to_owned()) }
    }

    fn refused(row: &RequestRow, person: &str, decision: Decision) -> String {
        decide(row, &by(person), decision, NOW).expect_err("it is refused").code
    }

    #[test]
    fn the_first_answer_wins_and_who_comes_later_is_told_of_it() {
        let row = decide(&asked(Method::Approve), &by("ann"), yes(), NOW).expect("she is asked");
        assert_eq!((row.status, row.responded_by.as_deref()), (RequestStatus::Approved, Some("ann")));
        let late = decide(&row, &by("bob"), no(), NOW).expect_err("it is late");
        assert_eq!((late.kind, late.code.as_str()), (FaultKind::Conflict, "REQUEST_DECIDED"));
        assert_eq!(late.details.expect("details").to_value()["status"], "approved");
        let after = NOW.plus(std::time::Duration::from_secs(3600));
        let late = decide(&asked(Method::Approve), &by("ann"), yes(), after).expect_err("it is over");
        assert_eq!((late.kind, late.code.as_str()), (FaultKind::Gone, "REQUEST_EXPIRED"));
    }

    #[test]
    fn only_who_is_asked_answers_and_nobody_approves_their_own() {
        let row = asked(Method::Approve);
        assert_eq!(refused(&row, "eve", yes()), "FORBIDDEN");
        assert_eq!(refused(&row, "rick", yes()), "OWN_REQUEST");
        assert_eq!(refused(&row, "ann", Decision::Cancel { reason: None }), "FORBIDDEN");
        assert!(decide(&row, &by("rick"), no(), NOW).is_ok(), "they may take it back");
        assert!(decide(&row, &by("root"), yes(), NOW).is_ok());
        assert!(decide(&RequestRow { allow_self: true, ..row }, &by("rick"), yes(), NOW).is_ok());
    }

    #[test]
    fn a_quorum_counts_people_not_answers() {
        let row = RequestRow { quorum: 2, ..asked(Method::Approve) };
        let one = decide(&row, &by("ann"), yes(), NOW).expect("the first");
        assert!(one.is_pending());
        assert_eq!(refused(&one, "ann", yes()), "ALREADY_ANSWERED");
        let two = decide(&one, &by("bob"), yes(), NOW).expect("the second");
        assert_eq!(two.status, RequestStatus::Approved);
        assert_eq!(decide(&one, &by("bob"), no(), NOW).expect("a no").status, RequestStatus::Rejected);
        let row = RequestRow { reject_quorum: 2, ..asked(Method::Approve) };
        assert!(decide(&row, &by("bob"), no(), NOW).expect("one no").is_pending());
    }

    #[test]
    fn an_answer_is_one_of_those_that_were_asked_for() {
        let option = |id: &str| types::RequestOption { id: id.to_owned(), label: id.to_owned(), description: None };
        let row = RequestRow { options: vec![option("a"), option("b")], ..asked(Method::Decide) };
        let answer = |value: Value| Decision::Answer { value: Json::from_value(&value), reason: None };
        assert_eq!(refused(&row, "ann", answer(json!("c"))), "ANSWER_INVALID");
        assert_eq!(refused(&row, "ann", yes()), "ANSWER_INVALID");
        let chosen = decide(&row, &by("ann"), answer(json!({ "choice": "b" })), NOW).expect("an option");
        assert_eq!(chosen.response, Some(Json::of(&"b")));
        assert_eq!(refused(&asked(Method::Ask), "ann", answer(json!(" "))), "ANSWER_INVALID");
        assert_eq!(refused(&asked(Method::Approve), "ann", answer(json!("yes"))), "ANSWER_INVALID");
        let long = Decision::Reject { reason: Some("x".repeat(RequestRow::REASON_BYTES_MAX + 1)) };
        assert_eq!(refused(&asked(Method::Approve), "ann", long), "REASON_INVALID");
    }

    #[test]
    fn who_it_is_handed_on_to_may_answer() {
        let to = |who: &str| Decision::Delegate { to: who.to_owned(), reason: None };
        let row = decide(&asked(Method::Approve), &by("ann"), to("eve"), NOW).expect("she may");
        assert_eq!(row.assignees.last().and_then(|a| a.delegated_by.as_deref()), Some("ann"));
        assert!(decide(&row, &by("eve"), yes(), NOW).is_ok());
        assert_eq!(refused(&row, "ann", to("eve")), "ALREADY_ASKED");
        let mut row = asked(Method::Approve);
        for number in 0..RequestRow::DELEGATIONS_MAX {
            row = decide(&row, &by("ann"), to(&number.to_string()), NOW).expect("there is room");
        }
        assert_eq!(refused(&row, "ann", to("eve")), "DELEGATIONS_LIMIT");
    }

    #[test]
    fn comments_are_bounded() {
        let comment = || Decision::Comment { text: "hm".to_owned() };
        let mut row = asked(Method::Approve);
        for _ in 0..RequestRow::COMMENTS_MAX {
            row = decide(&row, &by("rick"), comment(), NOW).expect("there is room");
        }
        assert_eq!(refused(&row, "ann", comment()), "COMMENTS_LIMIT");
    }
}
