//! One durable object while it is in memory: its file, its queue, its functions, its runs.

use crate::bus::Bus;
use crate::commit::{Queue, lock};
use crate::declared::Declared;
use crate::durable::{Durable, Wakes};
use crate::functions::Functions;
use crate::node::{Node, NodeInner};
use crate::running::Running;
use crate::things::{Nouns, Settings, Verbs};
use crate::turn::Gate;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use store::Store;
use tokio::sync::{Notify, OnceCell, Semaphore, watch};
use types::{ActionRow, Fault, FaultKind, Id, Namespace, ObjectId, Record, Row, Standing, Timestamp};

/// A handle of one durable object. Cheap to clone; while one is held, the object stays open.
#[derive(Clone)]
pub struct Object {
    pub(crate) node: Node,
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({})", self.inner.namespace)
    }
}

pub(crate) struct Inner {
    pub(crate) id: ObjectId,
    pub(crate) namespace: Namespace,
    pub(crate) epoch: u64,
    /// None once the object was closed to be recovered: a file has one owner at a time.
    store: Mutex<Option<Store>>,
    pub(crate) queue: Mutex<Queue>,
    /// Room in the queue, in bytes.
    pub(crate) room: Semaphore,
    node_room: Arc<Semaphore>,
    pub(crate) functions: Functions,
    pub(crate) declared: Declared,
    pub(crate) bus: Bus,
    pub(crate) nouns: Nouns,
    pub(crate) gate: Gate,
    pub(crate) verbs: Verbs,
    pub(crate) settings: Settings,
    /// What its models cost.
    pub(crate) ledger: crate::workers::Ledger,
    pub(crate) places: Semaphore,
    /// Those of them that what goes on by itself may have.
    pub(crate) behind: Semaphore,
    pub(crate) running: Mutex<HashMap<Id, Arc<Running>>>,
    pub(crate) durable: Durable,
    /// What its file said of durable invocations when it was opened; None: there is nothing to be done.
    pub(crate) left_open: Option<LeftOpen>,
    wakes: Arc<Wakes>,
    /// Counts commits that had log lines in them, and those that had events, for those who follow.
    lines: OnceLock<watch::Sender<u64>>,
    events: OnceLock<watch::Sender<u64>>,
    /// Those that moved a request or an invocation.
    work: OnceLock<watch::Sender<u64>>,
    confirmed: AtomicU64,
    /// Wakes who waits for `confirmed`.
    confirming: Notify,
    /// The last record that somebody may read things from: no answer leaves before it is durable.
    changed: AtomicU64,
    /// Whether somebody used it since the node last looked for idle ones, and whether its memory was given back.
    in_use: AtomicBool,
    shrunk: AtomicBool,
    /// Operations that a stop of the host interrupted: those of `family` and those of `lifecycle`, in their order.
    pub(crate) interrupted: Vec<ActionRow>,
    /// Whether those of `family` were finished since.
    pub(crate) family: OnceCell<()>,
    /// Whether somebody goes on with those of `lifecycle`.
    goes_on: AtomicBool,
    /// Its file is being copied: no checkpoint may change it.
    copying: AtomicBool,
    /// Set when file and log may disagree: the object answers `unavailable` until it is opened anew.
    retired: AtomicBool,
    /// The last record that the file should have had when it failed.
    lost_through: AtomicU64,
    /// The log refused a record of it, and all that come after that.
    is_refused: AtomicBool,
}

/// What opening an object yields.
pub(crate) struct Parts {
    pub(crate) id: ObjectId,
    pub(crate) namespace: Namespace,
    pub(crate) store: Store,
    pub(crate) functions: Functions,
    pub(crate) declared: Declared,
    /// Whether a noun was ever registered, and a verb.
    pub(crate) has_nouns: bool,
    pub(crate) has_verbs: bool,
    pub(crate) settings: Settings,
    /// Operations that a stop of the host interrupted, and that go on.
    pub(crate) interrupted: Vec<ActionRow>,
    pub(crate) left_open: Option<LeftOpen>,
    /// Whether other objects follow it.
    pub(crate) bus: Bus,
    /// The last record that the log has.
    pub(crate) confirmed: u64,
}

/// Durable invocations that are not over, and events that are to become some.
pub(crate) struct LeftOpen {
    /// Some were ready or ran.
    pub(crate) is_ready: bool,
    pub(crate) next_due: Option<Timestamp>,
    /// Events were perhaps not handed to subscriptions, or to followers.
    pub(crate) has_events: bool,
}

impl Inner {
    pub(crate) fn new(parts: Parts, node: &NodeInner) -> Self {
        parts.declared.wake_by(node.wakes.clone(), parts.id);
        Self {
            id: parts.id,
            namespace: parts.namespace,
            epoch: node.epoch,
            store: Mutex::new(Some(parts.store)),
            queue: Mutex::default(),
            room: Semaphore::new(node.config.object_queue_bytes_max as usize),
            node_room: node.room.clone(),
            functions: parts.functions,
            declared: parts.declared,
            bus: parts.bus,
            nouns: Nouns::new(parts.has_nouns),
            gate: Gate::default(),
            verbs: Verbs::new(parts.has_verbs),
            settings: parts.settings,
            ledger: crate::workers::Ledger::default(),
            places: Semaphore::new(node.config.object_runs_max),
            behind: Semaphore::new(crate::durable::places_behind(node.config.object_runs_max)),
            running: Mutex::default(),
            durable: Durable::default(),
            left_open: parts.left_open,
            wakes: node.wakes.clone(),
            lines: OnceLock::new(),
            events: OnceLock::new(),
            work: OnceLock::new(),
            confirmed: AtomicU64::new(parts.confirmed),
            confirming: Notify::new(),
            changed: AtomicU64::new(0),
            in_use: AtomicBool::new(true),
            shrunk: AtomicBool::new(false),
            interrupted: parts.interrupted,
            family: OnceCell::new(),
            goes_on: AtomicBool::new(false),
            copying: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            lost_through: AtomicU64::new(0),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Whether the asker is to go on with the operations that were interrupted: it is the first.
    pub(crate) fn begins_to_go_on(&self) -> bool {
        !self.goes_on.swap(true, Ordering::AcqRel)
    }

    /// Whether checkpoints have to leave its file alone. Looked at and set while the file is held.
    pub(crate) fn is_copying(&self) -> bool {
        self.copying.load(Ordering::Acquire)
    }

    pub(crate) fn set_copying(&self, copying: bool) {
        self.copying.store(copying, Ordering::Release);
    }

    /// Notes that it is used.
    pub(crate) fn touch(&self) {
        if !self.in_use.load(Ordering::Relaxed) {
            self.in_use.store(true, Ordering::Relaxed);
            self.shrunk.store(false, Ordering::Relaxed);
        }
    }

    /// Gives back the memory that only speeds an object up, once it was not used from one look to the next.
    pub(crate) fn shrink_if_idle(&self) {
        if self.in_use.swap(false, Ordering::Relaxed) || self.shrunk.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.store().as_mut().map(Store::shrink) {
            // A guest's turn is open: it is not idle after all.
            None | Some(Ok(()) | Err(store::Error::InTurn)) => {}
            Some(Err(error)) => tracing::warn!(namespace = %self.namespace, %error, "memory is not given back"),
        }
    }

    /// The file, while the object has it and it is whole. Held for microseconds, never across an await.
    pub(crate) fn store(&self) -> MutexGuard<'_, Option<Store>> {
        let mut guard = lock(&self.store);
        match guard.as_mut().map(|store| (store.lost(), store)) {
            None => {}
            Some((None, store)) => store.confirm(self.confirmed_seq()),
            Some((Some(through), _)) => {
                self.lost_through.fetch_max(through, Ordering::AcqRel);
                self.retire("its file failed and lacks its last turns");
                drop(guard.take());
            }
        }
        guard
    }

    /// Lets the file go, so that the object can be opened anew.
    pub(crate) fn close(&self) {
        if let Some(Err(error)) = self.store().as_mut().map(Store::close) {
            tracing::warn!(namespace = %self.namespace, %error, "an object's last turns are left to the log");
        }
        // What could not be settled is lost, which is noted here.
        drop(self.store().take());
    }

    /// Whether opening it anew finds everything. A file that failed lacks records that were on their way to the log: until
    /// the log has answered, their numbers would be given again.
    pub(crate) fn can_be_opened_anew(&self) -> bool {
        self.is_refused.load(Ordering::Acquire) || self.confirmed_seq() >= self.lost_through.load(Ordering::Acquire)
    }

    /// Notes that the log did not take a record.
    pub(crate) fn refused(&self, reason: &str) {
        self.is_refused.store(true, Ordering::Release);
        self.retire(reason);
    }

    /// Nobody would notice if it were closed. The caller has made sure that nobody holds a handle.
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.queue).is_idle()
            && self.can_be_opened_anew()
            && self.store().as_ref().is_none_or(|store| self.confirmed_seq() >= store.applied_seq())
    }

    pub(crate) fn confirm(&self, seq: u64) {
        self.confirmed.fetch_max(seq, Ordering::AcqRel);
        self.confirming.notify_waiters();
    }

    /// Notes, while the file is held, that a record changed what can be read.
    pub(crate) fn note_change(&self, seq: u64) {
        self.changed.fetch_max(seq, Ordering::AcqRel);
    }

    /// Waits until the log has everything that a read just saw: the output gate of reads.
    async fn seen_is_durable(&self, seen: u64) -> Result<(), Fault> {
        while self.confirmed_seq() < seen {
            let confirmed = self.confirming.notified();
            tokio::pin!(confirmed);
            // Waiting begins before looking: what is confirmed in between is not missed.
            confirmed.as_mut().enable();
            if self.confirmed_seq() >= seen {
                break;
            }
            if self.is_retired() {
                return Err(retired());
            }
            confirmed.await;
        }
        Ok(())
    }

    pub(crate) fn confirmed_seq(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire)
    }

    /// Gives back room that written rows took.
    pub(crate) fn free(&self, bytes: u32) {
        self.room.add_permits(bytes as usize);
        self.node_room.add_permits(bytes as usize);
    }

    pub(crate) fn retire(&self, reason: &str) {
        if !self.retired.swap(true, Ordering::AcqRel) {
            tracing::error!(namespace = %self.namespace, reason, "object leaves memory; it is recovered when it is touched again");
            self.confirming.notify_waiters();
        }
    }

    /// Refuses everything from here on, because the object is closed on purpose.
    pub(crate) fn retire_quietly(&self) {
        self.retired.store(true, Ordering::Release);
        self.confirming.notify_waiters();
    }

    /// A failed write leaves the object as it was, unless the file itself is in doubt. That it lost turns is noticed by
    /// who takes it next.
    pub(crate) fn retire_on(&self, error: &store::Error) {
        match error {
            store::Error::Full | store::Error::TooMuch => {}
            other => self.retire(&other.to_string()),
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// What the caller learns of a failure of the file. The reason goes to the log.
    pub(crate) fn fault_of(&self, error: &store::Error) -> Fault {
        tracing::warn!(namespace = %self.namespace, %error, "the object's file");
        fault_of(error)
    }

    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.lines.get_or_init(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn follow_events(&self) -> watch::Receiver<u64> {
        self.events.get_or_init(|| watch::Sender::new(0)).subscribe()
    }

    pub(crate) fn follow_work(&self) -> watch::Receiver<u64> {
        self.work.get_or_init(|| watch::Sender::new(0)).subscribe()
    }

    /// What became ready runs as soon as the node comes to it, and events are handed on; what has a time is woken then.
    fn note_standing(&self, records: &[Arc<Record>]) {
        let mut ready = false;
        let mut first: Option<Timestamp> = None;
        for row in records.iter().flat_map(|record| &record.rows) {
            match row {
                Row::InvocationOver { .. } => {}
                Row::Invocation(invocation) => ready |= !invocation.began,
                Row::InvocationState(state) => match &state.at {
                    Standing::Ready => ready = true,
                    Standing::Delayed { until } | Standing::Waiting { until: Some(until), .. } => {
                        first = Some(first.map_or(*until, |first| first.min(*until)));
                    }
                    Standing::Running
                    | Standing::Waiting { until: None, .. }
                    | Standing::Paused
                    | Standing::Done { .. } => {}
                },
                Row::Schedule { state: Some(state), name: _ } => {
                    first = first.into_iter().chain(state.next_run_at).min();
                }
                Row::Follower { state: Some(state), namespace: _ } => {
                    first = first.into_iter().chain(state.retry_at).min();
                }
                Row::Origin { .. }
                | Row::Thing(_)
                | Row::Action(_)
                | Row::Event(_)
                | Row::Log(_)
                | Row::Object(_)
                | Row::Key(_)
                | Row::Secret { .. }
                | Row::Branch(_)
                | Row::Merge(_)
                | Row::Search { .. }
                | Row::Unique(_)
                | Row::Archived(_)
                | Row::Unarchived(_)
                | Row::UnarchivedEvent(_)
                | Row::Forked { .. }
                | Row::Destroyed { .. }
                | Row::Step(_)
                | Row::StepsCut { .. }
                | Row::Schedule { state: None, .. }
                | Row::Delivered { .. }
                | Row::FailedDelivery(_)
                | Row::DeliverySettled { .. }
                | Row::InvocationMoved { .. }
                | Row::Follower { state: None, .. }
                | Row::TakenIn { .. }
                | Row::EventOrigin(_)
                | Row::RunsForgotten { .. }
                | Row::InvocationWish { .. }
                | Row::Request(_)
                | Row::KeySubject { .. }
                | Row::ModelUsage(_)
                | Row::WorkflowRun(_) => {}
            }
        }
        if ready {
            self.durable.there_are_more();
            first = Some(Timestamp::from_millis(0));
        }
        if self.bus.wants(&self.declared, records) {
            first = Some(Timestamp::from_millis(0));
        }
        if let Some(first) = first {
            self.wakes.note(self.id, first);
        }
    }

    pub(crate) fn tell_followers(&self, records: &[Arc<Record>]) {
        let tell = |followers: &OnceLock<watch::Sender<u64>>, is_theirs: fn(&Row) -> bool| {
            let Some(followers) = followers.get().filter(|f| f.receiver_count() > 0) else { return };
            if records.iter().flat_map(|r| &r.rows).any(is_theirs) {
                followers.send_modify(|commits| *commits += 1);
            }
        };
        self.note_standing(records);
        tell(&self.lines, |row| matches!(row, Row::Log(_)));
        tell(&self.events, |row| matches!(row, Row::Event(_)));
        tell(&self.work, |row| {
            matches!(
                row,
                Row::Request(_)
                    | Row::Invocation(_)
                    | Row::InvocationState(_)
                    | Row::InvocationOver { .. }
                    | Row::Step(_)
            )
        });
    }
}

/// What a failure of a file means to a caller.
pub(crate) fn fault_of(error: &store::Error) -> Fault {
    match error {
        store::Error::Full => Fault::new(
            FaultKind::Unavailable,
            "STORAGE_FULL",
            "the host's disk is full; nothing was changed. Free space there, then try again",
        ),
        store::Error::Corrupt(_) => Fault::new(
            FaultKind::Unavailable,
            "STORE_CORRUPT",
            "this object's file is damaged; the other objects go on. The operator finds which file in the host's log",
        ),
        store::Error::Newer { .. } => Fault::new(
            FaultKind::Unavailable,
            "STORE_NEWER",
            "this object's file was written by a newer version of the host; start that version",
        ),
        store::Error::Busy => Fault::new(
            FaultKind::Unavailable,
            "STORE_BUSY",
            "another program has this object's file open; close it, then try again",
        ),
        store::Error::Lost => retired(),
        store::Error::TooMuch => Fault::limit(
            "QUERY_LIMIT",
            "this list would have to look at too many things; narrow it with a filter, or ask without a sort",
        ),
        store::Error::WrongObject { .. }
        | store::Error::Gap { .. }
        | store::Error::OldEpoch { .. }
        | store::Error::Number { .. }
        | store::Error::Torn
        | store::Error::TurnFailed
        | store::Error::InTurn
        | store::Error::Log(_)
        | store::Error::Io(_)
        | store::Error::Sqlite(_) => Fault::internal(),
    }
}

impl Object {
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// Reads from the file. What is queued and not yet written is written first, so that a caller sees what it was
    /// told before.
    pub(crate) async fn read<T>(&self, read: impl FnOnce(&mut Store) -> Result<T, store::Error>) -> Result<T, Fault> {
        self.flush().await?;
        let found = self.fenced(read).await?;
        found.map_err(|e| {
            self.inner.retire_on_corrupt(&e);
            self.inner.fault_of(&e)
        })
    }

    /// Looks at things: at what was committed, not at what is queued, for who was told of a write was told after it was
    /// durable. Answers when everything it may have seen is.
    pub(crate) async fn look<T>(&self, look: impl FnOnce(&mut Store) -> Result<T, Fault>) -> Result<T, Fault> {
        let (seen, found) = self.fenced(|store| (self.inner.changed.load(Ordering::Acquire), look(store))).await?;
        if self.inner.confirmed_seq() < seen {
            self.inner.seen_is_durable(seen).await?;
        }
        found
    }

    /// The same for rows that no guest writes: it does not wait for an open turn, which may be the asker's own.
    pub(crate) async fn peek<T>(&self, look: impl FnOnce(&mut Store) -> Result<T, Fault>) -> Result<T, Fault> {
        let (seen, found) = {
            let mut store = self.inner.store();
            let found = look(store.as_mut().ok_or_else(retired)?);
            (self.inner.changed.load(Ordering::Acquire), found)
        };
        if self.inner.confirmed_seq() < seen {
            self.inner.seen_is_durable(seen).await?;
        }
        found
    }

    /// Holds the file while nothing uncommitted is in it.
    async fn fenced<T>(&self, look: impl FnOnce(&mut Store) -> T) -> Result<T, Fault> {
        loop {
            {
                let mut store = self.inner.store();
                let store = store.as_mut().ok_or_else(retired)?;
                if !self.inner.gate.is_dirty() {
                    return Ok(look(store));
                }
            }
            self.turn_passed().await;
        }
    }

    /// Has everything written (not: durable) that was queued before.
    pub(crate) async fn flush(&self) -> Result<(), Fault> {
        if self.inner.is_retired() {
            return Err(retired());
        }
        if lock(&self.inner.queue).is_idle() {
            return Ok(());
        }
        self.change(0, |_| Ok(())).await
    }

    /// Waits until all that can be seen now is durable: before an answer that rests on it and wrote nothing itself.
    pub(crate) async fn seen(&self) -> Result<(), Fault> {
        self.inner.seen_is_durable(self.inner.changed.load(Ordering::Acquire)).await
    }
}

impl Inner {
    fn retire_on_corrupt(&self, error: &store::Error) {
        if let store::Error::Corrupt(_) = error {
            self.retire(&error.to_string());
        }
    }
}

pub(crate) fn retired() -> Fault {
    Fault::new(FaultKind::Unavailable, "OBJECT_RECOVERING", "the object is being recovered; try again in a moment")
}
