//! Objects and each other: whose child one is, what else it knows (spec 2.7).
//!
//! The root object's rows register every object of the installation and whose child it is; that is the truth. The rows
//! in an object's own file (its parent, its children) follow it. What touches more than one file is an action of
//! durability `do`: it is noted as running, then the registry changes, and that is the point of no return; then the
//! other files change, and the action is completed. What a stop of the host left running is finished when the object
//! is next opened if the registry has it, and has failed otherwise.

use crate::Caller;
use crate::commit::{NewEvent, write_event};
use crate::functions::ANCESTORS_MAX;
use crate::history::ActionDraft;
use crate::node::{Node, registration};
use crate::object::{Object, fault_of};
use crate::registry::Entry;
use serde_json::json;
use store::Turn;
use types::{
    ActionRow, ActionStatus, Durability, Fault, FaultKind, Id, Namespace, ObjectId, ObjectRelation, ObjectRow, Place,
    Row, Timestamp,
};

/// Rows to other objects that are told at once.
const OBJECTS_TOLD_MAX: usize = 10_000;
const SHARD_KEY_BYTES_MAX: usize = 256;

/// An object as it tells of itself (spec CLS-2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SelfShown {
    pub namespace: Namespace,
    pub class: String,
    /// None for the root.
    pub parent: Option<Namespace>,
    pub children: u64,
    /// None: the installation's first location.
    pub region: Option<String>,
    /// The newest version of any thing.
    pub version: u64,
    /// Of the newest event.
    pub sequence: u64,
    pub created_at: Timestamp,
}

/// What another object is to be to this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelationWanted {
    pub relation: ObjectRelation,
    /// For a shard.
    pub shard_key: Option<String>,
    pub shard_index: Option<u32>,
}

/// Whether an unfinished action is one of those that go on after a stop of the host.
pub(crate) fn is_operation(action: &ActionRow) -> bool {
    action.durability == Durability::Do
        && action.target.starts_with("Object/")
        && matches!(action.verb.as_str(), "create" | "update")
}

/// Finishes, beside whatever it is opened for, what a stop of the host interrupted in an object.
pub(crate) fn go_on(object: &Object) {
    if object.inner.interrupted.is_empty() || object.inner.family.initialized() {
        return;
    }
    let object = object.clone();
    tokio::spawn(async move {
        if let Err(fault) = object.finish_interrupted().await {
            tracing::warn!(namespace = %object.namespace(), %fault, "an interrupted operation is not finished yet");
        }
    });
}

impl Node {
    /// Whose child an object is; None for the root.
    pub(crate) async fn parent_of(&self, namespace: &Namespace) -> Result<Option<Namespace>, Fault> {
        Ok(self.entry(namespace).await?.and_then(|entry| entry.parent))
    }

    /// What is registered under a namespace; nothing for the root, which registers itself nowhere.
    async fn registered(&self, namespace: &Namespace) -> Result<Option<ObjectRow>, Fault> {
        let (root, namespace) = (self.root().await?, namespace.clone());
        let row = root.look(|store| store.object_at(&namespace).map_err(|e| fault_of(&e))).await?;
        Ok(row.filter(|row| !row.deleted))
    }

    /// The id of the object that an action makes. Whoever knows the action finds out whether it was this one that made
    /// it; nobody else can guess it.
    fn id_made_by(&self, action: Id) -> ObjectId {
        let key = blake3::derive_key("org.ai 2026-11 object ids", &self.inner.node_key);
        let hash = blake3::keyed_hash(&key, &action.to_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        ObjectId::from_u128(u128::from_be_bytes(id))
    }

    fn remember(&self, row: &ObjectRow) {
        let entry = Entry { id: row.id, parent: row.parent.clone() };
        self.inner.registry.remember(row.namespace.clone(), Some(entry));
    }
}

impl Object {
    fn is_root(&self) -> bool {
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
        Ok(SelfShown { namespace: own, class, parent, children, region, version, sequence, created_at })
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

    /// One of them.
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
        if crate::class::Class::parse(&class).is_none() {
            let class = &class[..class.floor_char_boundary(64)];
            let message = format!("{class:?} is no class; accepted: {}", crate::class::Class::names());
            return Err(Fault::invalid("CLASS_INVALID", message));
        }
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
        let (node, after) = (self.node.clone(), self.node.clone());
        self.change_then(
            1024,
            move |turn| {
                let existing = turn.object_at(&child.namespace).map_err(|e| fault_of(&e))?;
                if existing.is_some_and(|row| !row.deleted) || child.namespace == *node.default_namespace() {
                    return Err(Fault::conflict("OBJECT_EXISTS", format!("{} exists already", child.namespace)));
                }
                turn.write(Row::Object(child.clone())).map_err(|e| fault_of(&e))?;
                action.map_or(Ok(()), |action| write_done(turn, action))?;
                Ok(child)
            },
            move |row: &ObjectRow| after.remember(row),
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
            return Ok((row, false));
        }
        self.adopt(caller, child, parent).await?;
        Ok((self.object_named(caller, namespace).await?, true))
    }

    /// A row of this file alone.
    async fn point_to(
        &self,
        caller: &Caller,
        namespace: &Namespace,
        wanted: RelationWanted,
    ) -> Result<(ObjectRow, bool), Fault> {
        let registered = self.node.registered(namespace).await?;
        if registered.is_none() && wanted.relation != ObjectRelation::Reference {
            return Err(unknown(namespace));
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
        self.change(1024, move |turn| {
            let before = turn.object_at(&row.namespace).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
            if let Some(before) = &before {
                if matches!(before.relation, ObjectRelation::Parent | ObjectRelation::Child) {
                    let relation = before.relation.as_str();
                    let message = format!("{} is this object's {relation}, and stays it", row.namespace);
                    return Err(Fault::conflict("RELATION_TAKEN", message));
                }
                if before.relation == row.relation && before.place == row.place {
                    return Ok((before.clone(), false));
                }
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
    async fn follow_registry(&self, child: &ObjectRow, before: Option<&Namespace>) -> Result<(), Fault> {
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
            let Some(object) = self.node.object(&of).await? else { continue };
            let write = move |turn: &mut Turn<'_>| turn.write(Row::Object(row)).map_err(|e| fault_of(&e));
            object.change(512, write).await?;
        }
        Ok(())
    }

    /// Finishes what a stop of the host interrupted; nobody sees the family before.
    async fn finish_interrupted(&self) -> Result<(), Fault> {
        let finish = || async {
            for action in &self.inner.interrupted {
                self.go_on_with(action).await?;
            }
            Ok(())
        };
        self.inner.family.get_or_try_init(finish).await.map(|()| ())
    }

    async fn go_on_with(&self, action: &ActionRow) -> Result<(), Fault> {
        let target = action.target.strip_prefix("Object/").and_then(|text| Namespace::parse(text).ok());
        let Some(namespace) = target else { return Err(Fault::internal()) };
        let registered = self.node.registered(&namespace).await?;
        let options = action.options.to_value();
        let option = |name: &str| options[name].as_str().and_then(|text| Namespace::parse(text).ok());
        let interrupted = || Fault::failed("INTERRUPTED", "the host stopped before this was done");
        match registered {
            Some(row) if action.verb == "create" && row.id == self.node.id_made_by(action.id) => {
                self.complete(action.id, Some(Row::Object(row))).await
            }
            Some(row) if action.verb == "update" && row.parent.is_some() && row.parent == option("parent") => {
                self.follow_registry(&row, option("previousParent").as_ref()).await?;
                self.complete(action.id, None).await
            }
            Some(_) | None => self.fail(action.id, interrupted()).await,
        }
    }

    /// Notes an action that goes on.
    async fn note_running(&self, action: &ActionRow) -> Result<(), Fault> {
        let row = Row::Action(action.clone());
        self.change(1024, move |turn| turn.write(row).map_err(|e| fault_of(&e))).await
    }

    /// Ends it well, with its event; once.
    async fn complete(&self, action: Id, with: Option<Row>) -> Result<(), Fault> {
        self.change(1024, move |turn| {
            let Some(mut action) = open_action(turn, action)? else { return Ok(()) };
            with.map_or(Ok(()), |row| turn.write(row)).map_err(|e| fault_of(&e))?;
            let at = turn.at();
            complete(&mut action, at);
            write_done(turn, action)
        })
        .await
    }

    async fn fail(&self, action: Id, fault: Fault) -> Result<(), Fault> {
        self.change(1024, move |turn| {
            let Some(mut action) = open_action(turn, action)? else { return Ok(()) };
            complete(&mut action, turn.at());
            action.status = ActionStatus::Failed;
            action.error = Some(fault);
            turn.write(Row::Action(action)).map_err(|e| fault_of(&e))
        })
        .await
    }

    /// The registry refused: the action has failed. When it is not known whether it did, the next opening will tell.
    async fn give_up(&self, action: Id, fault: Fault) -> Fault {
        if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) {
            return fault;
        }
        if let Err(error) = self.fail(action, fault.clone()).await {
            tracing::warn!(namespace = %self.namespace(), fault = %error, "a refused operation could not be noted");
        }
        fault
    }
}

impl Node {
    /// Whether a caller's key is one of this object or of one above it. Who has no key is the host's own user.
    async fn governs(&self, caller: &Caller, namespace: &Namespace) -> Result<bool, Fault> {
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

fn open_action(turn: &Turn<'_>, action: Id) -> Result<Option<ActionRow>, Fault> {
    let row = turn.action(action).map_err(|e| fault_of(&e))?;
    Ok(row.filter(|row| row.status == ActionStatus::Running))
}

fn complete(action: &mut ActionRow, at: Timestamp) {
    action.status = ActionStatus::Completed;
    action.completed_at = Some(at);
    action.duration_us = Some(at.millis_since(action.created_at) * 1000);
}

fn write_done(turn: &mut Turn<'_>, action: ActionRow) -> Result<(), Fault> {
    let event = model::verb::find(&action.verb, &[]).map_or_else(|| action.verb.clone(), |verb| verb.event.clone());
    let event = NewEvent { verb: event, source: action.target.clone(), data: action.options.clone() };
    let (id, at) = (action.id, turn.at());
    turn.write(Row::Action(action)).and_then(|()| write_event(turn, event, id, at)).map_err(|e| fault_of(&e))
}
