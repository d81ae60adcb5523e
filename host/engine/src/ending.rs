//! How a run is ended by something that runs beside it: an outgoing request whose step the journal refuses.

use std::pin::pin;
use std::sync::OnceLock;
use tokio::sync::Notify;
use types::Fault;

/// Why a run cannot go on, from the moment somebody says so.
#[derive(Default)]
pub struct Ending {
    fault: OnceLock<Fault>,
    said: Notify,
}

impl Ending {
    /// The first to say so is heard.
    pub fn end(&self, fault: Fault) {
        self.fault.get_or_init(|| fault);
        self.said.notify_one();
    }

    /// What the run comes to, unless it is ended before, or was by the time it came to it.
    pub async fn or<T>(&self, run: impl Future<Output = T>) -> Result<T, Fault> {
        let mut run = pin!(run);
        let out = tokio::select! {
            biased;
            () = self.said.notified() => None,
            out = &mut run => Some(out),
        };
        match (self.fault.get(), out) {
            (None, Some(out)) => Ok(out),
            (Some(fault), _) => Err(fault.clone()),
            // Nobody is woken before the fault is there.
            (None, None) => Err(Fault::internal()),
        }
    }
}
