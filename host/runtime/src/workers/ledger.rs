//! What models cost an object, and the budget that stops it.
//!
//! Numbers by day and model are counted in memory, from what the file has, and written as whole rows with the step whose
//! answer they are of. A request is made when what was spent and what is under way together leave something of the budget;
//! each request that is under way counts with its prompt and the longest answer it may get. So what goes past a budget is
//! less than one request for each model that was answered with more than that.

use crate::Caller;
use crate::commit::lock;
use crate::functions::ANCESTORS_MAX;
use crate::object::{Inner, Object, fault_of};
use crate::things::RulesChange;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use types::{Completed, Completion, Fault, ModelBudget, ModelUsageRow, Namespace, Period, Price};

/// Models of one day that are counted each for itself; further ones are counted together.
const MODELS_MAX: usize = 200;
const OTHERS: &str = "others";
/// How long an answer is taken to get where nobody says, in tokens.
const ANSWER_TOKENS: u64 = 4_096;
/// Days that are shown at once.
const DAYS_MAX: u32 = 92;

/// What of it is known in memory.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    /// From which day on all is here; None: nothing was read yet.
    from: Option<String>,
    rows: BTreeMap<(String, String), ModelUsageRow>,
    under_way: Sum,
}

/// Tokens, and millionths of a dollar.
#[derive(Clone, Copy, Default)]
struct Sum {
    tokens: u64,
    micros: u64,
}

/// A request that may be made. What it is taken to cost is given back when it is over, however it ends.
pub(crate) struct Reserved {
    object: Arc<Inner>,
    sum: Sum,
    day: String,
}

/// What an object may spend, and has spent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageShown {
    /// With the object that has it: this one, or one above it.
    pub budget: Option<(Namespace, ModelBudget)>,
    /// Of the budget's period until now: tokens, and millionths of a dollar.
    pub spent: Option<(u64, u64)>,
    pub rows: Vec<ModelUsageRow>,
}

impl Object {
    /// Takes what a request may cost out of the budget.
    ///
    /// # Errors
    /// `BUDGET_EXCEEDED` when nothing is left; `MODEL_UNPRICED` when the budget is in dollars and the price is not known.
    pub(super) async fn reserve(&self, request: &Completion, price: Option<Price>) -> Result<Reserved, Fault> {
        let day = self.today();
        let budget = self.model_budget().await?;
        self.load_usage(&day).await?;
        let bytes: usize = request.messages.iter().map(|message| message.text.len()).sum();
        let (input, output) = (bytes.div_ceil(4) as u64, request.max_tokens.map_or(ANSWER_TOKENS, u64::from));
        let sum = Sum { tokens: input + output, micros: price.map_or(0, |price| price.micros(input, output)) };
        let mut state = lock(&self.inner.ledger.0);
        if let Some((of, budget)) = &budget {
            check(&state, of, budget, &day, price)?;
        }
        state.under_way.tokens += sum.tokens;
        state.under_way.micros += sum.micros;
        drop(state);
        Ok(Reserved { object: self.inner.clone(), sum, day })
    }

    /// The budget in effect: this object's own, else that of the nearest object above that has one. In either case it is
    /// for what this object spends itself.
    async fn model_budget(&self) -> Result<Option<(Namespace, ModelBudget)>, Fault> {
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            if let Some(budget) = object.inner.settings.get().model_budget {
                return Ok(Some((object.namespace().clone(), budget)));
            }
            let Some(parent) = object.parent().await? else { break };
            let Some(above) = self.node.object(&parent).await? else { break };
            object = above;
        }
        Ok(None)
    }

    /// Has what was spent since this month began in memory.
    async fn load_usage(&self, day: &str) -> Result<(), Fault> {
        /// A month of as many models as are counted.
        const ROWS_MAX: u32 = 32 * (MODELS_MAX as u32 + 1);
        let from = Period::Month.first_day(day);
        if lock(&self.inner.ledger.0).from.as_ref().is_some_and(|known| *known <= from) {
            return Ok(());
        }
        let rows = self.peek(|store| store.model_usage(&from, ROWS_MAX).map_err(|e| fault_of(&e))).await?;
        let mut state = lock(&self.inner.ledger.0);
        // Somebody may have read and counted meanwhile.
        if state.from.is_none() {
            for row in rows {
                state.rows.insert((row.day.clone(), row.model.clone()), row);
            }
        }
        state.rows.retain(|(day, _), _| *day >= from);
        state.from = Some(from);
        Ok(())
    }

    fn today(&self) -> String {
        self.node.now().to_string().get(..10).unwrap_or_default().to_owned()
    }

    /// What models cost, since the day that is `days` before this one.
    ///
    /// # Errors
    /// `forbidden` without the scope `Model.read`.
    pub async fn model_usage(&self, caller: &Caller, days: u32) -> Result<UsageShown, Fault> {
        caller.may("Model", "read")?;
        let day = self.today();
        let back = std::time::Duration::from_secs(u64::from(days.clamp(1, DAYS_MAX) - 1) * 86_400);
        let now = self.node.now().as_millis();
        let millis = u64::try_from(back.as_millis()).unwrap_or(u64::MAX);
        let since = types::Timestamp::from_millis(now.saturating_sub(millis)).to_string();
        let since = since.get(..10).unwrap_or_default().to_owned();
        self.load_usage(&day).await?;
        self.flush().await?;
        let rows = self.read(move |store| store.model_usage(&since, DAYS_MAX * (MODELS_MAX as u32 + 1))).await?;
        let budget = self.model_budget().await?;
        let spent = budget.as_ref().map(|(_, budget)| {
            let sum = lock(&self.inner.ledger.0).since(&budget.per.first_day(&day));
            (sum.tokens, sum.micros)
        });
        Ok(UsageShown { budget, spent, rows })
    }

    /// Sets what this object may spend on models; None: what the nearest object above with a budget may.
    ///
    /// # Errors
    /// `forbidden` without the scope `objects.update`; `BUDGET_INVALID` for one that limits nothing.
    pub async fn set_model_budget(&self, caller: &Caller, budget: Option<ModelBudget>) -> Result<(), Fault> {
        if budget.is_some_and(|budget| budget.usd_micros.is_none() && budget.tokens.is_none()) {
            return Err(Fault::invalid("BUDGET_INVALID", "a budget says usd, tokens, or both"));
        }
        self.set_rules(caller, RulesChange { model_budget: Some(budget), ..RulesChange::default() }).await
    }
}

fn check(state: &State, of: &Namespace, budget: &ModelBudget, day: &str, price: Option<Price>) -> Result<(), Fault> {
    if budget.usd_micros.is_some() && price.is_none() {
        let message = "the budget of this object is in dollars, and the price of this model is not known; the operator \
                       sets it in [models.providers.NAME.prices]";
        return Err(Fault::invalid("MODEL_UNPRICED", message));
    }
    let spent = state.since(&budget.per.first_day(day));
    let (tokens, micros) = (spent.tokens + state.under_way.tokens, spent.micros + state.under_way.micros);
    let is_over =
        budget.tokens.is_some_and(|most| tokens >= most) || budget.usd_micros.is_some_and(|most| micros >= most);
    if !is_over {
        return Ok(());
    }
    let period = budget.per.as_str();
    let message = format!("the budget for models of this {period} is used up; it is set at {of} (PUT /api/budget)");
    let details = serde_json::json!({
        "per": period, "spentTokens": spent.tokens, "spentUsd": crate::running::dollars(spent.micros),
        "budgetTokens": budget.tokens, "budgetUsd": budget.usd_micros.map(crate::running::dollars),
    });
    Err(Fault::limit("BUDGET_EXCEEDED", message).with_details(&details))
}

impl State {
    fn since(&self, day: &str) -> Sum {
        let rows = self.rows.range((day.to_owned(), String::new())..).map(|(_, row)| row);
        rows.fold(Sum::default(), |sum, row| Sum {
            tokens: sum.tokens.saturating_add(row.input_tokens).saturating_add(row.output_tokens),
            micros: sum.micros.saturating_add(row.cost_micros),
        })
    }
}

impl Reserved {
    /// Counts what it cost in truth; answers the row that says so.
    pub(super) fn settle(self, completed: &Completed) -> ModelUsageRow {
        let mut state = lock(&self.object.ledger.0);
        let has = |model: &str| state.rows.contains_key(&(self.day.clone(), model.to_owned()));
        let of_day = state.rows.keys().filter(|(day, _)| *day == self.day).count();
        let model = if of_day < MODELS_MAX || has(&completed.model) { completed.model.as_str() } else { OTHERS };
        let row = state.rows.entry((self.day.clone(), model.to_owned())).or_insert_with(|| ModelUsageRow {
            day: self.day.clone(),
            model: model.to_owned(),
            ..ModelUsageRow::default()
        });
        let spent = completed.spent;
        row.calls += u64::from(spent.model_calls);
        row.input_tokens = row.input_tokens.saturating_add(spent.input_tokens);
        row.output_tokens = row.output_tokens.saturating_add(spent.output_tokens);
        match spent.cost_micros {
            Some(micros) => row.cost_micros = row.cost_micros.saturating_add(micros),
            None => row.unpriced_calls += u64::from(spent.model_calls),
        }
        row.clone()
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut state = lock(&self.object.ledger.0);
        state.under_way.tokens = state.under_way.tokens.saturating_sub(self.sum.tokens);
        state.under_way.micros = state.under_way.micros.saturating_sub(self.sum.micros);
    }
}
