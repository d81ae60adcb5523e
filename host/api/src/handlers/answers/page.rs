//! The page behind a link: what is asked, by whom, and a form. Looking at it changes nothing, for mail scanners follow
//! links; the answer is posted. No script runs here, nothing is loaded, and the link is told to nobody.

use super::{field, fields, raw};
use crate::app::Shared;
use crate::caller::Anyone;
use crate::console::asked::{self, NoDecision};
use crate::handlers::Segment;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use console::{Asked, Field, LINK_STYLE, LinkPage};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use types::{Fault, Json, RequestRow};

/// Nothing but the style of the page itself, whose hash this names; forms go to where they came from.
const POLICY: &str = "default-src 'none'; style-src 'sha256-XcYaudDMg3gygR8y+OITOie4i8a4GI1n5yNOSMLP53g='; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

const SAY_WHAT: &str = "say what you decide: approve, reject, answer or decline";

/// What is shown of it; `form` has what was filled in and the reason.
fn about(row: &RequestRow, token: &str, form: Option<(Vec<Field>, String)>) -> Asked {
    let pretty = |json: &Json| serde_json::to_string_pretty(&json.to_value()).unwrap_or_default();
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("Asked", row.title.clone());
    fact("By", row.requester.clone());
    if let Some(amount) = row.amount {
        fact("Amount", amount.to_string());
    }
    fact("Status", row.status.as_str().to_owned());
    if let Some(by) = &row.responded_by {
        fact("Answered by", by.clone());
    }
    if let Some(response) = &row.response {
        fact("Answer", pretty(response));
    }
    if row.is_pending() {
        fact("Until", row.expires_at.to_string());
    }
    let (controls, reason) = form.unwrap_or_else(|| (asked::controls(row), String::new()));
    let mut act = asked::act(row, String::new(), controls, reason);
    // A link is for an answer; taking something on is for who is signed in.
    act.buttons.retain(|button| button.value != "accept");
    Asked { facts, data: row.data.as_ref().map(pretty), token: token.to_owned(), act: row.is_pending().then_some(act) }
}

#[utoipa::path(
    get, path = "/approvals/{id}", tag = "approvals", security(()),
    params(("id" = String, Path), ("token" = String, Query, description = "As it stands in the link")),
    responses(
        (status = 200, description = "A page with what is asked and a form. Nothing is changed", content_type = "text/html"),
        (status = 403, description = "The link was changed, or is for something else", content_type = "text/html"),
        (status = 410, description = "The link's time is over", content_type = "text/html"),
    )
)]
pub(crate) async fn show(Anyone(scope): Anyone, Segment(id): Segment, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let token = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
    let token = token.map(|(_, value)| value.into_owned()).unwrap_or_default();
    match scope.object.asked_by_link(&id, &token).await {
        Ok((row, _)) => {
            let heading = if row.is_pending() { "You are asked" } else { "This was answered" };
            page(StatusCode::OK, heading, None, Some(about(&row, &token, None)))
        }
        Err(fault) => refused(fault),
    }
}

#[utoipa::path(
    post, path = "/approvals/{id}", tag = "approvals", security(()),
    params(("id" = String, Path)),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`token`, `decision` (approve, reject, answer, decline), `reason`, and the fields of the form"),
    responses(
        (status = 200, description = "It was taken", content_type = "text/html"),
        (status = 403, description = "The link was changed, or does not allow it", content_type = "text/html"),
        (status = 409, description = "It was answered before; the page shows how", content_type = "text/html"),
        (status = 410, description = "Its time is over", content_type = "text/html"),
        (status = 422, description = "The answer does not fit; it stays pending", content_type = "text/html"),
    )
)]
pub(crate) async fn decide(
    State(app): State<Shared>,
    Anyone(scope): Anyone,
    Segment(id): Segment,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let filled = fields(&raw(&app, &headers, body).await?)?;
    let token = field(&filled, "token").unwrap_or_default();
    let row = match scope.object.asked_by_link(&id, token).await {
        Ok((row, _)) => row,
        Err(fault) => return Ok(refused(fault)),
    };
    let reason = field(&filled, "reason").unwrap_or_default().to_owned();
    let wrong = |errors| {
        let (controls, problem) = asked::again(&row, &filled, errors);
        (about(&row, token, Some((controls, reason.clone()))), problem)
    };
    let decision = match asked::decision(&row, &filled) {
        Ok(decision) => decision,
        Err(no) => {
            let (asked, problem) = match no {
                NoDecision::Fields(errors) => wrong(errors),
                NoDecision::Unknown => (wrong(Vec::new()).0, Some(SAY_WHAT.to_owned())),
            };
            return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, "You are asked", problem, Some(asked)));
        }
    };
    match scope.object.decide_by_link(&id, token, decision).await {
        Ok(row) => Ok(page(StatusCode::OK, "Thank you, this was taken", None, Some(about(&row, token, None)))),
        Err(fault) => {
            let refused = Problem::from(fault);
            let (asked, problem) = wrong(asked::refused_fields(&refused));
            let problem = problem.unwrap_or_else(|| refused.message().to_owned());
            // It may have been answered in this very moment.
            let now = scope.object.asked_by_link(&id, token).await.ok().map(|(row, _)| row);
            let asked = match now.filter(|row| !row.is_pending()) {
                Some(row) => about(&row, token, None),
                None => asked,
            };
            let heading = if asked.act.is_some() { "This was not taken" } else { "This was answered before" };
            Ok(page(refused.status, heading, Some(problem), Some(asked)))
        }
    }
}

fn refused(fault: Fault) -> Response {
    let message = fault.message.clone();
    page(Problem::from(fault).status, "This link does not work", Some(message), None)
}

fn page(status: StatusCode, heading: &'static str, problem: Option<String>, asked: Option<Asked>) -> Response {
    let page = LinkPage { style: LINK_STYLE, heading, problem, asked };
    let Some(text) = console::render(&page) else { return Problem::from(Fault::internal()).into_response() };
    let headers: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    (status, headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use sha2::Digest as _;

    #[test]
    fn the_policy_names_the_style_of_the_page() {
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(LINK_STYLE.as_bytes()));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "it is {hash}");
        assert!(!LINK_STYLE.contains('<'), "nothing in it ends the element");
    }
}
