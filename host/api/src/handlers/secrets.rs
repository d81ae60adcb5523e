//! Secrets of an object: put in, never shown.

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::views::{ErrorBody, Page, SecretView, json};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/secrets", tag = "secrets",
    responses((status = 200, description = "Their names", body = Page<SecretView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who) -> Result<Response, Problem> {
    let names = scope.object.secret_names(&caller).await?;
    Ok(json(&Page::whole(names, |name| SecretView { name })))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretValue {
    /// 1 byte to 64 KiB.
    value: String,
}

#[utoipa::path(
    put, path = "/api/secrets/{name}", tag = "secrets", params(("name" = String, Path)), request_body = SecretValue,
    responses(
        (status = 204, description = "Stored, or replaced"),
        (status = 422, description = "A name or a value that cannot be", body = ErrorBody),
    )
)]
pub(crate) async fn store(Who { scope, caller }: Who, name: Segment, sent: Sent) -> Result<Response, Problem> {
    let SecretValue { value } = sent.document().await?;
    scope.object.put_secret(&caller, &name.0, &value).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    delete, path = "/api/secrets/{name}", tag = "secrets", params(("name" = String, Path)),
    responses(
        (status = 204, description = "Gone"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    scope.object.delete_secret(&caller, &name.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
