//! What an object may spend on models, and what it has spent.

use serde::{Deserialize, Serialize};

/// A budget that stops: what is past it is not asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelBudget {
    /// In millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_micros: Option<u64>,
    /// Of requests and answers together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    pub per: Period,
}

/// How long a budget is for; it begins anew at midnight UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    Day,
    Month,
}

impl Period {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The first day of the period that `day` (`2026-01-31`) is in.
    pub fn first_day(self, day: &str) -> String {
        match self {
            Self::Day => day.to_owned(),
            Self::Month => format!("{}-01", day.get(..7).unwrap_or(day)),
        }
    }
}

/// What one model cost an object on one day. All numbers only grow, so of two rows of the same day and model the larger
/// numbers are the later ones, in whatever order they come.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ModelUsageRow {
    /// `2026-01-31`, in UTC.
    pub day: String,
    /// `provider/model`
    pub model: String,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// Of the calls whose price is known, in millionths of a US dollar.
    pub cost_micros: u64,
    /// Calls whose price is not known.
    pub unpriced_calls: u64,
}
