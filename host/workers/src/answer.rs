//! The value in what a model wrote: JSON, alone or in a fence.

use serde_json::Value;
use types::Json;

/// Reads JSON that stands alone, or in the first fenced block of the text. Nothing is mended: what is no JSON is none.
///
/// # Errors
/// For the model to read: what was found instead.
pub fn value_of(text: &str) -> Result<Value, String> {
    let alone = text.trim();
    let whole = match Json::parse(alone) {
        Ok(json) => return Ok(json.to_value()),
        Err(error) => error,
    };
    match fenced(alone).map(|inner| Json::parse(inner.trim())) {
        Some(Ok(json)) => Ok(json.to_value()),
        Some(Err(error)) => Err(format!("the fenced block is {error}")),
        None => Err(format!("the answer is {whole}")),
    }
}

/// What is between the first fence and its end.
fn fenced(text: &str) -> Option<&str> {
    const FENCE: &str = "```";
    let (_, behind) = text.split_once(FENCE)?;
    // Its first line names a language, if anything.
    let (language, inner) = behind.split_once('\n').unwrap_or(("", behind));
    let inner = if language.trim().chars().all(|c| c.is_ascii_alphanumeric()) { inner } else { behind };
    inner.split_once(FENCE).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_found_alone_and_in_a_fence() {
        for text in [
            "{\"a\":1}",
            "  {\"a\":1}\n",
            "```json\n{\"a\":1}\n```",
            "Here you are:\n```\n{\"a\":1}\n```\nAnything else?",
            "```{\"a\":1}```",
        ] {
            assert_eq!(value_of(text), Ok(json!({ "a": 1 })), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_not_made_into_some() {
        for text in ["", "yes", "{\"a\":1", "```json\n{a:1}\n```", "the answer is {\"a\":1}", "{\"a\":1,\"a\":2}"] {
            assert!(value_of(text).is_err(), "{text}");
        }
    }
}
