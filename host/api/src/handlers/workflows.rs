//! Workflows (spec 8): what they are. Their runs are in `workflow_runs.rs`.

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, json};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::WorkflowShown;
use serde::{Deserialize, Serialize};
use types::deployment::{WorkflowBody, WorkflowSpec};
use types::{Fault, Json};
use utoipa::ToSchema;

/// A workflow.
#[derive(Serialize, ToSchema)]
#[schema(as = Workflow)]
pub(crate) struct WorkflowView {
    #[schema(example = "order-flow")]
    name: String,
    description: Option<String>,
    /// `manual`, `event` or `schedule`.
    trigger: &'static str,
    version: u64,
}

/// A workflow with what it does.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowDefinition)]
pub(crate) struct DefinitionView {
    name: String,
    version: u64,
    /// As `PUT` takes it.
    #[schema(value_type = Object)]
    definition: Json,
}

/// All workflows, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = Workflows)]
pub(crate) struct WorkflowsView {
    workflows: Vec<WorkflowView>,
}

#[utoipa::path(
    get, path = "/api/workflows", tag = "workflows",
    responses((status = 200, description = "All, by name", body = WorkflowsView))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let workflows = scope.object.workflows(&caller).await?;
    let view = |shown: WorkflowShown| WorkflowView {
        trigger: shown.trigger(),
        name: shown.spec.name,
        description: shown.spec.description,
        version: shown.version,
    };
    Ok(json(&WorkflowsView { workflows: workflows.into_iter().map(view).collect() }))
}

#[utoipa::path(
    get, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    responses(
        (status = 200, description = "Its newest definition", body = DefinitionView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let shown = scope.object.workflow(&caller, &name.0).await?;
    Ok(json(&DefinitionView::of(shown)))
}

impl DefinitionView {
    fn of(shown: WorkflowShown) -> Self {
        Self { name: shown.spec.name.clone(), version: shown.version, definition: Json::of(&shown.spec) }
    }
}

/// A definition, with its name in the path.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DefinitionRequest {
    /// As in the path, or absent.
    name: Option<String>,
    description: Option<String>,
    /// `"manual"`, `{"event": {"event": "Order.paid"}}` or `{"schedule": {"schedule": "every hour"}}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    trigger: types::deployment::Trigger,
    timeout_ms: Option<u64>,
    concurrency: Option<u32>,
    #[schema(value_type = Option<String>)]
    on_failure: Option<types::deployment::Handler>,
    /// `{"handler": "shop#order"}` or `{"steps": [{"do": {"name": "pay", "action": "pay"}}]}`.
    #[schema(value_type = Object)]
    run: WorkflowBody,
}

#[utoipa::path(
    put, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    request_body = DefinitionRequest,
    responses(
        (status = 200, description = "It is in effect; runs that began go on as they began", body = DefinitionView),
        (status = 400, description = "The body is about another one", body = ErrorBody),
        (status = 422, description = "It is no definition; `details.problems` has all that is wrong", body = ErrorBody),
    )
)]
pub(crate) async fn store(who: Who, Path(name): Path<String>, sent: Sent) -> Result<Response, Problem> {
    super::things::allowed(&who.caller, "workflows", "update")?;
    let wanted: DefinitionRequest = sent.document_or_empty().await?;
    if wanted.name.as_ref().is_some_and(|other| *other != name) {
        return Err(Fault::invalid("BODY_MISMATCH", "the body is about another workflow than the path").into());
    }
    let DefinitionRequest { name: _, description, trigger, timeout_ms, concurrency, on_failure, run } = wanted;
    let spec = WorkflowSpec { name, description, trigger, timeout_ms, concurrency, on_failure, run };
    Ok(json(&DefinitionView::of(who.scope.object.set_workflow(&who.caller, spec).await?)))
}

#[utoipa::path(
    delete, path = "/api/workflows/{name}", tag = "workflows", params(("name" = String, Path)),
    responses(
        (status = 204, description = "No run begins any more; those that began go on"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    scope.object.delete_workflow(&caller, &name.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
