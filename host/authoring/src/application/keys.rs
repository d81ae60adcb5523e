//! Every key that a `do.toml` may have, and what stands behind it: the file's grammar as a table.

use Kind::{
    Any, Bool, Branches, Date, Duration, EnvName, EnvNames, Event, Function, Handler, Int, Json, Named, Number, OneOf,
    OwnHandler, Path, Steps, Table, Tables, Text, Texts, Trigger, Vars,
};

/// One key.
pub(super) struct Key {
    /// As the file spells it.
    pub(super) name: &'static str,
    /// As the deployment's JSON spells it.
    pub(super) json: &'static str,
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

const fn may(name: &'static str, json: &'static str, kind: Kind) -> Key {
    Key { name, json, kind, is_required: false }
}

const fn must(name: &'static str, json: &'static str, kind: Kind) -> Key {
    Key { name, json, kind, is_required: true }
}

const COUNT: Kind = Int(0, u32::MAX as i64);

/// The sections and the keys outside of any.
pub(super) const ROOT: &[Key] = &[
    may("name", "name", Function),
    may("main", "main", Path),
    may("compatibility_date", "compatibilityDate", Date),
    may("compatibility_flags", "compatibilityFlags", Texts),
    may("build", "build", Table(BUILD)),
    may("objects", "objects", Tables(OBJECT)),
    may("exports", "classes", Tables(EXPORT)),
    may("migrations", "migrations", Tables(MIGRATION)),
    may("on", "subscriptions", Tables(ON)),
    may("every", "schedules", Tables(EVERY)),
    may("functions", "functions", Tables(FUNCTION)),
    may("workflows", "workflows", Tables(WORKFLOW)),
    may("nouns", "nouns", Named("noun", NOUN)),
    may("verbs", "verbs", Named("action", VERB)),
    may("vars", "vars", Vars),
    may("secrets", "secrets", Table(SECRETS)),
    may("probe", "probe", Table(PROBE)),
    may("permissions", "permissions", Any),
    may("events", "events", Table(EVENTS)),
    may("buckets", "buckets", Tables(BUCKET)),
    may("auth", "auth", Table(AUTH)),
    may("integrations", "integrations", Named("name", INTEGRATION)),
    may("models", "models", Table(MODELS)),
    may("limits", "limits", Table(LIMITS)),
    may("regions", "regions", Table(REGIONS)),
    may("server", "server", Table(SERVER)),
    may("observability", "observability", Table(OBSERVABILITY)),
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

const BUILD: &[Key] = &[may("command", "command", Text), may("watch", "watch", Texts)];

const OBJECT: &[Key] = &[
    must("binding", "binding", Text),
    must("class", "class", Text),
    may("extends", "extends", Text),
    may("ns", "ns", Text),
    may("create", "create", OneOf(&["on-demand", "explicit"])),
];

const EXPORT: &[Key] = &[
    must("class", "class", Text),
    must("state", "state", OneOf(&["created", "deleted", "renamed", "transferred"])),
    may("from", "from", Text),
    may("from_app", "fromApp", Text),
];

const MIGRATION: &[Key] = &[
    must("tag", "tag", Text),
    may("new_classes", "newClasses", Texts),
    may("new_sqlite_classes", "newClasses", Texts),
    may("renamed", "renamed", Tables(RENAMED)),
    may("renamed_classes", "renamed", Tables(RENAMED)),
    may("deleted", "deleted", Texts),
    may("deleted_classes", "deleted", Texts),
    may("transferred", "transferred", Tables(TRANSFERRED)),
    may("transferred_classes", "transferred", Tables(TRANSFERRED)),
];

const RENAMED: &[Key] = &[must("from", "from", Text), must("to", "to", Text)];

const TRANSFERRED: &[Key] = &[must("from", "from", Text), must("from_app", "fromApp", Text), must("to", "to", Text)];

const ON: &[Key] = &[
    must("event", "event", Event),
    must("handler", "handler", Handler),
    may("name", "name", Text),
    may("priority", "priority", Int(i32::MIN as i64, i32::MAX as i64)),
    may("filter", "filter", Text),
    may("max_retries", "maxRetries", COUNT),
];

const CATCH_UP: Kind = OneOf(&["one", "none", "all"]);
const OVERLAP: Kind = OneOf(&["skip", "queue", "allow"]);

const EVERY: &[Key] = &[
    may("name", "name", Text),
    must("schedule", "schedule", Text),
    may("timezone", "timezone", Text),
    must("handler", "handler", Handler),
    may("catch_up", "catchUp", CATCH_UP),
    may("overlap", "overlap", OVERLAP),
    may("max_retries", "maxRetries", COUNT),
    may("emit", "emit", Bool),
    may("allow_sub_minute", "allowSubMinute", Bool),
    may("metadata", "metadata", Json),
];

pub(super) const FUNCTION: &[Key] = &[
    must("name", "name", Function),
    may("description", "description", Text),
    may("path", "path", Path),
    may("manifest", "manifest", Path),
    may("type", "type", OneOf(&["code", "generative", "agentic", "human", "app", "site", "tool-box"])),
    may("handler", "handler", OwnHandler),
    may("prompt", "prompt", Text),
    may("model", "model", Text),
    may("channel", "channel", Text),
    may("schema", "schema", Table(&[may("input", "input", Json), may("output", "output", Json)])),
    may("timeout", "timeoutMs", Duration),
    may("retries", "retries", Int(0, 99)),
    may("permission", "permission", Text),
];

const WORKFLOW: &[Key] = &[
    must("name", "name", Text),
    may("description", "description", Text),
    may("trigger", "trigger", Trigger),
    may("timeout", "timeoutMs", Duration),
    may("concurrency", "concurrency", COUNT),
    may("on_failure", "onFailure", Handler),
    may("handler", "handler", Handler),
    may("steps", "steps", Steps),
    may("file", "file", Path),
];

pub(super) const EVENT_TRIGGER: &[Key] = &[must("event", "event", Event), may("filter", "filter", Text)];

pub(super) const SCHEDULE_TRIGGER: &[Key] = &[
    must("schedule", "schedule", Text),
    may("timezone", "timezone", Text),
    may("catch_up", "catchUp", CATCH_UP),
    may("overlap", "overlap", OVERLAP),
    may("allow_sub_minute", "allowSubMinute", Bool),
];

/// A step is a table with one of these.
pub(super) const STEP: &[Key] = &[
    may("do", "do", Table(DO)),
    may("sleep", "sleep", Table(&[must("name", "name", Text), must("for", "forMs", Duration)])),
    may("sleep_until", "sleepUntil", Table(&[must("name", "name", Text), must("until", "until", Text)])),
    may("wait_for_event", "waitForEvent", Table(WAIT)),
    may("branch", "branch", Table(BRANCH)),
    may("parallel", "parallel", Table(&[must("name", "name", Text), must("branches", "branches", Branches)])),
    may("approval", "approval", Table(APPROVAL)),
];

const DO: &[Key] = &[
    must("name", "name", Text),
    must("action", "action", Handler),
    may("input", "input", Json),
    may("retry", "retry", Table(RETRY)),
    may("timeout", "timeoutMs", Duration),
    may("compensate", "compensate", Table(&[must("action", "action", Handler), may("input", "input", Json)])),
];

const RETRY: &[Key] = &[
    may("max_attempts", "maxAttempts", COUNT),
    may("initial_delay", "initialDelayMs", Duration),
    may("max_delay", "maxDelayMs", Duration),
    may("multiplier", "multiplier", Number),
    may("jitter", "jitter", Bool),
];

const WAIT: &[Key] = &[
    must("name", "name", Text),
    must("event", "event", Event),
    may("filter", "filter", Text),
    may("timeout", "timeoutMs", Duration),
    may("default", "default", Json),
];

const BRANCH: &[Key] =
    &[must("name", "name", Text), must("when", "when", Text), must("then", "then", Steps), may("else", "else", Steps)];

const APPROVAL: &[Key] = &[
    must("name", "name", Text),
    must("prompt", "prompt", Text),
    may("worker", "worker", Text),
    may("data", "data", Json),
    may("timeout", "timeoutMs", Duration),
    may("on_timeout", "onTimeout", OneOf(&["fail", "reject", "approve"])),
];

const NOUN: &[Key] = &[
    may("plural", "plural", Text),
    may("description", "description", Text),
    may("schema", "schema", Json),
    may("do_class", "doClass", Text),
];

const VERB: &[Key] = &[
    may("activity", "activity", Text),
    may("event", "event", Text),
    may("predicate", "predicate", Text),
    may("reverse_by", "reverseBy", Text),
    may("reverse_at", "reverseAt", Text),
    may("reverse_in", "reverseIn", Text),
    may("inverse", "inverse", Text),
];

const SECRETS: &[Key] = &[must("required", "required", Texts)];

const PROBE: &[Key] = &[must("handler", "handler", Handler), may("timeout", "timeoutMs", Duration)];

// The rest is understood, so that its mistakes are told, and not served.

const EVENTS: &[Key] = &[
    may("sink", "sink", OneOf(&["iceberg", "none"])),
    may("catalog", "catalog", Text),
    may("warehouse", "warehouse", Text),
    may("flush_interval", "flushIntervalMs", Duration),
    may("include_data", "includeData", Bool),
];

const BUCKET: &[Key] = &[
    must("binding", "binding", Text),
    must("name", "name", Text),
    may("path", "path", Text),
    may("endpoint", "endpoint", Text),
];

const AUTH: &[Key] = &[
    may("central_host", "centralHost", Text),
    may("issuer", "issuer", Text),
    may("providers", "providers", Any),
    may("allowed_hosts", "allowedHosts", Texts),
    may("federation", "federation", Any),
    may("session", "session", Any),
];

const INTEGRATION: &[Key] = &[
    may("enabled", "enabled", Bool),
    may("base_url", "baseUrl", Text),
    may("client_id_env", "clientIdEnv", EnvName),
    may("client_secret_env", "clientSecretEnv", EnvName),
    may("webhook_secret_env", "webhookSecretEnv", EnvNames),
];

const MODELS: &[Key] = &[
    may("default", "default", Text),
    may("provider", "provider", Table(&[may("base_url", "baseUrl", Text), may("key_env", "keyEnv", EnvName)])),
    may("embedding", "embedding", Any),
];

const LIMITS: &[Key] = &[
    may("cpu_ms", "cpuMs", COUNT),
    may("memory_mb", "memoryMb", COUNT),
    may("body_mb", "bodyMb", COUNT),
    may("rate", "rate", Any),
    may("max_event_depth", "maxEventDepth", COUNT),
];

const REGIONS: &[Key] = &[may("default", "default", Text), may("map", "map", Vars)];

const SERVER: &[Key] = &[
    may("listen", "listen", Text),
    may("public_url", "publicUrl", Text),
    may("tls", "tls", Table(&[may("cert", "cert", Text), may("key", "key", Text), may("client_ca", "clientCa", Text)])),
    may("trusted_proxies", "trustedProxies", Texts),
    may("data_dir", "dataDir", Text),
];

const OBSERVABILITY: &[Key] = &[may("logs", "logs", Any), may("metrics", "metrics", Any)];
