//! A function that is one question to a model (spec 7.3): the component says what is asked, and makes the result of what was
//! answered.

use super::Parts;
use serde::Deserialize;
use types::exec::{Host, Part};
use types::{Call, Completed, Completion, Fault, Json, Message, Reply, Role};

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
}

impl Asked {
    fn completion(self) -> Completion {
        let system = self.system.map(|text| Message::of(Role::System, text));
        let prompt = self.prompt.map(|text| Message::of(Role::User, text));
        Completion {
            model: self.model,
            messages: system.into_iter().chain(self.messages).chain(prompt).collect(),
            tools: Vec::new(),
            schema: self.schema,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            timeout_ms: None,
        }
    }
}

pub(super) async fn run(parts: &Parts<'_>) -> Result<Json, Fault> {
    let input = parts.ready.input.clone();
    let asked = parts.call(Part::Prompt, input.clone()).await?;
    let asked: Asked = serde_json::from_str(asked.as_str())
        .map_err(|e| Fault::failed("PROMPT_INVALID", format!("what `prompt` gave is no request to a model: {e}")))?;
    let reply = parts.host().call(Call::Complete { request: Box::new(asked.completion()) }).await;
    let completed: Completed = match reply {
        Reply::Json(json) => serde_json::from_str(json.as_str()).map_err(|_| Fault::internal())?,
        Reply::Fault(fault) => return Err(fault),
        Reply::Text(_) | Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Http(_) | Reply::Ready(_) => {
            return Err(Fault::internal());
        }
    };
    let answer = Json::of(&completed.text);
    parts.call(Part::Finish { answer }, input).await
}
