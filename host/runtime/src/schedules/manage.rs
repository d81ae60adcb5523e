//! What principals ask of schedules: list, add, change, pause, remove, run now (spec EVR-9).

use super::fire::{Firing, begin};
use super::plan::Tick;
use super::{Declaration, UNFINISHED_MAX, invalid, name_of, read, stored, timing, workflow_of};
use crate::Caller;
use crate::declared::{DECLARED_MAX, Kind, declare};
use crate::object::{Object, fault_of};
use store::{PAGE_MAX, Reader, Scheduled, Turn};
use types::deployment::{OF_WORKFLOW, Overlap, ScheduleSpec};
use types::{At, Fault, FaultKind, Id, Json, LastTick, Row, ScheduleState, TickOutcome};

/// A schedule as it is declared, and where it stands.
#[derive(Clone, Debug)]
pub struct ScheduleShown {
    pub name: String,
    pub spec: ScheduleSpec,
    /// What its ticks begin runs of; None: they call the handler.
    pub workflow: Option<String>,
    pub state: ScheduleState,
    /// Of the last tick: as an action's status, or `skipped`.
    pub last_status: Option<&'static str>,
    pub failure_count: u64,
}

/// What is to be changed of a schedule. What is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ScheduleChange {
    pub paused: Option<bool>,
    /// Fields of the specification, as JSON; null goes back to what is meant without one.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Object {
    /// Every schedule, by name.
    pub async fn schedules(&self, caller: &Caller) -> Result<Vec<ScheduleShown>, Fault> {
        caller.may("schedules", "read")?;
        self.flush().await?;
        self.peek(|store| {
            let (mut shown, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = store.schedules(after.as_deref(), PAGE_MAX).map_err(|e| fault_of(&e))?;
                for scheduled in page.items {
                    shown.extend(show(store, scheduled)?);
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => return Ok(shown),
                }
            }
        })
        .await
    }

    /// # Errors
    /// `not-found` when there is none of this name.
    pub async fn schedule(&self, caller: &Caller, name: &str) -> Result<ScheduleShown, Fault> {
        caller.may("schedules", "read")?;
        self.flush().await?;
        self.peek(|store| shown(store, name)).await
    }

    /// Declares a schedule.
    ///
    /// # Errors
    /// `SCHEDULE_INVALID` with what is wrong with its text; `conflict` when one of this name is there.
    pub async fn add_schedule(&self, caller: &Caller, spec: ScheduleSpec) -> Result<ScheduleShown, Fault> {
        caller.may("schedules", "create")?;
        timing(&spec)?;
        let name = name_of(&spec)?;
        if workflow_of(&name).is_some() {
            return Err(invalid(format!(
                "name: those that begin with {OF_WORKFLOW} are of workflows; use another one"
            )));
        }
        self.check_tick_handler(&spec).await?;
        if self.inner.declared.all(Kind::Schedule).len() >= DECLARED_MAX {
            let message = format!("an object has {DECLARED_MAX} schedules at most; remove one first");
            return Err(Fault::limit("SCHEDULES_LIMIT", message));
        }
        let by = caller.clone();
        self.write_schedule(move |turn| {
            if stored(turn, &name)?.is_some() {
                let message = format!("there is a schedule {name} already; change it, or name this one differently");
                return Err(Fault::conflict("SCHEDULE_EXISTS", message));
            }
            let declares = declare(turn, &by, Kind::Schedule, &name, Some(&Json::of(&spec)))?;
            Ok((Some(declares), shown(turn, &name)?))
        })
        .await
    }

    /// Changes what it is, pauses it or lets it go on, all at once.
    ///
    /// # Errors
    /// As when it is added; a name cannot be changed.
    pub async fn change_schedule(
        &self,
        caller: &Caller,
        name: &str,
        change: ScheduleChange,
    ) -> Result<ScheduleShown, Fault> {
        caller.may("schedules", "update")?;
        let was = self.declared_schedule(name).await?;
        if !change.fields.is_empty() && was.workflow.is_some() {
            return Err(of_workflow(name));
        }
        let spec = merged(&was.spec, &change)?;
        timing(&spec)?;
        if spec.handler != was.spec.handler {
            self.check_tick_handler(&spec).await?;
        }
        let (by, name) = (caller.clone(), name.to_owned());
        self.write_schedule(move |turn| {
            if declaration(turn, &name)?.as_ref() != Some(&was) {
                let message = format!("the schedule {name} was changed at the same time; look at it and try again");
                return Err(Fault::conflict("SCHEDULE_CHANGED", message));
            }
            let declares = match was.workflow {
                None => Some(declare(turn, &by, Kind::Schedule, &name, Some(&Json::of(&spec)))?),
                Some(_) => None,
            };
            if let Some(paused) = change.paused {
                pause(turn, &name, &spec, paused)?;
            }
            Ok((declares, shown(turn, &name)?))
        })
        .await
    }

    /// # Errors
    /// `not-found` when there is none of this name.
    pub async fn remove_schedule(&self, caller: &Caller, name: &str) -> Result<(), Fault> {
        caller.may("schedules", "delete")?;
        if self.declared_schedule(name).await?.workflow.is_some() {
            return Err(of_workflow(name));
        }
        let (by, name) = (caller.clone(), name.to_owned());
        self.write_schedule(move |turn| {
            if declaration(turn, &name)?.is_none() {
                return Err(unknown(&name));
            }
            Ok((Some(declare(turn, &by, Kind::Schedule, &name, None)?), ()))
        })
        .await
    }

    /// Fires it now; when it is next due stays. The action's id.
    ///
    /// # Errors
    /// `conflict` when as many runs of it as may be have not ended.
    pub async fn run_schedule(&self, caller: &Caller, name: &str) -> Result<Id, Fault> {
        caller.may("schedules", "invoke")?;
        let declaration = self.declared_schedule(name).await?;
        let now = self.node.now();
        let own = self.own_caller(&format!("schedule:{name}"));
        let by = Caller { request_id: caller.request_id.clone(), ..own };
        let firing = Firing { name: name.to_owned(), declaration, caller: by, now };
        let tick = Tick { at: now, missed: 0 };
        let run = self.ticks(&firing, &[tick], 1).await?.pop().ok_or_else(Fault::internal)?;
        self.change(4096, move |turn| {
            let known = turn.schedule(&firing.name).map_err(|e| fault_of(&e))?;
            let mut state = known.ok_or_else(|| unknown(&firing.name))?.state;
            let max = match firing.declaration.spec.overlap {
                // One runs, one waits.
                Overlap::Skip | Overlap::Queue => 2,
                Overlap::Allow => UNFINISHED_MAX,
            };
            if turn.unfinished_of_schedule(&firing.name, max).map_err(|e| fault_of(&e))? >= max {
                let message = format!("{max} runs of {} have not ended; wait for one, or cancel one", firing.name);
                return Err(Fault::conflict("SCHEDULE_BUSY", message));
            }
            state.last = Some(LastTick { at: now, outcome: TickOutcome::Ran });
            let id = begin(turn, &firing, &mut state, tick, run)?;
            let row = Row::Schedule { name: firing.name, state: Some(Box::new(state)) };
            turn.write(row).map_err(|e| fault_of(&e))?;
            Ok(id)
        })
        .await
    }

    async fn write_schedule<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Turn<'_>) -> Result<(Option<crate::declared::Declares>, T), Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let inner = self.inner.clone();
        let took = move |(declares, _): &(Option<crate::declared::Declares>, T)| {
            if let Some(declares) = declares {
                inner.declared.took(declares);
            }
        };
        Ok(self.change_then(4096, write, took).await?.1)
    }

    async fn declared_schedule(&self, name: &str) -> Result<Declaration, Fault> {
        self.flush().await?;
        self.peek(|store| declaration(store, name)?.ok_or_else(|| unknown(name))).await
    }

    /// Somebody who adds a schedule is told at once that nobody would answer it.
    async fn check_tick_handler(&self, spec: &ScheduleSpec) -> Result<(), Fault> {
        match self.find_function(spec.handler.function(), At::Head).await {
            Ok(_) => Ok(()),
            Err(fault) if fault.kind == FaultKind::NotFound => {
                Err(Fault::invalid("HANDLER_UNKNOWN", format!("handler: {}; deploy it first", fault.message)))
            }
            Err(fault) => Err(fault),
        }
    }
}

fn declaration(reader: &Reader, name: &str) -> Result<Option<Declaration>, Fault> {
    Ok(stored(reader, name)?.map(|json| read(name, &json)).transpose()?.flatten())
}

/// What a workflow says of its own schedule is changed there.
fn of_workflow(name: &str) -> Fault {
    let workflow = workflow_of(name).unwrap_or(name);
    let message = format!("{name} is the trigger of the workflow {workflow}; change or remove the workflow");
    Fault::conflict("SCHEDULE_OF_WORKFLOW", message)
}

fn unknown(name: &str) -> Fault {
    Fault::not_found("SCHEDULE_NOT_FOUND", format!("there is no schedule {name} here"))
}

fn shown(reader: &Reader, name: &str) -> Result<ScheduleShown, Fault> {
    let found = reader.schedule(name).map_err(|e| fault_of(&e))?;
    let shown = found.map(|scheduled| show(reader, scheduled)).transpose()?.flatten();
    shown.ok_or_else(|| unknown(name))
}

fn show(reader: &Reader, scheduled: Scheduled) -> Result<Option<ScheduleShown>, Fault> {
    let Scheduled { name, state, failed_count } = scheduled;
    let Some(Declaration { spec, workflow }) = declaration(reader, &name)? else { return Ok(None) };
    let last_status = match state.last.map(|last| last.outcome) {
        None => None,
        Some(TickOutcome::Skipped) => Some("skipped"),
        Some(TickOutcome::Refused) => Some("failed"),
        Some(TickOutcome::Ran) => {
            let newest = reader.newest_of_schedule(&name).map_err(|e| fault_of(&e))?;
            let action = newest.map(|id| reader.action(id)).transpose().map_err(|e| fault_of(&e))?.flatten();
            action.map(|action| action.status.as_str())
        }
    };
    let failure_count = failed_count + state.refused_count;
    Ok(Some(ScheduleShown { name, spec, workflow, state, last_status, failure_count }))
}

/// The specification with the fields of a change in it.
fn merged(now: &ScheduleSpec, change: &ScheduleChange) -> Result<ScheduleSpec, Fault> {
    if change.fields.contains_key("name") {
        return Err(invalid("name: a schedule keeps its name; remove it and add another".to_owned()));
    }
    let mut fields = match Json::of(now).to_value() {
        serde_json::Value::Object(fields) => fields,
        other => return Err(invalid(format!("it is no schedule: {other}"))),
    };
    for (field, value) in &change.fields {
        match value {
            serde_json::Value::Null => drop(fields.remove(field)),
            value => drop(fields.insert(field.clone(), value.clone())),
        }
    }
    serde_json::from_value(serde_json::Value::Object(fields)).map_err(|e| invalid(e.to_string()))
}

/// Pauses a schedule, or lets it go on with the first tick after now.
fn pause(turn: &mut Turn<'_>, name: &str, spec: &ScheduleSpec, paused: bool) -> Result<(), Fault> {
    let found = turn.schedule(name).map_err(|e| fault_of(&e))?;
    let state = found.ok_or_else(|| unknown(name))?.state;
    if state.paused == paused {
        return Ok(());
    }
    let next_run_at = if paused { None } else { timing(spec)?.next(turn.at(), state.anchor) };
    let state = Some(Box::new(ScheduleState { paused, next_run_at, ..state }));
    turn.write(Row::Schedule { name: name.to_owned(), state }).map_err(|e| fault_of(&e))
}
