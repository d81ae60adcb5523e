//! Objects and each other: whose child one is, what else it knows (spec 2.7).
//!
//! The root object's rows register every object of the installation and whose child it is; that is the truth. The rows
//! in an object's own file (its parent, its children) follow it. What touches more than one file is an action of
//! durability `do`: it is noted as running, then the registry changes, and that is the point of no return; then the
//! other files change, and the action is completed. What a stop of the host left running is finished when the object
//! is next opened if the registry has it, and has failed otherwise.
//!
//! Layout: here what is told, `change` what changes it, `classes` what an object is, `operation` what goes on after a stop of the host.

use crate::Caller;
use crate::node::Node;
use crate::object::{Object, fault_of};
use crate::registry::Known;
use crate::things::Rules;
use store::Follower;
use types::{Class, Fault, Namespace, ObjectRelation, ObjectRow, Timestamp};

mod change;
mod classes;
mod operation;
pub use change::RelationWanted;
pub(crate) use classes::unknown as unknown_class;
pub(crate) use operation::{go_on, is_operation};

/// Rows to other objects that are told at once.
const OBJECTS_TOLD_MAX: usize = 10_000;

/// An object as it tells of itself (spec CLS-2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SelfShown {
    pub namespace: Namespace,
    pub class: String,
    /// What that class extends, the nearest first, `DO` last; empty for a `DO`.
    pub extends: Vec<Class>,
    /// None for the root.
    pub parent: Option<Namespace>,
    pub children: u64,
    /// None: the installation's first location.
    pub region: Option<String>,
    /// The newest version of any thing.
    pub version: u64,
    /// Of the newest event.
    pub sequence: u64,
    /// What is set for everybody who uses it.
    pub rules: Rules,
    pub created_at: Timestamp,
}

impl Node {
    /// Whose child an object is; None for the root.
    pub(crate) async fn parent_of(&self, namespace: &Namespace) -> Result<Option<Namespace>, Fault> {
        match self.known(namespace).await? {
            Known::Object(entry) => Ok(entry.parent),
            Known::Nothing | Known::Destroyed(_) => Ok(None),
        }
    }

    /// What is registered under a namespace; nothing for the root, which registers itself nowhere.
    async fn registered(&self, namespace: &Namespace) -> Result<Option<ObjectRow>, Fault> {
        let (root, namespace) = (self.root().await?, namespace.clone());
        let row = root.look(|store| store.object_at(&namespace).map_err(|e| fault_of(&e))).await?;
        Ok(row.filter(|row| !row.deleted))
    }
}

impl Object {
    pub(crate) fn is_root(&self) -> bool {
        self.namespace() == self.node.default_namespace()
    }

    /// Whose child it is; None for the root.
    pub async fn parent(&self) -> Result<Option<Namespace>, Fault> {
        self.node.parent_of(self.namespace()).await
    }

    /// What the object tells of itself.
    pub async fn about(&self, caller: &Caller) -> Result<SelfShown, Fault> {
        caller.may("objects", "read")?;
        self.finish_interrupted().await?;
        let registered = self.node.registered(self.namespace()).await?;
        let own = self.namespace().clone();
        let (children, version, sequence, created_at) = self
            .look(|store| {
                let children = store.children_of(&own).map_err(|e| fault_of(&e))?;
                let created_at = store.origin().map(|origin| origin.created_at).ok_or_else(Fault::internal)?;
                Ok((children, store.next_version() - 1, store.next_sequence() - 1, created_at))
            })
            .await?;
        let (class, parent, region) = match registered {
            Some(row) => (row.class, row.parent, row.place.region),
            None => ("DO".to_owned(), None, None),
        };
        let extends = self.extended_by(&class).await?;
        let rules = Rules::clone(&self.inner.settings.get());
        let namespace = own;
        Ok(SelfShown { namespace, class, extends, parent, children, region, version, sequence, rules, created_at })
    }

    /// The objects that this one has rows of: its parent, its children, what it follows or knows.
    pub async fn objects(&self, caller: &Caller) -> Result<Vec<ObjectRow>, Fault> {
        caller.may("objects", "read")?;
        self.finish_interrupted().await?;
        let (mut rows, mut after) = (Vec::new(), None);
        while rows.len() < OBJECTS_TOLD_MAX {
            let from: Option<Namespace> = after.take();
            let page =
                self.look(|store| store.objects(from.as_ref(), store::PAGE_MAX).map_err(|e| fault_of(&e))).await?;
            rows.extend(page.items.into_iter().filter(|row| self.is_own(row)));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        rows.truncate(OBJECTS_TOLD_MAX);
        self.as_registered(rows).await
    }

    /// The objects that follow this one's events, each with what it wants and how far it has that.
    pub async fn followers(&self, caller: &Caller) -> Result<Vec<Follower>, Fault> {
        caller.may("objects", "read")?;
        self.look(|store| store.followers().map_err(|e| fault_of(&e))).await
    }

    /// One of the objects that this one knows.
    pub async fn object_named(&self, caller: &Caller, namespace: &Namespace) -> Result<ObjectRow, Fault> {
        caller.may("objects", "read")?;
        self.finish_interrupted().await?;
        let row = self.look(|store| store.object_at(namespace).map_err(|e| fault_of(&e))).await?;
        let rows = self.as_registered(row.into_iter().filter(|row| self.is_own(row)).collect()).await?;
        rows.into_iter().next().ok_or_else(|| {
            Fault::not_found("OBJECT_NOT_FOUND", format!("{} knows no object {namespace}", self.namespace()))
        })
    }

    /// The root has a row for every object of the installation; its own are those of its children.
    fn is_own(&self, row: &ObjectRow) -> bool {
        let is_childs = row.relation == ObjectRelation::Child;
        !row.deleted && (!is_childs || row.parent.as_ref() == Some(self.namespace()))
    }

    /// With what the registry says of them now; without those that it says are no family any more.
    async fn as_registered(&self, rows: Vec<ObjectRow>) -> Result<Vec<ObjectRow>, Fault> {
        if self.is_root() {
            return Ok(rows);
        }
        let parent = self.parent().await?;
        let own = self.namespace();
        let root = self.node.root().await?;
        root.look(|store| {
            let mut shown = Vec::with_capacity(rows.len());
            for mut row in rows {
                let registered = store.object_at(&row.namespace).map_err(|e| fault_of(&e))?.filter(|r| !r.deleted);
                let holds = match row.relation {
                    ObjectRelation::Child => registered.as_ref().is_some_and(|r| r.parent.as_ref() == Some(own)),
                    ObjectRelation::Parent => parent.as_ref() == Some(&row.namespace),
                    ObjectRelation::Follower | ObjectRelation::Shard | ObjectRelation::Reference => true,
                };
                if let Some(registered) = registered {
                    row.class = registered.class;
                    row.place.region = registered.place.region;
                }
                shown.extend(holds.then_some(row));
            }
            Ok(shown)
        })
        .await
    }
}
