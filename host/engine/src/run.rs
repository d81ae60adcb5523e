//! One run: a store of its own, an instance, a call, and what came of it.

use crate::engine::Inner;
use crate::fault::{self, COPY_BYTES_MAX};
use crate::imports;
use crate::inspect::{Entry, Tool};
use crate::load::Loaded;
use crate::state::{RunState, Shared};
use crate::value;
use serde_json::json;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use types::exec::{Entry as Wanted, HandlerKind, Host, Job, Outcome, Part, Usage};
use types::{Fault, Json, Limits};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Val};

/// What is to be called, decided before anything is made.
enum Plan<'a> {
    Code(&'a ComponentExportIndex),
    Tool(&'a Tool, Vec<Val>),
    Handle {
        export: &'a ComponentExportIndex,
        kind: HandlerKind,
        name: String,
    },
    Describe(&'a ComponentExportIndex),
    /// An export that takes JSON texts: none, one or two.
    Part(&'a ComponentExportIndex, Vec<String>),
}

pub async fn run(inner: &Arc<Inner>, loaded: &Loaded, mut job: Job, host: Box<dyn Host>) -> Outcome {
    if job.entry == Wanted::Describe {
        job.limits = describing(job.limits);
    }
    let planned = plan(loaded, &job).and_then(|plan| Ok((plan, make_tmp(inner, &job)?)));
    let (plan, tmp) = match planned {
        Ok(planned) => planned,
        Err(fault) => return Outcome { result: Err(fault), usage: Usage::default() },
    };
    let wall = job.limits.wall;
    let mut store = Store::new(&inner.wasmtime, RunState::new(inner.clone(), job, host, tmp));
    store.limiter(|state| &mut state.meter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| store.data_mut().on_tick());
    store.set_hostcall_fuel(COPY_BYTES_MAX);
    let running = inner.ticker.run();
    let shared = store.data().shared.clone();
    let can_be_ended = store.data().steps.is_some() || store.data().is_sealed();
    let ended = {
        let metered = Metered { run: pin!(call(loaded, plan, &mut store)), shared: shared.clone() };
        match can_be_ended {
            true => tokio::time::timeout(wall, shared.ending.or(metered)).await,
            false => tokio::time::timeout(wall, metered).await.map(Ok),
        }
    };
    drop(running);
    let state = store.data_mut();
    state.shared.log.finish();
    let result = match ended {
        Ok(Ok(Ok(result))) => result,
        Ok(Ok(Err(error))) => Err(fault::from_error(&error, state)),
        Ok(Err(fault)) => Err(fault),
        Err(_) => Err(fault::timed_out(state)),
    };
    state.hand_over_log();
    Outcome { result, usage: state.usage() }
}

fn plan<'a>(loaded: &'a Loaded, job: &Job) -> Result<Plan<'a>, Fault> {
    let (is, asked) = (loaded.inspection.kind.as_str(), job.kind.as_str());
    if loaded.inspection.kind != job.kind {
        return Err(Fault::invalid("KIND_MISMATCH", format!("the component is of kind `{is}`, not `{asked}`")));
    }
    match (&loaded.entry, &job.entry) {
        (Entry::Code(run), Wanted::Run) => Ok(Plan::Code(run)),
        (Entry::Tools(tools), Wanted::Run) => plan_tool(tools, None, job),
        (Entry::Tools(tools), Wanted::Export(export)) => plan_tool(tools, Some(export), job),
        (Entry::App { handle, .. }, Wanted::Handle { kind, name }) => {
            Ok(Plan::Handle { export: handle, kind: *kind, name: name.clone() })
        }
        (Entry::App { describe, .. }, Wanted::Describe) => Ok(Plan::Describe(describe)),
        (of, Wanted::Part(part)) => plan_part(of, part, job),
        (Entry::Other, _) => Err(Fault::unavailable(&format!("running a function of kind `{is}`"))),
        (
            Entry::Code(_)
            | Entry::Tools(_)
            | Entry::App { .. }
            | Entry::Generative { .. }
            | Entry::Agentic { .. }
            | Entry::Human { .. },
            wanted,
        ) => {
            let message = format!("a component of kind `{is}` has {}, not {}", offers(&loaded.entry), called(wanted));
            Err(Fault::invalid("KIND_MISMATCH", message))
        }
    }
}

/// The export of a world that has several, and what it is given.
fn plan_part<'a>(of: &'a Entry, part: &Part, job: &Job) -> Result<Plan<'a>, Fault> {
    let input = || job.input.as_str().to_owned();
    let (export, arguments) = match (of, part) {
        (Entry::Generative { prompt, .. }, Part::Prompt) => (prompt, vec![input()]),
        (Entry::Agentic { goal, .. }, Part::Goal) => (goal, vec![input()]),
        (Entry::Agentic { tools, .. }, Part::Tools) => (tools, Vec::new()),
        (Entry::Agentic { call_tool, .. }, Part::CallTool { name }) => (call_tool, vec![name.clone(), input()]),
        (Entry::Human { request, .. }, Part::Request) => (request, vec![input()]),
        (
            Entry::Generative { finish, .. } | Entry::Agentic { finish, .. } | Entry::Human { finish, .. },
            Part::Finish { answer },
        ) => (finish, vec![input(), answer.as_str().to_owned()]),
        (of, part) => {
            let part = match part {
                Part::Prompt => "a `prompt`",
                Part::Goal => "a `goal`",
                Part::Tools => "`tools`",
                Part::CallTool { .. } => "a `call-tool`",
                Part::Request => "a `request`",
                Part::Finish { .. } => "a `finish`",
            };
            let kind = job.kind.as_str();
            let message = format!("a component of kind `{kind}` has {}, not {part}", offers(of));
            return Err(Fault::invalid("KIND_MISMATCH", message));
        }
    };
    Ok(Plan::Part(export, arguments))
}

fn offers(entry: &Entry) -> &'static str {
    match entry {
        Entry::Code(_) => "a `run`",
        Entry::Tools(_) => "functions",
        Entry::App { .. } => "handlers and a `describe`",
        Entry::Generative { .. } => "a `prompt` and a `finish`",
        Entry::Agentic { .. } => "a `goal`, `tools`, a `call-tool` and a `finish`",
        Entry::Human { .. } => "a `request` and a `finish`",
        Entry::Other => "nothing that is run here",
    }
}

fn called(wanted: &Wanted) -> &'static str {
    match wanted {
        Wanted::Run => "a `run`",
        Wanted::Export(_) => "functions",
        Wanted::Handle { .. } => "handlers",
        Wanted::Describe => "a `describe`",
        Wanted::Steps { .. } => "the steps of a workflow",
        Wanted::Webhook { .. } => "a webhook",
        Wanted::Elsewhere { .. } => "another object",
        Wanted::Work { .. } => "a worker",
        Wanted::Part(_) => "parts of a run",
    }
}

fn plan_tool<'a>(tools: &'a [Tool], export: Option<&String>, job: &Job) -> Result<Plan<'a>, Fault> {
    let known = || tools.iter().map(|tool| tool.name.as_str());
    let tool = match export {
        Some(export) => tools.iter().find(|tool| tool.name == *export),
        // A box of one tool needs no name.
        None => tools.first().filter(|_| tools.len() == 1),
    };
    let Some(tool) = tool else {
        let names: Vec<_> = known().take(20).collect();
        let wanted = match export {
            Some(export) => format!("there is no `{export}`{}", crate::nearest::hint(export, known())),
            None => "say which function to call".to_owned(),
        };
        return Err(Fault::not_found("EXPORT_NOT_FOUND", format!("{wanted} (it offers: {})", names.join(", "))));
    };
    let arguments = value::arguments(&tool.signature, &job.input.to_value()).map_err(|failures| {
        Fault::invalid("INPUT_INVALID", failures.join("; ")).with_details(&json!({ "failures": failures }))
    })?;
    Ok(Plan::Tool(tool, arguments))
}

/// What `describe` may use at most (spec WSM-1).
const DESCRIBE_TIME: Duration = Duration::from_secs(5);
const DESCRIBE_BYTES_MAX: u64 = 1 << 20;

fn describing(limits: Limits) -> Limits {
    Limits {
        cpu: limits.cpu.min(DESCRIBE_TIME),
        wall: limits.wall.min(DESCRIBE_TIME),
        output_bytes_max: limits.output_bytes_max.min(DESCRIBE_BYTES_MAX),
        ..limits
    }
}

fn make_tmp(inner: &Inner, job: &Job) -> Result<Option<tempfile::TempDir>, Fault> {
    if !job.manifest.tmp {
        return Ok(None);
    }
    tempfile::Builder::new().prefix("run-").tempdir_in(&inner.config.tmp_dir).map(Some).map_err(|error| {
        tracing::error!(%error, "no folder for a run's /tmp");
        Fault::internal()
    })
}

/// The outer error ends the run; the inner one is the guest's answer.
async fn call(loaded: &Loaded, plan: Plan<'_>, store: &mut Store<RunState>) -> wasmtime::Result<Result<Json, Fault>> {
    let instance = loaded.pre.instantiate_async(&mut *store).await?;
    match plan {
        Plan::Code(index) => {
            let run = instance.get_typed_func::<(&str,), (Result<String, world::types::Fault>,)>(&mut *store, index)?;
            let input = store.data().job.input.clone();
            let (answer,) = run.call_async(&mut *store, (input.as_str(),)).await?;
            Ok(answer.map_err(imports::from_wit).and_then(|text| output(text, store.data())))
        }
        Plan::Handle { export, kind, name } => {
            type Answer = (Result<String, world::types::Fault>,);
            let handle = instance.get_typed_func::<(&str, &str, &str), Answer>(&mut *store, export)?;
            let payload = store.data().job.input.clone();
            let (answer,) = handle.call_async(&mut *store, (kind.as_str(), &name, payload.as_str())).await?;
            Ok(answer.map_err(imports::from_wit).and_then(|text| output(text, store.data())))
        }
        Plan::Describe(export) => {
            let describe = instance.get_typed_func::<(), (String,)>(&mut *store, export)?;
            let (text,) = describe.call_async(&mut *store, ()).await?;
            Ok(output(text, store.data()))
        }
        Plan::Part(export, arguments) => {
            type Answer = (Result<String, world::types::Fault>,);
            let (answer,) = match arguments.as_slice() {
                [] => instance.get_typed_func::<(), Answer>(&mut *store, export)?.call_async(&mut *store, ()).await?,
                [one] => {
                    let func = instance.get_typed_func::<(&str,), Answer>(&mut *store, export)?;
                    func.call_async(&mut *store, (one.as_str(),)).await?
                }
                [one, two, ..] => {
                    let func = instance.get_typed_func::<(&str, &str), Answer>(&mut *store, export)?;
                    func.call_async(&mut *store, (one.as_str(), two.as_str())).await?
                }
            };
            Ok(answer.map_err(imports::from_wit).and_then(|text| output(text, store.data())))
        }
        Plan::Tool(tool, arguments) => {
            let func = instance
                .get_func(&mut *store, tool.index)
                .ok_or_else(|| wasmtime::Error::msg("the export is not a function"))?;
            let mut results = vec![Val::Bool(false); usize::from(tool.signature.result.is_some())];
            func.call_async(&mut *store, &arguments, &mut results).await?;
            Ok(tool_output(tool, results.first()).and_then(|text| output(text, store.data())))
        }
    }
}

fn output(text: String, state: &RunState) -> Result<Json, Fault> {
    let max = state.job.limits.output_bytes_max;
    if text.len() as u64 > max {
        let message = format!("the function returned {} bytes; at most {max} are accepted", text.len());
        return Err(Fault::limit("OUTPUT_LIMIT", message));
    }
    Json::parse(text).map_err(|error| {
        Fault::failed("OUTPUT_NOT_JSON", format!("the function must return JSON text; what it returned is {error}"))
    })
}

/// A top-level `result` is how a function says that it failed.
fn tool_output(tool: &Tool, result: Option<&Val>) -> Result<String, Fault> {
    let json = match (tool.signature.fallible(), result) {
        (Some((_, err)), Some(Val::Result(Err(val)))) => {
            let details = value::part_to_json(err, val.as_deref()).ok_or_else(Fault::internal)?;
            let message = match details.as_str() {
                Some(text) => text.to_owned(),
                None => format!("`{}` answered with an error: {details}", tool.name),
            };
            return Err(Fault::failed("FUNCTION_FAILED", message).with_details(&details));
        }
        (Some((ok, _)), Some(Val::Result(Ok(val)))) => value::part_to_json(ok, val.as_deref()),
        (_, val) => value::part_to_json(tool.signature.result.as_ref(), val),
    };
    json.map(|json| json.to_string()).ok_or_else(Fault::internal)
}

/// Counts the time in which the run is being polled.
struct Metered<'a, F> {
    run: Pin<&'a mut F>,
    shared: Arc<Shared>,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.shared.cpu.begin();
        let polled = self.run.as_mut().poll(context);
        self.shared.cpu.lap();
        polled
    }
}
