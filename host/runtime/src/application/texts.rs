//! What the texts of an application mean: event patterns, filters, schedules. Pure.

use model::filter::Filter;
use model::pattern::Pattern;
use schedule::Schedule;
use std::collections::BTreeSet;
use types::Timestamp;
use types::deployment::{Deployment, FunctionBody, Problem, ScheduleSpec, Step, Trigger, WorkflowBody, WorkflowSpec};

/// Reads every text, and names what has no name of its own: a subscription by its event and handler, a schedule by its
/// handler and the one text of its meaning (spec EVR-8).
pub(super) fn read(whole: &mut Deployment, now: Timestamp) -> Vec<Problem> {
    let mut found = Vec::new();
    for (n, subscription) in whole.subscriptions.iter_mut().enumerate() {
        let path = format!("subscriptions[{n}]");
        pattern(&subscription.event, format!("{path}.event"), &mut found);
        filter(subscription.filter.as_deref(), format!("{path}.filter"), &mut found);
        subscription.name = Some(subscription.key());
    }
    for (n, schedule) in whole.schedules.iter_mut().enumerate() {
        let path = format!("schedules[{n}].schedule");
        let When { text, zone, options } = When::of(schedule);
        let read = phrase(text, zone, options, now, path, &mut found);
        schedule.name = Some(match (schedule.name.take(), read) {
            (Some(name), _) => name,
            (None, Some(read)) => format!("{}:{}", schedule.handler, read.canonical()),
            (None, None) => ScheduleSpec { name: None, ..schedule.clone() }.key(),
        });
    }
    once("schedules", whole.schedules.iter().map(ScheduleSpec::key), &mut found);
    for (n, workflow) in whole.workflows.iter().enumerate() {
        of_workflow(workflow, &format!("workflows[{n}]"), now, &mut found);
    }
    for (n, function) in whole.functions.iter().enumerate() {
        if let FunctionBody::Handler(_) = &function.run {
            schema(function.input.as_ref(), format!("functions[{n}].input"), &mut found);
        }
    }
    found
}

/// What of an application is kept and not acted upon by this host: a line each.
pub(super) fn unserved(whole: &Deployment) -> Vec<String> {
    let mut told = Vec::new();
    for function in &whole.functions {
        let name = &function.name;
        match &function.run {
            FunctionBody::Handler(_) => {
                let given = [
                    ("timeout", function.timeout_ms.is_some()),
                    ("retries", function.retry.is_some()),
                    ("output schema", function.output.is_some()),
                ];
                let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(what, _)| *what).collect();
                if !given.is_empty() {
                    told.push(format!("{name}: its {} are kept, and those of its app hold", given.join(", ")));
                }
            }
            FunctionBody::Component { .. } | FunctionBody::Deployed => {}
        }
    }
    let classes = [
        ("objects", !whole.objects.is_empty()),
        ("migrations", !whole.migrations.is_empty()),
        ("classes", !whole.classes.is_empty()),
    ];
    let classes: Vec<_> = classes.iter().filter(|(_, given)| *given).map(|(what, _)| *what).collect();
    if !classes.is_empty() {
        told.push(format!(
            "{} are kept: an object of a class is made when somebody asks for it by POST /api/objects; bindings and \
             patterns of namespaces do nothing yet",
            classes.join(", ")
        ));
    }
    told
}

fn of_workflow(workflow: &WorkflowSpec, path: &str, now: Timestamp, found: &mut Vec<Problem>) {
    of_trigger(&workflow.trigger, path, now, found);
    if let WorkflowBody::Steps(steps) = &workflow.run {
        of_steps(steps, &format!("{path}.run.steps"), found);
    }
}

/// What begins the workflow at `path`.
pub(crate) fn of_trigger(trigger: &Trigger, path: &str, now: Timestamp, found: &mut Vec<Problem>) {
    match trigger {
        Trigger::Manual => {}
        Trigger::Event { event, filter: condition } => {
            pattern(event, format!("{path}.trigger.event.event"), found);
            filter(condition.as_deref(), format!("{path}.trigger.event.filter"), found);
        }
        Trigger::Schedule { schedule, timezone, catch_up: _, overlap: _, allow_sub_minute } => {
            let options = schedule::Options { allow_sub_minute: *allow_sub_minute };
            let path = format!("{path}.trigger.schedule.schedule");
            phrase(schedule, timezone.as_deref(), options, now, path, found);
        }
    }
}

/// What is read of a schedule.
struct When<'a> {
    text: &'a str,
    zone: Option<&'a str>,
    options: schedule::Options,
}

impl<'a> When<'a> {
    fn of(spec: &'a ScheduleSpec) -> Self {
        let options = schedule::Options { allow_sub_minute: spec.allow_sub_minute };
        Self { text: &spec.schedule, zone: spec.timezone.as_deref(), options }
    }
}

fn of_steps(steps: &[Step], path: &str, found: &mut Vec<Problem>) {
    for (n, step) in steps.iter().enumerate() {
        let path = format!("{path}[{n}]");
        match step {
            Step::WaitForEvent { event, filter: condition, .. } => {
                pattern(event, format!("{path}.waitForEvent.event"), found);
                filter(condition.as_deref(), format!("{path}.waitForEvent.filter"), found);
            }
            Step::Branch { when, then, otherwise, .. } => {
                filter(Some(when), format!("{path}.branch.when"), found);
                of_steps(then, &format!("{path}.branch.then"), found);
                of_steps(otherwise, &format!("{path}.branch.else"), found);
            }
            Step::Parallel { branches, .. } => {
                for (m, branch) in branches.iter().enumerate() {
                    of_steps(branch, &format!("{path}.parallel.branches[{m}]"), found);
                }
            }
            Step::Do { .. } | Step::Sleep { .. } | Step::SleepUntil { .. } | Step::Approval { .. } => {}
        }
    }
}

fn pattern(text: &str, path: String, found: &mut Vec<Problem>) {
    if let Err(error) = Pattern::parse(text) {
        found.push(Problem::new(path, error.to_string()));
    }
}

fn filter(text: Option<&str>, path: String, found: &mut Vec<Problem>) {
    if let Some(Err(error)) = text.map(Filter::parse) {
        found.push(Problem::new(path, error.to_string()));
    }
}

fn schema(schema: Option<&types::Json>, path: String, found: &mut Vec<Problem>) {
    if let Some(Err(error)) = schema.map(|schema| jsonschema::validator_for(&schema.to_value())) {
        found.push(Problem::new(path, format!("it is no JSON Schema: {error}")));
    }
}

fn phrase(
    text: &str,
    zone: Option<&str>,
    options: schedule::Options,
    now: Timestamp,
    path: String,
    found: &mut Vec<Problem>,
) -> Option<Schedule> {
    let read = Schedule::parse_with(text, zone, options).and_then(|schedule| schedule.first(now).map(|_| schedule));
    read.map_err(|error| found.push(Problem::new(path, error.to_string()))).ok()
}

/// Two that mean the same are one, however they are written.
fn once(list: &str, keys: impl Iterator<Item = String>, found: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (n, key) in keys.enumerate() {
        if seen.contains(&key) {
            found
                .push(Problem::new(format!("{list}[{n}].schedule"), format!("{key:?} stands twice; name one of them")));
        }
        seen.insert(key);
    }
}

/// Those of `more` that speak of a place that `known` says nothing of.
pub(super) fn beside(known: &mut Vec<Problem>, more: Vec<Problem>) {
    let places: BTreeSet<String> = known.iter().map(|problem| problem.path.clone()).collect();
    known.extend(more.into_iter().filter(|problem| !places.contains(&problem.path)));
}
