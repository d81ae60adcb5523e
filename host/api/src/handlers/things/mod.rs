//! Things over HTTP (spec 16.2): reading one, and every write of one.
//!
//! `answer` (headers of versions), `list`, `history`, `batch`, `edges`, `url` (the canonical and the short URL).

mod answer;
pub(crate) mod batch;
pub(crate) mod edges;
pub(crate) mod history;
pub(crate) mod list;
mod shape;
pub(crate) mod url;
mod views;

use crate::app::{Scope, Shared};
use crate::body::{self, Kind};
use crate::caller::Who;
use crate::conditions;
use crate::config::limits;
use crate::prefer;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, Access, REF_FIELDS, Segments, Target};
use crate::views::ErrorBody;
use answer::{Keep, Predecessor};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use model::FieldError;
use model::flat::Input;
use model::patch::Patch;
use runtime::{Caller, Expect, Idempotency, Op, PatchOf, Shown, View, Write};
use serde_json::Value;
use shape::Shape;
use types::{Fault, Ref, ThingKey};
use views::ThingView;

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What can be said of how one thing is shown.
const SHOW_FIELDS: [&str; 6] = ["version", "v", "branch", "at", "shape", "fields"];

#[utoipa::path(
    get, path = "/api/{type}/{id}", tag = "things",
    params(
        ("type" = String, Path, description = "A noun, its plural or the dashed form of either, in any case"),
        ("id" = String, Path, description = "With `@v3`, `@~1`, `@branch`, `@branch~1`, `@2024-01-08` for another state; an `@` or `/` of the id itself is percent-encoded"),
        ("version" = Option<u64>, Query), ("branch" = Option<String>, Query),
        ("at" = Option<String>, Query, description = "The state at this time"),
        ("shape" = Option<String>, Query, description = "`flat`: the data stand beside the envelope's keys; `DO-Shadowed` names those that could not"),
        ("fields" = Option<String>, Query, description = "Only these, like `name,address.city`"),
        ("DO-Ref" = Option<String>, Header, description = "A ref, like `@v3`; all refs of a request must be the same"),
        ("If-None-Match" = Option<String>, Header), ("If-Modified-Since" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "One version; the headers tell which", body = ThingView),
        (status = 304, description = "The caller has it"),
        (status = 400, description = "No ref, or two that disagree", body = ErrorBody),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 410, description = "This version says that the thing was deleted", body = ErrorBody),
    )
)]
pub(crate) async fn show(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &SHOW_FIELDS)?;
    let Target { key, view } = Target::read(&who, &uri, &headers, &mut fields, Access::Read).await?;
    let shape = Shape::read(&mut fields)?;
    let shown = who.scope.object.thing(&who.caller, &key, &view).await?;
    one(&who, &headers, &shown, &view, &shape).await
}

/// One version that was read.
async fn one(who: &Who, headers: &HeaderMap, shown: &Shown, view: &View, shape: &Shape) -> Result<Response, Problem> {
    let Who { scope, caller } = who;
    let (before, keep) = standing(scope, caller, shown, view).await?;
    if conditions::is_known(headers, &shown.row)? {
        return Ok(answer::not_modified(scope, &shown.row, before, keep));
    }
    let text = shown.to_text(scope.object.namespace());
    let (body, shadowed) = shape.apply(text);
    let mut response = answer::answer(scope, &shown.row, body, before, keep);
    shape::tell_shadowed(response.headers_mut(), &shadowed);
    Ok(response)
}

/// What stands before a version that was read, and how long it may be kept.
async fn standing(scope: &Scope, caller: &Caller, shown: &Shown, view: &View) -> Result<(Predecessor, Keep), Problem> {
    let keep = if matches!(view.at, Ref::Version(_)) { Keep::Forever } else { Keep::Revalidate };
    let row = &shown.row;
    let is_newest = match (&view.at, &view.checkout) {
        (Ref::Head, Ref::Head) => true,
        // What a branch has from the line it was made of need not be the newest there.
        (Ref::Branch(branch), _) | (Ref::Head, Ref::Branch(branch)) => *branch == row.branch,
        (Ref::Head | Ref::Version(_) | Ref::Back(..) | Ref::At(_), _) => false,
    };
    if is_newest || row.born.is_none() {
        return Ok((answer::before_newest(shown), keep));
    }
    let line = View::of(Ref::Branch(row.branch.clone()));
    let earlier = scope.object.versions(caller, &row.key, &line, Some(row.version), 1).await?;
    let before = earlier.items.first().map_or(Predecessor::None, |one| Predecessor::Version(one.row.version));
    Ok((before, keep))
}

#[utoipa::path(
    post, path = "/api/{type}", tag = "things", request_body = views::ThingInput,
    params(
        ("type" = String, Path, description = "A noun; a new word becomes one"),
        ("revive" = Option<bool>, Query, description = "Also where a deleted thing had the id"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 characters; the write is done once within 24 hours"),
        ("DO-Ref" = Option<String>, Header, description = "A branch, like `@experiment`; also as `@experiment` in the path or `?branch=`"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation`"),
    ),
    responses(
        (status = 201, description = "Its first version; `Location` says where it is", body = ThingView),
        (status = 409, description = "The id is taken, or a unique value is", body = ErrorBody),
        (status = 412, description = "`If-None-Match: *`, and it is there", body = ErrorBody),
        (status = 413, description = "Its data are larger than 1 MiB", body = ErrorBody),
        (status = 422, description = "No thing, or not what its noun's schema wants; `details` lists all that is wrong", body = ErrorBody),
    )
)]
pub(crate) async fn create(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.uri, &[REF_FIELDS.as_slice(), &["revive"]].concat())?;
    let segments = Segments::read(&parts.uri)?;
    let Who { scope, caller } = &who;
    let noun = target::noun(scope, segments.noun, Access::Write).await?;
    let view = target::view(&who, &parts.headers, segments.at, &mut fields)?;
    let revive = fields.parsed("revive", "true or false")?.unwrap_or(false);
    allowed(caller, noun.as_str(), "create")?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let input = input(&text)?;
    let write = conditional(Op::Create { noun, input, revive }, &parts, &text)?;
    let wrote = scope.object.write(caller, &view, write).await?;
    answer::wrote(scope, &wrote, prefer::returns(&parts.headers))
}

#[utoipa::path(
    put, path = "/api/{type}/{id}", tag = "things", request_body = views::ThingInput,
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Tags like `\"v3\"`, or `*`"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only where there is none"),
        ("DO-Ref" = Option<String>, Header, description = "A branch, like `@experiment`; also as `@experiment` in the path or `?branch=`"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation`"),
    ),
    responses(
        (status = 200, description = "Its next version: all of name and data is replaced", body = ThingView),
        (status = 201, description = "There was none", body = ThingView),
        (status = 204, description = "As `Prefer: return=minimal` wants it"),
        (status = 400, description = "The body is about another thing", body = ErrorBody),
        (status = 409, description = "A past state cannot be written, or a unique value is taken", body = ErrorBody),
        (status = 412, description = "Its state is another; `ETag` tells which", body = ErrorBody),
        (status = 422, description = "Not what its noun's schema wants", body = ErrorBody),
    )
)]
pub(crate) async fn put(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    write(&app, &who, request, "update", |key, text, _| Ok(Op::Put { key, input: input(text)?, upsert: true })).await
}

#[utoipa::path(
    patch, path = "/api/{type}/{id}", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Tags like `\"v3\"`, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 characters; the write is done once within 24 hours"),
        ("DO-Ref" = Option<String>, Header, description = "A branch, like `@experiment`; also as `@experiment` in the path or `?branch=`"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation`"),
    ),
    request_body(
        content = Object, content_type = "application/merge-patch+json",
        description = "RFC 7396, as application/json too: null removes. Or RFC 6902 as application/json-patch+json, with paths like `/name` and `/data/city`"
    ),
    responses(
        (status = 200, description = "Its next version; `DO-Unchanged: 1` when it was so already", body = ThingView),
        (status = 204, description = "As `Prefer: return=minimal` wants it"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "A past state cannot be written, a unique value is taken, a `test` failed, or `_version` is another", body = ErrorBody),
        (status = 412, description = "Its state is another; `ETag` tells which", body = ErrorBody),
        (status = 415, description = "No kind of patch", body = ErrorBody),
        (status = 422, description = "Not what its noun's schema wants", body = ErrorBody),
    )
)]
pub(crate) async fn patch(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    write(&app, &who, request, "update", |key, text, kind| {
        let value = body::thing(text)?;
        let patch = match kind {
            Kind::Json | Kind::MergePatch => {
                let if_version = if_version(&value).map_err(|errors| runtime::fields_fault(&errors))?;
                PatchOf::Merge { if_version, patch: value }
            }
            Kind::JsonPatch => PatchOf::Json(
                Patch::parse(&value).map_err(|e| Problem::from(Fault::invalid("PATCH_MALFORMED", e.to_string())))?,
            ),
        };
        Ok(Op::Patch { key, patch })
    })
    .await
}

#[utoipa::path(
    delete, path = "/api/{type}/{id}", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Tags like `\"v3\"`, or `*`"),
        ("DO-Ref" = Option<String>, Header, description = "A branch, like `@experiment`; also as `@experiment` in the path or `?branch=`"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation`"),
    ),
    responses(
        (status = 204, description = "`DO-Version` is the delete marker's; earlier versions stay"),
        (status = 200, description = "The marker, as `Prefer: return=representation` wants it", body = ThingView),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 412, description = "Its state is another; `ETag` tells which", body = ErrorBody),
    )
)]
pub(crate) async fn remove(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    write(&app, &who, request, "delete", |key, _, _| Ok(Op::Delete { key })).await
}

#[utoipa::path(
    post, path = "/api/{type}/{id}/restore", tag = "things",
    params(
        ("type" = String, Path), ("id" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Tags like `\"v3\"`, or `*`"),
        ("Idempotency-Key" = Option<String>, Header, description = "At most 255 characters; the write is done once within 24 hours"),
        ("DO-Ref" = Option<String>, Header, description = "A branch, like `@experiment`; also as `@experiment` in the path or `?branch=`"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal` or `return=representation`"),
    ),
    responses(
        (status = 200, description = "What was deleted, as its next version", body = ThingView),
        (status = 204, description = "As `Prefer: return=minimal` wants it"),
        (status = 404, description = "There never was one", body = ErrorBody),
        (status = 409, description = "It is not deleted", body = ErrorBody),
        (status = 412, description = "Its state is another; `ETag` tells which", body = ErrorBody),
    )
)]
pub(crate) async fn restore(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    write(&app, &who, request, "update", |key, _, _| Ok(Op::Restore { key })).await
}

/// A write of the thing that the path names; `op` makes it of the body.
async fn write(
    app: &Shared,
    who: &Who,
    request: Request,
    action: &str,
    op: impl FnOnce(ThingKey, &str, Kind) -> Result<Op, Problem>,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let mut fields = Fields::read(&parts.uri, &REF_FIELDS)?;
    let Target { key, view } = Target::read(who, &parts.uri, &parts.headers, &mut fields, Access::Write).await?;
    let Who { scope, caller } = who;
    allowed(caller, key.noun.as_str(), action)?;
    let (text, kind) = read(app, &parts, body).await?;
    let write = conditional(op(key, &text, kind)?, &parts, &text)?;
    let wrote = scope.object.write(caller, &view, write).await?;
    answer::wrote(scope, &wrote, prefer::returns(&parts.headers))
}

/// Only a PATCH is of another kind than JSON.
async fn read(app: &Shared, parts: &Parts, body: Body) -> Result<(String, Kind), Problem> {
    let accepted: &[Kind] = if parts.method == Method::PATCH { &Kind::ALL } else { &[Kind::Json] };
    body::read_as(&parts.headers, body, app.config.body_idle_timeout, accepted).await
}

/// Before the body is looked at (spec API-4); the object asks again.
pub(crate) fn allowed(caller: &Caller, resource: &str, action: &str) -> Result<(), Problem> {
    if caller.identity.scopes.allow(resource, action) {
        return Ok(());
    }
    let actor = &caller.identity.actor;
    let message = format!("{actor} may not {action} {resource}; it needs a key with the scope {resource}.{action}");
    Err(Fault::forbidden(message).into())
}

/// A whole thing, in either form.
fn input(text: &str) -> Result<Input, Problem> {
    Input::read(body::thing(text)?).map_err(|errors| runtime::fields_fault(&errors).into())
}

/// `_version` of a merge patch (spec VER-22).
fn if_version(patch: &Value) -> Result<Option<u64>, Vec<FieldError>> {
    let Some(value) = patch.get("_version") else { return Ok(None) };
    let version = value.as_u64().filter(|version| *version > 0).map(Some);
    version.ok_or_else(|| vec![FieldError::new("_version", "type", "_version is the number of a version, 1 or more")])
}

/// With the conditions and the idempotency key of the request.
fn conditional(op: Op, parts: &Parts, text: &str) -> Result<Write, Problem> {
    let expect: Expect = conditions::of_write(&parts.headers)?;
    let idempotency = idempotency(parts, text, None)?;
    Ok(Write { op, expect, idempotency })
}

/// `index`: of a batch, whose operations have one key each that is made of the request's.
fn idempotency(parts: &Parts, text: &str, index: Option<usize>) -> Result<Option<Idempotency>, Problem> {
    let is_taken = parts.method == Method::POST || parts.method == Method::PATCH;
    let Some(value) = parts.headers.get(IDEMPOTENCY_KEY).filter(|_| is_taken) else { return Ok(None) };
    let max = limits::IDEMPOTENCY_KEY_CHARS_MAX;
    let key = value.to_str().ok().map(str::trim).filter(|key| (1..=max).contains(&key.len()));
    let key = key
        .ok_or_else(|| Problem::bad_request(format!("Idempotency-Key must be 1 to {max} ASCII characters")))?
        .to_owned();
    let path = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
    let index = index.map_or_else(String::new, |index| index.to_string());
    Ok(Some(Idempotency::of(key, &[parts.method.as_str(), path, &index], text)))
}
