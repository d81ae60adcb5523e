//! What runs durably: where it stands, and what it did in time.

use crate::caller::Who;
use crate::config::limits;
use crate::handlers::{Segment, name_problem};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::invocations::{InvocationLineView, InvocationView, UpgradedView};
use crate::views::{ErrorBody, Page, json};
use axum::response::Response;
use http::Uri;
use runtime::{InvocationFilter, InvocationStatus, REPLAYED_MAX, UpgradeWanted};
use types::At;

/// What can have asked for an invocation.
const TRIGGERS: [&str; 6] = ["call", "step", "event", "schedule", "timer", "workflow"];

#[utoipa::path(
    get, path = "/api/invocations", tag = "invocations",
    params(
        ("status" = Option<String>, Query, description = "`pending`, `running`, `waiting`, `retrying`, `paused`, `completed`, `failed` or `cancelled`"),
        ("function" = Option<String>, Query),
        ("trigger" = Option<String>, Query, description = "`call`, `step`, `event`, `schedule`, `timer` or `workflow`"),
        ("name" = Option<String>, Query, description = "Of the subscription, the schedule, the timer or the workflow that asked"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
    ),
    responses((
        status = 200, body = Page<InvocationLineView>,
        description = "Newest first. One look is bounded: a page may be short, or empty, and have a `next`"
    ))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let mut fields = Fields::read(&uri, &["status", "function", "trigger", "name", "cursor", "limit"])?;
    let statuses = InvocationStatus::ALL.map(InvocationStatus::as_str).join(", ");
    let trigger = |text: &str| TRIGGERS.into_iter().find(|known| *known == text);
    let filter = InvocationFilter {
        status: fields.with("status", &format!("one of {statuses}"), InvocationStatus::parse)?,
        function: fields.text("function"),
        trigger: fields.with("trigger", &format!("one of {}", TRIGGERS.join(", ")), trigger)?,
        name: fields.text("name"),
        done: None,
        before: fields.parsed("cursor", "the next of an earlier page")?,
        limit: fields.limit(limits::PAGE_MAX)?,
    };
    let page = scope.object.invocations(&caller, &filter).await?;
    Ok(json(&Page::of(page, |(invocation, action)| InvocationLineView::of(&invocation, action.as_ref()))))
}

#[utoipa::path(
    get, path = "/api/invocations/{id}", tag = "invocations",
    params(
        ("id" = String, Path, description = "Of its action"),
        ("from" = Option<u32>, Query, description = "The ordinal of the first step that is wanted; `stepsNext` of the answer before"),
    ),
    responses(
        (status = 200, description = "With its steps in their order, those it began, and what it wrote", body = InvocationView),
        (status = 404, description = "There is none, or the action is not durable", body = ErrorBody),
    )
)]
pub(crate) async fn show(Who { scope, caller }: Who, id: Segment, uri: Uri) -> Result<Response, Problem> {
    let from = Fields::read(&uri, &["from"])?.parsed("from", "the ordinal of a step")?.unwrap_or(0);
    let shown = scope.object.invocation(&caller, id.id("invocation")?, from).await?;
    Ok(json(&InvocationView::of(&shown)))
}

#[utoipa::path(
    post, path = "/api/functions/{name}/upgrade", tag = "functions",
    params(
        ("name" = String, Path),
        ("to" = Option<String>, Query, description = "`v3`, or `~1` for the one before the newest; the newest unless given"),
        ("dryRun" = Option<bool>, Query, description = "Replay and tell, but change nothing"),
        ("cursor" = Option<String>, Query, description = "`next` of the answer before"),
        ("limit" = Option<u32>, Query, description = "Invocations replayed for this answer, 1 to 1000; 20 unless given"),
    ),
    responses(
        (status = 200, body = UpgradedView, description = "What became of each unfinished invocation of it; nothing was performed. With `next` there are more"),
        (status = 404, description = "There is no such version", body = ErrorBody),
    )
)]
pub(crate) async fn upgrade(Who { scope, caller }: Who, name: Segment, uri: Uri) -> Result<Response, Problem> {
    let name = name.bare_function()?;
    let mut fields = Fields::read(&uri, &["to", "dryRun", "cursor", "limit"])?;
    let to = match fields.text("to") {
        Some(to) => At::parse(to.strip_prefix('@').unwrap_or(&to)).map_err(name_problem)?,
        None => At::Head,
    };
    let wanted = UpgradeWanted {
        to,
        dry_run: fields.parsed("dryRun", "true or false")?.unwrap_or(false),
        after: fields.parsed("cursor", "the next of an earlier answer")?.unwrap_or(0),
        limit: fields.limit(REPLAYED_MAX)?,
    };
    let dry_run = wanted.dry_run;
    let upgraded = scope.object.upgrade(&caller, &name, wanted).await?;
    Ok(json(&UpgradedView::of(&name, dry_run, &upgraded)))
}
