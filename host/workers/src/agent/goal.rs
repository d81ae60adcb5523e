//! What an agent is to reach, and within what.

use serde::Deserialize;
use types::{Fault, Json, Spent, parse_duration};

/// Iterations when nobody says otherwise, and the most that can be asked for.
const ITERATIONS: u32 = 10;
pub const ITERATIONS_MAX: u32 = 100;
/// Of the whole loop, waits for people not counted.
pub const TIMEOUT_MS: u64 = 300_000;
/// The most that can be asked for, so that a loop is over in a day.
const TIMEOUT_MS_MAX: u64 = 3_600_000;
/// Of one question to a model, or one call of a tool.
pub const STEP_TIMEOUT_MS: u64 = 60_000;
/// A goal's description.
const DESCRIPTION_BYTES_MAX: usize = 64 << 10;
const CONSTRAINTS_MAX: usize = 50;

/// What an agent is to reach, and within what. Times are in milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Goal {
    pub description: String,
    pub constraints: Vec<String>,
    /// What whoever asks tells beside it: data.
    pub context: Option<Json>,
    /// `provider/model`; None: the standard model.
    pub model: Option<String>,
    /// What its author tells the model about itself.
    pub instructions: String,
    /// The answer is to fit this JSON Schema.
    pub schema: Option<Json>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub max_iterations: u32,
    pub timeout_ms: u64,
    pub step_timeout_ms: u64,
    pub budget: Budget,
}

/// What a loop may cost.
#[derive(Clone, Copy, PartialEq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Budget {
    /// Read and written together.
    pub tokens: Option<u64>,
    /// Counted where the price of the model is known.
    pub cost_usd: Option<f64>,
}

impl Budget {
    /// What is over, for a person.
    pub(super) fn exceeded(&self, spent: &Spent) -> Option<String> {
        let tokens = spent.input_tokens.saturating_add(spent.output_tokens);
        if let Some(most) = self.tokens.filter(|most| tokens >= *most) {
            return Some(format!("the goal's budget of {most} tokens is used up: {tokens} were used"));
        }
        let cost = spent.cost_micros.map(super::report::usd);
        let most = self.cost_usd.filter(|most| cost.is_some_and(|cost| cost >= *most))?;
        Some(format!("the goal's budget of {most} USD is used up"))
    }
}

/// A goal as it is written: by a component, in a manifest, or by who asks an agent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(alias = "prompt")]
    description: String,
    #[serde(default)]
    constraints: Vec<String>,
    #[serde(default)]
    context: Option<Json>,
    #[serde(default, rename = "id")]
    _id: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default, alias = "instructions")]
    system: Option<String>,
    #[serde(default)]
    schema: Option<Json>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    max_tokens: Option<u32>,
    #[serde(default, alias = "maxSteps")]
    max_iterations: Option<u32>,
    #[serde(default)]
    timeout: Option<Json>,
    #[serde(default)]
    step_timeout: Option<Json>,
    #[serde(default)]
    budget: Budget,
}

impl Goal {
    pub fn of(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            constraints: Vec::new(),
            context: None,
            model: None,
            instructions: String::new(),
            schema: None,
            temperature: None,
            max_tokens: None,
            max_iterations: ITERATIONS,
            timeout_ms: TIMEOUT_MS,
            step_timeout_ms: STEP_TIMEOUT_MS,
            budget: Budget::default(),
        }
    }

    /// Reads one as it is written, `{description, constraints?, maxIterations?, timeout?, budget?, …}`, or a text alone.
    ///
    /// # Errors
    /// `invalid` (`GOAL_INVALID`), naming what would be accepted.
    pub fn read(json: &Json) -> Result<Self, Fault> {
        let refuse = |what: String| Fault::invalid("GOAL_INVALID", what);
        if let Ok(text) = serde_json::from_str::<String>(json.as_str()) {
            return Self::of(text).checked();
        }
        let written: Written = serde_json::from_str(json.as_str())
            .map_err(|e| refuse(format!("the goal is no text and not {{description, …}}: {e}")))?;
        let Written {
            description, constraints, context, _id: _, model, system, schema, temperature, max_tokens, ..
        } = written;
        let goal = Self {
            constraints,
            context,
            model,
            instructions: system.unwrap_or_default(),
            schema,
            temperature,
            max_tokens,
            max_iterations: written.max_iterations.unwrap_or(ITERATIONS),
            timeout_ms: span("timeout", written.timeout, TIMEOUT_MS)?,
            step_timeout_ms: span("stepTimeout", written.step_timeout, STEP_TIMEOUT_MS)?,
            budget: written.budget,
            ..Self::of(description)
        };
        goal.checked()
    }

    fn checked(self) -> Result<Self, Fault> {
        let refuse = |what: String| Err(Fault::invalid("GOAL_INVALID", what));
        if self.description.trim().is_empty() {
            return refuse("the goal's description is empty; say what is to be reached".to_owned());
        }
        if self.description.len() > DESCRIPTION_BYTES_MAX {
            return refuse(format!("the goal's description is over its limit of {} KiB", DESCRIPTION_BYTES_MAX >> 10));
        }
        if self.constraints.len() > CONSTRAINTS_MAX {
            return refuse(format!("a goal has {CONSTRAINTS_MAX} constraints at most"));
        }
        if !(1..=ITERATIONS_MAX).contains(&self.max_iterations) {
            return refuse(format!("maxIterations is {}; 1 to {ITERATIONS_MAX} are accepted", self.max_iterations));
        }
        if let Some(schema) = &self.schema {
            super::answer::check(schema)?;
        }
        Ok(self)
    }
}

/// Milliseconds, or a text like `5m`.
fn span(name: &str, given: Option<Json>, standard: u64) -> Result<u64, Fault> {
    let ms = match given.map(|given| given.to_value()) {
        None | Some(serde_json::Value::Null) => Some(standard),
        Some(serde_json::Value::String(text)) => {
            parse_duration(&text).ok().and_then(|time| u64::try_from(time.as_millis()).ok())
        }
        Some(other) => other.as_u64(),
    };
    ms.filter(|ms| (1..=TIMEOUT_MS_MAX).contains(ms)).ok_or_else(|| {
        let message =
            format!("{name} is no time that is accepted; write milliseconds or a text like 5m, one hour at most");
        Fault::invalid("GOAL_INVALID", message)
    })
}
