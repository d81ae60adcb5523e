//! Going through the declared steps of a run, or of a branch of it.
//!
//! There is no state here beyond what the journal gives back: a replay makes the same calls under the same names, is told
//! what was answered, and goes on where nothing was. A step that fails ends the walk: what was done is taken back in
//! reverse, as far as the steps say how.

use super::{COMPENSATE, Label, cancelled};
use crate::durable::DurableRun;
use crate::guest::{GuestHost, end_turn};
use crate::object::{Object, fault_of};
use model::filter::Filter;
use serde_json::{Value, json};
use std::sync::Arc;
use types::deployment::{OnTimeout, Step, WorkflowBody, render};
use types::exec::{BoxFuture, Entry};
use types::{Asked, Call, CallOptions, Fault, FaultKind, Json, Reply, Timestamp};

/// Goes through the steps of the run, to its end. The output of a run is that of its last step; a branch gives what its
/// steps gave as well.
pub(crate) async fn go_through(host: GuestHost, run: &Arc<DurableRun>) -> Result<Json, Fault> {
    let (object, running) = (host.object.clone(), host.running.clone());
    let Entry::Steps { workflow, branch } = &run.row.entry else { return Err(Fault::internal()) };
    let spec = object.workflow_at(workflow, run.row.version).await?;
    let WorkflowBody::Steps(all) = &spec.run else { return Err(Fault::internal()) };
    let (steps, scope) = match branch {
        None => (all.as_slice(), json!({ "input": run.row.input.to_value(), "steps": {} })),
        Some(branch) => {
            let steps = branch_of(all, &branch.step, branch.number as usize).ok_or_else(Fault::internal)?;
            (steps, run.row.input.to_value())
        }
    };
    let mut walk = Walk { host, run, scope, done: Vec::new() };
    match walk.list(steps).await {
        Ok(output) if branch.is_none() => Ok(Json::from_value(&output)),
        Ok(output) => Ok(Json::from_value(&json!({ "steps": walk.scope["steps"], "output": output }))),
        Err(fault) => {
            let fault = walk.take_back(fault).await;
            // What became of the steps is kept, although the run failed.
            end_turn(&object, &running).await?;
            Err(ending(&object, run, fault).await?)
        }
    }
}

/// The fault that a run ends with: only a run that was cancelled itself is.
async fn ending(object: &Object, run: &DurableRun, fault: Fault) -> Result<Fault, Fault> {
    let id = run.of.as_ref().map_or(run.row.id, |of| of.id);
    let found = object.peek(|store| store.workflow_run(id).map_err(|e| fault_of(&e))).await?;
    if found.is_some_and(|found| found.row.asked == Asked::Cancel) {
        let cancelled = cancelled();
        return Ok(Fault { details: fault.details, ..cancelled });
    }
    if fault.kind == FaultKind::Cancelled {
        return Ok(Fault { kind: FaultKind::Failed, code: "STEP_CANCELLED".to_owned(), ..fault });
    }
    Ok(fault)
}

/// The steps of one branch of the parallel step of that name.
pub(super) fn branch_of<'s>(steps: &'s [Step], name: &str, number: usize) -> Option<&'s [Step]> {
    steps.iter().find_map(|step| match step {
        Step::Parallel { name: found, branches } if found == name => branches.get(number).map(Vec::as_slice),
        Step::Parallel { branches, .. } => branches.iter().find_map(|branch| branch_of(branch, name, number)),
        Step::Branch { then, otherwise, .. } => {
            branch_of(then, name, number).or_else(|| branch_of(otherwise, name, number))
        }
        Step::Do { .. }
        | Step::Sleep { .. }
        | Step::SleepUntil { .. }
        | Step::WaitForEvent { .. }
        | Step::Approval { .. } => None,
    })
}

struct Walk<'s, 'r> {
    host: GuestHost,
    run: &'r Arc<DurableRun>,
    /// What templates and conditions speak of: `input`, and `steps` with the output of each that is over.
    scope: Value,
    /// Steps that can be taken back, in the order in which they were done.
    done: Vec<&'s Step>,
}

impl<'s> Walk<'s, '_> {
    fn list<'w>(&'w mut self, steps: &'s [Step]) -> BoxFuture<'w, Result<Value, Fault>>
    where
        's: 'w,
    {
        Box::pin(async move {
            let mut last = Value::Null;
            for step in steps {
                last = self.step(step).await?;
                self.scope["steps"][step.name()] = json!({ "output": last });
            }
            Ok(last)
        })
    }

    async fn step(&mut self, step: &'s Step) -> Result<Value, Fault> {
        match step {
            Step::Do { name, action, input, retry, timeout_ms, compensate } => {
                let data = self.fill(name, &input.to_value())?;
                let options = CallOptions {
                    retry: retry.clone().map(Into::into),
                    retry_on: retry.as_ref().map(|retry| retry.retry_on.clone()).unwrap_or_default(),
                    timeout_ms: *timeout_ms,
                    ..CallOptions::default()
                };
                let call = Call::Do { action: action.to_string(), data, options };
                let output = self.ask(call, Label::step(name, "do")).await?;
                if compensate.is_some() {
                    self.done.push(step);
                }
                Ok(output)
            }
            Step::Sleep { name, for_ms } => {
                self.ask(Call::Sleep { duration_ms: *for_ms }, Label::step(name, "sleep")).await
            }
            Step::SleepUntil { name, until } => {
                let until = self.fill(name, &json!(until))?.to_value();
                let at = until.as_str().and_then(Timestamp::parse).ok_or_else(|| {
                    let message = format!("step {name}: {until} is no time; write one like 2024-01-08T12:00:00Z");
                    Fault::invalid("TIME_INVALID", message)
                })?;
                self.ask(Call::SleepUntil { time_ms: at.as_millis() }, Label::step(name, "sleep")).await
            }
            Step::WaitForEvent { name, event, filter, timeout_ms, default } => {
                let (event, filter, timeout_ms) = (event.clone(), filter.clone(), Some(*timeout_ms));
                let label = Label { instead: default.clone(), ..Label::step(name, "waitForEvent") };
                self.ask(Call::WaitFor { event, filter, timeout_ms }, label).await
            }
            Step::Branch { name, when, then, otherwise } => {
                let condition = Filter::parse(when).map_err(|e| Fault::invalid("FILTER_INVALID", e.to_string()))?;
                let is_met = condition.matches_with(&self.scope, &self.scope["input"]).map_err(|error| {
                    Fault::invalid("CONDITION_FAILED", format!("step {name}: {when:?} cannot be answered: {error}"))
                })?;
                self.list(if is_met { then } else { otherwise }).await
            }
            Step::Parallel { name, branches } => self.parallel(name, branches).await,
            Step::Approval { .. } => self.approval(step).await,
        }
    }

    /// Every branch is an invocation of its own. All of them end before the step does; the first failure is the step's.
    async fn parallel(&mut self, name: &str, branches: &'s [Vec<Step>]) -> Result<Value, Fault> {
        let mut started = Vec::new();
        for number in 0..u32::try_from(branches.len()).unwrap_or(u32::MAX) {
            let data = Json::from_value(&self.scope);
            let call = Call::Start { action: name.to_owned(), data, options: CallOptions::default() };
            let label = Label { branch: Some(number), ..Label::part(format!("{name}[{number}]")) };
            started.push(self.ask(call, label).await);
        }
        let (mut outputs, mut failed) = (Vec::new(), None);
        for (number, (child, steps)) in started.into_iter().zip(branches).enumerate() {
            let joined = match child {
                Ok(child) => {
                    let action_id = child.as_str().unwrap_or_default().to_owned();
                    let label = Label { always: true, ..Label::part(format!("{name}[{number}]:join")) };
                    self.ask(Call::Join { action_id }, label).await
                }
                Err(fault) => Err(fault),
            };
            match joined {
                Ok(ended) => {
                    self.took_over(steps, &ended["steps"]);
                    outputs.push(ended["output"].clone());
                }
                Err(fault) => failed = failed.or(Some(fault)),
            }
        }
        failed.map_or(Ok(Value::Array(outputs)), Err)
    }

    /// What the steps of a branch gave, as if they had been done here.
    fn took_over(&mut self, steps: &'s [Step], gave: &Value) {
        for step in steps {
            let Some(of_step) = gave.get(step.name()) else { continue };
            self.scope["steps"][step.name()] = of_step.clone();
            match step {
                Step::Do { compensate: Some(_), .. } => self.done.push(step),
                Step::Branch { then, otherwise, .. } => {
                    self.took_over(then, gave);
                    self.took_over(otherwise, gave);
                }
                Step::Parallel { branches, .. } => branches.iter().for_each(|steps| self.took_over(steps, gave)),
                Step::Do { compensate: None, .. }
                | Step::Sleep { .. }
                | Step::SleepUntil { .. }
                | Step::WaitForEvent { .. }
                | Step::Approval { .. } => {}
            }
        }
    }

    /// Says that something is to be approved, and waits for the event `approve` that is sent to the run; with a member
    /// `step` it is for the step of that name alone.
    async fn approval(&mut self, step: &'s Step) -> Result<Value, Fault> {
        let Step::Approval { name, prompt, worker, data, timeout_ms, on_timeout } = step else {
            return Err(Fault::internal());
        };
        let prompt = self.fill(name, &json!(prompt))?.to_value();
        let about = match data {
            Some(data) => self.fill(name, &data.to_value())?.to_value(),
            None => Value::Null,
        };
        let run = self.run.of.as_ref().ok_or_else(Fault::internal)?;
        if let Some(worker) = worker {
            let asked = json!({ "type": run.workflow, "description": prompt, "data": about });
            return self.asked(name, worker, &asked, *timeout_ms, *on_timeout).await;
        }
        let data = json!({ "runId": run.name, "workflow": run.workflow, "step": name, "prompt": prompt,
                           "worker": worker, "data": about });
        let source = Some(format!("Approval/{}.{name}", run.id));
        let call = Call::Emit { event: "Approval.requested".to_owned(), data: Json::from_value(&data), source };
        self.ask(call, Label::part(format!("{name}:request"))).await?;
        let answer = |approved: bool| Json::from_value(&json!({ "data": { "approved": approved, "timedOut": true } }));
        let instead = match on_timeout {
            OnTimeout::Fail => None,
            OnTimeout::Reject => Some(answer(false)),
            OnTimeout::Approve => Some(answer(true)),
        };
        let call = Call::WaitFor {
            event: "approve".to_owned(),
            filter: Some(format!("not exists data.step or data.step == \"{name}\"")),
            timeout_ms: Some(*timeout_ms),
        };
        let event = self.ask(call, Label { instead, ..Label::step(name, "approval") }).await?;
        Ok(event["data"].clone())
    }

    /// Has somebody approve it, who is asked like by a function: a person, a role, an agent.
    async fn asked(
        &mut self,
        name: &str,
        worker: &str,
        asked: &Value,
        timeout_ms: u64,
        on_timeout: OnTimeout,
    ) -> Result<Value, Fault> {
        let call = Call::Approve {
            worker: Some(worker.to_owned()),
            request: Json::from_value(asked),
            options: Some(Json::from_value(&json!({ "timeoutMs": timeout_ms }))),
        };
        let mut answer = self.ask(call, Label::step(name, "approval")).await?;
        if answer["status"] != "expired" {
            return Ok(answer);
        }
        let approved = match on_timeout {
            OnTimeout::Fail => {
                let message = format!("step {name}: nobody approved in time");
                return Err(Fault::new(FaultKind::Timeout, "HUMAN_TIMEOUT", message));
            }
            OnTimeout::Reject => false,
            OnTimeout::Approve => true,
        };
        answer["approved"] = approved.into();
        answer["timedOut"] = true.into();
        Ok(answer)
    }

    async fn ask(&mut self, call: Call, label: Label) -> Result<Value, Fault> {
        match self.host.step_as(self.run, call, Some(&label)).await {
            Reply::Json(json) => Ok(json.to_value()),
            Reply::Text(text) => Ok(Value::String(text)),
            Reply::Version(number) => Ok(json!(number)),
            Reply::Bool(flag) => Ok(json!(flag)),
            Reply::Done => Ok(Value::Null),
            Reply::Fault(fault) => Err(fault),
            Reply::Http(_) | Reply::Ready(_) => Err(Fault::internal()),
        }
    }

    fn fill(&self, step: &str, template: &Value) -> Result<Json, Fault> {
        let filled = render(template, &self.scope);
        let filled = filled.map_err(|e| Fault::invalid("TEMPLATE_INVALID", format!("step {step}: {e}")))?;
        Ok(Json::from_value(&filled))
    }

    /// Takes back what was done, last first. What cannot be taken back is told with the fault; the rest is all the same.
    async fn take_back(&mut self, fault: Fault) -> Fault {
        let mut failed = Vec::new();
        while let Some(step) = self.done.pop() {
            let Step::Do { name, compensate: Some(compensation), .. } = step else { continue };
            let taken_back = match self.fill(name, &compensation.input.to_value()) {
                Ok(data) => {
                    let action = compensation.action.to_string();
                    let call = Call::Do { action, data, options: CallOptions::default() };
                    let label = Label { always: true, ..Label::step(&format!("{COMPENSATE}{name}"), "do") };
                    self.ask(call, label).await
                }
                Err(fault) => Err(fault),
            };
            if let Err(fault) = taken_back {
                failed.push(json!({ "step": name, "code": fault.code, "message": fault.message }));
            }
        }
        if failed.is_empty() { fault } else { fault.with_details(&json!({ "notTakenBack": failed })) }
    }
}
