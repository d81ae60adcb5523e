//! The durable objects below this one.

use crate::app::Shared;
use crate::body;
use crate::caller::Who;
use crate::problem::Problem;
use crate::views::{ErrorBody, ObjectView, Page, json, json_at};
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use types::Namespace;
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/objects", tag = "objects",
    responses((status = 200, description = "The children of this object", body = Page<ObjectView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who) -> Result<Response, Problem> {
    let objects = scope.object.objects(&caller).await?;
    Ok(json(&Page::whole(objects.into_iter().map(ObjectView::of).collect())))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRequest {
    /// Its URL, unique on the installation.
    #[schema(example = "https://crm.example/acme")]
    ns: String,
    /// One word; `App` unless given.
    class: Option<String>,
}

#[utoipa::path(
    post, path = "/api/objects", tag = "objects", request_body = ObjectRequest,
    responses(
        (status = 201, description = "A new object, below this one", body = ObjectView),
        (status = 403, description = "It would not lie below this one", body = ErrorBody),
        (status = 409, description = "It exists", body = ErrorBody),
        (status = 422, description = "No namespace, or no class", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let wanted: ObjectRequest = body::document(&body::read(&parts.headers, body, app.config.body_idle_timeout).await?)?;
    let namespace = Namespace::parse(&wanted.ns).map_err(|e| Problem::validation(e.to_string()))?;
    let class = wanted.class.unwrap_or_else(|| "App".to_owned());
    let row = scope.object.create_object(&caller, namespace, class).await?;
    json_at(StatusCode::CREATED, Some(row.namespace.clone().as_str()), &ObjectView::of(row))
}
