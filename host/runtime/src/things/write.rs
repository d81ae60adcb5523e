//! One write of one thing, or several in one transaction: what can be asked for, and what is answered. How it is done
//! stands in `writer`, what has to hold before in `conditions` and `references`.

use super::Shown;
use super::once::Idempotency;
use super::patched::PatchOf;
use super::view::View;
use super::writer::Writer;
use crate::Caller;
use crate::object::Object;
use model::flat::Input;
use serde_json::Value;
use types::{Fault, Id, Noun, ThingKey};

/// Writes in one request.
const BATCH_MAX: usize = 1_000;

/// What is to be done with a thing.
#[derive(Clone, Debug)]
pub enum Op {
    /// Without an id in the input the host makes one. `revive`: also where a deleted thing had it.
    Create {
        noun: Noun,
        input: Input,
        revive: bool,
    },
    /// The whole of name and data. `upsert`: also where there is none.
    Put {
        key: ThingKey,
        input: Input,
        upsert: bool,
    },
    Patch {
        key: ThingKey,
        patch: PatchOf,
    },
    Delete {
        key: ThingKey,
    },
    /// The newest version that is not a delete marker, again.
    Restore {
        key: ThingKey,
    },
}

/// The state a thing must be in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Expect {
    #[default]
    Anything,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: *`.
    Present,
    /// `If-Match`: one of these.
    Versions(Vec<u64>),
}

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    pub op: Op,
    pub expect: Expect,
    pub idempotency: Option<Idempotency>,
}

impl Write {
    pub fn of(op: Op) -> Self {
        Self { op, expect: Expect::Anything, idempotency: None }
    }

    /// Whether a caller may do it at all.
    pub(crate) fn allowed_to(&self, caller: &Caller) -> Result<(), Fault> {
        let (noun, action) = self.op.needs();
        Object::refuse_platform_noun(noun)?;
        caller.may(noun.as_str(), action)
    }

    /// What it costs while it waits, roughly.
    pub(crate) fn bytes(&self) -> usize {
        self.op.bytes()
    }
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    Created,
    Updated,
    /// What was to be written was there already; no version came of it (spec THG-4).
    Unchanged,
    Deleted,
    Restored,
}

/// A write that was done.
#[derive(Clone, PartialEq, Debug)]
pub struct Wrote {
    pub shown: Shown,
    pub previous: Option<u64>,
    pub change: Change,
    pub action: Id,
    /// It was done by an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// What one that fails means for the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Together {
    /// There are no others.
    One,
    /// None of them is done.
    All,
    /// Nothing.
    Each,
}

impl Op {
    /// Noun, and what a key must allow on it.
    fn needs(&self) -> (&Noun, &'static str) {
        match self {
            Self::Create { noun, .. } => (noun, "create"),
            Self::Put { key, .. } | Self::Patch { key, .. } | Self::Restore { key } => (&key.noun, "update"),
            Self::Delete { key } => (&key.noun, "delete"),
        }
    }

    /// What it costs while it waits, roughly.
    fn bytes(&self) -> usize {
        let data = match self {
            Self::Create { input, .. } | Self::Put { input, .. } => size_of_map(&input.data),
            Self::Patch { patch: PatchOf::Merge { patch, .. }, .. } => size_of(patch),
            Self::Patch { patch: PatchOf::Json(_), .. } => 4096,
            Self::Delete { .. } | Self::Restore { .. } => 0,
        };
        512 + 2 * data
    }
}

fn size_of_map(map: &serde_json::Map<String, Value>) -> usize {
    map.iter().map(|(key, value)| key.len() + size_of(value)).sum()
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
        Value::String(text) => 16 + text.len(),
        Value::Array(items) => 16 + items.iter().map(size_of).sum::<usize>(),
        Value::Object(map) => 16 + size_of_map(map),
    }
}

impl Object {
    /// Does one write; answers when it is durable.
    pub async fn write(&self, caller: &Caller, view: &View, write: Write) -> Result<Wrote, Fault> {
        let mut done = self.writes(caller, view, vec![write], Together::One).await?;
        done.pop().unwrap_or_else(|| Err(Fault::internal()))
    }

    /// Does several writes in one transaction, in their order; each sees those before it. `atomic`: all of them, or none
    /// and the first one's fault, with its place in `details.index`. Otherwise each has its own answer.
    pub async fn write_all(
        &self,
        caller: &Caller,
        view: &View,
        writes: Vec<Write>,
        atomic: bool,
    ) -> Result<Vec<Result<Wrote, Fault>>, Fault> {
        self.writes(caller, view, writes, if atomic { Together::All } else { Together::Each }).await
    }

    async fn writes(
        &self,
        caller: &Caller,
        view: &View,
        writes: Vec<Write>,
        together: Together,
    ) -> Result<Vec<Result<Wrote, Fault>>, Fault> {
        let branch = view.writes_to()?;
        if writes.len() > BATCH_MAX {
            let message = format!("{} operations in one request; at most {BATCH_MAX} are taken", writes.len());
            return Err(Fault::invalid("BATCH_LIMIT", message));
        }
        writes.iter().try_for_each(|write| write.allowed_to(caller))?;
        let bytes = writes.iter().map(Write::bytes).sum();
        let (caller, inner) = (caller.clone(), self.inner.clone());
        let done = self
            .change(bytes, move |turn| Writer::new(turn, caller, &inner, branch, None)?.all(turn, writes, together))
            .await?;
        let mut shown = Vec::with_capacity(done.len());
        for one in done {
            shown.push(match one {
                Ok(done) => Ok(Wrote {
                    shown: self.shown(done.row).await?,
                    previous: done.previous,
                    change: done.change,
                    action: done.action,
                    replayed: done.replayed,
                }),
                Err(fault) => Err(fault),
            });
        }
        Ok(shown)
    }
}
