//! Asking agents and people for something (spec 11.1, WRK-6): one route for each of the six methods, for both kinds alike.

use crate::app::{Scope, Shared};
use crate::body;
use crate::caller::Who;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::approvals::RequestView;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use runtime::{RequestsWanted, Settled};
use serde_json::{Value, json as value};
use std::time::Duration;
use types::{Id, Json, Method, RequestStatus, Worker};

/// The longest that a request is held open for an answer (spec FUN-8).
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long is waited for the request of a run that has just begun, to be able to name it.
const NAMED_WITHIN: Duration = Duration::from_secs(5);

/// What an asked-for person's request is until it is answered.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[schema(as = PendingHandle)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandleView {
    request_id: Option<String>,
    action_id: String,
    #[schema(example = "pending")]
    status: &'static str,
    expires_at: Option<String>,
    /// Codes: `NO_CHANNELS`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[utoipa::path(
    post, path = "/api/workers/{worker}/{method}", tag = "workers",
    params(
        ("worker" = String, Path, description = "`Agent/NAME`, `Human/NAME` or `role:NAME`, percent-encoded"),
        ("method" = String, Path, description = "`do`, `ask`, `decide`, `approve`, `generate` or `notify`"),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: hold the request for so many seconds, 60 at most"),
    ),
    request_body(
        content = Object,
        description = "do: `{task, context?}`; ask: `{question, …}`; decide: `{question, options: […], …}`; approve: \
                       `{request: {description, …}, …}`; generate: `{prompt, schema?, …}`; notify: `{message, …}`"
    ),
    responses(
        (status = 200, description = "It is settled; the shape is the method's", body = Object),
        (status = 202, description = "A person is asked, and has not answered yet", body = HandleView),
        (status = 404, description = "There is no such worker", body = ErrorBody),
        (status = 409, description = "Nobody is there, or something else was asked under this id", body = ErrorBody),
        (status = 422, description = "This cannot be asked", body = ErrorBody),
    )
)]
pub(crate) async fn ask(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    Path((worker, method)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let worker = worker.parse::<Worker>().map_err(|e| Problem::not_found(e.to_string()))?;
    begin(&app, &scope, &caller, worker, &method, request).await
}

#[utoipa::path(
    post, path = "/api/$self/{method}", tag = "workers",
    params(("method" = String, Path, description = "As for `/api/workers/{worker}/{method}`, of an object that is an Agent or a Human")),
    request_body = Object,
    responses(
        (status = 200, description = "It is settled", body = Object),
        (status = 202, description = "It waits for a person", body = HandleView),
        (status = 404, description = "The object is nobody who can be asked", body = ErrorBody),
    )
)]
pub(crate) async fn ask_self(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    method: super::Segment,
    request: Request,
) -> Result<Response, Problem> {
    let worker = scope.object.own_worker(&caller).await?;
    begin(&app, &scope, &caller, worker, &method.0, request).await
}

#[utoipa::path(
    get, path = "/api/$self/tasks", tag = "workers",
    params(
        ("status" = Option<String>, Query, description = "`pending` unless given"),
        ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query),
    ),
    responses((status = 200, description = "What the object, a Human, is asked for; newest first", body = Page<RequestView>))
)]
pub(crate) async fn tasks(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["status", "cursor", "limit"])?;
    let worker = scope.object.own_worker(&caller).await?;
    let status = fields.with("status", "a status like pending", RequestStatus::parse)?;
    let wanted = RequestsWanted {
        status: Some(status.unwrap_or(RequestStatus::Pending)),
        assignee: Some(format!("{}/{worker}", scope.object.namespace())),
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(crate::config::limits::PAGE_MAX)?,
        ..RequestsWanted::default()
    };
    let page = scope.object.requests(&caller, wanted).await?;
    Ok(json(&Page::of(page, RequestView::of)))
}

async fn begin(
    app: &Shared,
    scope: &Scope,
    caller: &runtime::Caller,
    worker: Worker,
    method: &str,
    request: Request,
) -> Result<Response, Problem> {
    let known = Method::SERVED.map(Method::as_str).join(", ");
    let method = Method::parse(method)
        .ok_or_else(|| Problem::not_found(format!("workers have no method of this name; they have {known}")))?;
    let (parts, body) = request.into_parts();
    Fields::read(&parts.uri, &[])?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let body: Value = body::document(&text)?;
    let settles_by_itself = matches!(worker, Worker::Agent(_));
    let id = scope.object.begin_work(caller, worker, method, input(method, body)?).await?;
    if method == Method::Notify {
        return told(scope, id).await;
    }
    // An agent settles within the call (spec WRK-1).
    let wait = if settles_by_itself { None } else { Some(waits(&parts.headers).unwrap_or_default()) };
    answer(scope, id, wait).await
}

/// The body's own members beside the question are its options; what has `options` as an object has said so itself.
pub(crate) fn input(method: Method, body: Value) -> Result<Json, Problem> {
    let Value::Object(mut body) = body else {
        return Err(Problem::validation("the body is an object, like {\"question\": \"…\"}"));
    };
    let (main, extra) = match method {
        Method::Do => ("task", Some("context")),
        Method::Ask | Method::Decide => ("question", None),
        Method::Generate => ("prompt", None),
        Method::Notify => ("message", None),
        Method::Approve | Method::Answer => ("request", None),
    };
    let about = body.remove(main).unwrap_or(Value::Null);
    if let Some(extra) = extra {
        let context = body.remove(extra).unwrap_or(Value::Null);
        if let Some(unknown) = body.keys().next() {
            return Err(Problem::validation(format!("{unknown:?} is not known; a task has `task` and `context`")));
        }
        return Ok(Json::from_value(&value!({ main: about, extra: context })));
    }
    let options = match body.get("options") {
        Some(Value::Object(_)) if body.len() == 1 => body.remove("options").unwrap_or(Value::Null),
        Some(_) | None => Value::Object(body),
    };
    Ok(Json::from_value(&value!({ main: about, "options": options })))
}

/// What became of a message. That it reached nobody by any channel is another server's failure (spec WRK-8).
async fn told(scope: &Scope, id: Id) -> Result<Response, Problem> {
    let mut response = answer(scope, id, None).await?;
    if let Settled::Over(Ok(result)) = scope.object.work_settled(id, Some(Duration::ZERO)).await?
        && result.to_value()["sent"] == false
    {
        *response.status_mut() = StatusCode::BAD_GATEWAY;
    }
    Ok(response)
}

/// The result as soon as it is there, within that time; else what is waited for. None waits for as long as it takes.
pub(crate) async fn answer(scope: &Scope, id: Id, wait: Option<Duration>) -> Result<Response, Problem> {
    match scope.object.work_settled(id, wait).await? {
        Settled::Over(Ok(result)) => {
            let mut response = json(&result);
            response.headers_mut().insert("x-action-id", header(id));
            Ok(response)
        }
        Settled::Over(Err(fault)) => Err(Problem::of_run(Some(id), fault)),
        Settled::Pending(row) => pending(scope, id, Some(*row)),
        Settled::Running => {
            // A function that asks somebody has a request of its own; work has its own id.
            let row = match scope.object.request_of(id, NAMED_WITHIN).await? {
                Some(row) => Some(row),
                None => match scope.object.work_settled(id, Some(Duration::ZERO)).await? {
                    Settled::Over(Ok(result)) => return Ok(json(&result)),
                    Settled::Over(Err(fault)) => return Err(Problem::of_run(Some(id), fault)),
                    Settled::Pending(row) => Some(*row),
                    Settled::Running => None,
                },
            };
            pending(scope, id, row)
        }
    }
}

fn pending(scope: &Scope, id: Id, row: Option<types::RequestRow>) -> Result<Response, Problem> {
    let location = match &row {
        Some(row) => scope.link(&format!("/api/approvals/{}", row.id)),
        None => scope.link(&format!("/api/actions-log/{id}")),
    };
    let view = HandleView {
        request_id: row.as_ref().map(|row| row.id.to_string()),
        action_id: id.to_string(),
        status: "pending",
        expires_at: row.as_ref().map(|row| row.expires_at.to_string()),
        warnings: row.map(|row| row.warnings.into_iter().map(|warning| warning.code).collect()).unwrap_or_default(),
    };
    Ok(json_at(StatusCode::ACCEPTED, Some(&location), &view)?.into_response())
}

fn header(id: Id) -> HeaderValue {
    HeaderValue::try_from(id.to_string()).expect("an id is ASCII")
}

/// `Prefer: wait=N`; some time, however long was asked for.
pub(crate) fn waits(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(crate::prefer::PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(',')).filter_map(|one| one.split(';').next());
    let wait = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().parse::<u64>().ok())?
    });
    Some(Duration::from_secs(wait.unwrap_or(0)).min(WAIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_bounded() {
        for (text, seconds) in [("wait=5", 5), ("respond-async, wait=7", 7), ("wait=9999", 60), ("wait=x", 0)] {
            let mut headers = HeaderMap::new();
            headers.insert(crate::prefer::PREFER, HeaderValue::from_static(text));
            assert_eq!(waits(&headers), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_stands_beside_the_question_is_how_it_is_asked() {
        let read = |method, body| input(method, body).ok().map(|json| json.to_value());
        assert_eq!(
            read(Method::Decide, value!({ "question": "?", "options": [{ "id": "a" }] })),
            Some(value!({ "question": "?", "options": { "options": [{ "id": "a" }] } }))
        );
        assert_eq!(
            read(Method::Ask, value!({ "question": "?", "options": { "timeout": "1h" } })),
            Some(value!({ "question": "?", "options": { "timeout": "1h" } }))
        );
        assert_eq!(read(Method::Do, value!({ "task": "t", "colour": 1 })), None);
        assert_eq!(read(Method::Ask, value!([])), None);
    }
}
