//! The route table.

use crate::app::Shared;
use crate::handlers::{
    actions, actions_log, agent_runs, agents, answers, approvals, branches, checkout, dead_letters, deployments,
    events, events_stream, functions, index, invocations, keys, lifecycle, logs, merge, models, nouns, objects,
    schedules, secrets, self_, status, subscriptions, things, undo, verbs, workers, workflow_runs, workflows,
};
use crate::mcp;
use crate::problem::Problem;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use http::{Method, StatusCode};

/// Whether a path means the host, whatever object the rest of the URL names.
pub(crate) fn is_of_host(path: &str) -> bool {
    matches!(path, "/health" | "/ready" | "/_test/clock")
}

/// Public, and answered without looking at any object.
pub(crate) fn of_host(app: Shared) -> Router {
    let mut router = Router::new().route("/health", get(status::health)).route("/ready", get(status::ready));
    if app.node.manual_clock().is_some() {
        router = router.route("/_test/clock", post(status::set_clock));
    }
    finish(router).with_state(app)
}

/// Inside of an object; paths are those behind its namespace.
pub(crate) fn of_object(app: Shared) -> Router {
    let router = Router::new()
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/", get(index::index))
        .route("/api", get(index::index))
        .route("/api/openapi.json", get(index::openapi))
        .route("/api/whoami", get(index::whoami))
        .route("/api/actions", get(actions::list))
        .route("/api/actions/{action}", get(actions::show).post(actions::invoke))
        .route("/api/actions-log", get(actions_log::list))
        .route("/api/actions-log/{id}", get(actions_log::show))
        .route("/api/actions-log/{id}/cancel", post(actions_log::cancel))
        .route("/api/functions", get(functions::list))
        .route("/api/functions/{name}", put(functions::deploy).get(functions::show).delete(functions::remove))
        .route("/api/functions/{name}/versions", get(functions::versions))
        .route("/api/functions/{name}/rollback", post(functions::rollback))
        .route("/api/functions/{name}/upgrade", post(invocations::upgrade))
        .route("/api/functions/{name}/logs", get(logs::read))
        .route("/api/deployments", get(deployments::list).post(deployments::apply))
        .route("/api/deployments/rollback", post(deployments::rollback))
        .route("/api/deployments/{version}", get(deployments::show).delete(deployments::remove))
        .route("/api/invocations", get(invocations::list))
        .route("/api/invocations/{id}", get(invocations::show))
        .route("/api/keys", get(keys::list).post(keys::create))
        .route("/api/keys/{id}", delete(keys::revoke))
        .route("/api/secrets", get(secrets::list))
        .route("/api/secrets/{name}", put(secrets::store).delete(secrets::remove))
        .route("/api/objects", get(objects::list).post(objects::create))
        .route("/api/generate", post(models::generate))
        .route("/api/usage", get(models::usage))
        .route("/api/budget", put(models::set_budget).delete(models::remove_budget))
        .merge(of_schedules())
        .merge(of_branches())
        .merge(of_workflows())
        .merge(of_agents())
        .merge(of_workers())
        .route("/api/events", get(events::list))
        .merge(of_the_bus())
        .merge(of_answers())
        .merge(crate::console::routes())
        .route("/mcp", post(mcp::answer))
        .merge(of_things());
    finish(router).with_state(app)
}

/// Who is told of events, and what could not be told.
fn of_the_bus() -> Router<Shared> {
    Router::new()
        .route("/api/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/api/subscriptions/{name}", delete(subscriptions::remove))
        .route("/api/events/dlq", get(dead_letters::list))
        .route("/api/events/dlq/replay", post(dead_letters::replay_many))
        .route("/api/events/dlq/purge", post(dead_letters::purge))
        .route("/api/events/dlq/{id}", delete(dead_letters::remove))
        .route("/api/events/dlq/{id}/replay", post(dead_letters::replay))
}

/// Who answers without a key: by what was signed for them.
fn of_answers() -> Router<Shared> {
    Router::new()
        .route("/approvals/{id}", get(answers::page::show).post(answers::page::decide))
        .route("/api/slack/interactions", post(answers::slack::interact))
        .route("/api/sms/replies", post(answers::sms::reply))
}

/// Things and their kinds: whatever no other route takes. A word of another route wins over `{type}` because it is
/// the more specific one (spec ID-9).
fn of_things() -> Router<Shared> {
    let one = || get(things::show).put(things::put).patch(things::patch).delete(things::remove);
    Router::new()
        .route("/api/nouns", get(nouns::list))
        .route("/api/nouns/{noun}", get(nouns::show).put(nouns::store).delete(nouns::remove))
        .route("/api/{type}", get(things::list::list).post(things::create))
        // It may be an id, too; only what is posted there is a batch.
        .route("/api/{type}/_batch", one().post(things::batch::run))
        .route("/api/{type}/{id}", one())
        .route("/api/{type}/{id}/restore", post(things::restore))
        .route("/api/{type}/{id}/versions", get(things::history::list))
        .route("/api/{type}/{id}/versions/{version}", get(things::history::show))
        .route("/api/{type}/{id}/diff", get(things::history::diff))
        .route("/api/{type}/{id}/relationships", get(things::edges::outbound))
        .route("/api/{type}/{id}/relationships/{verb}", put(things::edges::relate).delete(things::edges::unrelate))
        .route("/api/{type}/{id}/references", get(things::edges::inbound))
        .route("/{type}/{id}", get(things::url::canonical))
        .route("/{id}", get(things::url::short))
}

/// Lines of versions, what was done on them, and what came of it.
fn of_branches() -> Router<Shared> {
    Router::new()
        .route("/api/branches", get(branches::list).post(branches::create))
        .route("/api/branches/{name}", get(branches::show).delete(branches::remove))
        .route("/api/checkout", post(checkout::create))
        .route("/api/merge", post(merge::create))
        .route("/api/$self", get(self_::show).patch(self_::change))
        .route("/api/objects/{ns}", get(objects::show).put(objects::relate).delete(lifecycle::destroy))
        .route("/api/lifecycle/{op}", post(lifecycle::begin))
        .route("/api/verbs", get(verbs::list))
        .route("/api/verbs/{action}", get(verbs::show).put(verbs::store))
        .route("/api/events/stream", get(events_stream::stream))
        .route("/api/actions-log/{id}/undo", post(undo::undo))
        .route("/api/actions-log/{id}/retry", post(undo::retry))
}

/// What is done again and again.
fn of_schedules() -> Router<Shared> {
    Router::new()
        .route("/api/schedules", get(schedules::list).post(schedules::create))
        .route("/api/schedules/{name}", get(schedules::show).patch(schedules::change).delete(schedules::remove))
        .route("/api/schedules/{name}/run", post(schedules::run))
        .route("/api/schedules/{name}/pause", post(schedules::pause))
        .route("/api/schedules/{name}/resume", post(schedules::resume))
}

/// Agents, their goals and what they keep.
fn of_agents() -> Router<Shared> {
    Router::new()
        .route("/api/agents", get(agents::list).post(agents::create))
        .route("/api/agents/{id}", get(agents::show).put(agents::store))
        .route("/api/agents/{id}/run", post(agents::run))
        .route("/api/agents/{id}/runs", get(agent_runs::list))
        .route("/api/agents/{id}/memory", get(agents::memory).post(agents::remember))
        .route("/api/$self/run", post(agent_runs::run_self))
        .route("/api/$self/goals/{id}", get(agent_runs::goal))
}

/// Workflows and their runs.
fn of_workflows() -> Router<Shared> {
    Router::new()
        .route("/api/workflows", get(workflows::list))
        .route("/api/workflows/{name}", get(workflows::show).put(workflows::store).delete(workflows::remove))
        .route("/api/workflows/{name}/run", post(workflow_runs::run))
        .route("/api/workflows/{name}/start", post(workflow_runs::start_alias))
        .route("/api/workflows/{name}/runs", get(workflow_runs::runs))
        .route("/api/workflows/{name}/runs/{id}", get(workflow_runs::run_shown))
        .route("/api/workflows/{name}/runs/{id}/history", get(workflow_runs::history))
        .route("/api/workflows/{name}/runs/{id}/pause", post(workflow_runs::pause))
        .route("/api/workflows/{name}/runs/{id}/resume", post(workflow_runs::resume))
        .route("/api/workflows/{name}/runs/{id}/cancel", post(workflow_runs::cancel))
        .route("/api/workflows/{name}/runs/{id}/events/{event}", post(workflow_runs::send))
}

/// Agents and people, and what they are asked for.
fn of_workers() -> Router<Shared> {
    Router::new()
        .route("/api/approvals", get(approvals::list).post(approvals::create))
        .route("/api/approvals/{id}", get(approvals::show))
        .route("/api/approvals/{id}/{verb}", post(approvals::decide))
        .route("/api/workers/{worker}/{method}", post(workers::ask))
        .route("/api/$self/tasks", get(workers::tasks))
        .route("/api/$self/{method}", post(workers::ask_self))
}

/// What answers when nothing else does. Handlers limit their bodies themselves.
fn finish(router: Router<Shared>) -> Router<Shared> {
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).layer(DefaultBodyLimit::disable())
}

async fn unknown() -> Problem {
    Problem::not_found("there is no such route; GET /api lists what there is")
}

/// The router adds `Allow`.
async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let message = format!("this route does not take {method}; the header Allow names what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message).into_response()
}
