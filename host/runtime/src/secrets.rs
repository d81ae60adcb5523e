//! Secrets of an object: sealed in its file, opened only for a run whose manifest names them.

use crate::Caller;
use crate::commit::write_event;
use crate::history::{ActionDraft, done};
use crate::object::{Object, fault_of};
use auth::{Slot, Vault};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::{Fault, FaultKind, Manifest, Row};

/// Secrets of one object.
const SECRETS_MAX: u32 = store::PAGE_MAX;

impl Object {
    /// Stores a secret, or replaces it. Its value is never shown again.
    pub async fn put_secret(&self, caller: &Caller, name: &str, value: &str) -> Result<(), Fault> {
        caller.may("secrets", "update")?;
        let slot = Slot { object: self.inner.id, name };
        let sealed = self.vault().seal(slot, value, rand::random())?;
        self.write_secret(caller, name, Some(sealed), "updated").await
    }

    /// The names of the secrets.
    pub async fn secret_names(&self, caller: &Caller) -> Result<Vec<String>, Fault> {
        caller.may("secrets", "read")?;
        Ok(self.read(|store| store.secret_names(None, SECRETS_MAX)).await?.items)
    }

    pub async fn delete_secret(&self, caller: &Caller, name: &str) -> Result<(), Fault> {
        caller.may("secrets", "delete")?;
        self.write_secret(caller, name, None, "deleted").await
    }

    async fn write_secret(
        &self,
        caller: &Caller,
        name: &str,
        sealed: Option<Vec<u8>>,
        event: &'static str,
    ) -> Result<(), Fault> {
        let at = self.node.now();
        let verb = if sealed.is_some() { "update" } else { "delete" };
        let draft = ActionDraft::of(caller, at, verb, format!("Secret/{name}"));
        let name = name.to_owned();
        let bytes = 256 + sealed.as_ref().map_or(0, Vec::len);
        self.change(bytes, move |turn| {
            let names = turn.secret_names(None, SECRETS_MAX).map_err(|e| fault_of(&e))?.items;
            let known = names.contains(&name);
            if sealed.is_none() && !known {
                return Err(Fault::new(
                    FaultKind::NotFound,
                    "SECRET_NOT_FOUND",
                    format!("there is no secret {name} here"),
                ));
            }
            if !known && names.len() >= SECRETS_MAX as usize {
                return Err(Fault::limit("SECRETS_LIMIT", format!("an object has {SECRETS_MAX} secrets at most")));
            }
            let write = |turn: &mut store::Turn<'_>| {
                turn.write(Row::Secret { name, sealed, at })?;
                let (action, event) = done(&draft, None, None, serde_json::json!({}), event);
                turn.write(Row::Action(action))?;
                write_event(turn, event, draft.id, draft.at)
            };
            write(turn).map_err(|e| fault_of(&e))
        })
        .await
    }

    /// The values a run may have put into its requests. A secret that is missing here is reported when a request needs
    /// it, by the engine, with its name.
    pub(crate) async fn secrets_for(&self, manifest: &Manifest) -> Result<Arc<BTreeMap<String, String>>, Fault> {
        let mut values = BTreeMap::new();
        for grant in &manifest.secrets {
            let name = grant.name.clone();
            if let Some(sealed) = self.read(move |store| store.secret(&name)).await? {
                let slot = Slot { object: self.inner.id, name: &grant.name };
                values.insert(grant.name.clone(), self.vault().open(slot, &sealed)?);
            }
        }
        Ok(Arc::new(values))
    }

    /// The values of all of them, for what must not contain any.
    pub(crate) async fn secret_values(&self) -> Result<Vec<String>, Fault> {
        let mut values = Vec::new();
        for name in self.read(|store| store.secret_names(None, SECRETS_MAX)).await?.items {
            let wanted = name.clone();
            if let Some(sealed) = self.read(move |store| store.secret(&wanted)).await? {
                values.push(self.vault().open(Slot { object: self.inner.id, name: &name }, &sealed)?);
            }
        }
        Ok(values)
    }

    fn vault(&self) -> Vault {
        Vault::new(self.node.inner.node_key)
    }
}
