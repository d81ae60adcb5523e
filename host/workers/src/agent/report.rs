//! What came of a loop, in the words of those who ask: functions (spec 7.4) and agents (spec 11.3).

use super::prompt::cut_at;
use serde_json::{Value, json};
use types::{Completed, Fault, Json, Spent, redact};

/// What is kept of a step's arguments and result.
const STEP_BYTES_MAX: usize = 2 << 10;

/// Why a loop ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    Complete,
    MaxIterations,
    Timeout,
    Loop,
    Budget,
    Cancelled,
    Error,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::MaxIterations => "max_iterations",
            Self::Timeout => "timeout",
            Self::Loop => "loop",
            Self::Budget => "budget",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
        }
    }
}

/// What came of a tool, and how long that took.
#[derive(Clone, PartialEq, Debug)]
pub struct Did {
    pub result: Result<Json, Fault>,
    pub took_ms: u64,
}

impl Did {
    /// It was not called.
    pub fn refused(fault: Fault) -> Self {
        Self { result: Err(fault), took_ms: 0 }
    }
}

/// One step of a loop, as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Step(Value);

impl Step {
    pub(super) fn model(before: usize, answer: Result<&Completed, &Fault>, took_ms: u64) -> Self {
        let mut step = json!({ "n": before + 1, "type": "model", "duration": took_ms });
        match answer {
            Ok(completed) if completed.text.is_empty() => {}
            Ok(completed) => step["result"] = json!(cut_at(&completed.text, STEP_BYTES_MAX)),
            Err(fault) => step["error"] = told(fault),
        }
        Self(step)
    }

    pub(super) fn tool(before: usize, name: String, args: &Value, did: Did) -> Self {
        let args = kept(&redact(&Json::from_value(args)));
        let mut step = json!({ "n": before + 1, "type": "tool", "tool": name, "args": args, "duration": did.took_ms });
        match &did.result {
            Ok(result) => step["result"] = kept(&redact(result)),
            Err(fault) => step["error"] = told(fault),
        }
        Self(step)
    }

    fn is_tool(&self) -> bool {
        self.0["type"] == "tool"
    }
}

fn told(fault: &Fault) -> Value {
    json!({ "code": fault.code, "message": cut_at(&fault.message, STEP_BYTES_MAX) })
}

/// A large value is kept as the beginning of its text.
fn kept(json: &Json) -> Value {
    if json.as_str().len() <= STEP_BYTES_MAX { json.to_value() } else { json!(cut_at(json.as_str(), STEP_BYTES_MAX)) }
}

/// What came of a loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    pub reason: Reason,
    /// What it was to reach; None unless complete.
    pub output: Option<Json>,
    /// The last text that the model said.
    pub partial: Option<String>,
    pub iterations: u32,
    pub steps: Vec<Step>,
    pub spent: Spent,
    pub tool_calls: u32,
    /// Why it is not complete.
    pub error: Option<Fault>,
}

impl Report {
    /// `{output, finishReason, iterations, steps, usage}`; an output that is not whole is what was said last.
    pub fn of_function(&self) -> Value {
        let output = match (&self.output, &self.partial) {
            (Some(output), _) => output.to_value(),
            (None, Some(partial)) => json!(partial),
            (None, None) => Value::Null,
        };
        let mut value = json!({
            "output": output,
            "finishReason": self.reason.as_str(),
            "iterations": self.iterations,
            "steps": self.steps.iter().map(|step| &step.0).collect::<Vec<_>>(),
            "usage": self.usage(),
        });
        if let Some(fault) = &self.error {
            value["error"] = told(fault);
        }
        value
    }

    /// `{success, result?, iterations, actions, stopReason, error?, usage}`
    pub fn of_goal(&self) -> Value {
        let mut value = json!({
            "success": self.reason == Reason::Complete,
            "iterations": self.iterations,
            "actions": self.steps.iter().filter(|step| step.is_tool()).map(|step| &step.0).collect::<Vec<_>>(),
            "stopReason": self.reason.as_str(),
            "usage": self.usage(),
        });
        if let Some(output) = &self.output {
            value["result"] = output.to_value();
        }
        if let Some(fault) = &self.error {
            value["error"] = told(fault);
        }
        value
    }

    /// `{inputTokens, outputTokens, costUsd?, modelCalls, toolCalls}`
    pub fn usage(&self) -> Value {
        let mut usage = json!({
            "inputTokens": self.spent.input_tokens,
            "outputTokens": self.spent.output_tokens,
            "modelCalls": self.spent.model_calls,
            "toolCalls": self.tool_calls,
        });
        if let Some(micros) = self.spent.cost_micros {
            usage["costUsd"] = json!(usd(micros));
        }
        usage
    }
}

#[expect(clippy::cast_precision_loss, reason = "money beyond 2^53 millionths of a dollar is no budget of anybody")]
pub(super) fn usd(micros: u64) -> f64 {
    micros as f64 / 1e6
}
