//! `do.toml`: a whole application in one file (spec 19). Read into a [`Deployment`], with everything that is wrong told
//! at once, each with its line.
//!
//! [`keys`] is the table of what the file may say; [`read`] holds the file against it; [`assemble`] makes the sections
//! the parts of a deployment; [`beside`] reads steps that stand in a file of their own. What only the server can know (phrases, filters, secrets that are not there) it says of the
//! deployment, by paths that [`Application::line`] finds in the file.
//!
//! Handlers: `invoice-pay` is a function, `calc.add` an export of a tool box, `shop#onCustomer` a handler of an app. In a
//! file with `main`, a bare word that is none of the file's `[[functions]]` is a handler of main, as is `#onCustomer`.

mod assemble;
mod beside;
mod keys;
mod read;
mod wrangler;
pub use wrangler::{Imported, import_wrangler};

#[cfg(test)]
mod tests;

use self::read::{At, Reader};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::de::DeTable;
use types::deployment::{Deployment, FunctionBody};
use types::{FunctionName, Hash, Json};

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
    /// By path in the deployment's JSON: the file beside this one that it was read from.
    files: BTreeMap<String, String>,
}

/// Gives the text of a file by its path from the folder of the `do.toml`, or says why there is none.
pub type Files<'f> = &'f mut dyn FnMut(&Path) -> Result<String, String>;

/// A function that this file brings along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub name: FunctionName,
    pub what: Brought,
    /// Where the file names it.
    pub line: usize,
}

/// What a file brings along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Brought {
    /// A project's folder, or a component with its manifest beside it.
    Component { path: PathBuf, manifest: Option<PathBuf> },
    /// A function without a component, as the server takes it.
    Definition(Json),
}

/// One thing that is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// Of a file beside the `do.toml`: its path from there.
    pub file: Option<String>,
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
    /// `files` gives those that it names beside it.
    ///
    /// # Errors
    /// Everything that is wrong, by file and line; at most a hundred.
    pub fn parse(text: &str, env: Option<&str>, files: Files<'_>) -> Result<Self, Vec<Complaint>> {
        if text.len() > Self::BYTES_MAX {
            let message = format!("the file is over its limit of {} KiB", Self::BYTES_MAX >> 10);
            return Err(vec![Complaint { file: None, line: 1, path: String::new(), message }]);
        }
        let mut reader = Reader::new(text);
        let application = parse(text, env, files, &mut reader);
        reader.complaints.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        application.filter(|_| reader.complaints.is_empty()).ok_or(reader.complaints)
    }

    /// The line of a path in the deployment's JSON (`schedules[1].schedule`), or of what holds it.
    pub fn line(&self, path: &str) -> Option<usize> {
        place(&self.places, path).map(|(line, _)| *line)
    }

    /// The file beside the `do.toml` that a path's line is in; None: the `do.toml` itself.
    pub fn file(&self, path: &str) -> Option<&str> {
        beside::file_of(&self.files, path)
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

fn parse(text: &str, env: Option<&str>, files: Files<'_>, reader: &mut Reader) -> Option<Application> {
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
    assemble::assemble(sections, warnings, files, reader)
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
        keys::ROOT.iter().filter(|key| keys::UNSERVED.contains(&key.name) && sections.contains_key(&key.json()));
    let warning = |key: &keys::Key| Complaint {
        file: None,
        line: reader.places.get(&key.json()).map_or(1, |(line, _)| *line),
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
        let json = key.json();
        let is_own = own.contains_key(&json);
        if !is_own && keys::NOT_INHERITED.contains(&key.name) && sections.contains_key(&json) {
            warnings.push(Complaint {
                file: None,
                line: reader.places.get(&json).map_or(1, |(line, _)| *line),
                path: key.name.to_owned(),
                message: format!("{:?} has no effect in [env.{env}], which has none of its own", key.name),
            });
            sections.shift_remove(&json);
        }
        if is_own {
            reader.places.retain(|path, _| !belongs(path, &json));
        }
    }
    sections.extend(own);
    reader.places.extend(places.into_iter().filter(|(path, _)| !path.is_empty()));
}
