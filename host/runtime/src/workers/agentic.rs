//! A function that is a loop of a model and tools (spec 7.4). Its component says what is to be reached and which tools
//! there are, and makes the result; a declared one says the same as JSON.

use super::Parts;
use super::hands::{Hands, Whose};
use serde::Deserialize;
use serde_json::{Value, json};
use types::deployment::render;
use types::exec::Part;
use types::{AgentTool, Fault, FaultKind, Json};
use workers::agent::{Goal, Loop, Origin, Reason, Report, STEP_TIMEOUT_MS, Side, Tool, Toolbox};

/// One tool of the component itself, as `tools` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OwnTool {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Option<Json>,
    #[serde(default)]
    side_effect: Option<bool>,
    /// Milliseconds.
    #[serde(default)]
    timeout: Option<u64>,
}

pub(super) async fn run(parts: &Parts<'_>) -> Result<Json, Fault> {
    let (input, function) = (parts.ready.input.clone(), parts.ready.function.clone());
    let (goal, listed) = match &function.def.declared {
        Some(declared) => of_declared(declared, &input)?,
        None => {
            let goal = parts.call(Part::Goal, input.clone()).await?;
            (Goal::read(&goal)?, parts.call(Part::Tools, Json::null()).await?)
        }
    };
    let (mut own, uses) = read_tools(&listed)?;
    let whose = Whose { who: format!("Function/{}", function.name), ..Whose::default() };
    let mut hands = Hands::new(parts.host(), Some(parts), whose);
    if !uses.is_empty() {
        own.extend(hands.equip(None, &uses).await?.tools);
    }
    let report = hands.go(Loop::new(goal, Toolbox::new(own)?)).await;
    if report.reason == Reason::Cancelled || (report.reason != Reason::Complete && report.partial.is_none()) {
        return Err(failure(report));
    }
    let mut value = report.of_function();
    let output = match &function.def.declared {
        Some(_) => Json::from_value(&value["output"]),
        None => parts.call(Part::Finish { answer: Json::from_value(&value) }, input).await?,
    };
    if report.reason == Reason::Complete {
        function.schemas.check_output(&output)?;
    }
    value["output"] = output.to_value();
    Ok(Json::from_value(&value))
}

/// There is nothing to be given, not even a part.
fn failure(report: Report) -> Fault {
    let details = json!({ "finishReason": report.reason.as_str(), "iterations": report.iterations });
    let fault = report.error.unwrap_or_else(Fault::internal);
    // A budget is no limit of the host: the function did not come to its end.
    let kind = if report.reason == Reason::Budget { FaultKind::Failed } else { fault.kind };
    if fault.details.is_some() { Fault { kind, ..fault } } else { Fault { kind, ..fault }.with_details(&details) }
}

/// The goal that a declaration is for this input, and its tools. Schema and tools are taken as they stand.
fn of_declared(declared: &Json, input: &Json) -> Result<(Goal, Json), Fault> {
    let Value::Object(mut members) = declared.to_value() else { return Err(Fault::internal()) };
    let tools = members.remove("tools").unwrap_or_else(|| json!([]));
    let schema = members.remove("schema");
    let scope = json!({ "input": input.to_value() });
    let mut filled =
        render(&Value::Object(members), &scope).map_err(|e| Fault::invalid("TEMPLATE_INVALID", e.to_string()))?;
    if let Some(schema) = schema {
        filled["schema"] = schema;
    }
    Ok((Goal::read(&Json::from_value(&filled))?, Json::from_value(&tools)))
}

/// The component's own tools, and names of others: a text, or an object with `uses`.
fn read_tools(listed: &Json) -> Result<(Vec<Tool>, Vec<AgentTool>), Fault> {
    let refuse = |what: String| {
        let message =
            format!("what `tools` gave is no list of tools ({{name, description, parameters}} or uses): {what}");
        Fault::failed("TOOLS_INVALID", message)
    };
    let Value::Array(listed) = listed.to_value() else { return Err(refuse("it is no list".to_owned())) };
    let (mut own, mut uses) = (Vec::new(), Vec::new());
    for tool in listed {
        match tool {
            Value::String(text) => uses.push(AgentTool { uses: text, side_effect: None, timeout_ms: None }),
            other if other.get("uses").is_some() => {
                let json = Json::from_value(&other);
                uses.push(serde_json::from_str(json.as_str()).map_err(|e| refuse(e.to_string()))?);
            }
            other => {
                let json = Json::from_value(&other);
                let tool: OwnTool = serde_json::from_str(json.as_str()).map_err(|e| refuse(e.to_string()))?;
                own.push(Tool {
                    origin: Origin::Own(tool.name.clone()),
                    title: tool.name,
                    description: tool.description,
                    parameters: tool.parameters.unwrap_or_else(|| Json::from_value(&json!({ "type": "object" }))),
                    side: if tool.side_effect == Some(false) { Side::Reads } else { Side::Changes },
                    timeout_ms: tool.timeout.unwrap_or(STEP_TIMEOUT_MS).clamp(1, 3_600_000),
                });
            }
        }
    }
    Ok((own, uses))
}
