//! Applications: a whole deployment is checked, planned, put into effect in one turn, tried, and taken back when it
//! does not work.
//!
//! Components are uploaded before (`deploy.rs`); a deployment says which versions of them it is about, what calls them,
//! and which nouns, verbs and workflows there are. What one application declared and no longer says goes; what others
//! declared stays.

mod check;
mod operation;
pub(crate) use operation::{go_on, is_operation};
mod quiet;
mod removal;
mod texts;
pub(crate) use texts::of_trigger;
mod tried;
mod write;

pub(crate) use tried::Tried;

use crate::Caller;
use crate::declared::Kind;
use crate::functions::FunctionVersion;
use crate::object::{Object, fault_of};
use check::Checked;
use operation::Goes;
use std::sync::Arc;
use store::Line;
use types::deployment::{Deployment, FunctionBody, Plan};
use types::{At, Fault, FunctionName, Json, ThingRow, Timestamp};
use write::{Wanted, Written};

/// What whoever may change deployments needs.
const RESOURCE: &str = "deployments";
/// What an application without a name is kept under.
const UNNAMED: &str = "app";

/// How a deployment is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeploymentOptions {
    /// Check and compare, change nothing.
    pub dry_run: bool,
    /// Classes that a migration deletes may go.
    pub allow_delete_class: bool,
}

/// What a deployment changed, or would.
#[derive(Clone, Debug)]
pub struct Applied {
    pub name: FunctionName,
    /// The version that is in effect now; None when there is none.
    pub version: Option<u64>,
    pub plan: Plan,
}

/// One version of an application.
#[derive(Clone, Debug)]
pub struct DeploymentShown {
    pub name: String,
    pub version: u64,
    pub at: Timestamp,
    /// Who deployed it.
    pub actor: String,
    /// It is what is in effect.
    pub is_current: bool,
    /// With what its apps said of themselves.
    pub deployment: Deployment,
}

impl Object {
    /// Puts an application into effect, or says what that would change. What was there before is back in effect when the
    /// probe fails. It goes on to its end when the asker leaves.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` with everything that is wrong, by path; `PROBE_FAILED`; `DEPLOYMENT_CHANGED`;
    /// `DEPLOYMENT_RUNNING` while an earlier one waits for its probe.
    pub async fn apply_deployment(
        &self,
        caller: &Caller,
        wanted: Deployment,
        options: DeploymentOptions,
    ) -> Result<Applied, Fault> {
        caller.may(RESOURCE, if options.dry_run { "read" } else { "create" })?;
        let checked = self.check_application(wanted, options).await?;
        if options.dry_run {
            let Checked { name, before, whole, pinned: _, plan } = checked;
            let (version, before) = before.unzip();
            let (wanted, pinned) = (Some(whole), Vec::new());
            let goes = Goes::AtOnce;
            let wanted = Wanted { name: name.clone(), expected: version, before, whole: wanted, pinned, goes };
            self.rehearse_application(caller, wanted).await?;
            return Ok(Applied { name, version, plan });
        }
        self.to_its_end(caller, checked).await
    }

    /// Makes an earlier version of an application the one in effect, with the functions as they were (code, not data).
    /// It is not probed: who goes back knows why.
    pub async fn roll_back_deployment(&self, caller: &Caller, version: u64) -> Result<Applied, Fault> {
        caller.may(RESOURCE, "update")?;
        let target = self.deployment(caller, version).await?;
        let name = FunctionName::parse(&target.name).map_err(|_| Fault::internal())?;
        let before = self.application(name.as_str())?;
        let plan = Plan::between(before.as_ref().map(|(_, before)| before), &target.deployment);
        let pinned = self.pinned(&target.deployment).await?;
        let (expected, before) = before.unzip();
        let wanted =
            Wanted { name: name.clone(), expected, before, whole: Some(target.deployment), pinned, goes: Goes::AtOnce };
        let written = self.write_application(caller, wanted).await?;
        Ok(Applied { name, version: written.version, plan })
    }

    /// Every application's versions, newest first.
    pub async fn deployments(&self, caller: &Caller) -> Result<Vec<DeploymentShown>, Fault> {
        caller.may(RESOURCE, "read")?;
        let mut shown = Vec::new();
        for current in self.inner.declared.all(Kind::Deployment) {
            let key = Kind::Deployment.key(&current.name)?;
            let rows = self.read(move |store| store.versions(&Line::main(), &key, None, store::PAGE_MAX)).await?.items;
            let live = rows.iter().filter(|row| !row.deleted);
            shown.extend(live.map(|row| shown_of(row, current.version)).collect::<Result<Vec<_>, Fault>>()?);
        }
        Ok(shown)
    }

    /// One version of one application; versions are counted for the whole object, so the number is enough.
    pub async fn deployment(&self, caller: &Caller, version: u64) -> Result<DeploymentShown, Fault> {
        caller.may(RESOURCE, "read")?;
        let row = self.peek(move |store| store.version(version).map_err(|e| fault_of(&e))).await?;
        let row = row.filter(|row| row.key.noun.as_str() == Kind::Deployment.noun() && !row.deleted);
        let row = row.ok_or_else(|| {
            Fault::not_found(
                "DEPLOYMENT_NOT_FOUND",
                format!("version {version} is no deployment; list those there are"),
            )
        })?;
        let current = self.inner.declared.get(Kind::Deployment, row.key.id.as_str());
        shown_of(&row, current.map_or(0, |current| current.version))
    }

    /// What is in effect of an application, with its version.
    fn application(&self, name: &str) -> Result<Option<(u64, Deployment)>, Fault> {
        let Some(current) = self.inner.declared.get(Kind::Deployment, name) else { return Ok(None) };
        Ok(Some((current.version, read(&current.spec)?)))
    }

    /// Goes on when the asker leaves.
    async fn to_its_end(&self, caller: &Caller, checked: Checked) -> Result<Applied, Fault> {
        let (object, caller) = (self.clone(), caller.clone());
        let applying = tokio::spawn(async move { object.apply(&caller, checked).await });
        applying.await.map_err(|_| Fault::internal())?
    }

    async fn apply(&self, caller: &Caller, checked: Checked) -> Result<Applied, Fault> {
        let Checked { name, before, whole, pinned, plan } = checked;
        let goes = Goes::on(caller, self.node.now(), &name, whole.probe.as_ref());
        let (expected, before) = before.unzip();
        let wanted = Wanted { name: name.clone(), expected, before, whole: Some(whole), pinned, goes };
        let is_marked = self.mark_probing(&wanted)?;
        let written = self.write_application(caller, wanted).await;
        match &written {
            Ok(Written { running: Some(action), .. }) => self.probe_to_its_end(*action).await?,
            Ok(Written { running: None, .. }) | Err(_) if is_marked => self.unmark_probing(),
            Ok(Written { running: None, .. }) | Err(_) => {}
        }
        Ok(Applied { name, version: written?.version, plan })
    }

    /// The versions of functions that a deployment was about.
    async fn pinned(&self, of: &Deployment) -> Result<Vec<Arc<FunctionVersion>>, Fault> {
        let mut pinned = Vec::new();
        for spec in &of.functions {
            if let FunctionBody::Component { version, .. } = &spec.run {
                let found = self.own_function(&spec.name, At::Version(*version)).await?;
                pinned.extend(found);
            }
        }
        Ok(pinned)
    }
}

fn name_of(deployment: &Deployment) -> Result<FunctionName, Fault> {
    match &deployment.name {
        Some(name) => Ok(name.clone()),
        None => FunctionName::parse(UNNAMED).map_err(|_| Fault::internal()),
    }
}

fn read(spec: &Json) -> Result<Deployment, Fault> {
    serde_json::from_str(spec.as_str()).map_err(|error| {
        tracing::error!(%error, "a stored deployment cannot be read");
        Fault::internal()
    })
}

fn shown_of(row: &ThingRow, current: u64) -> Result<DeploymentShown, Fault> {
    Ok(DeploymentShown {
        name: row.key.id.as_str().to_owned(),
        version: row.version,
        at: row.created_at,
        actor: row.actor.clone(),
        is_current: row.version == current,
        deployment: read(&row.data)?,
    })
}
