//! Taking unfinished invocations over to another version of their function: those whose record the other one repeats.
//!
//! Whoever upgrades is told of every one: it moves, or it diverges and where, or it is busy and can be asked about again.
//! One that is not moved goes on with the version it is pinned to, which stays.

use super::replay::{Fit, replay};
use crate::Caller;
use crate::functions::{FunctionVersion, NOUN};
use crate::object::{Object, fault_of};
use journal::{Divergence, Journal};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Invocation;
use types::exec::{ComponentFile, Entry, Invocation as Of, Job};
use types::{At, Fault, FunctionName, Id, Limits, Row, Standing};

/// Invocations replayed for one answer at most, and unless somebody says.
pub const REPLAYED_MAX: u32 = 1_000;
/// After this an answer is given with what was replayed until then.
const ANSWERED_AFTER: Duration = Duration::from_secs(10);
/// Looks into the file that one count of what is unfinished may take, of [`store::SCAN_MAX`] rows each.
const LOOKS_MAX: u32 = 1_000;

/// What an upgrade is to be.
#[derive(Clone, Debug)]
pub struct UpgradeWanted {
    /// The version to go on with.
    pub to: At,
    /// Only tell.
    pub dry_run: bool,
    /// Where the last answer said to go on; 0 at first.
    pub after: u64,
    /// Invocations looked at, 1 to [`REPLAYED_MAX`].
    pub limit: u32,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Upgraded {
    /// The version that was meant.
    pub to: u64,
    /// Those that go on with it, or would; and the version each was pinned to.
    pub moves: Vec<(Id, u64)>,
    /// Those that stay as they are, because the other version would not do what was done.
    pub diverges: Vec<Diverges>,
    /// Those that run just now: ask again.
    pub busy: Vec<Id>,
    /// How many invocations of the function there are in this object that are not over and pinned to another version,
    /// before anything was moved.
    pub unfinished: u64,
    /// Where to go on; None: all were looked at.
    pub next: Option<u64>,
}

/// One that would not go on as it began.
#[derive(Clone, Debug)]
pub struct Diverges {
    pub id: Id,
    /// The version it stays with.
    pub version: u64,
    pub divergence: Divergence,
}

/// What is to be done about one invocation.
enum One {
    Fits(u64),
    Diverges(u64, Divergence),
    Busy,
    /// It is over, or was moved meanwhile.
    Gone,
}

impl Object {
    /// Replays the unfinished invocations of a function of this object against another version of it, and moves those
    /// that fit. The function may be one of an object above.
    ///
    /// # Errors
    /// `forbidden` without `Function.update`; `not-found` without that version; what makes a replay impossible just now.
    pub async fn upgrade(
        &self,
        caller: &Caller,
        name: &FunctionName,
        wanted: UpgradeWanted,
    ) -> Result<Upgraded, Fault> {
        caller.may(NOUN, "update")?;
        let (_, target) = self.find_function(name, wanted.to).await?;
        let (mut ids, unfinished, at_end) = self.pinned_elsewhere(&target, &wanted).await?;
        let mut told =
            Upgraded { to: target.version, moves: vec![], diverges: vec![], busy: vec![], unfinished, next: at_end };
        let began = Instant::now();
        let last_of_all = ids.len();
        for (done, (number, id)) in ids.drain(..).enumerate() {
            let one = match wanted.dry_run {
                true => self.look_at_one(id, target.clone()).await?,
                // A task of its own: once it holds an invocation it gives it back, also when the caller goes.
                false => {
                    let moving = tokio::spawn(self.clone().move_one(id, target.clone()));
                    moving.await.map_err(|_| Fault::internal())??
                }
            };
            match one {
                One::Fits(from) => told.moves.push((id, from)),
                One::Diverges(version, divergence) => told.diverges.push(Diverges { id, version, divergence }),
                One::Busy => told.busy.push(id),
                One::Gone => {}
            }
            if began.elapsed() > ANSWERED_AFTER && done + 1 < last_of_all {
                told.next = Some(number);
                break;
            }
        }
        Ok(told)
    }

    /// The invocations to look at now, how many there are in all, and where to go on after these.
    async fn pinned_elsewhere(
        &self,
        target: &FunctionVersion,
        wanted: &UpgradeWanted,
    ) -> Result<(Vec<(u64, Id)>, u64, Option<u64>), Fault> {
        let limit = wanted.limit.clamp(1, REPLAYED_MAX) as usize;
        let (name, version) = (target.name.as_str(), target.version);
        let (mut found, mut unfinished, mut next, mut after) = (Vec::new(), 0, None, 0);
        for _ in 0..LOOKS_MAX {
            let page = self.read(|store| store.pinned_elsewhere(name, version, after)).await?;
            for (number, id) in page.items {
                unfinished += 1;
                if number <= wanted.after {
                    continue;
                }
                if found.len() < limit {
                    found.push((number, id));
                } else {
                    next = next.or(found.last().map(|(number, _)| *number));
                }
            }
            match page.next {
                Some(behind) => after = behind,
                None => break,
            }
        }
        Ok((found, unfinished, next))
    }

    async fn look_at_one(&self, id: Id, target: Arc<FunctionVersion>) -> Result<One, Fault> {
        if self.inner.durable.active().contains(&id) {
            return Ok(One::Busy);
        }
        self.try_one(id, &target).await
    }

    /// Replays one and moves it, while it cannot run.
    async fn move_one(self, id: Id, target: Arc<FunctionVersion>) -> Result<One, Fault> {
        if !self.inner.durable.hold(id) {
            return Ok(One::Busy);
        }
        let one = match self.try_one(id, &target).await {
            Ok(One::Fits(from)) => self.repin(id, from, target.version).await,
            other => other,
        };
        {
            // Whoever looked into the file before it was moved has handed over what was found by now.
            let _looking = self.inner.durable.looking.lock().await;
            if self.inner.durable.leave(id) {
                self.inner.durable.there_are_more();
            }
        }
        self.inner.durable.there_are_more();
        self.go_on_durably();
        one
    }

    async fn try_one(&self, id: Id, target: &Arc<FunctionVersion>) -> Result<One, Fault> {
        let found = self
            .read(|store| {
                let Some(invocation) = store.invocation(id)? else { return Ok(None) };
                let steps = store.steps(id, 0, journal::STEPS_MAX)?;
                Ok(Some((invocation, steps)))
            })
            .await?;
        let Some((invocation, steps)) = found else { return Ok(One::Gone) };
        let (row, state) = (&invocation.row, &invocation.state);
        match state.at {
            Standing::Done { .. } => return Ok(One::Gone),
            Standing::Running => return Ok(One::Busy),
            Standing::Ready | Standing::Delayed { .. } | Standing::Waiting { .. } | Standing::Paused => {}
        }
        if row.version == target.version {
            return Ok(One::Gone);
        }
        if let Some(why) = not_taken(&invocation, target) {
            let divergence = Divergence { ordinal: 0, recorded: format!("{} was called", target.name), asked: why };
            return Ok(One::Diverges(row.version, divergence));
        }
        let job = self.replay_job(&invocation, target);
        let journal = Journal::new(state.attempt, steps);
        match replay(self.node.inner.executor.as_ref(), job, journal, row.accepted_at).await? {
            Fit::Fits => Ok(One::Fits(row.version)),
            Fit::Diverges(divergence) => Ok(One::Diverges(row.version, divergence)),
        }
    }

    /// Without secrets: nothing is performed that could need one.
    fn replay_job(&self, invocation: &Invocation, target: &Arc<FunctionVersion>) -> Job {
        let row = &invocation.row;
        let limits = target.manifest.limits.apply(self.node.inner.config.limits);
        let blobs = &self.node.inner.blobs;
        let seed = super::drive::seed_of(row);
        Job {
            component: ComponentFile { hash: target.def.hash, path: blobs.path(&target.def.hash) },
            kind: target.def.kind,
            entry: row.entry.clone(),
            input: row.input.clone(),
            limits: Limits { wall: super::replay::REPLAY_WALL, ..limits },
            manifest: target.manifest.clone(),
            assets: target.manifest.assets.as_ref().map(|hash| blobs.assets_path(hash)),
            secrets: Arc::default(),
            invocation: Of {
                id: row.id,
                namespace: self.namespace().to_string(),
                function: row.function.to_string(),
                version: target.version,
                actor: row.caller.actor.clone(),
                attempt: invocation.state.attempt,
                deadline: self.node.now().plus(limits.wall),
                parent: row.parent,
            },
            seed,
        }
    }

    async fn repin(&self, id: Id, from: u64, to: u64) -> Result<One, Fault> {
        self.change(256, move |turn| {
            let found = turn.invocation(id).map_err(|e| fault_of(&e))?;
            let stands = found.filter(|i| i.row.version == from && !matches!(i.state.at, Standing::Done { .. }));
            if stands.is_none() {
                return Ok(One::Gone);
            }
            turn.write(Row::InvocationMoved { id, version: to }).map_err(|e| fault_of(&e))?;
            Ok(One::Fits(from))
        })
        .await
    }
}

/// Why this version cannot even be called as it was.
fn not_taken(invocation: &Invocation, target: &FunctionVersion) -> Option<String> {
    let row = &invocation.row;
    let export = match &row.entry {
        Entry::Run => None,
        Entry::Export(export) => Some(export.as_str()),
        // An app takes every handler's call; what it does not know it refuses when it is called.
        Entry::Handle { .. } | Entry::Describe => return None,
        Entry::Steps { .. } => {
            return Some("the steps of a workflow go on with the definition they began with".to_owned());
        }
        Entry::Elsewhere { .. } => return Some("what runs in another object goes on there".to_owned()),
        Entry::Work { .. } => return Some("what a worker is asked for runs no function".to_owned()),
        Entry::Part(_) => return Some("a tool of an agent that runs ends with the version it began with".to_owned()),
        Entry::Webhook { .. } => return Some("what is posted to a webhook runs no function".to_owned()),
    };
    let refused = target.shape(export).err().or_else(|| target.schemas.check_input(&row.input).err());
    refused.map(|fault| fault.message)
}
