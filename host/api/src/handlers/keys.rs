//! API keys of an object (spec 14.3).

use crate::app::Shared;
use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::views::{ErrorBody, KeyView, Page, json, json_at};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use runtime::NewKey;
use serde::Deserialize;
use std::time::Duration;
use types::{Permission, Scopes, Timestamp, parse_span};
use utoipa::ToSchema;

#[utoipa::path(
    get, path = "/api/keys", tag = "keys",
    responses((status = 200, description = "Those that are not revoked; never the keys themselves", body = Page<KeyView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who) -> Result<Response, Problem> {
    let keys = scope.object.keys(&caller).await?;
    Ok(json(&Page::whole(keys, KeyView::of)))
}

/// What a key is to be. `expiresIn` and `expiresAt` exclude each other; without both it lasts until it is revoked.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyRequest {
    #[schema(example = "ci")]
    name: String,
    /// `Noun.action` or `function.invoke`, with `*` on either side for all.
    #[schema(example = json!(["Function.write", "*.invoke"]))]
    scopes: Vec<String>,
    /// Milliseconds, or like `7 days`, `PT12H`.
    #[schema(value_type = Option<String>)]
    expires_in: Option<serde_json::Value>,
    expires_at: Option<String>,
    /// Whom the key speaks for: who calls with it is them. It needs the scope `actors.impersonate`.
    #[serde(rename = "as")]
    #[schema(rename = "as", example = "Human/ann")]
    subject: Option<String>,
}

#[utoipa::path(
    post, path = "/api/keys", tag = "keys", request_body = KeyRequest,
    responses(
        (status = 201, description = "The key; it is not shown again", body = KeyView),
        (status = 403, description = "More than the caller has", body = ErrorBody),
        (status = 422, description = "No such key can be", body = ErrorBody),
    )
)]
pub(crate) async fn create(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    sent: Sent,
) -> Result<Response, Problem> {
    let wanted: KeyRequest = sent.document().await?;
    let scopes = wanted.scopes.iter().map(|text| Permission::parse(text)).collect::<Result<_, _>>();
    let subject = wanted.subject.map(|text| text.parse()).transpose();
    let new = NewKey {
        subject: subject.map_err(|e: types::WorkerError| Problem::validation(format!("as: {e}")))?,
        name: wanted.name,
        scopes: Scopes::new(scopes.map_err(|e| Problem::validation(format!("scopes: {e}")))?),
        expires_at: expiry(wanted.expires_in.as_ref(), wanted.expires_at.as_deref(), app.node.clock().now())?,
    };
    let (row, key) = scope.object.issue_key(&caller, new).await?;
    let location = scope.link(&format!("/api/keys/{}", row.id));
    let mut response = json_at(StatusCode::CREATED, Some(&location), &KeyView::made(row, &key))?;
    response.headers_mut().insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

fn expiry(within: Option<&serde_json::Value>, at: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    match (within, at) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::validation("give either expiresIn or expiresAt")),
        (None, Some(at)) => Timestamp::parse(at)
            .map(Some)
            .ok_or_else(|| Problem::validation("expiresAt must be a time like 2030-01-08T12:00:00Z")),
        (Some(within), None) => duration(within).map(|d| Some(now.plus(d))).ok_or_else(|| {
            Problem::validation("expiresIn must be milliseconds, or a duration like \"7 days\", \"12h\" or \"PT30S\"")
        }),
    }
}

/// Spec 0.5: an integer is milliseconds; else a number with a unit, or ISO 8601. More than nothing.
fn duration(value: &serde_json::Value) -> Option<Duration> {
    let found = match value {
        serde_json::Value::Number(ms) => Duration::from_millis(ms.as_u64()?),
        serde_json::Value::String(text) => parse_span(text)?,
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => return None,
    };
    (!found.is_zero()).then_some(found)
}

#[utoipa::path(
    delete, path = "/api/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses(
        (status = 204, description = "It counts no more, at once"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn revoke(Who { scope, caller }: Who, id: Segment) -> Result<Response, Problem> {
    scope.object.revoke_key(&caller, id.id("key")?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_several_spellings() {
        let week = Some(Duration::from_secs(7 * 24 * 3600));
        for text in ["\"7 days\"", "\"7d\"", "\"P7D\"", "604800000", "\"1w\"", "\"168 hr\"", "\"10080 min\""] {
            assert_eq!(duration(&serde_json::from_str(text).unwrap()), week, "{text}");
        }
        assert_eq!(duration(&"PT30S".into()), Some(Duration::from_secs(30)));
        for bad in ["\"\"", "\"-1d\"", "\"soon\"", "0", "-5", "1.5", "true", "null", "\"7\""] {
            assert_eq!(duration(&serde_json::from_str(bad).unwrap()), None, "{bad}");
        }
    }
}
