//! An object that another one makes: nobody finds it before it is registered, which is the moment it comes to be.

use super::job::Stop;
use crate::commit::{NewEvent, write_event};
use crate::history::target_of;
use crate::node::registration;
use crate::object::{Object, fault_of};
use crate::objects::{refuse_destroyed, refuse_taken};
use crate::registry::{Entry, Known};
use crate::{Node, things};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use types::{Fault, Id, Json, Namespace, ObjectId, ObjectRelation, ObjectRow, Place, Row, ThingRow};

/// What is known of it from the beginning on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Offspring {
    pub(super) namespace: Namespace,
    /// In hex.
    id: String,
    pub(super) class: String,
    parent: Namespace,
}

impl Offspring {
    pub(super) fn new(namespace: Namespace, class: String, parent: Namespace) -> Self {
        let id = ObjectId::from_u128(rand::random()).to_string();
        Self { namespace, id, class, parent }
    }

    pub(super) fn id(&self) -> Result<ObjectId, Fault> {
        let id = u128::from_str_radix(&self.id, 16).map_err(|_| Fault::internal())?;
        Ok(ObjectId::from_u128(id))
    }

    /// As the first note of an operation.
    pub(super) fn noted(&self) -> Map<String, Value> {
        Map::from_iter([("offspring".to_owned(), serde_json::to_value(self).unwrap_or_default())])
    }

    /// # Errors
    /// `conflict` when the name is taken, or rests.
    pub(super) async fn refuse_taken(&self, node: &Node) -> Result<(), Fault> {
        if self.namespace.segments() > Namespace::SEGMENTS_MAX {
            let message = format!("{} has more than {} path segments", self.namespace, Namespace::SEGMENTS_MAX);
            return Err(Fault::invalid("NAMESPACE_TOO_DEEP", message));
        }
        let (namespace, now) = (self.namespace.clone(), node.now());
        node.root().await?.look(move |root| refuse_taken(root, &namespace, now)).await
    }

    async fn is_registered(&self, node: &Node) -> Result<bool, Fault> {
        let (namespace, id) = (self.namespace.clone(), self.id()?);
        let row = node.root().await?.read(move |root| root.object_at(&namespace)).await?;
        Ok(row.is_some_and(|row| row.id == id && !row.deleted))
    }

    /// The object, registered or not.
    pub(super) async fn open(&self, node: &Node) -> Result<Object, Fault> {
        let entry = Entry { id: self.id()?, parent: Some(self.parent.clone()) };
        node.open_unregistered(&self.namespace, &entry).await
    }

    /// From here on it can be found. Can be done twice.
    pub(super) async fn register(&self, node: &Node, action: Id) -> Result<(), Fault> {
        let id = self.id()?;
        // What it keeps in memory is from before it was filled.
        node.forget(id).await;
        if self.is_registered(node).await? {
            return Ok(());
        }
        let (own, registry) = (self.clone(), node.clone());
        let change = move |root: &mut store::Turn<'_>| {
            let at = root.at();
            refuse_taken(root, &own.namespace, at)?;
            refuse_destroyed(root, &own.parent)?;
            let write = |root: &mut store::Turn<'_>| {
                root.write(registration(&own.namespace, id, &own.class, Some(&own.parent), at))?;
                let data = Json::from_value(&json!({ "class": own.class }));
                let event = NewEvent { verb: "created".to_owned(), source: target_of(&own.namespace), data };
                write_event(root, event, action, at)
            };
            write(root).map_err(|e| fault_of(&e))
        };
        let (namespace, parent) = (self.namespace.clone(), Some(self.parent.clone()));
        let then = move |(): &()| registry.inner.registry.remember(namespace, Known::Object(Entry { id, parent }));
        node.root().await?.change_then(1024, change, then).await
    }

    /// Its parent's file has it, once it is registered. Can be done twice.
    pub(super) async fn tell_parent(&self, node: &Node) -> Result<(), Fault> {
        let (namespace, id) = (self.namespace.clone(), self.id()?);
        let row = node.root().await?.read(move |root| root.object_at(&namespace)).await?;
        match row.filter(|row| row.id == id && !row.deleted) {
            Some(row) => node.tell_parent(row).await,
            None => Ok(()),
        }
    }

    /// Removes one that was never registered.
    pub(super) async fn discard(&self, node: &Node) {
        let is_registered = self.is_registered(node).await.unwrap_or(true);
        let Ok(id) = self.id() else { return };
        if !is_registered && let Err(fault) = node.bury(id).await {
            tracing::warn!(%id, %fault, "an unfinished object is not removed");
        }
    }

    /// A pointer to it, or from it, in the file of the other.
    pub(super) fn reference(namespace: &Namespace, id: ObjectId, class: &str, at: types::Timestamp) -> Row {
        Row::Object(ObjectRow {
            namespace: namespace.clone(),
            id,
            class: class.to_owned(),
            relation: ObjectRelation::Reference,
            parent: None,
            created_at: at,
            deleted: false,
            place: Place::default(),
        })
    }
}

/// The bytes that one turn copies at most.
pub(super) const TURN_BYTES_MAX: usize = 4 << 20;

/// Copies versions into an object, each as the next one there; a turn for every few megabytes.
pub(super) async fn copy_into(target: &Object, rows: Vec<ThingRow>, action: Id) -> Result<(), Stop> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next_if(|row| bytes == 0 || bytes + size_of(row) <= TURN_BYTES_MAX) {
            bytes += size_of(&row);
            batch.push(row);
        }
        let inner = target.inner.clone();
        target
            .change(bytes, move |turn| {
                for row in &batch {
                    things::copy(turn, &inner.nouns, row, action)?;
                    crate::schedules::copied(turn, row)?;
                    if row.key.noun.as_str() == "Noun" {
                        inner.nouns.changed();
                    }
                }
                Ok(())
            })
            .await?;
    }
    Ok(())
}

/// What a version weighs in a record, roughly: its text twice, for the search index.
pub(super) fn size_of(row: &ThingRow) -> usize {
    512 + 2 * row.data.as_str().len()
}
