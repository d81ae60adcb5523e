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
use types::exec::{Entry as Wanted, Host, Job, Outcome, Usage};
use types::{Fault, FunctionKind, Json};
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Val};

/// What is to be called, decided before anything is made.
enum Plan<'a> {
    Code(&'a ComponentExportIndex),
    Tool(&'a Tool, Vec<Val>),
}

pub async fn run(inner: &Arc<Inner>, loaded: &Loaded, job: Job, host: Box<dyn Host>) -> Outcome {
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
    let ended = tokio::time::timeout(wall, Metered { run: pin!(call(loaded, plan, &mut store)), shared }).await;
    drop(running);
    let state = store.data_mut();
    state.shared.log.finish();
    let result = match ended {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => Err(fault::from_error(&error, state)),
        Err(_) => Err(fault::timed_out(state)),
    };
    state.hand_over_log();
    Outcome { result, usage: state.usage() }
}

fn plan<'a>(loaded: &'a Loaded, job: &Job) -> Result<Plan<'a>, Fault> {
    let tools = match (&loaded.entry, job.kind) {
        (Entry::Code(index), FunctionKind::Code) => return Ok(Plan::Code(index)),
        (Entry::Tools(tools), FunctionKind::ToolBox) => tools,
        (Entry::Other, kind) if kind == loaded.inspection.kind => {
            return Err(Fault::unavailable(&format!("running a function of kind `{}`", kind.as_str())));
        }
        (Entry::Code(_) | Entry::Tools(_) | Entry::Other, kind) => {
            let (is, asked) = (loaded.inspection.kind.as_str(), kind.as_str());
            return Err(Fault::invalid("KIND_MISMATCH", format!("the component is of kind `{is}`, not `{asked}`")));
        }
    };
    let known = || tools.iter().map(|tool| tool.name.as_str());
    let export = match &job.entry {
        Wanted::Run => None,
        Wanted::Export(export) => Some(export),
        Wanted::Handle { .. } | Wanted::Describe => {
            return Err(Fault::invalid("KIND_MISMATCH", "a tool box has functions, not handlers"));
        }
        Wanted::Steps { .. } => {
            return Err(Fault::invalid("KIND_MISMATCH", "the steps of a workflow are no component's"));
        }
    };
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
