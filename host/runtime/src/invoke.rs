//! Running a function: find it, admit it, run it, write down what came of it.

use crate::Caller;
use crate::commit::{Note, Queued, lock};
use crate::declared::Callable;
use crate::functions::FunctionVersion;
use crate::object::Object;
use crate::running::{Chain, Running, Sending, Used, ended, outcome_event};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, SemaphorePermit};
use types::exec::{BoxFuture, ComponentFile, Entry, Heard, Invocation, Job};
use types::{
    ActionRef, ActionStatus, At, Durability, Fault, FaultKind, FunctionKind, Id, Json, Limits, Retry, Timestamp,
};

/// After a cancel the guest may come to an end by itself; then it is stopped (spec DUR-9).
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// How a caller wants it.
#[derive(Clone, Debug)]
pub struct InvokeOptions {
    pub durability: Durability,
    /// Lowers the limit of wall time; of a `do` it is that of one attempt.
    pub timeout: Option<Duration>,
    pub idempotency_key: Option<String>,
    /// The rest is for `do` alone. None: [`STANDARD_RETRY`](crate::STANDARD_RETRY).
    pub retry: Option<Retry>,
    /// Invocations with the same word run one at a time, in the order of acceptance.
    pub serial: Option<String>,
    /// Not before so long from now.
    pub delay: Option<Duration>,
    /// After it no attempt begins.
    pub deadline: Option<Timestamp>,
    /// Run once more what failed under the same key.
    pub retry_failed: bool,
    /// Of those that are ready the higher one runs first; 0 is usual.
    pub priority: i8,
    /// Of what can be retried only faults with these codes are; none named: all.
    pub retry_on: Vec<String>,
    /// Who hears what models say, piece by piece, while it runs. For `try` alone.
    pub heard: Listener,
}

/// Somebody who listens to models, or nobody.
#[derive(Clone, Default)]
pub struct Listener(pub Heard);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "Nobody" })
    }
}

impl Default for InvokeOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Try,
            timeout: None,
            idempotency_key: None,
            retry: None,
            serial: None,
            delay: None,
            deadline: None,
            retry_failed: false,
            priority: 0,
            retry_on: Vec::new(),
            heard: Listener::default(),
        }
    }
}

/// A run that came to its end.
#[derive(Clone, Debug)]
pub struct Invoked {
    pub action: Id,
    pub result: Json,
    pub duration_us: u64,
    /// What of models and tools it used; None: nothing.
    pub used: Option<Used>,
}

/// A run that did not, or did not begin.
#[derive(Clone, Debug)]
pub struct InvokeFailed {
    /// None when nothing was recorded.
    pub action: Option<Id>,
    pub fault: Fault,
}

impl From<Fault> for InvokeFailed {
    fn from(fault: Fault) -> Self {
        Self { action: None, fault }
    }
}

/// An invocation that may be made: found, permitted, its input looked at.
pub(crate) struct Ready {
    pub(crate) function: Arc<FunctionVersion>,
    /// Whose function it is: this object's or one's above.
    pub(crate) owner: Object,
    pub(crate) entry: Entry,
    pub(crate) input: Json,
}

impl Ready {
    /// The function of a tool box that is called.
    pub(crate) fn export(&self) -> Option<&str> {
        match &self.entry {
            Entry::Export(export) => Some(export),
            Entry::Run
            | Entry::Handle { .. }
            | Entry::Describe
            | Entry::Steps { .. }
            | Entry::Webhook { .. }
            | Entry::Work { .. }
            | Entry::Elsewhere { .. }
            | Entry::Part(_) => None,
        }
    }
}

impl Object {
    /// Runs an action to its end (`try`), or accepts it (`send`, whose result is null).
    pub async fn invoke(
        &self,
        caller: &Caller,
        action: &ActionRef,
        input: Json,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeFailed> {
        match options.durability {
            Durability::Do => return self.invoke_durably(caller, action, input, options).await,
            Durability::Send => {
                let action = self.send(caller, action, input, options).await?;
                return Ok(Invoked { action, result: Json::null(), duration_us: 0, used: None });
            }
            Durability::Try => {}
        }
        let ready = self.ready(caller, action, input).await?;
        self.run(caller, ready, options, Chain::default()).await
    }

    /// Accepts an action and runs it in the background; answers with its id.
    pub async fn send(
        &self,
        caller: &Caller,
        action: &ActionRef,
        input: Json,
        options: InvokeOptions,
    ) -> Result<Id, Fault> {
        let ready = self.ready(caller, action, input).await?;
        let sending = self.sending(caller, ready, options, Chain::default(), Duration::ZERO);
        let id = sending.id();
        Self::start(sending).await;
        Ok(id)
    }

    /// A call in the background, made ready; [`start`](Self::start) lets it go.
    pub(crate) fn sending(
        &self,
        caller: &Caller,
        ready: Ready,
        options: InvokeOptions,
        chain: Chain,
        delay: Duration,
    ) -> Sending {
        let options = InvokeOptions { durability: Durability::Send, ..options };
        let running = self.running(caller, &ready, &options, chain);
        Sending { object: self.clone(), running, ready, options, delay }
    }

    async fn start(sending: Sending) {
        let Sending { object, running, ready, options, delay } = sending;
        object.note(Note { action: Some(running.row_as(ActionStatus::Pending, None, None)), ..Note::default() }).await;
        tokio::spawn(object.run_later(running, ready, options, delay));
    }

    /// Boxed, because a run may send, which runs: the type of the future would contain itself.
    fn run_later(
        self,
        running: Arc<Running>,
        ready: Ready,
        options: InvokeOptions,
        delay: Duration,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            // Its failure is in its row; the caller has gone.
            let _ = self.run_admitted(running, ready, options).await;
        })
    }

    /// Finds the function and looks at permission and input: what fails here leaves no row (spec DUR-1).
    pub(crate) async fn ready(&self, caller: &Caller, action: &ActionRef, input: Json) -> Result<Ready, Fault> {
        may_invoke(caller, action)?;
        let limits = &self.node.inner.config.limits;
        if input.as_str().len() as u64 > limits.input_bytes_max {
            return Err(Fault::limit(
                "INPUT_LIMIT",
                format!(
                    "the input is {} bytes long; at most {} are taken",
                    input.as_str().len(),
                    limits.input_bytes_max
                ),
            ));
        }
        let callable = self.find_callable(&action.function, action.at).await?;
        let entry = entry(caller, action, &callable, &input)?;
        let Callable { owner, function, declared: _ } = callable;
        function.schemas.check_input(&input)?;
        crate::workers::check_places(&function, &input)?;
        Ok(Ready { function, owner, entry, input })
    }

    pub(crate) async fn run(
        &self,
        caller: &Caller,
        ready: Ready,
        options: InvokeOptions,
        chain: Chain,
    ) -> Result<Invoked, InvokeFailed> {
        let running = self.running(caller, &ready, &options, chain);
        self.run_admitted(running, ready, options).await
    }

    fn running(&self, caller: &Caller, ready: &Ready, options: &InvokeOptions, chain: Chain) -> Arc<Running> {
        let now = self.node.now();
        Arc::new(Running {
            id: Id::new(now, rand::random()),
            target: format!("{}/{}", crate::functions::NOUN, ready.function.name),
            version: ready.function.version,
            export: ready.export().map(str::to_owned),
            caller: caller.clone(),
            chain,
            durability: options.durability,
            idempotency_key: options.idempotency_key.clone(),
            input: ready.input.clone(),
            created_at: now,
            begun: Instant::now(),
            cancelled: AtomicBool::new(false),
            stop: Notify::new(),
            lines: AtomicU32::new(0),
            turn: Mutex::default(),
            spending: Mutex::default(),
            heard: options.heard.0.clone(),
            durable: None,
        })
    }

    async fn run_admitted(
        &self,
        running: Arc<Running>,
        ready: Ready,
        options: InvokeOptions,
    ) -> Result<Invoked, InvokeFailed> {
        let place = match self.place(running.chain.depth).await {
            Ok(place) => place,
            Err(fault) if running.durability == Durability::Try => return Err(fault.into()),
            Err(fault) => return Err(self.finish(&running, Err(fault)).await),
        };
        lock(&self.inner.running).insert(running.id, running.clone());
        let guard = Unfinished { object: self, running: Some(running.clone()) };
        let result = self.execute(&running, ready, &options).await;
        guard.finished();
        drop(place);
        match result {
            Ok(output) => self.commit_success(&running, output).await,
            Err(fault) => Err(self.finish(&running, Err(fault)).await),
        }
    }

    async fn execute(&self, running: &Arc<Running>, ready: Ready, options: &InvokeOptions) -> Result<Json, Fault> {
        let limits = ready.function.manifest.limits.apply(self.node.inner.config.limits);
        let limits = Limits { wall: options.timeout.map_or(limits.wall, |t| limits.wall.min(t)), ..limits };
        let output = tokio::select! {
            biased;
            () = cancelled(running) => {
                return Err(Fault::new(FaultKind::Cancelled, "CANCELLED", "the run was cancelled"));
            }
            output = crate::workers::run_within(self, running, ready, limits, options.timeout) => output?,
        };
        Ok(output)
    }

    /// What the executor is given.
    pub(crate) async fn job(
        &self,
        running: &Running,
        ready: Ready,
        limits: Limits,
        seed: [u8; 32],
        attempt: u32,
    ) -> Result<Job, Fault> {
        let Ready { function, owner, entry, input } = ready;
        let blobs = &self.node.inner.blobs;
        Ok(Job {
            component: ComponentFile { hash: function.def.hash, path: blobs.path(&function.def.hash) },
            kind: function.def.kind,
            entry,
            input,
            limits,
            manifest: function.manifest.clone(),
            assets: function.manifest.assets.as_ref().map(|hash| blobs.assets_path(hash)),
            secrets: owner.secrets_for(&function.manifest).await?,
            invocation: Invocation {
                id: running.id,
                namespace: self.namespace().to_string(),
                function: function.name.to_string(),
                version: function.version,
                actor: running.caller.identity.actor.clone(),
                attempt,
                deadline: running.created_at.plus(limits.wall),
                parent: running.chain.parent,
            },
            seed,
        })
    }

    /// A place to run in, of the object and of the node. Nested calls do not wait for one: their callers hold places
    /// while they wait, and all of them waiting for each other would be the end.
    async fn place(&self, depth: u32) -> Result<Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)>, Fault> {
        let busy = || {
            Fault::new(
                FaultKind::RateLimited,
                "TOO_MANY_RUNS",
                "too many functions run here at once; try again in a moment",
            )
            .with_details(&serde_json::json!({ "retryAfterMs": 1000 }))
        };
        let node = &self.node.inner;
        if depth > 0 {
            let own = self.inner.places.try_acquire().map_err(|_| busy())?;
            return Ok(Some((own, node.places.try_acquire().map_err(|_| busy())?)));
        }
        // The common case needs no timer.
        if let (Ok(own), Ok(shared)) = (self.inner.places.try_acquire(), node.places.try_acquire()) {
            return Ok(Some((own, shared)));
        }
        let both = async {
            let own = self.inner.places.acquire().await.ok()?;
            Some((own, node.places.acquire().await.ok()?))
        };
        tokio::time::timeout(node.config.admission_wait, both).await.map_err(|_| busy())
    }

    async fn commit_success(&self, running: &Running, output: Json) -> Result<Invoked, InvokeFailed> {
        let writes = std::mem::take(&mut *lock(&running.turn));
        let row = running.row_as(ActionStatus::Completed, Some(&output), None);
        let duration_us = row.duration_us.unwrap_or(0);
        let waits = !writes.events.is_empty() || writes.open.is_some() || !writes.accepts.is_empty();
        let mut events = vec![outcome_event(running, "invoked", "{}".to_owned())];
        events.extend(writes.events);
        events.push(outcome_event(running, "completed", format!("{{\"durationUs\":{duration_us}}}")));
        let note = Note { action: Some(row), events, logs: writes.logs, accepts: writes.accepts, ..Note::default() };
        if waits {
            // What the guest said happened must be durable before anybody hears that the run succeeded.
            let committed = match writes.open {
                Some(open) => open.commit(note).await,
                None => self.commit_note(note).await,
            };
            if let Err(fault) = committed {
                return Err(self.finish(running, Err(fault)).await);
            }
        } else {
            self.note(note).await;
        }
        self.release(running, writes.sends).await;
        Ok(Invoked { action: running.id, result: output, duration_us, used: running.used() })
    }

    /// Starts what the turn asked to be sent, now that it has committed.
    pub(crate) async fn release(&self, running: &Running, sends: Vec<Sending>) {
        for sending in sends {
            tracing::debug!(parent = %running.id, id = %sending.id(), "sending");
            Self::start(sending).await;
        }
    }

    /// Writes down a run without a result. What its turn wrote goes with it, its log stays (spec WSM-7).
    async fn finish(&self, running: &Running, result: Result<(), Fault>) -> InvokeFailed {
        let fault = result.err().unwrap_or_else(Fault::internal);
        let touched = lock(&running.turn).open.is_some();
        self.note(ended(running, &fault)).await;
        // What it says may be of things that it read.
        let fault = if touched { self.seen().await.err().unwrap_or(fault) } else { fault };
        InvokeFailed { action: Some(running.id), fault }
    }
}

impl Object {
    /// Whether the function waits for a person.
    pub async fn asks_people(&self, action: &ActionRef) -> bool {
        let found = self.find_function(&action.function, action.at).await;
        found.is_ok_and(|(_, found)| found.def.kind == FunctionKind::Human)
    }
}

/// Resolves when the run is to be stopped: after a cancel and its grace.
pub(crate) async fn cancelled(running: &Running) {
    loop {
        running.stop.notified().await;
        if running.cancelled.load(Ordering::Acquire) {
            return tokio::time::sleep(CANCEL_GRACE).await;
        }
    }
}

/// How an action that was asked for from outside is called.
fn entry(caller: &Caller, action: &ActionRef, callable: &Callable, input: &Json) -> Result<Entry, Fault> {
    let function = &callable.function;
    if let Some(declared) = &callable.declared {
        if action.export.is_some() {
            let message = format!("{} has no exports; call it by its name alone", action.function);
            return Err(Fault::not_found("ACTION_NOT_FOUND", message));
        }
        if let Some(permission) = &declared.spec.permission {
            caller.holds(permission)?;
        }
        return declared.entry(input);
    }
    match function.def.kind {
        FunctionKind::Code | FunctionKind::ToolBox => {
            Ok(function.shape(action.export.as_deref())?.export.clone().map_or(Entry::Run, Entry::Export))
        }
        FunctionKind::App => {
            let message = format!("{} is an app: call the functions that it declares by their names", function.name);
            Err(Fault::not_found("ACTION_NOT_FOUND", message))
        }
        FunctionKind::Generative | FunctionKind::Agentic | FunctionKind::Human if action.export.is_some() => {
            let message = format!("{} has no exports; call it by its name alone", action.function);
            Err(Fault::not_found("ACTION_NOT_FOUND", message))
        }
        FunctionKind::Generative | FunctionKind::Agentic | FunctionKind::Human => Ok(Entry::Run),
        kind @ FunctionKind::Site => Err(Fault::unavailable(&format!("running a function of kind {}", kind.as_str()))),
    }
}

/// `pay.invoke`, or for a tool box `calc.invoke` as well as `calc.add.invoke`.
pub(crate) fn may_invoke(caller: &Caller, action: &ActionRef) -> Result<(), Fault> {
    if caller.identity.scopes.allow(action.function.as_str(), "invoke") {
        return Ok(());
    }
    let path = ActionRef { at: At::Head, ..action.clone() }.to_string();
    caller.may(&path, "invoke")
}

/// Whoever asked may go away in the middle of it: the run ends then, and its row says so.
struct Unfinished<'a> {
    object: &'a Object,
    running: Option<Arc<Running>>,
}

impl Unfinished<'_> {
    fn finished(mut self) {
        if let Some(running) = self.running.take() {
            lock(&self.object.inner.running).remove(&running.id);
        }
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        lock(&self.object.inner.running).remove(&running.id);
        let fault = Fault::new(FaultKind::Cancelled, "CALLER_GONE", "the caller went away before the run had ended");
        let note = ended(&running, &fault);
        if let Some(bytes) = self.object.try_take_room(note.bytes()) {
            self.object.node.inner.committers.queue(&self.object.inner, Queued::Note(Box::new(note)), bytes);
        }
    }
}
