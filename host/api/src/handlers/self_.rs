//! What an object tells of itself (spec CLS-2).

use crate::app::{Scope, Shared};
use crate::body;
use crate::caller::Who;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, json};
use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use model::FieldError;
use runtime::{Caller, RulesChange};
use serde::{Deserialize, Serialize};
use types::BranchName;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema)]
#[schema(as = SelfView)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SelfView {
    #[schema(example = "https://acme.example")]
    ns: String,
    #[schema(example = "Business")]
    class: String,
    /// What that class extends, the nearest first, `DO` last; empty for a `DO`.
    #[schema(example = json!(["DO"]))]
    extends: Vec<&'static str>,
    /// Null for the root.
    parent: Option<String>,
    children: Children,
    /// Null: the installation's first location.
    region: Option<String>,
    /// The newest version of any thing.
    version: u64,
    /// Of the newest event.
    sequence: u64,
    /// What is meant where nobody names a branch.
    default_branch: String,
    /// Whether a request that replaces, patches, deletes or restores a thing must have `If-Match`.
    require_if_match: bool,
    /// Whether a `PUT` makes a thing where there is none.
    put_creates: bool,
    /// Whether things are of registered nouns only.
    strict_types: bool,
    created_at: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Children {
    count: u64,
}

#[utoipa::path(
    get, path = "/api/$self", tag = "objects",
    responses((status = 200, description = "What the object is", body = SelfView))
)]
pub(crate) async fn show(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    told(&scope, &caller).await
}

/// What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SelfRequest {
    /// `main`, or a branch that is there.
    #[schema(example = "experiment")]
    default_branch: Option<String>,
    /// Writes without `If-Match` are refused with 428.
    require_if_match: Option<bool>,
    /// False: a `PUT` of a thing that is not there is 404.
    put_creates: Option<bool>,
    /// A noun that is not registered is refused with 422, and not made by writing.
    strict_types: Option<bool>,
}

impl SelfRequest {
    fn read(self) -> Result<RulesChange, FieldError> {
        let refuse = |error: types::ThingNameError| FieldError::new("defaultBranch", "format", error.to_string());
        let branch = self.default_branch.map(|name| match name.as_str() {
            "main" => Ok(None),
            name => BranchName::parse(name).map(Some).map_err(refuse),
        });
        let change = RulesChange {
            default_branch: branch.transpose()?,
            require_if_match: self.require_if_match,
            put_creates: self.put_creates,
            strict_types: self.strict_types,
            model_budget: None,
        };
        if change == RulesChange::default() {
            let message = "give defaultBranch, requireIfMatch, putCreates or strictTypes";
            return Err(FieldError::new("", "required", message));
        }
        Ok(change)
    }
}

#[utoipa::path(
    patch, path = "/api/$self", tag = "objects", request_body = SelfRequest,
    responses(
        (status = 200, description = "Set for everybody", body = SelfView),
        (status = 404, description = "There is no such branch", body = ErrorBody),
        (status = 422, description = "No name of a branch", body = ErrorBody),
    )
)]
pub(crate) async fn change(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Fields::read(&parts.uri, &[])?;
    super::things::allowed(&who.caller, "objects", "update")?;
    let wanted: SelfRequest = body::document(&body::read(&parts.headers, body, app.config.body_idle_timeout).await?)?;
    let change = wanted.read().map_err(|error| Problem::from(runtime::fields_fault(&[error])))?;
    who.scope.object.set_rules(&who.caller, change).await?;
    told(&who.scope, &who.caller).await
}

async fn told(scope: &Scope, caller: &Caller) -> Result<Response, Problem> {
    let about = scope.object.about(caller).await?;
    Ok(json(&SelfView {
        ns: about.namespace.to_string(),
        class: about.class,
        extends: about.extends.into_iter().map(types::Class::as_str).collect(),
        parent: about.parent.map(|ns| ns.to_string()),
        children: Children { count: about.children },
        region: about.region,
        version: about.version,
        sequence: about.sequence,
        require_if_match: about.rules.require_if_match,
        put_creates: about.rules.put_creates,
        strict_types: about.rules.strict_types,
        default_branch: about.rules.default_branch.map_or_else(|| "main".to_owned(), |name| name.to_string()),
        created_at: about.created_at.to_string(),
    }))
}
