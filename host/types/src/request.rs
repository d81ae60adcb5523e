//! What somebody is asked for, from the asking to the answer: the record of work that people do (spec 11.4).

use crate::{Id, Json, Method, Timestamp, Urgency, Worker};
use serde::{Deserialize, Serialize};

/// One request: complete, replaced whenever something of it moves on. It is written in a binary form, so no member is
/// ever left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RequestRow {
    /// Of the invocation that the work is.
    pub id: Id,
    /// What who asks calls it; asking again under it asks nobody twice.
    pub key: Option<String>,
    pub method: Method,
    /// Who was asked for; who it is asked of are `assignees`.
    pub worker: Worker,
    /// The `$id` of who asks.
    pub requester: String,
    /// The action that asks, if a run does.
    pub parent: Option<Id>,
    /// What it is about in a word: `expense`; the method where nobody says.
    pub kind: String,
    /// The question, or what is to be approved or done.
    pub title: String,
    /// JSON Schema of the answer.
    pub form: Option<Json>,
    pub options: Vec<RequestOption>,
    /// What it is about, without secrets.
    pub data: Option<Json>,
    pub amount: Option<f64>,
    pub urgency: Urgency,
    pub status: RequestStatus,
    pub assignees: Vec<Assignee>,
    /// How many escalations have been taken.
    pub level: u32,
    /// So many have to approve.
    pub quorum: u32,
    /// So many have to reject.
    pub reject_quorum: u32,
    /// Whether the requester may approve it.
    pub allow_self: bool,
    /// What was said so far; more than one with a quorum.
    pub answers: Vec<RequestAnswer>,
    pub comments: Vec<RequestComment>,
    pub delegations: Vec<Delegation>,
    /// Who has taken it on (a task); others may still complete it.
    pub accepted_by: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// What happens next by itself, and when; None: nothing but that it expires.
    pub next: Option<NextMoment>,
    pub resolved_at: Option<Timestamp>,
    /// The `$id` of whose answer it was.
    pub responded_by: Option<String>,
    /// What came of it.
    pub response: Option<Json>,
    /// By which way the answer came: `web`, `email`, `slack`, `sms`.
    pub channel: Option<String>,
    pub warnings: Vec<RequestWarning>,
}

impl RequestRow {
    /// People that one request is asked of, at most.
    pub const ASSIGNEES_MAX: usize = 1_000;
    pub const COMMENTS_MAX: usize = 100;
    /// Warnings that are kept of one.
    pub const WARNINGS_MAX: usize = 100;
    pub const DELEGATIONS_MAX: usize = 100;
    /// A reason or a comment, in bytes.
    pub const REASON_BYTES_MAX: usize = 4 << 10;

    pub fn is_pending(&self) -> bool {
        self.status == RequestStatus::Pending
    }

    /// Whether this person (`$id`) is asked.
    pub fn asks(&self, person: &str) -> bool {
        self.assignees.iter().any(|assignee| assignee.id == person)
    }
}

/// One of the things that can be chosen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestOption {
    pub id: String,
    pub label: String,
    pub description: Option<String>,
}

/// Where a request stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    Pending,
    Approved,
    Rejected,
    /// A question, a form or a task was answered.
    Answered,
    Declined,
    Expired,
    Cancelled,
}

impl RequestStatus {
    pub const ALL: [Self; 7] =
        [Self::Pending, Self::Approved, Self::Rejected, Self::Answered, Self::Declined, Self::Expired, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Answered => "answered",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Somebody who is asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignee {
    /// The `$id`: a person of an object above is another than one of this name here.
    pub id: String,
    /// Which escalation brought them in; 0: they were asked first.
    pub level: u32,
    pub since: Timestamp,
    /// The `$id` of who handed it on to them.
    pub delegated_by: Option<String>,
}

/// What one person said.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RequestAnswer {
    /// The `$id` of who said it.
    pub by: String,
    pub at: Timestamp,
    /// Of an approval.
    pub approved: Option<bool>,
    pub value: Option<Json>,
    pub reason: Option<String>,
    pub channel: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestComment {
    pub by: String,
    pub at: Timestamp,
    pub text: String,
}

/// That somebody handed a request on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delegation {
    pub from: String,
    pub to: String,
    pub at: Timestamp,
    pub reason: Option<String>,
}

/// What happens next, if nobody answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NextMoment {
    pub at: Timestamp,
    /// `reminder`, `warning`, `escalation`, `breach`, `exhausted`, `expiry`
    pub what: String,
    /// Who is asked then.
    pub who: Option<Worker>,
}

/// Something that did not go well, and that does not keep anybody from answering.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestWarning {
    /// `NO_CHANNELS`, `CHANNEL_FAILED`, …
    pub code: String,
    pub message: String,
}
