//! What a model is asked, and what it answers: the words between whoever wants a completion and whoever knows a model.

use crate::Json;
use serde::{Deserialize, Serialize};

/// One completion that is wanted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// `provider/model`, a model of the standard provider, or None: the standard model.
    pub model: Option<String>,
    pub messages: Vec<Message>,
    pub tools: Vec<ToolSpec>,
    /// The answer is to be a value that fits this JSON Schema.
    pub schema: Option<Json>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    /// For one request to the provider, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// Who says something to a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message of a conversation with a model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub role: Role,
    pub text: String,
    /// Of an assistant: what it wants to be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool: which call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
}

impl Message {
    pub fn of(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), tool_calls: Vec::new(), answers: None }
    }
}

/// A tool that a model may call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolSpec {
    /// As the model spells it: letters, digits, `_` and `-`.
    pub name: String,
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Json,
}

/// That a model wants a tool to be called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    /// The model's own name for this call.
    pub id: String,
    pub name: String,
    /// As the model wrote them, which need not be JSON.
    pub arguments: String,
}

/// What a model answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completed {
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    pub finish: Finish,
    /// Which model it was, as `provider/model`.
    pub model: String,
    pub spent: Spent,
}

/// Why a model stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It had said all.
    Stop,
    /// It wants tools to be called.
    ToolCalls,
    /// It came to the limit of its answer.
    Length,
    /// It, or a filter of its provider, did not want to answer.
    Refusal,
}

impl Finish {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
            Self::Length => "length",
            Self::Refusal => "refusal",
        }
    }
}

/// What asking models cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// In millionths of a US dollar; None: the price of a model is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_micros: Option<u64>,
    pub model_calls: u32,
}

/// What a model costs, in millionths of a US dollar for a million tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Price {
    pub input: u64,
    pub output: u64,
}

impl Price {
    /// In millionths of a US dollar; a part of one is rounded up, so that a sum of many is never less than the bill.
    pub fn micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let exact =
            u128::from(input_tokens) * u128::from(self.input) + u128::from(output_tokens) * u128::from(self.output);
        u64::try_from(exact.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Spent {
    /// Both together. What has no known price makes the sum of unknown price, too, unless it is nothing.
    pub fn and(self, other: Self) -> Self {
        let cost_micros = match (self, other) {
            (one, none) if none.model_calls == 0 => one.cost_micros,
            (none, one) if none.model_calls == 0 => one.cost_micros,
            (one, two) => one.cost_micros.zip(two.cost_micros).map(|(a, b)| a.saturating_add(b)),
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_micros,
            model_calls: self.model_calls.saturating_add(other.model_calls),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_price_is_not_taken_for_nothing() {
        let priced = Spent { input_tokens: 1, output_tokens: 2, cost_micros: Some(5), model_calls: 1 };
        let unpriced = Spent { cost_micros: None, ..priced };
        assert_eq!(priced.and(priced).cost_micros, Some(10));
        assert_eq!(priced.and(unpriced).cost_micros, None);
        assert_eq!(Spent::default().and(priced), priced);
        assert_eq!(priced.and(Spent::default()), priced);
    }
}
