//! A function that is one question to a model (spec 7.3): a component or a definition says what is asked, and makes the
//! result of what was answered.

use super::Parts;
use super::complete::{SCHEMA_RETRIES, ask_for_value, complete};
use serde::Deserialize;
use types::exec::Part;
use types::{Completion, Fault, Json, Message, Role};

/// For one request to a model, when nobody says (spec FUN-5).
const TIMEOUT_MS: u64 = 60_000;
/// A model is asked for a value that fits this often at most, whoever says otherwise.
const SCHEMA_RETRIES_MAX: u32 = 5;

/// What `prompt` gives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    model: Option<String>,
    prompt: Option<String>,
    #[serde(default)]
    messages: Vec<Message>,
    system: Option<String>,
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    schema: Option<Json>,
    schema_retries: Option<u32>,
    timeout_ms: Option<u64>,
    /// What a definition says to others, and what whoever calls looks at.
    #[serde(rename = "type")]
    _kind: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "input")]
    _input: Option<Json>,
    #[serde(rename = "stream")]
    _stream: Option<bool>,
}

pub(super) async fn run(parts: &Parts<'_>) -> Result<Json, Fault> {
    let asked = parts.said(Part::Prompt).await?;
    let asked: Asked = serde_json::from_str(asked.as_str())
        .map_err(|e| Fault::failed("PROMPT_INVALID", format!("what `prompt` gave is no request to a model: {e}")))?;
    let (schema, retries) = (asked.schema.clone(), asked.schema_retries.unwrap_or(SCHEMA_RETRIES));
    let request = asked.completion();
    if request.messages.is_empty() {
        return Err(Fault::failed("PROMPT_INVALID", "what `prompt` gave asks nothing: prompt or messages are wanted"));
    }
    let mut host = parts.host();
    let answer = match schema {
        Some(schema) => {
            let (value, _, _) = ask_for_value(&mut host, request, &schema, retries.min(SCHEMA_RETRIES_MAX)).await?;
            Json::from_value(&value)
        }
        None => Json::of(&complete(&mut host, request).await?.text),
    };
    parts.finish(answer).await
}

impl Asked {
    fn completion(self) -> Completion {
        let system = self.system.map(|text| Message::of(Role::System, text));
        let prompt = self.prompt.map(|text| Message::of(Role::User, text));
        Completion {
            model: self.model,
            messages: system.into_iter().chain(self.messages).chain(prompt).collect(),
            tools: Vec::new(),
            schema: None,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            timeout_ms: Some(self.timeout_ms.unwrap_or(TIMEOUT_MS)),
        }
    }
}
