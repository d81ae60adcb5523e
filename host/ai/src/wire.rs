//! The protocol's own shapes: a completion as a request, an answer as what we know.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::{Completion, Finish, Message, Price, Role, Spent, ToolCall};

/// The text of one answer, with all arguments of its tool calls.
pub(crate) const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Tools that one answer may want to be called.
pub(crate) const TOOL_CALLS_MAX: usize = 64;

/// The body of a request for a completion.
pub(crate) fn request(request: &Completion, model: &str, is_stream: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    if !request.tools.is_empty() {
        let tool = |tool: &types::ToolSpec| {
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": tool.parameters.to_value(),
            }})
        };
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(schema) = &request.schema {
        let schema = json!({ "name": "answer", "schema": schema.to_value(), "strict": false });
        body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": schema }));
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(max) = request.max_tokens {
        body.insert("max_tokens".into(), max.into());
    }
    if is_stream {
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    Value::Object(body)
}

fn message(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut sent = json!({ "role": role, "content": message.text });
    if !message.tool_calls.is_empty() {
        let call = |call: &ToolCall| json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } });
        sent["tool_calls"] = message.tool_calls.iter().map(call).collect();
    }
    if let Some(call) = &message.answers {
        sent["tool_call_id"] = call.as_str().into();
    }
    sent
}

/// What a model said, before it is known which one it was and what it cost.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) finish: Option<Finish>,
    /// Tokens of request and answer.
    pub(crate) tokens: Option<(u64, u64)>,
}

impl Said {
    /// Reads a whole answer.
    ///
    /// # Errors
    /// What was wrong with it.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let answer: Answer = serde_json::from_slice(body).map_err(|_| "it is no completion".to_owned())?;
        let choice = answer.choices.into_iter().next().ok_or("it has no choices")?;
        let message = choice.message.ok_or("its choice has no message")?;
        let refusal = message.refusal.filter(|refusal| !refusal.is_empty());
        let mut said = Self {
            text: message.content.map(Content::into_text).unwrap_or_default(),
            tool_calls: Vec::new(),
            finish: Some(finish(choice.finish_reason.as_deref().unwrap_or("stop"))),
            tokens: answer.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)),
        };
        for (n, call) in message.tool_calls.unwrap_or_default().into_iter().enumerate() {
            let function = call.function.ok_or("a tool call names no function")?;
            said.tool_calls.push(ToolCall {
                id: call.id.unwrap_or_else(|| format!("call-{n}")),
                name: function.name.ok_or("a tool call names no function")?,
                arguments: function.arguments.unwrap_or_default(),
            });
        }
        if let Some(refusal) = refusal {
            said.text = refusal;
            said.finish = Some(Finish::Refusal);
        }
        said.checked()
    }

    /// What holds for a whole answer and a streamed one.
    pub(crate) fn checked(mut self) -> Result<Self, String> {
        if self.tool_calls.len() > TOOL_CALLS_MAX {
            return Err(format!(
                "it wants {} tools to be called; at most {TOOL_CALLS_MAX} are taken",
                self.tool_calls.len()
            ));
        }
        let bytes = self.text.len() + self.tool_calls.iter().map(|c| c.arguments.len() + c.name.len()).sum::<usize>();
        if bytes > ANSWER_BYTES_MAX {
            return Err(format!("it is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        // Some say `stop` there.
        if !self.tool_calls.is_empty() && self.finish == Some(Finish::Stop) {
            self.finish = Some(Finish::ToolCalls);
        }
        Ok(self)
    }

    /// What it cost. Where a provider does not tell, a token is taken for four bytes, so that no budget is blind.
    pub(crate) fn spent(&self, sent_bytes: usize, price: Option<Price>) -> Spent {
        let said = self.text.len() + self.tool_calls.iter().map(|call| call.arguments.len()).sum::<usize>();
        let guessed = || (sent_bytes.div_ceil(4) as u64, said.div_ceil(4) as u64);
        let (input_tokens, output_tokens) = self.tokens.unwrap_or_else(guessed);
        let cost_micros = price.map(|price| price.micros(input_tokens, output_tokens));
        Spent { input_tokens, output_tokens, cost_micros, model_calls: 1 }
    }
}

pub(crate) fn finish(reason: &str) -> Finish {
    match reason {
        "length" | "max_tokens" => Finish::Length,
        "tool_calls" | "function_call" => Finish::ToolCalls,
        "content_filter" | "refusal" => Finish::Refusal,
        _ => Finish::Stop,
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Heard>,
    finish_reason: Option<String>,
}

/// A message, or a piece of one.
#[derive(Deserialize, Default)]
pub(crate) struct Heard {
    pub(crate) content: Option<Content>,
    pub(crate) refusal: Option<String>,
    pub(crate) tool_calls: Option<Vec<HeardCall>>,
}

#[derive(Deserialize)]
pub(crate) struct HeardCall {
    /// Of a piece: which call it goes on with.
    pub(crate) index: Option<usize>,
    pub(crate) id: Option<String>,
    pub(crate) function: Option<HeardFunction>,
}

#[derive(Deserialize)]
pub(crate) struct HeardFunction {
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<String>,
}

/// Text, or parts of which those are text that say so.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
pub(crate) struct ContentPart {
    #[serde(default)]
    text: String,
}

impl Content {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().map(|part| part.text).collect(),
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) prompt_tokens: u64,
    #[serde(default)]
    pub(crate) completion_tokens: u64,
}

/// What an endpoint says went wrong, for a person.
pub(crate) fn complaint(body: &[u8]) -> Option<String> {
    /// More than that says nobody who complains.
    const SHOWN_CHARS_MAX: usize = 300;
    let value: Value = serde_json::from_slice(body).ok()?;
    let said = value.pointer("/error/message").or_else(|| value.get("message")).or_else(|| value.get("error"))?;
    let text = said.as_str()?;
    Some(text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS_MAX).collect())
}

/// The body of a request for embeddings.
pub(crate) fn embedding_request(model: &str, texts: &[String], dimensions: Option<u32>) -> Value {
    let mut body = json!({ "model": model, "input": texts, "encoding_format": "float" });
    if let Some(dimensions) = dimensions {
        body["dimensions"] = dimensions.into();
    }
    body
}

#[derive(Deserialize)]
struct Embeddings {
    data: Vec<Embedding>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Embedding {
    index: Option<usize>,
    embedding: Vec<f32>,
}

/// The vectors, in the order of the texts, and the tokens.
///
/// # Errors
/// What was wrong with the answer.
pub(crate) fn embeddings(
    body: &[u8],
    texts: usize,
    dimensions: Option<u32>,
) -> Result<(Vec<Vec<f32>>, Option<u64>), String> {
    let answer: Embeddings = serde_json::from_slice(body).map_err(|_| "it has no embeddings".to_owned())?;
    if answer.data.len() != texts {
        return Err(format!("it has {} vectors for {texts} texts", answer.data.len()));
    }
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    for (n, one) in answer.data.into_iter().enumerate() {
        let wanted = dimensions.map_or(one.embedding.len(), |d| d as usize);
        if one.embedding.is_empty() || one.embedding.len() != wanted {
            return Err(format!("a vector has {} numbers; {wanted} were asked for", one.embedding.len()));
        }
        if !one.embedding.iter().all(|number| number.is_finite()) {
            return Err("a vector has what is no number".to_owned());
        }
        let place = vectors.get_mut(one.index.unwrap_or(n)).ok_or("a vector is for no text")?;
        *place = Some(one.embedding);
    }
    let vectors: Option<Vec<_>> = vectors.into_iter().collect();
    Ok((vectors.ok_or("a text has no vector")?, answer.usage.map(|usage| usage.prompt_tokens)))
}
