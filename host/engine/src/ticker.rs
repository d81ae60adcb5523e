//! The clock that interrupts guests: one thread, which sleeps while nothing runs.

use crate::config::TICK;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::Thread;
use wasmtime::EngineWeak;

/// Ticks without a run after which the thread goes to sleep. Waking it costs a run a system call, so it stays awake
/// between the calls of a busy host.
const IDLE_TICKS_MAX: u32 = 100;

struct Shared {
    running: AtomicUsize,
    parked: AtomicBool,
    stop: AtomicBool,
}

/// Ends its thread when it is dropped.
pub struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

/// Keeps the clock going while a guest may run.
pub struct Running(Arc<Shared>);

impl Ticker {
    pub fn start(engine: EngineWeak) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            parked: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let its = shared.clone();
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(move || tick(&its, &engine))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    pub fn run(&self) -> Running {
        // The thread sets `parked` before it looks at `running`; here it is the other way round. So one of the two sees
        // what the other did, and no run is left without a clock.
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.parked.load(SeqCst) {
            self.thread.unpark();
        }
        Running(self.shared.clone())
    }

    #[cfg(test)]
    pub fn is_asleep(&self) -> bool {
        self.shared.parked.load(SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    let mut idle = 0;
    while !shared.stop.load(SeqCst) {
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
        drop(engine);
        idle = if shared.running.load(SeqCst) == 0 { idle + 1 } else { 0 };
        if idle < IDLE_TICKS_MAX {
            continue;
        }
        shared.parked.store(true, SeqCst);
        while shared.running.load(SeqCst) == 0 && !shared.stop.load(SeqCst) {
            std::thread::park();
        }
        shared.parked.store(false, SeqCst);
        idle = 0;
    }
}
