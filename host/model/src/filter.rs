//! Which events of a pattern are meant: `data.amount > 1000 and data.currency == "USD"` (spec WSM-3, WFL-6).
//!
//! ```text
//! either  = both {"or" both}
//! both    = one {"and" one}
//! one     = "not" one | "(" either ")" | "exists" path | path "exists" | operand [compare operand]
//! compare = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "contains" | "startsWith"
//! operand = path | string | number | "true" | "false" | "null" | "[" [literal {"," literal}] "]"
//! path    = name {"." name | "[" (string | number) "]"}
//! ```
//!
//! A path starts at the event (`data.amount`, also `event.data.amount`) or, where something waits for an event, at its
//! own `input`. A filter has no code and no loops: each of its comparisons is made at most once and looks at each part of
//! what it compares at most once.

mod eval;
mod lexer;
mod parser;

use serde_json::Value;

/// The longest filter, in bytes.
pub const TEXT_BYTES_MAX: usize = 4 << 10;

/// How many parentheses and `not`s may lie in each other.
pub const DEPTH_MAX: usize = 32;

/// Why a text is no filter.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("filter, character {character}: {message}", character = at + 1)]
pub struct FilterError {
    /// Where, counted in characters from 0.
    pub at: usize,
    /// What was wrong there and what would be accepted.
    pub message: String,
}

/// Why a filter could not be answered for an event. It counts as no match.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub(crate) String);

/// A condition on events.
#[derive(Clone, PartialEq, Debug)]
pub struct Filter {
    text: String,
    condition: Condition,
    uses_input: bool,
}

impl Filter {
    /// At most [`TEXT_BYTES_MAX`] and [`DEPTH_MAX`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("a filter has at most {TEXT_BYTES_MAX} bytes, this one {}", text.len());
            return Err(FilterError { at: 0, message });
        }
        let (condition, uses_input) = parser::parse(text)?;
        Ok(Self { text: text.to_owned(), condition, uses_input })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it compares with the `input` of what waits. A subscription has none, so its filter may not.
    pub fn uses_input(&self) -> bool {
        self.uses_input
    }

    /// Whether this event is meant. An error is no match; whoever asks counts it.
    pub fn matches(&self, event: &Value) -> Result<bool, EvalError> {
        eval::holds(&self.condition, &eval::Roots { event, input: None })
    }

    /// The same for something that waits and was started with `input` (spec WFL-6).
    pub fn matches_with(&self, event: &Value, input: &Value) -> Result<bool, EvalError> {
        eval::holds(&self.condition, &eval::Roots { event, input: Some(input) })
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Compare(Operand, Comparison, Operand),
    Exists(Path),
    /// A value that is true or false by itself.
    Is(Operand),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
}

impl Comparison {
    fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::Contains => "contains",
            Self::StartsWith => "startsWith",
        }
    }
}

#[derive(Clone, PartialEq, Debug)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Clone, PartialEq, Debug)]
struct Path {
    root: Root,
    /// At least one.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Root {
    Event,
    Input,
}

#[derive(Clone, PartialEq, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

#[cfg(test)]
mod tests;
