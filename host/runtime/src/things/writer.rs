//! Writes inside one turn: the next version of a thing, from what was asked for.

use super::append::{Doing, Next, PLATFORM_NOUNS, Scene};
use super::conditions::{absent, taken_fault};
use super::nouns::{NounEntry, Nouns};
use super::patched::{PatchOf, patched};
use super::references::Sight;
use super::view::line_of;
use super::write::{Change, Expect, Op, Together, Write};
use super::{fields_fault, name_fault};
use crate::Caller;
use crate::object::{Inner, fault_of};
use model::Content;
use model::flat::Input;
use serde_json::Value;
use store::Turn;
use types::{BranchName, Fault, Id, Json, Noun, ThingId, ThingKey, ThingRow};

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

    /// What one request wants.
    pub(super) fn all(
        &self,
        turn: &mut Turn<'_>,
        writes: Vec<Write>,
        together: Together,
    ) -> Result<Vec<Result<Done, Fault>>, Fault> {
        let mut done = Vec::with_capacity(writes.len());
        for (index, write) in writes.into_iter().enumerate() {
            match (self.inner.settings.get().apply(write).and_then(|write| self.one(turn, write)), together) {
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

    pub(super) fn newest(&self, turn: &Turn<'_>, key: &ThingKey) -> Result<Option<ThingRow>, Fault> {
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
        if let Err((field, message)) = workers::staff::check(key.noun.as_str(), &content.data) {
            return Err(fields_fault(&[model::FieldError::new(field, "format", message)]));
        }
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
        let is_registered = noun.is_some() || PLATFORM_NOUNS.contains(&key.noun.as_str());
        if is_new_noun && !is_registered && self.inner.settings.get().strict_types {
            return Err(unregistered(&key.noun));
        }
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

    /// Fills defaults, then looks at the content as a whole (spec NOU-5).
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
        let errors = Sight::of(turn, &self.scene, self.inner).broken(key, noun, content)?;
        if errors.is_empty() { Ok(()) } else { Err(fields_fault(&errors)) }
    }
}

fn unregistered(noun: &Noun) -> Fault {
    let message = format!("no noun {noun} is registered, and this object takes no others; PUT /api/nouns/{noun} first");
    Fault::invalid("NOUN_UNKNOWN", message)
}

fn made_id(turn: &Turn<'_>) -> ThingId {
    ThingId::parse(&Id::new(turn.at(), rand::random()).to_string()).expect("a UUID is an id")
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
