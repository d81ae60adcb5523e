//! An answer that comes in pieces, put together.

use crate::wire::{ANSWER_BYTES_MAX, Heard, Said, TOOL_CALLS_MAX, Usage, finish};
use serde::Deserialize;
use types::{Finish, ToolCall};

/// What was heard so far.
#[derive(Default)]
pub(crate) struct Hearing {
    said: Said,
    refusal: String,
    bytes: usize,
    is_done: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<ChunkChoice>,
    usage: Option<Usage>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ChunkChoice {
    #[serde(default)]
    delta: Heard,
    finish_reason: Option<String>,
}

impl Hearing {
    /// Whether the model said that this was all.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Takes one event; `piece` gets the text in it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn take(&mut self, data: &str, piece: impl FnOnce(&str)) -> Result<(), String> {
        if data.trim() == "[DONE]" {
            self.is_done = true;
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).map_err(|_| "a piece of it is no JSON".to_owned())?;
        if chunk.error.is_some() {
            return Err("it broke off with an error of the provider".to_owned());
        }
        if let Some(usage) = chunk.usage {
            self.said.tokens = Some((usage.prompt_tokens, usage.completion_tokens));
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(()) };
        if let Some(text) = choice.delta.content.map(crate::wire::Content::into_text).filter(|text| !text.is_empty()) {
            self.count(text.len())?;
            self.said.text.push_str(&text);
            piece(&text);
        }
        if let Some(refusal) = choice.delta.refusal {
            self.count(refusal.len())?;
            self.refusal.push_str(&refusal);
        }
        for call in choice.delta.tool_calls.unwrap_or_default() {
            self.call(call)?;
        }
        if let Some(reason) = choice.finish_reason {
            self.said.finish = Some(finish(&reason));
        }
        Ok(())
    }

    fn call(&mut self, heard: crate::wire::HeardCall) -> Result<(), String> {
        let calls = &self.said.tool_calls;
        let at = heard.index.unwrap_or(if heard.id.is_some() { calls.len() } else { calls.len().saturating_sub(1) });
        if at >= TOOL_CALLS_MAX || at > calls.len() {
            return Err(format!("it wants more than {TOOL_CALLS_MAX} tools to be called, or skips one"));
        }
        let function = heard.function;
        let (name, arguments) = function.map(|f| (f.name, f.arguments)).unwrap_or_default();
        let (name, arguments) = (name.unwrap_or_default(), arguments.unwrap_or_default());
        self.count(name.len() + arguments.len())?;
        let calls = &mut self.said.tool_calls;
        if at == calls.len() {
            let id = heard.id.unwrap_or_else(|| format!("call-{at}"));
            calls.push(ToolCall { id, name, arguments });
        } else if let Some(call) = calls.get_mut(at) {
            call.name.push_str(&name);
            call.arguments.push_str(&arguments);
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes += bytes;
        if self.bytes > ANSWER_BYTES_MAX {
            return Err(format!("it is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        Ok(())
    }

    /// The answer, when the connection has ended.
    ///
    /// # Errors
    /// It ended in the middle of the answer, or the answer is none.
    pub(crate) fn end(mut self) -> Result<Said, String> {
        if self.said.finish.is_none() {
            return Err("it ended in the middle".to_owned());
        }
        if !self.refusal.is_empty() {
            self.said.text = self.refusal;
            self.said.finish = Some(Finish::Refusal);
        }
        if self.said.tool_calls.iter().any(|call| call.name.is_empty()) {
            return Err("a tool call names no function".to_owned());
        }
        self.said.checked()
    }
}
