//! Every key that a `do.toml` may have, and what stands behind it: the file's grammar as a table.

use Kind::{
    Any, Bool, Branches, Date, Duration, EnvName, EnvNames, Event, Function, Handler, Int, Json, Named, Number, OneOf,
    OwnHandler, Path, Steps, Table, Tables, Text, Texts, Trigger, Vars,
};

/// One key.
pub(super) struct Key {
    /// As the file spells it.
    pub(super) name: &'static str,
    /// As the deployment's JSON spells it, when that is not the same in camel case.
    other: Option<&'static str>,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
}

/// What stands behind a key.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Texts,
    Bool,
    /// From … to, both included.
    Int(i64, i64),
    Number,
    OneOf(&'static [&'static str]),
    /// `YYYY-MM-DD`
    Date,
    /// Spec 0.5; becomes milliseconds.
    Duration,
    /// The name of a function.
    Function,
    Handler,
    /// The same, where a bare word is always main's.
    OwnHandler,
    /// `Noun.verb`
    Event,
    /// Relative, and staying below the file's folder.
    Path,
    /// The name of an environment variable, as `NAME` or `${NAME}`.
    EnvName,
    EnvNames,
    /// Anything, kept as JSON.
    Json,
    /// Names with texts; numbers and booleans become texts.
    Vars,
    Table(&'static [Key]),
    /// `[[key]]`
    Tables(&'static [Key]),
    /// `[key.NAME]`, which becomes a list; the name becomes this member of each.
    Named(&'static str, &'static [Key]),
    Steps,
    /// A list of lists of steps.
    Branches,
    Trigger,
    /// Anything, not looked at.
    Any,
}

impl Key {
    /// As the deployment's JSON spells it: in camel case, and of a duration with its unit.
    pub(super) fn json(&self) -> String {
        if let Some(other) = self.other {
            return other.to_owned();
        }
        let mut words = self.name.split('_');
        let mut json = words.next().unwrap_or_default().to_owned();
        for word in words {
            let (first, rest) = word.split_at(word.len().min(1));
            json.extend([first.to_ascii_uppercase().as_str(), rest]);
        }
        if matches!(self.kind, Duration) {
            json.push_str("Ms");
        }
        json
    }
}

const fn may(name: &'static str, kind: Kind) -> Key {
    Key { name, other: None, kind, is_required: false }
}

const fn must(name: &'static str, kind: Kind) -> Key {
    Key { is_required: true, ..may(name, kind) }
}

/// One that the deployment's JSON calls something else.
const fn may_as(name: &'static str, json: &'static str, kind: Kind) -> Key {
    Key { other: Some(json), ..may(name, kind) }
}

const COUNT: Kind = Int(0, u32::MAX as i64);

/// The sections and the keys outside of any.
pub(super) const ROOT: &[Key] = &[
    may("name", Function),
    may("main", Path),
    may("compatibility_date", Date),
    may("compatibility_flags", Texts),
    may("build", Table(BUILD)),
    may("objects", Tables(OBJECT)),
    may_as("exports", "classes", Tables(EXPORT)),
    may("migrations", Tables(MIGRATION)),
    may_as("on", "subscriptions", Tables(ON)),
    may_as("every", "schedules", Tables(EVERY)),
    may("functions", Tables(FUNCTION)),
    may("workflows", Tables(WORKFLOW)),
    may("nouns", Named("noun", NOUN)),
    may("verbs", Named("action", VERB)),
    may("vars", Vars),
    may("secrets", Table(SECRETS)),
    may("probe", Table(PROBE)),
    may("permissions", Any),
    may("events", Table(EVENTS)),
    may("buckets", Tables(BUCKET)),
    may("auth", Table(AUTH)),
    may("integrations", Named("name", INTEGRATION)),
    may("models", Table(MODELS)),
    may("limits", Table(LIMITS)),
    may("regions", Table(REGIONS)),
    may("server", Table(SERVER)),
    may("observability", Table(OBSERVABILITY)),
];

/// The key of `ROOT` that is read before the others and holds none of its own.
pub(super) const ENV: &str = "env";

/// Sections that are understood and have no effect on this platform.
pub(super) const UNSERVED: &[&str] = &[
    "build",
    "compatibility_flags",
    "permissions",
    "events",
    "buckets",
    "auth",
    "integrations",
    "models",
    "limits",
    "regions",
    "server",
    "observability",
];

/// Sections that an environment has for itself: what stands outside of it does not count there, as in wrangler.
pub(super) const NOT_INHERITED: &[&str] = &["objects", "vars", "buckets", "events"];

const BUILD: &[Key] = &[may("command", Text), may("watch", Texts)];

const OBJECT: &[Key] = &[
    must("binding", Text),
    must("class", Text),
    may("extends", Text),
    may("ns", Text),
    may("create", OneOf(&["on-demand", "explicit"])),
];

const EXPORT: &[Key] = &[
    must("class", Text),
    must("state", OneOf(&["created", "deleted", "renamed", "transferred"])),
    may("from", Text),
    may("from_app", Text),
];

const MIGRATION: &[Key] = &[
    must("tag", Text),
    may("new_classes", Texts),
    may_as("new_sqlite_classes", "newClasses", Texts),
    may("renamed", Tables(RENAMED)),
    may_as("renamed_classes", "renamed", Tables(RENAMED)),
    may("deleted", Texts),
    may_as("deleted_classes", "deleted", Texts),
    may("transferred", Tables(TRANSFERRED)),
    may_as("transferred_classes", "transferred", Tables(TRANSFERRED)),
];

const RENAMED: &[Key] = &[must("from", Text), must("to", Text)];

const TRANSFERRED: &[Key] = &[must("from", Text), must("from_app", Text), must("to", Text)];

const ON: &[Key] = &[
    must("event", Event),
    must("handler", Handler),
    may("name", Text),
    may("priority", Int(i32::MIN as i64, i32::MAX as i64)),
    may("filter", Text),
    may("max_retries", COUNT),
];

const CATCH_UP: Kind = OneOf(&["one", "none", "all"]);
const OVERLAP: Kind = OneOf(&["skip", "queue", "allow"]);

const EVERY: &[Key] = &[
    may("name", Text),
    must("schedule", Text),
    may("timezone", Text),
    must("handler", Handler),
    may("catch_up", CATCH_UP),
    may("overlap", OVERLAP),
    may("max_retries", COUNT),
    may("emit", Bool),
    may("allow_sub_minute", Bool),
    may("metadata", Json),
];

pub(super) const FUNCTION: &[Key] = &[
    must("name", Function),
    may("description", Text),
    may("path", Path),
    may("manifest", Path),
    may("type", OneOf(&["code", "generative", "agentic", "human", "app", "site", "tool-box"])),
    may("handler", OwnHandler),
    may("prompt", Text),
    may("model", Text),
    may("system", Text),
    may("tools", Texts),
    may("max_iterations", Int(1, 1_000)),
    may("mode", OneOf(&["autonomous", "supervised", "manual"])),
    may("supervisor", Text),
    may("stream", Bool),
    may("assignee", Text),
    may("role", Text),
    may("channel", Text),
    may("on_timeout", OneOf(&["fail", "default", "escalate"])),
    may("schema", Table(&[may("input", Json), may("output", Json)])),
    may("timeout", Duration),
    may("retries", Int(0, 99)),
    may("permission", Text),
];

const WORKFLOW: &[Key] = &[
    must("name", Text),
    may("description", Text),
    may("trigger", Trigger),
    may("timeout", Duration),
    may("concurrency", COUNT),
    may("on_failure", Handler),
    may("handler", Handler),
    may("steps", Steps),
    may("file", Path),
];

/// Of a file that a workflow's `file` names.
pub(super) const WORKFLOW_FILE: &[Key] = &[must("steps", Steps)];

pub(super) const EVENT_TRIGGER: &[Key] = &[must("event", Event), may("filter", Text)];

pub(super) const SCHEDULE_TRIGGER: &[Key] = &[
    must("schedule", Text),
    may("timezone", Text),
    may("catch_up", CATCH_UP),
    may("overlap", OVERLAP),
    may("allow_sub_minute", Bool),
];

/// A step is a table with one of these.
pub(super) const STEP: &[Key] = &[
    may("do", Table(DO)),
    may("sleep", Table(&[must("name", Text), must("for", Duration)])),
    may("sleep_until", Table(&[must("name", Text), must("until", Text)])),
    may("wait_for_event", Table(WAIT)),
    may("branch", Table(BRANCH)),
    may("parallel", Table(&[must("name", Text), must("branches", Branches)])),
    may("approval", Table(APPROVAL)),
];

const DO: &[Key] = &[
    must("name", Text),
    must("action", Handler),
    may("input", Json),
    may("retry", Table(RETRY)),
    may("timeout", Duration),
    may("compensate", Table(&[must("action", Handler), may("input", Json)])),
];

const RETRY: &[Key] = &[
    may("max_attempts", COUNT),
    may("initial_delay", Duration),
    may("max_delay", Duration),
    may("multiplier", Number),
    may("jitter", Bool),
    may("retry_on", Texts),
];

const WAIT: &[Key] =
    &[must("name", Text), must("event", Event), may("filter", Text), may("timeout", Duration), may("default", Json)];

const BRANCH: &[Key] = &[must("name", Text), must("when", Text), must("then", Steps), may("else", Steps)];

const APPROVAL: &[Key] = &[
    must("name", Text),
    must("prompt", Text),
    may("worker", Text),
    may("data", Json),
    may("timeout", Duration),
    may("on_timeout", OneOf(&["fail", "reject", "approve"])),
];

const NOUN: &[Key] = &[may("plural", Text), may("description", Text), may("schema", Json), may("do_class", Text)];

const VERB: &[Key] = &[
    may("activity", Text),
    may("event", Text),
    may("predicate", Text),
    may("reverse_by", Text),
    may("reverse_at", Text),
    may("reverse_in", Text),
    may("inverse", Text),
];

const SECRETS: &[Key] = &[must("required", Texts)];

const PROBE: &[Key] = &[must("handler", Handler), may("timeout", Duration)];

// The rest is understood, so that its mistakes are told, and not served.

const EVENTS: &[Key] = &[
    may("sink", OneOf(&["iceberg", "none"])),
    may("catalog", Text),
    may("warehouse", Text),
    may("flush_interval", Duration),
    may("include_data", Bool),
];

const BUCKET: &[Key] = &[must("binding", Text), must("name", Text), may("path", Text), may("endpoint", Text)];

const AUTH: &[Key] = &[
    may("central_host", Text),
    may("issuer", Text),
    may("providers", Any),
    may("allowed_hosts", Texts),
    may("federation", Any),
    may("session", Any),
];

const INTEGRATION: &[Key] = &[
    may("enabled", Bool),
    may("base_url", Text),
    may("client_id_env", EnvName),
    may("client_secret_env", EnvName),
    may("webhook_secret_env", EnvNames),
];

const MODELS: &[Key] = &[
    may("default", Text),
    may("provider", Table(&[may("base_url", Text), may("key_env", EnvName)])),
    may("embedding", Any),
];

const LIMITS: &[Key] = &[
    may("cpu_ms", COUNT),
    may("memory_mb", COUNT),
    may("body_mb", COUNT),
    may("rate", Any),
    may("max_event_depth", COUNT),
];

const REGIONS: &[Key] = &[may("default", Text), may("map", Vars)];

const SERVER: &[Key] = &[
    may("listen", Text),
    may("public_url", Text),
    may("tls", Table(&[may("cert", Text), may("key", Text), may("client_ca", Text)])),
    may("trusted_proxies", Texts),
    may("data_dir", Text),
];

const OBSERVABILITY: &[Key] = &[may("logs", Any), may("metrics", Any)];
