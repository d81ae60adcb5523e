//! From sections that were checked one by one to the deployment that they are together.

use super::read::Reader;
use super::{Application, Brought, Complaint, Files, Source, beside, place};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use types::deployment::Deployment;
use types::{FunctionName, Json};
use workers::Definition;

/// The sections as a deployment. All values are checked; here is what they are together.
pub(super) fn assemble(
    mut sections: Map<String, Value>,
    warnings: Vec<Complaint>,
    files: Files<'_>,
    reader: &mut Reader,
) -> Option<Application> {
    let mut sources = Vec::new();
    let functions = assemble_functions(&mut sections, &mut sources, reader);
    let workflows = assemble_workflows(&mut sections, files, reader);
    let mut deployment = Map::new();
    deployment.insert("functions".to_owned(), functions);
    deployment.insert("workflows".to_owned(), workflows);
    for section in [
        "name",
        "compatibilityDate",
        "subscriptions",
        "schedules",
        "nouns",
        "verbs",
        "objects",
        "migrations",
        "classes",
        "vars",
        "probe",
    ] {
        deployment.extend(sections.shift_remove(section).map(|value| (section.to_owned(), value)));
    }
    let required = sections.get_mut("secrets").map(|secrets| secrets["required"].take());
    deployment.extend(required.map(|names| ("requiredSecrets".to_owned(), names)));
    if !reader.complaints.is_empty() {
        return None;
    }
    let mut places = std::mem::take(&mut reader.places);
    let secrets: Vec<_> = places
        .iter()
        .filter_map(|(path, at)| {
            Some((format!("requiredSecrets{}", path.strip_prefix("secrets.required")?), at.clone()))
        })
        .collect();
    places.extend(secrets);
    let deployment: Deployment = match serde_json::from_value(Value::Object(deployment)) {
        Ok(deployment) => deployment,
        Err(error) => {
            reader.complain_on(1, String::new(), error.to_string());
            return None;
        }
    };
    for problem in deployment.check() {
        let problem_path = problem.path.clone();
        let (line, path) = place(&places, &problem.path).cloned().unwrap_or((1, String::new()));
        let name = if path.is_empty() { problem.path } else { path.clone() };
        let file = beside::file_of(&reader.files, &problem_path).map(str::to_owned);
        reader.complain_in(file, line, path, format!("{name}: {}", problem.message));
    }
    let files = std::mem::take(&mut reader.files);
    Some(Application { deployment, sources, warnings, places, files })
}

fn assemble_functions(sections: &mut Map<String, Value>, sources: &mut Vec<Source>, reader: &mut Reader) -> Value {
    let mut functions = Vec::new();
    for (n, item) in list(sections, "functions").into_iter().enumerate() {
        let Value::Object(item) = item else { continue };
        let at = reader.places.get(&format!("functions[{n}]")).cloned().unwrap_or((1, String::new()));
        deepen(&format!("functions[{n}]"), "handler", reader);
        let line = reader.places.get(&format!("functions[{n}].path")).map_or(at.0, |(line, _)| *line);
        match assemble_function(item, line, sources) {
            Ok(function) => functions.push(function),
            Err(message) => reader.complain_on(at.0, at.1.clone(), format!("{}: {message}", at.1)),
        }
    }
    let name = sections.get("name").and_then(Value::as_str).and_then(|name| FunctionName::parse(name).ok());
    if let (Some(Value::String(main)), Some(name)) = (sections.get("main"), name) {
        let line = reader.places.get("main").map_or(1, |(line, _)| *line);
        sources.insert(
            0,
            Source { name: name.clone(), what: Brought::Component { path: main.into(), manifest: None }, line },
        );
        functions.push(json!({"name": name, "run": "deployed"}));
    }
    Value::Array(functions)
}

/// What a function without a component says, beside what all of them may.
const DEFINES: [&str; 12] = [
    "prompt",
    "model",
    "system",
    "tools",
    "maxIterations",
    "mode",
    "supervisor",
    "stream",
    "assignee",
    "role",
    "channel",
    "onTimeout",
];

/// `path`, `handler` or `prompt` say what runs a function; none of them, that it is deployed already.
fn assemble_function(mut item: Map<String, Value>, line: usize, sources: &mut Vec<Source>) -> Result<Value, String> {
    let bodies = ["path", "handler", "prompt"];
    let said: Vec<&str> = bodies.into_iter().filter(|body| item.contains_key(*body)).collect();
    if said.len() > 1 {
        return Err(format!("{} each say what runs it; keep one", said.join(" and ")));
    }
    let body = said.first().copied();
    let kind = item.shift_remove("type");
    let manifest = item.shift_remove("manifest");
    if manifest.is_some() && body != Some("path") {
        return Err("a manifest stands beside the path of a component".to_owned());
    }
    let name = |item: &Map<String, Value>| {
        let name = item.get("name").and_then(Value::as_str).and_then(|name| FunctionName::parse(name).ok());
        name.ok_or_else(|| "it has no name".to_owned())
    };
    if body == Some("prompt") {
        let definition = define(&mut item, kind)?;
        sources.push(Source { name: name(&item)?, what: Brought::Definition(definition), line });
    } else if let Some(stray) = DEFINES.into_iter().find(|key| item.contains_key(*key)) {
        return Err(format!("{} stands beside a prompt", snake(stray)));
    }
    let said = body.and_then(|body| item.shift_remove(body)).unwrap_or_default();
    let run = if body == Some("handler") { json!({"handler": said}) } else { json!("deployed") };
    if let (Some("path"), Some(path)) = (body, said.as_str()) {
        let manifest = manifest.as_ref().and_then(Value::as_str).map(PathBuf::from);
        sources.push(Source { name: name(&item)?, what: Brought::Component { path: path.into(), manifest }, line });
    }
    if let Some(Value::Object(schema)) = item.shift_remove("schema") {
        item.extend(schema);
    }
    if let Some(retries) = item.shift_remove("retries").and_then(|retries| retries.as_u64()) {
        item.insert("retry".to_owned(), json!({"maxAttempts": retries + 1}));
    }
    if let Some(permission) = item.get("permission").and_then(Value::as_str) {
        types::Permission::parse(permission).map_err(|e| e.to_string())?;
    }
    item.insert("run".to_owned(), run);
    Ok(Value::Object(item))
}

/// The definition that the keys of a function make, which leave its section.
fn define(item: &mut Map<String, Value>, kind: Option<Value>) -> Result<Json, String> {
    let mut definition: Map<String, Value> =
        DEFINES.into_iter().filter_map(|key| Some((key.to_owned(), item.shift_remove(key)?))).collect();
    let has = |key: &str| definition.contains_key(key);
    let meant = match (has("assignee") || has("role"), has("tools")) {
        (true, _) => "human",
        (false, true) => "agentic",
        (false, false) => "generative",
    };
    definition.insert("type".to_owned(), kind.unwrap_or_else(|| meant.into()));
    if let Some(timeout) = item.shift_remove("timeoutMs") {
        definition.insert("timeoutMs".to_owned(), timeout);
    }
    if let Some(description) = item.get("description") {
        definition.insert("description".to_owned(), description.clone());
    }
    if let Some(Value::Object(mut schema)) = item.shift_remove("schema") {
        let (input, output) = (schema.shift_remove("input"), schema.shift_remove("output"));
        definition.extend(input.map(|input| ("input".to_owned(), input)));
        definition.extend(output.map(|output| ("schema".to_owned(), output)));
    }
    let definition = Definition::parse(&Value::Object(definition)).map_err(|e| e.to_string())?;
    Ok(definition.text)
}

/// `maxIterations` as the file spells it.
fn snake(key: &str) -> String {
    let mut spelt = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            spelt.push('_');
        }
        spelt.push(c.to_ascii_lowercase());
    }
    spelt
}

fn assemble_workflows(sections: &mut Map<String, Value>, files: Files<'_>, reader: &mut Reader) -> Value {
    let mut workflows = Vec::new();
    for (n, item) in list(sections, "workflows").into_iter().enumerate() {
        let Value::Object(mut item) = item else { continue };
        let from = format!("workflows[{n}]");
        let at = reader.places.get(&from).cloned().unwrap_or((1, String::new()));
        let file = item.shift_remove("file");
        let run =
            match (item.shift_remove("handler"), item.shift_remove("steps"), file.as_ref().and_then(Value::as_str)) {
                (Some(handler), None, None) => json!({"handler": handler}),
                (None, Some(steps), None) => json!({"steps": steps}),
                (None, None, Some(file)) => match beside::steps(&from, file, files, reader) {
                    Some(steps) => json!({"steps": steps}),
                    None => continue,
                },
                _ => {
                    let message = "a workflow has either a handler, or steps, or a file with its steps";
                    reader.complain_on(at.0, at.1.clone(), format!("{}: {message}", at.1));
                    continue;
                }
            };
        item.insert("run".to_owned(), run);
        workflows.push(Value::Object(item));
        for member in ["handler", "steps"] {
            deepen(&from, member, reader);
        }
    }
    Value::Array(workflows)
}

/// What runs something stands one level deeper in the deployment than in the file.
fn deepen(item: &str, member: &str, reader: &mut Reader) {
    let (from, to) = (format!("{item}.{member}"), format!("{item}.run.{member}"));
    let inner = reader.places.range(from.clone()..).take_while(|(path, _)| path.starts_with(&from));
    let inner: Vec<_> = inner.map(|(path, at)| (format!("{to}{}", &path[from.len()..]), at.clone())).collect();
    reader.places.extend(inner);
}

fn list(sections: &mut Map<String, Value>, name: &str) -> Vec<Value> {
    match sections.shift_remove(name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}
