//! Agents of an object (spec 11.3): what they are, the goals they are given, what they keep for later ones.
//!
//! An agent is a thing of noun `Agent`; its history, branches and permissions are those of `/api/Agent/{id}`. A goal is a
//! durable run: `/api/invocations/{id}` has its steps.

use crate::app::Scope;
use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::{Segment, actions};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use runtime::{About, AgentRun, AgentShown, Caller, Expect, Waits};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as value};
use types::{AgentDef, Json, ThingId};
use utoipa::ToSchema;

/// An agent: `{id, version}` and what it was written as.
#[derive(Serialize, ToSchema)]
#[schema(as = Agent)]
pub(crate) struct AgentView {
    #[schema(example = "support")]
    id: String,
    version: u64,
    /// `description`, `model`, `instructions`, `mode` (autonomous, supervised, manual), `supervisor`, `tools`
    /// (`[{uses, sideEffect?, timeoutMs?}]`), `approves` (`[{type, maxAmount?, requesterIn?}]`), `memory`, `inactive`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    def: AgentDef,
}

impl AgentView {
    fn of(shown: AgentShown) -> Self {
        Self { id: shown.id.to_string(), version: shown.version, def: shown.def }
    }
}

#[utoipa::path(
    get, path = "/api/agents", tag = "agents",
    responses((status = 200, description = "The first hundred, by id", body = Page<AgentView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&Page::whole(scope.object.agents(&caller).await?, AgentView::of)))
}

/// An agent that is to be: its `id`, and what `PUT` takes.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AgentRequest {
    #[schema(example = "support")]
    id: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    def: serde_json::Map<String, Value>,
}

#[utoipa::path(
    post, path = "/api/agents", tag = "agents", request_body = AgentRequest,
    responses(
        (status = 201, description = "It can be asked", body = AgentView),
        (status = 409, description = "One of this id is there", body = ErrorBody),
        (status = 422, description = "No agent; the message says what is accepted", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let AgentRequest { id, def } = sent.document().await?;
    let id = agent_id(&id)?;
    let data = Json::from_value(&Value::Object(def));
    scope.object.put_agent(&caller, &id, &data, Expect::Absent).await?;
    let shown = scope.object.agent(&caller, &id).await?;
    json_at(StatusCode::CREATED, Some(&scope.link(&format!("/api/agents/{id}"))), &AgentView::of(shown))
}

#[utoipa::path(
    get, path = "/api/agents/{id}", tag = "agents", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The agent", body = AgentView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    Ok(json(&AgentView::of(scope.object.agent(&caller, &agent_id(&id.0)?).await?)))
}

#[utoipa::path(
    put, path = "/api/agents/{id}", tag = "agents", params(("id" = String, Path)), request_body = Object,
    responses(
        (status = 200, description = "The whole of it, as it is now", body = AgentView),
        (status = 422, description = "No agent; the message says what is accepted", body = ErrorBody),
    )
)]
pub(crate) async fn store(Who { scope, caller }: Who, id: Segment, sent: Sent) -> Result<Response, Problem> {
    let id = agent_id(&id.0)?;
    let data = crate::body::json(&sent.text().await?)?;
    scope.object.put_agent(&caller, &id, &data, Expect::Anything).await?;
    Ok(json(&AgentView::of(scope.object.agent(&caller, &id).await?)))
}

/// What came of a goal.
#[derive(Serialize, ToSchema)]
#[schema(as = GoalResult)]
pub(crate) struct GoalResultDoc {
    /// `{success, result?, iterations, actions, stopReason, error?, usage}`
    #[schema(value_type = Object)]
    result: Json,
    #[serde(rename = "actionId")]
    action_id: String,
    status: String,
    duration: f64,
}

#[utoipa::path(
    post, path = "/api/agents/{id}/run", tag = "agents",
    params(
        ("id" = String, Path),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: answer at once"),
    ),
    request_body(content = Object, description = "`{description, constraints?, context?, maxIterations? (10), timeout? (5m), stepTimeout? (1m), budget? {tokens, costUsd}, schema?}`, or a text alone"),
    responses(
        (status = 200, description = "It ended; `stopReason` says how", body = GoalResultDoc),
        (status = 202, description = "It goes on in the background", body = actions::AcceptedView),
        (status = 404, description = "There is no such agent", body = ErrorBody),
        (status = 409, description = "It is inactive", body = ErrorBody),
        (status = 422, description = "No goal; the message says what is accepted", body = ErrorBody),
        (status = 502, description = "No model is to be had", body = ErrorBody),
    )
)]
pub(crate) async fn run(
    Who { scope, caller }: Who,
    id: Segment,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    run_goal(&scope, &caller, &agent_id(&id.0)?, &headers, sent).await
}

pub(crate) async fn run_goal(
    scope: &Scope,
    caller: &Caller,
    id: &ThingId,
    headers: &HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let goal = crate::body::json(&sent.text().await?)?;
    let is_async = actions::prefers_async(headers);
    let waits = if is_async { Waits::Not } else { Waits::ForEnd };
    match scope.object.run_agent(caller, id, &goal, waits).await.map_err(actions::failed)? {
        AgentRun::Ended(ended) => actions::completed(&ended),
        AgentRun::Accepted(id) => accepted(scope, id),
    }
}

fn accepted(scope: &Scope, id: types::Id) -> Result<Response, Problem> {
    let mut response = actions::accepted(scope, id, false)?;
    response.headers_mut().insert(actions::PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    Ok(response)
}

#[utoipa::path(
    get, path = "/api/agents/{id}/memory", tag = "agents",
    params(
        ("id" = String, Path),
        ("q" = Option<String>, Query, description = "What it is to be about; the newest when it is left out"),
        ("recent" = Option<u32>, Query, description = "So many of the newest, 1 to 100, whatever they are about"),
    ),
    responses((status = 200, description = "The eight that fit best, or the newest: `{memories: [{id, type, content}]}`", body = Object))
)]
pub(crate) async fn memory(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["q", "recent"])?;
    let about = match (fields.take("q"), fields.parsed::<u32>("recent", "a number from 1 to 100")?) {
        (Some(_), Some(_)) => return Err(Problem::validation("give either q or recent")),
        (None, Some(count)) if (1..=100).contains(&count) => About::Newest(count),
        (None, Some(_)) => return Err(Problem::validation("recent is a number from 1 to 100")),
        (query, None) => About::Query(query.unwrap_or_default()),
    };
    let memories = scope.object.agent_memory(&caller, &agent_id(&id.0)?, &about).await?;
    Ok(json(&value!({ "memories": memories })))
}

/// Something that an agent is to keep.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemoryRequest {
    /// 4096 bytes at most.
    content: String,
    /// `long-term` unless given, or `episodic`.
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[utoipa::path(
    post, path = "/api/agents/{id}/memory", tag = "agents", params(("id" = String, Path)), request_body = MemoryRequest,
    responses(
        (status = 201, description = "It is kept: `{id, type, content}`", body = Object),
        (status = 422, description = "The message says what is accepted", body = ErrorBody),
    )
)]
pub(crate) async fn remember(Who { scope, caller }: Who, id: Segment, sent: Sent) -> Result<Response, Problem> {
    let MemoryRequest { content, kind } = sent.document().await?;
    let kind = kind.unwrap_or_else(|| "long-term".to_owned());
    let wrote = scope.object.tell_agent(&caller, &agent_id(&id.0)?, &content, &kind).await?;
    let body = value!({ "id": wrote.shown.row.key.id.as_str(), "type": kind, "content": content });
    json_at(StatusCode::CREATED, None, &body)
}

pub(crate) fn agent_id(text: &str) -> Result<ThingId, Problem> {
    ThingId::parse(text).map_err(|e| Problem::validation(format!("an agent's id: {e}")))
}
