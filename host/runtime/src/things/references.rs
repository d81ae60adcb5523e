//! Where things point to, as the schemas of nouns say it: a field such as `owner: "->Person"` names a thing that exists
//! (spec NOU-4), and an edge whose relation a schema declares leads to one of that noun (spec REL-2).

use super::append::Scene;
use super::nouns::NounEntry;
use super::verbs::{predicate_of, reverse_of};
use crate::object::{Inner, fault_of};
use model::noun::{Columns, Direction, Relation};
use model::{Content, FieldError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Line, Reader};
use types::{Fault, Noun, ThingId, ThingKey};

/// The state that targets are looked for in.
pub(super) struct Sight<'a> {
    reader: &'a Reader,
    line: &'a Line,
    inner: &'a Inner,
    pub(super) ahead: Ahead<'a>,
}

/// What is about to be written together, and goes before what the line says.
#[derive(Default)]
pub(super) struct Ahead<'a> {
    /// Whether a thing will live.
    pub(super) things: BTreeMap<&'a ThingKey, bool>,
    /// Nouns by their names; None: without a schema.
    pub(super) nouns: BTreeMap<&'a str, Option<Arc<NounEntry>>>,
}

impl<'a> Sight<'a> {
    pub(super) fn of(reader: &'a Reader, scene: &'a Scene, inner: &'a Inner) -> Self {
        Self { reader, line: &scene.line, inner, ahead: Ahead::default() }
    }

    /// What a noun's schema has against a content: its own rules, and targets that are not there.
    pub(super) fn broken(&self, key: &ThingKey, noun: &NounEntry, content: &Content) -> Result<Vec<FieldError>, Fault> {
        let Some(schema) = &noun.schema else { return Ok(Vec::new()) };
        let columns = Columns { id: Some(key.id.as_str()), name: content.name.as_deref() };
        let mut errors = schema.validate_with(columns, &content.data);
        for relation in schema.relations().iter().filter(|r| r.direction == Direction::ForwardExact) {
            for target in relation.targets(&content.data) {
                if !self.exists(&relation.noun, target)? {
                    let message = format!("{target:?} is no {}: a thing of that noun must exist", relation.noun);
                    errors.push(FieldError::new(relation.field.clone(), "reference", message));
                }
            }
        }
        Ok(errors)
    }

    /// What schemas have against an edge. The noun it begins at may say where it leads (`owns: "->Site"`), the noun it
    /// ends at where it comes from (`ownedBy: "<-Startup"`). An edge that neither speaks of may lead anywhere.
    pub(super) fn broken_edge(&self, from: &ThingKey, verb: &str, target: &str) -> Result<Vec<FieldError>, Fault> {
        let verbs = self.inner.verbs.registered(self.reader)?;
        let to = ThingKey::parse(target).ok();
        let outbound =
            self.declared(&from.noun, Direction::ForwardExact, |field| predicate_of(field, &verbs) == verb)?;
        if !outbound.is_empty() {
            let wanted = outbound.join(" or ");
            let refuse = |message: String| Ok(vec![FieldError::new("to", "reference", message)]);
            match &to {
                Some(to) if !outbound.iter().any(|noun| noun == to.noun.as_str()) => {
                    let message = format!("{to} is no {wanted}, which is where {verb} leads from a {}", from.noun);
                    return refuse(message);
                }
                Some(to) if !self.is_live(to)? => return refuse(format!("there is no {to} that {verb} could lead to")),
                Some(_) => {}
                None => {
                    let message =
                        format!("{verb} leads from a {} to a {wanted} of this object; write Noun/id", from.noun);
                    return refuse(message);
                }
            }
        }
        let Some(to) = to else { return Ok(Vec::new()) };
        let reverse = reverse_of(verb, &verbs);
        let inbound = self.declared(&to.noun, Direction::BackwardExact, |field| field == reverse)?;
        if inbound.is_empty() || inbound.iter().any(|noun| noun == from.noun.as_str()) {
            return Ok(Vec::new());
        }
        let wanted = inbound.join(" or ");
        let message = format!("{from} is no {wanted}, which is what a {} is {reverse}", to.noun);
        Ok(vec![FieldError::new("from", "reference", message)])
    }

    /// The same of an edge as it is kept. One that begins at a thing that is gone is hidden: nothing is asked of it.
    pub(super) fn broken_stored_edge(&self, edge: &Content) -> Result<Vec<FieldError>, Fault> {
        let end = |name: &str| edge.data.get(name).and_then(Value::as_str);
        let (Some(from), Some(verb), Some(to)) = (end("from"), end("verb"), end("to")) else { return Ok(Vec::new()) };
        match ThingKey::parse(from) {
            Ok(from) if self.is_live(&from)? => self.broken_edge(&from, verb, to),
            Ok(_) | Err(_) => Ok(Vec::new()),
        }
    }

    /// The nouns that a noun's schema names for a relation.
    fn declared(&self, noun: &Noun, way: Direction, is_it: impl Fn(&str) -> bool) -> Result<Vec<String>, Fault> {
        let entry = self.noun(noun)?;
        let relations = entry.as_ref().and_then(|entry| entry.schema.as_ref()).map_or(&[][..], |s| s.relations());
        let meant = |relation: &&Relation| relation.direction == way && is_it(&relation.field);
        Ok(relations.iter().filter(meant).map(|relation| relation.noun.clone()).collect())
    }

    pub(super) fn noun(&self, noun: &Noun) -> Result<Option<Arc<NounEntry>>, Fault> {
        match self.ahead.nouns.get(noun.as_str()) {
            Some(entry) => Ok(entry.clone()),
            None => self.inner.nouns.entry(self.reader, self.line, noun),
        }
    }

    pub(super) fn is_live(&self, key: &ThingKey) -> Result<bool, Fault> {
        if let Some(will_live) = self.ahead.things.get(key) {
            return Ok(*will_live);
        }
        Ok(self.reader.newest(self.line, key).map_err(|e| fault_of(&e))?.is_some_and(|row| !row.deleted))
    }

    /// A relation names a thing by its id, by `Noun/id`, or by its URL in this object.
    fn exists(&self, noun: &str, target: &str) -> Result<bool, Fault> {
        let namespace = self.inner.namespace.as_str();
        let local = target.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(target);
        let key = match ThingKey::parse(local) {
            Ok(key) if key.noun.as_str() == noun => Some(key),
            Ok(_) | Err(_) => {
                Noun::parse(noun).ok().zip(ThingId::parse(local).ok()).map(|(n, id)| ThingKey::new(n, id))
            }
        };
        key.map_or(Ok(false), |key| self.is_live(&key))
    }
}
