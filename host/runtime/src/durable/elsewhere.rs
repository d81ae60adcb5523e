//! A run that has another object do something, and waits for it.
//!
//! The call is a step here and an invocation there, whose id stands in the step before it is asked for. Whoever asks gives
//! that id, and it is accepted once; so asking is also how to find it again. Both sides are rows of one object each, and
//! nothing has to be carried over between the files: while it waits, the run is parked with a time, and each replay asks
//! again. So a kill of either side, at any moment, costs a wait and nothing else. What ends there tells the run, which makes
//! it ready at once; that message may be lost.

use super::accept::{Accepting, Asker};
use super::drive::DurableRun;
use super::queue::Ended;
use super::step::Made;
use crate::Caller;
use crate::commit::lock;
use crate::functions::ANCESTORS_MAX;
use crate::guest::{GuestHost, end_turn, parse_action, room_in};
use crate::invoke::InvokeOptions;
use crate::node::Node;
use crate::object::{Object, fault_of, retired};
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::exec::Entry;
use types::{
    ActionRef, Awaited, Call, CallOptions, Fault, FaultKind, Id, InvocationRow, InvocationState, Json, Namespace,
    Reply, Row, Standing, Timestamp, Trigger,
};

/// A run that waits asks again after as long as it has waited so far, within these.
const ASK_FIRST: Duration = Duration::from_secs(1);
const ASK_LAST: Duration = Duration::from_secs(5 * 60);

/// Of an attempt of what stands for work there, its waits not counted: all it does is ask.
const STANDING_TIMEOUT: Duration = Duration::from_secs(60);

/// What is asked of another object.
struct Asked<'a> {
    id: Id,
    caller: &'a Caller,
    action: ActionRef,
    data: Json,
    options: InvokeOptions,
    asker: Asker,
    /// What it is known by when the guest gave no key: `ACTION/STEP`.
    own_key: Option<String>,
}

impl GuestHost {
    /// The other object that a call names; None: it is for this one.
    pub(crate) fn elsewhere(&self, options: &CallOptions) -> Result<Option<Namespace>, Fault> {
        let Some(target) = &options.target else { return Ok(None) };
        let target = Namespace::parse(target).map_err(|e| Fault::invalid("TARGET_INVALID", e.to_string()))?;
        Ok(Some(target).filter(|target| target != self.object.namespace()))
    }

    /// Which object a call is for.
    pub(crate) async fn target(&self, options: &CallOptions) -> Result<Object, Fault> {
        match self.elsewhere(options)? {
            None => Ok(self.object.clone()),
            Some(namespace) => self.object.reach(&self.running.caller, &namespace).await,
        }
    }

    /// A `do` there. Of a durable run: its step, which has been made or is made now.
    pub(super) async fn do_elsewhere(
        &mut self,
        target: &Namespace,
        made: &mut Made,
        call: &Call,
        run: Option<&Arc<DurableRun>>,
    ) -> Result<Reply, Fault> {
        let Call::Do { action, data, options } = call else { return Err(Fault::internal()) };
        self.deeper()?;
        let action = parse_action(action)?;
        let id = match made.child {
            Some(id) => id,
            None => self.note_asking(made, call, run)?,
        };
        end_turn(&self.object, &self.running).await?;
        loop {
            let begun = Instant::now();
            let asked = Asked {
                id,
                caller: &self.running.caller,
                action: action.clone(),
                data: data.clone(),
                options: InvokeOptions {
                    timeout: options.timeout_ms.map(Duration::from_millis),
                    idempotency_key: options.idempotency_key.clone(),
                    retry: options.retry.clone(),
                    retry_on: options.retry_on.clone(),
                    serial: options.serial.clone(),
                    delay: options.delay_ms.map(Duration::from_millis),
                    ..InvokeOptions::default()
                },
                asker: Asker {
                    trigger: Trigger::Object { namespace: self.object.namespace().clone(), ordinal: made.ordinal },
                    parent: Some(self.running.id),
                    depth: self.running.chain.depth + 1,
                },
                own_key: run.map(|_| format!("{}/{}", self.running.id, made.ordinal)),
            };
            let patience = run.map(|_| self.object.node.inner.config.park_after);
            let ended = self.object.ask_there(target, asked, patience).await;
            if let Some(run) = run {
                run.waited(begun.elapsed());
            }
            match (ended, run) {
                (Ok(Some(ended)), _) => return ended.map(|(output, _)| Reply::Json(output)),
                // Whether it was accepted is not known, or it is not over: the answer is asked for again.
                (Ok(None), Some(run)) => self.ask_later(run, made, call, id).await?,
                (Err(fault), Some(run)) if is_passing(&fault) => {
                    tracing::debug!(%target, %fault, "another object cannot be asked; it is asked again");
                    self.ask_later(run, made, call, id).await?;
                }
                (Ok(None), None) => return Err(retired()),
                (Err(fault), _) => return Err(fault),
            }
        }
    }

    /// Has work begin there that is joined later: an invocation here stands for it, whose only call is the `do` there.
    pub(super) async fn start_elsewhere(
        &self,
        target: Namespace,
        made: &mut Made,
        action: &str,
        data: Json,
        options: &CallOptions,
    ) -> Result<Id, Fault> {
        self.deeper()?;
        crate::invoke::may_invoke(&self.running.caller, &parse_action(action)?)?;
        // What can be told now is told now, and not to who joins it.
        if let Err(fault) = self.object.reach(&self.running.caller, &target).await
            && !is_passing(&fault)
        {
            return Err(fault);
        }
        let options = Json::of(options);
        let entry = Entry::Elsewhere { target, action: action.to_owned(), options };
        let asker = Asker {
            trigger: Trigger::Step { ordinal: made.ordinal },
            parent: Some(self.running.id),
            depth: self.running.chain.depth + 1,
        };
        let accepting = self.object.componentless(&self.running.caller, entry, data, asker, STANDING_TIMEOUT);
        let id = accepting.row.id;
        made.child = Some(id);
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(accepting);
        Ok(id)
    }

    /// The only call of such an invocation.
    pub(super) async fn stand_for(
        mut self,
        run: &Arc<DurableRun>,
        target: &Namespace,
        action: &str,
        options: &Json,
    ) -> Result<Json, Fault> {
        let options: CallOptions = serde_json::from_str(options.as_str()).map_err(|_| Fault::internal())?;
        let options = CallOptions { target: Some(target.to_string()), ..options };
        let call = Call::Do { action: action.to_owned(), data: run.row.input.clone(), options };
        match self.step(run, call).await {
            Reply::Json(output) => Ok(output),
            Reply::Fault(fault) => Err(fault),
            Reply::Text(_) | Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Http(_) | Reply::Ready(_) => {
                Err(Fault::internal())
            }
        }
    }

    /// Gives it an id, which is written down before anybody is asked.
    fn note_asking(&self, made: &mut Made, call: &Call, run: Option<&Arc<DurableRun>>) -> Result<Id, Fault> {
        let id = Id::new(self.object.node.now(), rand::random());
        made.child = Some(id);
        if let Some(run) = run {
            let mut turn = lock(&self.running.turn);
            room_in(&turn)?;
            turn.rows.push(Row::Step(run.step_row(made, call, None, None)));
            made.is_written = true;
        }
        Ok(id)
    }

    /// Lets the instance go until it is told, or for as long as it has waited so far.
    async fn ask_later(&mut self, run: &Arc<DurableRun>, made: &mut Made, call: &Call, id: Id) -> Result<(), Fault> {
        let now = self.object.node.now();
        let until = now.plus(pause(made.started_at, now));
        let (on, told) = (Awaited::Time { ordinal: made.ordinal }, run.clone());
        self.park(run, made, call, on, Some(until), move |_| Ok(told.takes_word_of(id))).await
    }
}

impl Object {
    /// Another object that a run here may have do something: one of its own tree, in which its caller may act.
    ///
    /// # Errors
    /// `not-found` for one that is not there or of another tree, which looks the same; `forbidden`.
    pub(crate) async fn reach(&self, caller: &Caller, target: &Namespace) -> Result<Object, Fault> {
        let unknown = || {
            let message = format!("there is no object {target} that functions of {} may call", self.namespace());
            Fault::not_found("OBJECT_NOT_FOUND", message)
        };
        let node = &self.node;
        if !self.is_root() {
            let (own, theirs) = (node.tree_of(self.namespace()).await?, node.tree_of(target).await?);
            if own.is_none() || own != theirs {
                return Err(unknown());
            }
        }
        let found = node.object(target).await?.ok_or_else(unknown)?;
        if !node.may_act_at(caller, target).await? {
            return Err(Fault::forbidden(format!(
                "{} may not act in {target}; that needs a key of it, or of an object above it",
                caller.identity.actor
            )));
        }
        Ok(found)
    }

    /// Has it accepted there, or finds it, and waits for its end; None: that takes longer than the asker's patience, or
    /// the other object left memory.
    async fn ask_there(
        &self,
        target: &Namespace,
        asked: Asked<'_>,
        patience: Option<Duration>,
    ) -> Result<Option<Ended>, Fault> {
        let there = self.node.object(target).await?;
        let known = match &there {
            Some(there) => there.knows(asked.id).await?,
            None => false,
        };
        let (there, id) = match there.filter(|_| known) {
            // It was accepted: what the caller may do now does not matter any more.
            Some(there) => (there, asked.id),
            None => {
                let there = self.reach(asked.caller, target).await?;
                let id = there.accept_asked(asked).await?;
                (there, id)
            }
        };
        let told = there.end_of(id);
        if let Some(ended) = there.outcome(id).await? {
            return Ok(Some(ended));
        }
        match patience {
            None => Ok(told.await.ok()),
            Some(patience) => Ok(tokio::time::timeout(patience, told).await.ok().and_then(Result::ok)),
        }
    }

    async fn knows(&self, id: Id) -> Result<bool, Fault> {
        Ok(self.peek(|store| store.invocation(id).map_err(|e| fault_of(&e))).await?.is_some())
    }

    /// Accepts it under its id; one that the guest's own key names is taken for it.
    async fn accept_asked(&self, asked: Asked<'_>) -> Result<Id, Fault> {
        let Asked { id, caller, action, data, options, asker, own_key } = asked;
        let ready = self.ready(caller, &action, data).await?;
        if let Some(key) = &options.idempotency_key
            && let Some(earlier) = self.known_child(&ready.function.name, key, &ready.input).await?
        {
            return Ok(earlier);
        }
        let accepting = self.accepting(caller, &ready, &options, asker)?;
        let key = accepting.row.key.clone().or(own_key);
        let row = Arc::new(InvocationRow { id, key, ..InvocationRow::clone(&accepting.row) });
        let (accepting, now) = (Accepting { row, ..accepting }, self.node.now());
        self.change(accepting.bytes(), move |turn| {
            let write = || match turn.invocation(id)? {
                Some(_) => Ok(()),
                None => accepting.write(turn, now),
            };
            write().map_err(|e: store::Error| fault_of(&e))
        })
        .await?;
        Ok(id)
    }

    /// Tells the run in another object that asked for this invocation that it is over. It finds that out by itself when
    /// this does not come through.
    pub(super) fn tell_elsewhere(&self, row: &InvocationRow) {
        let (Trigger::Object { namespace, ordinal }, Some(run)) = (&row.trigger, row.parent) else { return };
        let (node, namespace, ordinal, child) = (self.node.clone(), namespace.clone(), *ordinal, row.id);
        tokio::spawn(async move {
            let told = async {
                match node.object(&namespace).await? {
                    Some(object) => object.told_from_elsewhere(run, ordinal, child).await,
                    None => Ok(()),
                }
            };
            if let Err(fault) = told.await {
                tracing::debug!(%namespace, %fault, "a run is not told that what it waits for is over");
            }
        });
    }

    async fn told_from_elsewhere(&self, run: Id, ordinal: u32, child: Id) -> Result<(), Fault> {
        // First who runs: what parks after this sees it; what parked before is found by the turn.
        let running = lock(&self.inner.running).get(&run).and_then(|running| running.durable.clone());
        if let Some(running) = running {
            running.tell_of(child);
        }
        self.change(256, move |turn| {
            let found = turn.invocation(run).map_err(|e| fault_of(&e))?;
            let waits = found.filter(
                |i| matches!(i.state.at, Standing::Waiting { on: Awaited::Time { ordinal: o }, .. } if o == ordinal),
            );
            let Some(waiting) = waits else { return Ok(()) };
            let state = InvocationState { at: Standing::Ready, ..waiting.state };
            turn.write(Row::InvocationState(state)).map_err(|e| fault_of(&e))
        })
        .await
    }
}

impl Node {
    /// The object right below the root that another one is or stands below; None: it is the root, or not there.
    async fn tree_of(&self, namespace: &Namespace) -> Result<Option<Namespace>, Fault> {
        let mut at = namespace.clone();
        for _ in 0..ANCESTORS_MAX {
            match self.parent_of(&at).await? {
                Some(parent) if parent == *self.default_namespace() => return Ok(Some(at)),
                Some(parent) => at = parent,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Whether an identity counts in an object: it is one of that object, or of one above it; its key, if it has one,
    /// still opens.
    async fn may_act_at(&self, caller: &Caller, namespace: &Namespace) -> Result<bool, Fault> {
        let mut at = namespace.clone();
        for _ in 0..ANCESTORS_MAX {
            if is_home(&caller.identity.actor, &at) {
                let Some(key) = caller.identity.key else { return Ok(true) };
                let Some(home) = self.object(&at).await? else { return Ok(false) };
                let row = home.read(|store| store.key(key)).await?;
                return Ok(row.is_some_and(|row| auth::check(&row, self.now()).is_ok()));
            }
            match self.parent_of(&at).await? {
                Some(parent) => at = parent,
                None => return Ok(false),
            }
        }
        Ok(false)
    }
}

/// Whether an actor, `NAMESPACE/Service/NAME`, is of this object.
fn is_home(actor: &str, namespace: &Namespace) -> bool {
    let rest = actor.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let Some((kind, name)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    matches!(kind, "Human" | "Agent" | "Service") && !name.is_empty() && !name.contains('/')
}

/// Whether asking once more may go better; whether what was asked for was accepted is not known then.
fn is_passing(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal)
}

fn pause(since: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(now.millis_since(since)).clamp(ASK_FIRST, ASK_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_long_asks_seldom() {
        let at = Timestamp::from_millis;
        let waits = [0, 1_500, 60_000, 3_600_000].map(|waited| pause(at(7), at(7 + waited)).as_millis());
        assert_eq!(waits, [1_000, 1_500, 60_000, 300_000]);
    }

    #[test]
    fn an_actor_has_one_home() {
        let of = |actor: &str, ns: &str| is_home(actor, &Namespace::parse(ns).expect("a namespace"));
        assert!(of("https://a.test/x/Service/bot", "https://a.test/x"));
        assert!(of("https://a.test/Human/eve%2Fx", "https://a.test"));
        for ns in ["https://a.test/x", "https://b.test", "https://a.tes"] {
            assert!(!of("https://a.test/Service/bot", ns), "{ns}");
        }
        // An object may be called like a kind of actor.
        assert!(!of("https://a.test/Service/Service/bot", "https://a.test"));
        assert!(of("https://a.test/Service/Service/bot", "https://a.test/Service"));
        assert!(!of("https://a.test/Service/", "https://a.test"));
    }
}
