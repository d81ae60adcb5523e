//! What a tool answered, as a value; and what came instead of an answer, as a fault.

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use types::{Fault, Json};

/// The longest result of a tool, and the longest message of a server that is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Of what a server says went wrong, so much is told.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// The structured content, if there is any; else the text; else the content as the protocol has it.
///
/// # Errors
/// `TOOL_FAILED` when the tool says so; `TOOL_RESULT_LIMIT`; `TOOL_FAILED` for what is no value of ours (too deep).
pub(crate) fn result(tool: &str, answer: CallToolResult) -> Result<Json, Fault> {
    let text = text_of(&answer.content);
    if answer.is_error == Some(true) {
        let said = text.or_else(|| answer.structured_content.map(|value| value.to_string()));
        let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| "it did not say why".to_owned());
        return Err(Fault::failed("TOOL_FAILED", format!("{tool} failed: {}", cut(&said))));
    }
    let value = match (answer.structured_content, text) {
        (Some(value), _) => value,
        (None, Some(text)) => Value::String(text),
        (None, None) => json!({ "content": answer.content }),
    };
    let text = value.to_string();
    if text.len() > ANSWER_BYTES_MAX {
        let message = format!("{tool} answered {} bytes; {ANSWER_BYTES_MAX} are taken", text.len());
        return Err(Fault::limit("TOOL_RESULT_LIMIT", message));
    }
    Json::parse(text).map_err(|e| Fault::failed("TOOL_FAILED", format!("{tool} answered what cannot be taken: {e}")))
}

/// None: there is something else than text.
fn text_of(content: &[ContentBlock]) -> Option<String> {
    let texts = content.iter().map(|block| match block {
        ContentBlock::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect::<Option<Vec<_>>>().map(|texts| texts.join("\n"))
}

pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)]
}
