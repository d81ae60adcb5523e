//! Keeps durable objects alive: finds them by URL, opens and closes their files, runs their functions, makes what they
//! did durable, and answers only then.
//!
//! A request enters through [`Node`] (which objects are there, who is calling) and goes on at an [`Object`] (one
//! durable object). Reads look into the object's file; every write goes through [`Object`]'s commit queue
//! (`commit.rs`): one transaction, one record, one append to the log, and the answer after that. Running components is
//! left to a [`types::exec::Executor`], HTTP to `api`.

mod node;
pub use node::{Node, OpenError, Opened, Resolved};
mod config;
pub use config::{Config, Location};
mod clock;
pub use clock::{Clock, ManualClock, SystemClock};
mod object;
pub use object::Object;
mod invoke;
pub use invoke::{InvokeFailed, InvokeOptions, Invoked, Listener};
mod events;
pub use events::{EventShown, EventsShown};
mod application;
pub use application::{Applied, DeploymentOptions, DeploymentShown};
mod deploy;
pub use deploy::{Deployed, Upload};
mod functions;
pub use functions::FunctionVersion;
mod offered;
pub use offered::Offered;
mod history;
mod keys;
pub use keys::NewKey;
mod family;
pub use family::{RelationWanted, SelfShown};
mod objects;
mod things;
pub use store::{
    ActionFilter, Comparison, EventFilter, FailedDelivery, FailedFilter, Field, Follower, LogEntry, LogFilter, Page,
    RequestFilter, ThingFilter, ThingSort,
};
pub use things::{
    BranchShown, BranchWanted, Change, Direction, EdgeShown, Expect, Idempotency, Listed, MergeWanted, Merged,
    NounShown, Op, PatchOf, Rules, RulesChange, Shown, ThingConflicts, ThingsWanted, VerbShown, VersionShown, View,
    Write, Wrote, fields_fault, name_fault,
};
mod lifecycle;
pub use lifecycle::{Begun, CompactWanted, ForkWanted, Lifecycle, PromoteWanted};
mod secrets;
mod session;
pub use session::Session;

mod bus;
pub use bus::{FailedWanted, Replayed, SubscriptionShown, SubscriptionTarget, WebhookWanted, WorkflowListener};
mod blobs;
mod commit;
mod declared;
mod workers;
pub use workers::{About, AgentRun, AgentShown, Waits};
pub use workers::{Decider, Decision, Link, RequestsWanted, Settled};
pub use workers::{GenerateWanted, UsageShown};
mod workflow;
pub use workflow::{
    HistoryEntry, RunShown, RunStatus, RunWanted, RunsPage, RunsWanted, StepShown, StepStatus, WorkflowShown,
};
mod durable;
pub use durable::{Diverges, InvocationShown, REPLAYED_MAX, STANDARD_RETRY, STEPS_SHOWN_MAX, UpgradeWanted, Upgraded};
pub use store::{Invocation, InvocationFilter, InvocationStatus};
mod guest;
mod registry;
mod running;
pub use running::{Used, dollars};
mod schedules;
pub use schedules::{ScheduleChange, ScheduleShown};
mod schema;
mod turn;

use std::sync::Arc;
use types::Identity;

/// Who asks, in which request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub identity: Identity,
    pub request_id: Arc<str>,
}

impl Caller {
    /// Deny by default: only what the credential's scopes name (spec PRM-2).
    pub(crate) fn may(&self, resource: &str, action: &str) -> Result<(), types::Fault> {
        if self.identity.scopes.allow(resource, action) {
            return Ok(());
        }
        Err(types::Fault::forbidden(format!(
            "{} may not {action} {resource}; it needs a key with the scope {resource}.{action}",
            self.identity.actor
        )))
    }

    /// The same caller in the name of somebody else, with no other rights than its own (spec DUR-2). `actor` is a thing of
    /// the object, `User/ann`, or its whole URL.
    ///
    /// # Errors
    /// `forbidden` without the scope `actors.impersonate`; `ACTOR_INVALID`.
    pub fn acting_as(&self, namespace: &types::Namespace, actor: &str) -> Result<Self, types::Fault> {
        self.may("actors", "impersonate")?;
        let local = actor.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(actor);
        let key = types::ThingKey::parse(local).map_err(|_| {
            let shown: String = actor.chars().take(80).collect();
            let message = format!("{shown:?} is nobody of {namespace}; write Noun/id, like User/ann");
            types::Fault::invalid("ACTOR_INVALID", message)
        })?;
        let identity = types::Identity { actor: format!("{namespace}/{key}").into(), ..self.identity.clone() };
        Ok(Self { identity, ..self.clone() })
    }

    /// The same for a permission that somebody named.
    pub(crate) fn holds(&self, permission: &types::Permission) -> Result<(), types::Fault> {
        if self.identity.scopes.cover(&types::Scopes::new(vec![permission.clone()])) {
            return Ok(());
        }
        Err(types::Fault::forbidden(format!(
            "{} may not call this; it needs a key with the scope {}",
            self.identity.actor, permission
        )))
    }
}
