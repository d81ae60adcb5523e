//! What is told of a request.

use serde::Serialize;
use types::{Json, RequestRow};
use utoipa::ToSchema;

/// Something that people are asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = Request)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestView {
    id: String,
    /// What who asks calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[schema(example = "approve")]
    method: &'static str,
    /// What it is about in a word; the method where nobody said.
    #[serde(rename = "type")]
    #[schema(rename = "type", example = "expense")]
    kind: String,
    title: String,
    #[schema(example = "Human/ann")]
    worker: String,
    requester: String,
    /// The action that asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// `pending`, `approved`, `rejected`, `answered`, `declined`, `expired`, `cancelled`
    status: &'static str,
    /// `low`, `normal`, `high`, `urgent`
    urgency: &'static str,
    /// JSON Schema of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    form: Option<Json>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<OptionView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<f64>,
    assignees: Vec<AssigneeView>,
    escalation_level: u32,
    quorum: u32,
    answers: Vec<AnswerView>,
    comments: Vec<CommentView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_by: Option<String>,
    created_at: String,
    expires_at: String,
    /// What happens by itself if nobody answers, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    responded_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    response: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestOption)]
pub(crate) struct OptionView {
    id: String,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestAssignee)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssigneeView {
    id: String,
    /// Which escalation asked them; 0: they were asked first.
    level: u32,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegated_by: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestAnswer)]
pub(crate) struct AnswerView {
    by: String,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    value: Option<Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    channel: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestComment)]
pub(crate) struct CommentView {
    by: String,
    at: String,
    text: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestNext)]
pub(crate) struct NextView {
    at: String,
    /// `reminder`, `warning`, `escalation`, `breach`, `exhausted`, `expiry`
    what: String,
    /// Who is asked then.
    #[serde(skip_serializing_if = "Option::is_none")]
    who: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RequestWarning)]
pub(crate) struct WarningView {
    code: String,
    message: String,
}

impl RequestView {
    pub(crate) fn of(row: RequestRow) -> Self {
        Self {
            id: row.id.to_string(),
            key: row.key,
            method: row.method.as_str(),
            kind: row.kind,
            title: row.title,
            worker: row.worker.to_string(),
            requester: row.requester,
            parent: row.parent.map(|id| id.to_string()),
            status: row.status.as_str(),
            urgency: row.urgency.as_str(),
            form: row.form,
            options: row
                .options
                .into_iter()
                .map(|o| OptionView { id: o.id, label: o.label, description: o.description })
                .collect(),
            data: row.data,
            amount: row.amount,
            assignees: row
                .assignees
                .into_iter()
                .map(|a| AssigneeView {
                    id: a.id,
                    level: a.level,
                    since: a.since.to_string(),
                    delegated_by: a.delegated_by,
                })
                .collect(),
            escalation_level: row.level,
            quorum: row.quorum,
            answers: row
                .answers
                .into_iter()
                .map(|a| AnswerView {
                    by: a.by,
                    at: a.at.to_string(),
                    approved: a.approved,
                    value: a.value,
                    reason: a.reason,
                    channel: a.channel,
                })
                .collect(),
            comments: row
                .comments
                .into_iter()
                .map(|c| CommentView { by: c.by, at: c.at.to_string(), text: c.text })
                .collect(),
            accepted_by: row.accepted_by,
            created_at: row.created_at.to_string(),
            expires_at: row.expires_at.to_string(),
            next: row.next.map(|next| NextView {
                at: next.at.to_string(),
                what: next.what,
                who: next.who.map(|who| who.to_string()),
            }),
            resolved_at: row.resolved_at.map(|at| at.to_string()),
            responded_by: row.responded_by,
            response: row.response,
            channel: row.channel,
            warnings: row.warnings.into_iter().map(|w| WarningView { code: w.code, message: w.message }).collect(),
        }
    }
}
