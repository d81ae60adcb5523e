//! Which handlers and webhooks are told of which events (spec ON-8): those of deployments and those made here.

use crate::body::Sent;
use crate::caller::Who;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, Page, json, json_at};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{SubscriptionShown, SubscriptionTarget, WebhookWanted, WorkflowListener};
use serde::{Deserialize, Serialize};
use types::deployment::SubscriptionSpec;
use utoipa::ToSchema;

/// Retries of a delivery unless something else is asked for (spec ON-5).
const RETRIES_STANDARD: u32 = 3;

/// A subscription.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionView {
    name: String,
    #[schema(example = "Customer.created")]
    event: String,
    /// Unless it is a workflow or a webhook.
    #[schema(example = "shop#onCustomer")]
    handler: Option<String>,
    /// The workflow that has a run for each event.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    /// The URL that events are posted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook: Option<String>,
    /// Of a webhook, only in the answer that made it: what `org-ai-signature` is made with, `sha256=` and the hexadecimal
    /// HMAC-SHA256 of `TIMESTAMP.BODY`, where `org-ai-timestamp` is the timestamp.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_…")]
    secret: Option<String>,
    /// Higher is served first.
    priority: i32,
    filter: Option<String>,
    max_retries: u32,
    updated_at: String,
}

impl SubscriptionView {
    fn of(shown: SubscriptionShown) -> Self {
        let SubscriptionShown { name, event, target, priority, filter, max_retries, updated_at } = shown;
        let (handler, workflow, webhook) = match target {
            SubscriptionTarget::Handler(handler) => (Some(handler.to_string()), None, None),
            SubscriptionTarget::Workflow(workflow) => (None, Some(workflow), None),
            SubscriptionTarget::Webhook(url) => (None, None, Some(url)),
        };
        let updated_at = updated_at.to_string();
        Self { name, event, handler, workflow, webhook, secret: None, priority, filter, max_retries, updated_at }
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
    /// The event and the handler, or the webhook's host, unless given.
    name: Option<String>,
    /// `Noun.event`; each may be `*`.
    #[schema(example = "Customer.created")]
    event: String,
    /// A function (`invoice-pay`), a function of a tool box (`calc.add`) or a handler of an app (`shop#onCustomer`).
    handler: Option<String>,
    /// A workflow of this object: one run for each event, which is its input. It retries as it says itself.
    workflow: Option<String>,
    /// A URL that events are posted to as JSON, signed (see `secret` of the answer), with the event's id as
    /// `idempotency-key`. Any status but 2xx is a failure, which is retried; redirects are not followed.
    #[schema(example = "https://example.com/events")]
    webhook: Option<String>,
    /// Higher is served first; 0 unless given.
    priority: Option<i32>,
    /// Like `data.amount > 1000 and data.currency == "USD"`.
    filter: Option<String>,
    /// 0 to 100; 3 unless given.
    max_retries: Option<u32>,
}

/// What was asked for.
enum Wanted {
    Handler(SubscriptionSpec),
    Workflow(WorkflowListener),
    Webhook(WebhookWanted),
}

impl SubscriptionRequest {
    fn wanted(self) -> Result<Wanted, Problem> {
        let Self { name, event, handler, workflow, webhook, priority, filter, max_retries } = self;
        let priority = priority.unwrap_or(0);
        let handler = match (handler, workflow, webhook) {
            (Some(handler), None, None) => handler,
            (None, Some(workflow), None) => {
                if max_retries.is_some() {
                    return Err(Problem::validation("maxRetries: a workflow says itself how its steps are retried"));
                }
                return Ok(Wanted::Workflow(WorkflowListener { name, event, workflow, priority, filter }));
            }
            (None, None, Some(url)) => {
                let max_retries = max_retries.unwrap_or(RETRIES_STANDARD);
                return Ok(Wanted::Webhook(WebhookWanted { name, event, url, priority, filter, max_retries }));
            }
            _ => return Err(Problem::validation("give exactly one of handler, workflow and webhook")),
        };
        let mut spec = serde_json::json!({ "event": event, "handler": handler });
        if let Some(max_retries) = max_retries {
            spec["maxRetries"] = max_retries.into();
        }
        let spec: SubscriptionSpec =
            serde_json::from_value(spec).map_err(|e| Problem::validation(format!("handler: {e}")))?;
        Ok(Wanted::Handler(SubscriptionSpec { name, priority, filter, ..spec }))
    }
}

#[utoipa::path(
    post, path = "/api/subscriptions", tag = "events", request_body = SubscriptionRequest,
    responses(
        (status = 201, description = "It is told of what happens from now on", body = SubscriptionView),
        (status = 200, description = "It was there already", body = SubscriptionView),
        (status = 409, description = "There is another one of this name", body = ErrorBody),
        (status = 422, description = "No such subscription can be", body = ErrorBody),
    )
)]
pub(crate) async fn create(Who { scope, caller }: Who, sent: Sent) -> Result<Response, Problem> {
    let wanted: SubscriptionRequest = sent.document().await?;
    let (shown, created, secret) = match wanted.wanted()? {
        Wanted::Handler(spec) => {
            let (shown, created) = scope.object.subscribe(&caller, spec).await?;
            (shown, created, None)
        }
        Wanted::Workflow(wanted) => {
            let (shown, created) = scope.object.subscribe_workflow(&caller, wanted).await?;
            (shown, created, None)
        }
        Wanted::Webhook(wanted) => {
            let (shown, secret) = scope.object.subscribe_webhook(&caller, wanted).await?;
            (shown, secret.is_some(), secret)
        }
    };
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    json_at(status, None, &SubscriptionView { secret, ..SubscriptionView::of(shown) })
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
