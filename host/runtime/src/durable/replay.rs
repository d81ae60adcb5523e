//! Running a component against a record without performing anything: would it do what was done?
//!
//! What is recorded is answered; at the first call that has no answer the run is let go, because from there on it would
//! act. So nothing leaves the host, nothing is written, and nothing a guest does here can be seen by anybody.

use crate::commit::lock;
use journal::{Divergence, Journal, Next};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use types::exec::{Begun, BoxFuture, Executor, Gate, Host, Job, Steps};
use types::{Call, Fault, FaultKind, LogStream, Reply, Timestamp};

/// The longest that one replay may take: it waits for nothing, so it only computes.
pub(super) const REPLAY_WALL: Duration = Duration::from_secs(10);
/// What is said of a run that ended before it asked for all that is recorded.
const NOTHING: &str = "nothing: the run ends before";

/// How a component stands to a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    Fits,
    Diverges(Divergence),
}

/// Replays `journal` with the component of `job`; `accepted_at` is when the guest's clock begins.
///
/// # Errors
/// What keeps the host from running anything just now.
pub(super) async fn replay(
    executor: &dyn Executor,
    job: Job,
    journal: Journal,
    accepted_at: Timestamp,
) -> Result<Fit, Fault> {
    let (tell, told) = oneshot::channel();
    let inner = Arc::new(Replay {
        journal: Mutex::new(journal),
        clock: AtomicU64::new(accepted_at.as_millis()),
        tell: Mutex::new(Some(tell)),
    });
    let host = Box::new(ReplayHost(inner.clone()));
    let ended = tokio::select! {
        biased;
        Ok(fit) = told => return Ok(fit),
        outcome = executor.run(job, host) => outcome.result,
        () = tokio::time::sleep(REPLAY_WALL) => {
            Err(Fault::limit("REPLAY_LIMIT", format!("the replay takes more than {} s", REPLAY_WALL.as_secs())))
        }
    };
    let journal = lock(&inner.journal);
    let (ordinal, recorded) = match journal.unasked() {
        Some((ordinal, recorded)) => (ordinal, recorded.to_owned()),
        None => (journal.length(), "nothing: it was not over".to_owned()),
    };
    Ok(match ended {
        Ok(_) if journal.is_replayed() => Fit::Fits,
        Ok(_) => Fit::Diverges(Divergence { ordinal, recorded, asked: NOTHING.to_owned() }),
        Err(fault) if is_of_host(&fault) => return Err(fault),
        Err(fault) => {
            let asked = format!("nothing: the run fails with {}: {}", fault.code, fault.message);
            Fit::Diverges(Divergence { ordinal, recorded, asked })
        }
    })
}

/// Whether it says nothing of the component: the host has no room, or made a mistake.
fn is_of_host(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Unavailable | FaultKind::RateLimited | FaultKind::Internal)
}

struct Replay {
    journal: Mutex<Journal>,
    clock: AtomicU64,
    tell: Mutex<Option<oneshot::Sender<Fit>>>,
}

impl Replay {
    /// The run is let go: whoever asked never hears anything.
    async fn end(&self, fit: Fit) -> std::convert::Infallible {
        if let Some(tell) = lock(&self.tell).take() {
            // The replay may have ended for another reason.
            let _ = tell.send(fit);
        }
        std::future::pending().await
    }

    /// The recorded answer; without one this does not return.
    async fn answered(&self, judged: Result<Next, Fault>) -> Reply {
        let fit = match judged {
            Ok(Next::Answered { reply, at }) => {
                self.clock.fetch_max(at.as_millis(), Ordering::AcqRel);
                return reply;
            }
            Ok(Next::Unanswered { .. } | Next::New { .. }) => Fit::Fits,
            Err(fault) => Fit::Diverges(divergence_of(&fault)),
        };
        match self.end(fit).await {}
    }
}

/// What the journal says as a fault, taken apart again.
fn divergence_of(fault: &Fault) -> Divergence {
    let details = fault.details.as_ref().map(types::Json::to_value).unwrap_or_default();
    let text = |key: &str| details[key].as_str().map(str::to_owned);
    Divergence {
        ordinal: details["ordinal"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(u32::MAX),
        recorded: text("recorded").unwrap_or_default(),
        asked: text("asked").unwrap_or_else(|| fault.message.clone()),
    }
}

struct ReplayHost(Arc<Replay>);

impl Host for ReplayHost {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        Box::pin(async move {
            let judged = lock(&self.0.journal).next(&call).map(|(_, next)| next);
            self.0.answered(judged).await
        })
    }

    /// What would leave by another way than a call is no recorded step either.
    fn gate(&self) -> Gate {
        let replay = self.0.clone();
        Arc::new(move || {
            let replay = replay.clone();
            Box::pin(async move { match replay.end(Fit::Fits).await {} })
        })
    }

    fn steps(&self) -> Option<Arc<dyn Steps>> {
        Some(Arc::new(ReplaySteps(self.0.clone())))
    }

    fn log(&mut self, _: LogStream, _: String) {}

    fn now(&mut self) -> Timestamp {
        Timestamp::from_millis(self.0.clock.load(Ordering::Acquire))
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

struct ReplaySteps(Arc<Replay>);

impl Steps for ReplaySteps {
    fn open(&self) -> u32 {
        // Past the limit the call is refused when it is whole.
        lock(&self.0.journal).open().unwrap_or(u32::MAX)
    }

    fn begin(&self, ordinal: u32, call: Call) -> BoxFuture<'static, Result<Begun, Fault>> {
        let replay = self.0.clone();
        Box::pin(async move {
            let judged = lock(&replay.journal).whole(ordinal, &call);
            Ok(Begun::Recorded(replay.answered(judged).await))
        })
    }

    fn end(&self, _: u32, _: Reply) -> BoxFuture<'static, Result<(), Fault>> {
        // Nothing is performed, so nothing ends.
        Box::pin(std::future::ready(Err(Fault::internal())))
    }
}
