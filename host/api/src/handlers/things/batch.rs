//! Several things in one request (spec 16.2): reads of many, or writes in one transaction.

use crate::app::Shared;
use crate::body;
use crate::caller::Who;
use crate::config::limits;
use crate::prefer::{self, Return};
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, Access, REF_FIELDS, Segments};
use crate::views::ErrorBody;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use model::FieldError;
use model::flat::Input;
use model::patch::Patch;
use runtime::{Change, Expect, Op, PatchOf, Shown, Write, Wrote};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use types::{Json, Namespace, Noun, ThingId, ThingKey};
use utoipa::ToSchema;

/// Operations of one batch (spec 16.2).
const OPERATIONS_MAX: usize = 1_000;

/// Either `ids` or `operations`.
#[derive(ToSchema)]
#[schema(as = Batch)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct BatchRequest {
    /// At most 100 things to read.
    ids: Option<Vec<String>>,
    /// At most 1000.
    operations: Option<Vec<BatchOperation>>,
    /// All or none, which is the default. Otherwise each has its own status.
    atomic: Option<bool>,
}

/// One write.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct BatchOperation {
    /// `create`, `put`, `patch`, `delete` or `restore`.
    #[schema(example = "patch")]
    op: String,
    /// Of all but `create`, where it can stand in the thing.
    id: Option<String>,
    /// Of `create` and `put`.
    #[schema(value_type = Option<Object>)]
    thing: Option<Value>,
    /// Of `patch`: an object is a merge patch, a list a JSON patch.
    #[schema(value_type = Option<Object>)]
    patch: Option<Value>,
    /// Do it only if this is the newest version.
    #[schema(rename = "ifVersion")]
    if_version: Option<u64>,
    /// Of `create`: also where a deleted thing had the id.
    revive: Option<bool>,
}

/// What became of each, in the order of the request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct BatchResults {
    results: Vec<BatchResult>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct BatchResult {
    /// As a request of its own would have been answered.
    status: u16,
    id: Option<String>,
    version: Option<u64>,
    thing: Option<super::ThingView>,
    #[schema(value_type = Option<Object>)]
    error: Option<Value>,
}

#[utoipa::path(
    post, path = "/api/{type}/_batch", tag = "things",
    params(
        ("type" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Each operation is done once within 24 hours"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal`: without the things"),
    ),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "What became of each", body = BatchResults),
        (status = 409, description = "One conflicts; `details.index` says which; nothing was done", body = ErrorBody),
        (status = 422, description = "One cannot be done, or there are too many; nothing was done", body = ErrorBody),
    )
)]
pub(crate) async fn run(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.uri, &REF_FIELDS)?;
    let segments = Segments::read(&parts.uri)?;
    let view = target::view(&who, &parts.headers, segments.at, &mut fields)?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let Value::Object(mut map) = body::thing(&text)? else {
        return Err(Problem::validation("a batch is an object: {ids: […]} or {operations: […]}"));
    };
    let Who { scope, caller } = &who;
    let (ids, operations, atomic) = (map.remove("ids"), map.remove("operations"), map.remove("atomic"));
    let unknown = map.keys().next();
    let namespace = scope.object.namespace();
    match (ids, operations, atomic, unknown) {
        (Some(ids), None, None, None) => {
            let ids = read_ids(&ids)?;
            let noun = target::noun(scope, segments.noun, Access::Read).await?;
            let found = scope.object.things_by_id(caller, &noun, &ids, &view).await?;
            Ok(answer(found.iter().zip(&ids).map(|(shown, id)| read_result(namespace, &noun, id, shown.as_ref()))))
        }
        (None, Some(operations), atomic, None) => {
            let atomic = match atomic {
                None => true,
                Some(Value::Bool(atomic)) => atomic,
                Some(_) => return Err(Problem::validation("atomic must be true or false")),
            };
            let noun = target::noun(scope, segments.noun, Access::Write).await?;
            let writes = read_operations(&noun, operations, &parts, &text)?;
            let minimal = prefer::returns(&parts.headers) == Some(Return::Minimal);
            let done = scope.object.write_all(caller, &view, writes, atomic).await;
            let done = done.map_err(|fault| of_batch(fault.into()))?;
            let results = done.into_iter().map(|one| match one {
                Ok(wrote) => write_result(namespace, &wrote, minimal),
                Err(fault) => failed(&Problem::from(fault)),
            });
            let mut response = answer(results);
            prefer::write(response.headers_mut(), minimal.then_some(Return::Minimal));
            Ok(response)
        }
        (_, _, _, Some(key)) => Err(Problem::validation(format!("a batch has no key {:?}", target::cut(key)))),
        _ => Err(Problem::validation("give either ids, or operations with atomic if it is to be false")),
    }
}

/// Of a batch it is always the content that is wrong, not the place it was sent to, nor a condition in a header.
fn of_batch(mut problem: Problem) -> Problem {
    problem.status = match problem.status {
        StatusCode::NOT_FOUND => StatusCode::UNPROCESSABLE_ENTITY,
        StatusCode::PRECONDITION_FAILED => StatusCode::CONFLICT,
        other => other,
    };
    problem
}

fn read_ids(ids: &Value) -> Result<Vec<ThingId>, Problem> {
    let max = limits::PAGE_MAX as usize;
    let ids = ids.as_array().filter(|ids| ids.len() <= max);
    let ids = ids.ok_or_else(|| Problem::validation(format!("ids must be a list of at most {max} ids")))?;
    let ids = ids.iter().map(|id| {
        let text = id.as_str().ok_or_else(|| Problem::validation("ids must be strings"))?;
        ThingId::parse(text).map_err(|e| runtime::name_fault(&e).into())
    });
    ids.collect()
}

fn read_operations(noun: &Noun, operations: Value, parts: &Parts, text: &str) -> Result<Vec<Write>, Problem> {
    let Value::Array(operations) = operations else {
        return Err(Problem::validation("operations must be a list"));
    };
    if operations.len() > OPERATIONS_MAX {
        let message = format!("there are {} operations; at most {OPERATIONS_MAX}", operations.len());
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "BATCH_LIMIT", message));
    }
    let key = super::idempotency(parts, text, None)?;
    let read = operations.into_iter().enumerate().map(|(index, operation)| {
        let (op, expect) = read_operation(noun, operation).map_err(|errors| refused(index, &errors))?;
        let idempotency = if key.is_some() { super::idempotency(parts, text, Some(index))? } else { None };
        Ok(Write { op, expect, idempotency })
    });
    read.collect()
}

fn refused(index: usize, errors: &[FieldError]) -> Problem {
    let told: Vec<_> = errors.iter().map(|e| format!("{}: {}", e.field, e.message)).collect();
    let details = Json::from_value(&json!({ "index": index, "details": errors }));
    Problem::validation(format!("operation {index}: {}", told.join("; "))).with_details(details)
}

fn one_error(field: &str, rule: &str, message: &str) -> Vec<FieldError> {
    vec![FieldError::new(field, rule, message)]
}

fn read_operation(noun: &Noun, operation: Value) -> Result<(Op, Expect), Vec<FieldError>> {
    let Value::Object(mut map) = operation else {
        return Err(one_error("", "type", "an operation is an object like {\"op\": \"delete\", \"id\": \"acme\"}"));
    };
    let op = map.remove("op");
    let version = match map.remove("ifVersion") {
        None => None,
        Some(version) => match version.as_u64().filter(|v| *v > 0) {
            Some(version) => Some(version),
            None => return Err(one_error("ifVersion", "type", "ifVersion is the number of a version, 1 or more")),
        },
    };
    let expect = version.map_or(Expect::Anything, |version| Expect::Versions(vec![version]));
    let op = match op.as_ref().and_then(Value::as_str) {
        Some("create") => {
            let revive = match map.remove("revive") {
                None => false,
                Some(Value::Bool(revive)) => revive,
                Some(_) => return Err(one_error("revive", "type", "revive must be true or false")),
            };
            let id = map.contains_key("id").then(|| id(&mut map)).transpose()?;
            let mut input = Input::read(map.remove("thing").unwrap_or_else(|| Value::Object(Map::new())))?;
            if let Some(id) = id {
                if input.id.as_deref().is_some_and(|inner| inner != id.as_str()) {
                    return Err(one_error("id", "agree", "the operation and its thing have different ids"));
                }
                input.id = Some(id.to_string());
            }
            Op::Create { noun: noun.clone(), input, revive }
        }
        Some("put") => {
            let Some(thing) = map.remove("thing") else {
                return Err(one_error("thing", "required", "a put needs its thing"));
            };
            Op::Put { key: ThingKey::new(noun.clone(), id(&mut map)?), input: Input::read(thing)?, upsert: true }
        }
        Some("patch") => {
            let key = ThingKey::new(noun.clone(), id(&mut map)?);
            let patch = match map.remove("patch") {
                Some(patch @ Value::Array(_)) => {
                    PatchOf::Json(Patch::parse(&patch).map_err(|e| one_error("patch", "format", &e.to_string()))?)
                }
                Some(patch) => PatchOf::Merge { if_version: super::if_version(&patch)?, patch },
                None => {
                    return Err(one_error(
                        "patch",
                        "required",
                        "a patch is missing: an object, or a list of operations",
                    ));
                }
            };
            Op::Patch { key, patch }
        }
        Some("delete") => Op::Delete { key: ThingKey::new(noun.clone(), id(&mut map)?) },
        Some("restore") => Op::Restore { key: ThingKey::new(noun.clone(), id(&mut map)?) },
        Some(_) | None => {
            return Err(one_error("op", "enum", "op must be create, put, patch, delete or restore"));
        }
    };
    match map.keys().next() {
        None => Ok((op, expect)),
        Some(key) => Err(one_error(target::cut(key), "unknown", "this operation has no such key")),
    }
}

fn id(map: &mut Map<String, Value>) -> Result<ThingId, Vec<FieldError>> {
    let Some(Value::String(text)) = map.remove("id") else {
        return Err(one_error("id", "required", "an id is missing: a string"));
    };
    ThingId::parse(&text).map_err(|e| one_error("id", "format", &e.to_string()))
}

fn read_result(namespace: &Namespace, noun: &Noun, id: &ThingId, shown: Option<&Shown>) -> String {
    match shown {
        Some(shown) => result(200, shown, Some(namespace)),
        None => failed(&Problem::not_found(format!("there is no {}", ThingKey::new(noun.clone(), id.clone())))),
    }
}

fn write_result(namespace: &Namespace, wrote: &Wrote, minimal: bool) -> String {
    let status = match wrote.change {
        Change::Created => 201,
        Change::Deleted => 204,
        Change::Updated | Change::Unchanged | Change::Restored => 200,
    };
    result(status, &wrote.shown, (!minimal).then_some(namespace))
}

fn result(status: u16, shown: &Shown, whole: Option<&Namespace>) -> String {
    let id = Json::of(&shown.row.key.id.as_str());
    let mut out = format!("{{\"status\":{status},\"id\":{id},\"version\":{}", shown.row.version);
    if let Some(namespace) = whole {
        // Infallible: a String takes everything.
        let _ = write!(out, ",\"thing\":{}", shown.to_text(namespace));
    }
    out.push('}');
    out
}

fn failed(problem: &Problem) -> String {
    format!("{{\"status\":{},\"error\":{}}}", problem.status.as_u16(), problem.as_json())
}

fn answer(results: impl Iterator<Item = String>) -> Response {
    let mut body = String::from("{\"results\":[");
    for (at, result) in results.enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(&result);
    }
    body.push_str("]}");
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
