//! Definitions of workflows: things of noun `WorkflowDefinition`.

use crate::Caller;
use crate::declared::{DECLARED_MAX, Definition, Kind, declare};
use crate::object::{Object, fault_of};
use model::filter::Filter;
use types::deployment::{Deployment, Step, WorkflowBody, WorkflowSpec};
use types::{Fault, Json, Timestamp};

/// A workflow, as it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkflowShown {
    pub spec: WorkflowSpec,
    pub version: u64,
}

impl WorkflowShown {
    /// `manual`, `event` or `schedule`.
    pub fn trigger(&self) -> &'static str {
        match self.spec.trigger {
            types::deployment::Trigger::Manual => "manual",
            types::deployment::Trigger::Event { .. } => "event",
            types::deployment::Trigger::Schedule { .. } => "schedule",
        }
    }

    fn of(definition: &Definition) -> Result<Self, Fault> {
        Ok(Self { spec: read(&definition.spec, &definition.name)?, version: definition.version })
    }
}

fn read(spec: &Json, name: &str) -> Result<WorkflowSpec, Fault> {
    serde_json::from_str(spec.as_str()).map_err(|error| {
        tracing::error!(name, %error, "a stored workflow cannot be read");
        Fault::internal()
    })
}

impl Object {
    /// All workflows, by name.
    pub async fn workflows(&self, caller: &Caller) -> Result<Vec<WorkflowShown>, Fault> {
        caller.may("workflows", "read")?;
        self.inner.declared.all(Kind::Workflow).iter().map(|d| WorkflowShown::of(d)).collect()
    }

    /// One workflow.
    pub async fn workflow(&self, caller: &Caller, name: &str) -> Result<WorkflowShown, Fault> {
        caller.may("workflows", "read")?;
        self.known_workflow(name)
    }

    pub(super) fn known_workflow(&self, name: &str) -> Result<WorkflowShown, Fault> {
        let found = self.inner.declared.get(Kind::Workflow, name);
        WorkflowShown::of(&*found.ok_or_else(|| unknown(name))?)
    }

    /// Makes it the newest version of the workflow of its name. Runs that began go on as they began.
    ///
    /// # Errors
    /// `WORKFLOW_INVALID` with all that is wrong.
    pub async fn set_workflow(&self, caller: &Caller, spec: WorkflowSpec) -> Result<WorkflowShown, Fault> {
        caller.may("workflows", "update")?;
        check(&spec, self.node.now())?;
        let known = self.inner.declared.all(Kind::Workflow);
        if known.len() >= DECLARED_MAX && known.iter().all(|known| known.name != spec.name) {
            let message = format!("an object has {DECLARED_MAX} workflows at most; delete some");
            return Err(Fault::limit("WORKFLOWS_LIMIT", message));
        }
        let (data, name, caller, inner) = (Json::of(&spec), spec.name.clone(), caller.clone(), self.inner.clone());
        let declares = self
            .change_then(
                1024 + data.as_str().len(),
                move |turn| declare(turn, &caller, Kind::Workflow, &name, Some(&data)),
                move |declares| inner.declared.took(declares),
            )
            .await?;
        Ok(WorkflowShown { spec, version: declares.now.map_or(0, |now| now.version) })
    }

    /// Ends a workflow; its runs go on.
    pub async fn delete_workflow(&self, caller: &Caller, name: &str) -> Result<(), Fault> {
        caller.may("workflows", "delete")?;
        self.known_workflow(name)?;
        let (name, caller, inner) = (name.to_owned(), caller.clone(), self.inner.clone());
        self.change_then(
            1024,
            move |turn| declare(turn, &caller, Kind::Workflow, &name, None),
            move |declares| inner.declared.took(declares),
        )
        .await
        .map(drop)
    }

    /// The version that a run is pinned to.
    pub(super) async fn workflow_at(&self, name: &str, version: u64) -> Result<WorkflowSpec, Fault> {
        if let Some(newest) = self.inner.declared.get(Kind::Workflow, name).filter(|d| d.version == version) {
            return read(&newest.spec, name);
        }
        let row = self.peek(|store| store.version(version).map_err(|e| fault_of(&e))).await?;
        let is_it =
            |row: &types::ThingRow| row.key.noun.as_str() == Kind::Workflow.noun() && row.key.id.as_str() == name;
        let row = row.filter(is_it).ok_or_else(|| {
            let message = format!("version {version} of the workflow {name} is not kept any more");
            Fault::new(types::FaultKind::Gone, "VERSION_GONE", message)
        })?;
        read(&row.data, name)
    }
}

pub(super) fn unknown(name: &str) -> Fault {
    let shown: String = name.chars().take(80).collect();
    Fault::not_found(
        "WORKFLOW_NOT_FOUND",
        format!("there is no workflow {shown:?} here; GET /api/workflows lists them"),
    )
}

fn check(spec: &WorkflowSpec, now: Timestamp) -> Result<(), Fault> {
    let whole = Deployment { workflows: vec![spec.clone()], ..Deployment::default() };
    let mut problems: Vec<(String, String)> =
        whole.check().into_iter().map(|p| (p.path.replacen("workflows[0].", "", 1), p.message)).collect();
    if let WorkflowBody::Steps(steps) = &spec.run {
        check_expressions(steps, &mut problems);
    }
    let mut begun = Vec::new();
    crate::application::of_trigger(&spec.trigger, "workflow", now, &mut begun);
    problems.extend(begun.into_iter().map(|p| (p.path.replacen("workflow.", "", 1), p.message)));
    let Some((path, message)) = problems.first() else { return Ok(()) };
    let all: Vec<_> =
        problems.iter().map(|(path, message)| serde_json::json!({ "path": path, "message": message })).collect();
    let message = format!("the workflow {:?}: {path}: {message}", spec.name);
    Err(Fault::invalid("WORKFLOW_INVALID", message).with_details(&serde_json::json!({ "problems": all })))
}

fn check_expressions(steps: &[Step], problems: &mut Vec<(String, String)>) {
    for step in steps {
        match step {
            Step::WaitForEvent { name, filter: Some(filter), .. } => check_one(name, "filter", filter, problems),
            Step::Branch { name, when, then, otherwise } => {
                check_one(name, "when", when, problems);
                check_expressions(then, problems);
                check_expressions(otherwise, problems);
            }
            Step::Parallel { branches, .. } => branches.iter().for_each(|steps| check_expressions(steps, problems)),
            Step::Do { .. }
            | Step::Sleep { .. }
            | Step::SleepUntil { .. }
            | Step::WaitForEvent { filter: None, .. }
            | Step::Approval { .. } => {}
        }
    }
}

fn check_one(step: &str, member: &str, text: &str, problems: &mut Vec<(String, String)>) {
    if let Err(error) = Filter::parse(text) {
        problems.push((format!("step {step}, {member}"), error.to_string()));
    }
}
