//! A call as a journal knows it: what makes it the same call, and how a person reads it.

use types::{Call, CallOptions, RequestCall, redact};

/// How much of a call is kept for a person.
const DESCRIBED_BYTES_MAX: usize = 256;

/// Of what a call asks for. What only says how (time-outs, retries, a delay) may change from one version of the code to
/// the next.
pub fn fingerprint(call: &Call) -> u64 {
    let bytes = match call {
        // How a message is worded may change while who was sent it is waited for.
        Call::Deliver { message } => {
            postcard::to_stdvec(&(call.name(), &message.id, message.channel.as_str(), &message.target))
        }
        _ if options_of(call).is_some() => postcard::to_stdvec(&without_how(call)),
        _ => postcard::to_stdvec(call),
    };
    // Writing our own types into memory cannot fail; if it did, two such calls would count as the same.
    let hash = blake3::hash(&bytes.unwrap_or_default());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes have a first eight"))
}

/// The name that the guest gave this step.
pub(crate) fn step_id(call: &Call) -> Option<&str> {
    options_of(call)?.step_id.as_deref()
}

fn options_of(call: &Call) -> Option<&CallOptions> {
    match call {
        Call::Send { options, .. }
        | Call::Try { options, .. }
        | Call::Do { options, .. }
        | Call::Start { options, .. } => Some(options),
        Call::Join { .. }
        | Call::WorkerDo { .. }
        | Call::Ask { .. }
        | Call::Decide { .. }
        | Call::Approve { .. }
        | Call::Generate { .. }
        | Call::Notify { .. }
        | Call::Integration { .. }
        | Call::ThingGet { .. }
        | Call::ThingList { .. }
        | Call::ThingCreate { .. }
        | Call::ThingPut { .. }
        | Call::ThingPatch { .. }
        | Call::ThingDelete { .. }
        | Call::ThingVersions { .. }
        | Call::Relate { .. }
        | Call::Unrelate { .. }
        | Call::Relationships { .. }
        | Call::References { .. }
        | Call::Emit { .. }
        | Call::WaitFor { .. }
        | Call::Search { .. }
        | Call::Sleep { .. }
        | Call::SleepUntil { .. }
        | Call::TimerAfter { .. }
        | Call::TimerAt { .. }
        | Call::TimerCancel { .. }
        | Call::Http { .. }
        | Call::Poll { .. }
        | Call::Complete { .. }
        | Call::Deliver { .. }
        | Call::UseTool { .. }
        | Call::Answer { .. }
        | Call::Request { .. }
        | Call::Equip { .. }
        | Call::Recipients { .. } => None,
    }
}

fn without_how(call: &Call) -> Call {
    let mut call = call.clone();
    if let Call::Send { options, .. }
    | Call::Try { options, .. }
    | Call::Do { options, .. }
    | Call::Start { options, .. } = &mut call
    {
        *options = CallOptions {
            idempotency_key: options.idempotency_key.take(),
            target: options.target.take(),
            serial: options.serial.take(),
            ..CallOptions::default()
        };
    }
    call
}

/// `actions.try pay {"amount":3}`: one line without secrets, cut where it becomes long.
pub fn describe(call: &Call) -> String {
    let name = call.name();
    let text = match call {
        Call::Send { action, data, .. }
        | Call::Try { action, data, .. }
        | Call::Do { action, data, .. }
        | Call::Start { action, data, .. } => format!("{name} {action} {}", redact(data)),
        Call::Join { action_id } => format!("{name} {action_id}"),
        Call::WorkerDo { worker, task, .. } => format!("{name} {} {}", or_none(worker), redact(task)),
        Call::Ask { worker, question, .. } | Call::Decide { worker, question, .. } => {
            format!("{name} {} {question:?}", or_none(worker))
        }
        Call::Approve { worker, request, .. } => format!("{name} {} {}", or_none(worker), redact(request)),
        Call::Generate { worker, prompt, .. } => format!("{name} {} {prompt:?}", or_none(worker)),
        Call::Notify { worker, message, .. } => format!("{name} {} {}", or_none(worker), redact(message)),
        Call::Integration { provider, method, args } => format!("{name} {provider}.{method} {}", redact(args)),
        Call::ThingGet { at } | Call::ThingVersions { at, .. } | Call::ThingDelete { at, .. } => {
            format!("{name} {}", place(at))
        }
        Call::ThingList { noun, .. } => format!("{name} {noun}"),
        Call::ThingCreate { noun, data, .. } => format!("{name} {noun} {}", redact(data)),
        Call::ThingPut { at, data, .. } => format!("{name} {} {}", place(at), redact(data)),
        Call::ThingPatch { at, patch, .. } => format!("{name} {} {}", place(at), redact(patch)),
        Call::Relate { from, verb, to, .. } | Call::Unrelate { from, verb, to } => {
            format!("{name} {} {verb} {to}", place(from))
        }
        Call::Relationships { from: at, verb } | Call::References { to: at, verb } => {
            format!("{name} {} {}", place(at), or_none(verb))
        }
        Call::Emit { event, data, .. } => format!("{name} {event} {}", redact(data)),
        Call::WaitFor { event, filter, .. } => format!("{name} {event} {}", or_none(filter)),
        Call::Search { query } => format!("{name} {}", redact(query)),
        Call::Sleep { duration_ms } => format!("{name} {duration_ms} ms"),
        Call::SleepUntil { time_ms } => format!("{name} {time_ms}"),
        Call::TimerAfter { name: timer, action, .. } | Call::TimerAt { name: timer, action, .. } => {
            format!("{name} {timer} {action}")
        }
        Call::TimerCancel { name: timer } => format!("{name} {timer}"),
        // A query string can hold a token.
        Call::Http { method, url, .. } => format!("{name} {method} {}", url.split(['?', '#']).next().unwrap_or("")),
        Call::Poll { pollables } => format!("{name} of {pollables}"),
        Call::Complete { request } => {
            let last = request.messages.last().map(|message| message.text.as_str()).unwrap_or_default();
            format!("{name} {} {last:?}", or_none(&request.model))
        }
        Call::Deliver { message } => format!("{name} {} {:?}", message.channel.as_str(), message.subject),
        Call::UseTool { server, tool, args, .. } => format!("{name} {server}.{tool} {}", redact(args)),
        Call::Request { what } => match what {
            RequestCall::Open => name.to_owned(),
            RequestCall::Wait { until, .. } => format!("{name} until {until}"),
            RequestCall::Moment { number } => format!("{name} {number}"),
            RequestCall::Warn { warnings } => format!("{name} of {}", warnings.len()),
        },
        Call::Equip { worker, uses } => format!("{name} {} {uses}", or_none(worker)),
        Call::Recipients { worker, urgency, channels: _ } => format!("{name} {worker} {urgency}"),
        Call::Answer { worker, request } => format!("{name} {} {}", or_none(worker), redact(request)),
    };
    cut(text)
}

fn or_none(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

fn place(at: &types::ThingRef) -> String {
    match &at.at {
        None => format!("{}/{}", at.noun, at.id),
        Some(version) => format!("{}/{}@{version}", at.noun, at.id),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > DESCRIBED_BYTES_MAX {
        let mut end = DESCRIBED_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
