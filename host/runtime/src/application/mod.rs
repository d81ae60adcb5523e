//! Applications: a whole deployment is checked, planned, put into effect in one turn, tried, and taken back when it
//! does not work.
//!
//! Components are uploaded before (`deploy.rs`); a deployment says which versions of them it is about, what calls them,
//! and which nouns, verbs and workflows there are. What one application declared and no longer says goes; what others
//! declared stays.

mod check;
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
use crate::invoke::InvokeOptions;
use crate::object::{Object, fault_of};
use crate::running::Chain;
use check::Checked;
use std::sync::Arc;
use std::time::Duration;
use store::Line;
use types::deployment::{Deployment, FunctionBody, Plan, ProbeSpec};
use types::exec::HandlerKind;
use types::{At, Fault, FaultKind, FunctionName, Json, ThingRow, Timestamp};
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
    /// `VALIDATION_FAILED` with everything that is wrong, by path; `PROBE_FAILED`; `DEPLOYMENT_CHANGED`.
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
            let wanted = Wanted { name: name.clone(), expected: version, before, whole: wanted, pinned };
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
        let wanted = Wanted { name: name.clone(), expected, before, whole: Some(target.deployment), pinned };
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

    /// Goes on when the asker leaves: between the change and the probe nobody else would take it back.
    async fn to_its_end(&self, caller: &Caller, checked: Checked) -> Result<Applied, Fault> {
        let (object, caller) = (self.clone(), caller.clone());
        let applying = tokio::spawn(async move { object.apply(&caller, checked).await });
        applying.await.map_err(|_| Fault::internal())?
    }

    async fn apply(&self, caller: &Caller, checked: Checked) -> Result<Applied, Fault> {
        let Checked { name, before, whole, pinned, plan } = checked;
        let probe = whole.probe.clone();
        let (expected, before) = before.unzip();
        let wanted = Wanted { name: name.clone(), expected, before: before.clone(), whole: Some(whole), pinned };
        let written = self.write_application(caller, wanted).await?;
        let applied = Applied { name: name.clone(), version: written.version, plan };
        // What was in effect already was probed when it came.
        let is_new = written.version != expected;
        match probe.filter(|_| is_new) {
            None => Ok(applied),
            Some(probe) => match self.probe(caller, &probe).await {
                Ok(()) => Ok(applied),
                Err(fault) => Err(self.take_back(name, before, written, &probe, &fault).await),
            },
        }
    }

    /// Whether the application works, which its own handler says.
    async fn probe(&self, caller: &Caller, probe: &ProbeSpec) -> Result<(), Fault> {
        let payload = Json::from_value(&serde_json::json!({}));
        let ready = self.ready_handler(&probe.handler, HandlerKind::Function, payload).await?;
        let timeout = Duration::from_millis(probe.timeout_ms);
        let options = InvokeOptions { timeout: Some(timeout), ..InvokeOptions::default() };
        self.run(caller, ready, options, Chain::default()).await.map(|_| ()).map_err(|failed| failed.fault)
    }

    /// Puts back what was in effect, and says why.
    async fn take_back(
        &self,
        name: FunctionName,
        before: Option<Deployment>,
        written: Written,
        probe: &ProbeSpec,
        why: &Fault,
    ) -> Fault {
        let back = async {
            let pinned = match &before {
                Some(before) => self.pinned(before).await?,
                None => Vec::new(),
            };
            let wanted =
                Wanted { name: name.clone(), expected: written.version, before: written.whole, whole: before, pinned };
            self.write_application(&self.own_caller(&format!("deployment:{name}")), wanted).await
        };
        let (state, version) = match back.await {
            Ok(Written { version: Some(version), .. }) => {
                (format!("what was deployed before is in effect again, as version {version}"), Some(version))
            }
            Ok(Written { version: None, .. }) => (
                "nothing of it is in effect but its uploaded functions, for nothing was deployed before".to_owned(),
                None,
            ),
            Err(fault) => {
                tracing::error!(%name, code = fault.code, "a deployment whose probe failed is not taken back");
                (format!("it could not be taken back ({}): {}", fault.code, fault.message), None)
            }
        };
        let message = format!("the probe {} failed ({}): {}; {state}", probe.handler, why.code, why.message);
        let details = serde_json::json!({
            "probe": probe.handler.to_string(), "code": why.code, "message": why.message, "version": version,
        });
        Fault::new(FaultKind::Failed, "PROBE_FAILED", message).with_details(&details)
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
