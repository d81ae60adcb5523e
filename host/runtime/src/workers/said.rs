//! What a function of a model, an agent or a person says: its component's export, or its definition with the places filled
//! in.

use super::Parts;
use crate::functions::FunctionVersion;
use serde_json::{Value, json};
use types::exec::Part;
use types::{Fault, Json};

impl Parts<'_> {
    /// What `part` (`Prompt`, `Goal`, `Request`) says for the run's input, as the world's interface has it. The same for a
    /// component and for a definition.
    ///
    /// # Errors
    /// The component's own; `INPUT_INVALID` for a place that the input has nothing for.
    pub(crate) async fn said(&self, part: Part) -> Result<Json, Fault> {
        let function = &self.ready.function;
        let Some(declared) = &function.def.declared else {
            return self.call(part, self.ready.input.clone()).await;
        };
        filled(function, declared, &self.ready.input, &self.context())
    }

    /// The run's result, made from what came of it: a definition has nothing to add.
    pub(crate) async fn finish(&self, answer: Json) -> Result<Json, Fault> {
        if self.ready.function.def.declared.is_some() {
            return Ok(answer);
        }
        self.call(Part::Finish { answer }, self.ready.input.clone()).await
    }

    /// `{{context.…}}`: the same in each attempt, for a replay asks the same.
    fn context(&self) -> Value {
        let running = self.running;
        let begun = running.durable.as_ref().map_or(running.created_at, |run| run.row.accepted_at);
        json!({
            "namespace": self.object.namespace().to_string(),
            "function": running.target.rsplit('/').next().unwrap_or_default(),
            "version": self.ready.function.version,
            "actor": running.caller.identity.actor.as_ref(),
            "actionId": running.id.to_string(),
            "date": begun.to_string().get(..10).unwrap_or_default(),
        })
    }
}

/// Of a declared function: that the input has something for each of its places, before anything is begun or recorded.
pub(crate) fn check_places(function: &FunctionVersion, input: &Json) -> Result<(), Fault> {
    let Some(declared) = &function.def.declared else { return Ok(()) };
    let names = ["namespace", "function", "version", "actor", "actionId", "date"];
    let context: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), "".into())).collect();
    filled(function, declared, input, &Value::Object(context)).map(|_| ())
}

fn filled(function: &FunctionVersion, declared: &Json, input: &Json, context: &Value) -> Result<Json, Fault> {
    // What is put into a text for somebody else is without what its own name calls a secret.
    let input = types::redact(input).to_value();
    let scope = ::workers::Scope { input: &input, context };
    let filled = ::workers::Definition::filled(function.def.kind, &declared.to_value(), scope);
    let filled = filled.map_err(|e| Fault::invalid("INPUT_INVALID", format!("{}: {e}", function.name)))?;
    Ok(Json::from_value(&filled))
}
