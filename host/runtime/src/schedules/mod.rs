//! What an object does again and again (spec 5.2): schedules as declared, where each stands, their ticks.
//!
//! A schedule is a declaration (`crate::declared`, kind `Schedule`) and a row of the table `schedules`, which says when
//! it is next due. Both are written in the turn that declares it ([`declared`]). The node's queue of times knows the
//! earliest of an object's times, so a tick opens the object; `fire` then claims it: one turn moves the row to the next
//! time and writes the invocation, which from there on is as durable as any other (`crate::durable`). A tick is therefore
//! begun exactly once, and its handler runs at least once. `manage` is what principals ask for.
//!
//! A workflow whose trigger is a schedule has one of its own, `workflow:NAME`, which comes, changes and goes with the
//! workflow; its ticks are runs of it.

mod fire;
mod manage;
pub use manage::{ScheduleChange, ScheduleShown};
mod plan;

use crate::commit::{NewEvent, write_event};
use crate::declared::Kind;
use crate::object::fault_of;
use schedule::Schedule;
use store::{Line, Reader, Turn};
use types::deployment::{Handler, METADATA_BYTES_MAX, OF_WORKFLOW, ScheduleSpec, Trigger, WorkflowSpec};
use types::{Fault, FunctionName, Id, Json, Noun, Row, ScheduleState, ThingId, ThingKey, ThingRow, Timestamp};

/// Runs of one schedule that have not ended, whatever its `overlap` allows; a tick beyond it is skipped.
const UNFINISHED_MAX: u32 = 100;
/// The most retries that a schedule can ask for.
const RETRIES_MAX: u32 = 100;

/// A schedule as it was declared, and what its ticks are.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Declaration {
    pub(super) spec: ScheduleSpec,
    /// A tick is a run of this workflow, and the handler is only a [placeholder].
    pub(super) workflow: Option<String>,
}

/// Stands where a handler does when it is a workflow that is begun.
pub(crate) fn placeholder() -> Handler {
    Handler::Function(FunctionName::parse("workflow").expect("it is a function's name"))
}

/// Whose schedule it is, if it is a workflow's own.
pub(crate) fn workflow_of(schedule: &str) -> Option<&str> {
    schedule.strip_prefix(OF_WORKFLOW)
}

/// What is declared under a schedule's name, not read yet.
fn stored(reader: &Reader, name: &str) -> Result<Option<Json>, Fault> {
    let (kind, of) = match workflow_of(name) {
        Some(workflow) => (Kind::Workflow, workflow),
        None => (Kind::Schedule, name),
    };
    let head = reader.newest(&Line::main(), &kind.key(of)?).map_err(|e| fault_of(&e))?;
    Ok(head.filter(|row| !row.deleted).map(|row| row.data))
}

/// The schedule that is declared so. None: a workflow that nothing but somebody or an event begins.
fn read(name: &str, json: &Json) -> Result<Option<Declaration>, Fault> {
    match workflow_of(name) {
        None => Ok(Some(Declaration { spec: spec_of(json)?, workflow: None })),
        Some(workflow) => {
            let spec = spec_of_workflow(name, json)?;
            Ok(spec.map(|spec| Declaration { spec, workflow: Some(workflow.to_owned()) }))
        }
    }
}

/// What begins a workflow, as a schedule of its own. A run that fails is not begun again: its steps have attempts.
fn spec_of_workflow(name: &str, json: &Json) -> Result<Option<ScheduleSpec>, Fault> {
    let workflow: WorkflowSpec =
        serde_json::from_str(json.as_str()).map_err(|e| invalid(format!("it is no workflow: {e}")))?;
    Ok(match workflow.trigger {
        Trigger::Manual | Trigger::Event { .. } => None,
        Trigger::Schedule { schedule, timezone, catch_up, overlap, allow_sub_minute } => Some(ScheduleSpec {
            name: Some(name.to_owned()),
            schedule,
            timezone,
            handler: placeholder(),
            catch_up,
            overlap,
            max_retries: 0,
            emit: false,
            allow_sub_minute,
            metadata: None,
        }),
    })
}

/// A specification as it was declared.
fn spec_of(spec: &Json) -> Result<ScheduleSpec, Fault> {
    serde_json::from_str(spec.as_str()).map_err(|e| invalid(format!("it is no schedule: {e}")))
}

fn invalid(message: String) -> Fault {
    Fault::invalid("SCHEDULE_INVALID", message)
}

/// When it is due; what is wrong with its text is told in the words of who reads it.
fn timing(spec: &ScheduleSpec) -> Result<Schedule, Fault> {
    if spec.max_retries > RETRIES_MAX {
        return Err(invalid(format!("maxRetries is {}; 0 to {RETRIES_MAX} are accepted", spec.max_retries)));
    }
    if let Some(metadata) = &spec.metadata
        && (!metadata.to_value().is_object() || metadata.as_str().len() > METADATA_BYTES_MAX)
    {
        return Err(invalid(format!("metadata is an object of at most {} KiB", METADATA_BYTES_MAX >> 10)));
    }
    let options = schedule::Options { allow_sub_minute: spec.allow_sub_minute };
    Schedule::parse_with(&spec.schedule, spec.timezone.as_deref(), options).map_err(|e| invalid(e.to_string()))
}

/// What a schedule is called when nobody names it: its handler and what is meant (spec EVR-8).
///
/// # Errors
/// `SCHEDULE_INVALID` when its text cannot be read.
pub(crate) fn name_of(spec: &ScheduleSpec) -> Result<String, Fault> {
    match &spec.name {
        Some(name) => Ok(name.clone()),
        None => Ok(format!("{}:{}", spec.handler, timing(spec)?.canonical())),
    }
}

/// Keeps where a schedule stands in step with its declaration, in the turn that writes that. What is meant by the text
/// decides whether it begins anew; its id, its counts and a pause stay (spec EVR-8).
///
/// # Errors
/// `SCHEDULE_INVALID` when its text cannot be read, or never occurs.
pub(crate) fn declared(
    turn: &mut Turn<'_>,
    action: Option<Id>,
    kind: Kind,
    name: &str,
    spec: Option<&Json>,
) -> Result<(), Fault> {
    let name = match kind {
        Kind::Schedule => name.to_owned(),
        Kind::Workflow => format!("{OF_WORKFLOW}{name}"),
        Kind::Subscription | Kind::Function | Kind::Deployment => return Ok(()),
    };
    let name = name.as_str();
    let declaration = spec.map(|spec| read(name, spec)).transpose()?.flatten();
    let known = turn.schedule(name).map_err(|e| fault_of(&e))?.map(|found| found.state);
    let state = match declaration {
        None if known.is_none() => return Ok(()),
        None => None,
        Some(Declaration { spec, workflow: _ }) => {
            let schedule = timing(&spec)?;
            match &known {
                Some(state) if state.canonical == schedule.canonical() => return Ok(()),
                _ => Some(Box::new(begun(&schedule, known.clone(), turn.at())?)),
            }
        }
    };
    let removed = known.is_some() && state.is_none();
    turn.write(Row::Schedule { name: name.to_owned(), state }).map_err(|e| fault_of(&e))?;
    if let Some(action) = action.filter(|_| removed) {
        let event = event("removed", name, &serde_json::json!({ "schedule": name }));
        let at = turn.at();
        write_event(turn, event, action, at).map_err(|e| fault_of(&e))?;
    }
    Ok(())
}

/// A schedule that begins now, or begins anew with another time.
fn begun(schedule: &Schedule, known: Option<ScheduleState>, now: Timestamp) -> Result<ScheduleState, Fault> {
    let first = schedule.first(now).map_err(|e| invalid(e.to_string()))?;
    let new = ScheduleState { paused: false, next_run_at: Some(first), ..at_rest(schedule, now) };
    Ok(match known {
        None => new,
        Some(known) => ScheduleState {
            canonical: new.canonical,
            timezone: new.timezone,
            anchor: now,
            next_run_at: new.next_run_at.filter(|_| !known.paused),
            ..known
        },
    })
}

/// A schedule that never ticked and is paused.
fn at_rest(schedule: &Schedule, now: Timestamp) -> ScheduleState {
    ScheduleState {
        id: Id::new(now, rand::random()),
        canonical: schedule.canonical(),
        timezone: schedule.timezone().to_owned(),
        paused: true,
        anchor: now,
        next_run_at: None,
        last: None,
        run_count: 0,
        refused_count: 0,
        skipped_count: 0,
    }
}

/// A thing came over from another object. A schedule is paused here, so that nothing is done twice because of a copy
/// (spec LIF-1).
pub(crate) fn copied(turn: &mut Turn<'_>, row: &ThingRow) -> Result<(), Fault> {
    let (noun, id) = (row.key.noun.as_str(), row.key.id.as_str());
    let name = match noun {
        _ if row.deleted => return Ok(()),
        noun if noun == Kind::Schedule.noun() => id.to_owned(),
        noun if noun == Kind::Workflow.noun() => format!("{OF_WORKFLOW}{id}"),
        _ => return Ok(()),
    };
    let Ok(Some(declaration)) = read(&name, &row.data) else { return Ok(()) };
    let Ok(schedule) = timing(&declaration.spec) else { return Ok(()) };
    let state = Some(Box::new(at_rest(&schedule, turn.at())));
    turn.write(Row::Schedule { name, state }).map_err(|e| fault_of(&e))
}

/// `schedule.fired` and the like, of one schedule.
fn event(verb: &str, name: &str, data: &serde_json::Value) -> NewEvent {
    NewEvent { verb: verb.to_owned(), source: source(name), data: Json::from_value(data) }
}

/// `schedule/NAME`, the name percent-encoded as in any source.
fn source(name: &str) -> String {
    let noun = Noun::parse("Schedule").expect("it is PascalCase");
    match ThingId::parse(name) {
        Ok(id) => ThingKey::new(noun, id).to_string().replacen("Schedule", "schedule", 1),
        Err(_) => "schedule".to_owned(),
    }
}
