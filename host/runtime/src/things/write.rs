//! One write of one thing, or several in one transaction.

use super::append::{Doing, Next, Scene};
use super::nouns::{NounEntry, Nouns};
use super::once::Idempotency;
use super::patched::{PatchOf, patched};
use super::view::{View, line_of};
use super::{Shown, fields_fault, name_fault};
use crate::Caller;
use crate::object::{Inner, Object, fault_of};
use model::flat::Input;
use model::{Content, FieldError};
use serde_json::Value;
use store::Turn;
use types::{BranchName, Fault, Id, Json, Noun, ThingId, ThingKey, ThingRow};

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
enum Together {
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

/// A write that was done, inside the transaction.
pub(crate) struct Done {
    pub(crate) row: ThingRow,
    pub(super) previous: Option<u64>,
    pub(super) change: Change,
    pub(super) action: Id,
    pub(super) replayed: bool,
}

/// Writes inside one turn.
pub(crate) struct Writer<'a> {
    pub(crate) scene: Scene,
    pub(crate) inner: &'a Inner,
    /// The invocation that writes, when one does.
    parent: Option<Id>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        turn: &Turn<'_>,
        caller: Caller,
        inner: &'a Inner,
        branch: Option<BranchName>,
        parent: Option<Id>,
    ) -> Result<Self, Fault> {
        let line = line_of(turn, branch.as_ref())?;
        Ok(Self { scene: Scene { caller, namespace: inner.namespace.clone(), branch, line }, inner, parent })
    }

    fn all(
        &self,
        turn: &mut Turn<'_>,
        writes: Vec<Write>,
        together: Together,
    ) -> Result<Vec<Result<Done, Fault>>, Fault> {
        let mut done = Vec::with_capacity(writes.len());
        for (index, write) in writes.into_iter().enumerate() {
            match (self.one(turn, write), together) {
                (Err(fault), Together::One) => return Err(fault),
                (Err(fault), Together::All) => return Err(at_index(fault, index)),
                // What failed leaves nothing behind: everything is looked at before anything is written.
                (one, Together::One | Together::All | Together::Each) => done.push(one),
            }
        }
        Ok(done)
    }

    /// One write. Whatever can be refused is refused before the first row.
    pub(crate) fn one(&self, turn: &mut Turn<'_>, write: Write) -> Result<Done, Fault> {
        let key_of_request = match &write.idempotency {
            None => None,
            Some(idempotency) => {
                let (key, options) = self.remember_by(idempotency)?;
                if let Some(done) = self.replayed(turn, &key, idempotency)? {
                    return Ok(done);
                }
                Some((key, options))
            }
        };
        let make = |verb, event| {
            let mut doing = Doing { parent: self.parent, ..Doing::new(verb, event) };
            if let Some((key, options)) = &key_of_request {
                doing.idempotency_key = Some(key.clone());
                doing.options = options.clone();
            }
            doing
        };
        match write.op {
            Op::Create { noun, input, revive } => {
                let id = match &input.id {
                    Some(id) => ThingId::parse(id).map_err(|e| name_fault(&e))?,
                    None => made_id(turn),
                };
                let key = ThingKey::new(noun, id);
                self.agrees(&key, &input)?;
                // Nobody has an id that was made now.
                let before = if input.id.is_some() { self.newest(turn, &key)? } else { None };
                self.expect(&write.expect, &key, before.as_ref(), input.if_version)?;
                let taken = before.as_ref().filter(|row| !row.deleted || !revive);
                if let Some(row) = taken {
                    return Err(taken_fault(row));
                }
                self.put(turn, &key, before, input, make("create", "created"))
            }
            Op::Put { key, input, upsert } => {
                self.agrees(&key, &input)?;
                let before = self.newest(turn, &key)?;
                self.expect(&write.expect, &key, before.as_ref(), input.if_version)?;
                let exists = before.as_ref().is_some_and(|row| !row.deleted);
                if !exists && !upsert {
                    return Err(absent(&key));
                }
                let doing = if exists { make("update", "updated") } else { make("create", "created") };
                self.put(turn, &key, before, input, doing)
            }
            Op::Patch { key, patch } => {
                let before = self.newest(turn, &key)?;
                let if_version = match &patch {
                    PatchOf::Merge { if_version, .. } => *if_version,
                    PatchOf::Json(_) => None,
                };
                self.expect(&write.expect, &key, before.as_ref(), if_version)?;
                let before = before.filter(|row| !row.deleted).ok_or_else(|| absent(&key))?;
                let content = patched(&key, &before, patch)?;
                self.next(turn, &key, Some(before), content, make("update", "updated"))
            }
            Op::Delete { key } => {
                let before = self.newest(turn, &key)?;
                self.expect(&write.expect, &key, before.as_ref(), None)?;
                let before = before.filter(|row| !row.deleted).ok_or_else(|| absent(&key))?;
                self.mark_deleted(turn, &key, &before, make("delete", "deleted"))
            }
            Op::Restore { key } => self.restore(turn, &key, &write.expect, make("restore", "restored")),
        }
    }

    fn newest(&self, turn: &Turn<'_>, key: &ThingKey) -> Result<Option<ThingRow>, Fault> {
        turn.newest(&self.scene.line, key).map_err(|e| fault_of(&e))
    }

    fn nouns(&self) -> &Nouns {
        &self.inner.nouns
    }

    fn put(
        &self,
        turn: &mut Turn<'_>,
        key: &ThingKey,
        before: Option<ThingRow>,
        input: Input,
        doing: Doing<'_>,
    ) -> Result<Done, Fault> {
        let content = Content { name: input.name, data: Value::Object(input.data) };
        self.next(turn, key, before, content, doing)
    }

    /// Looks at the content as a whole, then writes it.
    pub(crate) fn next(
        &self,
        turn: &mut Turn<'_>,
        key: &ThingKey,
        before: Option<ThingRow>,
        mut content: Content,
        doing: Doing<'_>,
    ) -> Result<Done, Fault> {
        let noun = self.nouns().entry(turn, &self.scene.line, &key.noun)?;
        let live = before.as_ref().filter(|row| !row.deleted);
        if let Some(noun) = &noun {
            let is_new = live.is_none() && doing.verb != "restore";
            self.check(turn, noun, key, is_new, &mut content)?;
        }
        self.scene.refuse_outside_branch(turn, key)?;
        self.scene.refuse_taken(turn, key, &content, noun.as_deref())?;
        if let Some(row) = live.filter(|row| row.name == content.name && row.data.to_value() == content.data) {
            let versions = (Some(row.version), Some(row.version));
            let doing = Doing { event: None, ..doing };
            let action = self.scene.note_action(turn, key.to_string(), versions, doing)?;
            let previous = Some(row.version);
            return Ok(Done { row: row.clone(), previous, change: Change::Unchanged, action, replayed: false });
        }
        let is_new_noun = before.is_none() && turn.tally(&key.noun).map_err(|e| fault_of(&e))?.is_none();
        let previous = before.as_ref().map(|row| row.version);
        let change = match (live.is_some(), doing.verb) {
            (_, "restore") => Change::Restored,
            (true, _) => Change::Updated,
            (false, _) => Change::Created,
        };
        let next = Next { key, before: before.as_ref(), content, deleted: false, noun: noun.as_deref() };
        let (row, action) = self.scene.append(turn, next, doing)?;
        if is_new_noun {
            self.nouns().appeared();
        }
        Ok(Done { row, previous, change, action, replayed: false })
    }

    pub(crate) fn mark_deleted(
        &self,
        turn: &mut Turn<'_>,
        key: &ThingKey,
        before: &ThingRow,
        doing: Doing<'_>,
    ) -> Result<Done, Fault> {
        self.scene.refuse_outside_branch(turn, key)?;
        let noun = self.nouns().entry(turn, &self.scene.line, &key.noun)?;
        let content = Content { name: before.name.clone(), data: before.data.to_value() };
        let next = Next { key, before: Some(before), content, deleted: true, noun: noun.as_deref() };
        let (row, action) = self.scene.append(turn, next, doing)?;
        Ok(Done { row, previous: Some(before.version), change: Change::Deleted, action, replayed: false })
    }

    fn restore(&self, turn: &mut Turn<'_>, key: &ThingKey, expect: &Expect, doing: Doing<'_>) -> Result<Done, Fault> {
        let before = self.newest(turn, key)?;
        self.expect(expect, key, before.as_ref(), None)?;
        let Some(marker) = before else { return Err(absent(key)) };
        if !marker.deleted {
            let message = format!("{key} is not deleted; its newest version is v{}", marker.version);
            return Err(Fault::conflict("NOT_DELETED", message));
        }
        // A delete marker carries what was there last (spec THG-7).
        let content = Content { name: marker.name.clone(), data: marker.data.to_value() };
        self.next(turn, key, Some(marker), content, doing)
    }

    /// Schema, defaults and relations (spec NOU-5).
    fn check(
        &self,
        turn: &Turn<'_>,
        noun: &NounEntry,
        key: &ThingKey,
        is_new: bool,
        content: &mut Content,
    ) -> Result<(), Fault> {
        let Some(schema) = &noun.schema else { return Ok(()) };
        if is_new {
            schema.fill_defaults(&mut content.data);
        }
        let columns = model::noun::Columns { id: Some(key.id.as_str()), name: content.name.as_deref() };
        let mut errors = schema.validate_with(columns, &content.data);
        for relation in schema.relations().iter().filter(|r| r.direction == model::noun::Direction::ForwardExact) {
            for target in relation.targets(&content.data) {
                if !self.exists(turn, &relation.noun, target)? {
                    let message = format!("{target:?} is no {}: a thing of that noun must exist", relation.noun);
                    errors.push(FieldError::new(relation.field.clone(), "reference", message));
                }
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(fields_fault(&errors)) }
    }

    /// A relation names a thing by its id, by `Noun/id`, or by its URL in this object.
    fn exists(&self, turn: &Turn<'_>, noun: &str, target: &str) -> Result<bool, Fault> {
        let namespace = self.scene.namespace.as_str();
        let local = target.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(target);
        let key = match ThingKey::parse(local) {
            Ok(key) if key.noun.as_str() == noun => Some(key),
            Ok(_) | Err(_) => {
                Noun::parse(noun).ok().zip(ThingId::parse(local).ok()).map(|(n, id)| ThingKey::new(n, id))
            }
        };
        let Some(key) = key else { return Ok(false) };
        Ok(self.newest(turn, &key)?.is_some_and(|row| !row.deleted))
    }

    /// What the body says the thing is called must be what the path says.
    fn agrees(&self, key: &ThingKey, input: &Input) -> Result<(), Fault> {
        let differs = |what: &str, sent: &str, meant: &str| {
            Fault::invalid("BODY_MISMATCH", format!("the body's {what} is {sent:?}, but the path means {meant:?}"))
        };
        if let Some(id) = input.id.as_deref().filter(|id| *id != key.id.as_str()) {
            return Err(differs("id", id, key.id.as_str()));
        }
        if let Some(noun) = input.type_.as_deref().filter(|noun| *noun != key.noun.as_str()) {
            return Err(differs("type", noun, key.noun.as_str()));
        }
        let url = format!("{}/{key}", self.scene.namespace);
        match input.url.as_deref().filter(|sent| sent.contains("://") && **sent != url) {
            Some(sent) => Err(differs("$id", sent, &url)),
            None => Ok(()),
        }
    }

    fn expect(
        &self,
        expect: &Expect,
        key: &ThingKey,
        before: Option<&ThingRow>,
        in_body: Option<u64>,
    ) -> Result<(), Fault> {
        let live = before.filter(|row| !row.deleted);
        // A thing that was deleted can be restored on the condition that its marker is the newest.
        let current = before.map(|row| row.version);
        let met = match expect {
            Expect::Anything => true,
            Expect::Absent => live.is_none(),
            Expect::Present => live.is_some(),
            Expect::Versions(versions) => current.is_some_and(|version| versions.contains(&version)),
        };
        let now = || match (live, current) {
            (Some(row), _) => format!("its newest version is v{}", row.version),
            (None, Some(version)) => format!("it was deleted by v{version}"),
            (None, None) => "it does not exist".to_owned(),
        };
        let details = || serde_json::json!({ "version": current });
        if !met {
            let wanted = match expect {
                Expect::Anything => String::new(),
                Expect::Absent => "must not exist".to_owned(),
                Expect::Present => "must exist".to_owned(),
                Expect::Versions(versions) if versions.is_empty() => {
                    "must be at a version that a strong tag names, and none was given".to_owned()
                }
                Expect::Versions(versions) => {
                    let tags: Vec<_> = versions.iter().map(|v| format!("v{v}")).collect();
                    format!("must be at {}", tags.join(" or "))
                }
            };
            let message = format!("{key} {wanted}, but {}", now());
            return Err(Fault::conflict("PRECONDITION_FAILED", message).with_details(&details()));
        }
        match in_body.filter(|wanted| current != Some(*wanted)) {
            Some(wanted) => {
                let message = format!("{key} must be at v{wanted} (_version), but {}", now());
                Err(Fault::conflict("VERSION_CONFLICT", message).with_details(&details()))
            }
            None => Ok(()),
        }
    }
}

fn made_id(turn: &Turn<'_>) -> ThingId {
    ThingId::parse(&Id::new(turn.at(), rand::random()).to_string()).expect("a UUID is an id")
}

pub(crate) fn absent(key: &ThingKey) -> Fault {
    Fault::not_found("NOT_FOUND", format!("there is no {key}"))
}

fn taken_fault(row: &ThingRow) -> Fault {
    let how = if row.deleted {
        format!("{} was deleted by v{}; restore it, or create it anew with revive=true", row.key, row.version)
    } else {
        format!("{} exists already; its newest version is v{}", row.key, row.version)
    };
    Fault::conflict("CONFLICT", how).with_details(&serde_json::json!({ "version": row.version }))
}

fn at_index(fault: Fault, index: usize) -> Fault {
    let mut details = match fault.details.as_ref().map(Json::to_value) {
        Some(Value::Object(map)) => map,
        Some(other) => serde_json::Map::from_iter([("details".to_owned(), other)]),
        None => serde_json::Map::new(),
    };
    details.insert("index".to_owned(), index.into());
    let message = format!("operation {index}: {}", fault.message);
    Fault::new(fault.kind, fault.code, message).with_details(&Value::Object(details))
}
