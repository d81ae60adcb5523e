//! Deliveries of events that failed and are not tried any more (spec ON-5).

use crate::body::Sent;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{FailedDelivery, FailedFilter, FailedWanted, Replayed};
use serde::{Deserialize, Serialize};
use types::{FailedStanding, Json};
use utoipa::ToSchema;

/// A delivery that failed for good.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterView {
    id: String,
    event_id: String,
    verb: String,
    /// `Noun/id`.
    source: String,
    subscription: String,
    #[schema(value_type = Object)]
    data: serde_json::Value,
    /// Of the last attempt: `code`, `message`, `kind`.
    #[schema(value_type = Object)]
    error: Json,
    /// Attempts so far without the first.
    retry_count: u32,
    max_retries: u32,
    first_failed_at: String,
    last_attempt_at: String,
}

impl DeadLetterView {
    fn of(failed: FailedDelivery) -> Self {
        let FailedDelivery { row, first_failed_at } = failed;
        let mut payload = row.payload.to_value();
        let text = |member: &str| payload[member].as_str().unwrap_or_default().to_owned();
        let (event_id, verb, source) = (text("id"), text("verb"), text("source"));
        Self {
            id: row.id.to_string(),
            event_id,
            verb,
            source,
            subscription: row.subscription,
            data: payload["data"].take(),
            error: Json::of(&row.error),
            retry_count: row.retries,
            max_retries: row.max_retries,
            first_failed_at: first_failed_at.to_string(),
            last_attempt_at: row.at.to_string(),
        }
    }
}

#[utoipa::path(
    get, path = "/api/events/dlq", tag = "events",
    params(
        ("subscription" = Option<String>, Query),
        ("archived" = Option<bool>, Query, description = "Those that were purged and kept"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses((status = 200, description = "Oldest first", body = Page<DeadLetterView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["subscription", "archived", "cursor", "limit"])?;
    let is_archived = fields.parsed("archived", "true or false")?.unwrap_or(false);
    let filter = FailedFilter {
        standing: if is_archived { FailedStanding::Archived } else { FailedStanding::Dead },
        subscription: fields.text("subscription"),
        after: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(limits::PAGE_MAX)?,
    };
    let page = scope.object.failed_deliveries(&caller, &filter).await?;
    Ok(json(&Page::of(page, DeadLetterView::of)))
}

/// What came of a replay.
#[derive(Serialize, ToSchema)]
#[schema(as = Replay)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayView {
    /// `succeeded`: the dead letter is gone; `failed`: it stays; `running`: it takes longer than half a minute.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetterView>,
    /// The action that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    action_id: Option<String>,
}

#[utoipa::path(
    post, path = "/api/events/dlq/{id}/replay", tag = "events", params(("id" = String, Path)),
    responses(
        (status = 200, description = "The handler ran once more, as it is now", body = ReplayView),
        (status = 202, description = "It runs still", body = ReplayView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "Its subscription was removed", body = ErrorBody),
    )
)]
pub(crate) async fn replay(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    let replayed = scope.object.replay_failed_delivery(&caller, id.id("dead letter")?).await?;
    let (code, status, dead_letter, action_id) = match replayed {
        Replayed::Succeeded => (StatusCode::OK, "succeeded", None, None),
        Replayed::Failed(failed) => (StatusCode::OK, "failed", Some(DeadLetterView::of(*failed)), None),
        Replayed::Running(action) => (StatusCode::ACCEPTED, "running", None, Some(action.to_string())),
    };
    json_at(code, None, &ReplayView { status, dead_letter, action_id })
}

/// Which dead letters; without any member all of them.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ReplayRequest {
    subscription: Option<String>,
    /// In the event form: `created`.
    verb: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayCount {
    /// Replays that were begun.
    replayed: usize,
}

#[utoipa::path(
    post, path = "/api/events/dlq/replay", tag = "events", request_body = ReplayRequest,
    responses((status = 202, description = "At most 1,000 replays begin; what succeeds leaves the list", body = ReplayCount))
)]
pub(crate) async fn replay_many(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let ReplayRequest { subscription, verb } = sent.document_or_empty().await?;
    let wanted = FailedWanted { subscription, verb };
    let replayed = scope.object.replay_failed_deliveries(&caller, &wanted).await?;
    json_at(StatusCode::ACCEPTED, None, &ReplayCount { replayed })
}

#[utoipa::path(
    delete, path = "/api/events/dlq/{id}", tag = "events", params(("id" = String, Path)),
    responses(
        (status = 204, description = "The event is not delivered there"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    scope.object.delete_failed_delivery(&caller, id.id("dead letter")?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Which dead letters; without `subscription` and `verb` all of them.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct PurgeRequest {
    subscription: Option<String>,
    /// In the event form: `created`.
    verb: Option<String>,
    /// Keep them, to be looked at with `?archived=true`.
    archive: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PurgeCount {
    purged: usize,
}

#[utoipa::path(
    post, path = "/api/events/dlq/purge", tag = "events", request_body = PurgeRequest,
    responses((status = 200, description = "At most 1,000 left the list", body = PurgeCount))
)]
pub(crate) async fn purge(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let PurgeRequest { subscription, verb, archive } = sent.document_or_empty().await?;
    let wanted = FailedWanted { subscription, verb };
    let purged = scope.object.purge_failed_deliveries(&caller, &wanted, archive).await?;
    Ok(json(&PurgeCount { purged }))
}
