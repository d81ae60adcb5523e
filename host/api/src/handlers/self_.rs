//! What an object tells of itself (spec CLS-2).

use crate::caller::Who;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::json;
use axum::response::Response;
use http::Uri;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = SelfView)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SelfView {
    #[schema(example = "https://acme.example")]
    ns: String,
    #[schema(example = "Business")]
    class: String,
    /// Null for the root.
    parent: Option<String>,
    children: Children,
    /// Null: the installation's first location.
    region: Option<String>,
    /// The newest version of any thing.
    version: u64,
    /// Of the newest event.
    sequence: u64,
    default_branch: &'static str,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Children {
    count: u64,
}

#[utoipa::path(
    get, path = "/api/$self", tag = "objects",
    responses((status = 200, description = "What the object is", body = SelfView))
)]
pub(crate) async fn show(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let about = scope.object.about(&caller).await?;
    Ok(json(&SelfView {
        ns: about.namespace.to_string(),
        class: about.class,
        parent: about.parent.map(|ns| ns.to_string()),
        children: Children { count: about.children },
        region: about.region,
        version: about.version,
        sequence: about.sequence,
        default_branch: "main",
        created_at: about.created_at.to_string(),
    }))
}
