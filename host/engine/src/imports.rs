//! Our imports: each becomes one `Call` to whoever started the run, and its `Reply` the import's result.

use crate::state::RunState;
use types::{Call, CallOptions, Fault, FaultKind, Json, LogStream, Reply, Retry, ThingRef};
use wasmtime::Result;
use world::org_ai::{actions, context, events, integration, search, things, timers, worker};
use world::types as wit;

impl RunState {
    /// The one way out. An error ends the run.
    pub async fn ask(&mut self, call: Call) -> Result<Reply> {
        self.admit(call.name())?;
        self.hand_over_log();
        Ok(self.host.call(call).await)
    }

    /// A call of the guest's. A fault is data for it; an error ends the run.
    async fn perform<T>(
        &mut self,
        call: Result<Call, Fault>,
        read: fn(Reply) -> Option<T>,
    ) -> Result<Result<T, wit::Fault>> {
        let call = match call {
            Ok(call) => call,
            Err(fault) => {
                self.admit("an import with an argument that is not JSON")?;
                return Ok(Err(to_wit(fault)));
            }
        };
        let name = call.name();
        Ok(match self.ask(call).await? {
            Reply::Fault(fault) => Err(to_wit(fault)),
            reply => read(reply).ok_or_else(|| {
                tracing::error!(call = name, "answered with a reply of another shape");
                to_wit(Fault::internal())
            }),
        })
    }
}

fn json(reply: Reply) -> Option<String> {
    if let Reply::Json(json) = reply { Some(json.as_str().to_owned()) } else { None }
}

fn text(reply: Reply) -> Option<String> {
    if let Reply::Text(text) = reply { Some(text) } else { None }
}

fn version(reply: Reply) -> Option<u64> {
    if let Reply::Version(version) = reply { Some(version) } else { None }
}

fn flag(reply: Reply) -> Option<bool> {
    if let Reply::Bool(flag) = reply { Some(flag) } else { None }
}

fn done(reply: Reply) -> Option<()> {
    matches!(reply, Reply::Done).then_some(())
}

/// An argument that must be JSON.
fn parse(name: &str, text: String) -> Result<Json, Fault> {
    if text.len() > JSON_BYTES_MAX {
        let message = format!("`{name}` is {} bytes of JSON; at most {JSON_BYTES_MAX} are accepted", text.len());
        return Err(Fault::invalid("JSON_TOO_LARGE", message));
    }
    Json::parse(text).map_err(|error| Fault::invalid("NOT_JSON", format!("`{name}` must be JSON text: {error}")))
}

/// What `type json` of `org-ai:types` says.
const JSON_BYTES_MAX: usize = 1 << 20;

fn parse_option(name: &str, text: Option<String>) -> Result<Option<Json>, Fault> {
    text.map(|text| parse(name, text)).transpose()
}

pub fn to_wit(fault: Fault) -> wit::Fault {
    let kind = match fault.kind {
        FaultKind::Invalid => wit::FaultKind::Invalid,
        FaultKind::Unauthenticated => wit::FaultKind::Unauthenticated,
        FaultKind::Forbidden => wit::FaultKind::Forbidden,
        FaultKind::NotFound => wit::FaultKind::NotFound,
        FaultKind::Conflict => wit::FaultKind::Conflict,
        FaultKind::Gone => wit::FaultKind::Gone,
        FaultKind::Limit => wit::FaultKind::Limit,
        FaultKind::RateLimited => wit::FaultKind::RateLimited,
        FaultKind::Timeout => wit::FaultKind::Timeout,
        FaultKind::Cancelled => wit::FaultKind::Cancelled,
        FaultKind::Failed => wit::FaultKind::Failed,
        FaultKind::Upstream => wit::FaultKind::Upstream,
        FaultKind::Unavailable => wit::FaultKind::Unavailable,
        FaultKind::Internal => wit::FaultKind::Internal,
    };
    let details = fault.details.map(|details| details.as_str().to_owned());
    wit::Fault { kind, code: fault.code, message: fault.message, details }
}

/// A guest's own fault, as it said it.
pub fn from_wit(fault: wit::Fault) -> Fault {
    let kind = match fault.kind {
        wit::FaultKind::Invalid => FaultKind::Invalid,
        wit::FaultKind::Unauthenticated => FaultKind::Unauthenticated,
        wit::FaultKind::Forbidden => FaultKind::Forbidden,
        wit::FaultKind::NotFound => FaultKind::NotFound,
        wit::FaultKind::Conflict => FaultKind::Conflict,
        wit::FaultKind::Gone => FaultKind::Gone,
        wit::FaultKind::Limit => FaultKind::Limit,
        wit::FaultKind::RateLimited => FaultKind::RateLimited,
        wit::FaultKind::Timeout => FaultKind::Timeout,
        wit::FaultKind::Cancelled => FaultKind::Cancelled,
        wit::FaultKind::Failed => FaultKind::Failed,
        wit::FaultKind::Upstream => FaultKind::Upstream,
        wit::FaultKind::Unavailable => FaultKind::Unavailable,
        wit::FaultKind::Internal => FaultKind::Internal,
    };
    let code = if fault.code.is_empty() { "FUNCTION_FAILED".to_owned() } else { fault.code };
    let mut out = Fault::new(kind, code, fault.message);
    // Details that are no JSON are still what the guest wanted to say.
    out.details = fault
        .details
        .map(|text| Json::parse(text.as_str()).unwrap_or_else(|_| Json::from_value(&serde_json::Value::String(text))));
    out
}

fn options(options: Option<actions::actions::Options>) -> CallOptions {
    options.map_or_else(CallOptions::default, |options| CallOptions {
        retry_on: Vec::new(),
        idempotency_key: options.idempotency_key,
        timeout_ms: options.timeout_ms,
        retry: options.retry.map(|retry| Retry {
            max_attempts: retry.max_attempts,
            initial_delay_ms: retry.initial_delay_ms,
            max_delay_ms: retry.max_delay_ms,
            multiplier: retry.multiplier,
            jitter: retry.jitter,
        }),
        target: options.target,
        serial: options.serial,
        delay_ms: options.delay_ms,
        step_id: options.step_id,
    })
}

impl wit::Host for RunState {}

type Answer<T> = Result<Result<T, wit::Fault>>;
type Options = Option<actions::actions::Options>;

impl actions::actions::Host for RunState {
    async fn send(&mut self, action: String, data: String, opts: Options) -> Answer<String> {
        let call = parse("data", data).map(|data| Call::Send { action, data, options: options(opts) });
        self.perform(call, text).await
    }

    async fn try_(&mut self, action: String, data: String, opts: Options) -> Answer<String> {
        let call = parse("data", data).map(|data| Call::Try { action, data, options: options(opts) });
        self.perform(call, json).await
    }

    async fn do_(&mut self, action: String, data: String, opts: Options) -> Answer<String> {
        let call = parse("data", data).map(|data| Call::Do { action, data, options: options(opts) });
        self.perform(call, json).await
    }

    async fn start(&mut self, action: String, data: String, opts: Options) -> Answer<String> {
        let call = parse("data", data).map(|data| Call::Start { action, data, options: options(opts) });
        self.perform(call, text).await
    }

    async fn join(&mut self, action_id: String) -> Answer<String> {
        self.perform(Ok(Call::Join { action_id }), json).await
    }
}

impl worker::worker::Host for RunState {
    async fn do_(&mut self, worker: Option<String>, task: String, context: Option<String>) -> Answer<String> {
        let call = parse("task", task)
            .and_then(|task| parse_option("context", context).map(|context| Call::WorkerDo { worker, task, context }));
        self.perform(call, json).await
    }

    async fn ask(&mut self, worker: Option<String>, question: String, options: Option<String>) -> Answer<String> {
        let call = parse_option("options", options).map(|options| Call::Ask { worker, question, options });
        self.perform(call, json).await
    }

    async fn decide(&mut self, worker: Option<String>, question: String, options: String) -> Answer<String> {
        let call = parse("options", options).map(|options| Call::Decide { worker, question, options });
        self.perform(call, json).await
    }

    async fn approve(&mut self, worker: Option<String>, request: String, options: Option<String>) -> Answer<String> {
        let call = parse("request", request).and_then(|request| {
            parse_option("options", options).map(|options| Call::Approve { worker, request, options })
        });
        self.perform(call, json).await
    }

    async fn generate(&mut self, worker: Option<String>, prompt: String, options: Option<String>) -> Answer<String> {
        let call = parse_option("options", options).map(|options| Call::Generate { worker, prompt, options });
        self.perform(call, json).await
    }

    async fn notify(&mut self, worker: Option<String>, message: String, options: Option<String>) -> Answer<String> {
        let call = parse("message", message).and_then(|message| {
            parse_option("options", options).map(|options| Call::Notify { worker, message, options })
        });
        self.perform(call, json).await
    }
}

impl integration::integration::Host for RunState {
    async fn call(&mut self, provider: String, method: String, args: String) -> Answer<String> {
        let call = parse("args", args).map(|args| Call::Integration { provider, method, args });
        self.perform(call, json).await
    }
}

fn thing(at: wit::ThingRef) -> ThingRef {
    ThingRef { noun: at.noun, id: at.id, at: at.at }
}

type WriteOptions = Option<things::things::WriteOptions>;

fn write_options(options: WriteOptions) -> (Option<u64>, Option<String>) {
    options.map_or((None, None), |options| (options.if_version, options.branch))
}

impl things::things::Host for RunState {
    async fn get(&mut self, at: wit::ThingRef) -> Answer<String> {
        self.perform(Ok(Call::ThingGet { at: thing(at) }), json).await
    }

    async fn list(&mut self, noun: String, query: Option<String>) -> Answer<String> {
        let call = parse_option("query", query).map(|query| Call::ThingList { noun, query });
        self.perform(call, json).await
    }

    async fn create(&mut self, noun: String, data: String, options: WriteOptions) -> Answer<String> {
        let (if_version, branch) = write_options(options);
        let call = parse("data", data).map(|data| Call::ThingCreate { noun, data, if_version, branch });
        self.perform(call, json).await
    }

    async fn put(&mut self, at: wit::ThingRef, data: String, options: WriteOptions) -> Answer<String> {
        let (if_version, branch) = write_options(options);
        let call = parse("data", data).map(|data| Call::ThingPut { at: thing(at), data, if_version, branch });
        self.perform(call, json).await
    }

    async fn patch(&mut self, at: wit::ThingRef, patch: String, options: WriteOptions) -> Answer<String> {
        let (if_version, branch) = write_options(options);
        let call = parse("patch", patch).map(|patch| Call::ThingPatch { at: thing(at), patch, if_version, branch });
        self.perform(call, json).await
    }

    async fn delete(&mut self, at: wit::ThingRef, options: WriteOptions) -> Answer<u64> {
        let (if_version, branch) = write_options(options);
        self.perform(Ok(Call::ThingDelete { at: thing(at), if_version, branch }), version).await
    }

    async fn versions(&mut self, at: wit::ThingRef, query: Option<String>) -> Answer<String> {
        let call = parse_option("query", query).map(|query| Call::ThingVersions { at: thing(at), query });
        self.perform(call, json).await
    }

    async fn relate(&mut self, from: wit::ThingRef, verb: String, to: String, data: Option<String>) -> Answer<String> {
        let call = parse_option("data", data).map(|data| Call::Relate { from: thing(from), verb, to, data });
        self.perform(call, json).await
    }

    async fn unrelate(&mut self, from: wit::ThingRef, verb: String, to: String) -> Answer<()> {
        self.perform(Ok(Call::Unrelate { from: thing(from), verb, to }), done).await
    }

    async fn relationships(&mut self, from: wit::ThingRef, verb: Option<String>) -> Answer<String> {
        self.perform(Ok(Call::Relationships { from: thing(from), verb }), json).await
    }

    async fn references(&mut self, to: wit::ThingRef, verb: Option<String>) -> Answer<String> {
        self.perform(Ok(Call::References { to: thing(to), verb }), json).await
    }
}

impl events::events::Host for RunState {
    async fn emit(&mut self, event: String, data: String, source: Option<String>) -> Answer<()> {
        let call = parse("data", data).map(|data| Call::Emit { event, data, source });
        self.perform(call, done).await
    }

    async fn wait_for(&mut self, event: String, filter: Option<String>, timeout_ms: Option<u64>) -> Answer<String> {
        self.perform(Ok(Call::WaitFor { event, filter, timeout_ms }), json).await
    }
}

impl search::search::Host for RunState {
    async fn query(&mut self, query: String) -> Answer<String> {
        let call = parse("query", query).map(|query| Call::Search { query });
        self.perform(call, json).await
    }
}

impl timers::timers::Host for RunState {
    async fn sleep(&mut self, duration_ms: u64) -> Answer<()> {
        self.perform(Ok(Call::Sleep { duration_ms }), done).await
    }

    async fn sleep_until(&mut self, time_ms: u64) -> Answer<()> {
        self.perform(Ok(Call::SleepUntil { time_ms }), done).await
    }

    async fn after(&mut self, name: String, delay_ms: u64, action: String, data: String) -> Answer<()> {
        let call = parse("data", data).map(|data| Call::TimerAfter { name, delay_ms, action, data });
        self.perform(call, done).await
    }

    async fn at(&mut self, name: String, time_ms: u64, action: String, data: String) -> Answer<()> {
        let call = parse("data", data).map(|data| Call::TimerAt { name, time_ms, action, data });
        self.perform(call, done).await
    }

    async fn cancel(&mut self, name: String) -> Answer<bool> {
        self.perform(Ok(Call::TimerCancel { name }), flag).await
    }
}

/// Answered here: nothing of it is anybody else's.
impl context::context::Host for RunState {
    async fn get(&mut self) -> Result<context::context::Invocation> {
        self.admit("context.get")?;
        let invocation = &self.job.invocation;
        Ok(context::context::Invocation {
            id: invocation.id.to_string(),
            namespace: invocation.namespace.clone(),
            function: invocation.function.clone(),
            version: invocation.version,
            actor: invocation.actor.to_string(),
            attempt: invocation.attempt,
            deadline_ms: invocation.deadline.as_millis(),
            parent: invocation.parent.map(|id| id.to_string()),
        })
    }

    async fn cancelled(&mut self) -> Result<bool> {
        self.admit("context.cancelled")?;
        Ok(self.host.is_cancelled())
    }

    async fn log(&mut self, level: context::context::Level, message: String) -> Result<()> {
        self.admit("context.log")?;
        let stream = match level {
            context::context::Level::Debug => LogStream::Debug,
            context::context::Level::Info => LogStream::Info,
            context::context::Level::Warn => LogStream::Warn,
            context::context::Level::Error => LogStream::Error,
        };
        self.shared.log.message(stream, &message);
        self.hand_over_log();
        Ok(())
    }
}
