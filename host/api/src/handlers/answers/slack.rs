//! Buttons that were pressed in Slack: verified by Slack's signature over the raw body (spec 13.3), then by the button's
//! own, then the user has to be somebody here.

use super::{field, fields, raw};
use crate::app::Shared;
use crate::caller::Anyone;
use crate::problem::Problem;
use crate::views::json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

#[utoipa::path(
    post, path = "/api/slack/interactions", tag = "approvals", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "As Slack posts it: `payload` with the button that was pressed, signed by `x-slack-signature`"),
    responses(
        (status = 200, description = "What came of it, as a text for who pressed"),
        (status = 401, description = "No signing secret is configured, or Slack did not sign this", body = crate::views::ErrorBody),
    )
)]
pub(crate) async fn interact(
    State(app): State<Shared>,
    Anyone(scope): Anyone,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let secret = app.config.replies.slack_signing_secret.as_deref().ok_or_else(|| {
        let message = "no signing secret of Slack is configured ([channels.slack] signing_secret_env)";
        Problem::new(StatusCode::UNAUTHORIZED, "NOT_CONFIGURED", message)
    })?;
    let body = raw(&app, &headers, body).await?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (signature, timestamp) = (header("x-slack-signature"), header("x-slack-request-timestamp"));
    if !auth::signature::is_of_slack(secret, signature, timestamp, &body, app.node.clock().now()) {
        let message = "Slack's signature is missing, wrong, or older than five minutes";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "SIGNATURE_INVALID", message));
    }
    let fields = fields(&body)?;
    let payload: Value = field(&fields, "payload")
        .and_then(|payload| serde_json::from_str(payload).ok())
        .ok_or_else(|| Problem::bad_request("the form has no `payload` that is JSON"))?;
    let (user, value) = (payload["user"]["id"].as_str(), payload["actions"][0]["value"].as_str());
    let (Some(user), Some(value)) = (user, value) else {
        // Slack tells of links that were opened, too.
        return Ok(told("Nothing was to be done."));
    };
    // Whatever comes of it is said to who pressed: another status would only make Slack show that something failed.
    Ok(match scope.object.decide_by_button(value, user).await {
        Ok(row) => told(&format!("{}: {}", row.title, row.status.as_str())),
        Err(fault) => told(&format!("This was not taken: {}", fault.message)),
    })
}

fn told(text: &str) -> Response {
    json(&serde_json::json!({ "response_type": "ephemeral", "replace_original": false, "text": text }))
}
