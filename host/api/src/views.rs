//! Rows as callers see them. Field names are the API's contract; `GET /api/openapi.json` shows them.

pub(crate) mod approvals;
pub(crate) mod invocations;
pub(crate) mod workflows;

use crate::app::Scope;
use crate::problem::Problem;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use runtime::{EventShown, FunctionVersion};
use serde::Serialize;
use std::collections::BTreeMap;
use types::deployment::FunctionSpec;
use types::{ActionRow, ActionShape, Fault, FunctionDef, FunctionKind, Json, KeyRow, Manifest, ObjectRow};
use utoipa::ToSchema;

/// A JSON answer of status 200 that caches must ask about again.
pub(crate) fn json(value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("our own types serialise to JSON");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}

/// The same with another status, and where the thing it is about can be found.
pub(crate) fn json_at(
    status: http::StatusCode,
    location: Option<&str>,
    value: &impl Serialize,
) -> Result<Response, Problem> {
    let mut response = json(value);
    *response.status_mut() = status;
    if let Some(location) = location {
        let value = HeaderValue::from_str(location).map_err(|_| Problem::from(Fault::internal()))?;
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// One page of a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    /// Ask for the next page with `cursor` set to this; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

impl<T> Page<T> {
    /// Everything there is, each as `view` shows it.
    pub(crate) fn whole<R>(rows: impl IntoIterator<Item = R>, view: impl FnMut(R) -> T) -> Self {
        Self { data: rows.into_iter().map(view).collect(), next: None }
    }

    /// A page of rows, each as `view` shows it.
    pub(crate) fn of<R, C: ToString>(page: runtime::Page<R, C>, view: impl FnMut(R) -> T) -> Self {
        let next = page.next.map(|next| next.to_string());
        Self { data: page.items.into_iter().map(view).collect(), next }
    }
}

/// The body of every answer that is no success (spec 0.6).
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    error: ErrorInner,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetail)]
#[serde(rename_all = "camelCase")]
struct ErrorInner {
    /// Upper-snake word a program can branch on.
    #[schema(example = "NOT_FOUND")]
    code: String,
    /// For a person.
    message: String,
    #[schema(value_type = Option<Object>)]
    details: Option<Json>,
    /// The logged action, when the request had become one.
    action_id: Option<String>,
    request_id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
pub(crate) struct IndexView {
    #[schema(example = "https://acme.example")]
    pub(crate) namespace: String,
    pub(crate) version: &'static str,
    /// Name → path.
    #[schema(value_type = Object)]
    pub(crate) links: BTreeMap<&'static str, String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Whoami)]
pub(crate) struct WhoamiView {
    pub(crate) authenticated: bool,
    /// The URL that this caller's actions are logged under.
    pub(crate) actor: String,
    /// `human`, `agent` or `service`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) scopes: Vec<String>,
    /// The id of the API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    pub(crate) namespace: String,
}

/// One way to call a function.
#[derive(Serialize, ToSchema)]
#[schema(as = Action)]
pub(crate) struct ActionView {
    /// What `POST /api/actions/{name}` takes.
    #[schema(example = "calc.add")]
    pub(crate) name: String,
    /// What kind of function is behind it: `code`, `tool-box`, …
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// JSON Schema.
    #[schema(value_type = Object)]
    pub(crate) input: Json,
    #[schema(value_type = Object)]
    pub(crate) output: Json,
    /// The function's version.
    pub(crate) version: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Actions)]
pub(crate) struct ActionsView {
    pub(crate) actions: Vec<ActionView>,
}

impl ActionView {
    pub(crate) fn all(function: &FunctionVersion) -> Vec<Self> {
        function.def.actions.iter().map(|shape| Self::of(function, shape)).collect()
    }

    /// A function that an app runs.
    pub(crate) fn declared(spec: FunctionSpec, version: u64) -> Self {
        let any = || Json::of(&true);
        Self {
            name: spec.name.to_string(),
            kind: FunctionKind::App.as_str(),
            description: spec.description,
            input: spec.input.unwrap_or_else(any),
            output: spec.output.unwrap_or_else(any),
            version,
        }
    }

    /// The manifest's schemas are the author's own, and win over those that the types gave.
    pub(crate) fn of(function: &FunctionVersion, shape: &ActionShape) -> Self {
        let manifest = &function.def.manifest;
        let (name, own) = match &shape.export {
            Some(export) => (format!("{}.{export}", function.name), None),
            None => (function.name.to_string(), Some(manifest)),
        };
        Self {
            name,
            kind: function.def.kind.as_str(),
            description: shape.description.clone().or_else(|| manifest.description.clone()),
            input: own.and_then(|m| m.input.clone()).unwrap_or_else(|| shape.input.clone()),
            output: own.and_then(|m| m.output.clone()).unwrap_or_else(|| shape.output.clone()),
            version: function.version,
        }
    }
}

/// One version of a deployed component.
#[derive(Serialize, ToSchema)]
#[schema(as = Function)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionView {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) version: u64,
    /// SHA-256 of the component, in hex.
    pub(crate) hash: String,
    /// Of the component, in bytes.
    pub(crate) size: u64,
    /// Where it is invoked.
    pub(crate) url: String,
    pub(crate) created_at: String,
    /// This version says that the function was deleted.
    pub(crate) deleted: bool,
    pub(crate) actions: Vec<ActionView>,
    /// The interfaces it imports.
    pub(crate) imports: Vec<String>,
    #[schema(value_type = Object)]
    pub(crate) manifest: Manifest,
    /// The variables of the application that it was deployed with, below its manifest's.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) vars: BTreeMap<String, String>,
}

impl FunctionView {
    pub(crate) fn of(scope: &Scope, function: &FunctionVersion, deleted: bool) -> Self {
        let FunctionDef { kind, hash, size, actions: _, imports, manifest, described: _, vars, declared: _ } =
            &function.def;
        Self {
            name: function.name.to_string(),
            kind: kind.as_str(),
            version: function.version,
            hash: hash.to_string(),
            size: *size,
            url: action_url(scope, function),
            created_at: function.at.to_string(),
            deleted,
            actions: ActionView::all(function),
            imports: imports.clone(),
            manifest: manifest.clone(),
            vars: vars.clone(),
        }
    }
}

fn action_url(scope: &Scope, function: &FunctionVersion) -> String {
    format!("{}/api/actions/{}", scope.object.namespace(), function.name)
}

/// What a deploy did.
#[derive(Serialize, ToSchema)]
#[schema(as = Deployed)]
pub(crate) struct DeployedView {
    #[serde(flatten)]
    pub(crate) function: FunctionView,
    /// The same component and manifest were the newest version already.
    pub(crate) unchanged: bool,
}

/// One logged command (spec ACT-1).
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedAction)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoggedActionView {
    id: String,
    verb: String,
    actor: String,
    target: String,
    /// The version of the target before.
    input: Option<u64>,
    /// And after.
    output: Option<u64>,
    #[schema(value_type = Object)]
    options: Json,
    durability: &'static str,
    status: &'static str,
    #[schema(value_type = Option<Object>)]
    error: Option<Fault>,
    attempts: u32,
    idempotency_key: Option<String>,
    request_id: Option<String>,
    /// The action that caused it.
    parent: Option<String>,
    created_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    /// Milliseconds.
    duration: Option<f64>,
}

impl LoggedActionView {
    pub(crate) fn of(row: ActionRow) -> Self {
        Self {
            id: row.id.to_string(),
            verb: row.verb,
            actor: row.actor,
            target: row.target,
            input: row.input,
            output: row.output,
            options: row.options,
            durability: row.durability.as_str(),
            status: row.status.as_str(),
            error: row.error,
            attempts: row.attempts,
            idempotency_key: row.idempotency_key,
            request_id: row.request_id,
            parent: row.parent.map(|id| id.to_string()),
            created_at: row.created_at.to_string(),
            started_at: row.started_at.map(|at| at.to_string()),
            completed_at: row.completed_at.map(|at| at.to_string()),
            duration: row.duration_us.map(millis),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
fn millis(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// What happened after an action (spec EVT-1).
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    sequence: u64,
    id: String,
    /// The past form: `created`.
    verb: String,
    /// The URL of what it happened to.
    source: String,
    /// What is told of it. Of a thing: `version`, `previousVersion`, `changes` (paths), and `thing`, its representation
    /// then, which is left out with `truncated` above 64 KiB.
    #[schema(value_type = Object)]
    data: Json,
    action_id: String,
    /// Whether it was handed to a lake of events.
    streamed: bool,
    created_at: String,
    /// Of one that was taken in from an object that this one follows: where it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<EventOriginView>,
}

/// Where an event happened first (spec BUS-3).
#[derive(Serialize, ToSchema)]
#[schema(as = EventOrigin)]
pub(crate) struct EventOriginView {
    /// The object's URL.
    ns: String,
    /// The event's number there.
    sequence: u64,
}

impl EventView {
    pub(crate) fn of(scope: &Scope, shown: EventShown) -> Self {
        let data = with_thing(&shown);
        let row = shown.row;
        Self {
            sequence: row.sequence,
            id: row.id.to_string(),
            verb: row.verb,
            source: format!("{}/{}", scope.object.namespace(), row.source),
            data,
            action_id: row.action.to_string(),
            streamed: false,
            created_at: row.created_at.to_string(),
            origin: shown.origin.map(|o| EventOriginView { ns: o.namespace.to_string(), sequence: o.number }),
        }
    }
}

fn with_thing(shown: &EventShown) -> Json {
    let more = match (&shown.thing, shown.truncated) {
        (Some(thing), _) => format!("\"thing\":{thing}"),
        (None, true) => "\"truncated\":true".to_owned(),
        (None, false) => return shown.row.data.clone(),
    };
    // Only an event whose data are an object with a version has a thing.
    let Some(head) = shown.row.data.as_str().trim_end().strip_suffix('}') else { return shown.row.data.clone() };
    Json::parse(format!("{head},{more}}}")).unwrap_or_else(|_| shown.row.data.clone())
}

/// An API key without the key (spec KEY-1).
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyView {
    id: String,
    name: String,
    /// Its first characters.
    start: String,
    scopes: Vec<String>,
    /// Who made it.
    created_by: String,
    created_at: String,
    expires_at: Option<String>,
    /// Whom it speaks for; left out: itself.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    #[schema(rename = "as", example = "Human/ann")]
    subject: Option<String>,
    /// The whole key, in the answer that makes it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyView {
    pub(crate) fn of(row: KeyRow) -> Self {
        Self {
            id: row.id.to_string(),
            name: row.name,
            start: row.start,
            scopes: row.scopes.iter().map(ToString::to_string).collect(),
            created_by: row.created_by,
            created_at: row.created_at.to_string(),
            expires_at: row.expires_at.map(|at| at.to_string()),
            subject: row.subject.map(|subject| subject.to_string()),
            key: None,
        }
    }

    pub(crate) fn made(row: KeyRow, key: &auth::Key) -> Self {
        Self { key: Some(key.reveal().to_owned()), ..Self::of(row) }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
pub(crate) struct SecretView {
    pub(crate) name: String,
}

/// Another durable object (spec OBJ-1).
#[derive(Serialize, ToSchema)]
#[schema(as = ObjectPointer)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ObjectView {
    ns: String,
    class: String,
    /// What it is to this object: `parent`, `child`, `follower`, `shard` or `reference`.
    relation: &'static str,
    /// Of a child.
    parent: Option<String>,
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_index: Option<u32>,
    /// Of a follower: what it is told, and how far it has that.
    #[serde(skip_serializing_if = "Option::is_none")]
    following: Option<FollowingView>,
    created_at: String,
}

/// What a follower is told (spec BUS-3).
#[derive(Serialize, ToSchema)]
#[schema(as = Following)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FollowingView {
    /// `Customer.*`
    event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    /// The last event of this object that it has, or did not want, as far as is written down.
    through: u64,
    /// How often in a row it could not be told.
    failed: u32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<String>,
    /// Why it could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    error: Option<types::Fault>,
}

impl ObjectView {
    pub(crate) fn following(self, follower: Option<runtime::Follower>) -> Self {
        let following = follower.map(|runtime::Follower { namespace: _, state }| FollowingView {
            event: state.event,
            filter: state.filter,
            through: state.through,
            failed: state.failed,
            retry_at: state.retry_at.map(|at| at.to_string()),
            error: state.error,
        });
        Self { following, ..self }
    }

    pub(crate) fn of(row: ObjectRow) -> Self {
        Self {
            ns: row.namespace.to_string(),
            class: row.class,
            relation: row.relation.as_str(),
            parent: row.parent.map(|ns| ns.to_string()),
            region: row.place.region,
            shard_key: row.place.shard_key,
            shard_index: row.place.shard_index,
            following: None,
            created_at: row.created_at.to_string(),
        }
    }
}

/// One line that a function wrote.
#[derive(Serialize, ToSchema)]
#[schema(as = LogLine)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLineView {
    /// Its place: `after` of the next request, `Last-Event-ID` of a stream.
    pub(crate) id: u64,
    pub(crate) action_id: String,
    pub(crate) at: String,
    /// `stdout`, `stderr`, or the level that the function gave.
    pub(crate) stream: &'static str,
    pub(crate) text: String,
}
