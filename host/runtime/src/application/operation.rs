//! A deploy whose probe is still to answer: an action that goes on (spec CFG-5).
//!
//! It is written as running in the turn that puts the application into effect, and ends when the probe has answered: well,
//! or in the turn that puts back what was there before. What a stop of the host left running is asked about when the
//! object is opened; until it has ended, nobody changes the application.

use super::read;
use super::write::{Wanted, Written};
use crate::Caller;
use crate::commit::{NewEvent, write_event};
use crate::declared::Kind;
use crate::functions::FunctionVersion;
use crate::history::ActionDraft;
use crate::invoke::InvokeOptions;
use crate::lifecycle::storage_failed;
use crate::object::{Object, fault_of};
use crate::running::Chain;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::Turn;
use types::deployment::{Deployment, Handler, ProbeSpec};
use types::exec::HandlerKind;
use types::{ActionRow, ActionStatus, Durability, Fault, FaultKind, FunctionName, Id, Json, Row, Timestamp};

const VERB: &str = "deploy";
/// How often what the host could not do is tried again, and how long it waits before the first time; each wait is twice
/// as long.
const RETRIES_MAX: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// What a turn says of the deploy as an action.
pub(super) enum Goes {
    /// It is over with the turn.
    AtOnce,
    /// It begins: the probe is asked next.
    On(Box<ActionDraft>),
    /// It ends: this turn takes it back.
    Back(Box<Failed>),
}

/// Why a deploy is taken back.
#[derive(Clone)]
pub(super) struct Failed {
    action: ActionRow,
    probe: Handler,
    why: Fault,
}

/// A deploy that has not ended, with what it needs for that.
struct Open {
    action: ActionRow,
    name: FunctionName,
    whole: Deployment,
    before: Option<Deployment>,
    probe: ProbeSpec,
}

/// How far one was brought.
enum Ended {
    Well,
    TakenBack(Fault),
    /// The host could not go on with it; its next opening does.
    NotYet(Fault),
}

/// Whether an unfinished action is a deploy that goes on.
pub(crate) fn is_operation(action: &ActionRow) -> bool {
    action.durability == Durability::Do && action.verb == VERB && name_in(action).is_some()
}

/// Goes on with the deploys that a stop of the host interrupted.
pub(crate) fn go_on(object: &Object) {
    for action in object.inner.interrupted.iter().filter(|row| is_operation(row)).map(|row| row.id) {
        let object = object.clone();
        tokio::spawn(async move {
            tracing::info!(namespace = %object.namespace(), %action, "a deploy goes on: its probe is asked");
            // Who wanted it is gone: the action's row says what it came to.
            let _ = object.probe_to_its_end(action).await;
        });
    }
}

impl Goes {
    /// Of a deployment with that probe.
    pub(super) fn on(caller: &Caller, now: Timestamp, name: &FunctionName, probe: Option<&ProbeSpec>) -> Self {
        let draft = || ActionDraft::of(caller, now, VERB, target_of(name));
        probe.map_or(Self::AtOnce, |_| Self::On(Box::new(draft())))
    }

    /// Whether it is the end of this deploy.
    pub(super) fn ends(&self, action: Id) -> bool {
        matches!(self, Self::Back(failed) if failed.action.id == action)
    }

    pub(super) fn is_back(&self) -> bool {
        matches!(self, Self::Back(_))
    }

    /// Writes it beside the application; the action that goes on. Its versions are its input and output, so that no
    /// compaction takes them before it ends.
    pub(super) fn write(
        self,
        turn: &mut Turn<'_>,
        before: Option<u64>,
        version: Option<u64>,
    ) -> Result<Option<Id>, Fault> {
        match self {
            Self::AtOnce => Ok(None),
            Self::On(draft) => {
                let row = ActionRow { input: before, output: version, ..draft.running(&json!({})) };
                turn.write(Row::Action(row)).map_err(|e| fault_of(&e))?;
                Ok(Some(draft.id))
            }
            Self::Back(failed) => {
                let fault = failed.told(&failed.in_effect(version), version);
                end(turn, failed.action, Some(fault))?;
                Ok(None)
            }
        }
    }
}

impl Failed {
    fn in_effect(&self, version: Option<u64>) -> String {
        match version {
            Some(version) => format!("what was deployed before is in effect again, as version {version}"),
            None => "nothing of it is in effect but its uploaded functions, for nothing was deployed before".to_owned(),
        }
    }

    fn told(&self, state: &str, version: Option<u64>) -> Fault {
        let Self { action: _, probe, why } = self;
        let message = format!("the probe {probe} failed ({}): {}; {state}", why.code, why.message);
        let details = json!({
            "probe": probe.to_string(), "code": why.code, "message": why.message, "version": version,
        });
        Fault::new(FaultKind::Failed, "PROBE_FAILED", message).with_details(&details)
    }
}

impl Object {
    /// Has the next start open this object, whatever the log remembers of it by then. True: it is about a probe.
    pub(super) fn mark_probing(&self, wanted: &Wanted) -> Result<bool, Fault> {
        let is_probed = matches!(wanted.goes, Goes::On(_));
        if is_probed {
            self.node.inner.operations.mark(self.inner.id).map_err(|error| {
                tracing::error!(%error, "a deploy cannot be marked");
                storage_failed()
            })?;
        }
        Ok(is_probed)
    }

    pub(super) fn unmark_probing(&self) {
        self.node.inner.operations.unmark(self.inner.id);
    }

    /// Asks the probe, and ends the deploy as that answers.
    ///
    /// # Errors
    /// `PROBE_FAILED` when what was there before is back; why it has not ended, else.
    pub(super) async fn probe_to_its_end(&self, action: Id) -> Result<(), Fault> {
        for attempt in 0.. {
            let fault = match self.try_to_end(action, attempt).await.unwrap_or_else(Ended::NotYet) {
                Ended::Well => {
                    self.unmark_probing();
                    return Ok(());
                }
                Ended::TakenBack(fault) => {
                    self.unmark_probing();
                    return Err(fault);
                }
                Ended::NotYet(fault) => fault,
            };
            let namespace = self.namespace();
            if attempt == RETRIES_MAX || !self.node.is_ready() || self.inner.is_retired() {
                tracing::error!(%namespace, %action, %fault, "a deploy has not ended; its object's next opening goes on");
                return Err(fault);
            }
            tracing::warn!(%namespace, %action, %fault, "the probe of a deploy cannot be asked yet");
            tokio::time::sleep(RETRY_AFTER * 2u32.pow(attempt)).await;
        }
        Ok(())
    }

    async fn try_to_end(&self, action: Id, attempt: u32) -> Result<Ended, Fault> {
        let Some(open) = self.open_deploy(action).await? else { return Ok(Ended::Well) };
        let why = match self.ask_probe(&open).await {
            Ok(()) => {
                self.change(1024, move |turn| end(turn, open.action, None)).await?;
                return Ok(Ended::Well);
            }
            // The host stops: that is no answer of the probe.
            Err(fault) if !self.node.is_ready() => return Ok(Ended::NotYet(fault)),
            Err(fault) if fault.kind == FaultKind::Unavailable && attempt < RETRIES_MAX => {
                return Ok(Ended::NotYet(fault));
            }
            Err(fault) => fault,
        };
        let failed = Failed { action: open.action.clone(), probe: open.probe.handler.clone(), why };
        match self.put_former_back(open, failed.clone()).await {
            Ok(Written { version, .. }) => Ok(Ended::TakenBack(failed.told(&failed.in_effect(version), version))),
            Err(fault) if fault.kind == FaultKind::Unavailable => Ok(Ended::NotYet(fault)),
            Err(fault) => {
                tracing::error!(%action, code = fault.code, "a deployment whose probe failed is not taken back");
                let state = format!("it could not be taken back ({}): {}", fault.code, fault.message);
                let told = failed.told(&state, None);
                let (row, error) = (failed.action, told.clone());
                self.change(4096, move |turn| end(turn, row, Some(error))).await?;
                Ok(Ended::TakenBack(told))
            }
        }
    }

    /// None: it has ended, or has nothing to ask.
    async fn open_deploy(&self, action: Id) -> Result<Option<Open>, Fault> {
        let row = self.read(move |store| store.action(action)).await?;
        let Some(action) = row.filter(|row| row.status == ActionStatus::Running) else { return Ok(None) };
        let name = name_in(&action).ok_or_else(Fault::internal)?;
        let whole = self.kept(action.output).await?.ok_or_else(Fault::internal)?;
        let before = self.kept(action.input).await?;
        let probe = whole.probe.clone().ok_or_else(Fault::internal)?;
        Ok(Some(Open { action, name, whole, before, probe }))
    }

    async fn kept(&self, version: Option<u64>) -> Result<Option<Deployment>, Fault> {
        let Some(version) = version else { return Ok(None) };
        let row = self.read(move |store| store.version(version)).await?.ok_or_else(Fault::internal)?;
        read(&row.data).map(Some)
    }

    /// Whether the application works, which its own handler says. It is asked by the object itself, so that it says the
    /// same after a stop of the host, when who deployed is gone.
    async fn ask_probe(&self, open: &Open) -> Result<(), Fault> {
        let caller = self.own_caller(&format!("deployment:{}", open.name));
        let payload = Json::from_value(&json!({}));
        let ready = self.ready_handler(&open.probe.handler, HandlerKind::Function, payload).await?;
        let timeout = Duration::from_millis(open.probe.timeout_ms);
        let options = InvokeOptions { timeout: Some(timeout), ..InvokeOptions::default() };
        self.run(&caller, ready, options, Chain::default()).await.map(|_| ()).map_err(|failed| failed.fault)
    }

    /// Puts back what was in effect, which is the end of the deploy.
    async fn put_former_back(&self, open: Open, failed: Failed) -> Result<Written, Fault> {
        let Open { action, name, whole, before, probe: _ } = open;
        let pinned: Vec<Arc<FunctionVersion>> = match &before {
            Some(before) => self.pinned(before).await?,
            None => Vec::new(),
        };
        let caller = self.own_caller(&format!("deployment:{name}"));
        let goes = Goes::Back(Box::new(failed));
        let wanted = Wanted { name, expected: action.output, before: Some(whole), whole: before, pinned, goes };
        self.write_application(&caller, wanted).await
    }
}

/// The deploys of an application that have not ended.
pub(super) fn open_deploys(turn: &Turn<'_>, name: &FunctionName) -> Result<Vec<ActionRow>, Fault> {
    let open = turn.unfinished_actions(None, store::PAGE_MAX).map_err(|e| fault_of(&e))?.items;
    Ok(open.into_iter().filter(|row| is_operation(row) && row.target == target_of(name)).collect())
}

/// Nobody changes an application before it is known whether what it is now stays.
pub(super) fn probing(name: &FunctionName, action: Id) -> Fault {
    let message = format!("a deploy of {name} waits for its probe to answer; look at its plan when that has ended");
    Fault::conflict("DEPLOYMENT_RUNNING", message).with_details(&json!({ "action": action.to_string() }))
}

fn target_of(name: &FunctionName) -> String {
    format!("{}/{name}", Kind::Deployment.noun())
}

fn name_in(action: &ActionRow) -> Option<FunctionName> {
    let name = action.target.strip_prefix(Kind::Deployment.noun())?.strip_prefix('/')?;
    FunctionName::parse(name).ok()
}

/// Ends a deploy that has not ended yet, with its event.
fn end(turn: &mut Turn<'_>, action: ActionRow, error: Option<Fault>) -> Result<(), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let row = turn.action(action.id).map_err(fault)?.filter(|row| row.status == ActionStatus::Running);
    let Some(row) = row else { return Ok(()) };
    let (status, verb) = match error {
        None => (ActionStatus::Completed, "completed"),
        Some(_) => (ActionStatus::Failed, "failed"),
    };
    let told: Value = error.as_ref().map_or(Value::Null, |e| json!({ "code": e.code, "message": e.message }));
    let at = turn.at();
    let event = NewEvent {
        verb: format!("{VERB}.{verb}"),
        source: row.target.clone(),
        data: types::redact(&Json::from_value(&json!({ "version": row.output, "error": told }))),
    };
    let duration_us = Some(at.millis_since(row.started_at.unwrap_or(row.created_at)).saturating_mul(1000));
    let id = row.id;
    turn.write(Row::Action(ActionRow { status, error, completed_at: Some(at), duration_us, ..row })).map_err(fault)?;
    write_event(turn, event, id, at).map_err(fault)
}
