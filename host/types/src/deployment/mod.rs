//! What an application is made of, as data: what `POST /api/deployments` takes, and what `do.toml` is read into.
//!
//! Everything here is pure. [`Deployment::check`] says what is wrong with one as a whole, and both ends call it;
//! [`Plan::between`] says what would change. Texts that another authority reads (phrases of schedules, filters) are
//! only carried here.

mod handler;
pub use handler::{Handler, HandlerError};
mod objects;
pub use objects::{ClassState, ClassStep, Create, Migration, ObjectSpec, Rename, Transfer, pending};
mod workflow;
pub use workflow::{Compensation, OnTimeout, RetrySpec, Step, Trigger, WorkflowBody, WorkflowSpec};
mod template;
pub use template::{TemplateError, references, render};
mod check;
pub use check::{METADATA_BYTES_MAX, OF_WORKFLOW, Problem, check_event, check_name};
mod described;
pub use described::{Described, DescribedError};
mod plan;
pub use plan::{Change, ChangeKind, Plan, Subject};

use crate::{FunctionName, Hash, Json, Noun, Permission};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// A whole application (spec 19): a deployment replaces what an earlier one declared.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Deployment {
    /// Of the application; also of the function that its `main` became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<FunctionName>,
    /// `2024-01-08`: behaviour that changed later stays as it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_date: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<SubscriptionSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ScheduleSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub workflows: Vec<WorkflowSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nouns: Vec<NounSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<VerbSpec>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectSpec>,
    /// In the order they are applied; excludes `classes`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub migrations: Vec<Migration>,
    /// The declarative form of migrations; excludes `migrations`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassState>,
    /// The environment of every function of this application, below what its own manifest says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Names of secrets that must be stored before the deployment is accepted (spec CFG-2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_secrets: Vec<String>,
    /// What must succeed after the deployment, or it is rolled back (spec CFG-5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeSpec>,
}

impl Deployment {
    /// Of each list: what one object can look through at each event or start.
    pub const ITEMS_MAX: usize = 1024;

    /// Whether one of its lists is longer than anybody looks through.
    pub fn is_too_long(&self) -> bool {
        self.lists().iter().any(|(_, length)| *length > Self::ITEMS_MAX)
    }

    fn lists(&self) -> [(&'static str, usize); 11] {
        [
            ("functions", self.functions.len()),
            ("subscriptions", self.subscriptions.len()),
            ("schedules", self.schedules.len()),
            ("workflows", self.workflows.len()),
            ("nouns", self.nouns.len()),
            ("verbs", self.verbs.len()),
            ("objects", self.objects.len()),
            ("migrations", self.migrations.len()),
            ("classes", self.classes.len()),
            ("vars", self.vars.len()),
            ("requiredSecrets", self.required_secrets.len()),
        ]
    }
}

/// A function of the application, and what runs it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FunctionSpec {
    pub name: FunctionName,
    pub run: FunctionBody,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON Schema of what it takes, checked before anything runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// A JSON Schema of what it gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetrySpec>,
    /// What a caller must hold beside the right to invoke it, like `invoices.pay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
}

/// What runs a function.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum FunctionBody {
    /// A component that was uploaded before (`PUT /api/functions/NAME` answers both).
    Component {
        version: u64,
        /// As hexadecimal text.
        #[serde(with = "hash_text")]
        hash: Hash,
    },
    /// Whatever is deployed under this name.
    Deployed,
    /// A function of an app: its `handle("function", …)`.
    Handler(Handler),
}

/// Which events call which handler (spec 5.1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubscriptionSpec {
    /// [`Self::key`] stands for it unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `Noun.verb`, each may be `*`.
    pub event: String,
    pub handler: Handler,
    /// Higher goes first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: i32,
    /// An expression over the event (spec WSM-3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(default = "max_retries")]
    pub max_retries: u32,
}

impl SubscriptionSpec {
    /// Its name, or what stands for one: the event and the handler.
    pub fn key(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}:{}", self.event, self.handler))
    }
}

/// When which handler is called (spec 5.2).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Without one it is the handler and the canonical schedule (spec EVR-8), which who reads phrases knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A phrase or a cron expression.
    pub schedule: String,
    /// An IANA name or an offset like `+05:30`; none is UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    pub handler: Handler,
    #[serde(default, skip_serializing_if = "is_default")]
    pub catch_up: CatchUp,
    #[serde(default, skip_serializing_if = "is_default")]
    pub overlap: Overlap,
    #[serde(default = "max_retries")]
    pub max_retries: u32,
    /// Whether each tick is told as an event `schedule.fired`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub emit: bool,
    /// Whether it may tick more often than each minute (spec EVR-1).
    #[serde(default, skip_serializing_if = "is_default")]
    pub allow_sub_minute: bool,
    /// What whoever declared it wants to be kept beside it: an object, which nobody here reads (spec EVR-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
}

impl ScheduleSpec {
    /// Its name, or what tells it apart here: the handler, the schedule as it is written, and the zone.
    pub fn key(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let zone = self.timezone.as_deref().map_or(String::new(), |zone| format!(" in {zone}"));
            format!("{}:{}{zone}", self.handler, self.schedule)
        })
    }
}

/// What becomes of ticks that nobody was there for (spec EVR-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatchUp {
    /// One run for all of them.
    #[default]
    One,
    None,
    All,
}

/// What becomes of a tick whose predecessor still runs (spec EVR-10).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    #[default]
    Skip,
    /// One waits.
    Queue,
    Allow,
}

/// As `PUT /api/nouns/NOUN` takes it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NounSpec {
    pub noun: Noun,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// What a thing of it becomes when it is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_class: Option<String>,
}

/// As `PUT /api/verbs/VERB` takes it: forms that are not given are derived.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerbSpec {
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_in: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<String>,
}

/// A handler that says whether the application works.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProbeSpec {
    pub handler: Handler,
    #[serde(default = "probe_timeout_ms")]
    pub timeout_ms: u64,
}

/// As long as requests on the old code may take (spec CFG-5).
fn probe_timeout_ms() -> u64 {
    30_000
}

/// Spec ON-1.
fn max_retries() -> u32 {
    3
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A hash as it is shown everywhere.
mod hash_text {
    use crate::Hash;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let refuse = |_| serde::de::Error::custom(format_args!("{text:?} is no hash: it is 64 hexadecimal digits"));
        text.parse().map_err(refuse)
    }
}
