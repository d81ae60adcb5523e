//! The page behind a link: what is asked, by whom, and a form. Looking at it changes nothing, for mail scanners follow
//! links; the answer is posted. No script runs here, nothing is loaded, and the link is told to nobody.

use super::{field, fields, form, raw};
use crate::app::Shared;
use crate::caller::Anyone;
use crate::handlers::Segment;
use crate::problem::Problem;
use askama::Template;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use runtime::Decision;
use types::{Fault, Json, Method, RequestRow};

const STYLE: &str = include_str!("../../../templates/answer.css");
/// Nothing but the style of the page itself, whose hash this names; forms go to where they came from.
const POLICY: &str = "default-src 'none'; style-src 'sha256-m5zVeBid7i/O1Gr4rX2yIhbf4bUAFV3lLUWcgyvpZnU='; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

#[derive(Template)]
#[template(path = "answer.html")]
struct Page<'p> {
    style: &'static str,
    heading: &'static str,
    problem: Option<String>,
    asked: Option<AskedView<'p>>,
}

struct AskedView<'p> {
    title: &'p str,
    requester: &'p str,
    amount: Option<f64>,
    data: Option<String>,
    status: &'static str,
    answered_by: Option<&'p str>,
    answer: Option<String>,
    until: String,
    is_pending: bool,
    token: &'p str,
    fields: Vec<form::Field>,
    buttons: Vec<Button>,
}

struct Button {
    value: &'static str,
    label: &'static str,
    skips_form: bool,
}

impl<'p> AskedView<'p> {
    fn of(row: &'p RequestRow, token: &'p str) -> Self {
        let pretty = |json: &Json| serde_json::to_string_pretty(&json.to_value()).unwrap_or_default();
        let is_approval = row.method == Method::Approve;
        let button = |value, label, skips_form| Button { value, label, skips_form };
        let buttons = if is_approval {
            vec![button("approve", "Approve", false), button("reject", "Reject", true)]
        } else {
            vec![button("answer", "Send", false), button("decline", "Decline", true)]
        };
        Self {
            title: &row.title,
            requester: &row.requester,
            amount: row.amount,
            data: row.data.as_ref().map(pretty),
            status: row.status.as_str(),
            answered_by: row.responded_by.as_deref(),
            answer: row.response.as_ref().map(pretty),
            until: row.expires_at.to_string(),
            is_pending: row.is_pending(),
            token,
            fields: if is_approval { Vec::new() } else { form::fields(row) },
            buttons,
        }
    }
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
            page(StatusCode::OK, heading, None, Some(AskedView::of(&row, &token)))
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
    let reason = field(&filled, "reason").map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    let decision = match field(&filled, "decision") {
        Some("approve") => Decision::Approve { reason },
        Some("reject") => Decision::Reject { reason },
        Some("decline") => Decision::Decline { reason },
        Some("answer") => Decision::Answer { value: Json::from_value(&form::answer(&row, &filled)), reason },
        Some(_) | None => {
            let problem = Some("say what you decide: approve, reject, answer or decline".to_owned());
            return Ok(page(
                StatusCode::UNPROCESSABLE_ENTITY,
                "You are asked",
                problem,
                Some(AskedView::of(&row, token)),
            ));
        }
    };
    match scope.object.decide_by_link(&id, token, decision).await {
        Ok(row) => Ok(page(StatusCode::OK, "Thank you, this was taken", None, Some(AskedView::of(&row, token)))),
        Err(fault) => {
            let (message, status) = (fault.message.clone(), Problem::from(fault).status);
            // It may have been answered in this very moment.
            let row = scope.object.asked_by_link(&id, token).await.map_or(row, |(row, _)| row);
            let heading = if row.is_pending() { "This was not taken" } else { "This was answered before" };
            Ok(page(status, heading, Some(message), Some(AskedView::of(&row, token))))
        }
    }
}

fn refused(fault: Fault) -> Response {
    let message = fault.message.clone();
    page(Problem::from(fault).status, "This link does not work", Some(message), None)
}

fn page(status: StatusCode, heading: &'static str, problem: Option<String>, asked: Option<AskedView<'_>>) -> Response {
    let Ok(text) = (Page { style: STYLE, heading, problem, asked }).render() else {
        return Problem::from(Fault::internal()).into_response();
    };
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
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(STYLE.as_bytes()));
        assert!(POLICY.contains(&format!("'sha256-{hash}'")), "it is {hash}");
        assert!(!STYLE.contains('<'), "nothing in it ends the element");
    }
}
