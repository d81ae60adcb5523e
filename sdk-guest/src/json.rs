//! Between serde types and the JSON texts of the WIT.

use crate::Fault;
use serde::{Serialize, de::DeserializeOwned};

/// What [`crate::export_code!`] exports: reads the input, calls `function`, writes its result.
///
/// # Errors
/// Fault `invalid` when the input is not what `I` wants, saying where; else the function's own.
pub fn run<I: DeserializeOwned, O: Serialize>(
    input: &str,
    function: impl FnOnce(I) -> Result<O, Fault>,
) -> Result<String, Fault> {
    let input = serde_json::from_str(input).map_err(|e| Fault::invalid(format!("the input does not fit: {e}")))?;
    Ok(serde_json::to_string(&function(input)?)?)
}

pub(crate) fn text(value: &impl Serialize) -> Result<String, Fault> {
    Ok(serde_json::to_string(value)?)
}

pub(crate) fn optional_text(value: Option<&impl Serialize>) -> Result<Option<String>, Fault> {
    value.map(text).transpose()
}

pub(crate) fn value<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_does_not_fit_is_an_invalid_fault_that_says_where() {
        let fault = run("{\"a\": \"x\"}", |input: std::collections::BTreeMap<String, u32>| Ok(input)).unwrap_err();
        assert_eq!(fault.kind, crate::FaultKind::Invalid);
        assert!(fault.message.contains("line 1 column"), "{}", fault.message);
    }
}
