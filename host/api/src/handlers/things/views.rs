//! Things as callers see them, for the document of the API, and what is told of their history.

use crate::views::Page;
use runtime::VersionShown;
use serde::Serialize;
use types::BranchName;
use utoipa::ToSchema;

/// One version of a thing. Only its schema is used: the text is written by the runtime.
#[derive(ToSchema)]
#[schema(as = Thing)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ThingView {
    /// Its URL.
    #[schema(rename = "$id", example = "https://acme.example/Startup/acme")]
    url: String,
    #[schema(rename = "$type", example = "https://acme.example/Startup")]
    type_url: String,
    #[schema(example = "acme")]
    id: String,
    #[schema(rename = "type", example = "Startup")]
    noun: String,
    name: Option<String>,
    #[schema(value_type = Object)]
    data: serde_json::Value,
    version: u64,
    #[schema(example = "main")]
    branch: String,
    /// Only of a delete marker.
    deleted: Option<bool>,
    #[schema(rename = "createdAt")]
    created_at: String,
    #[schema(rename = "updatedAt")]
    updated_at: String,
    #[schema(rename = "createdBy")]
    created_by: String,
    #[schema(rename = "updatedBy")]
    updated_by: String,
    /// It points to an object of its own.
    #[schema(rename = "isDO")]
    is_object: Option<bool>,
}

/// What is sent as a thing: this, or any other object, whose keys but `id` and `name` are data.
#[derive(ToSchema)]
#[schema(as = ThingInput)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ThingInput {
    /// Made by the host unless given.
    id: Option<String>,
    name: Option<String>,
    #[schema(value_type = Object)]
    data: Option<serde_json::Value>,
    /// Write only if this is the newest version.
    #[schema(rename = "_version")]
    if_version: Option<u64>,
}

/// A page of things.
#[derive(ToSchema)]
#[schema(as = Things)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ThingsPage {
    data: Vec<ThingView>,
    /// Null when there are too many to count.
    total: Option<u64>,
    limit: u32,
    offset: u32,
    /// Ask for the next page with `cursor` set to this; absent on the last one.
    next: Option<String>,
}

/// One operation of RFC 6902.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct DiffOp {
    #[schema(example = "replace")]
    op: String,
    #[schema(example = "/data/city")]
    path: String,
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
}

/// One entry of a history.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionView {
    version: u64,
    branch: String,
    name: Option<String>,
    deleted: bool,
    /// Null when it was archived.
    action: Option<VersionAction>,
    created_at: String,
    /// What differs from the version before, as paths; nothing for the first.
    changes: Vec<String>,
}

/// What made a version.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionAction {
    id: String,
    #[schema(example = "update")]
    verb: String,
    actor: String,
}

pub(crate) fn versions_page(page: runtime::Page<VersionShown, u64>) -> Page<VersionView> {
    let data = page.items.into_iter().map(|VersionShown { row, action, changes }| VersionView {
        version: row.version,
        branch: row.branch.as_ref().map_or("main", BranchName::as_str).to_owned(),
        name: row.name,
        deleted: row.deleted,
        action: action.map(|(id, verb)| VersionAction { id: id.to_string(), verb, actor: row.actor }),
        created_at: row.created_at.to_string(),
        changes,
    });
    Page { data: data.collect(), next: page.next.map(|version| version.to_string()) }
}
