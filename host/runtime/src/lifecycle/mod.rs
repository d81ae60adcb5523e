//! What happens to an object as a whole: fork, compact and restore, move, destroy, promote (spec 4).
//!
//! Each is an action of durability `do`. Its row is written before anything happens and says in `options.state` how far
//! it came; every step can be done twice. So an operation that a crash interrupted goes on when its object is opened
//! again, and a folder of marks says which objects a start has to open. Until its last step nobody sees anything of it.
//!
//! Layout: `job` (one operation while it runs), then a file for each: `compact`, with `plan` (which rows may go) and
//! `archive` (the file they go to), `restore`; `fork` and `promote`, which make an object (`offspring`); `destroy`, with
//! `graves` (objects that are gone); `relocate`, with `places` (who is kept where, and what was left behind).

mod archive;
mod compact;
mod destroy;
mod fork;
mod graves;
mod job;
mod offspring;
mod places;
mod plan;
mod promote;
mod relocate;
mod restore;
pub use compact::CompactWanted;
pub use fork::ForkWanted;
pub(crate) use graves::{Graves, remove_buried, remove_files};
pub(crate) use job::Job;
pub(crate) use places::{Leftovers, Places};
pub use promote::PromoteWanted;

use crate::commit::{NewEvent, lock, write_event};
use crate::history::target_of;
use crate::object::{Object, fault_of};
use crate::objects::goes_on;
use crate::things::{Idempotency, REMEMBERED};
use crate::{Caller, Node};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::sync::watch;
use types::{ActionRow, ActionStatus, Durability, Fault, FaultKind, Id, Json, Namespace, ObjectId, Ref, Row};

/// One operation.
#[derive(Clone, PartialEq, Debug)]
pub enum Lifecycle {
    Fork(ForkWanted),
    Compact(CompactWanted),
    /// The rows of an archive come back under their numbers.
    Restore {
        archive: Id,
    },
    /// The object is kept elsewhere from now on.
    Move {
        location: String,
        /// Its history is compacted, with an archive, once it is there.
        compact: bool,
    },
    /// An object below this one ends.
    Destroy {
        namespace: Namespace,
    },
    Promote(PromoteWanted),
}

/// What the verb of an operation's action says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Fork,
    Compact,
    Restore,
    Move,
    Destroy,
    Promote,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Fork, Self::Compact, Self::Restore, Self::Move, Self::Destroy, Self::Promote];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Compact => "compact",
            Self::Restore => "restore",
            Self::Move => "move",
            Self::Destroy => "destroy",
            Self::Promote => "promote",
        }
    }

    fn parse(verb: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == verb)
    }
}

impl Lifecycle {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Fork(_) => Kind::Fork,
            Self::Compact(_) => Kind::Compact,
            Self::Restore { .. } => Kind::Restore,
            Self::Move { .. } => Kind::Move,
            Self::Destroy { .. } => Kind::Destroy,
            Self::Promote(_) => Kind::Promote,
        }
    }

    fn input(&self) -> Value {
        match self {
            Self::Compact(wanted) => serde_json::to_value(wanted).unwrap_or_default(),
            Self::Fork(wanted) => serde_json::to_value(wanted).unwrap_or_default(),
            Self::Restore { archive } => json!({ "archive": archive.to_string() }),
            Self::Move { location, compact } => json!({ "location": location, "compact": compact }),
            Self::Destroy { namespace } => json!({ "ns": namespace.as_str() }),
            Self::Promote(wanted) => serde_json::to_value(wanted).unwrap_or_default(),
        }
    }
}

/// Whether an action is an operation that outlives a crash.
pub(crate) fn is_operation(row: &ActionRow) -> bool {
    row.durability == Durability::Do && Kind::parse(&row.verb).is_some() && row.target.starts_with("Object/")
}

/// An operation that was accepted and goes on by itself.
#[derive(Debug)]
pub struct Begun {
    pub action: Id,
    /// An earlier request with the same idempotency key began it.
    pub replayed: bool,
    object: Object,
    ended: Option<watch::Receiver<bool>>,
}

impl Begun {
    /// Waits until nobody goes on with it: it has ended, or cannot go on before the next start.
    pub async fn stopped(&mut self) {
        if let Some(ended) = &mut self.ended {
            // An error says the same: its sender is gone.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }

    /// Waits for its end. The row says whether it went well; its result is `options.output`.
    pub async fn finished(mut self) -> Result<ActionRow, Fault> {
        self.stopped().await;
        let row = self.object.read(|store| store.action(self.action)).await?;
        row.ok_or_else(Fault::internal)
    }
}

/// The operations that run on this node, and the marks of those that must be gone on with after a crash.
pub(crate) struct Operations {
    running: Mutex<HashMap<Id, watch::Receiver<bool>>>,
    marks: PathBuf,
    /// How many operations want the mark of an object.
    wanted: Mutex<HashMap<ObjectId, u32>>,
}

impl Operations {
    pub(crate) fn open(marks: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&marks)?;
        Ok(Self { running: Mutex::default(), marks, wanted: Mutex::default() })
    }

    /// Notes on disk that an object has to be opened at the next start.
    pub(crate) fn mark(&self, id: ObjectId) -> io::Result<()> {
        *lock(&self.wanted).entry(id).or_default() += 1;
        std::fs::File::create(self.marks.join(id.to_string()))?.sync_all()?;
        std::fs::File::open(&self.marks)?.sync_all()
    }

    pub(crate) fn unmark(&self, id: ObjectId) {
        let mut wanted = lock(&self.wanted);
        let left = wanted.remove(&id).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            wanted.insert(id, left);
            return;
        }
        // A mark that stays costs an opening at the next start, no more.
        let _ = std::fs::remove_file(self.marks.join(id.to_string()));
    }

    fn marked(&self) -> Vec<ObjectId> {
        let Ok(entries) = std::fs::read_dir(&self.marks) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        names.filter_map(|name| u128::from_str_radix(&name, 16).ok()).map(ObjectId::from_u128).collect()
    }
}

/// Goes on with what a crash interrupted, whether or not somebody asks for these objects.
pub(crate) fn start(node: &Node) {
    for id in node.inner.operations.marked() {
        let node = node.clone();
        tokio::spawn(async move {
            match node.open_by_id(id).await {
                // Opening it has begun what was open; where nothing was, the mark is of no use any more.
                Ok(object) => match object.read(|store| store.unfinished_actions(None, store::PAGE_MAX)).await {
                    Ok(page) if !page.items.iter().any(goes_on) => node.inner.operations.unmark(id),
                    Ok(_) | Err(_) => {}
                },
                Err(fault) => tracing::warn!(%id, %fault, "an interrupted operation cannot go on"),
            }
        });
    }
}

/// Goes on with the operations that were open when this object was.
pub(crate) fn go_on(object: &Object) {
    for row in object.inner.interrupted.iter().filter(|row| is_operation(row)).cloned() {
        // The object was only opened anew: who drives the operation goes on with it.
        if lock(&object.node.inner.operations.running).contains_key(&row.id) {
            continue;
        }
        tracing::info!(namespace = %object.namespace(), verb = row.verb, action = %row.id, "an operation goes on");
        run(object.clone(), row);
    }
}

fn run(object: Object, row: ActionRow) -> watch::Receiver<bool> {
    let (tell, ended) = watch::channel(false);
    let id = row.id;
    let operations = &object.node.inner.operations;
    lock(&operations.running).insert(id, ended.clone());
    tokio::spawn(async move {
        let node = object.node.clone();
        let own = object.inner.id;
        let is_over = job::drive(Job::new(object, row)).await;
        lock(&node.inner.operations.running).remove(&id);
        if is_over {
            node.inner.operations.unmark(own);
        }
        tell.send_replace(true);
    });
    ended
}

impl Object {
    /// Begins an operation. It goes on by itself, also after a crash; [`Begun::finished`] waits for it.
    ///
    /// # Errors
    /// What can be refused is refused before anything is recorded. `conflict` with `OPERATION_RUNNING` while another
    /// operation of this object goes on.
    pub async fn lifecycle(
        &self,
        caller: &Caller,
        wanted: Lifecycle,
        idempotency: Option<Idempotency>,
    ) -> Result<Begun, Fault> {
        let wanted = self.on_default_branch(wanted);
        let kind = wanted.kind();
        caller.may("DO", kind.as_str())?;
        let remembered = idempotency.map(|idempotency| remember_by(caller, &idempotency)).transpose()?;
        if let Some((key, request)) = &remembered {
            let (now, key) = (self.node.now(), key.clone());
            let earlier = self.read(move |store| store.action_by_key(&key)).await?;
            if let Some(earlier) = earlier.filter(|row| row.created_at.plus(REMEMBERED) > now) {
                return self.replayed(&earlier, request);
            }
        }
        let state = match &wanted {
            Lifecycle::Compact(wanted) => compact::check(wanted)?,
            Lifecycle::Fork(wanted) => fork::check(self, caller, wanted).await?,
            Lifecycle::Restore { archive } => restore::check(self, *archive).await?,
            Lifecycle::Move { location, .. } => relocate::check(self, location)?,
            Lifecycle::Destroy { namespace } => destroy::check(self, namespace).await?,
            Lifecycle::Promote(wanted) => promote::check(self, caller, wanted).await?,
        };
        let operations = &self.node.inner.operations;
        operations.mark(self.inner.id).map_err(|error| {
            tracing::error!(%error, "an operation cannot be marked");
            storage_failed()
        })?;
        let row = self.first_row(caller, &wanted, state, remembered);
        let row = self.begin(row, kind).await.inspect_err(|_| operations.unmark(self.inner.id))?;
        let (action, ended) = (row.id, Some(run(self.clone(), row)));
        Ok(Begun { action, replayed: false, object: self.clone(), ended })
    }

    /// What is forked without a branch is the one in effect, whichever is when the copy is made.
    fn on_default_branch(&self, wanted: Lifecycle) -> Lifecycle {
        match (wanted, self.in_effect()) {
            (Lifecycle::Fork(fork), Ref::Branch(Some(name))) if fork.branch.is_none() => {
                Lifecycle::Fork(ForkWanted { branch: Some(name.to_string()), ..fork })
            }
            (wanted, _) => wanted,
        }
    }

    fn first_row(
        &self,
        caller: &Caller,
        wanted: &Lifecycle,
        state: Map<String, Value>,
        remembered: Option<(String, String)>,
    ) -> ActionRow {
        let at = self.node.now();
        let (key, request) = remembered.unzip();
        let options = json!({ "input": wanted.input(), "request": request, "state": state });
        ActionRow {
            id: Id::new(at, rand::random()),
            verb: wanted.kind().as_str().to_owned(),
            actor: caller.identity.actor.to_string(),
            target: target_of(self.namespace()),
            input: None,
            output: None,
            options: Json::from_value(&options),
            durability: Durability::Do,
            status: ActionStatus::Running,
            error: None,
            attempts: 1,
            idempotency_key: key,
            request_id: Some(caller.request_id.to_string()),
            parent: None,
            created_at: at,
            started_at: Some(at),
            completed_at: None,
            duration_us: None,
        }
    }

    /// Writes down that it began.
    async fn begin(&self, row: ActionRow, kind: Kind) -> Result<ActionRow, Fault> {
        self.change(4096, move |turn| {
            let fault = |e: store::Error| fault_of(&e);
            let open = turn.unfinished_actions(None, store::PAGE_MAX).map_err(fault)?.items;
            if let Some(other) = open.iter().find(|row| is_operation(row)) {
                let message = format!("the operation {} of this object goes on; wait for it to end", other.verb);
                let details = json!({ "action": other.id.to_string() });
                return Err(Fault::conflict("OPERATION_RUNNING", message).with_details(&details));
            }
            match kind {
                Kind::Compact => compact::check_turn(turn)?,
                Kind::Fork | Kind::Restore | Kind::Move | Kind::Destroy | Kind::Promote => {}
            }
            turn.write(Row::Action(row.clone())).map_err(fault)?;
            let data = Json::from_value(&json!({ "input": row.options.to_value()["input"] }));
            let event = NewEvent { verb: format!("{}.started", row.verb), source: row.target.clone(), data };
            write_event(turn, event, row.id, turn.at()).map_err(fault)?;
            Ok(row)
        })
        .await
    }

    fn replayed(&self, earlier: &ActionRow, request: &str) -> Result<Begun, Fault> {
        if earlier.options.to_value()["request"] != request {
            let message = "this idempotency key was used for another request within 24 hours; use a new one";
            return Err(Fault::invalid("IDEMPOTENCY_KEY_REUSED", message));
        }
        let ended = lock(&self.node.inner.operations.running).get(&earlier.id).cloned();
        Ok(Begun { action: earlier.id, replayed: true, object: self.clone(), ended })
    }
}

/// The key as it is kept, so that nobody meets another's, and what tells one request from another.
fn remember_by(caller: &Caller, idempotency: &Idempotency) -> Result<(String, String), Fault> {
    Ok((idempotency.kept_for(caller)?, idempotency.fingerprint.to_string()))
}

/// A file beside the object's could not be written or read.
pub(crate) fn storage_failed() -> Fault {
    let message = "the host could not write its files (its disk is full or failing); nothing was changed";
    Fault::new(FaultKind::Unavailable, "STORAGE_FAILED", message)
}
