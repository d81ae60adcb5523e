//! What the host does for a running guest: the other end of every import.

mod things;

use crate::commit::{NewEvent, Note, Queued, lock};
use crate::durable::DurableSteps;
use crate::invoke::InvokeOptions;
use crate::object::Object;
use crate::running::{Chain, Running, TurnWrites};
use crate::things::Direction;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;
use types::exec::{BoxFuture, Gate, Host, Steps};
use types::{ActionRef, Call, CallOptions, Fault, FaultKind, Json, LogRow, LogStream, Reply, Timestamp};

/// Things, events and sends one turn may gather.
const TURN_WRITES_MAX: usize = 1_000;
/// An event's payload.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// The longest a `send` may be put off while delays live in memory.
const SEND_DELAY_MAX: Duration = Duration::from_secs(3600);
/// Nouns whose events only the platform makes (spec BUS-1), in lower case.
const PLATFORM_NOUNS: [&str; 7] = ["action", "function", "schedule", "audit", "object", "key", "secret"];
/// Further ones, exactly as they stand here: `Step` and `Run` are words that tenants have for things of their own.
const WORKFLOW_NOUNS: [&str; 11] = [
    "workflow",
    "step",
    "run",
    "approval",
    "question",
    "decision",
    "generation",
    "task",
    "notification",
    "goal",
    "tool",
];

pub(crate) struct GuestHost {
    pub(crate) object: Object,
    pub(crate) running: Arc<Running>,
    /// Whether the host makes these calls itself, for an agent: then it tells of goals and tools.
    is_platform: bool,
}

impl GuestHost {
    pub(crate) fn new(object: Object, running: Arc<Running>) -> Self {
        Self { object, running, is_platform: false }
    }

    /// For calls that no component makes.
    pub(crate) fn of_platform(self) -> Self {
        Self { is_platform: true, ..self }
    }

    pub(crate) async fn answer(&mut self, call: Call) -> Result<Reply, Fault> {
        match call {
            Call::Emit { event, data, source } => self.emit(&event, data, source),
            Call::Send { action, data, options } => self.send(&action, data, options).await,
            Call::Try { action, data, options } => self.attempt(&action, data, options).await,
            Call::Sleep { duration_ms } => self.sleep(Duration::from_millis(duration_ms)).await,
            Call::SleepUntil { time_ms } => {
                let now = self.object.node.now();
                self.sleep(Duration::from_millis(Timestamp::from_millis(time_ms).millis_since(now))).await
            }
            Call::ThingGet { at } => self.get(at).await,
            Call::ThingList { noun, query } => self.list(&noun, query).await,
            Call::ThingCreate { noun, data, if_version, branch } => self.create(&noun, data, if_version, branch).await,
            Call::ThingPut { at, data, if_version, branch } => self.put(at, data, if_version, branch).await,
            Call::ThingPatch { at, patch, if_version, branch } => self.patch(at, patch, if_version, branch).await,
            Call::ThingDelete { at, if_version, branch } => self.delete(at, if_version, branch).await,
            Call::ThingVersions { at, query } => self.versions(at, query).await,
            Call::Relate { from, verb, to, data } => self.relate(from, &verb, &to, data).await,
            Call::Unrelate { from, verb, to } => self.unrelate(from, &verb, &to).await,
            Call::Relationships { from, verb } => self.edges(from, Direction::Outbound, verb).await,
            Call::References { to, verb } => self.edges(to, Direction::Inbound, verb).await,
            Call::Do { .. }
            | Call::Start { .. }
            | Call::Join { .. }
            | Call::WaitFor { .. }
            | Call::TimerAfter { .. }
            | Call::TimerAt { .. }
            | Call::TimerCancel { .. }
            | Call::WorkerDo { .. }
            | Call::Ask { .. }
            | Call::Decide { .. }
            | Call::Approve { .. }
            | Call::Generate { .. }
            | Call::Notify { .. }
            | Call::Answer { .. } => Box::pin(self.answer_begun(call)).await,
            // Only the host makes it, of a run that has a journal: it is a step there.
            Call::Request { .. } => Err(Fault::internal()),
            Call::Complete { request } => self.complete(*request).await,
            Call::Deliver { message } => self.deliver(*message).await,
            Call::Recipients { worker, channels, urgency } => {
                self.recipients(&worker, channels.as_ref(), &urgency).await
            }
            Call::UseTool { server, tool, args, only_reads: _, timeout_ms } => {
                self.use_tool(server, tool, args, timeout_ms).await
            }
            Call::Equip { worker, uses } => self.equip(worker, &uses).await,
            unserved @ (Call::Integration { .. } | Call::Search { .. } | Call::Http { .. } | Call::Poll { .. }) => {
                Err(Fault::unavailable(unserved.name()))
            }
        }
    }

    fn emit(&mut self, event: &str, data: Json, source: Option<String>) -> Result<Reply, Fault> {
        let (noun, verb) = event.split_once('.').filter(|(n, v)| !n.is_empty() && !v.is_empty()).ok_or_else(|| {
            Fault::invalid("EVENT_INVALID", format!("{event:?} is no event; write Noun.event, like Order.shipped"))
        })?;
        if event.len() > 256 || event.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Fault::invalid("EVENT_INVALID", "an event's name is at most 256 characters without spaces"));
        }
        let is_kept = |noun: &str| !self.is_platform && is_platforms(noun);
        if is_kept(noun) {
            return Err(Fault::forbidden(format!("events of {noun} are the platform's own; use another noun")));
        }
        if data.as_str().len() > EVENT_BYTES_MAX {
            return Err(Fault::limit(
                "EVENT_LIMIT",
                format!("the data of an event are at most {EVENT_BYTES_MAX} bytes; these are {}", data.as_str().len()),
            ));
        }
        let source = match source {
            None => noun.to_owned(),
            Some(source) if is_kept(source.split('/').next().unwrap_or_default()) => {
                return Err(Fault::forbidden(format!("{source} is the platform's own; events of it are not yours")));
            }
            Some(source) if source.len() <= 512 && !source.chars().any(char::is_control) => source,
            Some(_) => return Err(Fault::invalid("EVENT_INVALID", "a source is Noun/id, at most 512 characters")),
        };
        self.count_writes(data.as_str().len())?;
        self.emit_in_turn(NewEvent { verb: verb.to_owned(), source, data: types::redact(&data) })?;
        Ok(Reply::Done)
    }

    async fn send(&mut self, action: &str, data: Json, options: CallOptions) -> Result<Reply, Fault> {
        let delay = Duration::from_millis(options.delay_ms.unwrap_or(0));
        if delay > SEND_DELAY_MAX {
            return Err(Fault::invalid(
                "DELAY_LIMIT",
                "a send can be put off by an hour at most; use do for more, once it is served",
            ));
        }
        let action: ActionRef = parse_action(action)?;
        self.deeper()?;
        let target = self.target(&options).await?;
        let ready = target.ready(&self.running.caller, &action, data).await?;
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        let chain = Chain { parent: Some(self.running.id), depth: self.running.chain.depth + 1 };
        let sending = target.sending(&self.running.caller, ready, InvokeOptions::default(), chain, delay);
        let id = sending.id();
        turn.sends.push(sending);
        Ok(Reply::Text(id.to_string()))
    }

    async fn attempt(&mut self, action: &str, data: Json, options: CallOptions) -> Result<Reply, Fault> {
        let target = self.target(&options).await?;
        let action = parse_action(action)?;
        self.deeper()?;
        end_turn(&self.object, &self.running).await?;
        let chain = Chain { parent: Some(self.running.id), depth: self.running.chain.depth + 1 };
        let caller = self.running.caller.clone();
        let options = InvokeOptions {
            timeout: options.timeout_ms.map(Duration::from_millis),
            idempotency_key: options.idempotency_key,
            ..InvokeOptions::default()
        };
        let ready = target.ready(&caller, &action, data).await?;
        // A task of its own, because functions call functions: one within the other on one stack would end it. It ends
        // with the call.
        let run = async move { target.run(&caller, ready, options, chain).await };
        let run = AbortOnDropHandle::new(tokio::spawn(boxed(run)));
        match run.await.map_err(|_| Fault::internal())? {
            Ok(invoked) => Ok(Reply::Json(invoked.result)),
            Err(failed) => Err(failed.fault),
        }
    }

    async fn sleep(&mut self, duration: Duration) -> Result<Reply, Fault> {
        end_turn(&self.object, &self.running).await?;
        tokio::time::sleep(duration).await;
        Ok(Reply::Done)
    }

    pub(crate) fn deeper(&self) -> Result<(), Fault> {
        let max = self.object.node.inner.config.limits.call_depth_max;
        if self.running.chain.depth < max {
            return Ok(());
        }
        Err(Fault::limit(
            "CALL_DEPTH_LIMIT",
            format!("functions call functions {max} deep at most; do these call in a circle?"),
        ))
    }
}

/// Commits what the turn wrote and waits until it is durable: called before the guest waits on anything outside, so that
/// nothing leaves before what it depends on (spec RUN-2, WSM-7).
pub(crate) async fn end_turn(object: &Object, running: &Running) -> Result<(), Fault> {
    let TurnWrites { events, sends, logs, accepts, mut rows, open, .. } = {
        let mut turn = lock(&running.turn);
        if turn.is_empty() {
            return Ok(());
        }
        std::mem::take(&mut *turn)
    };
    // The row of the action itself goes with the last turn; until then it is the running one. A durable one is there.
    let action = running.durable.is_none().then(|| running.row());
    if let Some(run) = &running.durable {
        rows.extend(run.went_on());
    }
    let note = Note { action, cause: Some(running.id), events, logs, accepts, rows, ..Note::default() };
    match open {
        Some(open) => open.commit(note).await?,
        None => object.commit_note(note).await?,
    }
    object.release(running, sends).await;
    Ok(())
}

fn is_platforms(noun: &str) -> bool {
    PLATFORM_NOUNS.contains(&noun.to_ascii_lowercase().as_str()) || WORKFLOW_NOUNS.contains(&noun)
}

/// A run may call, which runs: the type of the future would contain itself.
fn boxed<T>(run: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
    Box::pin(run)
}

pub(crate) fn parse_action(text: &str) -> Result<ActionRef, Fault> {
    text.parse().map_err(|e: types::NameError| Fault::invalid("ACTION_INVALID", e.to_string()))
}

/// What failed below is this guest's to handle; what it must not learn was left out where it arose.
pub(crate) fn reply_of(answer: Result<Reply, Fault>) -> Reply {
    match answer {
        Ok(reply) => reply,
        Err(fault) => Reply::Fault(Fault {
            kind: if fault.kind == FaultKind::Unauthenticated { FaultKind::Forbidden } else { fault.kind },
            ..fault
        }),
    }
}

pub(crate) fn room_in(turn: &TurnWrites) -> Result<(), Fault> {
    if turn.len() < TURN_WRITES_MAX {
        return Ok(());
    }
    Err(Fault::limit("TURN_WRITES_LIMIT", format!("one turn writes, emits and sends {TURN_WRITES_MAX} times at most")))
}

impl Host for GuestHost {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let uses = crate::workers::Uses::of(&call);
            let reply = match self.running.durable.clone() {
                // Boxed: functions call functions, and each of them would have room for both on its stack.
                Some(run) => Box::pin(self.step(&run, call)).await,
                None => reply_of(self.answer(call).await),
            };
            uses.note(&self.running, &reply);
            reply
        })
    }

    fn gate(&self) -> Gate {
        let (object, running) = (self.object.clone(), self.running.clone());
        Arc::new(move || {
            let (object, running) = (object.clone(), running.clone());
            Box::pin(async move { end_turn(&object, &running).await })
        })
    }

    fn log(&mut self, stream: LogStream, line: String) {
        // What a replay says again is written down already.
        if self.running.durable.as_ref().is_some_and(|run| run.is_replaying()) {
            self.running.lines.fetch_add(1, Ordering::AcqRel);
            return;
        }
        let ordinal = self.running.lines.fetch_add(1, Ordering::AcqRel);
        let row = LogRow { action: self.running.id, ordinal, at: self.object.node.now(), stream, text: line };
        let note = Note { logs: vec![row], ..Note::default() };
        // Lines keep their order: once one had to wait, the rest waits with it.
        let mut turn = lock(&self.running.turn);
        match turn.logs.is_empty().then(|| self.object.try_take_room(note.bytes())).flatten() {
            Some(bytes) => {
                drop(turn);
                self.object.node.inner.committers.queue(&self.object.inner, Queued::Note(Box::new(note)), bytes);
            }
            None => turn.logs.extend(note.logs),
        }
    }

    fn steps(&self) -> Option<Arc<dyn Steps>> {
        let run = self.running.durable.clone()?;
        Some(Arc::new(DurableSteps { object: self.object.clone(), running: self.running.clone(), run }))
    }

    fn now(&mut self) -> Timestamp {
        self.running.durable.as_ref().map_or_else(|| self.object.node.now(), |run| run.now())
    }

    fn is_cancelled(&self) -> bool {
        // A replay is told what the first run was told; being cancelled is not among it.
        let is_replaying = self.running.durable.as_ref().is_some_and(|run| run.is_replaying());
        !is_replaying && self.running.cancelled.load(Ordering::Acquire)
    }
}
