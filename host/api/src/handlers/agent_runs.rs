//! What agents were asked for: the runs of one, and the goals of an object that is an agent itself (spec AGT-1).

use crate::caller::Who;
use crate::config::limits;
use crate::handlers::{Segment, actions, agents};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, LoggedActionView, Page, json};
use axum::response::Response;
use http::{HeaderMap, Uri};
use runtime::ActionFilter;
use types::{Fault, ThingId, Worker};

/// The verb of the actions that work is; others are about the thing that an agent is.
const ASKED: &str = "invoke";

#[utoipa::path(
    get, path = "/api/agents/{id}/runs", tag = "agents",
    params(
        ("id" = String, Path),
        ("status" = Option<String>, Query),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses(
        (status = 200, description = "What it was asked for, newest first; `/api/invocations/{id}` has the steps of each", body = Page<LoggedActionView>),
        (status = 404, description = "There is no such agent", body = ErrorBody),
    )
)]
pub(crate) async fn list(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["status", "cursor", "limit"])?;
    let id = agents::agent_id(&id.0)?;
    scope.object.agent(&caller, &id).await?;
    let statuses = types::ActionStatus::ALL.map(types::ActionStatus::as_str).join(", ");
    let filter = ActionFilter {
        verb: Some(ASKED.to_owned()),
        target: Some(Worker::Agent(id).to_string()),
        status: fields.with("status", &format!("one of {statuses}"), types::ActionStatus::parse)?,
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(limits::PAGE_MAX)?,
        ..ActionFilter::default()
    };
    let page = scope.object.actions(&caller, &filter).await?;
    Ok(json(&Page::of(page, LoggedActionView::of)))
}

#[utoipa::path(
    post, path = "/api/$self/run", tag = "agents",
    params(("Prefer" = Option<String>, Header, description = "`respond-async`: answer at once")),
    request_body(content = Object, description = "As for `/api/agents/{id}/run`, of an object that is an Agent"),
    responses(
        (status = 200, description = "It ended; `stopReason` says how", body = agents::GoalResultDoc),
        (status = 202, description = "It goes on in the background", body = actions::AcceptedView),
        (status = 404, description = "The object is no Agent, or has no thing Agent/self", body = ErrorBody),
    )
)]
pub(crate) async fn run_self(
    Who { scope, caller }: Who,
    headers: HeaderMap,
    sent: crate::body::Sent,
) -> Result<Response, Problem> {
    let id = itself(&scope, &caller).await?;
    agents::run_goal(&scope, &caller, &id, &headers, sent).await
}

#[utoipa::path(
    get, path = "/api/$self/goals/{id}", tag = "agents", params(("id" = String, Path, description = "The action that `run` answered")),
    responses(
        (status = 200, description = "Where the goal stands; its result is in `options.output`", body = LoggedActionView),
        (status = 404, description = "The object is no Agent, or was given no such goal", body = ErrorBody),
    )
)]
pub(crate) async fn goal(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let worker = Worker::Agent(itself(&scope, &caller).await?).to_string();
    let goal = id.id("action")?;
    let row = scope.object.action(&caller, goal).await?;
    if row.target != worker || row.verb != ASKED {
        let message = format!("{goal} is no goal of this agent; POST /api/$self/run gives it one");
        return Err(Problem::from(Fault::not_found("GOAL_NOT_FOUND", message)));
    }
    Ok(json(&LoggedActionView::of(row)))
}

/// The agent that the object is.
async fn itself(scope: &crate::app::Scope, caller: &runtime::Caller) -> Result<ThingId, Problem> {
    match scope.object.own_worker(caller).await? {
        Worker::Agent(id) => Ok(id),
        Worker::Human(_) | Worker::Role(_) => {
            let message = "this object is a person, who is given no goals; ask POST /api/$self/do";
            Err(Problem::from(Fault::not_found("WORKER_NOT_FOUND", message)))
        }
    }
}
