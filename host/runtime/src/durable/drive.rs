//! One run of an invocation: its place, its replay, how it ended.

use super::begin::cancelled as cancelled_fault;
use super::queue::Next;
use super::rows::{self, Told, target_of};
use super::{INTERRUPTED_MAX, accept::Accepting};
use crate::commit::{Note, lock};
use crate::guest::GuestHost;
use crate::invoke::{Ready, cancelled};
use crate::object::{Object, fault_of};
use crate::running::{Chain, Running};
use crate::workflow::RunOf;
use crate::{Caller, bus};
use journal::Journal;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::Invocation;
use tokio::sync::{Notify, oneshot};
use types::{
    ActionStatus, At, Durability, Fault, FaultKind, Id, InvocationRow, InvocationState, Json, Limits, Row, Standing,
    StepRow, Timestamp,
};

/// The engine's own limit of wall time for a run whose time is counted here, where waiting is known.
const WALL: Duration = Duration::from_secs(24 * 3600);

/// What a durable run has beside what every run has.
pub(crate) struct DurableRun {
    pub(crate) row: Arc<InvocationRow>,
    pub(super) attempt: u32,
    interrupted: AtomicU32,
    pub(super) journal: Mutex<Journal>,
    /// What the guest takes for the time, in milliseconds: it moves when a step is answered.
    clock: AtomicU64,
    /// Time in which it waited for others, which is not its own.
    waited_ms: AtomicU64,
    /// Events that were handed to it: no wait finds one twice.
    pub(super) events: Mutex<BTreeSet<u64>>,
    /// What it waits for in other objects, and is over.
    told: Mutex<BTreeSet<Id>>,
    stop: Mutex<Option<oneshot::Sender<Stopped>>>,
    /// The run of a workflow that it is, or is a branch of.
    pub(crate) of: Option<RunOf>,
}

/// Why a run is not driven on, although its guest has not ended.
enum Stopped {
    /// What it waits for is written down.
    Parked,
    Fault(Fault),
}

/// How a run came out.
pub(super) enum How {
    Done(Json),
    Failed(Fault),
    Parked,
}

impl DurableRun {
    fn new(
        row: Arc<InvocationRow>,
        state: &InvocationState,
        steps: Vec<StepRow>,
    ) -> (Self, oneshot::Receiver<Stopped>) {
        let (stop, stopped) = oneshot::channel();
        let run = Self {
            attempt: state.attempt,
            interrupted: AtomicU32::new(state.interrupted),
            journal: Mutex::new(Journal::new(state.attempt, steps)),
            clock: AtomicU64::new(row.accepted_at.as_millis()),
            waited_ms: AtomicU64::new(0),
            events: Mutex::default(),
            told: Mutex::default(),
            stop: Mutex::new(Some(stop)),
            of: RunOf::read(&row),
            row,
        };
        (run, stopped)
    }

    /// 1 while nothing has failed.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::Acquire))
    }

    /// A step was answered then.
    pub(super) fn saw(&self, at: Timestamp) {
        self.clock.fetch_max(at.as_millis(), Ordering::AcqRel);
    }

    pub(super) fn waited(&self, duration: Duration) {
        self.waited_ms.fetch_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), Ordering::AcqRel);
    }

    /// An invocation in another object that it asked for is over.
    pub(super) fn tell_of(&self, child: Id) {
        lock(&self.told).insert(child);
    }

    /// Whether that was said since it was asked for the last time.
    pub(super) fn takes_word_of(&self, child: Id) -> bool {
        lock(&self.told).remove(&child)
    }

    pub(crate) fn is_replaying(&self) -> bool {
        !lock(&self.journal).is_replayed()
    }

    pub(crate) fn state(&self, at: Standing) -> InvocationState {
        let interrupted = self.interrupted.load(Ordering::Acquire);
        InvocationState { id: self.row.id, attempt: self.attempt, interrupted, at }
    }

    /// It comes forward: the stops of the host so far are not its fault. The row that says so, if any did.
    pub(crate) fn went_on(&self) -> Option<Row> {
        let before = self.interrupted.swap(0, Ordering::AcqRel);
        (before > 0).then(|| Row::InvocationState(self.state(Standing::Running)))
    }

    /// The guest is not told anything any more.
    pub(super) async fn stop(&self, fault: Fault) -> ! {
        self.end(Stopped::Fault(fault)).await
    }

    pub(crate) async fn parked(&self) -> ! {
        self.end(Stopped::Parked).await
    }

    async fn end(&self, stopped: Stopped) -> ! {
        if let Some(stop) = lock(&self.stop).take() {
            // Who drives may have ended the run for another reason.
            let _ = stop.send(stopped);
        }
        std::future::pending::<std::convert::Infallible>().await;
        unreachable!("nothing is ready that is pending for ever")
    }
}

impl Object {
    /// Runs one that was accepted just now.
    pub(super) fn drive_new(&self, row: Arc<InvocationRow>, ready: Option<Ready>) {
        let state = InvocationState { id: row.id, attempt: 1, interrupted: 0, at: Standing::Running };
        tokio::spawn(self.clone().drive(row, state, ready, Vec::new()));
    }

    /// Runs what is ready, as far as there are places.
    pub(crate) fn go_on_durably(&self) {
        // What a stopping host has not begun the next one begins.
        while self.node.is_ready() {
            match self.inner.durable.next(self.node.inner.config.object_runs_max) {
                Next::Drive(invocation) => {
                    tokio::spawn(self.clone().drive_found(*invocation));
                }
                Next::Refill => {
                    tokio::spawn(self.clone().refill());
                    return;
                }
                Next::Nothing => return,
            }
        }
    }

    async fn refill(self) {
        if let Err(fault) = self.look_for_ready().await {
            // The object is recovered; it is looked at again when it is open.
            tracing::warn!(namespace = %self.inner.namespace, %fault, "durable runs cannot be looked for");
            self.wake_later();
            return;
        }
        self.go_on_durably();
    }

    async fn look_for_ready(&self) -> Result<(), Fault> {
        const LOOKED_AT: u32 = 256;
        let _looking = self.inner.durable.looking.lock().await;
        let before = self.inner.durable.active();
        self.flush().await?;
        let found = self.peek(|store| store.ready_invocations(LOOKED_AT).map_err(|e| fault_of(&e))).await?;
        if found.len() == LOOKED_AT as usize {
            self.inner.durable.there_are_more();
        }
        self.inner.durable.push(found, &before);
        Ok(())
    }

    /// One that is in the file, with what it has done so far.
    async fn drive_found(self, found: Invocation) {
        let id = found.row.id;
        // It may have run to its end since it was found: from here on nobody else runs it, and the file tells.
        let read = self.peek(|store| {
            let invocation = store.invocation(id).map_err(|e| fault_of(&e))?;
            Ok((invocation, store.steps(id, 0, journal::STEPS_MAX).map_err(|e| fault_of(&e))?))
        });
        let Ok((invocation, steps)) = read.await else {
            self.inner.durable.leave(id);
            return self.wake_later();
        };
        let Some(mut invocation) = invocation.filter(|i| matches!(i.state.at, Standing::Ready | Standing::Running))
        else {
            if self.inner.durable.leave(id) {
                self.inner.durable.there_are_more();
            }
            return self.go_on_durably();
        };
        if invocation.state.at == Standing::Running {
            // It ran when the host stopped.
            invocation.state.interrupted += 1;
        }
        invocation.state.at = Standing::Running;
        let row = Arc::new(invocation.row);
        let told = Told { started_at: Some(self.node.now()), ..Told::default() };
        let action = rows::action(&row, rows::attempts(&invocation.state), ActionStatus::Running, told);
        let rows = vec![Row::InvocationState(invocation.state.clone()), Row::Action(action)];
        self.note(Note::of_rows(rows)).await;
        self.drive(row, invocation.state, None, steps).await;
    }

    async fn drive(self, row: Arc<InvocationRow>, state: InvocationState, ready: Option<Ready>, steps: Vec<StepRow>) {
        let behind = match ready {
            // Somebody asks for it now.
            Some(_) => None,
            None => Some((self.inner.behind.acquire().await, self.node.inner.behind.acquire().await)),
        };
        let own = self.inner.places.acquire().await;
        let shared = self.node.inner.places.acquire().await;
        let (run, stopped) = DurableRun::new(row.clone(), &state, steps);
        let running = self.durable_running(run);
        lock(&self.inner.running).insert(row.id, running.clone());
        let how = self.attempt(&running, &state, ready, stopped).await;
        lock(&self.inner.running).remove(&row.id);
        drop((own, shared, behind));
        self.settle(&running, &state, how).await;
        if self.inner.durable.leave(row.id) {
            self.inner.durable.there_are_more();
        }
        self.let_next_go_on(&row);
    }

    /// Looks for what one that ended, or was tried, held back.
    pub(super) fn let_next_go_on(&self, row: &InvocationRow) {
        if row.serial.is_some() || matches!(row.trigger, types::Trigger::Event { .. }) {
            self.inner.durable.there_are_more();
        }
        if self.inner.bus.takes_more() {
            self.node.inner.wakes.note(self.inner.id, Timestamp::from_millis(0));
        }
        self.go_on_durably();
    }

    fn durable_running(&self, run: DurableRun) -> Arc<Running> {
        let row = run.row.clone();
        Arc::new(Running {
            id: row.id,
            target: target_of(&row),
            version: row.version,
            export: match &row.entry {
                types::exec::Entry::Export(export) => Some(export.clone()),
                _ => None,
            },
            caller: Caller { identity: row.caller.clone(), request_id: row.request_id.as_str().into() },
            chain: Chain { parent: row.parent, depth: row.depth },
            durability: Durability::Do,
            idempotency_key: row.key.clone(),
            input: row.input.clone(),
            created_at: self.node.now(),
            begun: Instant::now(),
            cancelled: AtomicBool::new(false),
            stop: Notify::new(),
            lines: AtomicU32::new(0),
            turn: Mutex::default(),
            spending: Mutex::default(),
            heard: None,
            durable: Some(Arc::new(run)),
        })
    }

    async fn attempt(
        &self,
        running: &Arc<Running>,
        state: &InvocationState,
        ready: Option<Ready>,
        stopped: oneshot::Receiver<Stopped>,
    ) -> How {
        let run = running.durable.as_ref().expect("it was made with a journal");
        if state.interrupted >= INTERRUPTED_MAX {
            let message = format!(
                "the host stopped {} times while this ran; it is not tried again, because it may be the reason",
                state.interrupted
            );
            return How::Failed(Fault::new(FaultKind::Conflict, "POISON", message));
        }
        let is_late = |at: Timestamp| at <= self.node.now();
        let is_declared = matches!(run.row.entry, types::exec::Entry::Steps { .. });
        // A declared workflow takes back what it did first.
        if !is_declared && run.row.deadline.is_some_and(is_late) {
            return How::Failed(deadline_passed());
        }
        let timeout = Duration::from_millis(run.row.timeout_ms);
        let executed = async {
            if is_declared {
                return crate::workflow::go_through(GuestHost::new(self.clone(), running.clone()), run).await;
            }
            if let types::exec::Entry::Webhook { subscription } = &run.row.entry {
                return self.post_to_webhook(subscription, run).await;
            }
            if let types::exec::Entry::Elsewhere { target, action, options } = &run.row.entry {
                let host = GuestHost::new(self.clone(), running.clone());
                return host.stand_for(run, target, action, options).await;
            }
            if let types::exec::Entry::Work { worker, method } = &run.row.entry {
                let host = GuestHost::new(self.clone(), running.clone());
                return crate::workers::work(host, run, worker, *method).await;
            }
            let ready = match ready {
                Some(ready) => ready,
                None => self.ready_again(&run.row).await?,
            };
            let ready = bus::with_attempt(ready, run);
            let function = ready.function.clone();
            let limits = function.manifest.limits.apply(self.node.inner.config.limits);
            let seed = seed_of(&run.row);
            let limits = Limits { wall: WALL, ..limits };
            crate::workers::run(self, running, ready, limits, seed, run.attempt).await
        };
        tokio::select! {
            biased;
            () = cancelled(running) => How::Failed(cancelled_fault()),
            Ok(stopped) = stopped => match stopped {
                Stopped::Parked => How::Parked,
                Stopped::Fault(fault) => How::Failed(fault),
            },
            () = run.out_of_time(timeout) => How::Failed(Fault::new(
                FaultKind::Timeout,
                "TIMEOUT",
                format!("the attempt took longer than {} ms, its waits not counted", timeout.as_millis()),
            )),
            executed = executed => match executed {
                Ok(output) => How::Done(output),
                Err(fault) => How::Failed(fault),
            },
        }
    }

    /// The version that it is pinned to, of its function.
    async fn ready_again(&self, row: &InvocationRow) -> Result<Ready, Fault> {
        let (owner, function) = self.find_function(&row.function, At::Version(row.version)).await?;
        Ok(Ready { function, owner, entry: row.entry.clone(), input: row.input.clone() })
    }

    /// Has the node look at this object again in a moment, for something in its memory could not be done.
    pub(super) fn wake_later(&self) {
        const LATER: Duration = Duration::from_secs(1);
        self.node.inner.wakes.note(self.inner.id, self.node.now().plus(LATER));
    }

    /// Accepts an invocation that nobody waits for here.
    pub(crate) async fn accept_quietly(&self, accepting: Accepting) {
        self.begin_with(accepting, None).await;
    }
}

impl DurableRun {
    /// Answers when the run has used its time up, its waits not counted.
    async fn out_of_time(&self, timeout: Duration) {
        let begun = Instant::now();
        loop {
            let waited = Duration::from_millis(self.waited_ms.load(Ordering::Acquire));
            let used = begun.elapsed().saturating_sub(waited);
            let Some(left) = timeout.checked_sub(used).filter(|left| !left.is_zero()) else { return };
            tokio::time::sleep(left).await;
        }
    }
}

/// What all randomness of each of its runs comes from.
pub(super) fn seed_of(row: &InvocationRow) -> [u8; 32] {
    *blake3::Hasher::new_derive_key("org.ai durable run").update(&row.seed).finalize().as_bytes()
}

fn deadline_passed() -> Fault {
    Fault::new(FaultKind::Timeout, "DEADLINE_PASSED", "its deadline passed before an attempt could begin")
}
