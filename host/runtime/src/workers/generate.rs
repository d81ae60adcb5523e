//! A question to a model without a function and without a worker: the object's own (`POST /api/generate`).

use crate::Caller;
use crate::functions::FunctionVersion;
use crate::invoke::{InvokeFailed, InvokeOptions, Invoked, Ready};
use crate::object::Object;
use crate::running::Chain;
use crate::schema::Schemas;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::exec::Entry;
use types::{Fault, FunctionDef, FunctionKind, FunctionName, Hash, Json, Manifest};

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct GenerateWanted {
    pub prompt: String,
    /// `provider/model`; None: the server's standard model.
    pub model: Option<String>,
    pub system: Option<String>,
    /// The answer is to be a value that fits this JSON Schema; None: it is a text.
    pub schema: Option<Json>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
}

impl Object {
    /// Asks a model, and writes down an action `Function/generate` of it like of any run.
    ///
    /// # Errors
    /// `forbidden` without the scope `Model.invoke`, `invalid` for an empty prompt or a schema that is none, else as a
    /// generative function.
    pub async fn generate(
        &self,
        caller: &Caller,
        wanted: GenerateWanted,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeFailed> {
        caller.may("Model", "invoke")?;
        let ready = self.question(wanted)?;
        self.run(caller, ready, options, Chain::default()).await
    }

    /// A function that asks just this. What it asks is its input, so that no text of it is taken for a template.
    fn question(&self, wanted: GenerateWanted) -> Result<Ready, Fault> {
        if wanted.prompt.trim().is_empty() {
            return Err(Fault::invalid("PROMPT_INVALID", "the prompt is empty"));
        }
        let max = self.node.inner.config.limits.input_bytes_max;
        if (wanted.prompt.len() + wanted.system.as_ref().map_or(0, String::len)) as u64 > max {
            return Err(Fault::limit("INPUT_LIMIT", format!("prompt and system have {max} bytes at most")));
        }
        let mut input = json!({ "prompt": wanted.prompt });
        let mut definition = json!({ "type": "generative", "prompt": "{{input.prompt}}" });
        if let Some(system) = wanted.system {
            input["system"] = system.into();
            definition["system"] = "{{input.system}}".into();
        }
        if let Some(model) = wanted.model {
            definition["model"] = model.into();
        }
        if let Some(schema) = wanted.schema {
            definition["schema"] = schema.to_value();
        }
        if let Some(temperature) = wanted.temperature {
            definition["temperature"] = temperature.into();
        }
        if let Some(max_tokens) = wanted.max_tokens {
            definition["maxTokens"] = max_tokens.into();
        }
        let definition = crate::deploy::checked_definition(&definition)?;
        let def = FunctionDef {
            kind: FunctionKind::Generative,
            hash: Hash::from_bytes([0; 32]),
            size: 0,
            actions: Vec::new(),
            imports: Vec::new(),
            manifest: Manifest::default(),
            described: None,
            vars: BTreeMap::new(),
            declared: Some(definition.text),
        };
        let function = Arc::new(FunctionVersion {
            name: FunctionName::parse("generate").expect("it is a name"),
            version: 0,
            at: self.node.now(),
            manifest: Arc::new(Manifest::default()),
            schemas: Schemas::of(&Manifest::default()),
            def,
        });
        Ok(Ready { function, owner: self.clone(), entry: Entry::Run, input: Json::from_value(&input) })
    }
}
