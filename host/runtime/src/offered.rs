//! What somebody may invoke in an object, whoever's function it is: for those who are shown tools instead of knowing names.

use crate::Caller;
use crate::declared::Kind;
use crate::functions::{ANCESTORS_MAX, FunctionVersion};
use crate::invoke::may_invoke;
use crate::object::Object;
use std::collections::{BTreeMap, BTreeSet};
use types::{ActionRef, ActionShape, At, Fault, FunctionKind, FunctionName, Json};

/// An action that may be invoked here.
#[derive(Clone, PartialEq, Debug)]
pub struct Offered {
    pub action: ActionRef,
    pub kind: FunctionKind,
    pub description: Option<String>,
    /// JSON Schema.
    pub input: Json,
    pub output: Json,
}

impl Object {
    /// Every action that this caller may invoke here, by name. As for a call, the object's own function of a name comes
    /// before those of the objects above it. That somebody may invoke a function is enough to be told of it.
    ///
    /// # Errors
    /// That an object above cannot be read.
    pub async fn offered(&self, caller: &Caller) -> Result<Vec<Offered>, Fault> {
        let mut found = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            let mut names = BTreeSet::new();
            for function in object.inner.functions.all() {
                if !known.contains(&function.name) {
                    add(&mut found, function.def.actions.iter().map(|shape| of_shape(&function, shape)), caller);
                }
                names.insert(function.name.clone());
            }
            for spec in object.own_declared()? {
                // A component of that name comes first.
                if !known.contains(&spec.name) && !names.contains(&spec.name) {
                    let any = || Json::of(&true);
                    let offered = Offered {
                        action: action(&spec.name, None),
                        kind: FunctionKind::App,
                        description: spec.description,
                        input: spec.input.unwrap_or_else(any),
                        output: spec.output.unwrap_or_else(any),
                    };
                    add(&mut found, std::iter::once(offered), caller);
                }
                names.insert(spec.name);
            }
            known.append(&mut names);
            let Some(parent) = object.parent().await? else { break };
            let Some(above) = self.node.object(&parent).await? else { break };
            object = above;
        }
        Ok(found.into_values().collect())
    }

    fn own_declared(&self) -> Result<Vec<types::deployment::FunctionSpec>, Fault> {
        let all = self.inner.declared.all(Kind::Function);
        all.iter().map(|known| Ok(crate::declared::DeclaredFunction::of(known)?.spec)).collect()
    }
}

fn add(found: &mut BTreeMap<String, Offered>, some: impl Iterator<Item = Offered>, caller: &Caller) {
    let permitted = some.filter(|offered| may_invoke(caller, &offered.action).is_ok());
    found.extend(permitted.map(|offered| (offered.action.to_string(), offered)));
}

fn action(function: &FunctionName, export: Option<String>) -> ActionRef {
    ActionRef { function: function.clone(), export, at: At::Head }
}

/// The manifest's schemas are the author's own, and win over those that the types gave.
fn of_shape(function: &FunctionVersion, shape: &ActionShape) -> Offered {
    let manifest = &function.def.manifest;
    let own = shape.export.is_none().then_some(manifest);
    Offered {
        action: action(&function.name, shape.export.clone()),
        kind: function.def.kind,
        description: shape.description.clone().or_else(|| manifest.description.clone()),
        input: own.and_then(|m| m.input.clone()).unwrap_or_else(|| shape.input.clone()),
        output: own.and_then(|m| m.output.clone()).unwrap_or_else(|| shape.output.clone()),
    }
}
