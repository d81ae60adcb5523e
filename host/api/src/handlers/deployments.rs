//! Whole applications: planned, applied, listed, taken back (spec CFG-5).

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::Response;
use http::{StatusCode, Uri};
use runtime::{Applied, DeploymentOptions, DeploymentShown};
use serde::{Deserialize, Serialize};
use types::deployment::{ChangeKind, Deployment};
use types::{Fault, FunctionName};
use utoipa::ToSchema;

/// What a deployment changed, or would.
#[derive(Serialize, ToSchema)]
#[schema(as = DeploymentPlan)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    /// Of the application.
    #[schema(example = "shop")]
    name: String,
    /// What is in effect after it; null when nothing is.
    version: Option<u64>,
    /// `{kind, name, change: add | change | remove | keep, from?, to?}`, by kind and name.
    #[schema(value_type = Vec<Object>)]
    changes: Vec<types::deployment::Change>,
    warnings: Vec<String>,
}

impl PlanView {
    fn of(applied: Applied) -> Self {
        let Applied { name, version, plan } = applied;
        Self { name: name.to_string(), version, changes: plan.changes, warnings: plan.warnings }
    }
}

/// One version of an application.
#[derive(Serialize, ToSchema)]
#[schema(as = Deployment)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentView {
    name: String,
    version: u64,
    created_at: String,
    /// Who deployed it.
    actor: String,
    /// It is what is in effect.
    current: bool,
    /// All of it, with what its apps say of themselves; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    deployment: Option<Deployment>,
}

impl DeploymentView {
    fn brief(shown: DeploymentShown) -> Self {
        Self { deployment: None, ..Self::of(shown) }
    }

    fn of(shown: DeploymentShown) -> Self {
        let DeploymentShown { name, version, at, actor, is_current, deployment } = shown;
        let deployment = Some(deployment);
        Self { name, version, created_at: at.to_string(), actor, current: is_current, deployment }
    }
}

#[utoipa::path(
    get, path = "/api/deployments", tag = "deployments",
    responses((status = 200, description = "Each application's versions, newest first", body = Page<DeploymentView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let deployments = scope.object.deployments(&caller).await?;
    Ok(json(&Page::whole(deployments, DeploymentView::brief)))
}

#[utoipa::path(
    get, path = "/api/deployments/{version}", tag = "deployments", params(("version" = u64, Path)),
    responses(
        (status = 200, description = "One version", body = DeploymentView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, version: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let text = version.0.strip_prefix('v').unwrap_or(&version.0);
    let version = text.parse().map_err(|_| {
        Fault::not_found("DEPLOYMENT_NOT_FOUND", "a deployment is shown by its version, like /api/deployments/17")
    })?;
    Ok(json(&DeploymentView::of(scope.object.deployment(&caller, version).await?)))
}

#[utoipa::path(
    post, path = "/api/deployments", tag = "deployments",
    params(
        ("dryRun" = Option<bool>, Query, description = "Check and compare, but change nothing"),
        ("allowDeleteClass" = Option<bool>, Query, description = "Classes that a migration deletes may go"),
    ),
    request_body(
        content = serde_json::Value,
        description = "The whole application, as `org.ai deploy` reads it from do.toml. Its components are uploaded before, with PUT /api/functions/{name}"
    ),
    responses(
        (status = 201, description = "It is in effect", body = PlanView),
        (status = 200, description = "Only planned, or it was in effect already", body = PlanView),
        (status = 409, description = "Somebody else deployed it meanwhile, or an earlier deploy waits for its probe", body = ErrorBody),
        (status = 422, description = "Everything that is wrong with it, by path", body = ErrorBody),
        (status = 502, description = "Its probe failed; what was there before is in effect again", body = ErrorBody),
    )
)]
pub(crate) async fn apply(Who { scope, caller }: Who, uri: Uri, sent: Sent) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["dryRun", "allowDeleteClass"])?;
    let mut flag = |name| Ok::<_, Problem>(fields.parsed(name, "true or false")?.unwrap_or(false));
    let options = DeploymentOptions { dry_run: flag("dryRun")?, allow_delete_class: flag("allowDeleteClass")? };
    let wanted: Deployment = sent.document().await?;
    let applied = scope.object.apply_deployment(&caller, wanted, options).await?;
    let is_new = !options.dry_run && applied.plan.changes.iter().any(|change| change.change != ChangeKind::Keep);
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = applied.version.filter(|_| is_new).map(|v| scope.link(&format!("/api/deployments/{v}")));
    json_at(status, location.as_deref(), &PlanView::of(applied))
}

#[utoipa::path(
    delete, path = "/api/deployments/{name}", tag = "deployments",
    params(("name" = String, Path, description = "Of the application")),
    responses(
        (status = 200, description = "Nothing of what it declared is in effect; its components stay uploaded", body = PlanView),
        (status = 404, description = "No such application is deployed", body = ErrorBody),
        (status = 409, description = "Somebody else deployed it meanwhile, or an earlier deploy waits for its probe", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let name = FunctionName::parse(&name.0).map_err(|_| {
        Fault::not_found("DEPLOYMENT_NOT_FOUND", "an application is deleted by its name, like /api/deployments/shop")
    })?;
    Ok(json(&PlanView::of(scope.object.delete_deployment(&caller, &name).await?)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = DeploymentRollback)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// Of `GET /api/deployments`.
    version: u64,
}

#[utoipa::path(
    post, path = "/api/deployments/rollback", tag = "deployments", request_body = Rollback,
    responses(
        (status = 200, description = "The earlier version is in effect, as a new one; data stay as they are", body = PlanView),
        (status = 404, description = "There is no such version", body = ErrorBody),
    )
)]
pub(crate) async fn rollback(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let Rollback { version } = sent.document().await?;
    Ok(json(&PlanView::of(scope.object.roll_back_deployment(&caller, version).await?)))
}
