//! Subscriptions that are made while the object runs (spec ON-8), beside those of a deployment: both are declarations.

use super::Subscription;
use crate::Caller;
use crate::declared::{DECLARED_MAX, Definition, Kind, declare};
use crate::object::Object;
use types::deployment::{SubscriptionSpec, check_name};
use types::{At, Fault, FaultKind, Json, Timestamp};

/// A subscription as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct SubscriptionShown {
    pub name: String,
    pub spec: SubscriptionSpec,
    /// Of its newest version.
    pub updated_at: Timestamp,
}

impl SubscriptionShown {
    fn of(definition: &Definition) -> Result<Self, Fault> {
        let spec = serde_json::from_str(definition.spec.as_str()).map_err(|_| Fault::internal())?;
        Ok(Self { name: definition.name.clone(), spec, updated_at: definition.at })
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
        if let Some(name) = &spec.name {
            check_name(name).map_err(|message| Fault::invalid("NAME_INVALID", message))?;
        }
        let name = spec.key();
        Subscription::read(&name, spec.clone(), 0)?;
        self.find_function(spec.handler.function(), At::Head).await.map_err(|fault| match fault.kind {
            FaultKind::NotFound => Fault::invalid("HANDLER_UNKNOWN", format!("{}: {}", spec.handler, fault.message)),
            _ => fault,
        })?;
        let (caller, inner, set) = (caller.clone(), self.inner.clone(), self.inner.clone());
        let declares = self
            .change_then(
                2048,
                move |turn| {
                    let text = Json::of(&spec);
                    match inner.declared.get(Kind::Subscription, &name) {
                        Some(known) if known.spec != text => {
                            let message =
                                format!("there is another subscription {name}; remove it, or take another name");
                            return Err(Fault::conflict("SUBSCRIPTION_EXISTS", message));
                        }
                        Some(_) => {}
                        None if inner.declared.all(Kind::Subscription).len() >= DECLARED_MAX => {
                            let message = format!("an object has {DECLARED_MAX} subscriptions at most");
                            return Err(Fault::limit("SUBSCRIPTIONS_LIMIT", message));
                        }
                        None => {}
                    }
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
