//! A run in progress: what is known of it, what its turn gathered, and the rows that tell of it.

use crate::Caller;
use crate::commit::{NewEvent, Note, lock};
use crate::durable::{Accepting, DurableRun};
use crate::invoke::{InvokeOptions, Ready};
use crate::object::Object;
use crate::turn::OpenTurn;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use types::exec::Heard;
use types::{ActionRow, ActionStatus, Durability, Fault, FaultKind, Finish, Id, Json, LogRow, Row, Spent, Timestamp};

/// A payload larger than this is not kept with its action; that it was there is.
const KEPT_PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Which invocations led to this one.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chain {
    pub(crate) parent: Option<Id>,
    pub(crate) depth: u32,
}

/// A run in progress.
pub(crate) struct Running {
    pub(crate) id: Id,
    pub(crate) target: String,
    pub(crate) version: u64,
    pub(crate) export: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) chain: Chain,
    pub(crate) durability: Durability,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) input: Json,
    pub(crate) created_at: Timestamp,
    pub(crate) begun: Instant,
    pub(crate) cancelled: AtomicBool,
    pub(crate) stop: Notify,
    /// Lines it has logged so far.
    pub(crate) lines: AtomicU32,
    /// What the guest wrote and is not committed yet.
    pub(crate) turn: Mutex<TurnWrites>,
    /// What models and tools it used.
    pub(crate) spending: Mutex<Used>,
    /// Who listens to what models say for it.
    pub(crate) heard: Heard,
    /// Its journal, when it is one that goes on whatever dies.
    pub(crate) durable: Option<Arc<DurableRun>>,
}

/// What of models and tools a run used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    pub spent: Spent,
    pub tool_calls: u32,
    /// Why the last model stopped.
    pub finish: Option<Finish>,
}

impl Used {
    /// `{inputTokens, outputTokens, costUsd?, modelCalls, toolCalls}` (spec FUN-3).
    pub fn usage(&self) -> serde_json::Value {
        let mut usage = serde_json::json!({
            "inputTokens": self.spent.input_tokens,
            "outputTokens": self.spent.output_tokens,
            "modelCalls": self.spent.model_calls,
            "toolCalls": self.tool_calls,
        });
        if let Some(micros) = self.spent.cost_micros {
            usage["costUsd"] = dollars(micros);
        }
        usage
    }

    /// As [`kept`] has it.
    pub(crate) fn read(options: &Json) -> Option<Self> {
        let options = options.to_value();
        let usage = options.get("usage")?;
        let number = |name: &str| usage.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let small = |name: &str| u32::try_from(number(name)).unwrap_or(u32::MAX);
        let spent = Spent {
            input_tokens: number("inputTokens"),
            output_tokens: number("outputTokens"),
            cost_micros: usage.get("costUsd").and_then(serde_json::Value::as_f64).map(|usd| (usd * 1e6).round() as u64),
            model_calls: small("modelCalls"),
        };
        let finish = options.get("finishReason").cloned().and_then(|finish| serde_json::from_value(finish).ok());
        Some(Self { spent, tool_calls: small("toolCalls"), finish })
    }
}

/// Millionths as dollars, exactly.
pub fn dollars(micros: u64) -> serde_json::Value {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let text = text.trim_end_matches('0');
    let text = if text.ends_with('.') { format!("{text}0") } else { text.to_owned() };
    serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
}

/// What a guest did since its last commit.
#[derive(Default)]
pub(crate) struct TurnWrites {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) sends: Vec<Sending>,
    /// Lines that found no room in the queue at once.
    pub(crate) logs: Vec<LogRow>,
    /// Durable invocations that it began, to be started once they are written.
    pub(crate) accepts: Vec<Accepting>,
    /// Steps that are not written yet.
    pub(crate) rows: Vec<Row>,
    /// Its transaction, once it touched a thing.
    pub(crate) open: Option<OpenTurn>,
    /// Events and things so far.
    writes: usize,
    bytes: usize,
}

impl TurnWrites {
    /// Counts one more event or thing.
    pub(crate) fn count(&mut self, bytes: usize, bytes_max: usize) -> Result<(), Fault> {
        if self.bytes + bytes > bytes_max {
            let message =
                format!("one turn writes {} MiB of things at most; end it with a wait, or write less", bytes_max >> 20);
            return Err(Fault::limit("TURN_BYTES_LIMIT", message));
        }
        self.writes += 1;
        self.bytes += bytes;
        Ok(())
    }

    /// Sends, and events and things that were counted, so far.
    pub(crate) fn len(&self) -> usize {
        self.sends.len() + self.accepts.len() + self.writes
    }

    /// Whether there is anything to be committed.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.sends.is_empty()
            && self.accepts.is_empty()
            && self.rows.is_empty()
            && self.open.is_none()
    }
}

/// A call to be made once the turn has committed.
pub(crate) struct Sending {
    /// Where it runs.
    pub(crate) object: Object,
    /// Has its id already, which is what the guest was told.
    pub(crate) running: Arc<Running>,
    pub(crate) ready: Ready,
    pub(crate) options: InvokeOptions,
    pub(crate) delay: Duration,
}

impl Sending {
    pub(crate) fn id(&self) -> Id {
        self.running.id
    }
}

impl Running {
    /// Its row while it runs.
    pub(crate) fn row(&self) -> ActionRow {
        self.row_as(ActionStatus::Running, None, None)
    }

    pub(crate) fn row_as(&self, status: ActionStatus, output: Option<&Json>, error: Option<Fault>) -> ActionRow {
        let duration = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let ended = match status {
            ActionStatus::Pending | ActionStatus::Running | ActionStatus::Retrying => None,
            ActionStatus::Completed | ActionStatus::Failed | ActionStatus::Undone | ActionStatus::Cancelled => {
                Some(duration)
            }
        };
        ActionRow {
            id: self.id,
            verb: "invoke".to_owned(),
            actor: self.caller.identity.actor.to_string(),
            target: self.target.clone(),
            input: None,
            output: None,
            options: self.kept(output),
            durability: self.durability,
            status,
            error,
            attempts: 1,
            idempotency_key: self.idempotency_key.clone(),
            request_id: Some(self.caller.request_id.to_string()),
            parent: self.chain.parent,
            created_at: self.created_at,
            started_at: Some(self.created_at),
            completed_at: ended.map(|us| self.created_at.plus(Duration::from_micros(us))),
            duration_us: ended,
        }
    }

    /// What it used until now; None: nothing.
    pub(crate) fn used(&self) -> Option<Used> {
        Some(*lock(&self.spending)).filter(|used| *used != Used::default())
    }

    /// That a model answered it.
    pub(crate) fn note_completed(&self, completed: &types::Completed) {
        let mut used = lock(&self.spending);
        used.spent = used.spent.and(completed.spent);
        used.finish = Some(completed.finish);
    }

    /// That a tool was called for it.
    pub(crate) fn note_tool_call(&self) {
        lock(&self.spending).tool_calls += 1;
    }

    fn kept(&self, output: Option<&Json>) -> Json {
        kept(self.version, self.export.as_deref(), &self.input, output, self.used())
    }
}

/// `{version, export?, usage?, finishReason?, input?, output?}`, without secrets.
pub(crate) fn kept(
    version: u64,
    export: Option<&str>,
    input: &Json,
    output: Option<&Json>,
    used: Option<Used>,
) -> Json {
    let mut text = format!("{{\"version\":{version}");
    if let Some(export) = export {
        text.push_str(&format!(",\"export\":\"{export}\""));
    }
    if let Some(used) = used {
        text.push_str(&format!(",\"usage\":{}", used.usage()));
        if let Some(finish) = used.finish {
            text.push_str(&format!(",\"finishReason\":\"{}\"", finish.as_str()));
        }
    }
    for (name, payload) in [("input", Some(input)), ("output", output)] {
        let Some(payload) = payload else { continue };
        if payload.as_str().len() > KEPT_PAYLOAD_BYTES_MAX {
            text.push_str(&format!(",\"{name}Bytes\":{},\"truncated\":true", payload.as_str().len()));
        } else {
            text.push_str(&format!(",\"{name}\":{}", types::redact(payload)));
        }
    }
    text.push('}');
    // Two long payloads would say `truncated` twice.
    Json::parse(text).unwrap_or_else(|_| Json::from_value(&serde_json::json!({ "truncated": true })))
}

pub(crate) fn ended(running: &Running, fault: &Fault) -> Note {
    let logs = std::mem::take(&mut *lock(&running.turn)).logs;
    let status = match fault.kind {
        FaultKind::Cancelled => ActionStatus::Cancelled,
        _ => ActionStatus::Failed,
    };
    let event = Json::of(&serde_json::json!({ "error": { "code": fault.code, "message": fault.message } }));
    let events = vec![
        outcome_event(running, "invoked", "{}".to_owned()),
        outcome_event(
            running,
            if status == ActionStatus::Cancelled { "cancelled" } else { "failed" },
            event.to_string(),
        ),
    ];
    Note { action: Some(running.row_as(status, None, Some(fault.clone()))), events, logs, ..Note::default() }
}

pub(crate) fn outcome_event(running: &Running, verb: &str, data: String) -> NewEvent {
    event_of(&running.target, verb, data)
}

/// That something became of a run of `target`.
pub(crate) fn event_of(target: &str, verb: &str, data: String) -> NewEvent {
    NewEvent {
        verb: verb.to_owned(),
        source: target.to_owned(),
        data: Json::parse(data).unwrap_or_else(|_| Json::null()),
    }
}
