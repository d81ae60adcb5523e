//! Replies by text message: `YES CODE` or `NO CODE`, brought by the provider, who knows the password it was given.

use super::{field, fields, raw};
use crate::app::Shared;
use crate::caller::Anyone;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};

#[utoipa::path(
    post, path = "/api/sms/replies", tag = "approvals", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "As the provider posts it: `From` and `Body`, with the configured user and password (Basic)"),
    responses(
        (status = 200, description = "What is written back", content_type = "text/xml"),
        (status = 401, description = "No provider is configured, or this is not it", body = crate::views::ErrorBody),
    )
)]
pub(crate) async fn reply(
    State(app): State<Shared>,
    Anyone(scope): Anyone,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (user, password) = app.config.replies.sms_login.as_ref().ok_or_else(|| {
        let message = "no provider of text messages is configured ([channels.sms] user_env, password_env)";
        Problem::new(StatusCode::UNAUTHORIZED, "NOT_CONFIGURED", message)
    })?;
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    if !auth::signature::same(given, &expected) {
        let message = "the provider's user and password are missing or wrong";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message);
        return Err(problem.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sms\"")));
    }
    let fields = fields(&raw(&app, &headers, body).await?)?;
    let (from, text) = (field(&fields, "From").unwrap_or_default(), field(&fields, "Body").unwrap_or_default());
    Ok(match scope.object.decide_by_text(from, text).await {
        Ok(Some(row)) => told(&format!("{}: {}", row.title, row.status.as_str())),
        Ok(None) => told("This was not understood. Reply YES or NO and the code of the message."),
        Err(fault) => told(&format!("This was not taken: {}", fault.message)),
    })
}

/// Written back to the person (TwiML).
fn told(text: &str) -> Response {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>{escaped}</Message></Response>");
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/xml"))], body).into_response()
}
