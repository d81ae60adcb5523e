//! Making a child, giving an object another parent, pointing to one.

use super::operation::{complete, write_done};
use crate::Caller;
use crate::bus::{FOLLOWERS_MAX, Wish};
use crate::functions::ANCESTORS_MAX;
use crate::history::ActionDraft;
use crate::node::{Node, registration};
use crate::object::{Object, fault_of};
use crate::objects::{refuse_destroyed, refuse_taken};
use crate::registry::{Entry, Known};
use serde_json::json;
use store::Turn;
use types::{
    ActionRow, Fault, FaultKind, FollowerState, Namespace, ObjectId, ObjectRelation, ObjectRow, Place, Row, Timestamp,
};

const SHARD_KEY_BYTES_MAX: usize = 256;

/// What another object is to be to this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelationWanted {
    pub relation: ObjectRelation,
    /// For a shard.
    pub shard_key: Option<String>,
    pub shard_index: Option<u32>,
    /// For a follower: which events it gets, `Customer.*`; None: `*.*`.
    pub event: Option<String>,
    /// For a follower: a condition on them.
    pub filter: Option<String>,
}

impl RelationWanted {
    /// Nothing but the relation.
    pub fn of(relation: ObjectRelation) -> Self {
        Self { relation, shard_key: None, shard_index: None, event: None, filter: None }
    }
}

impl Object {
    /// Makes a child (spec ID-4). Nothing of it is on disk but its registration and its parent's row, until it is first
    /// touched.
    pub async fn create_object(
        &self,
        caller: &Caller,
        namespace: Namespace,
        class: String,
    ) -> Result<ObjectRow, Fault> {
        caller.may("objects", "create")?;
        if !self.is_root() && (!self.namespace().contains(&namespace) || *self.namespace() == namespace) {
            return Err(Fault::forbidden(format!(
                "{namespace} does not lie below {}; a child's namespace begins with its parent's",
                self.namespace()
            )));
        }
        if namespace.segments() > Namespace::SEGMENTS_MAX {
            return Err(Fault::invalid(
                "NAMESPACE_TOO_DEEP",
                format!("{namespace} has more than {} path segments", Namespace::SEGMENTS_MAX),
            ));
        }
        self.refuse_unknown_class(&class).await?;
        self.finish_interrupted().await?;
        let draft = ActionDraft::of(caller, self.node.now(), "create", format!("Object/{namespace}"));
        let mut action = draft.running(&json!({ "class": class }));
        let parent = self.namespace();
        let Row::Object(child) =
            registration(&namespace, self.node.id_made_by(action.id), &class, Some(parent), draft.at)
        else {
            return Err(Fault::internal());
        };
        if self.is_root() {
            // One file, one transaction: it is done at once.
            complete(&mut action, draft.at);
            return self.register(child, Some(action)).await;
        }
        self.note_running(&action).await?;
        match self.node.root().await?.register(child.clone(), None).await {
            Ok(_) => self.complete(action.id, Some(Row::Object(child.clone()))).await.map(|()| child),
            Err(fault) => Err(self.give_up(action.id, fault).await),
        }
    }

    /// In the root's file: the row that says that an object is there.
    async fn register(&self, child: ObjectRow, action: Option<ActionRow>) -> Result<ObjectRow, Fault> {
        let node = self.node.clone();
        self.change_then(
            1024,
            move |turn| {
                refuse_taken(turn, &child.namespace, turn.at())?;
                if let Some(parent) = &child.parent {
                    refuse_destroyed(turn, parent)?;
                }
                turn.write(Row::Object(child.clone())).map_err(|e| fault_of(&e))?;
                action.map_or(Ok(()), |action| write_done(turn, action))?;
                Ok(child)
            },
            move |row: &ObjectRow| node.remember(row),
        )
        .await
    }

    /// Says what another object is to this one. True: nothing was said of it before.
    ///
    /// # Errors
    /// `conflict` for a cycle, and for a relation that would end a parent's or a child's; `forbidden` when the caller's
    /// key is not one of an object above all that are concerned.
    pub async fn relate_object(
        &self,
        caller: &Caller,
        namespace: &Namespace,
        wanted: RelationWanted,
    ) -> Result<(ObjectRow, bool), Fault> {
        caller.may("objects", "update")?;
        check_relation(self.namespace(), namespace, &wanted)?;
        self.finish_interrupted().await?;
        let (child, parent) = match wanted.relation {
            ObjectRelation::Parent => (self.namespace(), namespace),
            ObjectRelation::Child => (namespace, self.namespace()),
            ObjectRelation::Follower | ObjectRelation::Shard | ObjectRelation::Reference => {
                return self.point_to(caller, namespace, wanted).await;
            }
        };
        let known = self.object_named(caller, namespace).await.ok().filter(|row| row.relation == wanted.relation);
        if let Some(row) = known {
            self.follows_no_more(caller, &row.namespace).await?;
            return Ok((row, false));
        }
        self.adopt(caller, child, parent).await?;
        Ok((self.object_named(caller, namespace).await?, true))
    }

    /// What is said once more to be the parent or a child is nothing else.
    async fn follows_no_more(&self, caller: &Caller, namespace: &Namespace) -> Result<(), Fault> {
        let known = self.look(|store| store.follower(namespace).map_err(|e| fault_of(&e))).await?;
        if known.is_none() {
            return Ok(());
        }
        let draft = ActionDraft::of(caller, self.node.now(), "unlink", format!("Object/{namespace}"));
        let namespace = namespace.clone();
        self.change(512, move |turn| {
            if follow(turn, &namespace, None)? {
                let mut action = draft.running(&json!({ "relation": ObjectRelation::Follower.as_str() }));
                complete(&mut action, draft.at);
                write_done(turn, action)?;
            }
            Ok(())
        })
        .await
    }

    /// A row of this file alone.
    async fn point_to(
        &self,
        caller: &Caller,
        namespace: &Namespace,
        wanted: RelationWanted,
    ) -> Result<(ObjectRow, bool), Fault> {
        let registered = self.node.registered(namespace).await?;
        let is_there = registered.is_some() || namespace == self.node.default_namespace();
        if !is_there && wanted.relation != ObjectRelation::Reference {
            return Err(unknown(namespace));
        }
        let follows = follows(&wanted)?;
        // Its handlers will run for what is told to it.
        if follows.is_some() && !self.node.governs(caller, namespace).await? {
            return Err(Fault::forbidden(format!(
                "this key is not of {namespace} or an object above it; sending events there needs one"
            )));
        }
        let draft = ActionDraft::of(caller, self.node.now(), "link", format!("Object/{namespace}"));
        let row = ObjectRow {
            namespace: namespace.clone(),
            id: registered.as_ref().map_or(ObjectId::from_u128(0), |row| row.id),
            class: registered.map_or_else(|| "DO".to_owned(), |row| row.class),
            relation: wanted.relation,
            parent: None,
            created_at: draft.at,
            deleted: false,
            place: Place { shard_key: wanted.shard_key, shard_index: wanted.shard_index, ..Place::default() },
        };
        let object = self.inner.clone();
        self.change(1024, move |turn| {
            let before = turn.object_at(&row.namespace).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
            let is_family = |row: &&ObjectRow| matches!(row.relation, ObjectRelation::Parent | ObjectRelation::Child);
            let family = before.as_ref().filter(is_family).cloned();
            if let Some(row) = family.as_ref().filter(|_| follows.is_none()) {
                let relation = row.relation.as_str();
                let message = format!("{} is this object's {relation}, and stays it", row.namespace);
                return Err(Fault::conflict("RELATION_TAKEN", message));
            }
            if follows.is_some() {
                object.bus.has_followers();
            }
            let moved = follow(turn, &row.namespace, follows)?;
            if let Some(row) = family {
                // It follows beside what it is.
                if moved {
                    let mut action = draft.running(&json!({ "relation": ObjectRelation::Follower.as_str() }));
                    complete(&mut action, draft.at);
                    write_done(turn, action)?;
                }
                return Ok((row, false));
            }
            if let Some(before) = &before
                && !moved
                && before.relation == row.relation
                && before.place == row.place
            {
                return Ok((before.clone(), false));
            }
            let created_at = before.as_ref().map_or(row.created_at, |before| before.created_at);
            let row = ObjectRow { created_at, ..row };
            turn.write(Row::Object(row.clone())).map_err(|e| fault_of(&e))?;
            let mut action = draft.running(&json!({ "relation": row.relation.as_str() }));
            complete(&mut action, draft.at);
            write_done(turn, action)?;
            Ok((row, before.is_none()))
        })
        .await
    }

    /// Gives `child` another parent (spec OBJ-2); one of the two is this object.
    async fn adopt(&self, caller: &Caller, child: &Namespace, parent: &Namespace) -> Result<(), Fault> {
        let root = self.node.root().await?;
        if child == root.namespace() {
            return Err(Fault::conflict("OBJECT_IS_ROOT", format!("{child} is the root, which has no parent")));
        }
        let before = self.node.registered(child).await?.ok_or_else(|| unknown(child))?.parent;
        if !self.node.is_registered(parent).await? {
            return Err(unknown(parent));
        }
        for concerned in [Some(child), Some(parent), before.as_ref()].into_iter().flatten() {
            if !self.node.governs(caller, concerned).await? {
                return Err(Fault::forbidden(format!(
                    "this key is not of {concerned} or an object above it; giving {child} the parent {parent} needs one"
                )));
            }
        }
        let draft = ActionDraft::of(caller, self.node.now(), "update", format!("Object/{child}"));
        let action = draft
            .running(&json!({ "parent": parent.as_str(), "previousParent": before.as_ref().map(Namespace::as_str) }));
        self.note_running(&action).await?;
        let (node, wanted) = (self.node.clone(), (child.clone(), parent.clone()));
        let registered = root
            .change_then(
                1024,
                move |turn| {
                    let (child, parent) = wanted;
                    refuse_destroyed(turn, &parent)?;
                    refuse_cycle(turn, &child, &parent)?;
                    let row = turn.object_at(&child).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
                    let row = ObjectRow { parent: Some(parent), ..row.ok_or_else(|| unknown(&child))? };
                    turn.write(Row::Object(row.clone())).map_err(|e| fault_of(&e))?;
                    Ok(row)
                },
                move |row| {
                    node.remember(row);
                    // Other keys count there now.
                    node.inner.credentials.forget();
                },
            )
            .await;
        match registered {
            Ok(row) => {
                self.follow_registry(&row, before.as_ref()).await?;
                self.complete(action.id, None).await
            }
            Err(fault) => Err(self.give_up(action.id, fault).await),
        }
    }

    /// Makes the files of a child, its parent and the one before agree with the registry. Doing it twice changes nothing.
    pub(super) async fn follow_registry(&self, child: &ObjectRow, before: Option<&Namespace>) -> Result<(), Fault> {
        let root = self.node.default_namespace();
        let Some(parent) = &child.parent else { return Ok(()) };
        let at = self.node.now();
        let own = pointer(parent, ObjectRelation::Parent, at);
        let gone = before.filter(|before| *before != parent);
        let mut rows = vec![(child.namespace.clone(), own)];
        if let Some(before) = gone {
            rows.push((
                child.namespace.clone(),
                ObjectRow { deleted: true, ..pointer(before, ObjectRelation::Parent, at) },
            ));
            if before != root {
                rows.push((before.clone(), ObjectRow { deleted: true, ..child.clone() }));
            }
        }
        if parent != root {
            rows.push((parent.clone(), child.clone()));
        }
        for (of, row) in rows {
            self.node.tell(&of, row).await?;
        }
        Ok(())
    }
}

impl Node {
    /// Writes what an object knows of another into its file. Nothing, when it is not there any more.
    async fn tell(&self, of: &Namespace, row: ObjectRow) -> Result<(), Fault> {
        let object = match self.object(of).await {
            Ok(Some(object)) => object,
            Ok(None) => return Ok(()),
            Err(fault) if fault.kind == FaultKind::Gone => return Ok(()),
            Err(fault) => return Err(fault),
        };
        let write = move |turn: &mut Turn<'_>| turn.write(Row::Object(row)).map_err(|e| fault_of(&e));
        object.change(512, write).await
    }

    /// Has the file of a parent agree with what the registry says of a child: that it came to be, or that it is gone.
    /// Doing it twice changes nothing.
    pub(crate) async fn tell_parent(&self, child: ObjectRow) -> Result<(), Fault> {
        match child.parent.clone() {
            // The root's file is the registry.
            Some(parent) if parent != *self.default_namespace() => self.tell(&parent, child).await,
            Some(_) | None => Ok(()),
        }
    }

    fn remember(&self, row: &ObjectRow) {
        let entry = Entry { id: row.id, parent: row.parent.clone() };
        self.inner.registry.remember(row.namespace.clone(), Known::Object(entry));
    }

    /// Whether a caller's key is one of this object or of one above it. Who has no key is the host's own user.
    pub(crate) async fn governs(&self, caller: &Caller, namespace: &Namespace) -> Result<bool, Fault> {
        let Some(key) = caller.identity.key else { return Ok(true) };
        let mut at = self.object(namespace).await?;
        for _ in 0..ANCESTORS_MAX {
            let Some(object) = at else { return Ok(false) };
            if object.read(|store| store.key(key)).await?.is_some_and(|row| row.revoked_at.is_none()) {
                return Ok(true);
            }
            at = match object.parent().await? {
                Some(parent) => self.object(&parent).await?,
                None => None,
            };
        }
        Ok(false)
    }
}

fn unknown(namespace: &Namespace) -> Fault {
    Fault::not_found("OBJECT_NOT_FOUND", format!("there is no object {namespace} on this server"))
}

fn check_relation(own: &Namespace, other: &Namespace, wanted: &RelationWanted) -> Result<(), Fault> {
    if own == other {
        return Err(Fault::conflict("OBJECT_CYCLE", format!("{own} cannot be anything to itself")));
    }
    let is_shard = wanted.relation == ObjectRelation::Shard;
    if !is_shard && (wanted.shard_key.is_some() || wanted.shard_index.is_some()) {
        let message = "shardKey and shardIndex are for the relation shard";
        return Err(Fault::invalid("VALIDATION_FAILED", message));
    }
    if wanted.shard_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > SHARD_KEY_BYTES_MAX) {
        let message = format!("shardKey has 1 to {SHARD_KEY_BYTES_MAX} bytes");
        return Err(Fault::invalid("VALIDATION_FAILED", message));
    }
    Ok(())
}

/// Which events a follower is to get, and on what condition; None: it is to be none.
fn follows(wanted: &RelationWanted) -> Result<Option<(String, Option<String>)>, Fault> {
    if wanted.relation != ObjectRelation::Follower {
        if wanted.event.is_some() || wanted.filter.is_some() {
            return Err(Fault::invalid("VALIDATION_FAILED", "event and filter are for the relation follower"));
        }
        return Ok(None);
    }
    let event = wanted.event.clone().unwrap_or_else(|| "*.*".to_owned());
    Wish::read(&event, wanted.filter.as_deref())?;
    Ok(Some((event, wanted.filter.clone())))
}

/// Writes what another object follows, from the next event on; whether that is new. What was wanted and not sent yet is
/// judged by the new wish.
fn follow(
    turn: &mut Turn<'_>,
    namespace: &Namespace,
    follows: Option<(String, Option<String>)>,
) -> Result<bool, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let before = turn.follower(namespace).map_err(fault)?.map(|follower| follower.state);
    let state = match (before, follows) {
        (None, None) => return Ok(false),
        (Some(before), Some((event, filter))) if before.event == event && before.filter == filter => return Ok(false),
        (Some(before), Some((event, filter))) => Some(Box::new(FollowerState { event, filter, ..before })),
        (Some(_), None) => None,
        (None, Some((event, filter))) => {
            if turn.followers().map_err(fault)?.len() >= FOLLOWERS_MAX {
                let message = format!("{FOLLOWERS_MAX} objects follow this one, which is the limit");
                return Err(Fault::limit("FOLLOWERS_LIMIT", message));
            }
            // The event that says so is not for it.
            let through = turn.next_sequence();
            Some(Box::new(FollowerState { event, filter, through, failed: 0, retry_at: None, error: None }))
        }
    };
    turn.write(Row::Follower { namespace: namespace.clone(), state }).map_err(fault)?;
    Ok(true)
}

/// Goes up from the parent to be: the child must not be met.
fn refuse_cycle(turn: &Turn<'_>, child: &Namespace, parent: &Namespace) -> Result<(), Fault> {
    let mut at = parent.clone();
    for _ in 0..ANCESTORS_MAX {
        if at == *child {
            let message = format!("{child} stands above {parent} already; it cannot be below it too");
            return Err(Fault::conflict("OBJECT_CYCLE", message));
        }
        match turn.object_at(&at).map_err(|e| fault_of(&e))?.and_then(|row| row.parent) {
            Some(above) => at = above,
            None => return Ok(()),
        }
    }
    let message = format!("{parent} has {ANCESTORS_MAX} objects above it, which is the limit");
    Err(Fault::limit("OBJECT_DEPTH_LIMIT", message))
}

/// A row that only names another object: which file it has is the registry's knowledge.
fn pointer(namespace: &Namespace, relation: ObjectRelation, at: Timestamp) -> ObjectRow {
    ObjectRow {
        namespace: namespace.clone(),
        id: ObjectId::from_u128(0),
        class: "DO".to_owned(),
        relation,
        parent: None,
        created_at: at,
        deleted: false,
        place: Place::default(),
    }
}
