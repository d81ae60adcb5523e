//! What an agent may call: names as models spell them, and arguments looked at before anything is called.

use super::answer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use types::{Fault, Json, ToolSpec};

/// Tools of one agent.
pub const TOOLS_MAX: usize = 128;
/// The longest name that providers take.
const NAME_BYTES_MAX: usize = 64;
/// A tool's description.
const DESCRIPTION_BYTES_MAX: usize = 1 << 10;

/// Where a tool is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// In the agentic function's own component: `call-tool`.
    Own(String),
    /// Another function: `charge`, `calc.add`.
    Action(String),
    /// A server outside (MCP).
    Server { server: String, tool: String },
    /// What the agent remembers from one goal to the next.
    Memory(MemoryTool),
}

/// What an agent does with its own memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum MemoryTool {
    Remember,
    Recall,
    Forget,
}

/// Whether a tool changes anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Side {
    Reads,
    /// So does one that says nothing of it.
    Changes,
}

/// One tool.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tool {
    pub origin: Origin,
    /// As it is called where it is: `calc.add`.
    pub title: String,
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Json,
    pub side: Side,
    /// Of one call, in milliseconds.
    pub timeout_ms: u64,
}

/// The tools of one agent, each under a name that a model can spell.
#[derive(Debug, Default)]
pub struct Toolbox(Vec<(String, Tool)>);

impl Toolbox {
    /// # Errors
    /// `TOOLS_LIMIT`, `TOOL_INVALID` for parameters that are no JSON Schema.
    pub fn new(tools: Vec<Tool>) -> Result<Self, Fault> {
        if tools.len() > TOOLS_MAX {
            let message = format!("an agent has {TOOLS_MAX} tools at most; these are {}", tools.len());
            return Err(Fault::limit("TOOLS_LIMIT", message));
        }
        let mut taken = BTreeSet::new();
        let mut named = Vec::with_capacity(tools.len());
        for tool in tools {
            if let Err(error) = jsonschema::validator_for(&tool.parameters.to_value()) {
                let message = format!("the parameters of tool {:?} are no JSON Schema: {error}", tool.title);
                return Err(Fault::invalid("TOOL_INVALID", message));
            }
            named.push((free_name(&tool.title, &mut taken), tool));
        }
        Ok(Self(named))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tool at a place that [`look`](Self::look) found.
    pub fn get(&self, place: usize) -> Option<&Tool> {
        self.0.get(place).map(|(_, tool)| tool)
    }

    pub(super) fn specs(&self) -> Vec<ToolSpec> {
        let spec = |(name, tool): &(String, Tool)| ToolSpec {
            name: name.clone(),
            description: super::prompt::cut_at(&tool.description, DESCRIPTION_BYTES_MAX),
            parameters: tool.parameters.clone(),
        };
        self.0.iter().map(spec).collect()
    }

    /// The tool that a model names, if it may be called with these arguments.
    pub(super) fn look(&self, name: &str, arguments: &str) -> Result<(usize, Value), Fault> {
        let shown: String = name.chars().take(80).collect();
        let Some(place) = self.0.iter().position(|(known, _)| known == name) else {
            let known: Vec<_> = self.0.iter().map(|(name, _)| name.as_str()).collect();
            let message = format!("there is no tool {shown:?} that you may call; these are: {}", known.join(", "));
            return Err(Fault::forbidden(message).coded("TOOL_UNKNOWN"));
        };
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let args = Json::parse(text).map_err(|error| {
            Fault::invalid("ARGUMENTS_INVALID", format!("the arguments of {shown} are no JSON: {error}"))
        })?;
        let args = args.to_value();
        let problems = match &args {
            Value::Object(_) => answer::problems(&self.0[place].1.parameters.to_value(), &args),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                "an object is wanted".to_owned()
            }
        };
        if problems.is_empty() {
            return Ok((place, args));
        }
        let message = format!("the arguments of {shown} do not fit its parameters, so it was not called: {problems}");
        Err(Fault::invalid("ARGUMENTS_INVALID", message))
    }
}

trait Coded {
    fn coded(self, code: &str) -> Self;
}

impl Coded for Fault {
    fn coded(mut self, code: &str) -> Self {
        code.clone_into(&mut self.code);
        self
    }
}

/// `calc.add` as a model spells it: `calc_add`.
pub fn name_for_models(title: &str) -> String {
    let spelled = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let name: String = title.chars().map(spelled).take(NAME_BYTES_MAX).collect();
    if name.is_empty() { "tool".to_owned() } else { name }
}

fn free_name(title: &str, taken: &mut BTreeSet<String>) -> String {
    let name = name_for_models(title);
    let mut free = name.clone();
    let mut n = 2;
    while !taken.insert(free.clone()) {
        let end = format!("_{n}");
        free = format!("{}{end}", &name[..name.len().min(NAME_BYTES_MAX - end.len())]);
        n += 1;
    }
    free
}

/// Whether `calc.*` or `calc.add` means the tool of that name.
pub fn matches_pattern(pattern: &str, title: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => title.starts_with(start),
        None => pattern == title,
    }
}

/// The tools of an agent that has a memory of its own.
pub fn memory_tools() -> Vec<Tool> {
    let object = |properties: Value, required: &[&str]| {
        let schema =
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        Json::from_value(&schema)
    };
    let tool = |kind, title: &str, description: &str, parameters, side| Tool {
        origin: Origin::Memory(kind),
        title: title.to_owned(),
        description: description.to_owned(),
        parameters,
        side,
        timeout_ms: super::STEP_TIMEOUT_MS,
    };
    let content = json!({ "type": "string", "minLength": 1, "maxLength": 4096 });
    let kinds = json!({ "type": "string", "enum": ["long-term", "episodic"] });
    vec![
        tool(
            MemoryTool::Remember,
            "remember",
            "Keep something for later goals; long-term for what stays true, episodic for what happened.",
            object(json!({ "content": content, "type": kinds }), &["content"]),
            Side::Reads,
        ),
        tool(
            MemoryTool::Recall,
            "recall",
            "What was kept before that is about a question, with its ids.",
            object(json!({ "query": { "type": "string", "maxLength": 1024 } }), &["query"]),
            Side::Reads,
        ),
        tool(
            MemoryTool::Forget,
            "forget",
            "Forget something that was kept, by its id.",
            object(json!({ "id": { "type": "string", "minLength": 1, "maxLength": 256 } }), &["id"]),
            Side::Reads,
        ),
    ]
}
