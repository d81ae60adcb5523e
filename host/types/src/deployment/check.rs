//! What is wrong with a deployment as a whole, all of it at once. What its types cannot say is said here.

mod classes;
mod steps;

use super::{Deployment, FunctionBody, Handler, ScheduleSpec, SubscriptionSpec, Trigger, WorkflowBody, WorkflowSpec};
use std::collections::BTreeMap;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Like `workflows[0].run.steps[2].do.input`.
    pub path: String,
    pub message: String,
}

impl Problem {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Told at most; who has more repairs these first.
const PROBLEMS_MAX: usize = 100;
/// A filter or a condition, in bytes; a schedule is far shorter.
const EXPRESSION_BYTES_MAX: usize = 4 << 10;
const SCHEDULE_BYTES_MAX: usize = 512;
const RETRIES_MAX: u32 = 100;
const CONCURRENCY_MAX: u32 = 10_000;
/// One variable's value; all of them are in memory at each run.
const VAR_BYTES_MAX: usize = 5 << 10;
const NAME_BYTES_MAX: usize = 128;
/// What is kept beside a schedule: it is shown with each list of them.
pub const METADATA_BYTES_MAX: usize = 4 << 10;
/// Before the name of a workflow where that of its own schedule or subscription stands.
pub const OF_WORKFLOW: &str = "workflow:";
/// How long a probe may take, in milliseconds.
const PROBE_MS_MAX: u64 = 300_000;
/// The longest run of a workflow, and the longest call of a function: a year, as for waits.
const TIMEOUT_MS_MAX: u64 = super::Step::WAIT_MS_MAX;

impl Deployment {
    /// Everything that is wrong with it, in the order of its parts; at most a hundred.
    pub fn check(&self) -> Vec<Problem> {
        let mut found = Found(Vec::new());
        self.check_sizes(&mut found);
        self.check_functions(&mut found);
        for (n, subscription) in self.subscriptions.iter().enumerate() {
            check_subscription(subscription, &format!("subscriptions[{n}]"), &mut found);
        }
        found.unique("subscriptions", "name", self.subscriptions.iter().map(SubscriptionSpec::key));
        for (n, schedule) in self.schedules.iter().enumerate() {
            check_schedule(schedule, &format!("schedules[{n}]"), &mut found);
        }
        found.unique("schedules", "name", self.schedules.iter().map(ScheduleSpec::key));
        for (n, workflow) in self.workflows.iter().enumerate() {
            check_workflow(workflow, &format!("workflows[{n}]"), &mut found);
        }
        found.unique("workflows", "name", self.workflows.iter().map(|w| w.name.clone()));
        found.unique("nouns", "noun", self.nouns.iter().map(|n| n.noun.as_str().to_owned()));
        found.unique("verbs", "action", self.verbs.iter().map(|v| v.action.clone()));
        classes::check(self, &mut found);
        self.check_vars(&mut found);
        if self.probe.as_ref().is_some_and(|probe| !(1..=PROBE_MS_MAX).contains(&probe.timeout_ms)) {
            let message = "it is more than nothing and at most 5 minutes: nobody else deploys meanwhile";
            found.add("probe.timeoutMs", message);
        }
        found.0
    }

    fn check_sizes(&self, found: &mut Found) {
        for (list, length) in self.lists() {
            if length > Self::ITEMS_MAX {
                found.add(list, format!("there are {length}; at most {} can be deployed", Self::ITEMS_MAX));
            }
        }
    }

    fn check_functions(&self, found: &mut Found) {
        for (n, function) in self.functions.iter().enumerate() {
            let path = format!("functions[{n}]");
            match &function.run {
                FunctionBody::Handler(handler) if !matches!(handler, Handler::App { .. }) => {
                    let message = format!("{:?} is no handler of an app, like shop#total", handler.to_string());
                    found.add(format!("{path}.run.handler"), message);
                }
                FunctionBody::Component { .. } | FunctionBody::Deployed | FunctionBody::Handler(_) => {}
            }
            if let Some(timeout_ms) = function.timeout_ms {
                found.timeout(format!("{path}.timeoutMs"), timeout_ms);
            }
            if let Some(retry) = &function.retry {
                steps::check_retry(retry, &format!("{path}.retry"), found);
            }
        }
        found.unique("functions", "name", self.functions.iter().map(|f| f.name.to_string()));
    }

    fn check_vars(&self, found: &mut Found) {
        for (name, value) in &self.vars {
            if !is_variable(name) {
                found.add(format!("vars.{name}"), format!("{name:?} is no variable: write letters, digits and _"));
            }
            if value.len() > VAR_BYTES_MAX {
                found.add(format!("vars.{name}"), format!("a value has at most {} KiB", VAR_BYTES_MAX >> 10));
            }
        }
        for (n, name) in self.required_secrets.iter().enumerate() {
            let path = format!("requiredSecrets[{n}]");
            if !is_variable(&name.replace('-', "_")) {
                found.add(&path, format!("{name:?} is no secret's name: write letters, digits, _ and -"));
            }
            if self.vars.contains_key(name) {
                found.add(path, format!("{name:?} is a variable too; one name is one or the other"));
            }
        }
        found.unique("requiredSecrets", "", self.required_secrets.iter().cloned());
    }
}

fn check_subscription(subscription: &SubscriptionSpec, path: &str, found: &mut Found) {
    found.name(path, subscription.name.as_deref());
    found.not_of_workflow(path, subscription.name.as_deref());
    found.event(path, &subscription.event);
    found.expression(format!("{path}.filter"), subscription.filter.as_deref());
    found.retries(path, subscription.max_retries);
}

fn check_schedule(schedule: &ScheduleSpec, path: &str, found: &mut Found) {
    found.name(path, schedule.name.as_deref());
    found.not_of_workflow(path, schedule.name.as_deref());
    if let Some(metadata) = &schedule.metadata {
        if !metadata.to_value().is_object() {
            found.add(format!("{path}.metadata"), "it is an object, like { team = \"billing\" }");
        } else if metadata.as_str().len() > METADATA_BYTES_MAX {
            found.add(format!("{path}.metadata"), format!("it has at most {} KiB", METADATA_BYTES_MAX >> 10));
        }
    }
    found.schedule(path, &schedule.schedule, schedule.timezone.as_deref());
    found.retries(path, schedule.max_retries);
}

fn check_workflow(workflow: &WorkflowSpec, path: &str, found: &mut Found) {
    found.name(path, Some(&workflow.name));
    match &workflow.trigger {
        Trigger::Manual => {}
        Trigger::Event { event, filter } => {
            let path = format!("{path}.trigger.event");
            found.event(&path, event);
            found.expression(format!("{path}.filter"), filter.as_deref());
        }
        Trigger::Schedule { schedule, timezone, catch_up: _, overlap: _, allow_sub_minute: _ } => {
            found.schedule(&format!("{path}.trigger.schedule"), schedule, timezone.as_deref());
        }
    }
    if let Some(timeout_ms) = workflow.timeout_ms {
        found.timeout(format!("{path}.timeoutMs"), timeout_ms);
    }
    if workflow.concurrency.is_some_and(|n| !(1..=CONCURRENCY_MAX).contains(&n)) {
        found.add(format!("{path}.concurrency"), format!("it is from 1 to {CONCURRENCY_MAX}"));
    }
    match &workflow.run {
        WorkflowBody::Handler(_) => {}
        WorkflowBody::Steps(steps) => steps::check(steps, &format!("{path}.run.steps"), found),
    }
}

/// Whether an event may be subscribed to (spec ON-1): `Noun.verb`, `*.verb`, `Noun.*`, `*.*`, `github.issues.opened`.
///
/// # Errors
/// What would be accepted.
pub fn check_event(text: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let well_formed = text.len() <= 2 * NAME_BYTES_MAX
        && text.split_once('.').is_some_and(|(noun, verb)| {
            (noun == "*" || is_word(noun)) && (verb == "*" || verb.split('.').all(is_word))
        });
    if well_formed {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    Err(format!("{shown:?} is no event: write Noun.event with * for any, like Customer.created, Order.* or *.*"))
}

/// Whether a subscription, a schedule or a workflow may be called so.
///
/// # Errors
/// What would be accepted.
pub fn check_name(text: &str) -> Result<(), String> {
    let well_formed = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'));
    if well_formed {
        return Ok(());
    }
    let shown: String = text.chars().take(80).collect();
    Err(format!(
        "{shown:?} is no name: 1 to {NAME_BYTES_MAX} of letters, digits and -_.: beginning with a letter or digit"
    ))
}

fn is_variable(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What was found so far.
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.0.len() < PROBLEMS_MAX {
            self.0.push(Problem::new(path, message));
        }
    }

    /// Each item of `list` has its own key; `member` holds it.
    fn unique(&mut self, list: &str, member: &str, keys: impl Iterator<Item = String>) {
        let mut seen = BTreeMap::new();
        for (n, key) in keys.enumerate() {
            if seen.contains_key(&key) {
                let dot = if member.is_empty() { "" } else { "." };
                self.add(format!("{list}[{n}]{dot}{member}"), format!("{key:?} stands twice; each is there once"));
            }
            seen.insert(key, n);
        }
    }

    fn name(&mut self, path: &str, name: Option<&str>) {
        if let Some(Err(message)) = name.map(check_name) {
            self.add(format!("{path}.name"), message);
        }
    }

    fn not_of_workflow(&mut self, path: &str, name: Option<&str>) {
        if name.is_some_and(|name| name.starts_with(OF_WORKFLOW)) {
            let message = format!("names that begin with {OF_WORKFLOW} are those of workflows; write another one");
            self.add(format!("{path}.name"), message);
        }
    }

    fn event(&mut self, path: &str, event: &str) {
        if let Err(message) = check_event(event) {
            self.add(format!("{path}.event"), message);
        }
    }

    fn expression(&mut self, path: impl Into<String>, text: Option<&str>) {
        let Some(text) = text else { return };
        if text.trim().is_empty() {
            self.add(path, "an expression says something, like data.amount > 1000");
        } else if text.len() > EXPRESSION_BYTES_MAX {
            self.add(path, format!("an expression has at most {} KiB", EXPRESSION_BYTES_MAX >> 10));
        }
    }

    fn schedule(&mut self, path: &str, schedule: &str, timezone: Option<&str>) {
        if schedule.trim().is_empty() || schedule.len() > SCHEDULE_BYTES_MAX {
            let message = format!(
                "a schedule is 1 to {SCHEDULE_BYTES_MAX} bytes, like \"every weekday at 9am\" or \"0 9 * * 1\""
            );
            self.add(format!("{path}.schedule"), message);
        }
        let is_zone = |zone: &str| {
            (1..=64).contains(&zone.len()) && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-:".contains(&b))
        };
        if let Some(zone) = timezone.filter(|zone| !is_zone(zone)) {
            self.add(
                format!("{path}.timezone"),
                format!("{zone:?} is no time zone: write one like Europe/Vienna or +05:30"),
            );
        }
    }

    fn retries(&mut self, path: &str, retries: u32) {
        if retries > RETRIES_MAX {
            self.add(format!("{path}.maxRetries"), format!("it is at most {RETRIES_MAX}"));
        }
    }

    fn timeout(&mut self, path: impl Into<String>, ms: u64) {
        if !(1..=TIMEOUT_MS_MAX).contains(&ms) {
            self.add(path, "it is more than nothing and at most 365 days");
        }
    }
}
