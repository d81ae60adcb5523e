//! Branches of an object (spec 3.2).

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::{Segment, checkout};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use runtime::{BranchShown, BranchWanted, View};
use serde::{Deserialize, Serialize};
use types::{BranchName, Fault, ThingKey, ThingNameError};
use utoipa::ToSchema;

/// A named line of versions (spec BRN-1).
#[derive(Serialize, ToSchema)]
#[schema(as = Branch)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BranchView {
    #[schema(example = "experiment")]
    name: String,
    /// The object's version it was made at, or was merged at last.
    base: u64,
    /// The newest version on it.
    head: u64,
    /// The ref it was made from; null for main.
    forked_from: Option<String>,
    /// The branch it stands on; null for main.
    parent: Option<String>,
    /// Changed things that its parent has not taken, counted up to 10,000.
    ahead: u64,
    /// Things that its parent changed since.
    behind: u64,
    created_at: Option<String>,
    created_by: Option<String>,
    /// The only things that can be written on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    things: Option<Vec<String>>,
}

impl BranchView {
    fn of(shown: BranchShown) -> Self {
        let BranchShown { name, row, base, head, ahead, behind } = shown;
        let parent = row.as_ref().map(|row| row.parent.as_ref().map_or("main", BranchName::as_str).to_owned());
        Self {
            name,
            base,
            head,
            forked_from: row.as_ref().map(|row| row.forked_from.clone()),
            parent,
            ahead,
            behind,
            created_at: row.as_ref().map(|row| row.created_at.to_string()),
            created_by: row.as_ref().map(|row| row.created_by.clone()),
            things: row.and_then(|row| row.things).map(|keys| keys.iter().map(ToString::to_string).collect()),
        }
    }
}

#[utoipa::path(
    get, path = "/api/branches", tag = "branches",
    responses((status = 200, description = "All of them, main first, then by name", body = Page<BranchView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let branches = scope.object.branches(&caller).await?;
    Ok(json(&Page::whole(branches, BranchView::of)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BranchRequest {
    /// Letters, digits and `. _ / -`, 128 at most; not `main`, and nothing that reads like a version or a date.
    #[schema(example = "feature/prices")]
    name: String,
    /// Any ref; the branch in effect unless given.
    from: Option<String>,
    /// The only things that can be written on it, like `Startup/acme`; all unless given.
    things: Option<Vec<String>>,
}

#[utoipa::path(
    post, path = "/api/branches", tag = "branches", request_body = BranchRequest,
    params(("DO-Session" = Option<String>, Header), ("DO-Ref" = Option<String>, Header)),
    responses(
        (status = 201, description = "The branch; nobody is switched to it", body = BranchView),
        (status = 404, description = "There is nothing that it could be made from", body = ErrorBody),
        (status = 409, description = "It exists, or there is nothing to branch", body = ErrorBody),
        (status = 422, description = "No name of a branch", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, headers: HeaderMap, sent: Sent) -> Result<Response, Problem> {
    let wanted: BranchRequest = sent.document().await?;
    let effective = checkout::view(&scope, &caller, &headers)?;
    let from = match &wanted.from {
        None => effective,
        Some(text) => View { at: checkout::parse_ref(text).map_err(Problem::validation)?, ..effective },
    };
    let name = BranchName::parse(&wanted.name).map_err(|e| refused("name", &e))?;
    let key = |text: &String| ThingKey::parse(text).map_err(|e| refused("things", &e));
    let things = wanted.things.map(|things| things.iter().map(key).collect::<Result<_, _>>()).transpose()?;
    let shown = scope.object.branch(&caller, &from, BranchWanted { name, things }).await?;
    let location = scope.link(&format!("/api/branches/{}", shown.name.replace('/', "%2F")));
    json_at(StatusCode::CREATED, Some(&location), &BranchView::of(shown))
}

#[utoipa::path(
    get, path = "/api/branches/{name}", tag = "branches",
    params(("name" = String, Path, description = "A slash in it is written %2F")),
    responses(
        (status = 200, description = "The branch", body = BranchView),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, name: Segment, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let name = named(&name.0)?;
    Ok(json(&BranchView::of(scope.object.branch_named(&caller, name.as_ref()).await?)))
}

#[utoipa::path(
    delete, path = "/api/branches/{name}", tag = "branches",
    params(
        ("name" = String, Path, description = "A slash in it is written %2F"),
        ("force" = Option<bool>, Query, description = "Also when it has what was not merged"),
    ),
    responses(
        (status = 204, description = "It is gone; its versions stay readable by their numbers"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It was not merged, another branch stands on it, or it is main", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["force"])?;
    let force = fields.parsed("force", "true or false")?.unwrap_or(false);
    let Some(name) = named(&name.0)? else {
        return Err(
            Fault::conflict("BRANCH_IS_MAIN", "main cannot be deleted; it is what all branches stand on").into()
        );
    };
    scope.object.delete_branch(&caller, &name, force).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// None is main. Nothing can be there under a name that is no name.
pub(crate) fn named(text: &str) -> Result<Option<BranchName>, Problem> {
    if text == "main" {
        return Ok(None);
    }
    let unknown = |e: ThingNameError| Fault::not_found("BRANCH_NOT_FOUND", e.to_string()).into();
    BranchName::parse(text).map(Some).map_err(unknown)
}

fn refused(field: &str, error: &ThingNameError) -> Problem {
    let details = serde_json::json!([{ "field": field, "rule": "format", "message": error.to_string() }]);
    Fault::invalid("VALIDATION_FAILED", error.to_string()).with_details(&details).into()
}
