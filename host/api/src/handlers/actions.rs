//! Invoking functions: the busy route.

use crate::app::{Scope, Shared};
use crate::body;
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::{Segment, name_problem, streams};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ActionView, ActionsView, ErrorBody, json};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use runtime::{Caller, InvokeFailed, InvokeOptions, Invoked, Listener};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
use types::{ActionRef, At, Durability, Fault, FaultKind, Id, Json, Retry};
use utoipa::ToSchema;

pub(crate) const PREFER: &str = "prefer";
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const IDEMPOTENCY_KEY: &str = "idempotency-key";

#[utoipa::path(
    get, path = "/api/actions", tag = "actions",
    responses((status = 200, description = "Everything that can be invoked here", body = ActionsView))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let functions = scope.object.functions(&caller).await?;
    let declared = scope.object.declared_functions(&caller).await?;
    let declared = declared.into_iter().map(|(spec, version)| ActionView::declared(spec, version));
    Ok(json(&ActionsView { actions: functions.iter().flat_map(|f| ActionView::all(f)).chain(declared).collect() }))
}

#[utoipa::path(
    get, path = "/api/actions/{action}", tag = "actions",
    params(("action" = String, Path, description = "`name`, `toolbox.export`, with `@v3` or `@~1` for another version")),
    responses(
        (status = 200, description = "How it is called", body = ActionView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, action: Segment) -> Result<Response, Problem> {
    let action: ActionRef = action.0.parse().map_err(name_problem)?;
    let function = match scope.object.function(&caller, &action.function, action.at).await {
        Err(fault) if fault.kind == FaultKind::NotFound && action.export.is_none() => {
            let declared = scope.object.declared_functions(&caller).await?;
            let found = declared.into_iter().find(|(spec, _)| spec.name == action.function && action.at == At::Head);
            let (spec, version) = found.ok_or(fault)?;
            return Ok(json(&ActionView::declared(spec, version)));
        }
        other => other?,
    };
    let shapes = &function.def.actions;
    let shape = match &action.export {
        None if shapes.len() == 1 => shapes.first(),
        wanted => shapes.iter().find(|shape| shape.export == *wanted),
    };
    let shape = shape.ok_or_else(|| {
        let known: Vec<String> = ActionView::all(&function).into_iter().map(|a| a.name).collect();
        Problem::not_found(format!("there is no action {action}; {} offers {}", function.name, known.join(", ")))
    })?;
    Ok(json(&ActionView::of(&function, shape)))
}

/// The body of an invocation. An object without the key `input` is the input itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invocation<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
    options: Option<Options>,
}

/// The same for the document of the API.
#[derive(ToSchema)]
#[schema(as = Invocation)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct InvocationDoc {
    #[schema(value_type = Object)]
    input: Json,
    options: Option<Options>,
}

/// How an invocation is wanted.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Options {
    /// `send` answers at once, `try` (the default) with the result, `do` survives crashes.
    #[schema(value_type = Option<String>, example = "try")]
    durability: Option<Durability>,
    /// Lowers the function's limit of wall time; of a `do` it is the limit of one attempt.
    timeout_ms: Option<u64>,
    /// How a `do` is retried.
    retry: Option<RetryOptions>,
    /// A `do` with the same word runs after those that were accepted before it.
    serial: Option<String>,
    /// A `do` begins so many milliseconds from now.
    delay_ms: Option<u64>,
    /// RFC 3339. After it no attempt of a `do` begins.
    deadline: Option<String>,
    /// Run a `do` once more that failed under the same Idempotency-Key.
    #[serde(default)]
    retry_failed: bool,
    /// -100 to 100: of the `do`s that are ready the higher one runs first. 0 when it is left out.
    priority: Option<i8>,
    /// Answer with server-sent events: `delta` for each piece that a model says, then `done` with the whole answer. The
    /// same as `Accept: text/event-stream`.
    stream: Option<bool>,
    /// In whose name: `User/ann`, or its URL. It needs the scope `actors.impersonate`, and gives no rights.
    #[schema(example = "User/ann")]
    actor: Option<String>,
}

/// Delay before attempt k+1: min(maxDelayMs, initialDelayMs * multiplier^(k-1)), plus up to a quarter of it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Retry)]
struct RetryOptions {
    /// 3 when it is left out.
    max_attempts: Option<u32>,
    /// 100
    initial_delay_ms: Option<u64>,
    /// 30000
    max_delay_ms: Option<u64>,
    /// 2
    multiplier: Option<f64>,
    /// true
    jitter: Option<bool>,
    /// Of the faults that can be retried only those with these codes are, at most 20; all when it is left out.
    #[serde(default)]
    #[schema(example = json!(["UPSTREAM_TIMEOUT"]))]
    retry_on: Vec<String>,
}

impl RetryOptions {
    fn filled(&self) -> Retry {
        let standard = runtime::STANDARD_RETRY;
        Retry {
            max_attempts: self.max_attempts.unwrap_or(standard.max_attempts),
            initial_delay_ms: self.initial_delay_ms.unwrap_or(standard.initial_delay_ms),
            max_delay_ms: self.max_delay_ms.unwrap_or(standard.max_delay_ms),
            multiplier: self.multiplier.unwrap_or(standard.multiplier),
            jitter: self.jitter.unwrap_or(standard.jitter),
        }
    }
}

/// The longest word of `serial`.
const SERIAL_CHARS_MAX: usize = 255;

impl Options {
    fn checked(self, durability: Durability, idempotency_key: Option<String>) -> Result<InvokeOptions, Problem> {
        if self.timeout_ms == Some(0) {
            return Err(Problem::validation("options.timeoutMs must be at least 1"));
        }
        let for_do = self.retry.is_some() || self.serial.is_some() || self.deadline.is_some() || self.retry_failed;
        let for_do = for_do || self.priority.is_some();
        if durability != Durability::Do && (for_do || self.delay_ms.is_some()) {
            let message =
                "options.retry, serial, delayMs, deadline, retryFailed and priority are for durability \"do\"";
            return Err(Problem::validation(message));
        }
        if self.serial.as_ref().is_some_and(|s| s.is_empty() || s.chars().count() > SERIAL_CHARS_MAX) {
            return Err(Problem::validation(format!("options.serial is 1 to {SERIAL_CHARS_MAX} characters")));
        }
        let deadline = self.deadline.map(|text| {
            types::Timestamp::parse(&text).ok_or_else(|| {
                Problem::validation(format!("options.deadline {text:?} is no time; write 2026-01-31T09:00:00Z"))
            })
        });
        Ok(InvokeOptions {
            durability,
            timeout: self.timeout_ms.map(Duration::from_millis),
            idempotency_key,
            retry: self.retry.as_ref().map(RetryOptions::filled),
            serial: self.serial,
            delay: self.delay_ms.map(Duration::from_millis),
            deadline: deadline.transpose()?,
            retry_failed: self.retry_failed,
            priority: self.priority.unwrap_or(0),
            retry_on: self.retry.map(|retry| retry.retry_on).unwrap_or_default(),
            heard: Listener::default(),
        })
    }
}

/// The answer of an invocation that came to its end.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoked)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InvokedView {
    #[schema(value_type = Object)]
    result: Json,
    action_id: String,
    #[schema(example = "completed")]
    status: String,
    /// Milliseconds.
    duration: f64,
    /// Where models were asked.
    usage: Option<UsageView>,
    /// Why the model stopped, where one was asked: `stop`, `length`, `refusal`, `tool_calls`.
    finish_reason: Option<String>,
}

/// What of models and tools a run used.
#[derive(Serialize, ToSchema)]
#[schema(as = RunUsage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageView {
    input_tokens: u64,
    output_tokens: u64,
    /// Unless the price of a model is not known.
    cost_usd: Option<f64>,
    model_calls: u32,
    tool_calls: u32,
}

/// The answer of an invocation that goes on in the background.
#[derive(Serialize, ToSchema)]
#[schema(as = Accepted)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AcceptedView {
    action_id: String,
    #[schema(example = "pending")]
    status: String,
}

#[utoipa::path(
    post, path = "/api/actions/{action}", tag = "actions",
    params(
        ("action" = String, Path, description = "`name`, `toolbox.export`, with `@v3` or `@~1` for another version"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: answer at once"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 characters; kept in the log of actions"),
    ),
    request_body(content = InvocationDoc, description = "Or the bare input. Empty: the input is null"),
    responses(
        (status = 200, description = "It ended well; as server-sent events `delta` and `done` where they are accepted", body = InvokedView),
        (status = 202, description = "It goes on in the background", body = AcceptedView),
        (status = 400, description = "No JSON, or no version", body = ErrorBody),
        (status = 403, description = "The caller may not", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 408, description = "It took longer than it may", body = ErrorBody),
        (status = 409, description = "It was cancelled", body = ErrorBody),
        (status = 413, description = "The input is too large", body = ErrorBody),
        (status = 422, description = "The input is not what it takes", body = ErrorBody),
        (status = 502, description = "The function failed, or answered what it said it would not", body = ErrorBody),
    )
)]
pub(crate) async fn invoke(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    action: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let action: ActionRef = action.0.parse().map_err(name_problem)?;
    let (parts, body) = request.into_parts();
    let idempotency_key = idempotency_key(&parts.headers)?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let (input, wanted) = read(&text)?;
    let respond_async = prefers_async(&parts.headers);
    let (usual, streams) = scope.object.usual(&action).await;
    let durability = wanted.durability.unwrap_or(usual);
    let streams = streams::wanted(&parts.headers, wanted.stream, streams);
    let caller = match &wanted.actor {
        Some(actor) => caller.acting_as(scope.object.namespace(), actor)?,
        None => caller,
    };
    let options = wanted.checked(durability, idempotency_key)?;
    match durability {
        Durability::Do if respond_async => {
            let id = scope.object.accept_durably(&caller, &action, input, options).await.map_err(failed)?;
            accepted(&scope, id, true)
        }
        Durability::Do if scope.object.asks_people(&action).await => {
            let id = scope.object.accept_durably(&caller, &action, input, options).await.map_err(failed)?;
            super::workers::answer(&scope, id, super::workers::waits(&parts.headers)).await
        }
        Durability::Send => accept(&scope, &caller, &action, input, options, respond_async).await,
        Durability::Try if respond_async => {
            let options = InvokeOptions { durability: Durability::Send, ..options };
            accept(&scope, &caller, &action, input, options, true).await
        }
        Durability::Try | Durability::Do if streams => {
            let (object, request_id) = (scope.object.clone(), scope.request_id.clone());
            let run = move |heard| {
                let options = InvokeOptions { heard, ..options };
                async move { object.invoke(&caller, &action, input, options).await }
            };
            streams::answer(&app, &request_id, run).await
        }
        Durability::Try | Durability::Do => {
            let invoked = scope.object.invoke(&caller, &action, input, options).await;
            completed(&invoked.map_err(failed)?)
        }
    }
}

pub(crate) fn failed(InvokeFailed { action, fault }: InvokeFailed) -> Problem {
    match action {
        Some(_) => Problem::of_run(action, fault),
        None => Problem::from(fault),
    }
}

async fn accept(
    scope: &Scope,
    caller: &Caller,
    action: &ActionRef,
    input: Json,
    options: InvokeOptions,
    preferred: bool,
) -> Result<Response, Problem> {
    let id = scope.object.send(caller, action, input, options).await?;
    accepted(scope, id, preferred)
}

pub(crate) fn accepted(scope: &Scope, id: Id, preferred: bool) -> Result<Response, Problem> {
    let body = AcceptedView { action_id: id.to_string(), status: "pending".into() };
    let location = scope.link(&format!("/api/actions-log/{id}"));
    let mut response = crate::views::json_at(StatusCode::ACCEPTED, Some(&location), &body)?;
    if preferred {
        response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    }
    Ok(response)
}

/// Around the result as it is: it was checked when the guest gave it.
pub(crate) fn completed_body(invoked: &Invoked) -> Result<String, Problem> {
    use std::fmt::Write;
    let Invoked { action, result, duration_us, used } = invoked;
    let (ms, rest) = (duration_us / 1000, duration_us % 1000);
    let mut body = String::with_capacity(result.as_str().len() + 112);
    body.push_str(r#"{"result":"#);
    body.push_str(result.as_str());
    let internal = |_| Problem::from(Fault::internal());
    let status = if used.is_some() && is_incomplete(result) { "incomplete" } else { "completed" };
    write!(body, r#","actionId":"{action}","status":"{status}","duration":{ms}.{rest:03}"#).map_err(internal)?;
    if let Some(used) = used {
        write!(body, r#","usage":{}"#, used.usage()).map_err(internal)?;
        if let Some(finish) = used.finish {
            write!(body, r#","finishReason":"{}""#, finish.as_str()).map_err(internal)?;
        }
    }
    body.push('}');
    Ok(body)
}

pub(crate) fn completed(invoked: &Invoked) -> Result<Response, Problem> {
    let body = completed_body(invoked)?;
    let (ms, rest) = (invoked.duration_us / 1000, invoked.duration_us % 1000);
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(timing) = HeaderValue::try_from(format!("run;dur={ms}.{rest:03}")) {
        headers.insert(SERVER_TIMING, timing);
    }
    Ok(response)
}

/// Whether it is what a loop gave that did not come to its end (spec FUN-7). Only agentic functions give all of these.
fn is_incomplete(result: &Json) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "that they are there is what matters")]
    struct Looped<'a> {
        finish_reason: &'a str,
        iterations: u32,
        #[serde(borrow)]
        steps: Vec<&'a RawValue>,
        #[serde(borrow)]
        usage: &'a RawValue,
    }
    // Most results are looked at no further than this.
    result.as_str().contains("\"finishReason\"")
        && serde_json::from_str::<Looped<'_>>(result.as_str()).is_ok_and(|looped| looped.finish_reason != "complete")
}

/// Tells `{"input": …, "options": …}` from a bare input.
fn read(text: &str) -> Result<(Json, Options), Problem> {
    if text.trim_ascii().is_empty() {
        return Ok((Json::null(), Options::default()));
    }
    match serde_json::from_str::<Invocation<'_>>(text) {
        Ok(invocation) => Ok((body::json(invocation.input.get())?, invocation.options.unwrap_or_default())),
        Err(error) => {
            // Whatever is wrong with a bare input, or with the JSON itself, is said by reading it.
            let bare = body::json(text)?;
            if has_input(text) {
                return Err(Problem::validation(format!("beside input there can be options: {error}")));
            }
            Ok((bare, Options::default()))
        }
    }
}

/// Whether the text is an object with a key `input`, whatever its value.
fn has_input(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(default, deserialize_with = "present")]
        input: bool,
    }
    fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
        serde::de::IgnoredAny::deserialize(value).map(|_| true)
    }
    text.trim_ascii_start().starts_with('{') && serde_json::from_str::<Probe>(text).is_ok_and(|probe| probe.input)
}

pub(crate) fn prefers_async(headers: &HeaderMap) -> bool {
    headers
        .get_all(PREFER)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .any(|preference| preference.split(';').next().is_some_and(|p| p.trim().eq_ignore_ascii_case("respond-async")))
}

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|text| !text.is_empty() && text.len() <= limits::IDEMPOTENCY_KEY_CHARS_MAX);
    let text = text.ok_or_else(|| {
        let max = limits::IDEMPOTENCY_KEY_CHARS_MAX;
        Problem::bad_request(format!("Idempotency-Key must be 1 to {max} ASCII characters"))
    })?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, Option<u64>), u16>) {
        let read = read(text).map(|(input, options)| (input.to_string(), options.timeout_ms));
        let expected = expected.map(|(input, timeout)| (input.to_owned(), timeout));
        assert_eq!(read.map_err(|p| p.status.as_u16()), expected, "{text}");
    }

    #[test]
    fn a_body_is_an_envelope_or_the_bare_input() {
        check("", Ok(("null", None)));
        check(" \n", Ok(("null", None)));
        check(r#"{"input":{"a":1.10}}"#, Ok((r#"{"a":1.10}"#, None)));
        check(r#" {"options":{"timeoutMs":5},"input":[1]}"#, Ok(("[1]", Some(5))));
        check(r#"{"input":null}"#, Ok(("null", None)));
        check(r#"{"a":1,"b":{"input":2}}"#, Ok((r#"{"a":1,"b":{"input":2}}"#, None)));
        check(r#"{"options":{"x":1}}"#, Ok((r#"{"options":{"x":1}}"#, None)));
        check("{}", Ok(("{}", None)));
        check("[1,2]", Ok(("[1,2]", None)));
        check("12345678901234567890.123", Ok(("12345678901234567890.123", None)));
    }

    #[test]
    fn a_body_that_cannot_be_meant_is_refused() {
        check("{", Err(400));
        check("nonsense", Err(400));
        check(r#"{"a":1,"a":2}"#, Err(400));
        check(r#"{"input":{"a":1,"a":2}}"#, Err(400));
        check(r#"{"input":1,"input":2}"#, Err(400));
        check(r#"{"input":1} x"#, Err(400));
        check(r#"{"input":1,"extra":2}"#, Err(422));
        check(r#"{"input":1,"options":{"timeout":2}}"#, Err(422));
        check(r#"{"input":1,"options":{"durability":"maybe"}}"#, Err(422));
        check(r#"{"input":1,"options":{"timeoutMs":-1}}"#, Err(422));
        check(&format!("{}{}", "[".repeat(100), "]".repeat(100)), Err(400));
    }
}
