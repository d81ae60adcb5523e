//! A host with a journal in memory: what was recorded is answered from it, and the rest is performed and recorded.

use super::Engine;
use std::sync::{Arc, Mutex};
use types::exec::{Begun, BoxFuture, Executor, Host, Job, Outcome, Steps};
use types::{Call, Fault, LogStream, Reply, Timestamp};

/// A run's steps, in the order of their ordinals. `None`: it was begun, and nothing is known of its end.
pub type Recorded = Vec<(Call, Option<Reply>)>;

/// Time that passes with each sleep: less than the guest asks for, as clocks that round may have it.
const SLEEP_MS: u64 = 500;

/// The host of one durable run.
#[derive(Clone)]
pub struct JournalHost {
    inner: Arc<Mutex<Inner>>,
    /// What comes of a call that is performed.
    answer: fn(&Call) -> Reply,
    /// Told when a sleep that nothing is recorded of begins; it then never ends.
    pub sleeps: Option<Arc<tokio::sync::Notify>>,
}

#[derive(Default)]
struct Inner {
    steps: Vec<Option<(Call, Option<Reply>)>>,
    next: u32,
    performed: Vec<Call>,
    clock_ms: u64,
}

impl JournalHost {
    pub fn new() -> Self {
        Self::answering(|_| Reply::Done)
    }

    pub fn answering(answer: fn(&Call) -> Reply) -> Self {
        Self { inner: Arc::default(), answer, sleeps: None }
    }

    pub fn replaying(recorded: Recorded) -> Self {
        let host = Self::new();
        host.inner.lock().unwrap().steps = recorded.into_iter().map(Some).collect();
        host
    }

    /// Every step until now.
    pub fn steps(&self) -> Recorded {
        self.inner.lock().unwrap().steps.iter().map(|step| step.clone().expect("each step was begun")).collect()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.steps().into_iter().map(|(call, _)| call).collect()
    }

    /// Those that were not answered from the record.
    pub fn performed(&self) -> Vec<Call> {
        self.inner.lock().unwrap().performed.clone()
    }
}

impl Inner {
    fn open(&mut self) -> u32 {
        self.next += 1;
        if self.steps.len() < self.next as usize {
            self.steps.push(None);
        }
        self.next - 1
    }

    fn begin(&mut self, ordinal: u32, call: Call) -> Result<Begun, Fault> {
        if matches!(call, Call::Sleep { .. }) {
            self.clock_ms += SLEEP_MS;
        }
        let step = &mut self.steps[ordinal as usize];
        match step {
            Some((before, _)) if *before != call => {
                return Err(Fault::failed("NON_DETERMINISTIC", format!("{before:?} is now {call:?}")));
            }
            Some((_, Some(reply))) => return Ok(Begun::Recorded(reply.clone())),
            Some((_, None)) | None => {}
        }
        *step = Some((call.clone(), None));
        self.performed.push(call);
        let key = format!("action/{ordinal}");
        Ok(Begun::Perform { key })
    }

    fn end(&mut self, ordinal: u32, reply: Reply) {
        let (_, end) = self.steps[ordinal as usize].as_mut().expect("it was begun");
        assert!(end.replace(reply).is_none(), "a step ends once");
    }
}

impl Host for JournalHost {
    fn call(&mut self, call: Call) -> BoxFuture<'_, Reply> {
        let mut inner = self.inner.lock().unwrap();
        let ordinal = inner.open();
        let is_sleep = matches!(call, Call::Sleep { .. });
        let answer = (self.answer)(&call);
        match inner.begin(ordinal, call) {
            Err(fault) => return Box::pin(std::future::ready(Reply::Fault(fault))),
            Ok(Begun::Recorded(reply)) => return Box::pin(std::future::ready(reply)),
            Ok(Begun::Perform { .. }) => {}
        }
        if let Some(sleeps) = self.sleeps.as_ref().filter(|_| is_sleep) {
            sleeps.notify_one();
            return Box::pin(std::future::pending());
        }
        inner.end(ordinal, answer.clone());
        Box::pin(std::future::ready(answer))
    }

    fn steps(&self) -> Option<Arc<dyn Steps>> {
        Some(Arc::new(JournalSteps(self.inner.clone())))
    }

    fn log(&mut self, _: LogStream, _: String) {}

    fn now(&mut self) -> Timestamp {
        Timestamp::from_millis(1_000_000_000_000 + self.inner.lock().unwrap().clock_ms)
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

struct JournalSteps(Arc<Mutex<Inner>>);

impl Steps for JournalSteps {
    fn open(&self) -> u32 {
        self.0.lock().unwrap().open()
    }

    fn begin(&self, ordinal: u32, call: Call) -> BoxFuture<'static, Result<Begun, Fault>> {
        let begun = self.0.lock().unwrap().begin(ordinal, call);
        Box::pin(async move {
            tokio::task::yield_now().await;
            begun
        })
    }

    fn end(&self, ordinal: u32, reply: Reply) -> BoxFuture<'static, Result<(), Fault>> {
        self.0.lock().unwrap().end(ordinal, reply);
        Box::pin(async { Ok(()) })
    }
}

/// Runs a job as a durable one, then again from what was recorded, and says what came of the first run. The replay must
/// make the same calls, perform none of them, and come to the same.
pub async fn twice(engine: &Engine, job: Job, first: JournalHost) -> (Outcome, JournalHost) {
    let outcome = engine.run(job.clone(), Box::new(first.clone())).await;
    let again = JournalHost::replaying(first.steps());
    let replayed = engine.run(job, Box::new(again.clone())).await;
    assert_eq!(replayed.result, outcome.result);
    assert_eq!(again.steps(), first.steps());
    assert_eq!(again.performed(), []);
    (outcome, first)
}
