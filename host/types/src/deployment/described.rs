//! What a component says of itself by `describe`, merged with what the manifest says (spec WSM-1).

use super::{
    Create, Deployment, FunctionBody, FunctionSpec, Handler, NounSpec, ObjectSpec, RetrySpec, ScheduleSpec, Step,
    SubscriptionSpec, Trigger, VerbSpec, WorkflowBody, WorkflowSpec,
};
use crate::{FunctionName, Json, Permission};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// What `describe` answers. Its handlers are named without the app, which does not know what it is deployed as.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Described {
    pub subscriptions: Vec<SubscriptionSpec>,
    pub schedules: Vec<ScheduleSpec>,
    pub functions: Vec<FunctionSpec>,
    pub workflows: Vec<WorkflowSpec>,
    pub nouns: Vec<NounSpec>,
    pub verbs: Vec<VerbSpec>,
    /// Its classes; each is bound under its own name.
    pub classes: Vec<ObjectSpec>,
    /// Members that were not empty and that nobody here reads: `tools`, `permissions`.
    pub unserved: Vec<&'static str>,
}

/// Why the answer of `describe` was not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("describe: {path}: {message}")]
pub struct DescribedError {
    /// Like `on[2]`.
    pub path: String,
    pub message: String,
}

/// The only version of it there is.
const ABI: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    abi: u32,
    #[serde(default)]
    on: Vec<Value>,
    #[serde(default)]
    every: Vec<Value>,
    #[serde(default)]
    functions: Vec<Value>,
    #[serde(default)]
    workflows: Vec<Value>,
    #[serde(default)]
    nouns: Vec<Value>,
    #[serde(default)]
    verbs: Vec<Value>,
    #[serde(default)]
    classes: Vec<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    permissions: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawClass {
    class: String,
    extends: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawFunction {
    name: FunctionName,
    handler: Option<Handler>,
    description: Option<String>,
    input: Option<Json>,
    output: Option<Json>,
    timeout_ms: Option<u64>,
    retry: Option<RetrySpec>,
    permission: Option<Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawWorkflow {
    name: String,
    description: Option<String>,
    #[serde(default)]
    trigger: Trigger,
    timeout_ms: Option<u64>,
    concurrency: Option<u32>,
    on_failure: Option<Handler>,
    handler: Option<Handler>,
    steps: Option<Vec<Step>>,
}

impl Described {
    /// Reads the answer of the component that is deployed as `app`.
    ///
    /// # Errors
    /// What is not understood and where; a name that stands twice.
    pub fn parse(app: &FunctionName, answer: &Json) -> Result<Self, DescribedError> {
        let raw: Raw = serde_json::from_str(answer.as_str()).map_err(|e| error("", &e))?;
        if raw.abi != ABI {
            return Err(error("abi", &format!("{} is not known; this host reads {ABI}", raw.abi)));
        }
        let functions = items(app, "functions", raw.functions)?;
        let workflows = items(app, "workflows", raw.workflows)?;
        let classes = items(app, "classes", raw.classes)?;
        let unserved = [("tools", &raw.tools), ("permissions", &raw.permissions)];
        let described = Self {
            subscriptions: items(app, "on", raw.on)?,
            schedules: items(app, "every", raw.every)?,
            functions: functions.into_iter().map(|raw| function(app, raw)).collect(),
            workflows: workflows.into_iter().map(|raw| workflow(app, raw)).collect::<Result<_, _>>()?,
            nouns: items(app, "nouns", raw.nouns)?,
            verbs: items(app, "verbs", raw.verbs)?,
            classes: classes.into_iter().map(class).collect(),
            unserved: unserved.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, _)| name).collect(),
        };
        once("on", described.subscriptions.iter().map(SubscriptionSpec::key))?;
        once("every", described.schedules.iter().map(ScheduleSpec::key))?;
        once("functions", described.functions.iter().map(|f| f.name.to_string()))?;
        once("workflows", described.workflows.iter().map(|w| w.name.clone()))?;
        once("nouns", described.nouns.iter().map(|n| n.noun.as_str().to_owned()))?;
        once("verbs", described.verbs.iter().map(|v| v.action.clone()))?;
        once("classes", described.classes.iter().map(|c| c.class.clone()))?;
        Ok(described)
    }
}

impl Deployment {
    /// Adds what a component says of itself. What stands here already, by its name, stays as it is.
    pub fn merge(&mut self, described: Described) {
        fn add<T, K: Ord>(to: &mut Vec<T>, more: Vec<T>, key: impl Fn(&T) -> K) {
            let known: BTreeSet<K> = to.iter().map(&key).collect();
            to.extend(more.into_iter().filter(|item| !known.contains(&key(item))));
        }
        add(&mut self.subscriptions, described.subscriptions, SubscriptionSpec::key);
        add(&mut self.schedules, described.schedules, ScheduleSpec::key);
        add(&mut self.functions, described.functions, |f| f.name.clone());
        add(&mut self.workflows, described.workflows, |w| w.name.clone());
        add(&mut self.nouns, described.nouns, |n| n.noun.clone());
        add(&mut self.verbs, described.verbs, |v| v.action.clone());
        for object in self.objects.iter_mut().filter(|object| object.extends.is_none()) {
            let said = described.classes.iter().find(|said| said.class == object.class);
            object.extends = said.and_then(|said| said.extends.clone());
        }
        add(&mut self.objects, described.classes, |c| c.class.clone());
    }
}

fn error(path: &str, message: &dyn std::fmt::Display) -> DescribedError {
    DescribedError { path: path.to_owned(), message: message.to_string() }
}

fn items<T: DeserializeOwned>(app: &FunctionName, list: &str, items: Vec<Value>) -> Result<Vec<T>, DescribedError> {
    let read = |(n, mut item): (usize, Value)| {
        for member in ["handler", "onFailure"] {
            if let Some(Value::String(name)) = item.get_mut(member)
                && !name.contains('#')
            {
                *name = format!("{app}#{name}");
            }
        }
        serde_json::from_value(item).map_err(|e| error(&format!("{list}[{n}]"), &e))
    };
    items.into_iter().enumerate().map(read).collect()
}

fn once(list: &str, keys: impl Iterator<Item = String>) -> Result<(), DescribedError> {
    let mut seen = BTreeSet::new();
    for (n, key) in keys.enumerate() {
        if seen.contains(&key) {
            return Err(error(&format!("{list}[{n}]"), &format_args!("{key:?} stands twice")));
        }
        seen.insert(key);
    }
    Ok(())
}

fn class(raw: RawClass) -> ObjectSpec {
    let create = Create::Explicit;
    ObjectSpec { binding: raw.class.clone(), class: raw.class, extends: raw.extends, ns: None, create }
}

/// A function without a handler of its own is handled under its own name.
fn function(app: &FunctionName, raw: RawFunction) -> FunctionSpec {
    let own = || Handler::App { function: app.clone(), name: raw.name.to_string() };
    FunctionSpec {
        run: FunctionBody::Handler(raw.handler.unwrap_or_else(own)),
        name: raw.name,
        description: raw.description,
        input: raw.input,
        output: raw.output,
        timeout_ms: raw.timeout_ms,
        retry: raw.retry,
        permission: raw.permission,
    }
}

fn workflow(app: &FunctionName, raw: RawWorkflow) -> Result<WorkflowSpec, DescribedError> {
    let run = match (raw.handler, raw.steps) {
        (Some(handler), None) => WorkflowBody::Handler(handler),
        (None, Some(steps)) => WorkflowBody::Steps(steps),
        (None, None) => WorkflowBody::Handler(Handler::App { function: app.clone(), name: raw.name.clone() }),
        (Some(_), Some(_)) => {
            let message = format!("{:?} has a handler and steps; it is one or the other", raw.name);
            return Err(error("workflows", &message));
        }
    };
    Ok(WorkflowSpec {
        name: raw.name,
        description: raw.description,
        trigger: raw.trigger,
        timeout_ms: raw.timeout_ms,
        concurrency: raw.concurrency,
        on_failure: raw.on_failure,
        run,
    })
}
