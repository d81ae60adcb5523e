//! What people are asked for, and what they say to it (spec HUM-1, HUM-3): approvals, and questions, decisions and tasks
//! alike.

use crate::app::Scope;
use crate::body::Sent;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::approvals::RequestView;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::extract::Path;
use axum::response::Response;
use http::{StatusCode, Uri};
use runtime::{Caller, Decision, RequestsWanted};
use serde::Deserialize;
use types::{Json, Method, RequestStatus, Worker};
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/approvals", tag = "approvals",
    params(
        ("status" = Option<String>, Query, description = "`pending`, `approved`, `rejected`, `answered`, `declined`, `expired`, `cancelled`"),
        ("assignee" = Option<String>, Query, description = "`me`, `Human/NAME` or a whole `$id`"),
        ("type" = Option<String>, Query),
        ("method" = Option<String>, Query, description = "`approve`, `ask`, `decide`, `do`, `generate`, `answer`"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses((status = 200, description = "Newest first", body = Page<RequestView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["status", "assignee", "type", "method", "cursor", "limit"])?;
    let method = |text: &str| if text == "answer" { Some(Method::Answer) } else { Method::parse(text) };
    let wanted = RequestsWanted {
        status: fields.with(
            "status",
            "pending, approved, rejected, answered, declined, expired or cancelled",
            RequestStatus::parse,
        )?,
        assignee: fields.text("assignee"),
        kind: fields.text("type"),
        method: fields.with("method", "approve, ask, decide, do, generate or answer", method)?,
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(limits::PAGE_MAX)?,
    };
    let page = scope.object.requests(&caller, wanted).await?;
    Ok(json(&Page::of(page, RequestView::of)))
}

/// An approval that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalRequest {
    /// Who is asked: `Human/NAME` or `role:NAME`.
    #[schema(example = "role:finance")]
    assignee: String,
    /// `id?`, `type?`, `description`, `data?`, `amount?`, `deadline?` and `priority?`, and beside them `timeout?`,
    /// `channels?`, `quorum?`, `rejectQuorum?`, `allowSelf?` and `escalation?`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// What stands in the request itself; the rest says how it is asked.
const OF_THE_REQUEST: [&str; 8] = ["id", "type", "description", "requester", "data", "amount", "priority", "deadline"];

#[utoipa::path(
    post, path = "/api/approvals", tag = "approvals", request_body = ApprovalRequest,
    responses(
        (status = 201, description = "It is asked; the same again is the same request", body = RequestView),
        (status = 404, description = "There is no such person", body = ErrorBody),
        (status = 409, description = "Nobody is there, or something else was asked under this id", body = ErrorBody),
        (status = 422, description = "This cannot be asked", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let ApprovalRequest { assignee, rest } = sent.document().await?;
    let worker = match assignee.parse() {
        Ok(worker @ (Worker::Human(_) | Worker::Role(_))) => worker,
        Ok(Worker::Agent(_)) | Err(_) => {
            return Err(Problem::validation("assignee is a person or a role: Human/NAME or role:NAME"));
        }
    };
    let (request, options): (serde_json::Map<_, _>, serde_json::Map<_, _>) =
        rest.into_iter().partition(|(name, _)| OF_THE_REQUEST.contains(&name.as_str()));
    let input = Json::from_value(&serde_json::json!({ "request": request, "options": options }));
    let id = scope.object.begin_work(&caller, worker, Method::Approve, input).await?;
    let row = scope.object.request_opened(id).await?;
    let location = scope.link(&format!("/api/approvals/{}", row.id));
    json_at(StatusCode::CREATED, Some(&location), &RequestView::of(row))
}

#[utoipa::path(
    get, path = "/api/approvals/{id}", tag = "approvals",
    params(("id" = String, Path, description = "Its id, or what who asked calls it")),
    responses(
        (status = 200, description = "Where it stands", body = RequestView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&RequestView::of(scope.object.request(&caller, &id.0).await?)))
}

/// What is said to a request. Which members count depends on what is said.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DecisionRequest {
    /// approve, reject, decline, delegate, cancel, answer: why; at most 4 KiB.
    reason: Option<String>,
    /// answer: a text, an option's id, what the form asks for, the output of a task.
    #[schema(value_type = Option<Object>)]
    value: Option<Json>,
    /// delegate: to whom.
    #[schema(example = "Human/bob")]
    to: Option<String>,
    /// comment
    text: Option<String>,
}

#[utoipa::path(
    post, path = "/api/approvals/{id}/{verb}", tag = "approvals",
    params(
        ("id" = String, Path),
        ("verb" = String, Path, description = "`approve`, `reject`, `answer`, `decline`, `accept`, `delegate`, `comment`, `cancel`"),
    ),
    request_body = DecisionRequest,
    responses(
        (status = 200, description = "It counts", body = RequestView),
        (status = 403, description = "The caller is not asked, or asked for it", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is decided already; `details` has what was recorded", body = ErrorBody),
        (status = 410, description = "It expired", body = ErrorBody),
        (status = 422, description = "This is no answer to it; it stays pending", body = ErrorBody),
    )
)]
pub(crate) async fn decide(
    Who { scope, caller }: Who,
    Path((id, verb)): Path<(String, String)>,
    sent: Sent,
) -> Result<Response, Problem> {
    let said: DecisionRequest = sent.document_or_empty().await?;
    say(&scope, &caller, &id, &verb, said).await
}

async fn say(scope: &Scope, caller: &Caller, id: &str, verb: &str, said: DecisionRequest) -> Result<Response, Problem> {
    let object = &scope.object;
    let by = object.decider(caller, "web");
    let DecisionRequest { reason, value, to, text } = said;
    let decision = match verb {
        "approve" => Decision::Approve { reason },
        "reject" => Decision::Reject { reason },
        "decline" => Decision::Decline { reason },
        "accept" => Decision::Accept,
        "cancel" => Decision::Cancel { reason },
        "answer" => Decision::Answer { value: value.ok_or_else(|| missing("value"))?, reason },
        "comment" => Decision::Comment { text: text.ok_or_else(|| missing("text"))? },
        "delegate" => {
            let to: Worker = to
                .ok_or_else(|| missing("to"))?
                .parse()
                .map_err(|e: types::WorkerError| Problem::validation(format!("to: {e}")))?;
            let id = object.request(caller, id).await?.id;
            return Ok(json(&RequestView::of(object.delegate_request(by, id, &to, reason).await?)));
        }
        _ => {
            let known = "approve, reject, answer, decline, accept, delegate, comment, cancel";
            return Err(Problem::not_found(format!("a request is not answered so; there are {known}")));
        }
    };
    let id = match id.parse() {
        Ok(id) => id,
        Err(_) => object.request(caller, id).await?.id,
    };
    Ok(json(&RequestView::of(object.decide_request(by, id, decision).await?)))
}

fn missing(member: &str) -> Problem {
    Problem::validation(format!("the body needs the member `{member}`"))
}
