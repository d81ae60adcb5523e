//! What somebody asks of a run: to pause, to go on, to end, to hear of an event.
//!
//! What is asked is a row; the run looks at it before each of its steps, and where it waits it is moved in the same
//! turn. So nothing that was asked is lost when the host stops, and a run that is in memory needs no signal.

use super::{COMPENSATE, OWN_EVENT_KEPT, OWN_EVENTS_MAX, RunOf, RunShown};
use crate::Caller;
use crate::commit::{NewEvent, write_event};
use crate::durable::{Accepting, Asker, DurableRun, give_up};
use crate::invoke::InvokeOptions;
use crate::object::{Object, fault_of};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{EventFilter, Turn, WorkflowRun};
use types::deployment::check_event;
use types::exec::{Entry, HandlerKind};
use types::{
    ActionStatus, Asked, Awaited, Fault, FaultKind, Id, InvocationState, Json, Row, Standing, Timestamp, Trigger,
};

/// How long a cancel is answered late, so that the answer says how it ended.
const CANCEL_SHOWN_WITHIN: Duration = Duration::from_secs(2);

/// A run with its branches, in the turn that moves them.
struct Family {
    run: WorkflowRun,
    status: ActionStatus,
    branches: Vec<WorkflowRun>,
}

impl Family {
    fn read(turn: &Turn<'_>, id: Id) -> Result<Self, Fault> {
        let mut all = turn.workflow_family(id).map_err(|e| fault_of(&e))?;
        let at = all.iter().position(|one| one.row.id == id).ok_or_else(Fault::internal)?;
        let run = all.remove(at);
        let action = turn.action(id).map_err(|e| fault_of(&e))?;
        Ok(Self { run, status: action.map_or(ActionStatus::Cancelled, |a| a.status), branches: all })
    }

    fn all(&self) -> impl Iterator<Item = &WorkflowRun> {
        std::iter::once(&self.run).chain(&self.branches)
    }

    fn is_over(&self) -> bool {
        matches!(self.run.invocation.state.at, Standing::Done { .. })
    }

    fn must_go_on(&self) -> Result<(), Fault> {
        if !self.is_over() {
            return Ok(());
        }
        Err(Fault::conflict("RUN_OVER", format!("the run is {} already", self.status.as_str())))
    }

    fn ask(&mut self, turn: &mut Turn<'_>, asked: Asked) -> Result<(), Fault> {
        self.run.row.asked = asked;
        turn.write(Row::WorkflowRun(Box::new(self.run.row.clone()))).map_err(|e| fault_of(&e))
    }

    /// Moves those for which `to` says where.
    fn stand(&self, turn: &mut Turn<'_>, to: impl Fn(&Standing) -> Option<Standing>) -> Result<(), Fault> {
        for one in self.all() {
            if let Some(at) = to(&one.invocation.state.at) {
                let state = InvocationState { at, ..one.invocation.state.clone() };
                turn.write(Row::InvocationState(state)).map_err(|e| fault_of(&e))?;
            }
        }
        Ok(())
    }

    fn tell(&self, turn: &mut Turn<'_>, verb: &str, at: Timestamp) -> Result<(), Fault> {
        let of = RunOf::read(&self.run.invocation.row).ok_or_else(Fault::internal)?;
        let event = of.event("workflow", verb, serde_json::json!({}));
        write_event(turn, event, self.run.row.id, at).map_err(|e| fault_of(&e))
    }
}

impl Object {
    /// The run stops at its next step; where it waits it stops at once. Asked twice, it is paused still.
    ///
    /// # Errors
    /// `RUN_OVER`.
    pub async fn pause_run(&self, caller: &Caller, workflow: &str, run: &str) -> Result<RunShown, Fault> {
        caller.may("workflows", "invoke")?;
        let (id, now) = (self.find_run(workflow, run).await?, self.node.now());
        self.change(1024, move |turn| {
            let mut family = Family::read(turn, id)?;
            family.must_go_on()?;
            match family.run.row.asked {
                Asked::Pause => return Ok(()),
                Asked::Cancel => return Err(Fault::conflict("RUN_CANCELLED", "the run is being cancelled")),
                Asked::GoOn => {}
            }
            family.ask(turn, Asked::Pause)?;
            family.stand(turn, |at| match at {
                Standing::Ready | Standing::Delayed { .. } | Standing::Waiting { .. } => Some(Standing::Paused),
                Standing::Running | Standing::Paused | Standing::Done { .. } => None,
            })?;
            family.tell(turn, "paused", now)
        })
        .await?;
        self.shown_run(id).await
    }

    /// A paused run goes on; a failed one begins again at the step that failed, or at `from_step`. What was taken back is
    /// done again.
    ///
    /// # Errors
    /// `RUN_NOT_PAUSED`, `STEP_NOT_FOUND`.
    pub async fn resume_run(
        &self,
        caller: &Caller,
        workflow: &str,
        run: &str,
        from_step: Option<String>,
    ) -> Result<RunShown, Fault> {
        caller.may("workflows", "invoke")?;
        let (id, now) = (self.find_run(workflow, run).await?, self.node.now());
        self.change(1024, move |turn| {
            let mut family = Family::read(turn, id)?;
            let is_paused = family.run.row.asked == Asked::Pause && !family.is_over();
            if family.status == ActionStatus::Failed && family.is_over() {
                begin_again(turn, &family, from_step.as_deref())?;
            } else if is_paused {
                family.stand(turn, |at| matches!(at, Standing::Paused).then_some(Standing::Ready))?;
            } else {
                let message = "the run is not paused; only a paused or a failed one is resumed";
                return Err(Fault::conflict("RUN_NOT_PAUSED", message));
            }
            family.ask(turn, Asked::GoOn)?;
            family.tell(turn, "resumed", now)
        })
        .await?;
        self.shown_run(id).await
    }

    /// Ends a run: the step that runs is told, no further one begins, and what was done is taken back.
    ///
    /// # Errors
    /// `RUN_OVER`.
    pub async fn cancel_run(&self, caller: &Caller, workflow: &str, run: &str) -> Result<RunShown, Fault> {
        caller.may("workflows", "invoke")?;
        let (id, now) = (self.find_run(workflow, run).await?, self.node.now());
        let ended = self.end_of(id);
        let (under_way, is_coded) = self
            .change(1024, move |turn| {
                let mut family = Family::read(turn, id)?;
                family.must_go_on()?;
                family.ask(turn, Asked::Cancel)?;
                let invocation = &family.run.invocation;
                let is_coded = !matches!(invocation.row.entry, Entry::Steps { .. });
                // One that never began has nothing to take back.
                let is_queued = family.status == ActionStatus::Pending
                    && matches!(invocation.state.at, Standing::Ready | Standing::Paused);
                if is_queued {
                    give_up(turn, invocation, now).map_err(|e| fault_of(&e))?;
                    return Ok((Vec::new(), false));
                }
                if !is_coded {
                    family.stand(turn, |at| match at {
                        Standing::Waiting { on: Awaited::Time { .. } | Awaited::Event { .. }, until: _ }
                        | Standing::Delayed { .. }
                        | Standing::Paused => Some(Standing::Ready),
                        Standing::Waiting { on: Awaited::Child { .. } | Awaited::Request { .. }, until: _ }
                        | Standing::Ready
                        | Standing::Running
                        | Standing::Done { .. } => None,
                    })?;
                }
                Ok((under_way(turn, &family)?, is_coded))
            })
            .await?;
        let whole = is_coded.then_some(id);
        for action in under_way.into_iter().chain(whole) {
            self.end_action(action).await?;
        }
        self.inner.durable.there_are_more();
        self.go_on_durably();
        // It ends by itself if that takes longer; its status tells.
        let _ = tokio::time::timeout(CANCEL_SHOWN_WITHIN, ended).await;
        self.shown_run(id).await
    }

    /// Sends an event to one run: to the step that waits for it, or to one that will within a day.
    ///
    /// # Errors
    /// `RUN_OVER`; `EVENTS_LIMIT` when too many were sent within a day.
    pub async fn send_to_run(
        &self,
        caller: &Caller,
        workflow: &str,
        run: &str,
        name: &str,
        payload: Json,
    ) -> Result<(), Fault> {
        const PAYLOAD_BYTES_MAX: usize = 64 << 10;
        caller.may("workflows", "invoke")?;
        if !super::is_own_event(name) && check_event(name).is_err() {
            return Err(Fault::invalid("EVENT_INVALID", "an event is called Noun.event, or by one word like approve"));
        }
        if payload.as_str().len() > PAYLOAD_BYTES_MAX {
            let message = format!("the payload of an event is at most {PAYLOAD_BYTES_MAX} bytes long");
            return Err(Fault::limit("PAYLOAD_TOO_LARGE", message));
        }
        let (id, now) = (self.find_run(workflow, run).await?, self.node.now());
        let (name, data) = (name.to_owned(), types::redact(&payload));
        self.change(512 + data.as_str().len(), move |turn| {
            let family = Family::read(turn, id)?;
            family.must_go_on()?;
            let source = RunOf::read(&family.run.invocation.row).ok_or_else(Fault::internal)?.own_source();
            let limit = u32::try_from(2 * OWN_EVENTS_MAX).unwrap_or(u32::MAX);
            let mut filter = EventFilter { after: 0, verb: None, source: Some(source.clone()), limit };
            let mut kept = 0;
            loop {
                let page = turn.events(&filter).map_err(|e| fault_of(&e))?;
                kept += page.items.iter().filter(|e| e.created_at.plus(OWN_EVENT_KEPT) > now).count();
                let Some(next) = page.next.filter(|_| kept < OWN_EVENTS_MAX) else { break };
                filter.after = next;
            }
            if kept >= OWN_EVENTS_MAX {
                let message = format!("{OWN_EVENTS_MAX} events were sent to this run within a day; that is the most");
                return Err(Fault::new(FaultKind::RateLimited, "EVENTS_LIMIT", message));
            }
            write_event(turn, NewEvent { verb: name, source, data }, id, now).map_err(|e| fault_of(&e))?;
            family.stand(turn, |at| match at {
                Standing::Waiting { on: Awaited::Event { .. }, until: _ } => Some(Standing::Ready),
                Standing::Waiting {
                    on: Awaited::Time { .. } | Awaited::Child { .. } | Awaited::Request { .. },
                    until: _,
                }
                | Standing::Ready
                | Standing::Running
                | Standing::Delayed { .. }
                | Standing::Paused
                | Standing::Done { .. } => None,
            })
        })
        .await
    }

    /// The run that is called so: by the name its caller gave, or by its id.
    pub(super) async fn find_run(&self, workflow: &str, run: &str) -> Result<Id, Fault> {
        let (workflow, run) = (workflow.to_owned(), run.to_owned());
        self.flush().await?;
        let found = self.peek(|store| {
            let named = store.workflow_run_named(&workflow, &run).map_err(|e| fault_of(&e))?;
            let found = match (named, run.parse::<Id>()) {
                (None, Ok(id)) => store.workflow_run(id).map_err(|e| fault_of(&e))?,
                (named, _) => named,
            };
            Ok(found.filter(|found| found.row.workflow == workflow && found.row.branch.is_none()))
        });
        found.await?.map(|found| found.row.id).ok_or_else(|| {
            let shown: String = run.chars().take(80).collect();
            Fault::not_found("RUN_NOT_FOUND", format!("{workflow} has no run {shown:?}"))
        })
    }

    /// What is to be called when a run failed, with what is known of it.
    pub(crate) async fn on_failure(&self, of: &RunOf, run: &DurableRun, fault: &Fault) -> Option<Accepting> {
        if !of.is_whole() {
            return None;
        }
        let (id, workflow) = (of.id, of.workflow.clone());
        let pinned = self.peek(move |store| store.workflow_run(id).map_err(|e| fault_of(&e))).await.ok()??;
        let handler = self.workflow_at(&workflow, pinned.row.version).await.ok()?.on_failure?;
        let error = serde_json::json!({ "code": fault.code, "message": fault.message });
        let payload = serde_json::json!({
            "runId": of.name, "workflow": workflow, "input": of.input.to_value(), "error": error,
        });
        let caller = self.own_caller(&format!("workflow:{workflow}"));
        let accepting = async {
            let ready = self.ready_handler(&handler, HandlerKind::Workflow, Json::from_value(&payload)).await?;
            let asker = Asker { trigger: Trigger::Call, parent: None, depth: run.row.depth + 1 };
            self.accepting(&caller, &ready, &InvokeOptions::default(), asker)
        };
        match accepting.await {
            Ok(accepting) => Some(accepting),
            Err(fault) => {
                tracing::warn!(workflow, %handler, %fault, "what a failed run is to be told to cannot be called");
                None
            }
        }
    }
}

/// Actions that steps of the run wait for.
fn under_way(turn: &Turn<'_>, family: &Family) -> Result<Vec<Id>, Fault> {
    let mut found = Vec::new();
    for one in family.all() {
        let steps = turn.steps(one.row.id, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?;
        // What takes a step back is not stopped.
        let is_forward = |name: &Option<String>| !name.as_ref().is_some_and(|name| name.starts_with(COMPENSATE));
        found.extend(steps.into_iter().filter(|s| s.reply.is_none() && is_forward(&s.step_id)).filter_map(|s| s.child));
    }
    Ok(found)
}

/// Makes a failed run ready once more, with its failed branches.
fn begin_again(turn: &mut Turn<'_>, family: &Family, from: Option<&str>) -> Result<(), Fault> {
    let mut steps = BTreeMap::new();
    for one in family.all() {
        let found = turn.steps(one.row.id, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?;
        let named = found.into_iter().filter_map(|s| Some((s.step_id?, s.ordinal)));
        steps.insert(one.row.id, named.collect::<BTreeMap<String, u32>>());
    }
    let run = family.run.row.id;
    // A step of the run, or the parallel step that has it in one of its branches.
    let place = |id: Id, name: &str| {
        let own = &steps[&id];
        own.get(name).or_else(|| own.get(&format!("{name}[0]"))).copied()
    };
    let outer = |name: &str| {
        let inside = family.branches.iter().rev().find(|b| steps[&b.row.id].contains_key(name))?;
        let mut step = &inside.row.branch.as_ref()?.step;
        while place(run, step).is_none() {
            let around = family.branches.iter().rev().find(|b| place(b.row.id, step).is_some())?;
            step = &around.row.branch.as_ref()?.step;
        }
        place(run, step)
    };
    let taken_back =
        |id: Id| -> Vec<&str> { steps[&id].keys().filter_map(|name| name.strip_prefix(COMPENSATE)).collect() };
    let mut cut = taken_back(run).into_iter().filter_map(|name| place(run, name).or_else(|| outer(name))).min();
    if let Some(from) = from {
        let at = place(run, from).ok_or_else(|| {
            let message =
                format!("the run came to no step {from:?} of its own; leave fromStep out, or name one that it did");
            Fault::invalid("STEP_NOT_FOUND", message)
        })?;
        cut = Some(cut.map_or(at, |cut| cut.min(at)));
    }
    if let Some(from) = cut {
        turn.write(Row::StepsCut { invocation: run, from }).map_err(|e| fault_of(&e))?;
    }
    retry(turn, &family.run)?;
    for branch in &family.branches {
        let Some(of) = &branch.row.branch else { continue };
        let is_cut = place(run, &of.step).is_some_and(|at| cut.is_some_and(|cut| cut <= at));
        if is_cut {
            continue;
        }
        let again = taken_back(branch.row.id).into_iter().filter_map(|name| place(branch.row.id, name)).min();
        if let Some(from) = again {
            turn.write(Row::StepsCut { invocation: branch.row.id, from }).map_err(|e| fault_of(&e))?;
        }
        retry(turn, branch)?;
    }
    Ok(())
}

/// Another attempt of what failed.
fn retry(turn: &mut Turn<'_>, one: &WorkflowRun) -> Result<(), Fault> {
    let Some(mut action) = turn.action(one.row.id).map_err(|e| fault_of(&e))? else { return Ok(()) };
    if action.status != ActionStatus::Failed {
        return Ok(());
    }
    action.status = ActionStatus::Retrying;
    action.completed_at = None;
    action.error = None;
    let attempt = one.invocation.state.attempt + 1;
    let state = InvocationState { id: one.row.id, attempt, interrupted: 0, at: Standing::Ready };
    let rows = [Row::InvocationState(state), Row::Action(action)];
    rows.into_iter().try_for_each(|row| turn.write(row)).map_err(|e| fault_of(&e))
}
