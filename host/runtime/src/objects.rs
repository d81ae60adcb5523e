//! Objects come and go: opening a file, bringing it up to date with the log, writing it out.

use crate::bus::Bus;
use crate::declared::{Declared, Kind, Stored, listener_of};
use crate::functions::{Functions, NOUN};
use crate::node::{Node, NodeInner};
use crate::object::{Inner, LeftOpen, Parts, fault_of};
use crate::registry::{Entry, REST};
use crate::things::{Rules, SETTINGS, Settings};
use crate::{family, lifecycle};
use commit_log::Outcome;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Deleted, Line, Reader, Retained, Store, ThingList};
use types::{
    ActionRow, ActionStatus, Fault, FaultKind, Namespace, Noun, ObjectId, ObjectRelation, ObjectRow, Place, Record,
    Row, ThingRow, Timestamp,
};

/// The longest a shutdown spends on checkpoints; what is left is recovered from the log at the next start.
const SHUTDOWN_CHECKPOINTS: Duration = Duration::from_secs(10);
/// How long a checkpoint waits for an open turn to end.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_millis(250);
/// How long recovery waits for the log to take records it lacked.
const RECOVERY_WAIT: Duration = Duration::from_secs(30);

/// Opens an object's file and makes it agree with the log. Blocks.
///
/// The file can be behind the log (its pages were lost) or ahead of it (the power went between its commit and the
/// log's sync): what it lacks is applied, what the log lacks is appended again, and nobody sees the object before that
/// is durable.
pub(crate) fn open_file(
    node: &NodeInner,
    id: ObjectId,
    known: Option<(Namespace, Entry)>,
) -> Result<Arc<Inner>, Fault> {
    if node.graves.has(id) {
        return Err(Fault::not_found("OBJECT_NOT_FOUND", "there is no such object"));
    }
    let path = node.file_of(id).ok_or_else(|| {
        let message = "the object is kept in a location that this host was not started with";
        Fault::new(FaultKind::Unavailable, "LOCATION_UNKNOWN", message)
    })?;
    let fault = |error: store::Error| {
        tracing::error!(%id, %error, "an object's file cannot be opened");
        fault_of(&error)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| fault(e.into()))?;
    }
    let retained = Retained {
        tail: node.log.tail(id),
        head: node.log.head(id),
        replay: &mut |after| node.log.replay(id, after).map_err(Into::into),
    };
    let options = store::Options { faults: node.config.faults.clone(), ..store::Options::STANDARD };
    let recovered = store::recover(&path, id, &options, retained).map_err(fault)?;
    let mut store = recovered.store;
    let ahead = recovered.undurable.into_iter().map(Arc::new);
    let known = match (store.origin().is_none(), known) {
        // A file without an origin and nobody to say what it is: there is no such object.
        (true, None) => return Err(Fault::not_found("OBJECT_NOT_FOUND", "there is no such object")),
        (_, known) => known,
    };
    let origin = store.origin().map(|origin| origin.namespace.clone());
    let (namespace, first, found) = match (origin, known) {
        (Some(namespace), _) => {
            let (settled, interrupted) = settle_interrupted(node, &mut store).map_err(fault)?;
            append_and_wait(node, ahead.chain(settled).collect())?;
            (namespace, None, Found { interrupted, ..look_at(node, &store).map_err(fault)? })
        }
        // Nothing is in it yet, so nothing is read: the first write to a new object waits for this.
        (None, Some((namespace, entry))) => {
            append_and_wait(node, ahead.collect())?;
            let first = write_origin(node, &mut store, &namespace, &entry).map_err(fault)?;
            (namespace, first, Found::default())
        }
        (None, None) => return Err(Fault::internal()),
    };
    // An object's first record is waited for by nobody: what is appended after it is not durable before it.
    let confirmed = if first.is_some() { 0 } else { store.applied_seq() };
    store.confirm(confirmed);
    let Found { functions, declared, has_nouns, has_verbs, settings, interrupted, left_open, bus } = found;
    let functions = Functions::of(&functions)?;
    let declared = Declared::of(&declared);
    let object = Arc::new(Inner::new(
        Parts {
            id,
            namespace,
            store,
            functions,
            declared,
            has_nouns,
            has_verbs,
            settings,
            interrupted,
            left_open,
            bus,
            confirmed,
        },
        node,
    ));
    if let Some(first) = first {
        let (seq, waiting) = (first.seq, object.clone());
        node.log.append(
            vec![first],
            Box::new(move |outcome| match outcome {
                Outcome::Durable => waiting.confirm(seq),
                Outcome::Fenced | Outcome::Refused(_) | Outcome::Unknown(_) => {
                    waiting.refused(&format!("its first record did not reach the log: {outcome:?}"));
                }
            }),
        );
    }
    Ok(object)
}

/// What a file says that an open object keeps in memory.
#[derive(Default)]
struct Found {
    functions: Vec<ThingRow>,
    declared: Vec<Stored>,
    has_nouns: bool,
    has_verbs: bool,
    settings: Settings,
    interrupted: Vec<ActionRow>,
    left_open: Option<LeftOpen>,
    bus: Bus,
}

fn look_at(node: &NodeInner, store: &Store) -> Result<Found, store::Error> {
    let has = |noun: &str| store.has_noun(&Noun::parse(noun).expect("it is PascalCase"));
    let (has_nouns, has_verbs) = (has("Noun")?, has("Verb")?);
    let settings = if has(SETTINGS)? { Settings::new(Rules::read(store)?) } else { Settings::default() };
    let mut declared = Vec::new();
    for kind in Kind::ALL {
        if has(kind.noun())? {
            for row in all_of(store, kind.noun())? {
                let after = match listener_of(kind, row.key.id.as_str()) {
                    Some(listener) => store.subscribed_after(&listener)?.unwrap_or(0),
                    None => 0,
                };
                declared.push(Stored { kind, row, after });
            }
        }
    }
    let begin = declared.iter().filter(|d| crate::bus::listens(d.kind, &d.row)).map(|d| d.after).min();
    let has_events = match begin {
        Some(begin) => begin.max(store.delivered()?) < store.next_sequence() - 1,
        None => false,
    };
    let has_events = has_events || store.has_unforwarded()?;
    let next_due = next_time(node, store)?;
    let left = LeftOpen { is_ready: store.has_ready_invocations()?, next_due, has_events };
    let bus = Bus::default();
    if !store.followers()?.is_empty() {
        bus.has_followers();
    }
    let left_open = Some(left).filter(|left| left.is_ready || left.next_due.is_some() || left.has_events);
    let functions = all_of(store, NOUN)?;
    Ok(Found { functions, declared, has_nouns, has_verbs, settings, interrupted: Vec::new(), left_open, bus })
}

/// The newest version of each thing of a noun that is not deleted.
fn all_of(store: &Store, noun: &str) -> Result<Vec<ThingRow>, store::Error> {
    let noun = Noun::parse(noun).expect("it is PascalCase");
    let (filters, sort) = (Vec::new(), Vec::new());
    let mut list =
        ThingList { noun, deleted: Deleted::Hidden, filters, sort, after: None, offset: 0, limit: store::PAGE_MAX };
    let mut found = Vec::new();
    loop {
        let page = store.things(&Line::main(), &list)?;
        found.extend(page.items);
        match found.last().filter(|_| page.is_more) {
            Some(last) => list.after = Some(last.key.id.clone()),
            None => return Ok(found),
        }
    }
}

/// The first record of each object: what it is, and whose child.
fn write_origin(
    node: &NodeInner,
    store: &mut Store,
    namespace: &Namespace,
    entry: &Entry,
) -> Result<Option<Arc<Record>>, store::Error> {
    let at = node.clock.now();
    let mut turn = store.turn(node.epoch, at)?;
    turn.write(Row::Origin { namespace: namespace.clone(), created_at: at })?;
    if let Some(parent) = &entry.parent {
        turn.write(Row::Object(ObjectRow {
            namespace: parent.clone(),
            // Which file the parent has is the registry's knowledge; here it is a name.
            id: ObjectId::from_u128(0),
            class: "DO".to_owned(),
            relation: ObjectRelation::Parent,
            parent: None,
            created_at: at,
            deleted: false,
            place: Place::default(),
        }))?;
    }
    turn.commit()
}

/// `send` and `try` do not survive a crash: what they left open ended in it (spec 6.1). What goes on is handed back.
fn settle_interrupted(
    node: &NodeInner,
    store: &mut Store,
) -> Result<(Option<Arc<Record>>, Vec<ActionRow>), store::Error> {
    let open = store.unfinished_actions(None, store::PAGE_MAX)?.items;
    let (goes_on, ended): (Vec<_>, Vec<_>) = open.into_iter().partition(goes_on);
    if ended.is_empty() {
        return Ok((None, goes_on));
    }
    let at = node.clock.now();
    let mut turn = store.turn(node.epoch, at)?;
    for mut action in ended {
        action.status = ActionStatus::Failed;
        action.completed_at = Some(at);
        action.error = Some(Fault::failed("INTERRUPTED", "the host stopped while this ran"));
        turn.write(Row::Action(action))?;
    }
    Ok((turn.commit()?, goes_on))
}

/// Whether an unfinished action is one that outlives a stop of the host.
pub(crate) fn goes_on(action: &ActionRow) -> bool {
    family::is_operation(action) || lifecycle::is_operation(action) || crate::application::is_operation(action)
}

fn append_and_wait(node: &NodeInner, records: Vec<Arc<Record>>) -> Result<(), Fault> {
    if records.is_empty() {
        return Ok(());
    }
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    node.log.append(
        records,
        Box::new(move |outcome| {
            // Who waited may have given up; the record is in the log all the same.
            let _ = answer.send(matches!(outcome, Outcome::Durable));
        }),
    );
    match answered.recv_timeout(RECOVERY_WAIT) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Fault::new(
            FaultKind::Unavailable,
            "STORAGE_FULL",
            "the host cannot write its log (its disk is full or failing); free space there, then try again",
        )),
    }
}

/// Writes the file of one object out, so that the log may forget its records. Blocks.
///
/// In this order: the file, what the node knows of the object's next time (`store::WakeTable`), the log. A node that
/// starts wakes whom the table names and whom the log retains records of. So between the first and the second the log
/// still tells of the object; did the log forget before the second, a crash in between would leave an object that nobody
/// wakes. A table that is ahead of what the log has wakes an object for nothing, once.
fn checkpoint(node: &NodeInner, object: &Inner) -> Result<(), store::Error> {
    let mut guard = object.store();
    let Some(store) = guard.as_mut().filter(|_| !object.is_copying()) else { return Ok(()) };
    // Only what the log has: a file must not run ahead of it for longer than a commit takes.
    if object.confirmed_seq() < store.applied_seq() {
        return Ok(());
    }
    let seq = store.checkpoint()?;
    let due = next_wake(node, object, store)?;
    let forget = crate::durable::next_forget(node, store)?;
    drop(guard);
    // Nothing else tells the node of it while the object is in memory.
    if let Some(forget) = forget {
        node.wakes.note(object.id, forget);
    }
    node.wake_table.set(object.id, due)?;
    node.log.checkpointed(object.id, seq);
    Ok(())
}

/// When an object has something to do: now, if something is ready or ran, or a subscription or a follower lacks events.
pub(crate) fn next_wake(node: &NodeInner, object: &Inner, store: &Reader) -> Result<Option<Timestamp>, store::Error> {
    if store.has_ready_invocations()? || object.bus.is_behind(&object.declared, store)? || store.has_unforwarded()? {
        return Ok(Some(Timestamp::from_millis(0)));
    }
    next_time(node, store)
}

/// When the clock next makes something of it due: an invocation, a schedule, a follower that could not be told, or runs
/// that are too old to be kept.
pub(crate) fn next_time(node: &NodeInner, store: &Reader) -> Result<Option<Timestamp>, store::Error> {
    let times = store.next_due()?.into_iter().chain(store.next_forward()?);
    Ok(times.chain(crate::durable::next_forget(node, store)?).min())
}

/// At shutdown. Blocks.
pub(crate) fn checkpoint_open(node: &Node) {
    let begun = Instant::now();
    for object in node.open_objects() {
        if begun.elapsed() > SHUTDOWN_CHECKPOINTS {
            return;
        }
        if let Err(error) = checkpoint(&node.inner, &object) {
            tracing::warn!(namespace = %object.namespace, %error, "no checkpoint at shutdown");
        }
    }
}

/// While running, when the log has grown.
pub(crate) async fn checkpoint_all(node: &Node) {
    for id in node.inner.log.objects() {
        if !node.is_ready() {
            return;
        }
        if node.inner.graves.has(id) {
            node.inner.log.checkpointed(id, u64::MAX);
            continue;
        }
        let object = match node.open_by_id(id).await {
            Ok(object) => object,
            Err(fault) => {
                tracing::warn!(%id, %fault, "an object cannot be checkpointed");
                continue;
            }
        };
        // No checkpoint goes through an open turn. An object that is not free now is looked at again soon.
        let Some(held) = object.hold(CHECKPOINT_WAIT_MAX).await else { continue };
        let node = node.clone();
        let written = tokio::task::spawn_blocking(move || {
            let written = checkpoint(&node.inner, &object.inner);
            drop(held);
            written
        });
        let result = written.await;
        if let Ok(Err(error)) = result {
            tracing::warn!(%id, %error, "an object cannot be checkpointed");
        }
    }
}

/// In the root's file: whether a name can be given to a new object.
///
/// # Errors
/// `conflict` while there is an object of this name, or while the name of one that was destroyed rests.
pub(crate) fn refuse_taken(root: &Reader, namespace: &Namespace, now: Timestamp) -> Result<(), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let row = root.object_at(namespace).map_err(fault)?;
    let is_root = root.origin().is_some_and(|origin| origin.namespace == *namespace);
    if is_root || row.is_some_and(|row| !row.deleted) {
        return Err(Fault::conflict("OBJECT_EXISTS", format!("{namespace} exists already")));
    }
    match root.destroyed_at(namespace).map_err(fault)?.map(|at| at.plus(REST)) {
        Some(until) if until > now => {
            let message = format!("{namespace} was destroyed; its name can be used again from {until}");
            Err(Fault::conflict("OBJECT_DESTROYED", message))
        }
        Some(_) | None => Ok(()),
    }
}

/// In the root's file: whether an object can be the parent of another.
///
/// # Errors
/// `gone` when it was destroyed.
pub(crate) fn refuse_destroyed(root: &Reader, parent: &Namespace) -> Result<(), Fault> {
    if root.object_at(parent).map_err(|e| fault_of(&e))?.is_some_and(|row| row.deleted) {
        return Err(Fault::new(FaultKind::Gone, "OBJECT_DESTROYED", format!("{parent} was destroyed")));
    }
    Ok(())
}
