//! Subscriptions that are made while the object runs (spec ON-8), beside those of a deployment: both are declarations.

use super::Subscription;
use super::subscription::ListenerSpec;
use super::webhook::{WebhookSpec, WebhookWanted};
use crate::Caller;
use crate::declared::{DECLARED_MAX, Definition, Kind, declare};
use crate::object::Object;
use types::deployment::{Handler, SubscriptionSpec, check_name};
use types::{At, Fault, FaultKind, Json, Timestamp};

/// Who is told.
#[derive(Clone, PartialEq, Debug)]
pub enum SubscriptionTarget {
    Handler(Handler),
    /// A workflow: one run for each event.
    Workflow(String),
    /// A URL.
    Webhook(String),
}

/// What a subscription that begins runs of a workflow is to be.
#[derive(Clone, PartialEq, Debug)]
pub struct WorkflowListener {
    /// The event and the workflow unless given.
    pub name: Option<String>,
    pub event: String,
    pub workflow: String,
    pub priority: i32,
    pub filter: Option<String>,
}

/// A subscription as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct SubscriptionShown {
    pub name: String,
    pub event: String,
    pub target: SubscriptionTarget,
    pub priority: i32,
    pub filter: Option<String>,
    pub max_retries: u32,
    /// Of its newest version.
    pub updated_at: Timestamp,
}

impl SubscriptionShown {
    fn of(definition: &Definition) -> Result<Self, Fault> {
        let (name, updated_at) = (definition.name.clone(), definition.at);
        if let Some(WebhookSpec { event, webhook, priority, filter, max_retries, sealed: _ }) =
            WebhookSpec::of(definition)
        {
            let target = SubscriptionTarget::Webhook(webhook);
            return Ok(Self { name, event, target, priority, filter, max_retries, updated_at });
        }
        if let Some(ListenerSpec { event, workflow, priority, filter }) = ListenerSpec::of(definition) {
            let target = SubscriptionTarget::Workflow(workflow);
            return Ok(Self { name, event, target, priority, filter, max_retries: 0, updated_at });
        }
        let spec: SubscriptionSpec = serde_json::from_str(definition.spec.as_str()).map_err(|_| Fault::internal())?;
        let SubscriptionSpec { name: _, event, handler, priority, filter, max_retries } = spec;
        let target = SubscriptionTarget::Handler(handler);
        Ok(Self { name, event, target, priority, filter, max_retries, updated_at })
    }
}

impl Object {
    /// All of them, by name.
    pub async fn subscriptions(&self, caller: &Caller) -> Result<Vec<SubscriptionShown>, Fault> {
        caller.may("subscriptions", "read")?;
        self.seen().await?;
        self.inner.declared.all(Kind::Subscription).iter().map(|d| SubscriptionShown::of(d)).collect()
    }

    /// Subscribes a handler to what happens from now on. The same once more changes nothing; whether it is new is said.
    ///
    /// # Errors
    /// `invalid` with what is wrong of the name, the event, the filter or the handler; `conflict` when there is another
    /// one of this name.
    pub async fn subscribe(&self, caller: &Caller, spec: SubscriptionSpec) -> Result<(SubscriptionShown, bool), Fault> {
        caller.may("subscriptions", "create")?;
        check_name_of(spec.name.as_ref())?;
        let name = spec.key();
        Subscription::read(&name, spec.clone(), 0)?;
        self.find_function(spec.handler.function(), At::Head).await.map_err(|fault| match fault.kind {
            FaultKind::NotFound => Fault::invalid("HANDLER_UNKNOWN", format!("{}: {}", spec.handler, fault.message)),
            _ => fault,
        })?;
        let text = Json::of(&spec);
        let same = text.clone();
        self.declare_subscription(caller, name, text, move |known| known.spec == same).await
    }

    /// Has what happens from now on begin runs of a workflow, one for each event. The same once more changes nothing;
    /// whether it is new is said.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe); `invalid` for a workflow that is not here.
    pub async fn subscribe_workflow(
        &self,
        caller: &Caller,
        wanted: WorkflowListener,
    ) -> Result<(SubscriptionShown, bool), Fault> {
        caller.may("subscriptions", "create")?;
        let WorkflowListener { name, event, workflow, priority, filter } = wanted;
        check_name_of(name.as_ref())?;
        let name = name.unwrap_or_else(|| format!("{event}:{workflow}"));
        if self.inner.declared.get(Kind::Workflow, &workflow).is_none() {
            return Err(Fault::invalid("WORKFLOW_UNKNOWN", format!("there is no workflow {workflow:?} here")));
        }
        let spec = ListenerSpec { event, workflow, priority, filter };
        let text = Json::of(&spec);
        spec.subscription(&name, 0)?;
        let same = text.clone();
        self.declare_subscription(caller, name, text, move |known| known.spec == same).await
    }

    /// Has what happens from now on posted to a URL. The same once more changes nothing; a new one has a secret, which is
    /// shown this once.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe); `unavailable` on a host that posts nothing.
    pub async fn subscribe_webhook(
        &self,
        caller: &Caller,
        wanted: WebhookWanted,
    ) -> Result<(SubscriptionShown, Option<String>), Fault> {
        caller.may("subscriptions", "create")?;
        self.courier()?;
        let name = wanted.key()?;
        check_name_of(wanted.name.as_ref())?;
        let (spec, secret) = self.sealed_webhook(&name, &wanted)?;
        let text = Json::of(&spec);
        spec.subscription(&name, 0)?;
        let is_same = move |known: &Definition| WebhookSpec::of(known).is_some_and(|known| known.is(&wanted));
        let (shown, is_new) = self.declare_subscription(caller, name, text, is_same).await?;
        Ok((shown, is_new.then_some(secret)))
    }

    /// Declares one, unless one that is the same is there.
    async fn declare_subscription(
        &self,
        caller: &Caller,
        name: String,
        text: Json,
        is_same: impl FnOnce(&Definition) -> bool + Send + 'static,
    ) -> Result<(SubscriptionShown, bool), Fault> {
        let (caller, inner, set) = (caller.clone(), self.inner.clone(), self.inner.clone());
        let declares = self
            .change_then(
                4096,
                move |turn| {
                    let text = match inner.declared.get(Kind::Subscription, &name) {
                        Some(known) if is_same(&known) => known.spec.clone(),
                        Some(_) => {
                            let message =
                                format!("there is another subscription {name}; remove it, or take another name");
                            return Err(Fault::conflict("SUBSCRIPTION_EXISTS", message));
                        }
                        None if inner.declared.all(Kind::Subscription).len() >= DECLARED_MAX => {
                            let message = format!("an object has {DECLARED_MAX} subscriptions at most");
                            return Err(Fault::limit("SUBSCRIPTIONS_LIMIT", message));
                        }
                        None => text,
                    };
                    declare(turn, &caller, Kind::Subscription, &name, Some(&text))
                },
                move |declares| set.declared.took(declares),
            )
            .await?;
        let now = declares.now.as_ref().ok_or_else(Fault::internal)?;
        Ok((SubscriptionShown::of(now)?, declares.changed))
    }

    /// Removes a subscription. What was accepted for it goes on.
    pub async fn unsubscribe(&self, caller: &Caller, name: &str) -> Result<(), Fault> {
        caller.may("subscriptions", "delete")?;
        let (caller, name, set) = (caller.clone(), name.to_owned(), self.inner.clone());
        let unknown = Fault::not_found("SUBSCRIPTION_NOT_FOUND", format!("there is no subscription {name:?}"));
        self.change_then(
            1024,
            move |turn| {
                let declares = declare(turn, &caller, Kind::Subscription, &name, None)?;
                if declares.changed { Ok(declares) } else { Err(unknown) }
            },
            move |declares| set.declared.took(declares),
        )
        .await
        .map(drop)
    }
}

fn check_name_of(name: Option<&String>) -> Result<(), Fault> {
    name.map_or(Ok(()), |name| check_name(name).map_err(|message| Fault::invalid("NAME_INVALID", message)))
}
