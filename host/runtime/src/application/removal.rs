//! An application goes, with what it declared; and whoever gives one another name is told that the old one stays.

use super::operation::Goes;
use super::write::{PARTS, Wanted, list, parts};
use super::{Applied, RESOURCE, read};
use crate::Caller;
use crate::declared::Kind;
use crate::object::Object;
use types::deployment::{Deployment, Plan};
use types::{Fault, FunctionName};

impl Object {
    /// Ends an application: nothing of what it declared is in effect any more, but what another application declares too.
    /// Its components stay uploaded, its nouns and verbs stay known (things are of them), its runs go on.
    ///
    /// # Errors
    /// `DEPLOYMENT_NOT_FOUND` when none is in effect under this name; `DEPLOYMENT_CHANGED`.
    pub async fn delete_deployment(&self, caller: &Caller, name: &FunctionName) -> Result<Applied, Fault> {
        caller.may(RESOURCE, "delete")?;
        let (version, before) = self.application(name.as_str())?.ok_or_else(|| {
            let message = format!("no application {name} is deployed; list those there are");
            Fault::not_found("DEPLOYMENT_NOT_FOUND", message)
        })?;
        let mut plan = Plan::between(Some(&before), &Deployment::default());
        plan.warnings = self.what_stays(name, &before)?;
        let (expected, pinned) = (Some(version), Vec::new());
        let wanted =
            Wanted { name: name.clone(), expected, before: Some(before), whole: None, pinned, goes: Goes::AtOnce };
        let written = self.write_application(caller, wanted).await?;
        Ok(Applied { name: name.clone(), version: written.version, plan })
    }

    fn what_stays(&self, name: &FunctionName, before: &Deployment) -> Result<Vec<String>, Fault> {
        let mut told = Vec::new();
        for (other, whole) in self.others(name)? {
            let shared = shared(before, &whole);
            if !shared.is_empty() {
                told.push(format!("{} stay: the application {other} declares them too", shared.join(", ")));
            }
        }
        if !before.nouns.is_empty() || !before.verbs.is_empty() {
            told.push("its nouns and verbs stay, for there may be things of them".to_owned());
        }
        Ok(told)
    }

    /// What stands beside an application that is new under its name: an older one that says the same is probably itself.
    pub(super) fn is_it_renamed(&self, name: &FunctionName, whole: &Deployment) -> Result<Vec<String>, Fault> {
        let mut told = Vec::new();
        for (other, known) in self.others(name)? {
            let shared = shared(whole, &known);
            if !shared.is_empty() {
                told.push(format!(
                    "the application {other} is deployed, declares {} as well, and stays in effect beside {name}; if \
                     {name} is its new name, remove the old one: org.ai deployments delete {other}",
                    shared.join(", ")
                ));
            }
        }
        Ok(told)
    }

    fn others(&self, name: &FunctionName) -> Result<Vec<(String, Deployment)>, Fault> {
        let all = self.inner.declared.all(Kind::Deployment);
        let others = all.iter().filter(|known| known.name != name.as_str());
        others.map(|known| Ok((known.name.clone(), read(&known.spec)?))).collect()
    }
}

/// What both declare, each by its list and name; a few of many.
fn shared(one: &Deployment, other: &Deployment) -> Vec<String> {
    const SHOWN_MAX: usize = 5;
    let mut found = Vec::new();
    for kind in PARTS {
        let others = parts(kind, Some(other));
        let own = parts(kind, Some(one)).into_keys().filter(|name| others.contains_key(name));
        found.extend(own.map(|name| format!("{} {name}", list(kind))));
    }
    found.truncate(SHOWN_MAX);
    found
}
