//! Functions as tools: how they are called, listed and shown, and what is answered.

use super::protocol_error;
use crate::app::Scope;
use rmcp::ErrorData;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ListToolsResult, Tool};
use runtime::{Caller, InvokeOptions, Object, Offered, Settled};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use types::{ActionRef, Durability, Fault, FunctionKind, Id, Json};

/// Tools in one page.
const PAGE: usize = 100;
/// The longest name that clients and models take.
const NAME_BYTES_MAX: usize = 64;
/// Hexadecimal digits that make a shortened name unique.
const NAME_HASH_CHARS: usize = 12;
/// How long a run that may wait for somebody is waited for: clients give up after a minute.
const GOES_ON_AFTER: Duration = Duration::from_secs(45);
/// How long is waited for the request of a run that has just begun, to be able to name it.
const NAMED_WITHIN: Duration = Duration::from_secs(5);
/// What stands around an input or a result that is no object.
const INPUT: &str = "input";
const RESULT: &str = "result";

/// One page; the cursor is the name of the last tool of the page before.
pub(super) async fn list(
    object: &Object,
    caller: &Caller,
    after: Option<String>,
) -> Result<ListToolsResult, ErrorData> {
    let offered = object.offered(caller).await.map_err(|fault| protocol_error(&fault))?;
    let mut tools: Vec<_> = offered.iter().map(tool).collect();
    tools.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(after) = after {
        tools.retain(|tool| *tool.name > *after);
    }
    let has_more = tools.len() > PAGE;
    tools.truncate(PAGE);
    let next_cursor = tools.last().filter(|_| has_more).map(|tool| tool.name.to_string());
    Ok(ListToolsResult { next_cursor, ..ListToolsResult::with_all_items(tools) })
}

/// Calls a tool. What goes wrong within it is its answer, so that who called can do better; that there is none is not.
pub(super) async fn call(
    scope: &Scope,
    caller: &Caller,
    name: &str,
    arguments: JsonObject,
) -> Result<CallToolResult, ErrorData> {
    let offered = scope.object.offered(caller).await.map_err(|fault| protocol_error(&fault))?;
    let Some(tool) = offered.into_iter().find(|offered| name_of(&offered.action) == name) else {
        let shown: String = name.chars().take(80).collect();
        let message = format!("there is no tool {shown:?} that you may call; tools/list names those that you may");
        return Err(ErrorData::invalid_params(message, Some(json!({ "code": "TOOL_UNKNOWN" }))));
    };
    let input = match input(&tool, arguments) {
        Ok(input) => input,
        Err(fault) => return Ok(failed(&fault)),
    };
    Ok(match run(&scope.object, caller, &tool, input).await {
        Ok(Ran::Over(result)) => succeeded(&tool, &result),
        Ok(Ran::GoesOn { action, request }) => goes_on(scope, action, request),
        Err(fault) => failed(&fault),
    })
}

enum Ran {
    Over(Json),
    GoesOn { action: Id, request: Option<Box<types::RequestRow>> },
}

/// With the durability that is usual for the function.
async fn run(object: &Object, caller: &Caller, tool: &Offered, input: Json) -> Result<Ran, Fault> {
    let (durability, _) = object.usual(&tool.action).await;
    let options = InvokeOptions { durability, ..InvokeOptions::default() };
    if durability != Durability::Do {
        let invoked = object.invoke(caller, &tool.action, input, options).await;
        return invoked.map(|invoked| Ran::Over(invoked.result)).map_err(|failed| failed.fault);
    }
    let accepted = object.accept_durably(caller, &tool.action, input, options).await;
    let action = accepted.map_err(|failed| failed.fault)?;
    let within = if tool.kind == FunctionKind::Human { Duration::ZERO } else { GOES_ON_AFTER };
    if let Settled::Over(result) = object.work_settled(action, Some(within)).await? {
        return result.map(Ran::Over);
    }
    let request = object.request_of(action, NAMED_WITHIN).await?;
    // It may have come to its end meanwhile, also because nobody could be asked.
    match object.work_settled(action, Some(Duration::ZERO)).await? {
        Settled::Over(result) => result.map(Ran::Over),
        Settled::Pending(_) | Settled::Running => Ok(Ran::GoesOn { action, request: request.map(Box::new) }),
    }
}

fn succeeded(tool: &Offered, result: &Json) -> CallToolResult {
    let value = result.to_value();
    let text = match &value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            result.as_str().to_owned()
        }
    };
    let is_wrapped = match Shape::of(&tool.output.to_value()) {
        Shape::Object(_) => false,
        Shape::Any => !value.is_object(),
        Shape::Other(_) => true,
    };
    let mut answer = CallToolResult::success(vec![ContentBlock::text(text)]);
    answer.structured_content = Some(if is_wrapped { json!({ RESULT: value }) } else { value });
    answer
}

/// As text alone: clients hold what is structured against the schema of results, also where it is a failure.
fn failed(fault: &Fault) -> CallToolResult {
    let text = match &fault.details {
        Some(details) => format!("{}: {}\n{details}", fault.code, fault.message),
        None => format!("{}: {}", fault.code, fault.message),
    };
    CallToolResult::error(vec![ContentBlock::text(text)])
}

fn goes_on(scope: &Scope, action: Id, request: Option<Box<types::RequestRow>>) -> CallToolResult {
    let request_id = request.as_ref().map(|row| row.id.to_string());
    let (text, location) = match &request_id {
        Some(id) => (
            format!("pending: a person is asked and has not answered yet; requestId {id}"),
            scope.link(&format!("/api/approvals/{id}")),
        ),
        None => (format!("pending: it goes on; actionId {action}"), scope.link(&format!("/api/actions-log/{action}"))),
    };
    let mut pending = json!({ "status": "pending", "actionId": action.to_string(), "location": location });
    if let Some(row) = request {
        pending["requestId"] = json!(row.id.to_string());
        pending["expiresAt"] = json!(row.expires_at.to_string());
    }
    let mut answer = CallToolResult::success(vec![ContentBlock::text(text)]);
    answer.structured_content = Some(pending);
    answer
}

/// `calc.add` as `calc_add`. No function's name has a `_`, so two never become one; what is too long ends with a part of
/// its hash, so that it is called the same whatever else there is.
fn name_of(action: &ActionRef) -> String {
    let name = action.to_string().replace('.', "_");
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    // Names of functions and exports are ASCII.
    format!("{}_{}", &name[..NAME_BYTES_MAX - NAME_HASH_CHARS - 1], &hash[..NAME_HASH_CHARS])
}

/// What a JSON Schema accepts, as far as the protocol cares: it wants objects.
enum Shape {
    Object(JsonObject),
    Any,
    Other(Value),
}

impl Shape {
    fn of(schema: &Value) -> Self {
        let Value::Object(schema) = schema else { return Self::Any };
        let mut schema = schema.clone();
        // Clients compile what they are shown with the dialect that they have.
        schema.remove("$schema");
        match schema.get("type") {
            Some(Value::String(kind)) if kind == "object" => Self::Object(schema),
            Some(Value::Array(kinds)) if kinds.iter().any(|kind| kind == "object") => {
                schema.insert("type".to_owned(), json!("object"));
                Self::Object(schema)
            }
            Some(_) => Self::Other(Value::Object(schema)),
            None if schema.keys().any(|key| !matches!(key.as_str(), "description" | "title" | "$id")) => {
                // It says what it accepts without a type; whatever that is, it has a place of its own.
                if schema.contains_key("properties") || schema.contains_key("required") {
                    schema.insert("type".to_owned(), json!("object"));
                    return Self::Object(schema);
                }
                Self::Other(Value::Object(schema))
            }
            None => Self::Any,
        }
    }

    /// None: nothing is promised.
    fn published(self, around: &str) -> Option<JsonObject> {
        match self {
            Self::Object(schema) => Some(schema),
            Self::Any => None,
            Self::Other(schema) => {
                // A reference is from the root, which another schema has become.
                let inner = if schema.to_string().contains("\"$ref\"") { json!({}) } else { schema };
                let whole = json!({ "type": "object", "properties": { around: inner }, "required": [around] });
                whole.as_object().cloned()
            }
        }
    }
}

fn input(tool: &Offered, mut arguments: JsonObject) -> Result<Json, Fault> {
    match Shape::of(&tool.input.to_value()) {
        Shape::Object(_) | Shape::Any => Ok(Json::from_value(&Value::Object(arguments))),
        Shape::Other(_) => match arguments.remove(INPUT) {
            Some(input) if arguments.is_empty() => Ok(Json::from_value(&input)),
            Some(_) | None => {
                let message = format!("this tool takes one argument, {INPUT:?}, and no other");
                Err(Fault::invalid("ARGUMENTS_INVALID", message))
            }
        },
    }
}

fn tool(offered: &Offered) -> Tool {
    let takes = Shape::of(&offered.input.to_value()).published(INPUT);
    let takes = takes.unwrap_or_else(|| JsonObject::from_iter([("type".to_owned(), json!("object"))]));
    let description = offered.description.clone().map(Into::into);
    let mut tool = Tool::new_with_raw(name_of(&offered.action), description, Arc::new(takes));
    tool.title = Some(offered.action.to_string());
    let promises = match offered.kind {
        FunctionKind::Code | FunctionKind::ToolBox | FunctionKind::Generative | FunctionKind::App => {
            Shape::of(&offered.output.to_value()).published(RESULT)
        }
        // The first answer may be that somebody is waited for.
        FunctionKind::Agentic | FunctionKind::Human | FunctionKind::Site => None,
    };
    tool.output_schema = promises.map(Arc::new);
    tool
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(input: &Value, output: &Value) -> Offered {
        Offered {
            action: "calc.add".parse().unwrap(),
            kind: FunctionKind::ToolBox,
            description: None,
            input: Json::from_value(input),
            output: Json::from_value(output),
        }
    }

    #[test]
    fn names_are_what_clients_take_and_no_two_are_the_same() {
        let of = |text: &str| name_of(&text.parse().unwrap());
        assert_eq!(of("calc.ops.add"), "calc_ops_add");
        assert_eq!(of("invoice-pay"), "invoice-pay");
        let (one, other) = (of(&format!("calc.{}1", "a".repeat(90))), of(&format!("calc.{}2", "a".repeat(90))));
        assert_eq!((one.len(), other.len()), (NAME_BYTES_MAX, NAME_BYTES_MAX));
        assert_ne!(one, other);
        assert!(one.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')));
    }

    #[test]
    fn what_is_no_object_has_a_place_in_one() {
        let number = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "number" });
        let shown = tool(&offered(&number, &number));
        assert_eq!(json!(shown.input_schema)["properties"]["input"], json!({ "type": "number" }));
        assert_eq!(json!(shown.output_schema)["required"], json!(["result"]));
        let given = input(&offered(&number, &number), JsonObject::from_iter([("input".to_owned(), json!(7))]));
        assert_eq!(given.unwrap().as_str(), "7");
        for wrong in [json!({}), json!({ "input": 1, "more": 2 })] {
            let refused = input(&offered(&number, &number), wrong.as_object().cloned().unwrap());
            assert_eq!(refused.unwrap_err().code, "ARGUMENTS_INVALID");
        }
        let answer = succeeded(&offered(&number, &number), &Json::from_value(&json!(8)));
        assert_eq!(answer.structured_content, Some(json!({ "result": 8 })));
    }

    #[test]
    fn an_object_stays_what_it_is() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "number" } } });
        let shown = tool(&offered(&schema, &schema));
        assert_eq!(json!(shown.input_schema), schema);
        assert_eq!(json!(shown.output_schema), schema);
        let any = tool(&offered(&json!(true), &json!(true)));
        assert_eq!((json!(any.input_schema), any.output_schema), (json!({ "type": "object" }), None));
    }
}
