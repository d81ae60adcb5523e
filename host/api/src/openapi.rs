//! The OpenAPI document: gathered from the handlers, so that it says what they do.

use crate::handlers::{
    actions, actions_log, agent_runs, agents, answers, approvals, branches, checkout, dead_letters, deployments,
    events, events_stream, functions, index, invocations, keys, lifecycle, logs, merge, models, nouns, objects,
    schedules, secrets, self_, status, subscriptions, things, undo, verbs, workers, workflow_runs, workflows,
};
use crate::views;
use std::sync::OnceLock;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "org.ai",
        description = "Durable objects that run functions as sandboxed WebAssembly components. A URL names an object; on a loopback host the header DO-Namespace does.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        status::health, status::ready,
        index::index, index::openapi, index::whoami,
        actions::list, actions::show, actions::invoke,
        actions_log::list, actions_log::show, actions_log::cancel,
        functions::list, functions::deploy, functions::show, functions::versions, functions::rollback,
        functions::remove, logs::read,
        invocations::list, invocations::show, invocations::upgrade,
        keys::list, keys::create, keys::revoke,
        deployments::list, deployments::show, deployments::apply, deployments::rollback, deployments::remove,
        secrets::list, secrets::store, secrets::remove,
        models::generate, models::usage, models::set_budget, models::remove_budget,
        schedules::list, schedules::create, schedules::show, schedules::change, schedules::remove, schedules::run,
        schedules::pause, schedules::resume,
        objects::list, objects::create, lifecycle::destroy, lifecycle::begin,
        events::list,
        answers::page::show, answers::page::decide, answers::slack::interact, answers::sms::reply,
        subscriptions::list, subscriptions::create, subscriptions::remove,
        dead_letters::list, dead_letters::replay, dead_letters::replay_many, dead_letters::remove, dead_letters::purge,
        branches::list, branches::create, branches::show, branches::remove, checkout::create, merge::create,
        self_::show, self_::change, objects::show, objects::relate,
        undo::undo, undo::retry, verbs::list, verbs::show, verbs::store, events_stream::stream,
        things::list::list, things::create, things::show, things::put, things::patch, things::remove,
        things::restore, things::history::list, things::history::show, things::history::diff, things::batch::run,
        things::edges::outbound, things::edges::relate, things::edges::unrelate, things::edges::inbound,
        things::url::canonical, things::url::short,
        nouns::list, nouns::show, nouns::store, nouns::remove,
        workflows::list, workflows::show, workflows::store, workflows::remove, workflow_runs::run, workflow_runs::start_alias,
        workflow_runs::runs, workflow_runs::run_shown, workflow_runs::history, workflow_runs::pause, workflow_runs::resume,
        workflow_runs::cancel, workflow_runs::send,
        agents::list, agents::create, agents::show, agents::store, agents::run, agents::memory, agents::remember,
        agent_runs::list, agent_runs::run_self, agent_runs::goal,
        approvals::list, approvals::create, approvals::show, approvals::decide,
        workers::ask, workers::ask_self, workers::tasks,
    ),
    components(schemas(views::ErrorBody, things::batch::BatchOperation)),
    modifiers(&Credentials),
    security(("bearer" = []), ("apiKey" = []))
)]
struct Document;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An API key: sk_…")).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("apiKey", key);
    }
}

/// Written once in the life of the process.
pub(crate) fn json() -> &'static str {
    static JSON: OnceLock<String> = OnceLock::new();
    JSON.get_or_init(|| Document::openapi().to_pretty_json().expect("the document serialises to JSON"))
}
