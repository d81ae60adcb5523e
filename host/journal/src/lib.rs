//! Durable execution as a function of its inputs: what a replayed run is told, and when it does not fit.
//!
//! A durable run asks its [`Journal`] before every call. What is recorded is answered from the record; what is not is
//! performed and recorded. There is no I/O, clock or randomness here: who performs, stores and waits is `runtime`.
//!
//! What a journal promises:
//! - a step that succeeded is never performed again;
//! - a step that failed is answered with its fault while the same attempt goes on (after a crash, after a wait), and
//!   performed anew by a later attempt. What the guest does from there on may differ from what the earlier attempt did;
//!   from the first call that differs, the rest of the record is given up;
//! - any other difference is a [`Divergence`]: nothing is guessed.

mod call;
pub use call::{describe, fingerprint};
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use types::{Call, Fault, FaultKind, Id, Reply, StepRow, Timestamp};

/// Steps of one invocation.
pub const STEPS_MAX: u32 = 10_000;
/// What the replies of one invocation may weigh together.
pub const JOURNAL_BYTES_MAX: usize = 32 << 20;

/// What was recorded of an invocation, and how far the present run of it has come.
#[derive(Debug)]
pub struct Journal {
    attempt: u32,
    /// Recorded and not asked for yet: by their place, and by the name that the guest gave them.
    placed: VecDeque<StepRow>,
    named: HashMap<String, StepRow>,
    /// Reserved by [`open`](Self::open) and not whole yet.
    opened: HashMap<u32, Option<StepRow>>,
    /// What a call gets that was never made before.
    fresh: u32,
    /// Whether a failed step was performed anew: from there on the guest may go another way.
    went_on: bool,
    bytes: usize,
}

/// What a run is told of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// It was answered before, then.
    Answered { reply: Reply, at: Timestamp },
    /// It was made before, and no answer is recorded: the host stopped, or the answer is still awaited.
    Unanswered { started_at: Timestamp, child: Option<Id> },
    /// It is made for the first time in this attempt. `cut`: the recorded steps from this ordinal on are given up.
    New { cut: bool },
}

/// A replay that asked for another call than the record has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Divergence {
    pub ordinal: u32,
    /// The call as it is in the record, and as the guest made it now.
    pub recorded: String,
    pub asked: String,
}

impl Divergence {
    /// Not retryable: the same code would differ again.
    pub fn fault(&self) -> Fault {
        let message = format!(
            "the replay does not fit the journal: step {} was `{}`, now it is `{}`. Code that runs durably must make the \
             same calls each time; deploy the version it began with, or cancel the run",
            self.ordinal, self.recorded, self.asked
        );
        Fault::new(FaultKind::Conflict, "NON_DETERMINISTIC", message).with_details(&serde_json::json!({
            "ordinal": self.ordinal, "recorded": self.recorded, "asked": self.asked,
        }))
    }
}

impl Journal {
    /// Of an invocation that begins, or goes on: `steps` in their order.
    pub fn new(attempt: u32, steps: Vec<StepRow>) -> Self {
        let fresh = steps.iter().map(|s| s.ordinal + 1).max().unwrap_or(0);
        let bytes = steps.iter().map(|s| s.reply.as_ref().map_or(0, weight)).sum();
        let (named, placed): (Vec<_>, Vec<_>) = steps.into_iter().partition(|s| s.step_id.is_some());
        let named = named.into_iter().filter_map(|s| Some((s.step_id.clone()?, s))).collect();
        let (placed, opened) = (placed.into(), HashMap::new());
        Self { attempt, placed, named, opened, fresh, went_on: false, bytes }
    }

    /// Whether everything recorded was asked for: from here on the run does what it never did.
    pub fn is_replayed(&self) -> bool {
        self.placed.is_empty() && self.opened.values().all(Option::is_none)
    }

    /// The first recorded call that was not asked for: its ordinal, and the call as a person reads it.
    pub fn unasked(&self) -> Option<(u32, &str)> {
        let opened = self.opened.values().flatten();
        let first = self.placed.iter().chain(opened).min_by_key(|step| step.ordinal)?;
        Some((first.ordinal, &first.call))
    }

    /// How many steps there are: the ordinal that a further one gets.
    pub fn length(&self) -> u32 {
        self.fresh
    }

    /// Takes the place of a call that is not whole yet.
    ///
    /// # Errors
    /// `STEPS_LIMIT`.
    pub fn open(&mut self) -> Result<u32, Fault> {
        let recorded = self.placed.pop_front();
        let ordinal = match &recorded {
            Some(step) => step.ordinal,
            None => self.take_fresh()?,
        };
        self.opened.insert(ordinal, recorded);
        Ok(ordinal)
    }

    /// What to do about the next call: its ordinal, and what is known of it.
    ///
    /// # Errors
    /// A divergence, or a limit.
    pub fn next(&mut self, call: &Call) -> Result<(u32, Next), Fault> {
        if let Some(id) = call::step_id(call) {
            return self.next_named(id, call);
        }
        let ordinal = self.open()?;
        Ok((ordinal, self.whole(ordinal, call)?))
    }

    /// The same of a call that is known by a name of its own, whatever it is and whenever it is made.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn next_named(&mut self, id: &str, call: &Call) -> Result<(u32, Next), Fault> {
        let recorded = self.named.remove(id);
        let ordinal = match &recorded {
            Some(step) => step.ordinal,
            None => self.take_fresh()?,
        };
        Ok((ordinal, self.judge(ordinal, recorded, call)?))
    }

    /// What to do about a call whose place was taken by [`open`](Self::open).
    ///
    /// # Errors
    /// A divergence.
    pub fn whole(&mut self, ordinal: u32, call: &Call) -> Result<Next, Fault> {
        let recorded = self.opened.remove(&ordinal).flatten();
        self.judge(ordinal, recorded, call)
    }

    /// Counts an answer that is to be recorded.
    ///
    /// # Errors
    /// `JOURNAL_LIMIT`.
    pub fn answered(&mut self, reply: &Reply) -> Result<(), Fault> {
        self.bytes += weight(reply);
        if self.bytes <= JOURNAL_BYTES_MAX {
            return Ok(());
        }
        let message = format!(
            "what one durable run was answered weighs {} MiB at most; ask for less, or divide the work among runs",
            JOURNAL_BYTES_MAX >> 20
        );
        Err(Fault::new(FaultKind::Invalid, "JOURNAL_LIMIT", message))
    }

    fn take_fresh(&mut self) -> Result<u32, Fault> {
        if self.fresh >= STEPS_MAX {
            let message = format!("one durable run makes {STEPS_MAX} calls at most; divide the work among runs");
            return Err(Fault::new(FaultKind::Invalid, "STEPS_LIMIT", message));
        }
        self.fresh += 1;
        Ok(self.fresh - 1)
    }

    fn judge(&mut self, ordinal: u32, recorded: Option<StepRow>, call: &Call) -> Result<Next, Fault> {
        let Some(step) = recorded else { return Ok(Next::New { cut: false }) };
        if step.name != call.name() || step.fingerprint != fingerprint(call) {
            if self.went_on {
                self.give_up(ordinal);
                return Ok(Next::New { cut: true });
            }
            let (recorded, asked) = (step.call, describe(call));
            return Err(Divergence { ordinal, recorded, asked }.fault());
        }
        Ok(match step.reply {
            Some(Reply::Fault(_)) if step.attempt < self.attempt => {
                self.went_on = true;
                Next::New { cut: false }
            }
            Some(reply) => Next::Answered { reply, at: step.ended_at.unwrap_or(step.started_at) },
            None => Next::Unanswered { started_at: step.started_at, child: step.child },
        })
    }

    /// What was recorded from this ordinal on belongs to a way that is not gone any more.
    fn give_up(&mut self, from: u32) {
        self.placed.clear();
        self.named.retain(|_, step| step.ordinal < from);
        for recorded in self.opened.values_mut() {
            *recorded = None;
        }
        let opened = self.opened.keys().map(|ordinal| ordinal + 1).max().unwrap_or(0);
        self.fresh = opened.max(from + 1);
    }
}

fn weight(reply: &Reply) -> usize {
    match reply {
        Reply::Json(json) => json.as_str().len(),
        Reply::Text(text) => text.len(),
        Reply::Version(_) | Reply::Bool(_) | Reply::Done => 8,
        Reply::Fault(fault) => fault.message.len() + fault.details.as_ref().map_or(0, |d| d.as_str().len()),
        Reply::Http(http) => http.body.len() + http.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>(),
        Reply::Ready(ready) => ready.len() * 4,
    }
}
