//! Models: a question of the object's own, what models cost it, and what it may spend.

use crate::app::Shared;
use crate::body;
use crate::caller::Who;
use crate::handlers::actions::{self, InvokedView};
use crate::handlers::streams;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{ErrorBody, json};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use runtime::{GenerateWanted, InvokeOptions, dollars};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::{Json, ModelBudget, Period};
use utoipa::ToSchema;

/// A question to a model.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Generate)]
pub(crate) struct GenerateRequest {
    prompt: String,
    /// `provider/model`; the server's standard model when it is left out.
    model: Option<String>,
    system: Option<String>,
    /// JSON Schema: the answer is a value that fits it.
    #[schema(value_type = Option<Object>)]
    schema: Option<Json>,
    /// 0 to 2
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    timeout_ms: Option<u64>,
    /// Answer with server-sent events; the same as `Accept: text/event-stream`.
    stream: Option<bool>,
}

#[utoipa::path(
    post, path = "/api/generate", tag = "models", request_body = GenerateRequest,
    responses(
        (status = 200, description = "The answer, as of an action; as server-sent events `delta` and `done` where they are accepted", body = InvokedView),
        (status = 403, description = "The caller may not (scope Model.invoke), or the budget is used up", body = ErrorBody),
        (status = 422, description = "Nothing that can be asked", body = ErrorBody),
        (status = 502, description = "No model is configured, it failed, or no answer fitted the schema", body = ErrorBody),
    )
)]
pub(crate) async fn generate(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Fields::read(&parts.uri, &[])?;
    super::things::allowed(&caller, "Model", "invoke")?;
    let sent = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    let asked: GenerateRequest = body::document(&sent)?;
    if asked.timeout_ms == Some(0) {
        return Err(Problem::validation("timeoutMs must be at least 1"));
    }
    let options = InvokeOptions { timeout: asked.timeout_ms.map(Duration::from_millis), ..InvokeOptions::default() };
    let streams = streams::wanted(&parts.headers, asked.stream, false);
    let wanted = GenerateWanted {
        prompt: asked.prompt,
        model: asked.model,
        system: asked.system,
        schema: asked.schema,
        temperature: asked.temperature,
        max_tokens: asked.max_tokens,
    };
    if streams {
        let (object, request_id) = (scope.object.clone(), scope.request_id.clone());
        let run = move |heard| {
            let options = InvokeOptions { heard, ..options };
            async move { object.generate(&caller, wanted, options).await }
        };
        return streams::answer(&app, &request_id, run).await;
    }
    let invoked = scope.object.generate(&caller, wanted, options).await;
    actions::completed(&invoked.map_err(actions::failed)?)
}

/// What may be spent on models.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ModelBudget)]
pub(crate) struct BudgetView {
    /// US dollars, to a millionth; parts of one are cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 25.0)]
    usd: Option<f64>,
    /// Of requests and answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<u64>,
    /// `day` or `month`, in UTC.
    #[schema(value_type = String, example = "month")]
    per: Period,
}

impl BudgetView {
    fn of(budget: ModelBudget) -> Self {
        let usd = budget.usd_micros.and_then(|micros| dollars(micros).as_f64());
        Self { usd, tokens: budget.tokens, per: budget.per }
    }

    fn read(self) -> Result<ModelBudget, Problem> {
        /// More than anybody spends, and exact in a double.
        const USD_MAX: f64 = 1e9;
        let micros = |usd: f64| {
            let is_money = usd.is_finite() && (0.0..=USD_MAX).contains(&usd);
            let refuse = || Problem::validation(format!("usd is {usd}; 0 to {USD_MAX} is accepted"));
            // 0.07 * 1e6 is a little less than 70000.
            if is_money { Ok((usd * 1e6 + 1e-3).floor() as u64) } else { Err(refuse()) }
        };
        Ok(ModelBudget { usd_micros: self.usd.map(micros).transpose()?, tokens: self.tokens, per: self.per })
    }
}

#[utoipa::path(
    put, path = "/api/budget", tag = "models", request_body = BudgetView,
    responses(
        (status = 204, description = "Past it no model is asked for this object, nor for those below that have no budget of their own, each for what it spends itself"),
        (status = 422, description = "No budget", body = ErrorBody),
    )
)]
pub(crate) async fn set_budget(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Fields::read(&parts.uri, &[])?;
    super::things::allowed(&caller, "objects", "update")?;
    let budget: BudgetView = body::document(&body::read(&parts.headers, body, app.config.body_idle_timeout).await?)?;
    scope.object.set_model_budget(&caller, Some(budget.read()?)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[utoipa::path(
    delete, path = "/api/budget", tag = "models",
    responses((status = 204, description = "The budget of the nearest object above that has one counts, if any"))
)]
pub(crate) async fn remove_budget(Who { scope, caller }: Who) -> Result<Response, Problem> {
    scope.object.set_model_budget(&caller, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What models cost an object.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelUsage)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageView {
    /// The budget in effect.
    budget: Option<BudgetView>,
    /// The object that has it.
    budget_of: Option<String>,
    /// Of the budget's period until now.
    spent: Option<SpentView>,
    /// By day and model, the earliest first.
    data: Vec<UsageRowView>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelsSpent)]
pub(crate) struct SpentView {
    tokens: u64,
    #[schema(value_type = f64)]
    usd: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ModelUsageRow)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageRowView {
    #[schema(example = "2026-01-31")]
    day: String,
    #[schema(example = "openai/gpt-5")]
    model: String,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// Of the calls whose price is known; each call's is rounded up to a millionth.
    #[schema(value_type = f64)]
    cost_usd: serde_json::Value,
    /// Calls whose price is not known.
    unpriced_calls: u64,
}

#[utoipa::path(
    get, path = "/api/usage", tag = "models",
    params(("days" = Option<u32>, Query, description = "This day and those before it; 1 to 92, 31 unless given")),
    responses((status = 200, description = "What this object itself spent on models", body = UsageView))
)]
pub(crate) async fn usage(Who { scope, caller }: Who, uri: Uri) -> Result<Response, Problem> {
    let days = Fields::read(&uri, &["days"])?.parsed("days", "a number from 1 to 92")?.unwrap_or(31_u32);
    if !(1..=92).contains(&days) {
        return Err(Problem::bad_request("days must be a number from 1 to 92"));
    }
    let shown = scope.object.model_usage(&caller, days).await?;
    let (of, budget) = shown.budget.unzip();
    let rows = shown.rows.into_iter().map(|row| UsageRowView {
        day: row.day,
        model: row.model,
        calls: row.calls,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cost_usd: dollars(row.cost_micros),
        unpriced_calls: row.unpriced_calls,
    });
    Ok(json(&UsageView {
        budget: budget.map(BudgetView::of),
        budget_of: of.map(|namespace| namespace.to_string()),
        spent: shown.spent.map(|(tokens, micros)| SpentView { tokens, usd: dollars(micros) }),
        data: rows.collect(),
    }))
}
