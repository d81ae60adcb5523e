//! An application is put into effect: everything that it declares, in one turn, which is one record.

use super::check::noun_of;
use super::operation::{Goes, open_deploys, probing};
use crate::Caller;
use crate::declared::{Declares, Kind, declare};
use crate::functions::FunctionVersion;
use crate::object::{Object, fault_of};
use crate::things::{fields_fault, store_noun, store_verb};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Line, Turn};
use types::deployment::{Deployment, FunctionBody};
use types::{Fault, FaultKind, FunctionName, Id, Json};

/// What an application declares, each a thing of its own.
pub(super) const PARTS: [Kind; 4] = [Kind::Subscription, Kind::Schedule, Kind::Workflow, Kind::Function];

/// The list that they stand in.
pub(super) fn list(kind: Kind) -> &'static str {
    match kind {
        Kind::Subscription => "subscriptions",
        Kind::Schedule => "schedules",
        Kind::Workflow => "workflows",
        Kind::Function => "functions",
        Kind::Deployment => "",
    }
}

/// The parts of one kind, by the names they are declared under.
pub(super) fn parts(kind: Kind, of: Option<&Deployment>) -> BTreeMap<String, Json> {
    fn by<T: Serialize>(list: &[T], key: impl Fn(&T) -> String) -> BTreeMap<String, Json> {
        list.iter().map(|part| (key(part), Json::of(part))).collect()
    }
    let Some(of) = of else { return BTreeMap::new() };
    match kind {
        Kind::Subscription => by(&of.subscriptions, |part| part.key()),
        Kind::Schedule => by(&of.schedules, |part| part.key()),
        Kind::Workflow => by(&of.workflows, |part| part.name.clone()),
        Kind::Function => {
            let handled = of.functions.iter().filter(|part| matches!(part.run, FunctionBody::Handler(_)));
            handled.map(|part| (part.name.to_string(), Json::of(part))).collect()
        }
        Kind::Deployment => BTreeMap::new(),
    }
}

/// What an application is to be from now on.
pub(super) struct Wanted {
    pub(super) name: FunctionName,
    /// The version that this was decided on.
    pub(super) expected: Option<u64>,
    pub(super) before: Option<Deployment>,
    /// None: it is no more.
    pub(super) whole: Option<Deployment>,
    /// Functions that are to be the newest of their names.
    pub(super) pinned: Vec<Arc<FunctionVersion>>,
    /// What the turn says of the deploy as an action.
    pub(super) goes: Goes,
}

/// What was written.
pub(super) struct Written {
    /// None: nothing is there any more.
    pub(super) version: Option<u64>,
    /// The action that goes on until the probe has answered.
    pub(super) running: Option<Id>,
    functions: Vec<Arc<FunctionVersion>>,
    declares: Vec<Declares>,
}

impl Object {
    /// # Errors
    /// `DEPLOYMENT_CHANGED` when another deployment of this application came in between.
    pub(super) async fn write_application(&self, caller: &Caller, wanted: Wanted) -> Result<Written, Fault> {
        let bytes = (8 << 10) + wanted.whole.as_ref().map_or(0, |whole| 4 * Json::of(whole).as_str().len());
        let (object, after, caller) = (self.clone(), self.clone(), caller.clone());
        self.change_then(
            bytes,
            move |turn| object.write_in_turn(turn, &caller, wanted),
            move |written: &Written| {
                for function in &written.functions {
                    after.inner.functions.set(function.clone());
                }
                after.inner.nouns.changed();
                after.inner.verbs.changed();
                after.after_declared(&written.declares);
            },
        )
        .await
    }

    /// Whether it could be written: writes it, and takes that back.
    pub(super) async fn rehearse_application(&self, caller: &Caller, wanted: Wanted) -> Result<(), Fault> {
        const REHEARSED: &str = "REHEARSED";
        let (object, caller) = (self.clone(), caller.clone());
        let rehearsal = move |turn: &mut Turn<'_>| -> Result<(), Fault> {
            object.write_in_turn(turn, &caller, wanted)?;
            Err(Fault::new(FaultKind::Cancelled, REHEARSED, "only a plan was wanted"))
        };
        match self.change(8 << 10, rehearsal).await {
            Err(fault) if fault.code != REHEARSED => Err(fault),
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn write_words(&self, turn: &mut Turn<'_>, caller: &Caller, of: &Deployment) -> Result<(), Fault> {
        for (n, spec) in of.nouns.iter().enumerate() {
            store_noun(turn, &self.inner, caller.clone(), None, noun_of(spec))
                .map_err(|fault| located(format!("nouns[{n}]"), fault))?;
        }
        for (n, spec) in of.verbs.iter().enumerate() {
            let mut forms = Json::of(spec).to_value();
            forms.as_object_mut().and_then(|forms| forms.remove("action"));
            store_verb(turn, &self.inner, caller.clone(), &spec.action, &forms)
                .map_err(|fault| located(format!("verbs[{n}]"), fault))?;
        }
        Ok(())
    }

    /// What one application drops stays while another says it.
    fn other_applications(&self, name: &str) -> Result<Vec<Deployment>, Fault> {
        let all = self.inner.declared.all(Kind::Deployment);
        all.iter().filter(|known| known.name != name).map(|known| super::read(&known.spec)).collect()
    }

    fn write_in_turn(&self, turn: &mut Turn<'_>, caller: &Caller, wanted: Wanted) -> Result<Written, Fault> {
        let Wanted { name, expected, before, mut whole, pinned, goes } = wanted;
        let key = Kind::Deployment.key(name.as_str())?;
        let head = turn.newest(&Line::main(), &key).map_err(|e| fault_of(&e))?;
        if head.filter(|row| !row.deleted).map(|row| row.version) != expected {
            let message =
                format!("{name} was deployed by somebody else meanwhile; look at its plan, then deploy again");
            return Err(Fault::conflict("DEPLOYMENT_CHANGED", message));
        }
        if let Some(other) = open_deploys(turn, &name)?.iter().find(|open| !goes.ends(open.id)) {
            return Err(probing(&name, other.id));
        }
        let mut functions = Vec::with_capacity(pinned.len());
        for function in pinned {
            functions.push(self.pin_version(turn, caller, function)?);
        }
        if let Some(whole) = &mut whole {
            note_versions(whole, &functions);
            self.write_words(turn, caller, whole)?;
        }
        let others = self.other_applications(name.as_str())?;
        let mut declares = Vec::new();
        for kind in PARTS {
            let now = parts(kind, whole.as_ref());
            let gone = parts(kind, before.as_ref()).into_keys().filter(|name| !now.contains_key(name));
            for gone in &gone.collect::<Vec<_>>() {
                if others.iter().any(|other| parts(kind, Some(other)).contains_key(gone)) {
                    continue;
                }
                declares.push(declare(turn, caller, kind, gone, None)?);
            }
            for (name, spec) in &now {
                declares.push(declare(turn, caller, kind, name, Some(spec))?);
            }
        }
        let stored = whole.as_ref().map(Json::of);
        let declared = declare(turn, caller, Kind::Deployment, name.as_str(), stored.as_ref())?;
        let version = declared.now.as_ref().map(|now| now.version);
        // What was in effect already was probed when it came.
        let is_written = declared.changed || goes.is_back();
        let running = if is_written { goes.write(turn, expected, version)? } else { None };
        declares.push(declared);
        Ok(Written { version, running, functions, declares })
    }
}

/// What is wrong with a part, with the path of the part.
fn located(path: String, fault: Fault) -> Fault {
    if !matches!(fault.kind, FaultKind::Invalid | FaultKind::Conflict | FaultKind::Limit) {
        return fault;
    }
    fields_fault(&[model::FieldError::new(&path, "deployment", fault.message)])
}

/// What is kept speaks of the versions that are the newest now: an upload of the same bytes answers them.
fn note_versions(whole: &mut Deployment, functions: &[Arc<FunctionVersion>]) {
    for spec in &mut whole.functions {
        if let FunctionBody::Component { version, .. } = &mut spec.run
            && let Some(function) = functions.iter().find(|function| function.name == spec.name)
        {
            *version = function.version;
        }
    }
}
