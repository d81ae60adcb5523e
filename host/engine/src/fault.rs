//! Why a run did not end by itself, said to its caller.

use crate::state::{RunState, Stop};
use serde_json::json;
use types::{Fault, FaultKind};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// Frames that a fault carries; a recursion has thousands.
const FRAMES_MAX: usize = 30;

/// The run ended by an error. Backtrace and last lines of the log come with it: whoever may call may see them.
pub fn from_error(error: &wasmtime::Error, state: &RunState) -> Fault {
    // Said by whoever ended the run; it is whole.
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    classify(error, state).with_details(&details(error, state))
}

fn classify(error: &wasmtime::Error, state: &RunState) -> Fault {
    let limits = &state.job.limits;
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stopped(*stop, state);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return busy();
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        let message = format!("the function called exit({}) instead of returning", exit.0);
        return Fault::failed("EXITED", message);
    }
    if state.meter.memory_refused {
        let message = format!("the function needed more than its {} bytes of memory", limits.memory_bytes_max);
        return Fault::limit("MEMORY_LIMIT", message);
    }
    if state.meter.table_refused {
        let message = format!("the function needed more than its {} table elements", limits.table_elements_max);
        return Fault::limit("TABLE_LIMIT", message);
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => {
            return Fault::limit("STACK_OVERFLOW", "the function called itself too deeply: its stack is used up");
        }
        Some(trap) => return Fault::failed("TRAP", format!("the function trapped: {}", reason(*trap))),
        None => {}
    }
    let cause = error.root_cause().to_string();
    // wasmtime has no types for these two.
    if cause.contains("instance count too high") {
        let message = format!("the component consists of more than {} core instances", limits.instances_max);
        return Fault::limit("INSTANCE_LIMIT", message);
    }
    if cause.contains("fuel allocated for hostcalls") {
        let message = format!("the function gave the host more than {COPY_BYTES_MAX} bytes at once");
        return Fault::limit("OUTPUT_LIMIT", message);
    }
    Fault::failed("TRAP", format!("the function trapped: {cause}"))
}

/// What a guest may hand over in one call. A host's copy of a value is larger than the guest's: 32 bytes for a byte.
pub const COPY_BYTES_MAX: usize = 64 << 20;

fn stopped(stop: Stop, state: &RunState) -> Fault {
    let limits = &state.job.limits;
    match stop {
        Stop::Cpu => {
            let message = format!("the function used its {} ms on the processor", limits.cpu.as_millis());
            Fault::limit("CPU_LIMIT", message)
        }
        Stop::HostCalls => {
            let message = format!("the function called the host more than {} times", limits.host_calls_max);
            Fault::limit("HOST_CALL_LIMIT", message)
        }
        Stop::WasiCalls => {
            let message = "the function called WASI (files, streams, clocks, random) too often: a hundred times its \
                           limit of host calls";
            Fault::limit("HOST_CALL_LIMIT", message)
        }
        Stop::Tmp => {
            let message = format!("the function wrote more than {} bytes to /tmp", limits.tmp_bytes_max);
            Fault::limit("TMP_LIMIT", message)
        }
    }
}

/// The wall limit.
pub fn timed_out(state: &RunState) -> Fault {
    let message = format!("the function was not done within {} ms", state.job.limits.wall.as_millis());
    Fault::new(FaultKind::Timeout, "TIMEOUT", message).with_details(&json!({"log": state.shared.log.tail()}))
}

/// More runs than there is room for.
pub fn busy() -> Fault {
    Fault::new(FaultKind::Unavailable, "ENGINE_BUSY", "every instance of this host is busy; try again in a moment")
}

fn reason(trap: Trap) -> String {
    match trap {
        Trap::UnreachableCodeReached => {
            "it reached `unreachable` (a panic or an abort; the log may have the message)".into()
        }
        other => other.to_string(),
    }
}

fn details(error: &wasmtime::Error, state: &RunState) -> serde_json::Value {
    let frames: Vec<String> = match error.downcast_ref::<WasmBacktrace>() {
        // Its text has the names demangled; what stands before them is an address, which means nothing to anybody.
        Some(backtrace) => backtrace
            .to_string()
            .lines()
            .filter_map(|line| line.trim().split_once(" - ").map(|(_, name)| name.to_owned()))
            .take(FRAMES_MAX)
            .collect(),
        None => Vec::new(),
    };
    json!({"backtrace": frames, "log": state.shared.log.tail()})
}
