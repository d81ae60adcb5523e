//! One operation while it runs: what it was asked, how far it came, how it ends.

use super::{Kind, compact, destroy, fork, promote, relocate, restore};
use crate::commit::{NewEvent, write_event};
use crate::object::{Object, fault_of};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use store::Turn;
use types::{ActionRow, ActionStatus, Fault, FaultKind, Json, Row};

/// Why an operation does not go on.
pub(crate) enum Stop {
    /// It cannot be done; what it began is taken back.
    Fault(Fault),
    /// As if the process had died here.
    Killed,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Fault(fault_of(&error))
    }
}

/// One operation.
pub(crate) struct Job {
    pub(crate) object: Object,
    pub(crate) kind: Option<Kind>,
    row: ActionRow,
    /// It is past the point where it could be taken back: it goes on, now or after the next start.
    pub(crate) is_decided: bool,
}

impl Job {
    pub(crate) fn new(object: Object, row: ActionRow) -> Self {
        Self { object, kind: Kind::parse(&row.verb), row, is_decided: false }
    }

    pub(crate) fn row(&self) -> &ActionRow {
        &self.row
    }

    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let input = self.row.options.to_value()["input"].take();
        serde_json::from_value(input).map_err(|error| {
            tracing::error!(action = %self.row.id, %error, "the input of an operation cannot be read");
            Fault::internal()
        })
    }

    /// What was noted under a name; None: nothing yet.
    pub(crate) fn state<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let value = self.row.options.to_value()["state"][name].take();
        if value.is_null() { None } else { serde_json::from_value(value).ok() }
    }

    /// The row with more noted, for a turn that writes it beside what it does.
    pub(crate) fn noting(&self, name: &str, value: Value) -> ActionRow {
        let mut options = self.row.options.to_value();
        options["state"][name] = value;
        ActionRow { options: Json::from_value(&options), ..self.row.clone() }
    }

    /// Goes on with a row that was written.
    pub(crate) fn noted(&mut self, row: ActionRow) {
        self.row = row;
    }

    /// Notes something in a turn of its own.
    pub(crate) async fn note(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        let row = self.noting(name, value);
        let written = row.clone();
        self.object.change(1024, move |turn| turn.write(Row::Action(written)).map_err(|e| fault_of(&e))).await?;
        self.row = row;
        Ok(())
    }

    /// The object and the row as they are now. True: it has ended meanwhile.
    async fn again(&mut self) -> Result<bool, Fault> {
        let (node, id) = (self.object.node.clone(), self.row.id);
        self.object = node.object(self.object.namespace()).await?.ok_or_else(Fault::internal)?;
        self.row = self.object.read(move |store| store.action(id)).await?.ok_or_else(Fault::internal)?;
        Ok(self.row.status != ActionStatus::Running)
    }

    /// A write to the registry that decides the operation: when it may or may not have happened, nothing is taken back.
    pub(crate) fn deciding<T>(&mut self, written: Result<T, Fault>) -> Result<T, Stop> {
        self.is_decided |= written.as_ref().err().is_none_or(|fault| fault.kind == FaultKind::Unavailable);
        Ok(written?)
    }

    /// Where a test ends the process.
    pub(crate) fn point(&self, name: &'static str) -> Result<(), Stop> {
        self.object.node.inner.config.faults.hit(name).map_err(|_| Stop::Killed)
    }

    /// The last rows of an operation that went well, with what else belongs to the same turn.
    async fn complete(&self, output: Value, last: Last) -> Result<(), Fault> {
        let mut options = self.row.options.to_value();
        options["output"] = output.clone();
        let row = ActionRow { options: Json::from_value(&options), ..self.row.clone() };
        self.end(row, ActionStatus::Completed, "completed", json!({ "result": output }), last).await
    }

    async fn fail(&self, fault: Fault) -> Result<(), Fault> {
        let data = json!({ "error": { "code": fault.code, "message": fault.message } });
        let row = ActionRow { error: Some(fault), ..self.row.clone() };
        self.end(row, ActionStatus::Failed, "failed", data, Box::new(|_| Ok(()))).await
    }

    async fn end(
        &self,
        row: ActionRow,
        status: ActionStatus,
        event: &'static str,
        data: Value,
        last: Last,
    ) -> Result<(), Fault> {
        self.object
            .change(4096, move |turn| {
                last(turn)?;
                let at = turn.at();
                let since = row.started_at.unwrap_or(row.created_at);
                let duration_us = Some(at.millis_since(since).saturating_mul(1000));
                let row = ActionRow { status, completed_at: Some(at), duration_us, ..row };
                let event = NewEvent {
                    verb: format!("{}.{event}", row.verb),
                    source: row.target.clone(),
                    data: Json::from_value(&data),
                };
                let id = row.id;
                let write = |turn: &mut Turn<'_>| {
                    turn.write(Row::Action(row))?;
                    write_event(turn, event, id, at)
                };
                write(turn).map_err(|e| fault_of(&e))
            })
            .await
    }
}

/// What the last turn of an operation writes beside its action.
pub(crate) type Last = Box<dyn FnOnce(&mut Turn<'_>) -> Result<(), Fault> + Send>;

/// What an operation came to.
pub(crate) struct Output {
    pub(crate) result: Value,
    pub(crate) last: Last,
}

impl Output {
    pub(crate) fn of(result: Value) -> Self {
        Self { result, last: Box::new(|_| Ok(())) }
    }
}

/// How often an operation is tried again whose object was opened anew, or that cannot be taken back, and how long it
/// waits before the first time; each wait is twice as long.
const RETRIES_MAX: u32 = 7;
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Runs an operation to its end. False: it did not come to one, and goes on after the next start.
pub(crate) async fn drive(mut job: Job) -> bool {
    for attempt in 0.. {
        let ended = match ran(&mut job).await {
            Ok(output) => match job.point("lifecycle.completing") {
                Ok(()) => job.complete(output.result, output.last).await,
                Err(_) => return false,
            },
            Err(Stop::Killed) => return false,
            Err(Stop::Fault(fault)) if job.is_decided || fault.code == "OBJECT_RECOVERING" => Err(fault),
            Err(Stop::Fault(fault)) => {
                tracing::warn!(namespace = %job.object.namespace(), verb = job.row.verb, %fault, "an operation failed");
                take_back(&job).await;
                job.fail(fault).await
            }
        };
        let Err(fault) = ended else { return true };
        let (namespace, verb) = (job.object.namespace().clone(), job.row.verb.clone());
        if attempt == RETRIES_MAX || !job.object.node.is_ready() {
            tracing::error!(%namespace, verb, %fault, "an operation cannot be brought to its end; the next start tries again");
            return false;
        }
        tokio::time::sleep(RETRY_AFTER * 2u32.pow(attempt)).await;
        match job.again().await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(fault) => tracing::warn!(%namespace, verb, %fault, "an operation waits for its object"),
        }
    }
    false
}

async fn ran(job: &mut Job) -> Result<Output, Stop> {
    match job.kind {
        Some(Kind::Fork) => fork::run(job).await,
        Some(Kind::Compact) => compact::run(job).await,
        Some(Kind::Restore) => restore::run(job).await,
        Some(Kind::Move) => relocate::run(job).await,
        Some(Kind::Destroy) => destroy::run(job).await,
        Some(Kind::Promote) => promote::run(job).await,
        None => Err(Stop::Fault(Fault::internal())),
    }
}

/// Removes what nobody has seen yet.
async fn take_back(job: &Job) {
    match job.kind {
        Some(Kind::Compact) => compact::take_back(job),
        Some(Kind::Fork) => fork::take_back(job).await,
        Some(Kind::Promote) => promote::take_back(job).await,
        Some(Kind::Move) => relocate::take_back(job).await,
        Some(Kind::Restore | Kind::Destroy) | None => {}
    }
}

/// Work on files, where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Stop> + Send + 'static,
) -> Result<T, Stop> {
    let failed = || Stop::Fault(Fault::new(FaultKind::Internal, "INTERNAL", "the host failed; its log has the reason"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(failed()))
}
