//! Other durable objects, and what they are to this one (spec 2.7).

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, ObjectView, Page, json, json_at};
use axum::response::Response;
use http::{StatusCode, Uri};
use runtime::RelationWanted;
use serde::Deserialize;
use types::{Namespace, ObjectRelation};
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/objects", tag = "objects",
    responses((status = 200, description = "This object's parent, its children, and what else it knows", body = Page<ObjectView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who) -> Result<Response, Problem> {
    let objects = scope.object.objects(&caller).await?;
    let mut followers = scope.object.followers(&caller).await?;
    let view = |row: types::ObjectRow| {
        let follows = followers.iter().position(|f| f.namespace == row.namespace).map(|n| followers.swap_remove(n));
        ObjectView::of(row).following(follows)
    };
    Ok(json(&Page::whole(objects, view)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ObjectRequest {
    /// Its URL, unique on the installation.
    #[schema(example = "https://crm.example/acme")]
    ns: String,
    /// `Business`, `App`, `Site`, …; `App` unless given.
    class: Option<String>,
}

#[utoipa::path(
    post, path = "/api/objects", tag = "objects", request_body = ObjectRequest,
    responses(
        (status = 201, description = "A new object, below this one", body = ObjectView),
        (status = 400, description = "`ns` is no URL of an object", body = ErrorBody),
        (status = 403, description = "It would not lie below this one", body = ErrorBody),
        (status = 409, description = "It exists", body = ErrorBody),
        (status = 422, description = "No class", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let wanted: ObjectRequest = sent.document().await?;
    let namespace = Namespace::parse(&wanted.ns).map_err(|e| Problem::bad_request(format!("ns: {e}")))?;
    let class = wanted.class.unwrap_or_else(|| "App".to_owned());
    let row = scope.object.create_object(&caller, namespace, class).await?;
    json_at(StatusCode::CREATED, Some(row.namespace.clone().as_str()), &ObjectView::of(row))
}

#[utoipa::path(
    get, path = "/api/objects/{ns}", tag = "objects",
    params(("ns" = String, Path, description = "Its URL, percent-encoded")),
    responses(
        (status = 200, description = "What this object has of it", body = ObjectView),
        (status = 404, description = "It knows none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, ns: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let row = scope.object.object_named(&caller, &named(&ns)?).await?;
    let follows = scope.object.followers(&caller).await?.into_iter().find(|f| f.namespace == row.namespace);
    Ok(json(&ObjectView::of(row).following(follows)))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RelationRequest {
    /// `parent`, `child`, `follower`, `shard` or `reference`.
    #[schema(value_type = String, example = "follower")]
    relation: ObjectRelation,
    /// What of a shard's things is hashed.
    shard_key: Option<String>,
    shard_index: Option<u32>,
    /// What a follower is told of: `Customer.*`, `*.created`; everything unless given.
    #[schema(example = "Customer.*")]
    event: Option<String>,
    /// A condition on those events.
    #[schema(example = "data.amount > 1000")]
    filter: Option<String>,
}

#[utoipa::path(
    put, path = "/api/objects/{ns}", tag = "objects", request_body = RelationRequest,
    params(("ns" = String, Path, description = "Its URL, percent-encoded")),
    responses(
        (status = 200, description = "It was known, and is this now", body = ObjectView),
        (status = 201, description = "It was not known", body = ObjectView),
        (status = 400, description = "No URL of an object", body = ErrorBody),
        (status = 403, description = "The key is not of an object above all that change, or of the follower or an object above it", body = ErrorBody),
        (status = 404, description = "There is no such object on this server", body = ErrorBody),
        (status = 409, description = "A cycle, or it is this object's parent or child", body = ErrorBody),
        (status = 422, description = "No relation, or no event or filter for a follower", body = ErrorBody),
    )
)]
pub(crate) async fn relate(Who { scope, caller }: Who, ns: Segment, sent: Sent) -> Result<Response, Problem> {
    let namespace = Namespace::parse(&ns.0).map_err(|e| Problem::bad_request(e.to_string()))?;
    let RelationRequest { relation, shard_key, shard_index, event, filter } = sent.document().await?;
    let wanted = RelationWanted { relation, shard_key, shard_index, event, filter };
    let (row, created) = scope.object.relate_object(&caller, &namespace, wanted).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let follows = scope.object.followers(&caller).await?.into_iter().find(|f| f.namespace == row.namespace);
    json_at(status, None, &ObjectView::of(row).following(follows))
}

/// Nothing is known under what is no namespace.
fn named(ns: &Segment) -> Result<Namespace, Problem> {
    Namespace::parse(&ns.0).map_err(|e| Problem::not_found(e.to_string()))
}
