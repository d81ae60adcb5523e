//! An app: handlers by name, in one table that `describe` tells and `handle` looks into.
//!
//! ```
//! use org_ai::{Fault, app::App};
//! use serde_json::Value;
//!
//! fn welcome(event: Value) -> Result<(), Fault> {
//!     println!("{} signed up", event["data"]["name"]);
//!     Ok(())
//! }
//!
//! fn digest(_tick: Value) -> Result<(), Fault> {
//!     Ok(())
//! }
//!
//! fn shop() -> App {
//!     App::new()
//!         .on("Customer.created", "welcome", welcome)
//!         .every("weekday at 9am", "digest", digest)
//! }
//!
//! org_ai::export_app!(shop);
//! # fn main() {}
//! ```
//!
//! The table is made anew for each call, so making it must be cheap and call no import: none is served to `describe`.
//! Phrases and filters go to the host as they were written; it alone reads them.

use crate::{Fault, FaultKind, json};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

type Handler = Box<dyn Fn(&str) -> Result<String, Fault>>;

/// What of an app's table a handler stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    On,
    Every,
    Functions,
    Workflows,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Every => "every",
            Self::Functions => "functions",
            Self::Workflows => "workflows",
        }
    }

    /// `kind` of `handle`.
    fn kind(self) -> &'static str {
        match self {
            Self::On => "event",
            Self::Every => "schedule",
            Self::Functions => "function",
            Self::Workflows => "workflow",
        }
    }
}

struct Entry {
    list: List,
    /// The name in the table of handlers.
    handler: String,
    said: Map<String, Value>,
    run: Handler,
}

/// The table. Each method adds a line to it; [`App::with`] says more about the last.
#[derive(Default)]
pub struct App {
    entries: Vec<Entry>,
}

impl App {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `handler` for each such event (`Customer.created`, `Customer.*`, `*.*`), with the event as its input. `name`
    /// is the handler's.
    #[must_use]
    pub fn on<I, O>(self, event: &str, name: &str, handler: impl Fn(I) -> Result<O, Fault> + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        self.add(List::On, name, json!({ "event": event, "handler": name }), handler)
    }

    /// Runs `handler` as the phrase or cron expression says (`weekday at 9am`), with the tick as its input.
    #[must_use]
    pub fn every<I, O>(self, schedule: &str, name: &str, handler: impl Fn(I) -> Result<O, Fault> + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        self.add(List::Every, name, json!({ "schedule": schedule, "handler": name }), handler)
    }

    /// A function that is called by its name.
    #[must_use]
    pub fn function<I, O>(self, name: &str, handler: impl Fn(I) -> Result<O, Fault> + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        self.add(List::Functions, name, json!({ "name": name, "handler": name }), handler)
    }

    /// A workflow: plain code that may take days. Its sleeps, its calls and its requests are steps, which are not
    /// performed again when it goes on elsewhere. Its clock moves only with them, so wait by sleeping, not by looking at it.
    #[must_use]
    pub fn workflow<I, O>(self, name: &str, handler: impl Fn(I) -> Result<O, Fault> + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        self.add(List::Workflows, name, json!({ "name": name, "handler": name }), handler)
    }

    /// Says more about the last line: `filter`, `priority`, `maxRetries`, `name` of an event's; `timezone`, `catchUp`,
    /// `overlap`, `name` of a schedule's. Without a line it says nothing.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.said.insert(key.to_owned(), value.into());
        }
        self
    }

    fn add<I, O>(mut self, list: List, name: &str, said: Value, run: impl Fn(I) -> Result<O, Fault> + 'static) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
    {
        let said = if let Value::Object(said) = said { said } else { Map::new() };
        let run: Handler = Box::new(move |payload| json::run(payload, &run));
        self.entries.push(Entry { list, handler: name.to_owned(), said, run });
        self
    }

    /// What `describe` answers (spec WSM-1).
    #[doc(hidden)]
    pub fn describe(&self) -> String {
        let mut out = Map::new();
        out.insert("abi".to_owned(), 1.into());
        for list in [List::On, List::Every, List::Functions, List::Workflows] {
            let entries = self.entries.iter().filter(|entry| entry.list == list);
            let said = entries.map(|entry| Value::Object(entry.said.clone())).collect();
            out.insert(list.name().to_owned(), Value::Array(said));
        }
        Value::Object(out).to_string()
    }

    /// What `handle` answers. A probe asks whether a handler is there, and runs nothing.
    #[doc(hidden)]
    pub fn handle(&self, kind: &str, name: &str, payload: &str) -> Result<String, Fault> {
        let is_probe = kind == "probe";
        let mut named = self.entries.iter().filter(|entry| entry.handler == name);
        match named.find(|entry| is_probe || entry.list.kind() == kind) {
            Some(_) if is_probe => Ok("true".to_owned()),
            Some(entry) => (entry.run)(payload),
            None => {
                let message = format!("the app has no handler `{name}` of kind {kind}{}", self.known(kind));
                Err(Fault::new(FaultKind::NotFound, "UNKNOWN_HANDLER", message))
            }
        }
    }

    fn known(&self, kind: &str) -> String {
        let known: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| kind == "probe" || entry.list.kind() == kind)
            .map(|entry| format!("`{}`", entry.handler))
            .collect();
        if known.is_empty() { String::new() } else { format!("; it has {}", known.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App::new()
            .on("Customer.*", "greet", |event: Value| Ok(event["name"].clone()))
            .with("filter", "data.amount > 3")
            .every("first Monday of the month at 9:30am", "report", |_: Value| Ok(()))
            .workflow("greet", |times: u32| Ok(times + 1))
    }

    #[test]
    fn the_table_is_told_as_it_was_written() {
        let said: Value = serde_json::from_str(&app().describe()).unwrap();
        assert_eq!(
            said,
            json!({
                "abi": 1,
                "on": [{ "event": "Customer.*", "handler": "greet", "filter": "data.amount > 3" }],
                "every": [{ "schedule": "first Monday of the month at 9:30am", "handler": "report" }],
                "functions": [],
                "workflows": [{ "name": "greet", "handler": "greet" }],
            })
        );
    }

    #[test]
    fn a_handler_is_found_by_kind_and_name() {
        assert_eq!(app().handle("event", "greet", r#"{"name":"ann"}"#).unwrap(), r#""ann""#);
        assert_eq!(app().handle("workflow", "greet", "1").unwrap(), "2");
        assert_eq!(app().handle("workflow", "greet", "\"x\"").unwrap_err().kind, FaultKind::Invalid);
    }

    #[test]
    fn a_handler_that_is_not_there_is_a_fault_that_names_those_that_are() {
        let fault = app().handle("schedule", "greet", "1").unwrap_err();
        assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::NotFound, "UNKNOWN_HANDLER"));
        assert!(fault.message.ends_with("it has `report`"), "{}", fault.message);
        assert_eq!(app().handle("probe", "other", "null").unwrap_err().code, "UNKNOWN_HANDLER");
    }

    #[test]
    fn a_probe_runs_nothing() {
        // The workflow would refuse this payload.
        assert_eq!(app().handle("probe", "greet", "\"x\"").unwrap(), "true");
    }
}
