//! Merging a branch into another (spec 3.4).

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::{branches, checkout};
use crate::problem::Problem;
use crate::views::{ErrorBody, json};
use axum::response::Response;
use http::HeaderMap;
use model::FieldError;
use model::merge::{Conflict, Resolution, Strategy};
use runtime::{MergeWanted, Merged, View};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use types::{Fault, ThingKey};
use utoipa::ToSchema;

/// Things that one request can decide about.
const RESOLUTIONS_MAX: usize = 10_000;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MergeRequest {
    /// The branch whose changes are taken; `main` is one too.
    #[schema(example = "experiment")]
    source: String,
    /// The branch that takes them; the one in effect unless given.
    into: Option<String>,
    /// `ours` or `theirs`: who wins where both changed the same.
    #[schema(value_type = Option<String>)]
    strategy: Option<Strategy>,
    /// By thing (`Startup/acme`): `ours`, `theirs`, `delete`, or a value for each path in conflict.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    resolutions: BTreeMap<String, Value>,
    message: Option<String>,
    /// End the source branch once it is merged.
    #[serde(default)]
    delete_branch: bool,
    /// Look, and write nothing.
    #[serde(default)]
    dry_run: bool,
}

/// What came of a merge.
#[derive(Serialize, ToSchema)]
#[schema(as = Merge)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MergeView {
    merged: bool,
    /// The target had not changed since the two parted.
    fast_forward: bool,
    /// The versions that were written.
    versions: Vec<u64>,
    #[schema(value_type = Vec<Object>)]
    conflicts: Vec<ConflictView>,
    /// How many things change.
    changes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    action_id: Option<String>,
}

/// Two changes that cannot both be; `kind` is `field`, `delete/modify` or `constraint`.
#[derive(Serialize)]
pub(crate) struct ConflictView {
    #[serde(rename = "type")]
    noun: String,
    id: String,
    #[serde(flatten)]
    conflict: Conflict,
}

impl MergeView {
    fn of(merged: Merged) -> Self {
        let Merged { merged, fast_forward, versions, changes, conflicts, action } = merged;
        let view = |key: &ThingKey, conflict: Conflict| ConflictView {
            noun: key.noun.to_string(),
            id: key.id.to_string(),
            conflict,
        };
        let conflicts = conflicts
            .into_iter()
            .flat_map(|thing| thing.conflicts.into_iter().map(move |conflict| view(&thing.key, conflict)))
            .collect();
        Self { merged, fast_forward, versions, conflicts, changes, action_id: action.map(|id| id.to_string()) }
    }
}

#[utoipa::path(
    post, path = "/api/merge", tag = "branches", request_body = MergeRequest,
    params(("DO-Session" = Option<String>, Header), ("DO-Ref" = Option<String>, Header)),
    responses(
        (status = 200, description = "Merged; in a dry run it would be", body = MergeView),
        (status = 400, description = "A branch into itself", body = ErrorBody),
        (status = 404, description = "There is no such branch", body = ErrorBody),
        (status = 409, description = "Conflicts: nothing was written, and `details` has the result. Or the target is a past state", body = ErrorBody),
        (status = 422, description = "No resolution or strategy", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, headers: HeaderMap, sent: Sent) -> Result<Response, Problem> {
    let wanted: MergeRequest = sent.document().await?;
    let into = match &wanted.into {
        None => checkout::view(&scope, &caller, &headers)?,
        Some(text) => View::of(checkout::parse_ref(text).map_err(Problem::validation)?),
    };
    let wanted = MergeWanted {
        source: branches::named(wanted.source.strip_prefix('@').unwrap_or(&wanted.source))?,
        strategy: wanted.strategy,
        resolutions: resolutions(&wanted.resolutions)?,
        message: wanted.message,
        delete_branch: wanted.delete_branch,
        dry_run: wanted.dry_run,
    };
    let merged = MergeView::of(scope.object.merge(&caller, &into, wanted).await?);
    if merged.conflicts.is_empty() { Ok(json(&merged)) } else { Err(refused(&merged)) }
}

/// The same body, under `error.details`.
fn refused(merged: &MergeView) -> Problem {
    let count = merged.conflicts.len();
    let message = format!(
        "{count} {} to be decided, by a strategy or by resolutions; nothing was written",
        if count == 1 { "conflict has" } else { "conflicts have" }
    );
    let details = serde_json::to_value(merged).expect("our own types serialise to JSON");
    Fault::conflict("MERGE_CONFLICT", message).with_details(&details).into()
}

fn resolutions(given: &BTreeMap<String, Value>) -> Result<BTreeMap<ThingKey, Resolution>, Problem> {
    if given.len() > RESOLUTIONS_MAX {
        return Err(Problem::validation(format!("resolutions: {} things; at most {RESOLUTIONS_MAX}", given.len())));
    }
    let mut read = BTreeMap::new();
    let mut errors: Vec<FieldError> = Vec::new();
    for (thing, value) in given {
        let field = format!("resolutions.{thing}");
        match (ThingKey::parse(thing), Resolution::read(value, &field)) {
            (Ok(key), Ok(resolution)) => drop(read.insert(key, resolution)),
            (Err(error), _) => errors.push(FieldError::new(field, "format", error.to_string())),
            (Ok(_), Err(error)) => errors.push(error),
        }
    }
    if errors.is_empty() {
        return Ok(read);
    }
    let told: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
    let details = serde_json::to_value(&errors).expect("our own types serialise to JSON");
    Err(Fault::invalid("VALIDATION_FAILED", told.join("; ")).with_details(&details).into())
}
