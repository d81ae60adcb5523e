//! Answers a filter for an event.

use super::{Comparison, Condition, EvalError, Operand, Path, Root, Step};
use crate::kind_name;
use serde_json::{Number, Value};
use std::cmp::Ordering;

/// Where paths begin.
pub(super) struct Roots<'a> {
    pub(super) event: &'a Value,
    pub(super) input: Option<&'a Value>,
}

impl<'a> Roots<'a> {
    /// None when there is no such field.
    fn find(&self, path: &Path) -> Result<Option<&'a Value>, EvalError> {
        let root = match path.root {
            Root::Event => Some(self.event),
            Root::Input => self.input,
        };
        let Some(root) = root else { return Err(EvalError("there is no input to compare with".into())) };
        Ok(path.steps.iter().try_fold(root, |value, step| match step {
            Step::Key(key) => value.as_object()?.get(key),
            Step::Index(index) => value.as_array()?.get(*index),
        }))
    }

    /// A field that is not there reads as null.
    fn value(&self, operand: &'a Operand) -> Result<&'a Value, EvalError> {
        match operand {
            Operand::Literal(value) => Ok(value),
            Operand::Path(path) => Ok(self.find(path)?.unwrap_or(&Value::Null)),
        }
    }
}

/// Left to right, no further than needed: what is not looked at is no error. It recurses as deep as the filter is.
pub(super) fn holds<'a>(condition: &'a Condition, roots: &Roots<'a>) -> Result<bool, EvalError> {
    match condition {
        Condition::Any(conditions) => {
            for condition in conditions {
                if holds(condition, roots)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Condition::All(conditions) => {
            for condition in conditions {
                if !holds(condition, roots)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Condition::Not(condition) => Ok(!holds(condition, roots)?),
        Condition::Exists(path) => Ok(roots.find(path)?.is_some()),
        Condition::Is(operand) => match roots.value(operand)? {
            Value::Bool(value) => Ok(*value),
            other => Err(EvalError(format!("{} is neither true nor false", kind_name(other)))),
        },
        Condition::Compare(left, comparison, right) => compare(roots.value(left)?, *comparison, roots.value(right)?),
    }
}

fn compare(left: &Value, comparison: Comparison, right: &Value) -> Result<bool, EvalError> {
    let unfit = || {
        let (left, right) = (kind_name(left), kind_name(right));
        EvalError(format!("{} is not for {left} and {right}", comparison.text()))
    };
    let ordered = |fits: fn(Ordering) -> bool| order(left, right).map(fits).ok_or_else(unfit);
    match comparison {
        Comparison::Equal => Ok(equal(left, right)),
        Comparison::NotEqual => Ok(!equal(left, right)),
        Comparison::Less => ordered(Ordering::is_lt),
        Comparison::LessOrEqual => ordered(Ordering::is_le),
        Comparison::Greater => ordered(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(Ordering::is_ge),
        Comparison::In => match right {
            Value::Array(items) => Ok(items.iter().any(|item| equal(item, left))),
            _ => Err(unfit()),
        },
        Comparison::Contains => match (left, right) {
            (Value::String(text), Value::String(part)) => Ok(text.contains(part.as_str())),
            (Value::Array(items), item) => Ok(items.iter().any(|other| equal(other, item))),
            (Value::Object(map), Value::String(key)) => Ok(map.contains_key(key)),
            _ => Err(unfit()),
        },
        Comparison::StartsWith => match (left, right) {
            (Value::String(text), Value::String(start)) => Ok(text.starts_with(start.as_str())),
            _ => Err(unfit()),
        },
    }
}

/// Numbers by value, texts by their characters (so RFC 3339 times in UTC by time); nothing else has an order.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => order_numbers(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// Numbers of more characters than this are only equal to themselves: reading one takes as long as it is, and a list
/// may ask for that a thousand times. No number that fits either representation needs as many.
const NUMBER_CHARACTERS_MAX: usize = 1100;

/// Whole numbers exactly, others as floating point. None when one is beyond either.
fn order_numbers(left: &Number, right: &Number) -> Option<Ordering> {
    let (left, right) = (left.as_str(), right.as_str());
    if left.len().max(right.len()) > NUMBER_CHARACTERS_MAX {
        return None;
    }
    if let (Ok(left), Ok(right)) = (left.parse::<i128>(), right.parse::<i128>()) {
        return Some(left.cmp(&right));
    }
    let float = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    float(left)?.partial_cmp(&float(right)?)
}

/// By value: 1 is 1.0, the order of keys says nothing. It recurses as deep as the values are, which are [`types::Json`].
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || order_numbers(left, right) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same = |(key, value): (&String, &Value)| right.get(key).is_some_and(|other| equal(value, other));
            left.len() == right.len() && left.iter().all(same)
        }
        (left, right) => left == right,
    }
}
