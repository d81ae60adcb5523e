//! Deployed components and their versions.

use crate::app::{Scope, Shared};
use crate::body::{self, Sent};
use crate::caller::Who;
use crate::handlers::{Segment, name_problem, upload};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{DeployedView, ErrorBody, FunctionView, Page, json, json_at};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode, Uri, header};
use runtime::Deployed;
use serde::{Deserialize, Serialize};
use types::{At, FunctionName};
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/functions", tag = "functions",
    responses((status = 200, description = "All that are not deleted, by name", body = Page<FunctionView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let functions = scope.object.functions(&caller).await?;
    Ok(json(&Page::whole(functions.iter(), |f| FunctionView::of(&scope, f, false))))
}

#[utoipa::path(
    put, path = "/api/functions/{name}", tag = "functions",
    params(
        ("name" = String, Path, description = "1 to 64 of a-z, 0-9 and -, beginning with a letter"),
        ("dryRun" = Option<bool>, Query, description = "Check and compile, but change nothing"),
    ),
    request_body(
        content_type = "application/wasm",
        description = "The component; or multipart/form-data with the parts `component`, and if wanted `manifest` (JSON) and `assets` (tar); or, as application/json, the definition of a function without one: {\"type\": \"generative\", \"prompt\": \"Classify {{input.text}}\"}"
    ),
    responses(
        (status = 200, description = "A new version of a function that was there, or unchanged", body = DeployedView),
        (status = 201, description = "A new function", body = DeployedView),
        (status = 413, description = "Larger than 64 MiB (component) or 32 MiB (assets)", body = ErrorBody),
        (status = 415, description = "Neither application/wasm, multipart/form-data nor application/json", body = ErrorBody),
        (status = 422, description = "No component that can run here, no manifest, or no definition", body = ErrorBody),
        (status = 507, description = "The host's disk is full", body = ErrorBody),
    )
)]
pub(crate) async fn deploy(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    name: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let name = FunctionName::parse(&name.0).map_err(|e| Problem::validation(e.to_string()))?;
    let dry_run = Fields::read(request.uri(), &["dryRun"])?.parsed("dryRun", "true or false")?.unwrap_or(false);
    let scopes = &caller.identity.scopes;
    if !scopes.allow("Function", "create") && !scopes.allow("Function", "update") {
        // Before the upload, so that nobody fills the disk who may not deploy.
        return Err(types::Fault::forbidden("deploying needs the scope Function.create or Function.update").into());
    }
    if is_json(request.headers()) {
        let (parts, body) = request.into_parts();
        let sent = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
        let document = body::json(&sent)?.to_value();
        let deployed = scope.object.declare(&caller, name, &document, dry_run).await?;
        return told(&scope, &deployed, dry_run);
    }
    let _place = app.uploads.try_acquire().map_err(|_| Problem::busy("too many uploads run at once"))?;
    let files = upload::receive(&app.config, request).await?;
    let deployed = scope.object.deploy(&caller, name, files.upload(), dry_run).await?;
    told(&scope, &deployed, dry_run)
}

/// Whether it is a definition that comes, and no component.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn told(scope: &Scope, deployed: &Deployed, dry_run: bool) -> Result<Response, Problem> {
    let status = if deployed.created && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    let location = scope.link(&format!("/api/functions/{}", deployed.function.name));
    let view =
        DeployedView { function: FunctionView::of(scope, &deployed.function, false), unchanged: deployed.unchanged };
    json_at(status, (status == StatusCode::CREATED).then_some(location.as_str()), &view)
}

#[utoipa::path(
    get, path = "/api/functions/{name}", tag = "functions",
    params(("name" = String, Path, description = "With `@v3` or `@~1` for another version")),
    responses(
        (status = 200, description = "One version", body = FunctionView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 410, description = "This version says that it was deleted", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let (name, at) = name.function()?;
    let function = scope.object.function(&caller, &name, at).await?;
    Ok(json(&FunctionView::of(&scope, &function, false)))
}

#[utoipa::path(
    get, path = "/api/functions/{name}/versions", tag = "functions", params(("name" = String, Path)),
    responses((status = 200, description = "Newest first, delete markers included", body = Page<FunctionView>))
)]
pub(crate) async fn versions(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let versions = scope.object.function_versions(&caller, &name.bare_function()?).await?;
    Ok(json(&Page::whole(versions.iter(), |(f, deleted)| FunctionView::of(&scope, f, *deleted))))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// `v3`, or `~1` for the one before the newest, which is also what is meant without it.
    #[serde(default = "before_the_newest")]
    #[schema(example = "~1")]
    to: String,
}

fn before_the_newest() -> String {
    "~1".to_owned()
}

#[utoipa::path(
    post, path = "/api/functions/{name}/rollback", tag = "functions", params(("name" = String, Path)),
    request_body = Rollback,
    responses(
        (status = 200, description = "The earlier version, as a new one", body = FunctionView),
        (status = 404, description = "There is no such version", body = ErrorBody),
    )
)]
pub(crate) async fn rollback(Who { scope, caller }: Who, name: Segment, sent: Sent) -> Result<Response, Problem> {
    let name = name.bare_function()?;
    let Rollback { to } = sent.document().await?;
    let to = At::parse(to.strip_prefix('@').unwrap_or(&to)).map_err(name_problem)?;
    if to == At::Head {
        return Err(Problem::validation("to must name an earlier version: v3, or ~1 for the one before the newest"));
    }
    let function = scope.object.rollback(&caller, &name, to).await?;
    Ok(json(&FunctionView::of(&scope, &function, false)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Removed)]
pub(crate) struct RemovedView {
    name: String,
    /// The version that says so.
    version: u64,
    deleted: bool,
}

#[utoipa::path(
    delete, path = "/api/functions/{name}", tag = "functions", params(("name" = String, Path)),
    responses(
        (status = 200, description = "It cannot be invoked any more; its history stays", body = RemovedView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    let name = name.bare_function()?;
    let version = scope.object.delete_function(&caller, &name).await?;
    Ok(json(&RemovedView { name: name.to_string(), version, deleted: true }))
}
