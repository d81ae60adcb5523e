//! `do.toml`: a whole application in one file (spec 19). Read into a [`Deployment`], with everything that is wrong told
//! at once, each with its line.
//!
//! [`keys`] is the table of what the file may say; [`read`] holds the file against it; here the sections become the
//! parts of a deployment. What only the server can know (phrases, filters, secrets that are not there) it says of the
//! deployment, by paths that [`Application::line`] finds in the file.
//!
//! Handlers: `invoice-pay` is a function, `calc.add` an export of a tool box, `shop#onCustomer` a handler of an app. In a
//! file with `main`, a bare word that is none of the file's `[[functions]]` is a handler of main, as is `#onCustomer`.

mod keys;
mod read;

#[cfg(test)]
mod tests;

use self::read::{At, Reader};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use toml::de::DeTable;
use types::deployment::{Deployment, FunctionBody};
use types::{FunctionName, Hash};

/// A `do.toml` as it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Application {
    /// Functions that are still to be built say [`FunctionBody::Deployed`].
    pub deployment: Deployment,
    /// What is to be built and uploaded before it: `main` first, then the file's order.
    pub sources: Vec<Source>,
    /// What is understood and has no effect.
    pub warnings: Vec<Complaint>,
    places: BTreeMap<String, (usize, String)>,
}

/// A function that this file brings along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub name: FunctionName,
    /// A project's folder, or a component.
    pub path: PathBuf,
    /// Beside a component: its manifest.
    pub manifest: Option<PathBuf>,
    /// Where the file names it.
    pub line: usize,
}

/// One thing that is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// Counts from 1.
    pub line: usize,
    /// Like `on[0].handler`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Application {
    /// What the file is called.
    pub const FILE: &str = "do.toml";
    /// A larger one is a mistake.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Reads the text of a `do.toml`, with what `[env.NAME]` says instead of the rest when an environment is named.
    ///
    /// # Errors
    /// Everything that is wrong, by line; at most a hundred.
    pub fn parse(text: &str, env: Option<&str>) -> Result<Self, Vec<Complaint>> {
        if text.len() > Self::BYTES_MAX {
            let message = format!("the file is over its limit of {} KiB", Self::BYTES_MAX >> 10);
            return Err(vec![Complaint { line: 1, path: String::new(), message }]);
        }
        let mut reader = Reader::new(text);
        let application = parse(text, env, &mut reader);
        reader.complaints.sort_by_key(|complaint| complaint.line);
        application.filter(|_| reader.complaints.is_empty()).ok_or(reader.complaints)
    }

    /// The line of a path in the deployment's JSON (`schedules[1].schedule`), or of what holds it.
    pub fn line(&self, path: &str) -> Option<usize> {
        place(&self.places, path).map(|(line, _)| *line)
    }

    /// A source was uploaded: the deployment is about this version of it.
    pub fn uploaded(&mut self, name: &FunctionName, version: u64, hash: Hash) {
        for function in self.deployment.functions.iter_mut().filter(|function| function.name == *name) {
            function.run = FunctionBody::Component { version, hash };
        }
    }
}

/// The place of a path, or of the nearest that holds it.
fn place<'a>(places: &'a BTreeMap<String, (usize, String)>, mut path: &str) -> Option<&'a (usize, String)> {
    loop {
        if let Some(place) = places.get(path) {
            return Some(place);
        }
        path = &path[..path.rfind(['.', '['])?];
    }
}

fn parse(text: &str, env: Option<&str>, reader: &mut Reader) -> Option<Application> {
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = reader.line(error.span().map_or(0, |span| span.start));
        reader.complain_on(line, String::new(), error.message().trim());
    }
    if !reader.complaints.is_empty() {
        return None;
    }
    let mut root = root.into_inner();
    let envs = root.remove(keys::ENV);
    find_names(&root, reader);
    let mut sections = reader.table(&root, keys::ROOT, &At::new("", ""), 0);
    let mut warnings = Vec::new();
    if envs.is_some() || env.is_some() {
        let envs = envs.as_ref().and_then(|envs| envs.get_ref().as_table());
        if let Some(overlay) = overlay(envs, env, reader) {
            lay_over(&mut sections, overlay, &mut warnings, reader);
        }
    }
    if !reader.complaints.is_empty() {
        return None;
    }
    warnings.extend(warn_unserved(&sections, reader));
    warnings.sort_by_key(|warning| warning.line);
    assemble(sections, warnings, reader)
}

/// The names that handlers are understood by.
fn find_names(root: &DeTable<'_>, reader: &mut Reader) {
    let name_of = |table: &DeTable<'_>| table.get("name").and_then(|name| name.get_ref().as_str()).map(str::to_owned);
    if root.contains_key("main") {
        reader.main = name_of(root).and_then(|name| FunctionName::parse(&name).ok());
        reader.functions.extend(reader.main.as_ref().map(ToString::to_string));
        if !root.contains_key("name") {
            let path = "main".to_owned();
            let byte = root.iter().find(|(key, _)| key.get_ref() == "main").map_or(0, |(key, _)| key.span().start);
            reader.complain_on(
                reader.line(byte),
                path,
                "main becomes the function that \"name\" names, which is missing",
            );
        }
    }
    let functions = root.get("functions").and_then(|list| list.get_ref().as_array());
    let names = functions.into_iter().flatten().filter_map(|item| name_of(item.get_ref().as_table()?));
    reader.functions.extend(names);
}

fn warn_unserved(sections: &Map<String, Value>, reader: &Reader) -> Vec<Complaint> {
    let unserved =
        keys::ROOT.iter().filter(|key| keys::UNSERVED.contains(&key.name) && sections.contains_key(key.json));
    let warning = |key: &keys::Key| Complaint {
        line: reader.places.get(key.json).map_or(1, |(line, _)| *line),
        path: key.name.to_owned(),
        message: match key.name {
            "server" => "[server] is the server's own configuration, which `org.ai serve` reads; it has no effect here"
                .to_owned(),
            "build" => "[build] has no effect: the function.toml of main's project says how it is built".to_owned(),
            name => format!("{name:?} is not served by this platform yet and has no effect"),
        },
    };
    unserved.map(warning).collect()
}

/// What an environment says instead of the file.
struct Overlay {
    env: String,
    sections: Map<String, Value>,
    places: BTreeMap<String, (usize, String)>,
}

/// The environment that was asked for, if one was; those that were not are checked too.
fn overlay(envs: Option<&DeTable<'_>>, env: Option<&str>, reader: &mut Reader) -> Option<Overlay> {
    let Some(envs) = envs else {
        let message = format!("there is no environment {:?}: the file has no [env.NAME]", env.unwrap_or_default());
        reader.complain_on(1, keys::ENV.to_owned(), message);
        return None;
    };
    if let Some(env) = env.filter(|env| !envs.contains_key(*env)) {
        let known: Vec<&str> = envs.keys().map(|name| name.get_ref().as_ref()).collect();
        let message = match crate::keys::nearest(env, &known) {
            Some(near) => format!("there is no [env.{env}]; did you mean {near:?}?"),
            None => format!("there is no [env.{env}]; there are {}", known.join(", ")),
        };
        reader.complain_on(1, keys::ENV.to_owned(), message);
        return None;
    }
    let mut found = None;
    for (name, value) in envs {
        let (byte, name) = (name.span().start, name.get_ref().as_ref());
        let path = format!("env.{name}");
        let Some(table) = value.get_ref().as_table() else {
            reader.complain_on(reader.line(byte), path.clone(), format!("{path}: expected a table, like [{path}]"));
            continue;
        };
        let root = std::mem::take(&mut reader.places);
        let sections = reader.table(table, keys::ROOT, &At::new("", &path), byte);
        let places = std::mem::replace(&mut reader.places, root);
        if env == Some(name) {
            found = Some(Overlay { env: name.to_owned(), sections, places });
        }
    }
    found
}

/// Sections of the environment replace those of the file whole.
fn lay_over(sections: &mut Map<String, Value>, overlay: Overlay, warnings: &mut Vec<Complaint>, reader: &mut Reader) {
    let Overlay { env, sections: own, places } = overlay;
    let belongs = |path: &str, section: &str| {
        path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    for key in keys::ROOT {
        let is_own = own.contains_key(key.json);
        if !is_own && keys::NOT_INHERITED.contains(&key.name) && sections.contains_key(key.json) {
            warnings.push(Complaint {
                line: reader.places.get(key.json).map_or(1, |(line, _)| *line),
                path: key.name.to_owned(),
                message: format!("{:?} has no effect in [env.{env}], which has none of its own", key.name),
            });
            sections.shift_remove(key.json);
        }
        if is_own {
            reader.places.retain(|path, _| !belongs(path, key.json));
        }
    }
    sections.extend(own);
    reader.places.extend(places.into_iter().filter(|(path, _)| !path.is_empty()));
}

/// The sections as a deployment. All values are checked; here is what they are together.
fn assemble(mut sections: Map<String, Value>, warnings: Vec<Complaint>, reader: &mut Reader) -> Option<Application> {
    let mut sources = Vec::new();
    let functions = assemble_functions(&mut sections, &mut sources, reader);
    let workflows = assemble_workflows(&mut sections, reader);
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
        let (line, path) = place(&places, &problem.path).cloned().unwrap_or((1, String::new()));
        let name = if path.is_empty() { problem.path } else { path.clone() };
        reader.complain_on(line, path, format!("{name}: {}", problem.message));
    }
    Some(Application { deployment, sources, warnings, places })
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
        sources.insert(0, Source { name: name.clone(), path: main.into(), manifest: None, line });
        functions.push(json!({"name": name, "run": "deployed"}));
    }
    Value::Array(functions)
}

/// `path`, `handler`, `prompt` or `channel` say what runs a function; none of them, that it is deployed already.
fn assemble_function(mut item: Map<String, Value>, line: usize, sources: &mut Vec<Source>) -> Result<Value, String> {
    let bodies = ["path", "handler", "prompt", "channel"];
    let said: Vec<&str> = bodies.into_iter().filter(|body| item.contains_key(*body)).collect();
    if said.len() > 1 {
        return Err(format!("{} each say what runs it; keep one", said.join(" and ")));
    }
    let body = said.first().copied();
    let kind = item.shift_remove("type");
    let wanted = kind.as_ref().and_then(Value::as_str);
    match (body, wanted) {
        (Some("prompt"), Some("generative") | None) | (Some("channel"), Some("human") | None) => {}
        (Some("prompt"), Some(kind)) => return Err(format!("a prompt makes it generative, not {kind}")),
        (Some("channel"), Some(kind)) => return Err(format!("a channel makes it human, not {kind}")),
        _ => {}
    }
    let manifest = item.shift_remove("manifest");
    if manifest.is_some() && body != Some("path") {
        return Err("a manifest stands beside the path of a component".to_owned());
    }
    let model = item.shift_remove("model");
    if model.is_some() && body != Some("prompt") {
        return Err("a model stands beside a prompt".to_owned());
    }
    let said = body.and_then(|body| item.shift_remove(body)).unwrap_or_default();
    let run = match body {
        Some("handler") => json!({"handler": said}),
        Some("channel") => json!({"person": {"channel": said}}),
        Some("prompt") => match model {
            Some(model) => json!({"prompt": {"prompt": said, "model": model}}),
            None => json!({"prompt": {"prompt": said}}),
        },
        _ => json!("deployed"),
    };
    if let (Some("path"), Some(path)) = (body, said.as_str()) {
        let name = item["name"].as_str().and_then(|name| FunctionName::parse(name).ok()).ok_or("it has no name")?;
        let manifest = manifest.as_ref().and_then(Value::as_str).map(PathBuf::from);
        sources.push(Source { name, path: path.into(), manifest, line });
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

fn assemble_workflows(sections: &mut Map<String, Value>, reader: &mut Reader) -> Value {
    let mut workflows = Vec::new();
    for (n, item) in list(sections, "workflows").into_iter().enumerate() {
        let Value::Object(mut item) = item else { continue };
        let from = format!("workflows[{n}]");
        let at = reader.places.get(&from).cloned().unwrap_or((1, String::new()));
        let run = match (item.shift_remove("handler"), item.shift_remove("steps"), item.contains_key("file")) {
            (Some(handler), None, false) => json!({"handler": handler}),
            (None, Some(steps), false) => json!({"steps": steps}),
            (None, None, true) => {
                let message = "file is not read yet: write the steps here, or name a handler";
                reader.complain_on(at.0, at.1.clone(), format!("{}: {message}", at.1));
                continue;
            }
            _ => {
                let message = "a workflow has either a handler or steps";
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
