//! Telling people something (spec WRK-8): to whom is looked up once, each attempt on each channel is a step, and what fails
//! on one channel does not keep another from it.
//!
//! What goes to many is divided into parts of [`PART_WAYS`], each an invocation of its own: they run side by side in as
//! many places, and the rest of the object's places are for others. What is held back until somebody's quiet hours are over
//! is a part, too, that nobody waits for.

use super::recipients::{Plan, Way};
use crate::commit::NewEvent;
use crate::durable::DurableRun;
use crate::guest::GuestHost;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::exec::{Dispatch, Entry, Host};
use types::{Call, CallOptions, Fault, FaultKind, Json, Method, Reply, Timestamp, Worker};

/// Messages of one part: a thousand people are twenty parts, which is less than a tenth of an object's places.
const PART_WAYS: usize = 50;
/// How often a message is tried on its channel.
const ATTEMPTS: usize = 3;
/// Between attempts, in milliseconds; a channel may ask for more, up to the last.
const BACKOFF_MS: [u64; ATTEMPTS - 1] = [2_000, 10_000];
const BACKOFF_MS_MAX: u64 = 60_000;
/// The longest id that a caller gives a message.
const MESSAGE_ID_CHARS_MAX: usize = 255;
const SUBJECT_CHARS: usize = 120;
/// The longest message, in bytes of JSON.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Whether that is work of this kind, whose parts are begun in their own way.
pub(crate) fn is_notice(entry: &Entry) -> bool {
    matches!(entry, Entry::Work { method: Method::Notify, .. })
}

/// Under which key a message is told once: the id that its caller gave it.
pub(crate) fn key_of(worker: &Worker, input: &Json) -> Option<String> {
    let input = input.to_value();
    let id = own_id(&input)?;
    (id.chars().count() <= MESSAGE_ID_CHARS_MAX).then(|| format!("notify:{worker}:{id}"))
}

fn own_id(input: &Value) -> Option<&str> {
    let id = input["options"]["messageId"].as_str().or_else(|| input["message"]["id"].as_str());
    id.filter(|id| !id.is_empty())
}

/// What is to be told.
struct Notice {
    /// The same however often it is told.
    id: String,
    subject: String,
    text: String,
    urgency: Value,
    channels: Option<Json>,
    payload: Json,
}

impl Notice {
    fn read(run: &DurableRun) -> Result<Self, Fault> {
        let input = run.row.input.to_value();
        let (message, options) = (&input["message"], &input["options"]);
        if run.row.input.as_str().len() > MESSAGE_BYTES_MAX {
            let message = format!("a message has {MESSAGE_BYTES_MAX} bytes at most; put what is long into a thing");
            return Err(Fault::limit("MESSAGE_LIMIT", message));
        }
        let member = |names: &[&str]| names.iter().find_map(|name| message[*name].as_str()).map(str::to_owned);
        let (subject, text) = match message {
            Value::String(text) => (None, Some(text.clone())),
            Value::Object(_) => (member(&["subject", "title"]), member(&["text", "body", "message"])),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => (None, None),
        };
        let said = text.or_else(|| subject.clone()).filter(|text| !text.trim().is_empty());
        let text = said.ok_or_else(|| {
            Fault::invalid(
                "MESSAGE_INVALID",
                "the message is empty; give a text, or an object with `subject` and `text`",
            )
        })?;
        let subject = subject.unwrap_or_else(|| text.lines().next().unwrap_or_default().to_owned());
        let id = own_id(&input).map_or_else(|| run.row.id.to_string(), str::to_owned);
        if id.chars().count() > MESSAGE_ID_CHARS_MAX {
            let message = format!("a message's id has {MESSAGE_ID_CHARS_MAX} characters at most");
            return Err(Fault::invalid("MESSAGE_INVALID", message));
        }
        let urgency = match &options["priority"] {
            Value::Null => json!("normal"),
            given => given.clone(),
        };
        let channels = Some(&options["channels"]).filter(|given| !given.is_null()).map(Json::from_value);
        let data = json!({ "messageId": id, "message": message, "priority": urgency, "metadata": options["metadata"] });
        let payload = json!({ "type": "notification", "timestamp": run.row.accepted_at.to_string(), "data": data });
        let subject = subject.chars().take(SUBJECT_CHARS).collect();
        Ok(Self { id, subject, text, urgency, channels, payload: Json::from_value(&payload) })
    }
}

/// A part of it, as it is the input of an invocation.
#[derive(Serialize, Deserialize)]
struct Part {
    /// No caller's input has this member.
    #[serde(rename = "$part")]
    ways: Vec<Way>,
    until: Option<Timestamp>,
    id: String,
    subject: String,
    text: String,
    payload: Json,
}

impl Part {
    fn of(notice: &Notice, ways: Vec<Way>, until: Option<Timestamp>) -> Self {
        let Notice { id, subject, text, payload, .. } = notice;
        let (id, subject, text, payload) = (id.clone(), subject.clone(), text.clone(), payload.clone());
        Self { ways, until, id, subject, text, payload }
    }

    fn dispatch(&self, way: &Way) -> Dispatch {
        let place = blake3::hash(format!("{}\0{}", way.channel.as_str(), way.target).as_bytes());
        Dispatch {
            id: format!("{}-{}", self.id, &place.to_hex()[..16]),
            channel: way.channel,
            target: way.target.clone(),
            subject: self.subject.clone(),
            text: self.text.clone(),
            choices: Vec::new(),
            payload: (way.channel == types::exec::ChannelKind::Webhook).then(|| self.payload.clone()),
        }
    }
}

/// What became of one message on one channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Delivery {
    channel: types::exec::ChannelKind,
    target: String,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Delivered,
    Queued,
    Failed,
}

impl Delivery {
    fn of(way: &Way, status: Status) -> Self {
        Self { channel: way.channel, target: way.target.clone(), status, error: None }
    }
}

/// Tells, and says what became of it.
pub(super) async fn go_through(mut host: GuestHost, run: &Arc<DurableRun>, worker: &Worker) -> Result<Json, Fault> {
    // Only who begins parts is trusted to say that it is one: the trigger is a step of work of the same kind.
    if run.row.parent.is_some()
        && let Ok(part) = serde_json::from_str::<Part>(run.row.input.as_str())
    {
        return Ok(Json::of(&deliver(&mut host, &part).await?));
    }
    let notice = Notice::read(run)?;
    let (channels, urgency) = (notice.channels.clone(), Json::from_value(&notice.urgency));
    let found = ask(&mut host, Call::Recipients { worker: worker.to_string(), channels, urgency }).await?;
    let plan: Plan = serde_json::from_value(found).map_err(|_| Fault::internal())?;
    let delivery = tell_all(&mut host, &notice, &plan).await?;
    let output = outcome(&notice, &plan, &delivery, run.now());
    // With the end of the run, in its last turn.
    let data = json!({ "worker": worker.to_string(), "sent": output["sent"], "messageId": notice.id,
                       "via": output["via"], "recipients": plan.people.len() });
    let source = format!("Notification/{}", run.row.id);
    host.emit_in_turn(NewEvent { verb: "sent".to_owned(), source, data: Json::from_value(&data) })?;
    Ok(Json::from_value(&output))
}

async fn tell_all(host: &mut GuestHost, notice: &Notice, plan: &Plan) -> Result<Vec<Delivery>, Fault> {
    let (now, mut later) =
        (Vec::from_iter(plan.ways.iter().filter(|way| way.held.is_none()).cloned()), BTreeMap::new());
    for way in plan.ways.iter() {
        if let Some(until) = way.held {
            later.entry(until).or_insert_with(Vec::new).push(way.clone());
        }
    }
    let mut delivery = Vec::new();
    for (until, ways) in later {
        for ways in ways.chunks(PART_WAYS) {
            begin(host, &Part::of(notice, ways.to_vec(), Some(until))).await?;
            delivery.extend(ways.iter().map(|way| Delivery::of(way, Status::Queued)));
        }
    }
    if now.len() <= PART_WAYS {
        delivery.extend(deliver(host, &Part::of(notice, now, None)).await?);
        return Ok(delivery);
    }
    let mut begun = Vec::new();
    for ways in now.chunks(PART_WAYS) {
        begun.push((begin(host, &Part::of(notice, ways.to_vec(), None)).await?, ways));
    }
    for (action_id, ways) in begun {
        match ask(host, Call::Join { action_id }).await {
            Ok(delivered) => {
                let delivered: Vec<Delivery> = serde_json::from_value(delivered).map_err(|_| Fault::internal())?;
                delivery.extend(delivered);
            }
            // A part that broke off is not the others' failure.
            Err(fault) => delivery.extend(ways.iter().map(|way| failed(way, &fault))),
        }
    }
    Ok(delivery)
}

async fn begin(host: &mut GuestHost, part: &Part) -> Result<String, Fault> {
    let call = Call::Start { action: "notify".to_owned(), data: Json::of(part), options: CallOptions::default() };
    match ask(host, call).await? {
        Value::String(id) => Ok(id),
        _ => Err(Fault::internal()),
    }
}

/// Each on its channel, those that failed again once all were tried.
async fn deliver(host: &mut GuestHost, part: &Part) -> Result<Vec<Delivery>, Fault> {
    if let Some(until) = part.until {
        ask(host, Call::SleepUntil { time_ms: until.as_millis() }).await?;
    }
    let mut settled: Vec<Option<Delivery>> = part.ways.iter().map(|_| None).collect();
    for attempt in 0..ATTEMPTS {
        let pause = BACKOFF_MS.get(attempt);
        let mut wait = pause.copied().unwrap_or_default();
        for (way, settled) in part.ways.iter().zip(&mut settled).filter(|(_, settled)| settled.is_none()) {
            let call = Call::Deliver { message: Box::new(part.dispatch(way)) };
            match ask(host, call).await {
                Ok(_) => *settled = Some(Delivery::of(way, Status::Delivered)),
                Err(fault) if pause.is_some() && is_passing(&fault) => wait = wait.max(asked_for(&fault)),
                Err(fault) => *settled = Some(failed(way, &fault)),
            }
        }
        if settled.iter().all(Option::is_some) || pause.is_none() {
            break;
        }
        ask(host, Call::Sleep { duration_ms: wait.min(BACKOFF_MS_MAX) }).await?;
    }
    Ok(settled.into_iter().flatten().collect())
}

/// A channel that is not configured will not be in a moment.
fn is_passing(fault: &Fault) -> bool {
    fault.kind.is_retryable() && fault.kind != FaultKind::Unavailable
}

/// How long a channel wants to be left alone, in milliseconds.
fn asked_for(fault: &Fault) -> u64 {
    fault.details.as_ref().and_then(|details| details.to_value()["retryAfterMs"].as_u64()).unwrap_or_default()
}

fn failed(way: &Way, fault: &Fault) -> Delivery {
    let error = json!({ "code": fault.code, "message": fault.message });
    Delivery { error: Some(error), ..Delivery::of(way, Status::Failed) }
}

fn outcome(notice: &Notice, plan: &Plan, delivery: &[Delivery], at: Timestamp) -> Value {
    let arrives = |delivery: &&Delivery| delivery.status != Status::Failed;
    let mut via: Vec<_> = delivery.iter().filter(arrives).map(|delivery| delivery.channel.as_str()).collect();
    via.sort_unstable();
    via.dedup();
    let mut output = Map::new();
    output.insert("sent".to_owned(), json!(delivery.iter().any(|delivery| arrives(&delivery))));
    output.insert("messageId".to_owned(), json!(notice.id));
    output.insert("via".to_owned(), json!(via));
    output.insert("recipients".to_owned(), json!(plan.people));
    output.insert("delivery".to_owned(), json!(delivery));
    output.insert("sentAt".to_owned(), json!(at.to_string()));
    if plan.ways.is_empty() {
        output.insert("warnings".to_owned(), json!(["NO_CHANNELS"]));
    }
    Value::Object(output)
}

async fn ask(host: &mut GuestHost, call: Call) -> Result<Value, Fault> {
    match host.call(call).await {
        Reply::Json(json) => Ok(json.to_value()),
        Reply::Text(text) => Ok(Value::String(text)),
        Reply::Done => Ok(Value::Null),
        Reply::Fault(fault) => Err(fault),
        Reply::Version(_) | Reply::Bool(_) | Reply::Http(_) | Reply::Ready(_) => Err(Fault::internal()),
    }
}
