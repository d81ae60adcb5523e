//! The steps of a workflow: names, nesting, limits, and whether templates speak of what there will be.

use super::super::{RetrySpec, Step, references};
use super::{Found, RETRIES_MAX};
use crate::{InvocationRow, Json, Timestamp};
use std::collections::BTreeSet;

/// Of one workflow, inner ones included (spec WFL-9).
const STEPS_MAX: usize = 1024;
/// Branches within branches.
const DEPTH_MAX: usize = 16;
/// At once.
const BRANCHES_MAX: usize = 64;
const STEP_NAME_BYTES_MAX: usize = 64;
/// The longest pause between two attempts: a day.
const DELAY_MS_MAX: u64 = 24 * 3600 * 1000;

pub(super) fn check(steps: &[Step], path: &str, found: &mut Found) {
    let mut walk = Walk { names: BTreeSet::new(), count: 0, found };
    if steps.is_empty() {
        walk.found.add(path, "a workflow has at least one step");
    }
    walk.list(steps, path, &BTreeSet::new(), 1);
    if walk.count > STEPS_MAX {
        let message = format!("the workflow has {} steps; at most {STEPS_MAX} are allowed", walk.count);
        walk.found.add(path, message);
    }
}

struct Walk<'a, 'f> {
    /// Of all steps until here.
    names: BTreeSet<&'a str>,
    count: usize,
    found: &'f mut Found,
}

impl<'a> Walk<'a, '_> {
    /// Gives the names of the steps in it, for those that come after. `before` are those that are over before it begins.
    fn list(&mut self, steps: &'a [Step], path: &str, before: &BTreeSet<&'a str>, depth: usize) -> BTreeSet<&'a str> {
        let mut within = BTreeSet::new();
        if depth > DEPTH_MAX && !steps.is_empty() {
            self.found.add(path, format!("steps are nested deeper than {DEPTH_MAX} levels"));
            return within;
        }
        let mut before = before.clone();
        for (n, step) in steps.iter().enumerate() {
            let path = format!("{path}[{n}]");
            self.count += 1;
            if self.count > STEPS_MAX {
                // They are counted, not read: the cost of a list of millions stays that of walking it.
                self.count += steps.len() - n - 1;
                break;
            }
            let name = step.name();
            self.name(name, &path);
            let inner = self.step(step, &path, &before, depth);
            before.insert(name);
            before.extend(inner.iter().copied());
            within.insert(name);
            within.extend(inner);
        }
        within
    }

    fn name(&mut self, name: &'a str, path: &str) {
        let well_formed = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.len() <= STEP_NAME_BYTES_MAX
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !well_formed {
            let message = format!("{name:?} is no step's name: letters, digits, - and _, beginning with a letter");
            self.found.add(format!("{path}.name"), message);
        }
        if !self.names.insert(name) {
            self.found.add(format!("{path}.name"), format!("two steps are called {name:?}; each name is there once"));
        }
    }

    fn step(&mut self, step: &'a Step, path: &str, before: &BTreeSet<&'a str>, depth: usize) -> BTreeSet<&'a str> {
        match step {
            Step::Do { name, action: _, input, retry, timeout_ms, compensate } => {
                let path = format!("{path}.do");
                self.template(input, &format!("{path}.input"), before);
                if let Some(retry) = retry {
                    check_retry(retry, &format!("{path}.retry"), self.found);
                }
                if let Some(ms) = timeout_ms {
                    self.found.timeout(format!("{path}.timeoutMs"), *ms);
                }
                if let Some(compensation) = compensate {
                    let mut and_itself = before.clone();
                    and_itself.insert(name);
                    self.template(&compensation.input, &format!("{path}.compensate.input"), &and_itself);
                }
            }
            Step::Sleep { name: _, for_ms } => self.found.timeout(format!("{path}.sleep.forMs"), *for_ms),
            Step::SleepUntil { name: _, until } => {
                let path = format!("{path}.sleepUntil.until");
                if !until.contains("{{") && Timestamp::parse(until).is_none() {
                    let message = format!("{until:?} is no time: write one like 2024-01-08T12:00:00Z, or a template");
                    self.found.add(&path, message);
                }
                self.text(until, &path, before);
            }
            Step::WaitForEvent { name: _, event, filter, timeout_ms, default: _ } => {
                let path = format!("{path}.waitForEvent");
                self.found.event(&path, event);
                self.found.expression(format!("{path}.filter"), filter.as_deref());
                self.found.timeout(format!("{path}.timeoutMs"), *timeout_ms);
            }
            Step::Branch { name: _, when, then, otherwise } => {
                let path = format!("{path}.branch");
                self.found.expression(format!("{path}.when"), Some(when));
                if then.is_empty() && otherwise.is_empty() {
                    self.found.add(&path, "a branch has steps in then, else or both");
                }
                let mut within = self.list(then, &format!("{path}.then"), before, depth + 1);
                within.extend(self.list(otherwise, &format!("{path}.else"), before, depth + 1));
                return within;
            }
            Step::Parallel { name: _, branches } => return self.parallel(branches, path, before, depth),
            Step::Approval { name: _, prompt, worker: _, data, timeout_ms, on_timeout: _ } => {
                let path = format!("{path}.approval");
                if prompt.trim().is_empty() {
                    self.found.add(format!("{path}.prompt"), "it says what is asked");
                }
                self.text(prompt, &format!("{path}.prompt"), before);
                if let Some(data) = data {
                    self.template(data, &format!("{path}.data"), before);
                }
                self.found.timeout(format!("{path}.timeoutMs"), *timeout_ms);
            }
        }
        BTreeSet::new()
    }

    /// None of the branches sees what another one does.
    fn parallel(
        &mut self,
        branches: &'a [Vec<Step>],
        path: &str,
        before: &BTreeSet<&'a str>,
        depth: usize,
    ) -> BTreeSet<&'a str> {
        let path = format!("{path}.parallel.branches");
        if !(1..=BRANCHES_MAX).contains(&branches.len()) || branches.iter().any(Vec::is_empty) {
            self.found.add(&path, format!("there are 1 to {BRANCHES_MAX} branches, each with at least one step"));
        }
        let mut within = BTreeSet::new();
        for (n, branch) in branches.iter().take(BRANCHES_MAX).enumerate() {
            within.extend(self.list(branch, &format!("{path}[{n}]"), before, depth + 1));
        }
        within
    }

    fn template(&mut self, template: &Json, path: &str, before: &BTreeSet<&str>) {
        // Nearly all have none, and need not be built to know it.
        if template.as_str().contains("{{") {
            self.value(&template.to_value(), path, before);
        }
    }

    fn text(&mut self, text: &str, path: &str, before: &BTreeSet<&str>) {
        self.value(&serde_json::Value::from(text), path, before);
    }

    fn value(&mut self, template: &serde_json::Value, path: &str, before: &BTreeSet<&str>) {
        let holes = match references(template) {
            Ok(holes) => holes,
            Err(error) => return self.found.add(path, error.to_string()),
        };
        for hole in holes {
            let names: Vec<&str> = hole.iter().map(String::as_str).collect();
            let shown = hole.join(".");
            match names[..] {
                ["input", ..] => {}
                ["steps", step, "output", ..] if before.contains(step) => {}
                ["steps", step, ..] if !before.contains(step) => {
                    let message = format!("{{{{{shown}}}}}: no step called {step:?} is over when this one begins");
                    self.found.add(path, message);
                }
                ["steps", step, ..] => {
                    self.found.add(path, format!("{{{{{shown}}}}}: a step has an output: steps.{step}.output"));
                }
                _ => {
                    let message = format!("{{{{{shown}}}}}: a path begins with input or steps.NAME.output");
                    self.found.add(path, message);
                }
            }
        }
    }
}

pub(super) fn check_retry(retry: &RetrySpec, path: &str, found: &mut Found) {
    if !(1..=RETRIES_MAX).contains(&retry.max_attempts) {
        found.add(format!("{path}.maxAttempts"), format!("it is from 1 to {RETRIES_MAX}"));
    }
    if !(1.0..=100.0).contains(&retry.multiplier) {
        found.add(format!("{path}.multiplier"), "it is from 1 to 100");
    }
    for (member, ms) in [("initialDelayMs", retry.initial_delay_ms), ("maxDelayMs", retry.max_delay_ms)] {
        if ms > DELAY_MS_MAX {
            found.add(format!("{path}.{member}"), "it is at most a day");
        }
    }
    if let Err(message) = InvocationRow::check_retry_on(&retry.retry_on) {
        found.add(format!("{path}.retryOn"), message);
    }
}
