//! One running host: which objects are open, and what they share.

use crate::blobs::Blobs;
use crate::clock::{Clock, ManualClock};
use crate::commit::{Committers, Path, Undurable, lock};
use crate::config::Config;
use crate::durable::Wakes;
use crate::lifecycle::{self, Graves, Leftovers, Operations, Places};
use crate::object::{Inner, Object, fault_of};
use crate::registry::{Entry, Known, REST, Registry};
use commit_log::CommitLog;
use lru::LruCache;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::WakeTable;
use tokio::sync::{OnceCell, RwLock, Semaphore};
use types::exec::{Channels, Executor, Models, Outside, ToolServers};
use types::{Fault, FaultKind, Namespace, ObjectId, ObjectRelation, ObjectRow, Place, Row, Timestamp};

/// The root object's id. It is known before its file is.
const ROOT: ObjectId = ObjectId::from_u128(0);
/// Owner term of a node that owns all of its objects.
const LOCAL_EPOCH: u64 = 1;

/// A running host. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<NodeInner>,
}

pub(crate) struct NodeInner {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    manual_clock: Option<Arc<ManualClock>>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) models: Option<Arc<dyn Models>>,
    pub(crate) channels: Option<Arc<dyn Channels>>,
    pub(crate) tools: Option<Arc<dyn ToolServers>>,
    pub(crate) log: Arc<dyn CommitLog>,
    pub(crate) committers: Committers,
    pub(crate) blobs: Blobs,
    pub(crate) node_key: [u8; 32],
    pub(crate) epoch: u64,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) places: Semaphore,
    /// Those of them that what goes on by itself may have.
    pub(crate) behind: Semaphore,
    pub(crate) registry: Registry,
    pub(crate) credentials: crate::keys::Credentials,
    pub(crate) operations: Operations,
    pub(crate) graves: Graves,
    pub(crate) whereabouts: Places,
    pub(crate) leftovers: Leftovers,
    pub(crate) wakes: Arc<Wakes>,
    pub(crate) wake_table: WakeTable,
    pub(crate) tried: crate::application::Tried,
    open: Mutex<LruCache<ObjectId, Slot>>,
    stopping: AtomicBool,
    /// No object is opened any more.
    closed: AtomicBool,
    /// Shared by those who open a file just now, until they have given it to the map or let it go.
    openings: Arc<RwLock<()>>,
}

/// Filled by whoever comes first; the others wait for it.
type Slot = Arc<OnceCell<Arc<Inner>>>;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] std::io::Error),
    #[error(
        "this data folder belongs to the root namespace {stored}, but the server was told {configured}; use --default-ns {stored}, or another folder"
    )]
    OtherRoot { stored: Namespace, configured: Namespace },
    #[error("the root object cannot be opened: {0}")]
    Root(Fault),
}

/// A started node.
pub struct Opened {
    pub node: Node,
    /// Only when it was just made. It is stored nowhere; this is the moment to show it.
    pub root_key: Option<auth::Key>,
}

/// Where a URL leads.
#[derive(Debug)]
pub struct Resolved {
    pub object: Object,
    /// The path inside the object, with its leading slash, or empty.
    pub rest: String,
}

impl Node {
    /// Opens the data folder, recovers what a crash left, makes root object and root key when there are none.
    pub async fn open(
        config: Config,
        log: Arc<dyn CommitLog>,
        outside: impl Into<Outside>,
        clock: Arc<dyn Clock>,
        manual_clock: Option<Arc<ManualClock>>,
    ) -> Result<Opened, OpenError> {
        std::fs::create_dir_all(config.data_dir.join("objects"))?;
        let Outside { executor, models, channels, tools } = outside.into();
        let node_key = node_key(&config.data_dir)?;
        let blobs = Blobs::open(config.data_dir.join("blobs"))?;
        let (wake_table, known_wakes) = crate::durable::open_wake_table(&config.data_dir)?;
        let path = Arc::new(Path {
            log: log.clone(),
            clock: clock.clone(),
            undurable: Arc::new(Undurable::default()),
            data_dir: config.data_dir.clone(),
            room: crate::commit::Room::default(),
        });
        let inner = NodeInner {
            committers: Committers::start(config.commit_threads, config.flush_window, &path)?,
            room: Arc::new(Semaphore::new(config.node_queue_bytes_max as usize)),
            places: Semaphore::new(config.runs_max),
            behind: Semaphore::new(crate::durable::places_behind(config.runs_max)),
            registry: Registry::new(),
            credentials: crate::keys::Credentials::new(),
            operations: Operations::open(config.data_dir.join("lifecycle"))?,
            graves: Graves::open(config.data_dir.join("gone"))?,
            whereabouts: Places::default(),
            leftovers: Leftovers::open(config.data_dir.join("moved"))?,
            wakes: Arc::default(),
            wake_table,
            tried: crate::application::Tried::default(),
            open: Mutex::new(LruCache::unbounded()),
            stopping: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            openings: Arc::default(),
            epoch: LOCAL_EPOCH,
            manual_clock,
            config,
            clock,
            executor,
            models,
            channels,
            tools,
            log,
            blobs,
            node_key,
        };
        let node = Self { inner: Arc::new(inner) };
        let configured = node.inner.config.default_namespace.clone();
        let entry = Entry { id: ROOT, parent: None };
        let root = node.open_id(ROOT, Some((&configured, &entry))).await.map_err(OpenError::Root)?;
        if *root.namespace() != configured {
            return Err(OpenError::OtherRoot { stored: root.namespace().clone(), configured });
        }
        node.inner.whereabouts.read(&root).await.map_err(OpenError::Root)?;
        lifecycle::remove_buried(&node.inner);
        node.inner.registry.remember(configured, Known::Object(entry));
        let root_key = node.ensure_root_key(&root).await.map_err(OpenError::Root)?;
        node.start_checkpoints()?;
        lifecycle::start(&node);
        crate::durable::wake_all(&node, known_wakes);
        crate::durable::start_waking(&node);
        Ok(Opened { node, root_key })
    }

    /// The root object's namespace: what loopback requests mean that name none (spec ID-17).
    pub fn default_namespace(&self) -> &Namespace {
        &self.inner.config.default_namespace
    }

    /// The longest registered namespace that `url` lies in, and what is left of its path (spec ID-2).
    pub async fn resolve(&self, url: &Namespace) -> Result<Option<Resolved>, Fault> {
        for prefix in url.prefixes().skip(url.segments().saturating_sub(Namespace::SEGMENTS_MAX)) {
            if let Some(object) = self.object(&prefix).await? {
                let rest = url.as_str()[prefix.as_str().len()..].to_owned();
                return Ok(Some(Resolved { object, rest }));
            }
        }
        Ok(None)
    }

    /// Whether there is an object of exactly this namespace. None is opened for it.
    pub(crate) async fn is_registered(&self, namespace: &Namespace) -> Result<bool, Fault> {
        Ok(matches!(self.known(namespace).await?, Known::Object(_)))
    }

    pub(crate) async fn known(&self, namespace: &Namespace) -> Result<Known, Fault> {
        if let Some(known) = self.inner.registry.get(namespace) {
            return Ok(known);
        }
        // The root has no row of itself, and may have been forgotten here.
        if namespace == self.default_namespace() {
            return Ok(Known::Object(Entry { id: ROOT, parent: None }));
        }
        let root = self.root().await?;
        let wanted = namespace.clone();
        let (row, destroyed) = root
            .peek(move |store| {
                let row = store.object_at(&wanted).map_err(|e| fault_of(&e))?;
                Ok((row, store.destroyed_at(&wanted).map_err(|e| fault_of(&e))?))
            })
            .await?;
        let known = match (row.filter(|row| !row.deleted), destroyed) {
            (Some(row), _) => Known::Object(Entry { id: row.id, parent: row.parent }),
            (None, Some(at)) => Known::Destroyed(at),
            (None, None) => Known::Nothing,
        };
        self.inner.registry.remember(namespace.clone(), known.clone());
        Ok(known)
    }

    /// The object of exactly this namespace.
    ///
    /// # Errors
    /// `gone` while the name of one that was destroyed rests.
    pub async fn object(&self, namespace: &Namespace) -> Result<Option<Object>, Fault> {
        match self.known(namespace).await? {
            Known::Nothing => Ok(None),
            Known::Destroyed(at) if at.plus(REST) <= self.now() => Ok(None),
            Known::Destroyed(at) => {
                let message = format!("{namespace} was destroyed; its name can be used again from {}", at.plus(REST));
                Err(Fault::new(FaultKind::Gone, "OBJECT_DESTROYED", message))
            }
            Known::Object(entry) => self.open_id(entry.id, Some((namespace, &entry))).await.map(Some),
        }
    }

    pub(crate) async fn root(&self) -> Result<Object, Fault> {
        self.open_id(ROOT, None).await
    }

    /// The object with this id; `known` is needed for one that has no file yet.
    async fn open_id(&self, id: ObjectId, known: Option<(&Namespace, &Entry)>) -> Result<Object, Fault> {
        loop {
            let slot = self.slot(id)?;
            let opened = slot.get_or_try_init(|| self.open_file(id, known)).await;
            match opened {
                Ok(inner) if inner.is_retired() => {
                    let mut open = lock(&self.inner.open);
                    if open.peek(&id).is_some_and(|current| Arc::ptr_eq(current, &slot)) {
                        // Whoever still holds it is refused from here on.
                        inner.close();
                        if !inner.can_be_opened_anew() {
                            return Err(crate::object::retired());
                        }
                        open.pop(&id);
                    }
                }
                Ok(inner) => {
                    inner.touch();
                    let object = Object { node: self.clone(), inner: inner.clone() };
                    go_on(&object);
                    return Ok(object);
                }
                Err(fault) => {
                    lock(&self.inner.open).pop(&id);
                    return Err(fault);
                }
            }
        }
    }

    fn slot(&self, id: ObjectId) -> Result<Slot, Fault> {
        let mut open = lock(&self.inner.open);
        self.refuse_closed()?;
        if let Some(slot) = open.get(&id) {
            return Ok(slot.clone());
        }
        make_room(&mut open, self.inner.config.objects_open_max);
        if open.len() >= self.inner.config.objects_open_max * 2 {
            return Err(Fault::new(
                FaultKind::Unavailable,
                "OBJECTS_OPEN_LIMIT",
                format!("{} objects are busy at once on this host; try again in a moment", open.len()),
            ));
        }
        let slot = Slot::default();
        open.put(id, slot.clone());
        Ok(slot)
    }

    async fn open_file(&self, id: ObjectId, known: Option<(&Namespace, &Entry)>) -> Result<Arc<Inner>, Fault> {
        let (node, known) = (self.clone(), known.map(|(namespace, entry)| (namespace.clone(), entry.clone())));
        let opening = self.inner.openings.clone().read_owned().await;
        self.refuse_closed()?;
        // The file is let go before the guard, also when nobody waits for it any more.
        let opened = tokio::task::spawn_blocking(move || (crate::objects::open_file(&node.inner, id, known), opening));
        opened.await.map_err(|_| Fault::internal())?.0
    }

    fn refuse_closed(&self) -> Result<(), Fault> {
        if !self.inner.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Fault::new(FaultKind::Unavailable, "SHUTTING_DOWN", "this host is stopping; try again in a moment"))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The node's time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// The clock of test mode (spec T-1).
    pub fn manual_clock(&self) -> Option<&Arc<ManualClock>> {
        self.inner.manual_clock.as_ref()
    }

    /// Whether it takes work.
    pub fn is_ready(&self) -> bool {
        !self.inner.stopping.load(Ordering::Relaxed)
    }

    /// How many objects are in memory now.
    pub fn objects_open(&self) -> usize {
        lock(&self.inner.open).len()
    }

    /// Moves what the log holds into the objects' files, so that it can forget: what happens by itself when the log has
    /// grown.
    pub async fn checkpoint(&self) {
        crate::objects::checkpoint_all(self).await;
    }

    /// Writes all that waits, makes it durable, closes the log and every file: another node may open the folder when this
    /// has returned, whoever holds handles of this one. No call is answered after it.
    pub async fn shutdown(&self) {
        self.inner.stopping.store(true, Ordering::Relaxed);
        // One that is given up although its guest has ended would be performed again.
        if tokio::time::timeout(SHUTDOWN_RUNS, self.runs_end()).await.is_err() {
            tracing::info!("runs that have not ended are interrupted; those that are durable go on at the next start");
        }
        let node = self.clone();
        let closed = tokio::task::spawn_blocking(move || {
            node.inner.committers.stop();
            crate::objects::checkpoint_open(&node);
            node.inner.log.close();
        });
        if closed.await.is_err() {
            tracing::error!("shutting down failed; the next start recovers from the log");
        }
        self.close_all().await;
    }

    /// Waits until no durable run is under way here.
    async fn runs_end(&self) {
        const LOOK: Duration = Duration::from_millis(2);
        while self.open_objects().iter().any(|object| object.durable.is_active()) {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Closes every object, those too that are being opened just now.
    async fn close_all(&self) {
        self.inner.closed.store(true, Ordering::Release);
        // Who opens a file now began before; who comes later is refused.
        drop(self.inner.openings.write().await);
        let slots: Vec<_> = {
            let mut open = lock(&self.inner.open);
            std::iter::from_fn(|| open.pop_lru()).map(|(_, slot)| slot).collect()
        };
        for slot in slots {
            shut(slot).await;
        }
    }

    /// Every object that is in memory now.
    pub(crate) fn open_objects(&self) -> Vec<Arc<Inner>> {
        lock(&self.inner.open).iter().filter_map(|(_, slot)| slot.get().cloned()).collect()
    }

    fn start_checkpoints(&self) -> std::io::Result<()> {
        let node = Arc::downgrade(&self.inner);
        let handle = tokio::runtime::Handle::current();
        std::thread::Builder::new().name("checkpoint".into()).spawn(move || {
            while let Some(inner) = node.upgrade() {
                if inner.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let node = Node { inner };
                for object in node.open_objects() {
                    object.shrink_if_idle();
                }
                node.inner.leftovers.sweep(node.now());
                if node.inner.log.retained_bytes() > node.inner.config.log_retained_bytes_max {
                    handle.block_on(crate::objects::checkpoint_all(&node));
                }
                drop(node);
                std::thread::sleep(CHECKPOINT_LOOK);
            }
        })?;
        Ok(())
    }

    /// An object that is not registered, for whoever makes it.
    pub(crate) async fn open_unregistered(&self, namespace: &Namespace, entry: &Entry) -> Result<Object, Fault> {
        self.open_id(entry.id, Some((namespace, entry))).await
    }

    /// Closes an object, so that it is opened anew when it is next touched. Who holds a handle is refused from here on.
    pub(crate) async fn forget(&self, id: ObjectId) {
        let slot = lock(&self.inner.open).pop(&id);
        if let Some(slot) = slot {
            shut(slot).await;
        }
    }

    /// Removes an object that nobody can find any more, with all that is kept for it. Can be done twice.
    pub(crate) async fn bury(&self, id: ObjectId) -> Result<(), Fault> {
        let node = self.inner.clone();
        let dug = tokio::task::spawn_blocking(move || node.graves.dig(id)).await;
        dug.map_err(|_| Fault::internal())?.map_err(|error| {
            tracing::error!(%id, %error, "an object cannot be removed");
            lifecycle::storage_failed()
        })?;
        self.forget(id).await;
        let node = self.inner.clone();
        let removed = tokio::task::spawn_blocking(move || lifecycle::remove_files(&node, id)).await;
        removed.map_err(|_| Fault::internal())?.map_err(|error| {
            tracing::error!(%id, %error, "an object's files cannot be removed; the next start tries again");
            lifecycle::storage_failed()
        })
    }

    pub(crate) async fn open_by_id(&self, id: ObjectId) -> Result<Object, Fault> {
        self.open_id(id, None).await
    }
}

/// Closes an object's file; who holds a handle is refused from here on. Waits for an opening that is under way.
async fn shut(slot: Slot) {
    if let Ok(inner) = slot.get_or_try_init(|| async { Err(()) }).await {
        inner.retire_quietly();
        inner.close();
    }
}

/// Goes on with what a stop of the host interrupted in an object that was opened.
fn go_on(object: &Object) {
    object.resume_durably();
    if !object.inner.interrupted.is_empty() {
        crate::family::go_on(object);
        if object.inner.begins_to_go_on() {
            lifecycle::go_on(object);
            crate::application::go_on(object);
        }
    }
}

/// How often the size of the log is looked at.
const CHECKPOINT_LOOK: Duration = Duration::from_millis(500);
/// How long a shutdown lets durable runs come to their end. Those that take longer are performed again from their last step.
const SHUTDOWN_RUNS: Duration = Duration::from_millis(500);

impl NodeInner {
    /// None: it is kept where this host has no folder.
    pub(crate) fn file_of(&self, id: ObjectId) -> Option<PathBuf> {
        match self.whereabouts.of(id) {
            None => Some(file_in(&self.config.data_dir, id)),
            Some(name) => self.config.location(&name).map(|location| file_in(&location.dir, id)),
        }
    }
}

/// Where a location keeps an object.
pub(crate) fn file_in(location: &std::path::Path, id: ObjectId) -> PathBuf {
    let name = id.to_string();
    location.join("objects").join(&name[..2]).join(format!("{name}.sqlite"))
}

/// Closes idle objects, the least recently used first, until there is a place for one more. Their files are closed
/// before anybody else can look: an object is opened again only after it was closed.
fn make_room(open: &mut LruCache<ObjectId, Slot>, max: usize) {
    /// Objects looked at each time: a few busy old ones must not make every opening walk over all.
    const LOOKED_AT_MAX: usize = 64;
    let mut looked_at = 0;
    while open.len() >= max && looked_at < LOOKED_AT_MAX {
        looked_at += 1;
        let Some((id, slot)) = open.pop_lru() else { break };
        // Handles are only made from the map, which is locked: one reference each means that nobody has one.
        let idle = id != ROOT
            && Arc::strong_count(&slot) == 1
            && slot.get().is_none_or(|inner| Arc::strong_count(inner) == 1 && inner.is_idle());
        if !idle {
            open.put(id, slot);
        }
    }
}

/// The node's own key: seals secrets and vouches for compiled components. Made once, readable by the owner alone.
fn node_key(data_dir: &std::path::Path) -> std::io::Result<[u8; 32]> {
    let path = data_dir.join("node.key");
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|_| {
            std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{} is not 32 bytes long", path.display()))
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key: [u8; 32] = rand::random();
            let temporary = path.with_extension("key.new");
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(&key)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            std::fs::File::open(data_dir)?.sync_all()?;
            Ok(key)
        }
        Err(e) => Err(e),
    }
}

/// The row that registers an object.
pub(crate) fn registration(
    namespace: &Namespace,
    id: ObjectId,
    class: &str,
    parent: Option<&Namespace>,
    at: Timestamp,
) -> Row {
    Row::Object(ObjectRow {
        namespace: namespace.clone(),
        id,
        class: class.to_owned(),
        relation: ObjectRelation::Child,
        parent: parent.cloned(),
        created_at: at,
        deleted: false,
        place: Place::default(),
    })
}
