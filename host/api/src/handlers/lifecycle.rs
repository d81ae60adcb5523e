//! What happens to an object as a whole: fork, compact, restore, move, promote, destroy.

use crate::app::{Scope, Shared};
use crate::body::{Sent, document_or_empty};
use crate::caller::Who;
use crate::handlers::Segment;
use crate::handlers::actions::{PREFER, PREFERENCE_APPLIED, idempotency_key};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, json, json_at};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use runtime::{Begun, CompactWanted, ForkWanted, Idempotency, Lifecycle, Object, PromoteWanted};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{ActionRow, ActionStatus, Fault, Id, Json, Namespace};
use utoipa::ToSchema;

/// The longest that `Prefer: wait` waits; the operation goes on after that.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// An operation: as it was accepted, or as it ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Operation)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperationView {
    action_id: String,
    #[schema(example = "running")]
    status: &'static str,
    /// What came of it, once it is completed.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Json>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RestoreRequest {
    archive: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveRequest {
    location: String,
    /// Compact its history once it is there.
    #[serde(default)]
    compact: bool,
}

#[utoipa::path(
    post, path = "/api/lifecycle/{op}", tag = "objects",
    params(
        ("op" = String, Path, description = "`fork` {to, branch?, at?}, `compact` {before?, keep?, archive?, preserve?}, `restore` {archive}, `move` {location}, `promote` {type, id, history?}"),
        ("Prefer" = Option<String>, Header, description = "`wait`: answer when it has ended, within 60 s"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key within 24 hours does it once"),
    ),
    request_body(content = Object, description = "What the operation needs"),
    responses(
        (status = 200, description = "It has ended well", body = OperationView),
        (status = 202, description = "It goes on; `Location` shows how far it is", body = OperationView),
        (status = 400, description = "No JSON, or no URL", body = ErrorBody),
        (status = 403, description = "The caller may not, or the target is not below the same parent", body = ErrorBody),
        (status = 404, description = "There is no such operation, branch, archive or thing", body = ErrorBody),
        (status = 409, description = "The target exists, there is nothing to do, or another operation goes on", body = ErrorBody),
        (status = 422, description = "The input is not what the operation needs", body = ErrorBody),
        (status = 501, description = "This host has one location", body = ErrorBody),
    )
)]
pub(crate) async fn begin(
    Who { scope, caller }: Who,
    op: Segment,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Problem> {
    let text = sent.text().await?;
    let wanted = match op.0.as_str() {
        "fork" => Lifecycle::Fork(document_or_empty::<ForkWanted>(&text)?),
        "compact" => Lifecycle::Compact(document_or_empty::<CompactWanted>(&text)?),
        "restore" => {
            let archive = document_or_empty::<RestoreRequest>(&text)?.archive;
            let id: Result<Id, _> = archive.parse();
            let unknown = |_| Problem::not_found(format!("there is no archive {archive:?}; archives are UUIDs"));
            Lifecycle::Restore { archive: id.map_err(unknown)? }
        }
        "move" => {
            let MoveRequest { location, compact } = document_or_empty(&text)?;
            Lifecycle::Move { location, compact }
        }
        "promote" => Lifecycle::Promote(document_or_empty::<PromoteWanted>(&text)?),
        other => {
            let message = format!("there is no operation {other:?}; there are fork, compact, restore, move, promote");
            return Err(Problem::not_found(message));
        }
    };
    let key = idempotency_key(&headers)?;
    let idempotency = key.map(|key| Idempotency::of(key, &["lifecycle", &op.0], &text));
    let begun = scope.object.lifecycle(&caller, wanted, idempotency).await?;
    answer(&scope, begun, wait(&headers)).await
}

#[utoipa::path(
    delete, path = "/api/objects/{ns}", tag = "objects",
    params(
        ("ns" = String, Path, description = "The object's URL, percent-encoded"),
        ("confirm" = String, Query, description = "The same URL once more"),
        ("Prefer" = Option<String>, Header, description = "`wait`: answer when it has ended, within 60 s"),
    ),
    responses(
        (status = 200, description = "It is gone", body = OperationView),
        (status = 202, description = "It goes; `Location` shows how far it is", body = OperationView),
        (status = 403, description = "The caller may not, or it is the root object", body = ErrorBody),
        (status = 404, description = "There is no such object below this one", body = ErrorBody),
        (status = 409, description = "There are objects below it", body = ErrorBody),
        (status = 410, description = "It is gone already", body = ErrorBody),
        (status = 422, description = "`confirm` is not its URL", body = ErrorBody),
    )
)]
pub(crate) async fn destroy(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    ns: Segment,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["confirm"])?;
    let namespace = Namespace::parse(&ns.0)
        .map_err(|_| Problem::not_found(format!("there is no object {:?}; name it by its URL", ns.0)))?;
    let confirmed = fields.text("confirm").and_then(|text| Namespace::parse(&text).ok());
    if confirmed.as_ref() != Some(&namespace) {
        let message = format!("destroying {namespace} cannot be undone; say so with ?confirm={namespace}");
        return Err(Problem::validation(message));
    }
    let own = scope.object.namespace();
    let host: Object = if namespace == *own {
        // Its end is written down where its name is.
        app.node.object(app.node.default_namespace()).await?.ok_or_else(|| Problem::from(Fault::internal()))?
    } else {
        scope.object.clone()
    };
    let begun = host.lifecycle(&caller, Lifecycle::Destroy { namespace }, None).await?;
    answer(&scope, begun, wait(&headers)).await
}

/// How long `Prefer: wait` or `wait=SECONDS` wants to wait; None: not at all.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    preferences
        .filter_map(|preference| {
            let preference = preference.split(';').next().unwrap_or_default().trim();
            let (name, seconds) = preference.split_once('=').map_or((preference, None), |(n, s)| (n, s.parse().ok()));
            let wanted = seconds.map_or(WAIT_MAX, Duration::from_secs).min(WAIT_MAX);
            name.trim().eq_ignore_ascii_case("wait").then_some(wanted)
        })
        .next()
}

async fn answer(scope: &Scope, begun: Begun, wait: Option<Duration>) -> Result<Response, Problem> {
    let id = begun.action;
    let ended = match wait {
        Some(wait) => tokio::time::timeout(wait, begun.finished()).await.ok().transpose()?,
        None => None,
    };
    let ended = ended.filter(|row: &ActionRow| row.status != ActionStatus::Running);
    let mut response = match ended {
        Some(row) if row.status == ActionStatus::Completed => {
            let result = Json::from_value(&row.options.to_value()["output"]);
            json(&OperationView { action_id: id.to_string(), status: row.status.as_str(), result: Some(result) })
        }
        Some(row) => {
            let fault = row.error.unwrap_or_else(Fault::internal);
            return Err(Problem::of_run(Some(id), fault));
        }
        None => {
            let view = OperationView { action_id: id.to_string(), status: "running", result: None };
            let location = scope.link(&format!("/api/actions-log/{id}"));
            json_at(StatusCode::ACCEPTED, Some(&location), &view)?
        }
    };
    if wait.is_some() {
        response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("wait"));
    }
    Ok(response)
}
