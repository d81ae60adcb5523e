//! Which handlers are told of which events (spec ON-8): those of deployments and those made here.

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::SubscriptionShown;
use serde::{Deserialize, Serialize};
use types::deployment::SubscriptionSpec;
use utoipa::ToSchema;

/// A subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionView {
    name: String,
    #[schema(example = "Customer.created")]
    event: String,
    #[schema(example = "shop#onCustomer")]
    handler: String,
    /// Higher is served first.
    priority: i32,
    filter: Option<String>,
    max_retries: u32,
    updated_at: String,
}

impl SubscriptionView {
    fn of(shown: SubscriptionShown) -> Self {
        let SubscriptionShown { name, spec, updated_at } = shown;
        let SubscriptionSpec { name: _, event, handler, priority, filter, max_retries } = spec;
        let (handler, updated_at) = (handler.to_string(), updated_at.to_string());
        Self { name, event, handler, priority, filter, max_retries, updated_at }
    }
}

#[utoipa::path(
    get, path = "/api/subscriptions", tag = "events",
    responses((status = 200, description = "All, by name", body = Page<SubscriptionView>))
)]
pub(crate) async fn list(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    Fields::read(&uri, &[])?;
    let found = scope.object.subscriptions(&caller).await?;
    Ok(json(&Page::whole(found, SubscriptionView::of)))
}

/// What a subscription is to be. Exactly one of `handler`, `workflow` and `webhook` says who is told.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SubscriptionRequest {
    /// The event and the handler unless given.
    name: Option<String>,
    /// `Noun.event`; each may be `*`.
    #[schema(example = "Customer.created")]
    event: String,
    /// A function (`invoice-pay`), a function of a tool box (`calc.add`) or a handler of an app (`shop#onCustomer`).
    handler: Option<String>,
    /// Not served yet.
    workflow: Option<String>,
    /// Not served yet.
    webhook: Option<String>,
    /// Higher is served first; 0 unless given.
    priority: Option<i32>,
    /// Like `data.amount > 1000 and data.currency == "USD"`.
    filter: Option<String>,
    /// 0 to 100; 3 unless given.
    max_retries: Option<u32>,
}

impl SubscriptionRequest {
    fn spec(self) -> Result<SubscriptionSpec, Problem> {
        let handler = match (self.handler, self.workflow, self.webhook) {
            (Some(handler), None, None) => handler,
            (None, Some(_), None) => return Err(unserved("a workflow")),
            (None, None, Some(_)) => return Err(unserved("the URL of a webhook")),
            _ => return Err(Problem::validation("give exactly one of handler, workflow and webhook")),
        };
        let mut spec = serde_json::json!({ "event": self.event, "handler": handler });
        if let Some(max_retries) = self.max_retries {
            spec["maxRetries"] = max_retries.into();
        }
        let spec: SubscriptionSpec =
            serde_json::from_value(spec).map_err(|e| Problem::validation(format!("handler: {e}")))?;
        Ok(SubscriptionSpec { name: self.name, priority: self.priority.unwrap_or(0), filter: self.filter, ..spec })
    }
}

fn unserved(what: &str) -> Problem {
    let message = format!("{what} cannot be subscribed yet; subscribe a handler that calls it");
    Problem::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
}

#[utoipa::path(
    post, path = "/api/subscriptions", tag = "events", request_body = SubscriptionRequest,
    responses(
        (status = 201, description = "It is told of what happens from now on", body = SubscriptionView),
        (status = 200, description = "It was there already", body = SubscriptionView),
        (status = 409, description = "There is another one of this name", body = ErrorBody),
        (status = 422, description = "No such subscription can be", body = ErrorBody),
        (status = 501, description = "A workflow or a webhook", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let wanted: SubscriptionRequest = sent.document().await?;
    let (shown, created) = scope.object.subscribe(&caller, wanted.spec()?).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    json_at(status, None, &SubscriptionView::of(shown))
}

#[utoipa::path(
    delete, path = "/api/subscriptions/{name}", tag = "events", params(("name" = String, Path)),
    responses(
        (status = 204, description = "It is told of nothing more; what it was handed already goes on"),
        (status = 404, description = "There is none", body = ErrorBody),
    )
)]
pub(crate) async fn remove(Who { scope, caller }: Who, name: Segment) -> Result<Response, Problem> {
    scope.object.unsubscribe(&caller, &name.0).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
