//! What an object declares beside its components: subscriptions to events, schedules, workflows, functions that an app
//! runs, and the applications that declared them.
//!
//! Each is a thing of a noun of the platform, so it has versions and is part of a deployment's one turn; the newest of
//! each are kept in memory. What moves (where a subscription stands, when a schedule fired) is elsewhere. What a
//! specification means, and whether it is acceptable, belongs to those who use it.

use crate::Caller;
use crate::commit::write_event;
use crate::durable::Wakes;
use crate::functions::{ANCESTORS_MAX, FunctionVersion, NOUN, unknown};
use crate::history::{ActionDraft, done};
use crate::invoke::Ready;
use crate::object::{Object, fault_of};
use crate::schema::Schemas;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use store::{Line, Turn};
use types::deployment::{FunctionBody, FunctionSpec, Handler};
use types::exec::{Entry, HandlerKind};
use types::{
    At, Fault, FunctionKind, FunctionName, Identity, IdentityKind, Json, Manifest, Noun, ObjectId, Row, Scopes,
    ThingId, ThingKey, ThingRow, Timestamp,
};

/// Declarations of one kind in one object.
pub(crate) const DECLARED_MAX: usize = 1_024;

/// What can be declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    Subscription,
    Schedule,
    Workflow,
    /// A function that an app runs beside its own component: `FunctionSpec`, whose body is a handler.
    Function,
    /// An application as it was deployed: a whole `Deployment`.
    Deployment,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Subscription, Self::Schedule, Self::Workflow, Self::Function, Self::Deployment];

    /// Long names, because the short ones are tenants' own nouns.
    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Subscription => "EventSubscription",
            Self::Schedule => "TimeSchedule",
            Self::Workflow => "WorkflowDefinition",
            Self::Function => "DeclaredFunction",
            Self::Deployment => "AppDeployment",
        }
    }

    pub(crate) fn key(self, name: &str) -> Result<ThingKey, Fault> {
        let noun = Noun::parse(self.noun()).expect("it is PascalCase");
        let id = ThingId::parse(name).map_err(|e| Fault::invalid("NAME_INVALID", e.to_string()))?;
        Ok(ThingKey::new(noun, id))
    }
}

/// One declaration, as it is in effect.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) at: Timestamp,
    /// As `types::deployment` has it.
    pub(crate) spec: Json,
    /// Of a subscription: the last event before it. 0 for all others.
    pub(crate) after: u64,
}

impl Definition {
    fn of(row: &ThingRow, after: u64) -> Self {
        let (name, spec) = (row.key.id.as_str().to_owned(), row.data.clone());
        Self { name, version: row.version, at: row.created_at, spec, after }
    }
}

/// One that a file has, with what its definition says of events.
pub(crate) struct Stored {
    pub(crate) kind: Kind,
    pub(crate) row: ThingRow,
    pub(crate) after: u64,
}

/// The newest of each, by kind and name.
#[derive(Default)]
pub(crate) struct Declared {
    known: RwLock<BTreeMap<(Kind, String), Arc<Definition>>>,
    /// Counts changes.
    generation: AtomicU64,
    /// Who has the object look at its events again.
    wakes: OnceLock<(Arc<Wakes>, ObjectId)>,
}

impl Declared {
    pub(crate) fn of(stored: &[Stored]) -> Self {
        let known = stored.iter().map(|stored| {
            let definition = Definition::of(&stored.row, stored.after);
            ((stored.kind, definition.name.clone()), Arc::new(definition))
        });
        Self { known: RwLock::new(known.collect()), ..Self::default() }
    }

    /// From now on the object is woken when a subscription changes: events may have come before it was in effect.
    pub(crate) fn wake_by(&self, wakes: Arc<Wakes>, object: ObjectId) {
        // An object is made once; a second waker would be the same.
        let _ = self.wakes.set((wakes, object));
    }

    /// Another number after each change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn all(&self, kind: Kind) -> Vec<Arc<Definition>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|((k, _), _)| *k == kind).map(|(_, definition)| definition.clone()).collect()
    }

    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<Arc<Definition>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&(kind, name.to_owned())).cloned()
    }

    /// Puts what was written into effect; an older version than the known one is not.
    pub(crate) fn took(&self, wrote: &Declares) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let place = (wrote.kind, wrote.name.clone());
        match &wrote.now {
            Some(now) if known.get(&place).is_none_or(|k| k.version <= now.version) => {
                known.insert(place, now.clone());
            }
            Some(_) => {}
            None => {
                known.remove(&place);
            }
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
        drop(known);
        if let (Kind::Subscription | Kind::Workflow, Some((wakes, object))) = (wrote.kind, self.wakes.get()) {
            wakes.note(*object, Timestamp::from_millis(0));
        }
    }
}

/// As what a declaration is told of events, if it may be.
pub(crate) fn listener_of(kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Subscription => Some(name.to_owned()),
        Kind::Workflow => Some(format!("{WORKFLOW_LISTENER}{name}")),
        Kind::Schedule | Kind::Function | Kind::Deployment => None,
    }
}

/// Before the name of a workflow where that of a subscription stands: an event, which a subscription without a name begins
/// with, has a dot before any colon.
pub(crate) const WORKFLOW_LISTENER: &str = types::deployment::OF_WORKFLOW;

/// What a turn wrote of a declaration; [`Declared::took`] puts it into effect once that is durable.
#[derive(Clone, Debug)]
pub(crate) struct Declares {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// None: it was removed.
    pub(crate) now: Option<Arc<Definition>>,
    /// Whether there was anything to be written.
    pub(crate) changed: bool,
}

/// Writes a declaration, or that it is gone (`spec` None), with an action and an event of its own. What is there already
/// is not written again.
pub(crate) fn declare(
    turn: &mut Turn<'_>,
    caller: &Caller,
    kind: Kind,
    name: &str,
    spec: Option<&Json>,
) -> Result<Declares, Fault> {
    let key = kind.key(name)?;
    let listener = listener_of(kind, name);
    let heard = match &listener {
        Some(listener) => turn.subscribed_after(listener).map_err(|e| fault_of(&e))?,
        None => None,
    };
    let began = heard.unwrap_or(0);
    let head = turn.newest(&Line::main(), &key).map_err(|e| fault_of(&e))?;
    let live = head.as_ref().filter(|row| !row.deleted);
    let (verb, event, data) = match (live, spec) {
        (None, None) => return Ok(Declares { kind, name: name.to_owned(), now: None, changed: false }),
        (Some(row), Some(spec)) if row.data == *spec => {
            let now = Some(Arc::new(Definition::of(row, began)));
            crate::schedules::declared(turn, None, kind, name, Some(spec))?;
            return Ok(Declares { kind, name: name.to_owned(), now, changed: false });
        }
        (None, Some(spec)) => ("create", "created", spec.clone()),
        (Some(_), Some(spec)) => ("update", "updated", spec.clone()),
        (Some(row), None) => ("delete", "deleted", row.data.clone()),
    };
    let draft = ActionDraft::of(caller, turn.at(), verb, format!("{}/{name}", kind.noun()));
    let row = ThingRow {
        version: turn.next_version(),
        key,
        branch: None,
        name: None,
        data,
        deleted: spec.is_none(),
        created_at: turn.at(),
        action: draft.id,
        actor: draft.actor().to_owned(),
        born: head.as_ref().map(ThingRow::born),
    };
    let is_new_listener = spec.is_some() && (live.is_none() || heard.is_none());
    let written = row.clone();
    let (action, happened) = done(&draft, live.map(|row| row.version), Some(row.version), serde_json::json!({}), event);
    let write = || {
        turn.write(Row::Thing(row))?;
        turn.write(Row::Action(action))?;
        write_event(turn, happened, draft.id, draft.at)?;
        let Some(listener) = listener.filter(|_| is_new_listener) else { return Ok(began) };
        // It is for what happens behind its own beginning.
        let through = turn.next_sequence() - 1;
        turn.write(Row::Delivered { subscription: Some(listener), through })?;
        Ok(through)
    };
    let after = write().map_err(|e| fault_of(&e))?;
    let now = spec.is_some().then(|| Arc::new(Definition::of(&written, after)));
    crate::schedules::declared(turn, Some(draft.id), kind, name, spec)?;
    Ok(Declares { kind, name: name.to_owned(), now, changed: true })
}

impl Object {
    /// What is called for an event, a tick or a run: the handler's function as it is now, with what it gets.
    pub(crate) async fn ready_handler(
        &self,
        handler: &Handler,
        kind: HandlerKind,
        payload: Json,
    ) -> Result<Ready, Fault> {
        let Callable { owner, function, declared } = self.find_callable(handler.function(), At::Head).await?;
        let entry = match (&declared, handler) {
            (Some(declared), Handler::Function(_)) => declared.entry(&payload)?,
            (Some(_), Handler::Export { .. } | Handler::App { .. }) => {
                return Err(not_callable(handler, "declared function"));
            }
            (None, _) => entry_of(handler, kind, &function)?,
        };
        function.schemas.check_input(&payload)?;
        Ok(Ready { function, owner, entry, input: payload })
    }

    /// What a name means here: this object's own component of that name, else the function that its applications
    /// declared so, else what it means in the nearest object above it.
    pub(crate) async fn find_callable(&self, name: &FunctionName, at: At) -> Result<Callable, Fault> {
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            if let Some(function) = object.own_function(name, at).await? {
                return Ok(Callable { owner: object, function, declared: None });
            }
            let declared = object.inner.declared.get(Kind::Function, name.as_str()).filter(|_| at == At::Head);
            if let Some(definition) = declared {
                let declared = DeclaredFunction::of(&definition)?;
                let (owner, function) = object.find_function(&declared.app, At::Head).await?;
                return Ok(Callable { owner, function, declared: Some(declared) });
            }
            let Some(parent) = object.parent().await? else { break };
            object = self.node.object(&parent).await?.ok_or_else(|| unknown(name, self.namespace()))?;
        }
        Err(unknown(name, self.namespace()))
    }

    /// Functions that apps run, as this object's applications declared them, by name; each with its version.
    pub async fn declared_functions(&self, caller: &Caller) -> Result<Vec<(FunctionSpec, u64)>, Fault> {
        caller.may(NOUN, "read")?;
        let all = self.inner.declared.all(Kind::Function);
        all.iter().map(|known| Ok((DeclaredFunction::of(known)?.spec, known.version))).collect()
    }

    /// What follows from declarations that are durable now: each kind hears of its own.
    pub(crate) fn after_declared(&self, declares: &[Declares]) {
        for wrote in declares.iter().filter(|wrote| wrote.changed) {
            self.inner.declared.took(wrote);
        }
    }

    /// The object's own identity, for what nobody from outside asked for: `subscription:NAME` (spec ON-7).
    pub(crate) fn own_caller(&self, who: &str) -> Caller {
        let actor = format!("{}/Service/{who}", self.namespace());
        let identity = Identity { actor: actor.into(), kind: IdentityKind::Service, scopes: Scopes::all(), key: None };
        Caller { identity, request_id: format!("own-{who}").into() }
    }
}

/// What a name can be called as.
pub(crate) struct Callable {
    /// Whose function it is: this object's or one's above.
    pub(crate) owner: Object,
    pub(crate) function: Arc<FunctionVersion>,
    /// The name is not the function's own: it is that of one of its handlers.
    pub(crate) declared: Option<DeclaredFunction>,
}

/// A function that an app runs.
pub(crate) struct DeclaredFunction {
    app: FunctionName,
    handler: String,
    pub(crate) spec: FunctionSpec,
}

impl DeclaredFunction {
    pub(crate) fn of(definition: &Definition) -> Result<Self, Fault> {
        let spec: Option<FunctionSpec> = serde_json::from_str(definition.spec.as_str()).ok();
        let handler = spec.as_ref().and_then(|spec| match &spec.run {
            FunctionBody::Handler(Handler::App { function, name }) => Some((function.clone(), name.clone())),
            FunctionBody::Handler(_) | FunctionBody::Component { .. } | FunctionBody::Deployed => None,
        });
        match spec.zip(handler) {
            Some((spec, (app, handler))) => Ok(Self { app, handler, spec }),
            None => {
                tracing::error!(name = definition.name, version = definition.version, "no declared function");
                Err(Fault::internal())
            }
        }
    }

    /// How it is called with this input, which its schema accepts.
    pub(crate) fn entry(&self, input: &Json) -> Result<Entry, Fault> {
        if let Some(schema) = &self.spec.input {
            let manifest = Manifest { input: Some(schema.clone()), ..Manifest::default() };
            Schemas::of(&manifest).check_input(input)?;
        }
        Ok(Entry::Handle { kind: HandlerKind::Function, name: self.handler.clone() })
    }
}

/// Which export of a function a handler is.
///
/// # Errors
/// `invalid` for a function of another kind, `not-found` for an export that is not there.
pub(crate) fn entry_of(handler: &Handler, kind: HandlerKind, function: &FunctionVersion) -> Result<Entry, Fault> {
    match (handler, function.def.kind) {
        (Handler::App { name, .. }, FunctionKind::App) => Ok(Entry::Handle { kind, name: name.clone() }),
        (Handler::Function(_), FunctionKind::Code | FunctionKind::ToolBox) => {
            Ok(function.shape(None)?.export.clone().map_or(Entry::Run, Entry::Export))
        }
        (Handler::Export { export, .. }, FunctionKind::ToolBox) => {
            Ok(function.shape(Some(export))?.export.clone().map_or(Entry::Run, Entry::Export))
        }
        (_, other) => Err(not_callable(handler, other.as_str())),
    }
}

fn not_callable(handler: &Handler, kind: &str) -> Fault {
    let message = format!("{handler} cannot be called: {} is of kind {kind}", handler.function());
    Fault::invalid("HANDLER_INVALID", message)
}
